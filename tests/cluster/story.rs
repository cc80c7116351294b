//! What the log tells an operator: what there is to know, and nothing that misleads.

use crate::measure::{ELECTED_WITHIN, said};
use crate::support::{Group, Who, secs, shared, wait_until};
use nix::sys::signal::Signal;

const THE_MASTER_IS: &str = "the master is";

#[test]
fn a_master_that_resumes_is_not_told_who_is_master_and_a_standby_is_told_once() {
    let group = Group::new(shared());
    let host = group.start("a");
    group.wait_running(ELECTED_WITHIN);
    let other = group.start("b");
    wait_until("it hears of a", ELECTED_WITHIN, || {
        said(&other, THE_MASTER_IS) == 1
    });
    // The next elector looks before it resumes.
    host.signal(Who::Elector, Signal::SIGKILL);
    wait_until("the term is resumed", secs(20), || {
        said(&host, "resumed the term") == 1
    });
    assert_eq!(said(&host, THE_MASTER_IS), 0);
    assert_eq!(said(&other, THE_MASTER_IS), 1);
}
