//! Tortures the real product on a real ensemble: by hand for hours, or as one test among others for minutes.
//!
//! A nemesis draws faults from a seed ([`draw`]), each is done and undone ([`faults`]) on three hosts and three servers
//! ([`field`]), and what the witnesses wrote meanwhile, and which processes ended, is judged ([`judge`]) by what each may
//! cost ([`bounds`]).

mod arguments;
mod bounds;
mod checks;
mod draw;
#[expect(
    dead_code,
    reason = "it serves the tests of the picture too, which use the rest"
)]
#[path = "../report/drawn.rs"]
mod drawn;
mod enclosure;
mod endings;
mod faults;
mod field;
mod host;
mod judge;
mod kinds;
mod leases;
mod peers;
mod plans;
mod report;
mod run;
mod seen;
mod story;
#[expect(
    dead_code,
    unused_imports,
    reason = "it serves the tests of `cluster` too, which use the rest"
)]
#[path = "../support/mod.rs"]
mod support;
mod tail;
mod tell;
mod tests;
mod wires;
mod witnesses;

use arguments::{Order, read};
use std::process::ExitCode;

/// The command line is wrong, as `sysexits.h` has it.
const USAGE: u8 = 64;

fn main() -> ExitCode {
    match read(std::env::args().skip(1)) {
        Order::Help => {
            tell::say(arguments::HELP);
            ExitCode::SUCCESS
        }
        Order::Wrong(why) => {
            support::tell(&format!("torture: {why}; see --help"));
            ExitCode::from(USAGE)
        }
        Order::Tests(filter) => tests::run(&filter),
        Order::Peers(names, trials) => exit_code(peers::run(&names, trials).is_well()),
        Order::Torture(effort) => match enclosure::network() {
            None => {
                let arguments: Vec<String> = std::env::args().skip(1).collect();
                ExitCode::from(enclosure::enter(&arguments))
            }
            Some(network) => {
                enclosure::listen();
                exit_code(run::torture(&effort, network))
            }
        },
    }
}

fn exit_code(is_well: bool) -> ExitCode {
    if is_well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
