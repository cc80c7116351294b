//! What the witnesses wrote, read bit by bit: a run of hours has thousands of lines.

use crate::story::{Life, LifeEnd};
use crate::support::process::is_alive;
use crate::tail::Tail;
use nix::unistd::Pid;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// All that witnesses wrote in one directory.
pub(crate) struct Witnesses {
    dir: PathBuf,
    record: Tail,
    seen: Vec<Seen>,
    refusals: Vec<Refusal>,
}

/// A witness that found that another, or what another forked, still held a lock: two were alive at once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Refusal {
    pub(crate) at: Duration,
    /// Where it was found.
    pub(crate) host: String,
    pub(crate) line: String,
}

/// One life, as far as it is known.
struct Seen {
    life: Life,
    /// The processes of it that were not found dead yet.
    tree: Vec<Pid>,
    asked: bool,
    stopped: bool,
}

impl Witnesses {
    pub(crate) fn of(dir: &Path) -> Witnesses {
        Witnesses {
            dir: dir.into(),
            record: Tail::of(dir.join("record")),
            seen: Vec::new(),
            refusals: Vec::new(),
        }
    }

    /// Reads what is new.
    pub(crate) fn look(&mut self) {
        for line in self.record.news().lines() {
            self.hear(line);
        }
        let dir = &self.dir;
        for seen in &mut self.seen {
            seen.follow(dir);
        }
    }

    /// Every life, the earliest first.
    pub(crate) fn lives(&self) -> Vec<Life> {
        let mut lives: Vec<Life> = self.seen.iter().map(|it| it.life.clone()).collect();
        lives.sort_by_key(|life| life.start);
        lives
    }

    pub(crate) fn refusals(&self) -> &[Refusal] {
        &self.refusals
    }

    /// The life whose main process runs; the newest, should there be two.
    pub(crate) fn current(&mut self) -> Option<Life> {
        self.look();
        let runs = |seen: &&Seen| !seen.stopped && seen.tree.first() == Some(&seen.main());
        let newest = self.seen.iter().rev().find(runs);
        newest.map(|seen| seen.life.clone())
    }

    /// `kind pid boottime-ns name token`.
    fn hear(&mut self, line: &str) {
        let fields: Vec<&str> = line.split(' ').collect();
        let [kind, pid, at, host, token] = fields[..] else {
            panic!("not a line of a record: `{line}`")
        };
        let pid: i32 = pid.parse().expect("the witness writes its pid");
        let at = Duration::from_nanos(at.parse().expect("the witness writes nanoseconds"));
        let token: u64 = token.parse().expect("the witness writes a number");
        let mut known = self.seen.iter_mut().rev();
        match kind {
            "start" => self.seen.push(Seen {
                life: Life {
                    host: host.into(),
                    token,
                    pid,
                    start: at,
                    end: at,
                    ending: LifeEnd::Alive,
                },
                tree: vec![Pid::from_raw(pid)],
                asked: false,
                stopped: false,
            }),
            // Two lives of one term follow each other: a descendant belongs to the later.
            "descendant" => {
                if let Some(seen) = known.find(|it| it.life.host == host && it.life.token == token)
                {
                    seen.tree.push(Pid::from_raw(pid));
                }
            }
            "asked" | "stop" => {
                let seen = known.find(|it| it.life.pid == pid);
                let seen = seen.expect("a witness writes `start` first");
                seen.asked |= kind == "asked";
                seen.stopped |= kind == "stop";
                seen.life.end = seen.life.end.max(at);
            }
            _ => self.refusals.push(Refusal {
                at,
                host: host.into(),
                line: line.into(),
            }),
        }
    }
}

impl Seen {
    fn main(&self) -> Pid {
        Pid::from_raw(self.life.pid)
    }

    /// Notes when its processes were last seen executing, and which of them are gone.
    fn follow(&mut self, dir: &Path) {
        let life = &mut self.life;
        self.tree.retain(|&pid| {
            // First whether it lives, then when it last did: so the last word of a dead one is not missed.
            let lives = is_alive(pid);
            if let Some(at) = last_alive(dir, pid) {
                life.end = life.end.max(at);
            }
            lives
        });
        life.ending = match (self.tree.is_empty(), self.stopped, self.asked) {
            (false, ..) => LifeEnd::Alive,
            (true, true, true) => LifeEnd::Stopped,
            (true, true, false) => LifeEnd::ByItself,
            (true, false, _) => LifeEnd::Killed,
        };
    }
}

fn last_alive(dir: &Path, pid: Pid) -> Option<Duration> {
    let text = fs::read_to_string(dir.join(format!("alive.{pid}"))).ok()?;
    Some(Duration::from_nanos(text.trim().parse().ok()?))
}
