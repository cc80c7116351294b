//! Tests against real servers with the real binary, one module a subject. They compile once and run in one process.

#[path = "../support/mod.rs"]
mod support;

mod election;
mod harness;
mod session;
