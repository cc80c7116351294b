//! Where it happens: an ensemble of three and three hosts, each with links of its own, and what is seen from outside.

use crate::bounds::{Role, WHOLE_WITHIN};
use crate::draw::Network;
use crate::enclosure::{hide_run, is_asked_to_end};
use crate::endings::Exit;
use crate::host::Host;
use crate::kinds::{HostAim, ServerAim};
use crate::leases::Leases;
use crate::story::Life;
use crate::support::ensemble::{Ensemble, Pace, Place, Server};
use crate::support::time::{now, secs, try_for};
use crate::support::{Group, Link, Who, Znodes, millis};
use crate::wires::{End, Wires};
use crate::witnesses::Witnesses;
use nix::unistd::Pid;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;
use zk_supervise::core::lease::{Timing, Wish};

/// How many servers, and how many hosts.
pub(crate) const COUNT: usize = 3;

/// The session, and what of the rest is not left to follow from it: a short grace period and kill margin leave most of
/// the lease to what must be ridden out. So much of it that an election among servers without a processor is not too long:
/// with 6 s, and a load of 26 on two processors, a restarted leader left nobody to renew with for 4.4 s.
const WISH: Wish = Wish {
    session_timeout: Some(secs(9)),
    grace_period: Some(millis(500)),
    kill_margin: Some(millis(500)),
    connect_timeout: None,
    lease: None,
    renew_interval: None,
    poll_interval: None,
    clock_rate_bound: None,
};

/// The hosts, and how the child of each behaves: it obeys; it is deaf to SIGTERM and has a child; it needs some time
/// and has a daemon.
const HOSTS: [(&str, &[&str]); COUNT] = [
    ("a", &["--run-on"]),
    ("b", &["--run-on", "--ignore-term", "--children", "1"]),
    ("c", &["--run-on", "--stop-after", "200", "--daemon"]),
];

/// All of it.
pub(crate) struct Field {
    pub(crate) hosts: Vec<Host>,
    pub(crate) group: Group,
    pub(crate) ensemble: Ensemble,
    pub(crate) witnesses: Witnesses,
    pub(crate) wires: Option<Wires>,
    /// Every supervisor that ended.
    pub(crate) exits: Vec<Exit>,
    /// Guardian and elector of each host, when last looked.
    pub(crate) processes: Vec<[Option<Pid>; 2]>,
    pub(crate) timing: Timing,
}

impl Field {
    /// Makes it; nothing runs but the servers.
    pub(crate) fn make(network: Network) -> Field {
        let wires = (network == Network::Namespaces).then(lay_wires);
        let places: Vec<Place> = (0..COUNT)
            .map(|at| place(network, End::server(at)))
            .collect();
        let ensemble = Ensemble::across(Pace::Quick, &places);
        let group = Group::new(&ensemble);
        // Two at once are told by the verdict.
        group.may_overlap();
        let hosts = (0..COUNT)
            .map(|at| host(network, &ensemble, &group, at))
            .collect();
        Field {
            hosts,
            witnesses: Witnesses::of(group.dir()),
            group,
            ensemble,
            wires,
            exits: Vec::new(),
            processes: Vec::new(),
            timing: timing(),
        }
    }

    /// Starts every supervisor that does not run.
    pub(crate) fn ensure_running(&mut self) {
        let hosts = self.hosts.iter_mut();
        self.exits.extend(hosts.filter_map(Host::ensure_running));
    }

    /// Waits until all is well: each server takes part, each supervisor runs and is listed, a child runs, and its term is
    /// renewed. Nothing if that does not come to be in time, of which some may be spent without a master.
    pub(crate) fn wait_whole(&mut self, gap: Duration) -> Option<Duration> {
        let deadline = now() + WHOLE_WITHIN + gap;
        let left = || deadline.saturating_sub(now());
        try_for(left(), || {
            self.ensure_running();
            let mut servers = self.ensemble.servers().iter();
            servers.all(Server::is_serving).then_some(())
        })?;
        for server in self.ensemble.servers() {
            // One that was thawed says for a while that it serves, although the others have given it up.
            Znodes::at(&[server.address()]).write("/", b"");
        }
        let mut first = None;
        try_for(left(), || {
            self.ensure_running();
            let (child, version) = self.running_term()?;
            let (same, before) = *first.get_or_insert((child, version));
            if same != child {
                first = None;
            }
            (same == child && version > before + 1).then(now)
        })
    }

    /// The host whose child runs.
    pub(crate) fn master(&mut self) -> Option<usize> {
        let life = self.witnesses.current()?;
        self.hosts.iter().position(|host| host.name == life.host)
    }

    /// The host that is aimed at.
    pub(crate) fn aimed_host(&mut self, aim: HostAim) -> usize {
        let master = self.master().unwrap_or(0);
        match aim {
            HostAim::Master => master,
            HostAim::Standby(which) => (master + 1 + which) % COUNT,
        }
    }

    /// The server that is aimed at.
    pub(crate) fn aimed_server(&mut self, aim: ServerAim) -> usize {
        let leader = self.leader();
        match aim {
            ServerAim::Leader => leader,
            ServerAim::Follower(which) => (leader + 1 + which) % COUNT,
            ServerAim::Masters => {
                let master = self.master().unwrap_or(0);
                let mut links = self.hosts[master].links.iter();
                links
                    .position(|link| link.connections() > 0)
                    .unwrap_or(leader)
            }
        }
    }

    /// What a server is, as long as all is well.
    pub(crate) fn role(&self, server: usize) -> Role {
        if self.leader() == server {
            Role::Leader
        } else {
            Role::Follower
        }
    }

    /// The lives of the term that goes on.
    pub(crate) fn lives_of_term(&mut self) -> Vec<Life> {
        let Some(current) = self.witnesses.current() else {
            return Vec::new();
        };
        let mut lives = self.witnesses.lives();
        lives.retain(|life| life.token == current.token);
        lives
    }

    /// Lets a fault last.
    pub(crate) fn hold(&self, span: Duration) {
        try_for(span, || is_asked_to_end().then_some(()));
    }

    /// Ends everything, and keeps its files under another name.
    pub(crate) fn keep(mut self, name: &str) -> PathBuf {
        self.hosts.clear();
        let files = self
            .group
            .dir()
            .parent()
            .expect("it is below the temporary directory");
        let kept = std::env::temp_dir().join(name);
        std::fs::rename(files, &kept).ok();
        kept
    }

    fn leader(&self) -> usize {
        let mut servers = self.ensemble.servers().iter();
        servers.position(|server| server.is_leader()).unwrap_or(0)
    }

    /// The child that runs, and the version of its term's record: if each supervisor is listed as itself and has an
    /// elector, and the record and the master znode are that child's.
    fn running_term(&mut self) -> Option<(i32, i32)> {
        let listed = self.listed();
        let is_listed = |host: &Host| {
            let guardian = host.pid(Who::Guardian).map(|pid| i64::from(pid.as_raw()));
            host.pid(Who::Elector).is_some() && guardian.is_some_and(|pid| listed.contains(&pid))
        };
        let current = self.witnesses.current()?;
        let term = self.group.znodes().read(&self.group.term())?;
        let token = current.token.to_string();
        let is_its = term.json()["token"].as_str() == Some(&token);
        let is_whole = is_its
            && term.json()["state"] == "held"
            && self.group.znodes().exists(&self.group.master())
            && self.hosts.iter().all(is_listed);
        is_whole.then_some((current.pid, term.stat.version))
    }

    /// The processes of the listed candidates.
    fn listed(&self) -> Vec<i64> {
        let names = self.group.candidates();
        let look = |name: &String| {
            let path = format!("{}.candidates/{name}", self.group.master());
            self.group.znodes().read(&path)?.json()["pid"].as_i64()
        };
        names.iter().filter_map(look).collect()
    }
}

fn lay_wires() -> Wires {
    let ends: Vec<End> = (0..COUNT)
        .flat_map(|at| [End::server(at), End::host(at)])
        .collect();
    hide_run()
        .and_then(|()| Wires::lay(&ends))
        .unwrap_or_else(|error| panic!("the wires cannot be laid: {error}"))
}

fn place(network: Network, end: End) -> Place {
    match network {
        Network::Namespaces => Place {
            address: end.address(),
            namespace: Some(end.namespace()),
        },
        Network::Loopback => Place {
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            namespace: None,
        },
    }
}

fn host(network: Network, ensemble: &Ensemble, group: &Group, at: usize) -> Host {
    let (name, options) = HOSTS[at];
    let place = place(network, End::host(at));
    let relay = place
        .namespace
        .as_ref()
        .map_or(place.address, |_| End::HUB.address());
    let servers = ensemble.servers().iter();
    let links: Vec<Link> = servers.map(|it| Link::at(relay, it.socket())).collect();
    let milliseconds = |span: Duration| format!("\"{}ms\"", span.as_millis());
    let timing = timing();
    let config = group
        .config(name)
        .session(timing.session_timeout)
        .set("command.grace_period", &milliseconds(timing.grace_period))
        .set("command.kill_margin", &milliseconds(timing.kill_margin))
        .exec(&group.witness(options))
        .through(&links);
    let config = match &place.namespace {
        Some(namespace) => config.within(namespace),
        None => config,
    };
    let leases = Leases::of(name, group.dir().join(name).join("log"), &timing);
    Host::new(name, links, leases, config)
}

fn timing() -> Timing {
    WISH.timing()
}
