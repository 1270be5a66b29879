//! The program, beside what it talks to: an API server as far as it is used, agents that tell the
//! truth and agents that do not, nginx with good and bad certificates, a name server.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    unreachable_pub,
    reason = "helpers of tests fail as tests do"
)]

mod agents;
mod api;
mod autoscaler;
mod collects;
mod dies;
mod hosts;
mod loss;
mod many;
mod probes;
mod visible;
mod world;
