//! Reload and upgrade: what a guardian knows goes on in the next image of its process (R9).

use super::{Asked, Carried, Charge, Grant, Guard, Tree};
use crate::core::lease::Timing;
use crate::core::time::Time;

impl Guard {
    /// A guardian that goes on where an earlier image of this very process stopped.
    #[must_use]
    pub fn resumed(now: Time, timing: Timing, carried: &Carried) -> Guard {
        Guard {
            charge: carried.grant.map_or(Charge::None, Charge::Open),
            tree: carried
                .running_since
                .map_or(Tree::Empty, |since| Tree::Running { since }),
            started: carried.started,
            exit: carried.exit,
            ..Guard::new(now, timing)
        }
    }

    /// What the next image of this process must know; none while it may not take over, because something is being stopped
    /// or given back.
    #[must_use]
    pub fn carried(&self) -> Option<Carried> {
        let grant = match self.charge {
            Charge::None => None,
            Charge::Open(grant) => Some(grant),
            Charge::Sealed(..) | Charge::Barred(_) => return None,
        };
        let running_since = match self.tree {
            Tree::Empty => None,
            Tree::Running { since } => Some(since),
            Tree::Stopping { .. } | Tree::Killing { .. } => return None,
        };
        (self.asked == Asked::Never).then_some(Carried {
            grant,
            started: self.started,
            exit: self.exit,
            running_since,
        })
    }

    /// The same, but where the lease has so little left that enforcing it comes first.
    #[must_use]
    pub fn unhurried(&self, now: Time) -> Option<Carried> {
        let carried = self.carried()?;
        let has_time = |grant: Grant| now + self.timing.kill_margin < self.stop_at(&grant);
        carried.grant.is_none_or(has_time).then_some(carried)
    }
}
