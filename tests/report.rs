//! The picture of a run shows what its story says: every bar where its time is, none missing, nothing unreadable.

#[path = "report/browser.rs"]
mod browser;
#[path = "report/drawn.rs"]
mod drawn;
#[path = "torture/report/mod.rs"]
mod report;
#[path = "report/samples.rs"]
mod samples;
#[expect(
    dead_code,
    reason = "of what a test needs of the machine, this one needs a directory"
)]
#[path = "support/scratch.rs"]
mod scratch;
#[path = "torture/story.rs"]
mod story;

use std::fs;

use drawn::{Strip, compare};
use scratch::Scratch;
use story::Story;

/// What was written for `story`: the page and the picture.
fn written(story: &Story) -> (String, String) {
    let scratch = Scratch::new("report");
    report::write(story, scratch.path()).expect("the directory is ours");
    let read = |name| fs::read_to_string(scratch.join(name)).expect("it was written");
    (read("report.html"), read("report.svg"))
}

/// How many bars there are in all the strips of a page: a life that is in two strips has two.
fn bars(story: &Story) -> usize {
    let page = written(story).0;
    let strips = Strip::all(&page);
    strips.iter().map(|strip| strip.lives.len()).sum()
}

fn samples() -> [Story; 4] {
    [
        samples::short(),
        samples::hour(),
        samples::broken(),
        samples::hostile(),
    ]
}

#[test]
fn the_strips_of_the_page_show_all_of_the_run_and_every_bar_where_its_time_is() {
    for story in samples() {
        let strips = Strip::all(&written(&story).0);
        assert_eq!(compare(&story, &strips), Ok(()), "{}", story.title);
        let bounds: Vec<_> = strips.iter().map(Strip::bounds).collect();
        let lasted = (story.ended - story.began).as_secs_f64();
        assert!(bounds[0].0.abs() < 0.1 && bounds.last().unwrap().1 > lasted - 0.1);
        for pair in bounds.windows(2) {
            assert!((pair[0].1 - pair[1].0).abs() < 0.1, "{pair:?}");
        }
    }
}

#[test]
fn the_picture_alone_shows_one_strip_and_every_bar_of_it_where_its_time_is() {
    for story in samples() {
        let strips = Strip::all(&written(&story).1);
        assert_eq!(strips.len(), 1);
        assert_eq!(compare(&story, &strips), Ok(()), "{}", story.title);
    }
}

#[test]
fn a_bar_that_is_missing_or_misplaced_is_noticed() {
    let story = samples::short();
    let (_, picture) = written(&story);
    let legend = picture.find("class=\"key\"").expect("a legend");
    for (what, place) in [
        ("class=\"life ", " x=\""),
        ("class=\"lease\"", " d=\"M"),
        ("class=\"fault ", " x=\""),
    ] {
        let all: Vec<_> = picture[..legend]
            .match_indices(what)
            .map(|(at, _)| at)
            .collect();
        assert!(all.len() > 1, "{what}");
        for at in all {
            let (before, after) = picture.split_at(at);
            let missing = format!("{before}{}", after.replacen("class=\"", "class=\"not-", 1));
            for bad in [missing, format!("{before}{}", shifted(after, place))] {
                assert!(
                    compare(&story, &Strip::all(&bad)).is_err(),
                    "{what} at {at}"
                );
            }
        }
    }
}

/// `text` with the number after `place` moved by three pixels.
fn shifted(text: &str, place: &str) -> String {
    let (before, after) = text.split_once(place).expect("a place");
    let end = after.find(['"', ' ']).expect("its end");
    format!(
        "{before}{place}{:.2}{}",
        number(text, place) + 3.0,
        &after[end..]
    )
}

/// The number after `place`.
fn number(text: &str, place: &str) -> f64 {
    let (_, after) = text.split_once(place).expect("a place");
    let end = after.find(['"', ' ']).expect("its end");
    after[..end].parse().expect("a number")
}

#[test]
fn an_overlap_is_drawn_and_said_and_a_story_without_one_has_neither() {
    let (page, picture) = written(&samples::broken());
    for text in [&page, &picture] {
        assert!(text.contains("TWO AT ONCE: 1.40"));
        assert!(text.contains("\u{2718} The promise was broken"));
        assert!(text.contains("1 overlap, 1 needless restart, 1 late takeover in 12 faults"));
    }
    assert_eq!(page.matches("needless restart</text>").count(), 1);
    assert!(Strip::all(&picture)[0].overlaps.len() == 1);
    let (page, picture) = written(&samples::short());
    for text in [&page, &picture] {
        assert!(!text.contains("TWO AT ONCE") && text.contains("\u{2714} The promise held"));
        assert!(text.contains("0 overlaps, 0 needless restarts in 12 faults"));
    }
}

#[test]
fn a_needless_restart_is_marked_where_the_child_starts_and_nowhere_else() {
    let mut story = samples::broken();
    story.verdict.overlaps.clear();
    let (page, _) = written(&story);
    let after = |mark: &str| {
        let after: Vec<&str> = page.split(mark).skip(1).collect();
        assert_eq!(after.len(), 1, "{mark}");
        number(after[0], " x=\"")
    };
    let (bar, label) = (after(" named\""), after("label needless\""));
    assert!((bar - label).abs() < 10.0, "{bar} {label}");
}

#[test]
fn a_child_that_starts_beside_a_frozen_host_is_no_overlap() {
    let (page, picture) = written(&samples::frozen());
    for text in [&page, &picture] {
        assert!(!text.contains("TWO AT ONCE") && text.contains("\u{2714} The promise held"));
    }
    assert!(
        Strip::all(&picture)
            .iter()
            .all(|strip| strip.overlaps.is_empty())
    );
}

#[test]
fn two_children_at_once_while_a_third_host_is_frozen_are_an_overlap() {
    let mut story = samples::frozen();
    let fault = story.faults.iter_mut().find(|it| it.kind == "host frozen");
    fault.expect("the sample has one").on = vec!["nobody".to_owned()];
    let (_, picture) = written(&story);
    assert!(
        Strip::all(&picture)
            .iter()
            .any(|strip| !strip.overlaps.is_empty())
    );
}

#[test]
fn a_run_in_which_nothing_happened_proves_nothing() {
    let mut story = samples::short();
    story.lives.clear();
    let (page, picture) = written(&story);
    assert!(page.contains("Nothing was proven") && picture.contains("Nothing was proven"));
    assert!(!page.contains("The promise held"));
}

#[test]
fn every_fault_has_a_line_and_every_band_leads_to_it() {
    let story = samples::hour();
    let (page, _) = written(&story);
    for number in 1..=story.faults.len() {
        assert_eq!(page.matches(&format!("id=\"fault-{number}\"")).count(), 1);
        assert!(page.contains(&format!("href=\"#fault-{number}\"")));
    }
}

#[test]
fn nothing_is_taken_from_elsewhere_and_no_text_becomes_markup() {
    for story in samples() {
        let (page, picture) = written(&story);
        for text in [page, picture] {
            for outside in ["src=", "url(h", "@import", "<script", "<link", "xlink"] {
                assert!(!text.contains(outside), "{outside}");
            }
            let addresses = text.matches("://").count();
            assert_eq!(
                addresses,
                text.matches("xmlns=\"http://www.w3.org/").count()
            );
        }
    }
}

#[test]
fn a_browser_shows_every_bar_and_no_two_texts_meet() {
    for (story, widths) in [
        (samples::short(), vec![1280, 500]),
        (samples::hour(), vec![1280]),
        (samples::hostile(), vec![1280]),
    ] {
        let (page, _) = written(&story);
        for width in widths {
            let Some(seen) = browser::look(&page, width) else {
                return scratch::skip("there is no chromium to look at the page with");
            };
            assert_eq!(seen.bars, bars(&story), "at a width of {width}");
            assert_eq!(seen.complaints, "", "at a width of {width}");
        }
    }
}
