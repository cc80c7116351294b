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
        lives: lives(story, files),
        ..story.clone()
    };
    ["report.html", "report.svg"].into_iter().find_map(|name| {
        let picture = fs::read_to_string(pictures.join(name)).expect("it was written");
        let mistake = compare(&truth, &Strip::all(&picture)).err()?;
        Some(format!("{name}: {mistake}"))
    })
}

/// Every life, as far as it was in the time of the story.
fn lives(story: &Story, files: &Path) -> Vec<Life> {
    let record = fs::read_to_string(files.join("record")).expect("a child has run");
    let lines: Vec<Line> = record.lines().map(words).collect();
    let starts = (0..lines.len()).filter(|&at| lines[at][0] == "start");
    let lives = starts.map(|at| {
        let tree = tree(lines[at], &lines[at + 1..]);
        let life = life(files, lines[at], &lines[at + 1..], &tree);
        // Of a pid that was used again only the last end is still known: then the judge must do.
        let known = || story.lives.iter().find(|it| it.start == life.start);
        let is_reused = tree.iter().any(|pid| is_reused(&lines, pid));
        let end = known().filter(|_| is_reused).map_or(life.end, |it| it.end);
        Life {
            end: end.min(story.ended),
            ..life
        }
    });
    lives.filter(|life| life.start <= story.ended).collect()
}

fn is_reused(lines: &[Line], pid: &str) -> bool {
    let processes = lines
        .iter()
        .filter(|line| ["start", "descendant"].contains(&line[0]));
    processes.filter(|line| line[1] == pid).count() > 1
}

fn words(line: &str) -> Line<'_> {
    let words: Vec<&str> = line.split(' ').collect();
    words.try_into().expect("five words")
}

/// What is said of the life that begins with `start`.
fn said<'l, 'r>(start: Line<'r>, later: &'l [Line<'r>]) -> impl Iterator<Item = &'l Line<'r>> {
    let its = later.iter().filter(move |line| line[3..] == start[3..]);
    its.take_while(|line| line[0] != "start")
}

/// Its processes.
fn tree<'r>(start: Line<'r>, later: &[Line<'r>]) -> Vec<&'r str> {
    let forked = said(start, later).filter(|line| line[0] == "descendant");
    [start[1]]
        .into_iter()
        .chain(forked.map(|line| line[1]))
        .collect()
}

fn life(files: &Path, start: Line, later: &[Line], tree: &[&str]) -> Life {
    let [_, pid, from, host, token] = start;
    let words = said(start, later).filter(|line| line[1] == pid);
    let words = words.filter_map(|line| moment(line[2]));
    let seen = tree.iter().filter_map(|pid| {
        let text = fs::read_to_string(files.join(format!("alive.{pid}"))).ok()?;
        moment(text.trim())
    });
    let start = moment(from).expect("nanoseconds");
    Life {
        host: host.into(),
        token: token.parse().expect("a number"),
        pid: pid.parse().expect("a number"),
        start,
        end: words.chain(seen).chain([start]).max().expect("it started"),
        ending: LifeEnd::Alive,
    }
}

/// Nothing where a witness was killed before it had written it.
fn moment(nanoseconds: &str) -> Option<Duration> {
    Some(Duration::from_nanos(nanoseconds.parse().ok()?))
}
