//! One server of the ensemble, as an entry of `servers` gives it.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Range;

use super::excerpt::brief;

/// ZooKeeper's own port for clients.
const DEFAULT_PORT: u16 = 2181;

/// One server of the ensemble. Displayed as `host:port`, an IPv6 address in brackets.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Server {
    /// A name or an address; an IPv6 address without its brackets.
    pub host: String,
    /// Its port for clients.
    pub port: u16,
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// What is wrong with one entry of the list.
pub(super) struct Flaw {
    pub(super) what: String,
    pub(super) why: &'static str,
    /// The part of the entry that is meant.
    pub(super) part: Range<usize>,
}

/// Where the path in `text` begins; the slashes of a URL's scheme begin none.
pub(super) fn find_path(text: &str) -> Option<usize> {
    let is_scheme = |at: usize| {
        let (before, after) = text.split_at(at);
        before.ends_with(":/") || (before.ends_with(':') && after.starts_with("//"))
    };
    let mut slashes = text.match_indices('/').map(|(at, _)| at);
    slashes.find(|at| !is_scheme(*at))
}

/// `entry`, which is `host:port`, or a host alone.
pub(super) fn parse_server(entry: &str) -> Result<Server, Flaw> {
    let flaw = |what: String, why, part| Err(Flaw { what, why, part });
    let all = 0..entry.len();
    let shown = brief(entry);
    if let Some(colon) = entry.find("://") {
        let why = "a server is `host:port`, without a scheme";
        return flaw(format!("`{shown}` is a URL"), why, 0..colon + 3);
    }
    if let Some(slash) = entry.find('/') {
        let what = format!("`{shown}` has a path in it");
        return flaw(
            what,
            "one path for all servers is the key `chroot`",
            slash..entry.len(),
        );
    }
    let (host, port, port_at) = split(entry);
    if entry.is_empty() {
        let what = "an entry of `servers` is empty".to_owned();
        return flaw(
            what,
            "there is a comma too many, or a server is missing",
            all,
        );
    }
    if host.is_empty() {
        return flaw(
            format!("server `{shown}` has no host"),
            "a server is `host:port`",
            all,
        );
    }
    if !is_host(host, entry.starts_with('[')) {
        let why = if host.contains(':') {
            "an IPv6 address is in brackets"
        } else {
            "a host is a name like `zk1.example.org`, or an address"
        };
        return flaw(format!("`{shown}` is not `host:port`"), why, all);
    }
    let port = match port {
        None => Some(DEFAULT_PORT),
        Some(port) => port.parse().ok().filter(|port| *port > 0),
    };
    match port {
        Some(port) => Ok(Server {
            host: host.to_owned(),
            port,
        }),
        None => flaw(
            format!("server `{shown}` has no valid port"),
            "a port is a number from 1 to 65535",
            port_at..entry.len(),
        ),
    }
}

/// The host, the port if there is one, and where that begins.
fn split(entry: &str) -> (&str, Option<&str>, usize) {
    let host_end = match entry.strip_prefix('[').and_then(|rest| rest.find(']')) {
        Some(bracket) => bracket + 2,
        None if entry.matches(':').count() == 1 => entry.find(':').unwrap_or(entry.len()),
        None => entry.len(),
    };
    let (host, rest) = entry.split_at(host_end);
    let host = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    match rest.strip_prefix(':') {
        Some(port) => (host, Some(port), host_end + 1),
        None if rest.is_empty() => (host, None, host_end),
        None => (entry, None, host_end),
    }
}

fn is_host(host: &str, is_bracketed: bool) -> bool {
    if is_bracketed {
        return host.parse::<Ipv6Addr>().is_ok();
    }
    // Names with an underscore are no host names (RFC 1123), but containers have them.
    let is_label = |label: &str| {
        let is_right = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
        (1..=63).contains(&label.len())
            && label.chars().all(is_right)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let name = host.strip_suffix('.').unwrap_or(host);
    let last = name.rsplit('.').next().unwrap_or_default();
    if last.chars().all(|c| c.is_ascii_digit()) {
        return host.parse::<Ipv4Addr>().is_ok();
    }
    name.len() <= 253 && name.split('.').all(is_label)
}

/// What `entry` was probably meant to be.
pub(super) fn mend_server(entry: &str) -> Option<Server> {
    let entry = entry.split_once("://").map_or(entry, |(_, entry)| entry);
    let entry = entry.split('/').next().unwrap_or(entry).trim();
    let host = split(entry).0;
    let (before, after) = entry.split_at(entry.rfind(':').unwrap_or(entry.len()));
    let candidates = [
        entry.to_owned(),
        format!("[{before}]{after}"),
        format!("[{entry}]"),
        host.to_owned(),
        format!("{}{after}", mend_host(before)),
    ];
    candidates
        .iter()
        .find_map(|candidate| parse_server(candidate).ok())
}

/// The name that `host` was probably meant to be.
fn mend_host(host: &str) -> String {
    let labels = host.split('.').map(|label| label.trim_matches('-'));
    let labels: Vec<_> = labels.filter(|label| !label.is_empty()).collect();
    labels.join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_a_host_and_perhaps_a_port() {
        for (text, host, port) in [
            ("zk1", "zk1", 2181),
            ("zk1:2182", "zk1", 2182),
            ("10.0.0.1:1", "10.0.0.1", 1),
            ("[::1]:2181", "::1", 2181),
            ("[fe80::1]", "fe80::1", 2181),
            ("zk_1.example.org.", "zk_1.example.org.", 2181),
            ("3com.example", "3com.example", 2181),
        ] {
            let server = parse_server(text).map_err(|flaw| flaw.what).expect(text);
            assert_eq!((server.host.as_str(), server.port), (host, port), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_server_is_refused_and_mended_where_it_can_be() {
        for (text, mended) in [
            ("", None),
            (":2181", None),
            ("zk1:", Some("zk1:2181")),
            ("zk1:0", Some("zk1:2181")),
            ("zk1:65536", Some("zk1:2181")),
            ("zk1/chroot", Some("zk1:2181")),
            ("::1", Some("[::1]:2181")),
            ("::1:2182", Some("[::1]:2182")),
            ("[::1", None),
            ("[zk1]:2181", Some("zk1:2181")),
            ("zk 1", None),
            ("zk1:2181:2181", None),
            ("http://zk1:2181", Some("zk1:2181")),
            ("zk://zk1/chroot", Some("zk1:2181")),
            ("a..b:2182", Some("a.b:2182")),
            ("-zk:2181", Some("zk:2181")),
            ("5", None),
            ("10.0.0.256", None),
        ] {
            assert!(parse_server(text).is_err(), "{text}");
            let server = mend_server(text).map(|server| server.to_string());
            assert_eq!(server.as_deref(), mended, "{text}");
        }
    }
}
