//! The promises, checked at every instant.

use super::super::election::{Record, TermId, Token, Transaction};
use super::super::guard::{Charge, Tree};
use super::super::lease::lease_end;
use super::super::time::Time;
use super::{Climate, Host, Pace, World};
use std::collections::{HashMap, VecDeque};

/// A healthy process never steps more often in a millisecond.
const MOST_STEPS: u32 = 30;
/// Nor does an elector ask the ensemble for more in a second: a loop without a pause asks for hundreds.
const MOST_REQUESTS: u32 = 80;
const LONGEST_TRACE: usize = 90;

pub(super) struct Checks {
    trace: Option<VecDeque<String>>,
    broken: Option<String>,
    last: Option<(TermId, Token)>,
    terms: HashMap<TermId, Known>,
    /// Calm worlds: the child was started.
    pub(super) has_started: bool,
}

/// What the ensemble's writes say of a term.
struct Known {
    /// When the last one that was committed was sent, by its host's clock.
    sent: Time,
    others_dead_by: u64,
}

impl Checks {
    pub(super) fn new(is_traced: bool) -> Checks {
        Checks {
            trace: is_traced.then(VecDeque::new),
            broken: None,
            last: None,
            terms: HashMap::new(),
            has_started: false,
        }
    }

    pub(super) fn note(&mut self, now: u64, text: impl FnOnce() -> String) {
        let Some(trace) = &mut self.trace else { return };
        if trace.len() == LONGEST_TRACE {
            trace.pop_front();
        }
        let text = text();
        trace.push_back(format!(
            "{:>4}.{:06} {text}",
            now / 1_000_000_000,
            now / 1000 % 1_000_000
        ));
    }

    pub(super) fn trace(&self) -> String {
        let lines = self.trace.iter().flatten().map(String::as_str);
        lines.collect::<Vec<_>>().join("\n")
    }

    /// Only the first one counts.
    pub(super) fn break_promise(&mut self, promise: impl Into<String>) {
        if self.broken.is_none() {
            self.broken = Some(promise.into());
        }
    }

    pub(super) fn verdict(&mut self) -> Result<(), String> {
        self.broken.take().map_or(Ok(()), Err)
    }

    /// I5: the fencing token only grows, and each term has one.
    pub(super) fn judge_token(&mut self, term: TermId, token: Token) {
        if let Some((last_term, last)) = self.last {
            let is_right = if last_term == term {
                token == last
            } else {
                token > last
            };
            if !is_right {
                self.break_promise(format!("token {token} after {last}"));
            }
        }
        self.last = Some((term, token));
    }

    /// P3: one tree runs, and only one.
    pub(super) fn judge_liveness(&self, hosts: &[Host]) -> Result<(), String> {
        match hosts.iter().filter(|host| host.tree.is_some()).count() {
            1 => Ok(()),
            count => Err(format!("P3: {count} trees run in the end")),
        }
    }
}

impl Pace {
    pub(super) fn step(&mut self, now: u64) -> Result<(), String> {
        let milli = now / 1_000_000;
        self.steps = if self.milli == milli {
            self.steps + 1
        } else {
            1
        };
        self.milli = milli;
        if self.steps > MOST_STEPS {
            return Err("a process spins".into());
        }
        Ok(())
    }

    pub(super) fn request(&mut self, now: u64) -> Result<(), String> {
        let second = now / 1_000_000_000;
        self.requests = if self.second == second {
            self.requests + 1
        } else {
            1
        };
        self.second = second;
        if self.requests > MOST_REQUESTS {
            return Err("an elector floods the ensemble".into());
        }
        Ok(())
    }
}

impl World {
    /// P1, and what the child is started under.
    pub(super) fn judge_spawn(&mut self, host: usize, term: TermId, token: Token) {
        let others: Vec<usize> = (0..self.hosts.len())
            .filter(|&other| self.hosts[other].tree.is_some())
            .collect();
        if self.climate == Climate::Lawless {
            return;
        }
        if !others.is_empty() {
            self.checks
                .break_promise(format!("P1: started on {host}, alive on {others:?}"));
        }
        self.checks.judge_token(term, token);
        if self.climate == Climate::Calm {
            if self.checks.has_started {
                self.checks.break_promise("P2: started again");
            }
            self.checks.has_started = true;
        }
    }

    /// I1 (R1) and I3 (R3), as exactly as the model knows them.
    pub(super) fn judge_lease(&mut self, host: usize) {
        let Some(guardian) = &self.hosts[host].guardian else {
            return;
        };
        let report = guardian.guard.report();
        let Charge::Open(grant) = report.charge else {
            return;
        };
        match self.checks.terms.get(&grant.id) {
            Some(known) if grant.end > lease_end(known.sent, grant.lease) => {
                self.checks
                    .break_promise("R1: a lease that no write has given");
            }
            Some(_) if self.climate == Climate::Lawless => {}
            Some(known) if report.tree != Tree::Empty && self.now < known.others_dead_by => {
                self.checks
                    .break_promise("R3: started before the wait-out was over");
            }
            Some(_) => {}
            None => self
                .checks
                .break_promise("a lease of a term that never was"),
        }
    }

    /// Remembers what a committed transaction, sent at `sent` by its host's clock, says of its term.
    pub(super) fn note_commit(&mut self, sent: Time, what: &Transaction) {
        let Some(term) = self.ensemble.latest().term else {
            return;
        };
        match what {
            Transaction::Campaign(_, held, _)
            | Transaction::Renew(held, _)
            | Transaction::Resume(_, held, _) => {
                let known = Known {
                    sent,
                    others_dead_by: term.others_dead_by,
                };
                let id = held.id.unwrap();
                let entry = self.checks.terms.entry(id).or_insert(known);
                entry.sent = entry.sent.max(sent);
            }
            Transaction::Found(_) | Transaction::Release(..) | Transaction::Withdraw(_) => {}
        }
    }

    /// I4 (R7)
    pub(super) fn judge_commit(&mut self, what: &Transaction) {
        let Some(term) = self.ensemble.latest().term else {
            return;
        };
        if let Transaction::Release(_, version) = what
            && *version == term.stamp.version
            && self.now < term.others_dead_by
            && self.climate != Climate::Lawless
        {
            self.checks.break_promise("R7: released too early");
        }
    }

    /// After a step nothing may be due any more: a shell that sleeps until `wake` would spin.
    pub(super) fn judge_wake(&mut self, host: usize, wake: Time) {
        if wake <= self.hosts[host].clock.local(self.now) {
            self.checks
                .break_promise("a process spins: nothing it can do is due");
        }
    }

    /// P2
    pub(super) fn judge_touch(&mut self) {
        if self.climate == Climate::Calm {
            self.checks.break_promise("P2: the child was touched");
        }
    }

    /// I0, in both halves; the second is I2.
    pub(super) fn judge_moment(&mut self) {
        if self.climate == Climate::Lawless {
            return;
        }
        let Some(term) = self.ensemble.latest().term else {
            return;
        };
        for host in &self.hosts {
            let Some(tree) = &host.tree else { continue };
            match term.record {
                Record::Virgin | Record::Released => {
                    self.checks
                        .break_promise("I0: released, and a tree is alive");
                }
                Record::Held(held) if held.id == Some(tree.term) => {
                    let known = &self.checks.terms[&tree.term];
                    if host.clock.local(self.now) > known.sent + held.lease {
                        self.checks
                            .break_promise("I2: a tree outlives its term's lease");
                    }
                }
                Record::Held(_) => {
                    if self.now > term.others_dead_by {
                        self.checks
                            .break_promise("I0: an older tree outlives the lease");
                    }
                }
            }
        }
    }
}
