//! The picture of a run is compared with what the witnesses wrote, read in another way than the judge's: all at once, when
//! the run is over.

use crate::drawn::{Strip, compare};
use crate::story::{Life, LifeEnd, Story};
use std::fs;
use std::path::Path;
use std::time::Duration;

/// A line of the record: `kind pid boottime-ns name token`.
type Line<'r> = [&'r str; 5];

/// What the pictures in `pictures` show otherwise than the witnesses' files in `files` have it.
pub(crate) fn mistake(story: &Story, pictures: &Path, files: &Path) -> Option<String> {
    let truth = Story {
        lives: lives(files)?,
        ..story.clone()
    };
    ["report.html", "report.svg"].into_iter().find_map(|name| {
        let picture = fs::read_to_string(pictures.join(name)).expect("it was written");
        let mistake = compare(&truth, &Strip::all(&picture)).err()?;
        Some(format!("{name}: {mistake}"))
    })
}

/// Every life; nothing if a pid was used twice, whose first end is no longer known.
fn lives(files: &Path) -> Option<Vec<Life>> {
    let record = fs::read_to_string(files.join("record")).expect("a child has run");
    let lines: Vec<Line> = record.lines().map(words).collect();
    let starts: Vec<usize> = (0..lines.len())
        .filter(|&at| lines[at][0] == "start")
        .collect();
    let mut pids: Vec<&str> = starts.iter().map(|&at| lines[at][1]).collect();
    pids.sort_unstable();
    let is_twice = pids.windows(2).any(|pair| pair[0] == pair[1]);
    let lives = starts
        .iter()
        .map(|&at| life(files, lines[at], &lines[at + 1..]));
    (!is_twice).then(|| lives.collect())
}

fn words(line: &str) -> Line<'_> {
    let words: Vec<&str> = line.split(' ').collect();
    words.try_into().expect("five words")
}

fn life(files: &Path, start: Line, later: &[Line]) -> Life {
    let [_, pid, _, host, token] = start;
    let is_of_term = |line: &&Line| line[3..] == start[3..];
    let its = || {
        later
            .iter()
            .filter(is_of_term)
            .take_while(|line| line[0] != "start")
    };
    let said = its()
        .filter(|line| line[1] == pid)
        .map(|line| moment(line[2]));
    let forked = its()
        .filter(|line| line[0] == "descendant")
        .map(|line| line[1]);
    let seen = forked.chain([pid]).filter_map(|pid| {
        let text = fs::read_to_string(files.join(format!("alive.{pid}"))).ok()?;
        Some(moment(text.trim()))
    });
    let start = moment(start[2]);
    Life {
        host: host.into(),
        token: token.parse().expect("a number"),
        pid: pid.parse().expect("a number"),
        start,
        end: said.chain(seen).chain([start]).max().expect("it started"),
        ending: LifeEnd::Alive,
    }
}

fn moment(nanoseconds: &str) -> Duration {
    Duration::from_nanos(nanoseconds.parse().expect("nanoseconds"))
}
