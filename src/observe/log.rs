//! Log lines: text or JSON on standard error, one `write(2)` each, formatted without the heap.
//!
//! A line is dropped rather than waited for: neither process may hang because nobody reads its log. How many were
//! dropped is said in the next line that goes out.

use super::text::Text;
use crate::clock;
use std::fmt::{self, Display, Write};
use std::os::fd::OwnedFd;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Longer lines are cut: a pipe takes this much at once (`PIPE_BUF`, pipe(7)).
const LONGEST_LINE: usize = 4096;

/// How much is worth saying.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Level {
    /// The promise is at risk, or was kept only by force.
    Error,
    /// Somebody should look.
    Warn,
    /// The operator's story of a term.
    Info,
    /// Every renewal.
    Debug,
}

/// What a line looks like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// `2026-01-31T12:00:00.000Z INFO  guardian: child started pid=4711`
    Text,
    /// One JSON object a line.
    Json,
}

/// What varies in a line: a name and a value.
pub type Field<'a> = (&'a str, Value<'a>);

/// The value of a field.
#[derive(Clone, Copy)]
pub enum Value<'a> {
    /// Anything that can be shown; a string in JSON.
    Text(&'a dyn Display),
    /// A number.
    Number(i64),
}

impl<'a> From<&'a dyn Display> for Value<'a> {
    fn from(text: &'a dyn Display) -> Value<'a> {
        Value::Text(text)
    }
}

/// How this process logs.
#[derive(Debug)]
struct Logger {
    format: Format,
    level: Level,
    process: &'static str,
    context: String,
    sink: Sink,
    dropped: AtomicU64,
}

/// Where lines go, without ever waiting.
#[derive(Debug)]
enum Sink {
    /// A descriptor of our own, opened with `O_NONBLOCK`: the shared one's flags are the child's too.
    File(OwnedFd),
    /// A socket: `MSG_DONTWAIT` does it for each line.
    Socket,
    /// The same, of journald, which knows the time and is told how much it is worth (`sd-daemon(3)`).
    Journal,
    /// Neither could be had: standard error as it is.
    Shared,
}

static LOGGER: OnceLock<Logger> = OnceLock::new();

/// Sets up logging for this process, once; later calls do nothing. Before it, [`log`] writes text at `info`.
pub fn init(format: Format, level: Level, process: &'static str, context: &str) {
    let context = context.to_owned();
    let logger = Logger {
        format,
        level,
        process,
        context,
        sink: Sink::open(),
        dropped: AtomicU64::new(0),
    };
    _ = LOGGER.set(logger);
}

/// Whether lines of `level` are written.
#[must_use]
pub fn is_enabled(level: Level) -> bool {
    LOGGER
        .get()
        .map_or(level <= Level::Info, |logger| level <= logger.level)
}

/// Writes a line: `message` is constant and says what has happened; what varies is in `fields`.
pub fn log(level: Level, message: &str, fields: &[Field<'_>]) {
    if !is_enabled(level) {
        return;
    }
    match LOGGER.get() {
        Some(logger) => logger.write(level, message, fields),
        None => Sink::Shared
            .put(Line::text(level, "", message, fields).finish())
            .unwrap_or_default(),
    }
}

/// Writes an `error` line.
pub fn error(message: &str, fields: &[Field<'_>]) {
    log(Level::Error, message, fields);
}

/// Writes a `warn` line.
pub fn warn(message: &str, fields: &[Field<'_>]) {
    log(Level::Warn, message, fields);
}

/// Writes an `info` line.
pub fn info(message: &str, fields: &[Field<'_>]) {
    log(Level::Info, message, fields);
}

/// Writes a `debug` line.
pub fn debug(message: &str, fields: &[Field<'_>]) {
    log(Level::Debug, message, fields);
}

impl Logger {
    fn write(&self, level: Level, message: &str, fields: &[Field<'_>]) {
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            let count = i64::try_from(dropped).unwrap_or(i64::MAX);
            self.put(
                Level::Warn,
                "log lines dropped",
                &[("count", Value::Number(count))],
                dropped,
            );
        }
        self.put(level, message, fields, 0);
    }

    fn put(&self, level: Level, message: &str, fields: &[Field<'_>], stands_for: u64) {
        let mut line = match (self.format, &self.sink) {
            (Format::Text, Sink::Journal) => Line::journal(level, self.process, message, fields),
            (Format::Text, _) => Line::text(level, self.process, message, fields),
            (Format::Json, _) => Line::json(level, self.process, &self.context, message, fields),
        };
        if self.sink.put(line.finish()).is_err() {
            self.dropped.fetch_add(stands_for.max(1), Ordering::Relaxed);
        }
    }
}

impl Sink {
    fn open() -> Sink {
        use nix::fcntl::{OFlag, open};
        use nix::sys::stat::{Mode, SFlag, fstat};
        let stat = fstat(std::io::stderr()).ok();
        let is_socket = |mode| mode & SFlag::S_IFMT.bits() == SFlag::S_IFSOCK.bits();
        if let Some(stat) = stat.filter(|stat| is_socket(stat.st_mode)) {
            // `systemd.exec(5)`: so it says which descriptor it made.
            let own = format!("{}:{}", stat.st_dev, stat.st_ino);
            let is_journal = std::env::var("JOURNAL_STREAM").is_ok_and(|it| it == own);
            return if is_journal {
                Sink::Journal
            } else {
                Sink::Socket
            };
        }
        let flags = OFlag::O_WRONLY
            | OFlag::O_APPEND
            | OFlag::O_NONBLOCK
            | OFlag::O_CLOEXEC
            | OFlag::O_NOCTTY;
        open("/proc/self/fd/2", flags, Mode::empty()).map_or(Sink::Shared, Sink::File)
    }

    fn put(&self, line: &[u8]) -> nix::Result<()> {
        use nix::sys::socket::{MsgFlags, send};
        match self {
            Sink::Socket | Sink::Journal => {
                send(2, line, MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL).map(drop)
            }
            Sink::Shared => nix::unistd::write(std::io::stderr(), line).map(drop),
            Sink::File(fd) => nix::unistd::write(fd, line).map(drop),
        }
    }
}

/// A line being written.
struct Line(Text<LONGEST_LINE>);

impl Line {
    fn new() -> Line {
        Line(Text::new())
    }

    fn text(level: Level, process: &str, message: &str, fields: &[Field<'_>]) -> Line {
        let mut line = Line::new();
        let time = humantime::format_rfc3339_millis(clock::wall());
        line.put(format_args!("{time} "));
        line.with_text(level, process, message, fields)
    }

    fn journal(level: Level, process: &str, message: &str, fields: &[Field<'_>]) -> Line {
        let priority = match level {
            Level::Error => 3,
            Level::Warn => 4,
            Level::Info => 6,
            Level::Debug => 7,
        };
        let mut line = Line::new();
        line.put(format_args!("<{priority}>"));
        line.with_text(level, process, message, fields)
    }

    fn with_text(
        mut self,
        level: Level,
        process: &str,
        message: &str,
        fields: &[Field<'_>],
    ) -> Line {
        let line = &mut self;
        let level = match level {
            Level::Error => "ERROR",
            Level::Warn => "WARN ",
            Level::Info => "INFO ",
            Level::Debug => "DEBUG",
        };
        line.put(format_args!("{level} "));
        if !process.is_empty() {
            line.put(format_args!("{process}: "));
        }
        line.put(format_args!("{message}"));
        for (name, value) in fields {
            match value {
                Value::Number(number) => line.put(format_args!(" {name}={number}")),
                Value::Text(text) => line.put_text_field(name, *text),
            }
        }
        self
    }

    /// `name=value`, quoted where it would be hard to read without.
    fn put_text_field(&mut self, name: &str, text: &dyn Display) {
        self.put(format_args!(" {name}="));
        let start = self.0.len();
        self.put(format_args!("{text}"));
        let is_simple = |byte: &u8| {
            byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b'=') || *byte >= 0x80
        };
        let shown = &self.0.as_bytes()[start..];
        if shown.is_empty() || !shown.iter().all(is_simple) {
            self.0.truncate(start);
            self.put_quoted(text);
        }
    }

    fn json(
        level: Level,
        process: &str,
        context: &str,
        message: &str,
        fields: &[Field<'_>],
    ) -> Line {
        let mut line = Line::new();
        let level = match level {
            Level::Error => "error",
            Level::Warn => "warn",
            Level::Info => "info",
            Level::Debug => "debug",
        };
        let time = humantime::format_rfc3339_millis(clock::wall());
        line.put(format_args!(
            "{{\"time\":\"{time}\",\"level\":\"{level}\",\"process\":\"{process}\",\"name\":"
        ));
        line.put_quoted(&context);
        line.put(format_args!(",\"message\":"));
        line.put_quoted(&message);
        for (name, value) in fields {
            line.put(format_args!(",\"{name}\":"));
            match value {
                Value::Number(number) => line.put(format_args!("{number}")),
                Value::Text(text) => line.put_quoted(*text),
            }
        }
        line.put(format_args!("}}"));
        line
    }

    fn put_quoted(&mut self, text: &dyn Display) {
        self.put(format_args!("\""));
        _ = write!(Escaped(&mut self.0), "{text}");
        self.put(format_args!("\""));
    }

    fn put(&mut self, arguments: fmt::Arguments<'_>) {
        self.0.put(arguments);
    }

    /// The whole line, with its end.
    fn finish(&mut self) -> &[u8] {
        self.0.truncate(LONGEST_LINE - 1);
        self.put(format_args!("\n"));
        self.0.as_bytes()
    }
}

/// Escapes what JSON must have escaped; the same serves a quoted text field.
struct Escaped<'a>(&'a mut Text<LONGEST_LINE>);

impl Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            let plain = &mut *self.0;
            match c {
                '"' | '\\' => write!(plain, "\\{c}")?,
                '\n' => plain.write_str("\\n")?,
                '\t' => plain.write_str("\\t")?,
                c if c.is_control() => write!(plain, "\\u{:04x}", u32::from(c))?,
                c => plain.write_char(c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(mut line: Line) -> String {
        String::from_utf8(line.finish().to_vec()).unwrap()
    }

    #[test]
    fn a_text_line_quotes_only_what_needs_it() {
        let fields: [Field<'_>; 3] = [
            ("pid", Value::Number(7)),
            ("reason", Value::Text(&"no route")),
            ("host", Value::Text(&"a")),
        ];
        let line = shown(Line::text(
            Level::Info,
            "guardian",
            "child started",
            &fields,
        ));
        assert!(
            line.ends_with(" INFO  guardian: child started pid=7 reason=\"no route\" host=a\n"),
            "{line}"
        );
    }

    #[test]
    fn a_json_line_is_json_whatever_is_in_it() {
        let awkward = "a \"b\" \\ \n \t \u{1} ü";
        let line = shown(Line::json(
            Level::Warn,
            "elector",
            "x",
            "y",
            &[("why", Value::Text(&awkward))],
        ));
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["why"], awkward);
        assert_eq!(value["level"], "warn");
    }

    #[test]
    fn a_long_line_is_cut_and_still_ends() {
        let long = "ü".repeat(LONGEST_LINE);
        let line = shown(Line::text(
            Level::Info,
            "guardian",
            "x",
            &[("long", Value::Text(&long))],
        ));
        assert!(line.len() <= LONGEST_LINE && line.ends_with('\n'));
    }
}
