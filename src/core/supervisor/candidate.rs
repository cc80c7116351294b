//! The supervisor as a candidate: what a look at the znodes means to it, and when it campaigns.

use super::{Actions, Guardian, Role, Settle, Supervisor};
use crate::core::candidacy::{Campaign, Freshness, Plan};
use crate::core::election::{MasterSight, Record, Sight, TermId, TermSight, Token, Transaction};
use crate::core::facts::{Action, Command, Exit, News};
use crate::core::guard::{Charge, Shutdown, Tree};
use crate::core::link::State;
use crate::core::term::{Term, Verdict};
use crate::core::time::Time;

impl Supervisor {
    pub(super) fn note_sight(
        &mut self,
        now: Time,
        session: u32,
        sight: &Sight,
        actions: &mut Actions,
    ) {
        self.request = None;
        self.look_at = now + self.timing_in_force().poll_interval;
        let (State::Up { id: own, .. } | State::Interrupted { id: own, .. }) = self.link.state()
        else {
            return;
        };
        let freshness = self.candidacy.note(now, sight);
        match &mut self.role {
            Role::Term(term) => {
                if term.note_sight(session, own, sight) == Verdict::Superseded {
                    actions.push(Action::Exit(Exit::Superseded));
                }
            }
            Role::Campaigning(campaign, settle) => {
                let (campaign, settle) = (*campaign, *settle);
                self.settle(session, own, &campaign, settle, sight);
            }
            Role::Standby => {
                if freshness == Freshness::Fresh {
                    self.consider(now, session, own, sight, actions);
                }
            }
        }
    }

    /// R8: a campaign without an answer is ours if `T` says so; it is not, if a look after a refusal on the same
    /// session, or at a later version, says otherwise.
    pub(super) fn settle(
        &mut self,
        session: u32,
        own: i64,
        campaign: &Campaign,
        settle: Settle,
        sight: &Sight,
    ) {
        if let TermSight::Present {
            stamp,
            modified,
            record: Record::Held(held),
        } = sight.term
            && held.id == Some(campaign.id)
        {
            let token = held.token.unwrap_or(Token(modified));
            let seat = (sight.master == MasterSight::Ephemeral { owner: own }).then_some(session);
            self.role = Role::Term(Term::settled(
                campaign,
                held.generation,
                token,
                stamp.version,
                seat,
            ));
            return;
        }
        let is_newer =
            matches!(sight.term, TermSight::Present { stamp, .. } if stamp > campaign.over);
        self.role = if is_newer || settle == Settle::Look(session) {
            Role::Standby
        } else {
            Role::Campaigning(*campaign, Settle::Commit)
        };
    }

    /// A standby's turn: it does what its view of the znodes permits.
    pub(super) fn consider(
        &mut self,
        now: Time,
        session: u32,
        own: i64,
        sight: &Sight,
        actions: &mut Actions,
    ) {
        let timing = self.timing_in_force();
        let id = TermId {
            elector: self.settings.elector,
            number: self.campaigns + 1,
        };
        let plan = self.candidacy.plan(now, sight, &timing, own, id);
        self.note_block(plan, actions);
        match plan {
            Plan::Wait | Plan::Blocked(_) => {}
            Plan::Found(founding) => {
                self.commit(now, session, Transaction::Found(founding), actions)
            }
            Plan::Withdraw(version) => {
                self.commit(now, session, Transaction::Withdraw(version), actions)
            }
            Plan::Campaign(_) if !self.may_campaign() => {}
            Plan::Campaign(campaign) => {
                self.campaigns += 1;
                actions.push(Action::Tell(News::Campaigning(
                    campaign.master,
                    campaign.id,
                )));
                self.role = Role::Campaigning(campaign, Settle::Commit);
                self.look_at = now;
            }
        }
    }

    pub(super) fn note_block(&mut self, plan: Plan, actions: &mut Actions) {
        let block = match plan {
            Plan::Blocked(block) => Some(block),
            Plan::Wait | Plan::Found(_) | Plan::Campaign(_) | Plan::Withdraw(_) => None,
        };
        if let Some(block) = block
            && self.block != Some(block)
        {
            actions.push(Action::Tell(News::Blocked(block)));
        }
        self.block = block;
    }

    /// Only when nothing of an earlier term is left, here or in the guardian.
    pub(super) fn may_campaign(&self) -> bool {
        let Guardian::Alive(report) = self.guardian else {
            return false;
        };
        self.timing.is_ok()
            && self.command == Command::Runnable
            && report.charge == Charge::None
            && report.tree == Tree::Empty
            && report.shutdown == Shutdown::No
    }
}
