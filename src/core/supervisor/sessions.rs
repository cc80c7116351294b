//! The supervisor and its sessions: which one is used, what is asked on it, and what the answers are worth.

use std::time::Duration;

use super::{Actions, Request, Role, Settle, Supervisor, What};
use crate::core::election::{Outcome, Transaction};
use crate::core::facts::{Action, Exit, News, SessionEvent};
use crate::core::lease::Timing;
use crate::core::link::State;
use crate::core::term::{Need, Stage, Term};
use crate::core::time::Time;

impl Supervisor {
    pub(super) fn note_session(
        &mut self,
        now: Time,
        session: u32,
        event: SessionEvent,
        actions: &mut Actions,
    ) {
        match event {
            SessionEvent::Opened { id, granted } => self.note_opened(now, id, granted, actions),
            SessionEvent::OpenFailed => self.link.note_failed(now),
            SessionEvent::Interrupted => self.link.note_interrupted(now),
            SessionEvent::Restored => {
                self.link.note_restored();
                self.hurry(now);
            }
            SessionEvent::Ended => {
                self.link.give_up(now);
                self.lose_request(now);
                if let Role::Term(term) = &mut self.role {
                    term.note_session_ended(session);
                }
            }
            SessionEvent::Looked(sight) => self.note_sight(now, session, &sight, actions),
            SessionEvent::LookFailed => self.note_look_failed(now),
            SessionEvent::Answered(outcome) => self.note_answer(now, session, outcome, actions),
            SessionEvent::MasterChanged => self.hurry(now),
            SessionEvent::Closed => actions.push(Action::Exit(Exit::Done)),
        }
    }

    pub(super) fn note_opened(
        &mut self,
        now: Time,
        id: i64,
        granted: Duration,
        actions: &mut Actions,
    ) {
        self.link.note_opened(id);
        self.hurry(now);
        let wanted = self.settings.timing;
        let fitted = wanted.granted(granted);
        if fitted != self.timing {
            match fitted {
                Ok(timing) if timing.lease < wanted.lease => {
                    actions.push(Action::Tell(News::LeaseShortened(granted, timing.lease)));
                }
                Ok(_) => {}
                Err(misfit) => actions.push(Action::Tell(News::SessionTooShort(granted, misfit))),
            }
        }
        self.timing = fitted;
    }

    /// The library may say so at once, again and again, until it notices that the connection is lost.
    pub(super) fn note_look_failed(&mut self, now: Time) {
        let timing = self.timing_in_force();
        self.request = None;
        self.look_at = now + timing.poll_interval;
        if let Role::Term(term) = &mut self.role {
            term.pause(now, &timing);
        }
    }

    /// Whatever is next is due now.
    pub(super) fn hurry(&mut self, now: Time) {
        self.look_at = now;
        if let Role::Term(term) = &mut self.role {
            term.hurry(now);
        }
    }

    /// The durations in force: those that fit the granted session, or else those asked for.
    pub(super) fn timing_in_force(&self) -> Timing {
        self.timing.unwrap_or(self.settings.timing)
    }

    pub(super) fn owes_since(&self) -> Option<Time> {
        self.request.map(|request| request.sent)
    }

    pub(super) fn mind_link(&mut self, now: Time, actions: &mut Actions) {
        if let Some(session) = self.link.session()
            && self.link.is_overdue(now, self.owes_since())
        {
            actions.push(Action::Tell(News::SessionReplaced));
            actions.push(Action::Abandon(session));
            self.lose_request(now);
            self.link.replace(now);
        }
        if self.closing.is_none()
            && let Some(session) = self.link.open(now)
        {
            actions.push(Action::Open(session));
        }
    }

    /// The request on its way will not be answered: it may have happened, or happen yet.
    pub(super) fn lose_request(&mut self, now: Time) {
        match self.request {
            Some(Request {
                session,
                what: What::Commit(_),
                ..
            }) => {
                self.note_answer(now, session, Outcome::Unknown, &mut Vec::new());
            }
            Some(Request {
                what: What::Look, ..
            })
            | None => self.request = None,
        }
    }

    /// Sends the next request, if one is due and none is on its way (R4).
    pub(super) fn request(&mut self, now: Time, actions: &mut Actions) {
        let State::Up { session, .. } = self.link.state() else {
            return;
        };
        if self.request.is_some() || self.closing.is_some() {
            return;
        }
        match &self.role {
            Role::Term(term) => match term.need(now, session) {
                Need::Nothing(_) => {}
                Need::Look => self.look(now, session, actions),
                Need::Commit(transaction) => self.commit(now, session, transaction, actions),
            },
            Role::Standby | Role::Campaigning(..) if now < self.look_at => {}
            Role::Standby | Role::Campaigning(_, Settle::Look(_)) => {
                self.look(now, session, actions)
            }
            Role::Campaigning(campaign, Settle::Commit) => {
                let transaction =
                    Transaction::Campaign(campaign.master, campaign.held, campaign.over.version);
                self.commit(now, session, transaction, actions);
            }
        }
    }

    pub(super) fn look(&mut self, now: Time, session: u32, actions: &mut Actions) {
        self.request = Some(Request {
            session,
            sent: now,
            what: What::Look,
        });
        actions.push(Action::Look(session));
    }

    pub(super) fn commit(
        &mut self,
        now: Time,
        session: u32,
        transaction: Transaction,
        actions: &mut Actions,
    ) {
        self.request = Some(Request {
            session,
            sent: now,
            what: What::Commit(transaction),
        });
        if let Role::Term(term) = &mut self.role {
            term.note_sent(
                now,
                &transaction,
                &self.timing.unwrap_or(self.settings.timing),
            );
        }
        actions.push(Action::Commit(session, transaction));
    }

    pub(super) fn note_answer(
        &mut self,
        now: Time,
        session: u32,
        outcome: Outcome,
        actions: &mut Actions,
    ) {
        let Some(Request {
            sent,
            what: What::Commit(transaction),
            ..
        }) = self.request.take()
        else {
            return;
        };
        let timing = self.timing_in_force();
        match &mut self.role {
            Role::Standby => {
                self.look_at = match outcome {
                    Outcome::Done { .. } => now,
                    Outcome::Refused(_) | Outcome::Unknown => now + timing.poll_interval,
                }
            }
            Role::Term(term) => {
                let generation = term.generation();
                term.note_answer(now, sent, session, &transaction, outcome, &timing);
                if term.generation() != generation && matches!(term.stage(), Stage::Leased { .. }) {
                    actions.push(Action::Tell(News::Resumed(term.token(), term.generation())));
                }
            }
            Role::Campaigning(campaign, settle) => match outcome {
                Outcome::Done { version, zxid } => {
                    let term = Term::won(now, campaign, sent, version, zxid, session, &timing);
                    self.role = Role::Term(term);
                }
                Outcome::Refused(_) => {
                    *settle = Settle::Look(session);
                    self.look_at = now;
                }
                Outcome::Unknown => self.look_at = now + timing.poll_interval,
            },
        }
    }
}
