//! Decides. Given the time and a fact, it returns what is to be done; it knows `std` and nothing else.
//!
//! # The promise
//!
//! * **P1** When a candidate's child starts, nothing of any earlier master's child is alive.
//! * **P2** A disturbance that is shorter than the lease allows does not touch the child.
//! * **P3** When the master is gone, a standby's child runs as soon as P1 permits.
//!
//! # The record
//!
//! Beside the ephemeral master znode `M` lives the persistent term record `T`. Its data version counts its writes, so
//! a compare-and-set on it puts all masters in one order. Everything rests on what it says:
//!
//! > **I0** `released` means that no tree of any term is alive. `held` with lease `L` at version v means that every tree
//! > but the holder's own is dead by commit(v) + `L`, and the holder's own by `L` after its last good write was sent.
//!
//! # The invariants
//!
//! * **I0** is what the record says, above.
//! * **I1** A lease comes only of a write that was answered OK, ends `L − ε` after that was sent, and revives nothing that
//!   has lapsed (R1).
//! * **I2** A tree is alive only within its term's lease: the guardian arms the lease before it starts the child, sends
//!   SIGKILL a kill margin before the end, and lets nothing move that moment away (R9, and its own rules 1 to 3).
//! * **I3** A child starts only after its term's `not_before`, and never in a term that was sealed (R3, R6).
//! * **I4** `released` is written only when the tree is proven dead, its term sealed, and its `not_before` over (R6, R7).
//! * **I5** Fencing tokens grow from term to term, and stay the same within one.
//!
//! # Why P1 holds
//!
//! Let a candidate's campaign go over the version v of `T`. Whatever the old master sends after that is refused: its
//! compare-and-set names an older version. So its last good write was sent before our own read that showed v was
//! answered, at `u` by our clock. Its tree is dead `L` after that sending, by its clock (R1, and the guardian's
//! `kill_at`); ours starts no earlier than `u` + `L`·(1+ρ)/(1−ρ) + ε by our clock (R3), which is later, since the rates of
//! the clocks differ by less than ρ each. And where v says `released`, it was written after the tree was proven dead
//! (I4). So I0 holds after each write if it held before: a campaign writes the longer of both leases (R2), a renewal and a
//! resume keep it, a release needs I4. (A candidate leaves a master that lost nothing but `M` the time to stop and to release,
//! and campaigns over its `held` only after that: for P3, and P1 needs nothing of it.) Neither session timeouts nor pings, watches, lagging servers, early expiries or deletions of `M` appear in
//! the argument.
//!
//! # The rules
//!
//! | | | kept by |
//! |---|---|---|
//! | **R1** | A lease comes only of an OK answer, ends `L − ε` after the sending, and revives nothing that has lapsed. | [`lease::lease_end`], [`term`], [`guard`] |
//! | **R2** | `L` belongs to the term; a campaign over `held{L′}` writes the longer of both. | [`candidacy`] |
//! | **R3** | Over `held`, the child starts after the wait-out since *our* first read of that very state; a `held` that was deleted still counts. | [`candidacy`], [`lease::wait_out`] |
//! | **R4** | A compare-and-set uses a version that was learned, and one request is on its way at a time. | [`supervisor`] |
//! | **R5** | Each elector or session of a term is a generation; one that sees a higher one exits. | [`term`] |
//! | **R6** | Before a release the guardian seals the term: no child starts in it again. | [`guard`] |
//! | **R7** | A release needs a dead tree, and the term's own wait-out to be over; else `T` stays held. | [`term`] |
//! | **R8** | A read older than what we know proves nothing; a lost answer is settled by trying the same again, then reading. | [`supervisor`], [`term`], [`candidacy`] |
//! | **R9** | The guardian knows all of the term, enforces it by itself, and hands it to the next elector. | [`guard`] |
//! | **R10** | Who saw `T` unchanged for the full wait-out may depose its holder, whatever `M`'s session says. | [`candidacy`] |
//! | **R11** | A release from outside needs the recorded term, and a tree that was itself proven empty. | `cli/release.rs` |
//! | **R12** | The session is left open by every end but a clean one, so that an accident does not free `M`. | `zookeeper/open.rs` |
//!
//! # Who checks it
//!
//! * A table for every state and event of each machine, beside it.
//! * `world`: thousands of long random histories, with P1 to P3 and I0 to I5 checked at every step.
//! * `tests/model`: every short history within stated bounds; with one clause of each rule of this code (all but R11)
//!   switched off it finds two trees, or for R5 and R12 a needless restart, or for R10 nobody for ever.
//! * `tests/mutants.py`: what a change of any decision in here breaks in the tests above.
//! * `tests/torture`: the whole product on real servers, judged by what the commands that ran have written down.
//!
//! # The machines
//!
//! [`supervisor::Supervisor`] is the elector's, [`guard::Guard`] the guardian's. Each takes facts, never orders: a step
//! records the fact, then compares what is wanted with what is being done, so that a fact that comes early, late or
//! twice needs no case of its own. Their states are drawn where they are defined.

pub mod candidacy;
pub mod election;
pub mod facts;
pub mod guard;
pub mod lease;
pub mod link;
pub mod path;
pub mod restart;
pub mod supervisor;
pub mod term;
pub mod time;
pub mod vigil;
#[cfg(test)]
mod world;
