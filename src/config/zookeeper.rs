//! `[zookeeper]`: where the ensemble is.

use std::collections::HashSet;

use super::election::{
    describe_path, describe_reserved, is_reserved, mend_path, read_path, refuse_reserved,
    without_reserved,
};
use super::error::Report;
use super::excerpt::brief;
use super::keys::{self, Key};
use super::mend::array;
use super::quote;
use super::server::{Flaw, Server, find_path, mend_server, parse_server};
use super::settings::{Setting, Settings};
use super::value::Text;
use crate::core::path::ZnodePath;

/// Where the ensemble is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Zookeeper {
    /// Its servers: at least one, no two alike.
    pub servers: Vec<Server>,
    /// The znode that every path is below.
    pub chroot: Option<ZnodePath>,
}

pub(super) fn read(settings: &Settings<'_>, report: &mut Report<'_>) -> Option<Zookeeper> {
    // Both are read before either may end it: all that is wrong is said at once.
    let chroot = settings.find(&keys::CHROOT);
    let path = chroot.map(|setting| read_chroot(setting, report));
    let servers = settings.require(&keys::SERVERS, report);
    let (servers, within) = servers.and_then(|setting| read_servers(setting, chroot, report))?;
    if let (Some(_), Some(setting)) = (&within, chroot) {
        report.at(
            setting.name.start..setting.value.span().end,
            "the chroot is given twice",
            "the connect string in `servers` ends in one already",
            || report_comment(setting),
        );
        return None;
    }
    let chroot = match path {
        Some(path) => Some(path?),
        None => within,
    };
    Some(Zookeeper { servers, chroot })
}

/// Whether paths are below another one than the root of all.
pub(super) fn has_chroot(settings: &Settings<'_>) -> bool {
    let servers = settings.find(&keys::SERVERS);
    let string = servers.and_then(|setting| setting.value.get_ref().as_str());
    settings.find(&keys::CHROOT).is_some() || string.is_some_and(|text| find_path(text).is_some())
}

fn read_chroot(setting: &Setting<'_>, report: &mut Report<'_>) -> Option<ZnodePath> {
    let path = read_path(setting, report)?;
    refuse_reserved(setting, path, report)
}

/// The servers, and the chroot that a connect string ends in.
fn read_servers(
    setting: &Setting<'_>,
    chroot: Option<&Setting<'_>>,
    report: &mut Report<'_>,
) -> Option<(Vec<Server>, Option<ZnodePath>)> {
    if setting.value.get_ref().is_array() {
        return Some((read_array(setting, chroot, report)?, None));
    }
    let text = setting.text(report)?;
    read_connect_string(setting, &text, report)
}

fn report_comment(setting: &Setting<'_>) -> Vec<String> {
    let value = setting.value.get_ref().as_str().unwrap_or_default();
    vec![format!("# {}", setting.key.set(&quote(value)))]
}

fn read_array(
    setting: &Setting<'_>,
    chroot: Option<&Setting<'_>>,
    report: &mut Report<'_>,
) -> Option<Vec<Server>> {
    let texts = setting.texts(report)?;
    if texts.is_empty() {
        refuse_empty(setting, report);
        return None;
    }
    let path = texts
        .iter()
        .find_map(|text| Some(mend_path(&text.text[find_path(text.text)?..])));
    let path = path.filter(|path| !path.is_empty() && chroot.is_none());
    let chroot = path.map(|path| keys::CHROOT.set(&quote(&path)));
    let servers = setting.key.set(&array(&mend_servers(&texts)));
    let help: Vec<_> = [servers].into_iter().chain(chroot).collect();
    read_entries(&texts, report, &help)
}

fn read_connect_string(
    setting: &Setting<'_>,
    text: &Text<'_>,
    report: &mut Report<'_>,
) -> Option<(Vec<Server>, Option<ZnodePath>)> {
    let end = find_path(text.text).unwrap_or(text.text.len());
    let (list, path) = text.text.split_at(end);
    if list.trim().is_empty() {
        refuse_empty(setting, report);
        return None;
    }
    let entries = split_list(list, text, report);
    let chroot = ZnodePath::parse(path);
    let mended = chroot
        .as_ref()
        .map_or_else(|_| mend_path(path), without_reserved);
    let help = quote(&format!("{}{mended}", mend_servers(&entries).join(",")));
    let help = [setting.key.set(&help)];
    let servers = read_entries(&entries, report, &help);
    if path.is_empty() {
        return Some((servers?, None));
    }
    let flaw = match &chroot {
        Err(flaw) => Some(describe_path("the chroot", path, *flaw)),
        Ok(path) if is_reserved(path) => Some(describe_reserved("the chroot")),
        Ok(_) => None,
    };
    if let Some((what, why)) = flaw {
        let span = text.part(report, end..text.text.len());
        report.at(span, what, why, || help.to_vec());
        return None;
    }
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
