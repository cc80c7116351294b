//! Whatever comes from a stranger - a znode's data, a message of the other process, the operator's file - is read or
//! refused: no panic, no hang, no more memory than its length accounts for, and no child that is not due.
//!
//! `ZK_SUPERVISE_EDGES_CASES=100000 cargo test --release --test edges` tries so many of each.

mod config;
mod meter;
mod mutate;
#[expect(
    dead_code,
    reason = "of what a test needs of the machine, these need a directory"
)]
#[path = "../support/scratch.rs"]
mod scratch;
mod wire;
mod znodes;

use proptest::test_runner::{Config, RngSeed};

/// So many cases, the same every time; where the environment asks for another number, others each time. What takes a
/// minute has hung.
fn cases(number: u32) -> Config {
    let asked = std::env::var("ZK_SUPERVISE_EDGES_CASES").ok();
    let (cases, rng_seed) = match asked {
        Some(asked) => (asked.parse().expect("a number of cases"), RngSeed::Random),
        None => (number, RngSeed::Fixed(1)),
    };
    Config {
        cases,
        rng_seed,
        timeout: 60_000,
        // What was found once is an example in a test, for everybody to read.
        failure_persistence: None,
        ..Config::default()
    }
}
