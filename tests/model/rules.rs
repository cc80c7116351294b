//! The rules of `core`, each switched off where the model meets the code: in the facts that are fed to it, or in what
//! becomes of its actions. The code under test has no such switch.

use crate::ensemble::Znodes;
use crate::host::{Elector, Host};
use crate::setup::Setup;
use crate::world::World;
use std::time::Duration;
use zk_supervise::core::election::{
    Held, MasterSight, MasterZnode, Outcome, Record, Refusal, Sight, TermSight, Token, Transaction,
};
use zk_supervise::core::facts::{Event, SessionEvent};
use zk_supervise::core::guard::{Charge, ElectorExit, Grant, Order, Report, StopReason, Tree};
use zk_supervise::core::time::Time;

/// A rule that is switched off.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Rule {
    /// R1: the lease counts from the answer, not from the sending.
    LeaseFromSending,
    /// R2: a campaign writes its own lease over a longer one.
    LongerLease,
    /// R3: the child starts at once.
    WaitOut,
    /// R4: after a lost answer the version is predicted, not read.
    LearnedVersion,
    /// R5: the old elector is replaced, but not killed.
    OldElectorKilled,
    /// R6: the elector does not wait until the guardian has sealed the term.
    Seal,
    /// R7: the term is released while its tree is being stopped.
    ReleaseAfterDeath,
    /// R7: a term is released whose own wait-out is not over.
    ReleaseAfterWaitOut,
    /// R8: what a lagging server shows is taken for the latest version.
    FreshLook,
    /// R9: the next elector is not told when the child may start.
    GuardianKnows,
    /// R10: nobody is deposed.
    Depose,
    /// R12: an elector that crashes closes its session.
    OpenSession,
    /// I5: the token is not the number of the transaction.
    GrowingTokens,
}

impl Setup {
    /// What an order becomes on its way to the guardian.
    pub(crate) fn order(&self, host: &mut Host, elector: usize, now: Time, order: Order) -> Order {
        match order {
            Order::Lease(grant) if self.is_without(Rule::LeaseFromSending) => {
                let end = grant.end + host.electors[elector].memory.lateness;
                Order::Lease(Grant { end, ..grant })
            }
            Order::Lease(grant) if self.is_without(Rule::WaitOut) => Order::Lease(Grant {
                not_before: now,
                ..grant
            }),
            Order::Lease(grant) if self.is_without(Rule::GrowingTokens) => Order::Lease(Grant {
                token: Token(-grant.token.0),
                ..grant
            }),
            Order::GiveUp(_) if self.is_without(Rule::Seal) => {
                let report = host.guardian.as_ref().map(|it| it.guard.report());
                if let Some(report) = report
                    && let Charge::Open(grant) = report.charge
                {
                    let charge = Charge::Sealed(grant, StopReason::GivenUp);
                    let event = Event::Reported(Report { charge, ..report });
                    host.electors[elector].inbox.push_back(event);
                }
                order
            }
            Order::Hold | Order::Lease(_) | Order::GiveUp(_) | Order::Forget(_) => order,
        }
    }

    /// What a report becomes on its way to the elector.
    pub(crate) fn report(&self, report: Report) -> Report {
        match report.charge {
            Charge::Sealed(..) if self.is_without(Rule::ReleaseAfterDeath) => Report {
                tree: Tree::Empty,
                ..report
            },
            Charge::Open(grant) if self.is_without(Rule::GuardianKnows) => Report {
                charge: Charge::Open(Grant {
                    not_before: Time::default(),
                    ..grant
                }),
                ..report
            },
            Charge::None | Charge::Open(_) | Charge::Sealed(..) | Charge::Barred(_) => report,
        }
    }

    /// What a transaction becomes on its way to the ensemble.
    pub(crate) fn transaction(&self, host: usize, transaction: Transaction) -> Transaction {
        let own = |held: Held| Held {
            lease: self.hosts[host].timing.lease,
            ..held
        };
        match transaction {
            Transaction::Withdraw(version) if self.is_without(Rule::ReleaseAfterWaitOut) => {
                Transaction::Release(MasterZnode::Present, version)
            }
            Transaction::Campaign(master, held, version) if self.is_without(Rule::LongerLease) => {
                Transaction::Campaign(master, own(held), version)
            }
            Transaction::Renew(held, version) if self.is_without(Rule::LongerLease) => {
                Transaction::Renew(own(held), version)
            }
            Transaction::Resume(master, held, version) if self.is_without(Rule::LongerLease) => {
                Transaction::Resume(master, own(held), version)
            }
            Transaction::Found(_)
            | Transaction::Campaign(..)
            | Transaction::Renew(..)
            | Transaction::Resume(..)
            | Transaction::Release(..)
            | Transaction::Withdraw(_) => transaction,
        }
    }

    /// What the ensemble is not asked at all.
    pub(crate) fn refuse(&self, transaction: &Transaction) -> Option<Outcome> {
        let is_depose = matches!(transaction, Transaction::Campaign(MasterZnode::Present, ..));
        (is_depose && self.is_without(Rule::Depose))
            .then_some(Outcome::Refused(Refusal::MasterExists))
    }

    /// What a look becomes on its way to the elector.
    pub(crate) fn sight(&self, shown: Sight, latest: &Znodes, elector: &mut Elector) -> Sight {
        match (shown.term, latest.term) {
            (
                TermSight::Present {
                    modified, record, ..
                },
                Some(term),
            ) if self.is_without(Rule::FreshLook) => Sight {
                term: TermSight::Present {
                    stamp: term.stamp,
                    modified,
                    record,
                },
                ..shown
            },
            (
                TermSight::Present {
                    stamp, modified, ..
                },
                _,
            ) if self.is_without(Rule::LearnedVersion) => {
                let Some((written, version)) = elector.memory.unanswered.take().and_then(written)
                else {
                    return shown;
                };
                let own = elector.connection.and_then(|it| it.id);
                Sight {
                    master: own.map_or(shown.master, |owner| MasterSight::Ephemeral { owner }),
                    term: TermSight::Present {
                        stamp: zk_supervise::core::election::Stamp {
                            version: version + 1,
                            ..stamp
                        },
                        modified,
                        record: Record::Held(written),
                    },
                }
            }
            _ => shown,
        }
    }

    pub(crate) fn kill_elector(&self, host: &mut Host) {
        if self.is_without(Rule::OldElectorKilled) {
            host.tell_guardian(zk_supervise::core::guard::Fact::ElectorExited(
                ElectorExit::Failed,
            ));
        } else {
            host.lose_elector(0, ElectorExit::Failed);
        }
    }

    pub(crate) fn note_crash(&self, world: &mut World, host: usize) {
        let connection = world.hosts[host].electors[0].connection;
        if let Some(id) = connection.and_then(|it| it.id)
            && self.is_without(Rule::OpenSession)
        {
            world.ensemble.end(id);
        }
    }

    pub(crate) fn note_answer(
        &self,
        elector: &mut Elector,
        answer: &SessionEvent,
        lateness: Duration,
    ) {
        if let SessionEvent::Answered(Outcome::Done { .. }) = answer
            && self.is_without(Rule::LeaseFromSending)
        {
            elector.memory.lateness = lateness;
        }
    }

    pub(crate) fn note_loss(&self, elector: &mut Elector, transaction: &Transaction) {
        if self.is_without(Rule::LearnedVersion) {
            elector.memory.unanswered = Some(*transaction);
        }
    }
}

/// What a transaction of a term writes, and over which version.
fn written(transaction: Transaction) -> Option<(Held, i32)> {
    match transaction {
        Transaction::Campaign(_, held, version)
        | Transaction::Renew(held, version)
        | Transaction::Resume(_, held, version) => Some((held, version)),
        Transaction::Found(_) | Transaction::Release(..) | Transaction::Withdraw(_) => None,
    }
}
