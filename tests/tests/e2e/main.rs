//! The end-to-end tests: one binary, so that it links once; one module for each thing that is put to the test.

mod arrows;
mod harness;
mod server;
