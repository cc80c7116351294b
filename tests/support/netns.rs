//! A host with a network of its own: a namespace, joined to this one by a cable that can be pulled.

use super::ensemble::Ensemble;
use super::link::Link;
use super::process::run;
use super::scratch::{number, skip};
use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;

/// A network namespace, with a link to each server. Deleted when dropped.
pub(crate) struct Netns {
    name: String,
    links: Vec<Link>,
}

impl Netns {
    /// Makes one, or says why the test is skipped: it takes root.
    pub(crate) fn new(ensemble: &Ensemble) -> Option<Netns> {
        let name = format!("zks{}-{}", std::process::id() % 100_000, number());
        let mut namespace = Netns {
            name,
            links: Vec::new(),
        };
        match namespace.join() {
            Ok(host) => {
                let servers = ensemble.servers().iter();
                namespace.links = servers.map(|it| Link::at(host, it.socket())).collect();
                Some(namespace)
            }
            Err(error) => {
                skip(&format!("no network namespace here: {error}"));
                None
            }
        }
    }

    /// As `nsenter --net=/run/netns/NAME` takes it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The servers, as they are reached from inside.
    pub(crate) fn links(&self) -> &[Link] {
        &self.links
    }

    /// Pulls the cable: every address but its own is unreachable from inside, at once (ENETUNREACH).
    #[track_caller]
    pub(crate) fn unplug(&self) {
        self.inside(&["link", "set", "host", "down"])
            .expect("the namespace is ours");
    }

    /// Plugs it in again.
    #[track_caller]
    pub(crate) fn plug(&self) {
        self.inside(&["link", "set", "host", "up"])
            .expect("the namespace is ours");
    }

    /// Makes the namespace and its cable; returns the address at which this side is reached from inside.
    fn join(&self) -> Result<IpAddr, String> {
        // 10.201.x.y/30: four addresses a namespace, 16384 of them.
        let block = std::process::id().wrapping_mul(13).wrapping_add(number()) % 16_384 * 4;
        let [_, _, high, low] = block.to_be_bytes();
        let ours = format!("10.201.{high}.{}/30", low + 1);
        let theirs = format!("10.201.{high}.{}/30", low + 2);
        let cable = self.cable();
        run("ip", &["netns", "add", &self.name])?;
        let pair = ["type", "veth", "peer", "name", "host", "netns", &self.name];
        run("ip", &[&["link", "add", &cable][..], &pair].concat())?;
        run("ip", &["addr", "add", &ours, "dev", &cable])?;
        run("ip", &["link", "set", &cable, "up"])?;
        self.inside(&["addr", "add", &theirs, "dev", "host"])?;
        self.inside(&["link", "set", "lo", "up"])?;
        self.inside(&["link", "set", "host", "up"])?;
        Ok(IpAddr::V4(Ipv4Addr::new(10, 201, high, low + 1)))
    }

    fn inside(&self, arguments: &[&str]) -> Result<String, String> {
        run("ip", &[&["-n", &self.name], arguments].concat())
    }

    fn cable(&self) -> String {
        // An interface's name has at most 15 characters.
        self.name.clone()
    }
}

impl Drop for Netns {
    /// The cable first: a namespace lives on while a process is in it.
    fn drop(&mut self) {
        run("ip", &["link", "del", &self.cable()]).ok();
        run("ip", &["netns", "del", &self.name]).ok();
    }
}

/// A program in a network namespace that `/run/netns` names, or in our own.
pub(crate) fn inside(namespace: Option<&str>, program: &str) -> Command {
    match namespace {
        // Not `ip netns exec`, which also mounts another /sys, without cgroups.
        Some(namespace) => {
            let mut command = Command::new("nsenter");
            command.arg(format!("--net=/run/netns/{namespace}"));
            command.arg(program);
            command
        }
        None => Command::new(program),
    }
}
