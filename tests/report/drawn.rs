//! Reads a picture back as a reader does: the scale from the labels of the axis, the rows from their names.

use std::time::Duration;

use roxmltree::{Document, Node, ParsingOptions};

use crate::story::Story;

/// How far a bar may be from its time: a pixel.
const PIXEL: f64 = 1.0;

/// From left to right, in pixels.
type Across = (f64, f64);

/// One strip as it is drawn.
#[derive(Debug)]
pub(crate) struct Strip {
    /// Pixels a second, and where the run began.
    scale: (f64, f64),
    /// The rows: name, and from top to bottom.
    rows: Vec<(String, Across)>,
    plot: Across,
    /// Where things are: from left to right, and how far down.
    pub(crate) lives: Vec<(Across, f64)>,
    leases: Vec<(Across, f64)>,
    faults: Vec<(Across, f64)>,
    pub(crate) overlaps: Vec<(Across, f64)>,
}

impl Strip {
    /// All the strips of a page or picture.
    pub(crate) fn all(text: &str) -> Vec<Strip> {
        let options = ParsingOptions {
            allow_dtd: true,
            ..ParsingOptions::default()
        };
        let document = Document::parse_with_options(text, options).expect("well-formed");
        let root = document.root_element();
        let strips: Vec<_> = elements(root, "svg", "picture").map(Strip::read).collect();
        if strips.is_empty() {
            vec![Strip::read(root)]
        } else {
            strips
        }
    }

    /// From when until when it shows the run, in seconds since the run began.
    pub(crate) fn bounds(&self) -> (f64, f64) {
        let (rate, zero) = self.scale;
        ((self.plot.0 - zero) / rate, (self.plot.1 - zero) / rate)
    }

    fn read(picture: Node<'_, '_>) -> Strip {
        let rects = |class| elements(picture, "rect", class).map(place).collect();
        let rows: Vec<_> = elements(picture, "rect", "row").collect();
        let names = elements(picture, "text", "name").map(|name| name.text().unwrap_or_default());
        let plot = place(rows[0]).0;
        Strip {
            scale: scale(picture),
            rows: names
                .zip(&rows)
                .map(|(name, row)| {
                    (
                        name.to_owned(),
                        (
                            number(*row, "y"),
                            number(*row, "y") + number(*row, "height"),
                        ),
                    )
                })
                .collect(),
            plot,
            lives: rects("life"),
            leases: elements(picture, "path", "lease")
                .filter(|node| !is_key(*node))
                .map(line)
                .collect(),
            faults: rects("fault"),
            overlaps: rects("overlap"),
        }
    }

    /// What of these things is in a row, from left to right.
    fn in_row(&self, row: usize, things: &[(Across, f64)]) -> Vec<Across> {
        let (top, bottom) = self.rows[row].1;
        let mut found: Vec<_> = things
            .iter()
            .filter(|(_, y)| (top..bottom).contains(y))
            .map(|(across, _)| *across)
            .collect();
        found.sort_by(|a, b| a.partial_cmp(b).expect("numbers"));
        found
    }

    /// Where these times must be, as far as they are in this strip.
    fn expected(&self, times: impl Iterator<Item = (f64, f64)>) -> Vec<Across> {
        let (rate, zero) = self.scale;
        let (from, until) = self.bounds();
        let mut all: Vec<_> = times
            .filter(|(start, end)| *start < until && (*end > from || *start >= from))
            .map(|(start, end)| (zero + rate * start.max(from), zero + rate * end.min(until)))
            .collect();
        all.sort_by(|a, b| a.partial_cmp(b).expect("numbers"));
        all
    }
}

/// Whether the strips show all that the story says of them, where its time is, and nothing else.
pub(crate) fn compare(story: &Story, strips: &[Strip]) -> Result<(), String> {
    let since = |time: Duration| time.as_secs_f64() - story.began.as_secs_f64();
    for (number, strip) in strips.iter().enumerate() {
        for row in 0..strip.rows.len() {
            let subject = Subject::of(story, row);
            let name = &strip.rows[row].0;
            let check = |what: &str, drawn: &[(Across, f64)], times: Vec<(f64, f64)>| {
                let (found, expected) =
                    (strip.in_row(row, drawn), strip.expected(times.into_iter()));
                is_same(&found, &expected).then_some(()).ok_or_else(|| {
                    format!("strip {number}, {name}, {what}: {found:?}, not {expected:?}")
                })
            };
            let lives = story
                .lives
                .iter()
                .filter(|life| subject.is_host(&life.host));
            check(
                "lives",
                &strip.lives,
                lives
                    .map(|life| (since(life.start), since(life.end)))
                    .collect(),
            )?;
            let leases = story
                .leases
                .iter()
                .filter(|lease| subject.is_host(&lease.host));
            let end =
                |released: Option<Duration>, until| released.map_or(until, |at| at.min(until));
            let leases =
                leases.map(|lease| (since(lease.from), since(end(lease.released, lease.until))));
            check("leases", &strip.leases, leases.collect())?;
            let faults = story
                .faults
                .iter()
                .filter(|fault| subject.is_meant(&fault.on));
            check(
                "faults",
                &strip.faults,
                faults
                    .map(|fault| (since(fault.from), since(fault.until)))
                    .collect(),
            )?;
        }
    }
    Ok(())
}

/// Whose row it is: hosts, nobody, servers, then what was done to none of them.
enum Subject<'s> {
    Host(&'s str),
    Nobody,
    Server(&'s str),
    Group,
}

impl Subject<'_> {
    fn of(story: &Story, row: usize) -> Subject<'_> {
        let hosts = story.hosts.len();
        match (story.hosts.get(row), row.checked_sub(hosts + 1)) {
            (Some(host), _) => Subject::Host(host),
            (None, None) => Subject::Nobody,
            (None, Some(server)) => story
                .servers
                .get(server)
                .map_or(Subject::Group, |name| Subject::Server(name)),
        }
    }

    fn is_host(&self, name: &str) -> bool {
        matches!(self, Subject::Host(host) if *host == name)
    }

    fn is_meant(&self, on: &[String]) -> bool {
        match self {
            Subject::Host(name) | Subject::Server(name) => on.iter().any(|on| on == name),
            Subject::Nobody => false,
            Subject::Group => on.is_empty(),
        }
    }
}

/// Whether two lists of places are the same, but for a pixel; what is short is drawn a pixel long.
fn is_same(found: &[Across], expected: &[Across]) -> bool {
    let is_near = |a: f64, b: f64| (a - b).abs() <= PIXEL;
    let end = |expected: &Across| expected.1.max(expected.0 + PIXEL);
    let mut pairs = found.iter().zip(expected);
    found.len() == expected.len() && pairs.all(|(a, b)| is_near(a.0, b.0) && is_near(a.1, end(b)))
}

/// From the first and the last label of the axis: pixels a second, and where second 0 is.
fn scale(picture: Node<'_, '_>) -> (f64, f64) {
    let ticks: Vec<_> = elements(picture, "text", "tick")
        .map(|tick| {
            let text = tick.text().expect("a moment");
            let parts = text
                .split(':')
                .map(|part| part.parse::<f64>().expect("a number"));
            (
                number(tick, "x"),
                parts.fold(0.0, |sum, part| sum * 60.0 + part),
            )
        })
        .collect();
    let (first, last) = (ticks[0], ticks[ticks.len() - 1]);
    let rate = (last.0 - first.0) / (last.1 - first.1);
    (rate, first.0 - rate * first.1)
}

fn elements<'d>(
    within: Node<'d, 'd>,
    name: &'static str,
    class: &'static str,
) -> impl Iterator<Item = Node<'d, 'd>> {
    within.descendants().filter(move |node| {
        let has_class = |classes: &str| classes.split(' ').any(|one| one == class);
        node.has_tag_name(name) && node.attribute("class").is_some_and(has_class) && !is_key(*node)
    })
}

/// Whether it is a sample of the legend.
fn is_key(node: Node<'_, '_>) -> bool {
    node.ancestors()
        .any(|above| above.attribute("class") == Some("key"))
}

fn number(node: Node<'_, '_>, name: &str) -> f64 {
    node.attribute(name)
        .and_then(|text| text.parse().ok())
        .expect(name)
}

fn place(rect: Node<'_, '_>) -> (Across, f64) {
    let left = number(rect, "x");
    ((left, left + number(rect, "width")), number(rect, "y"))
}

/// A path `Mx yHx`.
fn line(path: Node<'_, '_>) -> (Across, f64) {
    let d = path.attribute("d").expect("a path");
    let numbers: Vec<f64> = d
        .split(|c: char| c != '.' && !c.is_ascii_digit())
        .filter_map(|part| part.parse().ok())
        .collect();
    ((numbers[0], numbers[2]), numbers[1])
}
