//! Looks at a page with a real browser.

use std::fs;
use std::process::{Command, Stdio};

use crate::scratch::Scratch;

/// What the browser found.
pub(crate) struct Seen {
    /// How many bars of lives have an extent.
    pub(crate) bars: usize,
    /// What is wrong with the layout, if anything.
    pub(crate) complaints: String,
}

/// Where it may be.
const BROWSER: &str = "chromium";

/// Opens `page` in a window of this width; none where there is no browser.
pub(crate) fn look(page: &str, width: u32) -> Option<Seen> {
    Command::new(BROWSER)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .ok()?;
    let scratch = Scratch::new("browser");
    let probed = page.replace("</body>", &format!("<script>{PROBE}</script></body>"));
    fs::write(scratch.join("page.html"), probed).expect("the directory is ours");
    let output = Command::new("timeout")
        .args([
            "120",
            BROWSER,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
        ])
        .args([
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
        ])
        .args(["--disable-sync", "--dump-dom"])
        .arg(format!("--window-size={width},900"))
        .arg(format!(
            "--user-data-dir={}",
            scratch.join("profile").display()
        ))
        .arg(format!("file://{}", scratch.join("page.html").display()))
        .output()
        .expect("timeout is everywhere");
    let dom = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    let said = between(&dom, "<pre id=\"probe\">", "</pre>");
    let said = said.unwrap_or_else(|| panic!("the probe said nothing: {errors}"));
    let (bars, complaints) = said.split_once('\n').expect("two parts");
    Some(Seen {
        bars: bars.parse().expect("a number"),
        complaints: complaints.to_owned(),
    })
}

fn between<'t>(text: &'t str, start: &str, end: &str) -> Option<&'t str> {
    let (_, rest) = text.split_once(start)?;
    Some(rest.split_once(end)?.0)
}

/// Runs in the page: counts bars, and names what flows over or meets something else.
const PROBE: &str = r#"
const wrong = [];
document.querySelectorAll('.strip').forEach(strip => strip.style.contentVisibility = 'visible');
const bars = [...document.querySelectorAll('svg.picture .life')].filter(bar => {
  const box = bar.getBoundingClientRect();
  return box.width > 0 && box.height > 5;
});
if (document.documentElement.scrollWidth > window.innerWidth) wrong.push('the page is wider than the window');
document.querySelectorAll('main > :not(.wide), .verdict > *').forEach(part => {
  if (part.scrollWidth > part.clientWidth + 1 && part.clientWidth > 0) wrong.push('flows over: ' + part.tagName + ' ' + part.className);
});
document.querySelectorAll('.wide > svg').forEach((svg, number) => {
  const whole = svg.getBoundingClientRect();
  const texts = [...svg.querySelectorAll('text')].map(text => ({text, box: text.getBoundingClientRect()}));
  texts.forEach(({text, box}, at) => {
    if (box.left < whole.left - 1 || box.right > whole.right + 1 || box.bottom > whole.bottom + 1) wrong.push(number + ': outside: ' + text.textContent);
    texts.slice(at + 1).forEach(other => {
      const wide = Math.min(box.right, other.box.right) - Math.max(box.left, other.box.left);
      const high = Math.min(box.bottom, other.box.bottom) - Math.max(box.top, other.box.top);
      if (wide > 0.5 && high > 3) wrong.push(number + ': meet: ' + text.textContent + ' / ' + other.text.textContent);
    });
  });
  svg.querySelectorAll('.token').forEach(token => {
    const box = token.getBoundingClientRect();
    const bar = [...svg.querySelectorAll('.life')].map(life => life.getBoundingClientRect())
      .find(bar => bar.left <= box.left && box.right <= bar.right && bar.top <= box.top + 3 && box.bottom - 3 <= bar.bottom);
    if (!bar) wrong.push(number + ': beside its bar: ' + token.textContent);
  });
});
const probe = document.createElement('pre');
probe.id = 'probe';
probe.textContent = bars.length + '\n' + wrong.slice(0, 20).join('\n');
document.body.append(probe);
"#;
