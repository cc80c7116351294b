//! The tables, in Markdown: every row beside the peers', then the four claims in short.

use super::Measured;
use super::columns::{self, CONTENDERS};
use super::compact;
use super::figures::{Trial, summary};
use std::io::Write;

/// How the tables are made again.
const COMMAND: &str = "cargo test --release --test torture -- --peers";

/// Prints both.
pub(crate) fn print(measured: &[Measured], trials: usize) {
    let text = format!(
        "{}\n{}\n`{COMMAND}`\n",
        full(measured, trials),
        compact::table(measured)
    );
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).ok();
}

fn full(measured: &[Measured], trials: usize) -> String {
    let profile = if cfg!(debug_assertions) {
        "debug"
    } else {
        "release"
    };
    let mut text = format!(
        "{trials} trials each, {profile} build; least / median / greatest. `{COMMAND} --trials {trials}`\n\n"
    );
    text += &line(["fault", "zk-supervise"].into_iter().chain(CONTENDERS));
    text += &line(std::iter::repeat_n("---", 2 + CONTENDERS.len()));
    let mut before = "";
    for measured in measured {
        let row = measured.row;
        // What it is about, and the peers' cells, stand beside the first variant.
        let (about, theirs) = if row.name == before {
            ("", [""; CONTENDERS.len()])
        } else {
            (columns::title(row.name), columns::cells(row.name))
        };
        let title = [row.title(), about.to_owned()];
        let title: Vec<String> = title.into_iter().filter(|it| !it.is_empty()).collect();
        let (title, ours) = (title.join(": "), cell(measured));
        text += &line([title.as_str(), &ours].into_iter().chain(theirs));
        before = row.name;
    }
    text
}

/// Our cell: the figures, and how many trials did not hold.
fn cell(measured: &Measured) -> String {
    let all = measured.trials.len();
    let good: Vec<&Trial> = measured.trials.iter().flatten().collect();
    let mut parts = vec![summary(&good)];
    if good.len() < all {
        let failed = all - good.len();
        parts.push(format!("**{failed} of {all} did not hold**"));
    }
    parts.retain(|it| !it.is_empty());
    parts.join("; ")
}

/// One line of a table.
pub(crate) fn line<'a>(cells: impl IntoIterator<Item = &'a str>) -> String {
    let cells: Vec<String> = cells
        .into_iter()
        .map(|cell| cell.replace('|', "\\|"))
        .collect();
    format!("| {} |\n", cells.join(" | "))
}
