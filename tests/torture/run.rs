//! One run: fault after fault, until time is up; then the verdict.

use crate::arguments::Effort;
use crate::bounds::Expectation;
use crate::draw::{Network, Plan, Slot, draw, drawn};
use crate::enclosure::is_asked_to_end;
use crate::faults::Harm;
use crate::field::{COUNT, Field};
use crate::judge::{Done, Evidence, Trial};
use crate::kinds::Kind;
use crate::story::{Lease, Story, Verdict};
use crate::support::Who;
use crate::support::time::now;
use crate::{faults, report, seen, tell};
use nix::unistd::Pid;
use std::fs;
use std::time::Duration;

/// In the mean, none takes less.
const FAULT: Duration = Duration::from_millis(1500);

/// Runs it; says whether the verdict is clean.
pub(crate) fn torture(effort: &Effort, network: Network) -> bool {
    let kinds = drawn(network, &effort.only);
    if kinds.is_empty() {
        tell::say("servers cannot be cut from each other here: that takes network namespaces");
        return false;
    }
    let mut field = Field::make(network);
    field.ensure_running();
    let began = field
        .wait_whole(Duration::ZERO)
        .expect("three servers and three hosts start");
    field.replaced();
    let slots = schedule(effort, &kinds, &field);
    tell::opening(effort, network, &field.timing);
    let mut trials = Vec::new();
    let mut verdict = Verdict::default();
    let least = draw(effort.seed, 1, &kinds, &field.timing).len();
    for (at, slot) in slots.iter().enumerate() {
        // Each kind once, however slow the machine.
        let is_over = at >= least && now() >= began + effort.length;
        if is_over || is_asked_to_end() {
            break;
        }
        let Some(trial) = field.undergo(slot) else {
            continue;
        };
        trials.push(trial);
        let evidence = field.evidence(began, &trials);
        tell::progress(&evidence);
        tell::news(&verdict, &evidence.verdict());
        verdict = evidence.verdict();
        if trials.last().is_some_and(|trial| trial.whole.is_none()) {
            break;
        }
        field.hold(slot.pause);
    }
    close(field, effort, &kinds, began, &trials)
}

/// A fault that goes on.
struct Begun<'s> {
    plan: &'s Plan,
    from: Duration,
    harm: Harm,
}

impl Field {
    /// Does what a slot has, undoes it, and waits until all is well again. Nothing, if nothing of it could be done.
    fn undergo(&mut self, slot: &Slot) -> Option<Trial> {
        let mut begun: Vec<Begun> = (slot.plans.iter())
            .filter_map(|plan| self.begin(plan))
            .collect();
        // The shortest first: each is held from its own beginning.
        begun.sort_by_key(|it| it.from + it.plan.length);
        let ended = begun.into_iter().map(|it| self.end(it));
        let (done, expectations): (Vec<Done>, Vec<Expectation>) = ended.unzip();
        let expectation = expectations
            .into_iter()
            .reduce(|one, other| one.beside(other, &self.timing))?;
        Some(Trial {
            done,
            expectation,
            whole: self.wait_whole(expectation.bound),
            replaced: self.replaced(),
        })
    }

    fn begin<'s>(&mut self, plan: &'s Plan) -> Option<Begun<'s>> {
        let from = now();
        let harm = self.harm(plan);
        if harm.is_none() {
            tell::not_done(plan);
        }
        let harm = harm?;
        Some(Begun { plan, from, harm })
    }

    fn end(&mut self, begun: Begun) -> (Done, Expectation) {
        let Begun { plan, from, harm } = begun;
        self.hold((from + plan.length).saturating_sub(now()));
        let Harm { on, place, wound } = harm;
        // Before it is undone: what was frozen executes from then on.
        let until = now();
        self.heal(wound);
        let expectation = place.expectation(plan, now() - from, &self.timing);
        let kind = plan.kind();
        let done = Done {
            kind,
            on,
            from,
            until,
        };
        (done, expectation)
    }

    /// Guardian and elector of each host.
    fn processes(&self) -> Vec<[Option<Pid>; 2]> {
        let hosts = self.hosts.iter();
        hosts
            .map(|host| [Who::Guardian, Who::Elector].map(|who| host.pid(who)))
            .collect()
    }

    /// The hosts whose guardian has another elector than when this was asked last.
    fn replaced(&mut self) -> Vec<String> {
        let now = self.processes();
        let before = std::mem::replace(&mut self.processes, now);
        let hosts = self.hosts.iter().zip(before.iter().zip(&self.processes));
        hosts
            .filter(|(_, (before, now))| before[0] == now[0] && before[1] != now[1])
            .map(|(host, _)| host.name.clone())
            .collect()
    }

    /// What is known so far.
    fn evidence<'a>(&mut self, began: Duration, trials: &'a [Trial]) -> Evidence<'a> {
        self.witnesses.look();
        for host in &mut self.hosts {
            host.leases.look();
        }
        Evidence {
            timing: self.timing,
            began,
            ended: now(),
            lives: self.witnesses.lives(),
            refusals: self.witnesses.refusals().into(),
            exits: self.exits.clone(),
            trials,
        }
    }
}

fn schedule(effort: &Effort, kinds: &[Kind], field: &Field) -> Vec<Slot> {
    let faults = effort.length.as_millis() / FAULT.as_millis();
    let faults = usize::try_from(faults).expect("a run of days has a million");
    let slots = draw(effort.seed, faults / kinds.len() + 1, kinds, &field.timing);
    if let Some(dir) = &effort.report {
        let lines: Vec<String> = slots.iter().map(tell::planned).collect();
        fs::create_dir_all(dir)
            .and_then(|()| fs::write(dir.join("schedule.txt"), lines.concat()))
            .unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    }
    slots
}

/// Tells the verdict; keeps the files if it is not clean.
fn close(
    mut field: Field,
    effort: &Effort,
    kinds: &[Kind],
    began: Duration,
    trials: &[Trial],
) -> bool {
    let evidence = field.evidence(began, trials);
    let story = story(&field, effort, &evidence);
    tell::table(&evidence);
    tell::verdict(&story.verdict, &evidence);
    let mistake = effort.report.as_ref().and_then(|dir| {
        report::write(&story, dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
        seen::mistake(&story, dir, field.group.dir())
    });
    tell::mistake(mistake.as_deref());
    let left_out = left_out(kinds, &evidence);
    tell::left_out(&left_out);
    let is_clean = is_clean(&story.verdict) && left_out.is_empty() && mistake.is_none();
    if !is_clean {
        let kept = field.keep(&format!("torture-{}-{}", effort.seed, began.as_secs()));
        tell::kept(&kept);
    }
    tell::again(effort);
    is_clean
}

/// The kinds that were not done at all, or to standbys alone.
fn left_out(kinds: &[Kind], evidence: &Evidence) -> Vec<&'static str> {
    let done = evidence.trials.iter().flat_map(|trial| &trial.done);
    let struck = done.filter(|done| evidence.strikes_master(done));
    let struck: Vec<Kind> = struck.map(|done| done.kind).collect();
    let missing = kinds.iter().filter(|kind| !struck.contains(kind));
    missing.map(|kind| kind.words()).collect()
}

fn is_clean(verdict: &Verdict) -> bool {
    verdict.overlaps.is_empty() && verdict.needless.is_empty() && verdict.overdue.is_empty()
}

fn story(field: &Field, effort: &Effort, evidence: &Evidence) -> Story {
    let minutes = (evidence.ended - evidence.began).as_secs_f64() / 60.0;
    let faults = evidence.faults();
    Story {
        title: format!(
            "{} faults in {minutes:.0} minutes, on three hosts and three servers",
            faults.len()
        ),
        seed: Some(effort.seed),
        settings: tell::settings(&field.timing, evidence),
        began: evidence.began,
        ended: evidence.ended,
        hosts: field.hosts.iter().map(|host| host.name.clone()).collect(),
        servers: (0..COUNT).map(faults::name).collect(),
        lives: evidence.lives.clone(),
        leases: leases(field),
        faults,
        verdict: evidence.verdict(),
    }
}

fn leases(field: &Field) -> Vec<Lease> {
    let hosts = field.hosts.iter();
    hosts.flat_map(|host| host.leases.all().to_vec()).collect()
}
