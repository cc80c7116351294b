//! The network of a run: a namespace for each host and each server, joined by a bridge in the middle, where this
//! process is. Between any two the packets can be lost, one way or both.
//!
//! No firewall is needed for that: the neighbour tables are filled in by hand, and who is given a hardware address that
//! nobody has sends into nothing. That is how a cut cable looks: no reset, no ICMP, no error.

use crate::support::process::run;
use std::net::{IpAddr, Ipv4Addr};

/// The hardware address that nobody has.
const NOBODY: &str = "02:00:00:00:00:ff";

/// One end of the wires, by its number: the hub is 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct End(u8);

impl End {
    /// The middle: what a host sends to a server passes a relay there.
    pub(crate) const HUB: End = End(1);

    pub(crate) fn server(index: usize) -> End {
        End(10 + u8::try_from(index).expect("a few"))
    }

    pub(crate) fn host(index: usize) -> End {
        End(20 + u8::try_from(index).expect("a few"))
    }

    pub(crate) fn address(self) -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(10, 66, 0, self.0))
    }

    /// Its name in `/run/netns`.
    pub(crate) fn namespace(self) -> String {
        format!("torture{}", self.0)
    }

    fn hardware(self) -> String {
        format!("02:00:00:00:00:{:02x}", self.0)
    }

    /// Runs `ip` where this end is.
    fn ip(self, arguments: &str) -> Result<(), String> {
        let words: Vec<&str> = arguments.split(' ').collect();
        let namespace = self.namespace();
        let place: &[&str] = if self == End::HUB {
            &[]
        } else {
            &["-n", &namespace]
        };
        run("ip", &[place, &words].concat()).map(drop)
    }
}

/// The wires. They go with this process's own namespace.
pub(crate) struct Wires;

impl Wires {
    /// Lays them, in a network namespace that is this process's alone.
    pub(crate) fn lay(ends: &[End]) -> Result<Wires, String> {
        let hub = End::HUB;
        hub.ip("link set lo up")?;
        hub.ip("link add hub type bridge")?;
        hub.ip(&format!("link set hub address {} up", hub.hardware()))?;
        hub.ip(&format!("addr add {}/24 dev hub", hub.address()))?;
        for &end in ends {
            join(end)?;
        }
        let wires = Wires;
        let everybody: Vec<End> = [hub].into_iter().chain(ends.iter().copied()).collect();
        for &from in &everybody {
            for &to in everybody.iter().filter(|&&to| to != from) {
                wires.direct(from, to, &to.hardware())?;
            }
        }
        Ok(wires)
    }

    /// What `from` sends to `to` is lost from now on.
    pub(crate) fn cut(&self, from: End, to: End) {
        self.direct(from, to, NOBODY).expect("the wires are ours");
    }

    /// It arrives again.
    pub(crate) fn mend(&self, from: End, to: End) {
        self.direct(from, to, &to.hardware())
            .expect("the wires are ours");
    }

    fn direct(&self, from: End, to: End, hardware: &str) -> Result<(), String> {
        let device = if from == End::HUB { "hub" } else { "eth0" };
        let to = to.address();
        from.ip(&format!(
            "neigh replace {to} lladdr {hardware} dev {device} nud permanent"
        ))
    }
}

/// Makes an end's namespace, and its cable to the hub.
fn join(end: End) -> Result<(), String> {
    let (hub, name) = (End::HUB, end.namespace());
    hub.ip(&format!("netns add {name}"))?;
    hub.ip(&format!(
        "link add {name} type veth peer name eth0 address {} netns {name}",
        end.hardware()
    ))?;
    hub.ip(&format!("link set {name} master hub up"))?;
    end.ip(&format!("addr add {}/24 dev eth0", end.address()))?;
    end.ip("link set lo up")?;
    end.ip("link set eth0 up")
}
