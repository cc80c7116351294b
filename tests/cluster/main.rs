//! Tests against real servers with the real binary, one module a subject. They compile once and run in one process.

#[path = "../support/mod.rs"]
mod support;

mod alarm;
mod calm;
mod child;
mod defects;
mod election;
mod harness;
mod launch;
mod loss;
mod measure;
mod processes;
mod reload;
mod rival;
mod service;
mod session;
mod startup;
mod status;
mod story;
