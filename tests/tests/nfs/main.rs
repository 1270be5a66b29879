//! NFS for real: the client and the server of a Linux kernel, in user-mode Linux, as most build
//! machines have neither.
//!
//! Each test boots a guest of its own, whose first process is this same program with the one test's
//! name. There the test sets up a server, and a pod in a network namespace, with the program under
//! test in it; what it asserts fails the test outside, with the guest's console and logs. Most of
//! them put the mounts alone to the test, by a program with short times; `whole` has the agent as
//! it ships. The guest sees this machine's files read-only, and writes to its own memory and to one
//! directory below `target/tmp/nfs`.
//!
//! `make test-nfs` runs them; they need root in no way but inside the guest.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails there, also inside a function that it calls"
)]
#![allow(
    clippy::print_stdout,
    reason = "figures for people, also from functions that are no tests themselves"
)]
#![allow(
    clippy::unused_self,
    reason = "only who has a server may stop it, and only who has an agent may ask for its history"
)]
#![allow(
    clippy::disallowed_methods,
    reason = "tests make their files themselves, and have no failpoints"
)]

mod agent;
mod capture;
mod guest;
mod host;
mod network;
mod server;
mod writer;

mod basics;
mod ending;
mod kubelet;
mod outages;
mod reach;
mod replaced;
mod survival;
mod tls;
mod whole;

use std::any::type_name;

/// Runs `scenario` as the first process of a guest; called by a test and nothing else, as the
/// test's own name is found by it.
fn in_guest<F: FnOnce()>(scenario: F) {
    let name = type_name::<F>().trim_end_matches("::{{closure}}");
    let test = name.split_once("::").map_or(name, |(_program, test)| test);
    if guest::is_here() {
        guest::run(scenario);
    } else {
        host::boot(test);
    }
}
