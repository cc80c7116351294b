//! What the peers did under the same faults: measured once, on a machine of two processors like this one, against
//! ZooKeeper 3.8.0, etcd 3.4.23 and consul 1.8.7, three trials each (S0 and S1: five). Least/median/greatest, in
//! seconds where no unit is given; `–` was not measured.
//!
//! kz-LOST is a script of thirty lines on kazoo 2.11 that stops the child when the session is lost, kz-SUSP one that
//! does so when the connection is; cur-std is Curator 5.4's LeaderSelector as documented, cur-sess the same with
//! SessionConnectionStateErrorPolicy, cur-sess33 with simulatedSessionExpirationPercent=33 too. consul's session
//! timeout and lock delay are 15 s each and cannot be set.

use super::table::line;

/// Whose columns these are.
pub(crate) const CONTENDERS: [&str; 9] = [
    "zk-flock",
    "lockex",
    "kz-LOST",
    "kz-SUSP",
    "cur-std",
    "cur-sess",
    "cur-sess33",
    "etcdctl lock",
    "consul lock",
];

/// One row: its name, what is done and measured, a cell for each contender.
struct Peers {
    name: &'static str,
    title: &'static str,
    cells: [&'static str; CONTENDERS.len()],
}

#[rustfmt::skip]
const PEERS: &[Peers] = &[
    Peers { name: "S0", title: "launch to child", cells: [
        "54/62/126 ms", "70/92/174 ms", "55/58/91 ms", "–", "176/208/237 ms", "–", "–", "12/15/19 ms", "32/39/44 ms"] },
    Peers { name: "S1", title: "TERM: handover", cells: [
        "15/33/58 ms", "116/121/123 ms", "7/8/10 ms", "5/6/8 ms (T = 1 s)", "16/18/24 ms", "as cur-std", "as cur-std",
        "never: TERM ignored", "6/6/8 ms"] },
    Peers { name: "S2", title: "kill -9: next child; orphan", cells: [
        "6.1/6.8/7.0; dies at once", "6.8/6.9/7.0; for ever", "6.8/6.8/6.9; for ever", "7.0/7.1/7.1; for ever",
        "6.3/6.4/6.8; for ever", "–", "–", "5.6/5.6/5.9; for ever", "41.9/42.0/42.0; for ever"] },
    Peers { name: "S3", title: "STOP for 18 s (consul: 45 s): overlap; old child after CONT", cells: [
        "11.0/11.2/12.0; .004–.042", "11.0/11.1/12.0; .45–.87", "11.0/11.0/12.0; .09–.13", "11.0/11.1/12.1; .001",
        "11.0/11.7/12.2; .104", "–", "–", "12.2/12.3/12.4; never dies", "3.0; .001"] },
    Peers { name: "S3b", title: "VM paused for 3 T: overlap after it resumes", cells: [
        ".001–.003", ".33/.50/.90", ".10/.11/.12", "0", ".104", "–", "–", "for ever", "0–.001"] },
    Peers { name: "S4a", title: "server frozen for 2 T: child stopped at; next after the thaw", cells: [
        "11.5; .70", "9.1–9.3; .03", "not stopped", "2.5–3.1; .2", "3.56–3.59; .02", "9.6; .02", "5.56; 1.0–1.7",
        "never: 26 s of overlap and more", "30 (at the thaw); 15.2"] },
    Peers { name: "S4b", title: "server restarted, 0.8 s (consul: 8 s): survived", cells: [
        "0/3", "3/3", "3/3", "0/3", "0/3", "3/3", "3/3", "3/3", "3/3"] },
    Peers { name: "S4c", title: "server frozen for T/2: survived", cells: [
        "3/3", "3/3", "3/3", "3/3; busy: 1/3", "3/3; busy: 2/3", "3/3", "3/3", "3/3", "3/3"] },
    Peers { name: "S11", title: "rolling restart of 3 servers: survived", cells: [
        "0/3", "3/3", "3/3", "0/3", "0/3", "3/3", "2/3", "–", "–"] },
    Peers { name: "S12", title: "leader of 3 servers killed: survived (nobody ran for)", cells: [
        "0/3 (6.6–7.7)", "2/3 (7.7)", "3/3", "0/3 (.55–.82)", "0/3 (1.0–1.5)", "3/3", "3/3", "–", "–"] },
    Peers { name: "S7", title: "master in a black hole (consul lock: from its agent): old child last at; overlap", cells: [
        "11.5; 4.4/4.4/5.4", "9.0–9.7; 2.1/2.7/3.4", "when it heals; 11.2/11.3/12.2", "2.9–3.1; 0", "3.58–3.59; 0",
        "9.57–9.60; 2.6/3.3/4.0", "5.54–5.57; 0 (by 30 ms)", "never; for ever", "when it heals; 3.0"] },
    Peers { name: "S7i", title: "the same, child ignores TERM: overlap", cells: [
        "5.6/6.5/6.6", "2.5/3.4/3.9", "11.3/12.3/12.4 + 5–6", ".9/1.8/2.0", "1.6/2.0/3.0", "7.5/8.2/9.0", "3.5/4.3/5.0",
        "for ever", "3.0 + 5.0"] },
    Peers { name: "S7r", title: "connection reset for 0.3 T: survived", cells: [
        "0/6", "0/3", "3/3", "0/6", "0/6", "3/3", "2/3", "3/3", "0/3, then none for 34 s and more"] },
    Peers { name: "S5a", title: "clean stop, child ignores TERM: overlap", cells: [
        ".93/.96/.98", "0 (KILL at once)", "0, next at 5.0", "0, next at 5.0", "0, next at 5.0", "–", "–", "never stops",
        "0, next at 5.0"] },
    Peers { name: "S5d", title: "clean stop, child needs 3 s: allowed; overlap", cells: [
        "0/3; .94–.98", "0/3; 0", "3/3; 0", "3/3; 0", "3/3; 0", "–", "–", "never stops", "3/3; 0"] },
    Peers { name: "S5b", title: "clean stop, setsid grandchild: left behind", cells: [
        "6/6", "6/6", "6/6", "6/6", "6/6", "–", "–", "6/6", "6/6"] },
    Peers { name: "S5c", title: "mastership lost, setsid grandchild: left behind (with S5b)", cells: [
        "6/6", "6/6", "6/6", "6/6", "6/6", "–", "–", "6/6", "6/6"] },
    Peers { name: "S8", title: "child crashes: next child (theirs on the other host)", cells: [
        "20/27/60 ms", "14/24/29 ms", "6/9/9 ms", "–", "37/40/49 ms", "–", "–", "3/4/5 ms", "8/9/11 ms"] },
    Peers { name: "S9", title: "service down for the first 10 s", cells: [
        "exit 1 at 6 s", "exit 1 at 15 s", "traceback at 15 s, or starts 4 s after", "as kz-LOST", "waits; .5–.9 after",
        "–", "–", "waits; 5.6–6.3 after", "exit 1 at 40 ms"] },
    Peers { name: "S6", title: "idle master: RSS/PSS MB; CPU %; wake-ups/s; size", cells: [
        "13.5/9.5; .2; 21; 8.4 MB + Python 2.7", "17.1/13.0; .0; 1.6; 16 MB + Python 2.7",
        "21.1/14.4; .0; 1.2; 1.7 MB + Python 3", "–", "53/40; .15; 11; 6.8 MB + JDK of 260 MB", "–", "–",
        "16.3/9.0; .05; 41; 17 MB", "43.7/20.2; .0; 4.8; 65 MB"] },
];

/// The worst overlap that any of S3, S7, S7i and S5a showed.
pub(crate) const WORST_OVERLAP: [&str; CONTENDERS.len()] = [
    "12.0 s", "12.0 s", "18 s", "12.1 s", "12.2 s", "9.0 s", "5.0 s", "for ever", "8.0 s",
];

/// Whether an orphan of S2 dies and nothing of S5b stays.
pub(crate) const NOTHING_LEFT: [&str; CONTENDERS.len()] = [
    "no: grandchild",
    "no: child",
    "no: child",
    "no: child",
    "no: child",
    "–",
    "–",
    "no: child",
    "no: child",
];

/// The cells of a row.
pub(crate) fn cells(name: &str) -> [&'static str; CONTENDERS.len()] {
    find(name).map_or([""; CONTENDERS.len()], |it| it.cells)
}

/// What a row is about.
pub(crate) fn title(name: &str) -> &'static str {
    find(name).map_or("", |it| it.title)
}

/// What the README shows of them is this.
pub(crate) fn stand_in_the_readme() {
    let lines = include_str!("../../../README.md").lines();
    for row in PEERS {
        let cells = line(row.cells);
        let mut lines = lines.clone();
        let is_there = lines.any(|it| it.ends_with(cells.trim_end()));
        assert!(is_there, "{}: {cells}", row.name);
    }
}

fn find(name: &str) -> Option<&'static Peers> {
    PEERS.iter().find(|it| it.name == name)
}
