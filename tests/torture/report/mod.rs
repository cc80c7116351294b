//! The picture of a run: who ran when, what was done to whom, and whether the promise held. For a reader who has never
//! seen this program.
//!
//! It judges nothing: the verdict is the story's. What it adds is drawn from the same lives that were judged, so that a
//! reader can check the verdict by eye.

mod faults;
mod intervals;
mod labels;
mod legend;
mod lives;
mod page;
mod picture;
mod strips;
mod tables;
mod verdict;
mod words;

use std::fmt::Write as _;
use std::path::Path;
use std::{fs, io};

use crate::story::Story;
use picture::{Labels, Picture};

/// The width of `report.svg`: a README's column.
const README_WIDTH: f64 = 900.0;

/// Writes `report.html`, all of the run, and `report.svg`, its most telling strip, into `directory`.
pub(crate) fn write(story: &Story, directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    let page = page::page(story).map_err(io::Error::other)?;
    fs::write(directory.join("report.html"), page)?;
    let picture = alone(story).map_err(io::Error::other)?;
    fs::write(directory.join("report.svg"), picture)
}

/// One strip as a file of its own: verdict on top, legend below.
fn alone(story: &Story) -> Result<String, std::fmt::Error> {
    let strip = strips::most_telling(story);
    let picture = Picture::new(story, strip, README_WIDTH, Labels::Named);
    let (rows, legend) = (picture.height(), legend::height(README_WIDTH));
    let height = verdict::HEIGHT + rows + legend;
    let mut out = String::new();
    writeln!(
        out,
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {README_WIDTH} {height}" width="{README_WIDTH}" height="{height}" role="img">"#
    )?;
    let title = words::Escaped(&story.title);
    writeln!(
        out,
        "<title>{title}</title>\n<style>{}</style>",
        include_str!("picture.css")
    )?;
    out.write_str(picture::PATTERNS)?;
    writeln!(
        out,
        r#"<rect class="paper" width="{README_WIDTH}" height="{height}"/>"#
    )?;
    verdict::draw(&mut out, story)?;
    writeln!(out, r#"<g transform="translate(0 {})">"#, verdict::HEIGHT)?;
    picture.draw(&mut out)?;
    let below = verdict::HEIGHT + rows;
    writeln!(out, "</g>\n<g transform=\"translate(0 {below})\">")?;
    legend::draw(&mut out, README_WIDTH)?;
    out.write_str("</g>\n</svg>\n")?;
    Ok(out)
}
