//! The edge over a real HAProxy: what visitors get, and that nothing of it takes a reload.
//!
//! The cluster is played: a test writes the model that an agent reads from the API server. That it
//! is read so is tested on a real one (`--test cluster`).

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails there, also inside a function that it calls"
)]

mod addresses;
mod browser;
mod changes;
mod hold;
mod limits;
mod overload;
mod platform;
mod routing;
mod smuggling;
