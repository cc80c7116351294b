//! The package as an administrator meets it: installed on two hosts with systemd, beside an ensemble.
//!
//! It takes root, and `debootstrap`, which fetches Debian once. By itself it installs a package that it puts together from
//! this tree. `packaging/build.sh`, then `ZK_SUPERVISE_PACKAGES=target/packages cargo test --test package` takes the real
//! ones, and the rpm too.

mod machine;
mod product;
mod service;
mod site;
mod software;
#[expect(
    dead_code,
    unused_imports,
    reason = "it serves the tests of `cluster` too, which use the rest"
)]
#[path = "../support/mod.rs"]
mod support;
mod worst_day;

use machine::Machine;
use site::UNIT;
use std::time::Duration;
use support::{millis, secs};

/// How long two candidates may take until one runs the command; more than a lease.
const SOON: Duration = secs(40);

/// What is promised: the command runs on the other host within half a second.
const AT_ONCE: Duration = millis(500);

/// What its log says.
fn journal(machine: &Machine) -> String {
    machine.run(&format!("journalctl --no-pager -u {UNIT}"))
}

fn status(machine: &Machine) -> String {
    machine.run(&format!("systemctl status {UNIT} || :"))
}

/// What systemd knows of the unit.
fn property(machine: &Machine, name: &str) -> String {
    let value = machine.run(&format!("systemctl show -P {name} {UNIT}"));
    value.trim().to_owned()
}
