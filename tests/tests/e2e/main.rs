//! The end-to-end tests: one binary, so that it links once (only `allocations.rs` needs an
//! allocator of its own); one module for each thing that is put to the test.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails there, also inside a function that it calls"
)]
#![allow(
    clippy::disallowed_methods,
    reason = "tests make their files themselves, and have no failpoints"
)]

mod agent;
mod alerts;
mod arrows;
mod bad_input;
mod cache;
mod circles;
mod commands;
mod counts;
mod described;
mod ending;
mod environment;
mod errors;
mod evidence;
mod faults;
mod floor;
mod harness;
mod healing;
mod idle;
mod ignored;
mod installing;
mod interop;
mod journey;
mod logs;
mod memory;
mod names;
mod onto;
mod overlay;
mod pack_cache;
mod packing;
mod php;
mod places;
mod ports;
mod publishing;
mod repair;
mod restore;
mod rollout;
mod second;
mod server;
mod serving;
mod silence;
mod split_root;
mod stages;
mod starting;
mod storage;
mod tampering;
mod targets;
mod tenant;
mod told;
mod trial;
mod upkeep;
mod warming;
mod watching;
