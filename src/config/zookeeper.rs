//! `[zookeeper]`: where the ensemble is.

use std::collections::HashSet;
use std::fmt;
use std::net::Ipv6Addr;
use std::ops::Range;

use super::election::{describe_path, mend_path, read_path};
use super::error::Report;
use super::excerpt::brief;
use super::keys::{self, Key};
use super::mend::array;
use super::quote;
use super::settings::{Setting, Settings};
use super::value::Text;
use crate::core::path::ZnodePath;

/// ZooKeeper's own port for clients.
const DEFAULT_PORT: u16 = 2181;

/// Where the ensemble is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Zookeeper {
    /// Its servers: at least one, no two alike.
    pub servers: Vec<Server>,
    /// The znode that every path is below.
    pub chroot: Option<ZnodePath>,
}

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

pub(super) fn read(settings: &Settings<'_>, report: &mut Report<'_>) -> Option<Zookeeper> {
    let chroot = match settings.find(&keys::CHROOT) {
        Some(setting) => Some(read_path(setting, report)?),
        None => None,
    };
    let setting = settings.require(&keys::SERVERS, report)?;
    if setting.value.get_ref().is_array() {
        let servers = read_array(setting, report)?;
        return Some(Zookeeper { servers, chroot });
    }
    let text = setting.text(report)?;
    let (servers, within) = read_connect_string(setting, &text, report)?;
    if let (Some(_), Some(setting)) = (&within, settings.find(&keys::CHROOT)) {
        report.at(
            setting.name.start..setting.value.span().end,
            "the chroot is given twice",
            "the connect string in `servers` ends in one already",
            || report_comment(setting),
        );
        return None;
    }
    let chroot = chroot.or(within);
    Some(Zookeeper { servers, chroot })
}

fn report_comment(setting: &Setting<'_>) -> Vec<String> {
    let value = setting.value.get_ref().as_str().unwrap_or_default();
    vec![format!("# {}", setting.key.set(&quote(value)))]
}

/// What is wrong with one entry of the list.
struct Flaw {
    what: String,
    why: &'static str,
    /// The part of the entry that is meant.
    part: Range<usize>,
}

fn read_array(setting: &Setting<'_>, report: &mut Report<'_>) -> Option<Vec<Server>> {
    let texts = setting.texts(report)?;
    if texts.is_empty() {
        refuse_empty(setting, report);
        return None;
    }
    let chroot = texts
        .iter()
        .find_map(|text| text.text.find('/').map(|slash| &text.text[slash..]));
    let chroot = chroot.map(|path| keys::CHROOT.set(&quote(&mend_path(path))));
    let servers = setting.key.set(&array(&mend_servers(&texts)));
    let help: Vec<_> = [servers].into_iter().chain(chroot).collect();
    read_entries(&texts, report, &help)
}

fn read_connect_string(
    setting: &Setting<'_>,
    text: &Text<'_>,
    report: &mut Report<'_>,
) -> Option<(Vec<Server>, Option<ZnodePath>)> {
    let end = text.text.find('/').unwrap_or(text.text.len());
    let (list, path) = text.text.split_at(end);
    if list.trim().is_empty() {
        refuse_empty(setting, report);
        return None;
    }
    let entries = split_list(list, text, report);
    let chroot = ZnodePath::parse(path);
    let mended = chroot
        .as_ref()
        .map_or_else(|_| mend_path(path), ToString::to_string);
    let help = quote(&format!("{}{mended}", mend_servers(&entries).join(",")));
    let help = [setting.key.set(&help)];
    let servers = read_entries(&entries, report, &help);
    if path.is_empty() {
        return Some((servers?, None));
    }
    let chroot = chroot.map_err(|flaw| {
        let (what, why) = describe_path("the chroot", path, flaw);
        let span = text.part(report, end..text.text.len());
        report.at(span, what, why, || help.to_vec());
    });
    Some((servers?, Some(chroot.ok()?)))
}

/// The entries of a connect string, which begins with `list`, without the space around them.
fn split_list<'t>(list: &'t str, text: &Text<'t>, report: &Report<'_>) -> Vec<Text<'t>> {
    let mut entries = Vec::new();
    let mut at = 0;
    for piece in list.split(',') {
        let start = at + (piece.len() - piece.trim_start().len());
        let entry = piece.trim();
        let span = text.part(report, start..start + entry.len());
        entries.push(Text { text: entry, span });
        at += piece.len() + 1;
    }
    entries
}

/// Reads each entry and reports each that is wrong.
fn read_entries(
    entries: &[Text<'_>],
    report: &mut Report<'_>,
    help: &[String],
) -> Option<Vec<Server>> {
    let mut known = HashSet::new();
    let mut servers = Some(Vec::new());
    for text in entries {
        let parsed =
            parse_server(text.text).and_then(|server| match known.insert(server.clone()) {
                true => Ok(server),
                false => Err(duplicate(text.text)),
            });
        match parsed {
            Ok(server) => servers
                .iter_mut()
                .for_each(|all: &mut Vec<_>| all.push(server.clone())),
            Err(flaw) => {
                servers = None;
                let span = text.part(report, flaw.part);
                report.at(span, flaw.what, flaw.why, || help.to_vec());
            }
        }
    }
    servers
}

/// What the list was probably meant to be: each server once, or the example's if nothing in it can be one.
fn mend_servers(entries: &[Text<'_>]) -> Vec<String> {
    let mut known = HashSet::new();
    let servers = entries.iter().filter_map(|text| mend_server(text.text));
    let servers = servers.filter(|server| known.insert(server.clone()));
    let mended: Vec<_> = servers
        .map(|server| server.to_string())
        .take(MOST_MENDED)
        .collect();
    if mended.is_empty() {
        return ["zk1:2181", "zk2:2181", "zk3:2181"]
            .map(str::to_owned)
            .to_vec();
    }
    mended
}

/// More servers than this are no ensemble, and no help to anybody.
const MOST_MENDED: usize = 20;

fn refuse_empty(setting: &Setting<'_>, report: &mut Report<'_>) {
    let Key { name, example, .. } = setting.key;
    report.at(
        setting.value.span(),
        format!("`{name}` is empty"),
        "an ensemble has at least one server",
        || vec![format!("{name} = {example}")],
    );
}

fn duplicate(entry: &str) -> Flaw {
    Flaw {
        what: format!("server `{}` is listed twice", brief(entry)),
        why: "it would be tried twice as often as the others",
        part: 0..entry.len(),
    }
}

fn parse_server(entry: &str) -> Result<Server, Flaw> {
    let flaw = |what: String, why, part| Err(Flaw { what, why, part });
    let all = 0..entry.len();
    let shown = brief(entry);
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
            "a host is a name, or an address"
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
    host.chars()
        .all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
}

/// What `entry` was probably meant to be.
fn mend_server(entry: &str) -> Option<Server> {
    let entry = entry.split('/').next().unwrap_or(entry).trim();
    let host = split(entry).0;
    let (before, after) = entry.split_at(entry.rfind(':').unwrap_or(entry.len()));
    let candidates = [
        entry.to_owned(),
        format!("[{before}]{after}"),
        format!("[{entry}]"),
        host.to_owned(),
    ];
    candidates
        .iter()
        .find_map(|candidate| parse_server(candidate).ok())
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
        ] {
            assert!(parse_server(text).is_err(), "{text}");
            let server = mend_server(text).map(|server| server.to_string());
            assert_eq!(server.as_deref(), mended, "{text}");
        }
    }
}
