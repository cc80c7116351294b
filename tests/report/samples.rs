//! Stories as a run might tell them: drawn from a seed, so that they are the same every time.

use std::time::Duration;

use crate::story::{Fault, Label, Lease, Life, LifeEnd, Story, Verdict};

/// Three minutes, 12 faults.
pub(crate) fn short() -> Story {
    Teller::new(11, 180, 12).tell()
}

/// An hour, 400 faults.
pub(crate) fn hour() -> Story {
    Teller::new(20_261_125, 3600, 400).tell()
}

/// As [`short`], but one child starts while another runs, one restart is needless, and one takeover too late.
pub(crate) fn broken() -> Story {
    let mut story = short();
    let second = (1..story.lives.len())
        .find(|at| story.lives[*at].host != story.lives[*at - 1].host)
        .expect("a takeover");
    let [first, next] = [second - 1, second].map(|at| story.lives[at].clone());
    story.lives[second].start = first.end - Duration::from_millis(1400);
    story
        .verdict
        .overlaps
        .push(format!("{first} and {next} ran at once for 1.40 s"));
    let restarted = &story.lives[second + 1];
    let sentence = format!(
        "{restarted} was started although the lease rides this out: server killed on server {}",
        first.token
    );
    story.verdict.needless.push(sentence);
    let late = story
        .faults
        .iter_mut()
        .rev()
        .find(|fault| fault.gap.is_some());
    let late = late.expect("a fault with a gap");
    late.gap = late.bound.map(|bound| bound + Duration::from_millis(2100));
    let sentence = format!("after `{}` nobody was master for too long", late.kind);
    story.verdict.overdue.push(sentence);
    story
}

/// As [`short`], but a child starts while another, whose host is frozen, does not execute: outside the promise.
pub(crate) fn frozen() -> Story {
    let mut story = short();
    let second = (1..story.lives.len())
        .find(|at| story.lives[*at].host != story.lives[*at - 1].host)
        .expect("a takeover");
    let first = story.lives[second - 1].clone();
    story.lives[second].start = first.end - Duration::from_millis(1400);
    story.faults.push(Fault {
        kind: "host frozen".to_owned(),
        on: vec![first.host],
        from: first.end - Duration::from_secs(3),
        until: first.end,
        label: Label::Excluded(Duration::from_millis(1500)),
        gap: None,
        bound: None,
    });
    story.faults.sort_by_key(|fault| fault.from);
    story
}

/// Every text is made to break out of where it is written.
pub(crate) fn hostile() -> Story {
    let mut story = short();
    let evil = "</text></svg><script>alert('x')</script>&amp;\"'\u{1b}[2J\u{0}\u{fffe}\u{202e} \u{65e5}\u{672c}";
    story.title = evil.repeat(5);
    story.settings.push((evil.to_owned(), evil.repeat(9)));
    for (at, host) in story.hosts.clone().into_iter().enumerate() {
        let name = format!("{evil}{at}");
        for life in story.lives.iter_mut().filter(|life| life.host == host) {
            life.host.clone_from(&name);
        }
        for lease in story.leases.iter_mut().filter(|lease| lease.host == host) {
            lease.host.clone_from(&name);
        }
        let on = story.faults.iter_mut().flat_map(|fault| &mut fault.on);
        on.filter(|on| **on == host)
            .for_each(|on| on.clone_from(&name));
        story.hosts[at] = name;
    }
    for fault in &mut story.faults {
        fault.kind = format!("{evil}{}", fault.kind);
    }
    story.verdict.needless.push(evil.repeat(3));
    story
}

/// What can be done, to whom, and what comes of it.
const KINDS: [(&str, Target, Label, u64, Effect); 10] = [
    (
        "server restarted",
        Target::Server,
        Label::MustRideOut,
        1200,
        Effect::None,
    ),
    (
        "leader frozen",
        Target::Server,
        Label::MustRideOut,
        2500,
        Effect::None,
    ),
    (
        "elector killed",
        Target::Master,
        Label::MustRideOut,
        0,
        Effect::None,
    ),
    (
        "elector stopped",
        Target::Master,
        Label::MustRideOut,
        1500,
        Effect::None,
    ),
    (
        "connection reset",
        Target::Master,
        Label::MustRideOut,
        0,
        Effect::None,
    ),
    (
        "cut off",
        Target::Master,
        Label::MayMove,
        9000,
        Effect::Lapse,
    ),
    (
        "guardian killed",
        Target::Master,
        Label::MayMove,
        0,
        Effect::Release,
    ),
    (
        "stopped by its operator",
        Target::Master,
        Label::MayMove,
        400,
        Effect::Release,
    ),
    (
        "master znode deleted",
        Target::Nobody,
        Label::MayMove,
        0,
        Effect::Lapse,
    ),
    (
        "host frozen",
        Target::Master,
        Label::Excluded(Duration::from_millis(1500)),
        8000,
        Effect::Lapse,
    ),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Target {
    Server,
    Master,
    Nobody,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Effect {
    None,
    /// The lease runs out, then another starts.
    Lapse,
    /// The term is given back, and another starts at once.
    Release,
}

struct Teller {
    seed: u64,
    faults: u64,
    master: usize,
    token: u64,
    since: Duration,
    story: Story,
}

impl Teller {
    fn new(seed: u64, seconds: u64, faults: u64) -> Teller {
        let began = Duration::from_millis(86_400_250);
        let name =
            |kind: &str, names: &[&str]| names.iter().map(|n| format!("{kind}{n}")).collect();
        let settings = [
            ("session timeout", "10 s"),
            ("lease", "8.33 s"),
            ("kill margin", "1 s"),
        ];
        Teller {
            seed,
            faults,
            master: 0,
            token: 0x1_0000_0007,
            since: began + Duration::from_millis(1800),
            story: Story {
                title: format!("Three hosts and three servers under {faults} faults"),
                seed: Some(seed),
                settings: settings
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .into(),
                began,
                ended: began + Duration::from_secs(seconds),
                hosts: name("host-", &["a", "b", "c"]),
                servers: name("server ", &["1", "2", "3"]),
                lives: Vec::new(),
                leases: Vec::new(),
                faults: Vec::new(),
                verdict: Verdict::default(),
            },
        }
    }

    fn tell(mut self) -> Story {
        let between =
            (self.story.ended - self.story.began) / u32::try_from(self.faults + 1).expect("few");
        for number in 1..=self.faults {
            let jitter = Duration::from_millis(
                self.draw(u64::try_from(between.as_millis()).expect("short") / 2),
            );
            let at = self.story.began + between * u32::try_from(number).expect("few") + jitter;
            self.fault(at.min(self.story.ended - Duration::from_millis(500)));
        }
        let ended = self.story.ended;
        if self.since < ended {
            self.end_life(
                ended,
                LifeEnd::Alive,
                ended + Duration::from_millis(7900),
                None,
            );
        }
        self.story
    }

    fn draw(&mut self, below: u64) -> u64 {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        self.seed % below.max(1)
    }

    fn pick(&mut self, below: u64) -> usize {
        usize::try_from(self.draw(below)).expect("small")
    }

    fn fault(&mut self, at: Duration) {
        let drawn = self.pick(10);
        // Nobody is master now: only what needs none.
        let (kind, target, label, millis, effect) = if at > self.since {
            KINDS[drawn]
        } else {
            KINDS[drawn % 2]
        };
        let on = match target {
            Target::Server => {
                let server = self.pick(3);
                vec![self.story.servers[server].clone()]
            }
            Target::Master => vec![self.story.hosts[self.master].clone()],
            Target::Nobody => Vec::new(),
        };
        let gap = self.carry_out(at, effect);
        let bound = match effect {
            Effect::None => None,
            Effect::Lapse => Some(Duration::from_millis(9900)),
            Effect::Release => Some(Duration::from_millis(2500)),
        };
        let until = at + Duration::from_millis(millis + self.draw(200));
        self.story.faults.push(Fault {
            kind: kind.to_owned(),
            on,
            from: at,
            until,
            label,
            gap,
            bound,
        });
    }

    fn carry_out(&mut self, at: Duration, effect: Effect) -> Option<Duration> {
        let (stop, start) = match effect {
            Effect::None => return None,
            Effect::Lapse => {
                let stop = at + Duration::from_millis(4200 + self.draw(900));
                let until = stop + Duration::from_millis(2100);
                let ending = if self.draw(3) == 0 {
                    LifeEnd::Stopped
                } else {
                    LifeEnd::Killed
                };
                self.end_life(stop, ending, until, None);
                (stop, until + Duration::from_millis(230 + self.draw(400)))
            }
            Effect::Release => {
                let stop = at + Duration::from_millis(20 + self.draw(300));
                let released = stop + Duration::from_millis(30 + self.draw(60));
                let ending = [LifeEnd::Stopped, LifeEnd::ByItself, LifeEnd::Killed][self.pick(3)];
                self.end_life(stop, ending, stop + Duration::from_secs(8), Some(released));
                (stop, released + Duration::from_millis(40 + self.draw(100)))
            }
        };
        self.since = start;
        self.master = (self.master + 1 + self.pick(2)) % 3;
        self.token += 1 + self.draw(40);
        self.story.verdict.takeovers += 1;
        Some(start - stop)
    }

    fn end_life(
        &mut self,
        end: Duration,
        ending: LifeEnd,
        until: Duration,
        released: Option<Duration>,
    ) {
        let host = self.story.hosts[self.master].clone();
        let start = self.since;
        let (token, pid) = (
            self.token,
            4000 + i32::try_from(self.draw(9000)).expect("small"),
        );
        self.story.lives.push(Life {
            host: host.clone(),
            token,
            pid,
            start,
            end: end.max(start),
            ending,
        });
        let from = start - Duration::from_millis(90);
        self.story.leases.push(Lease {
            host,
            token,
            from,
            until,
            released,
        });
    }
}
