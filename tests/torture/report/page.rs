//! `report.html`: everything, in one file that needs no other and no script.

use std::fmt::{self, Write as _};

use super::faults::numbered;
use super::intervals::Interval;
use super::picture::{Labels, PATTERNS, Picture};
use super::words::{self, Escaped};
use super::{legend, strips, tables, verdict};
use crate::story::Story;

/// The width of a strip, which the browser scales to that of the page.
const WIDTH: f64 = 1120.0;

pub(super) fn page(story: &Story) -> Result<String, fmt::Error> {
    let mut out = String::new();
    open(&mut out, story)?;
    head(&mut out, story)?;
    draw_legend(&mut out)?;
    draw_strips(&mut out, story)?;
    tables::kinds(&mut out, story)?;
    tables::faults(&mut out, story)?;
    out.write_str("</main>\n</body>\n</html>\n")?;
    Ok(out)
}

fn open(out: &mut String, story: &Story) -> fmt::Result {
    let title = Escaped(&story.title);
    writeln!(
        out,
        r#"<!DOCTYPE html>
<html xmlns="http://www.w3.org/1999/xhtml" lang="en">
<head>
<meta charset="utf-8"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<title>{title}</title>
<style>{}{}</style>
</head>
<body>
<main>
<svg width="0" height="0" style="position:absolute" aria-hidden="true">{PATTERNS}</svg>"#,
        include_str!("picture.css"),
        include_str!("page.css")
    )
}

fn head(out: &mut String, story: &Story) -> fmt::Result {
    let outcome = verdict::outcome(story);
    let (class, headline) = (verdict::class(outcome), verdict::headline(outcome));
    writeln!(out, "<h1>{}</h1>", Escaped(&story.title))?;
    writeln!(
        out,
        r#"<section class="verdict {class}"><p class="outcome">{headline}</p><p class="says">{}.</p>"#,
        Escaped(&verdict::sentence(story))
    )?;
    for (what, sentences) in [
        ("Two at once", &story.verdict.overlaps),
        ("Needless restart", &story.verdict.needless),
        ("Too long without a master", &story.verdict.overdue),
    ] {
        for sentence in sentences {
            let sentence = Escaped(sentence);
            writeln!(
                out,
                r#"<p class="breach"><strong>{what}:</strong> {sentence}</p>"#
            )?;
        }
    }
    out.write_str(EXPLANATION)?;
    settings(out, story)
}

const EXPLANATION: &str = r#"<p class="small">The command must run on one host at a time. An <em>overlap</em>: it ran on two at once.
A <em>needless restart</em>: it was stopped although the disturbance was short enough to be ridden out.
A <em>takeover</em>: another host, or another term of the same, began to run it.</p></section>
"#;

fn settings(out: &mut String, story: &Story) -> fmt::Result {
    out.write_str("<dl class=\"settings\">\n")?;
    let lasted = words::span(story.ended.saturating_sub(story.began));
    let seed = story.seed.map(|seed| ("seed".to_owned(), seed.to_string()));
    let all = [("lasted".to_owned(), lasted)]
        .into_iter()
        .chain(seed)
        .chain(story.settings.iter().cloned());
    for (name, value) in all {
        let (name, value) = (Escaped(&name), Escaped(&value));
        writeln!(out, "<div><dt>{name}</dt><dd>{value}</dd></div>")?;
    }
    out.write_str("</dl>\n")
}

fn draw_legend(out: &mut String) -> fmt::Result {
    let height = legend::height(WIDTH);
    writeln!(
        out,
        r##"<h2>How to read it</h2>
<p>One row a host: a bar is the command running there, the line below it is the lease that covers it. A dotted line marks each
start of the command: by then every other host's line has ended, or was given back. Faults are bands across the rows of whom
they were done to; their numbers are those of <a href="#faults">the table</a>.</p>
<div class="wide"><svg class="legend" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="legend">"##
    )?;
    legend::draw(out, WIDTH)?;
    out.write_str("</svg></div>\n")
}

fn draw_strips(out: &mut String, story: &Story) -> fmt::Result {
    out.write_str("<h2>What happened</h2>\n")?;
    for (number, strip) in (1..).zip(strips::strips(story)) {
        let moment = |time: std::time::Duration| words::moment(time.saturating_sub(story.began));
        let picture = Picture::new(story, strip, WIDTH, Labels::Numbered);
        writeln!(
            out,
            r#"<section class="strip" id="strip-{number}"><h3>{} to {}<span>{}</span></h3>
<div class="wide"><svg class="picture" viewBox="0 0 {WIDTH} {}" role="img" aria-label="strip {number}">"#,
            moment(strip.from),
            moment(strip.until),
            summary(story, strip),
            picture.height()
        )?;
        picture.draw(out)?;
        out.write_str("</svg></div></section>\n")?;
    }
    Ok(())
}

/// What there is to see in a strip.
fn summary(story: &Story, strip: Interval) -> String {
    let faults = numbered(story).into_iter();
    let faults = faults.filter(|(_, fault)| strip.meets(fault.from, fault.from));
    let starts = story.lives.iter();
    let starts = starts.filter(|life| strip.meets(life.start, life.start));
    format!(
        "{}, {} of the command",
        words::count(faults.count(), "fault"),
        words::count(starts.count(), "start")
    )
}
