//! What a test needs of the machine and gives back: directories, ports, its own name, a word on being skipped.

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Where all of it is, below a directory for temporary files.
const NAME: &str = "zk-supervise-tests";

static NUMBER: AtomicU32 = AtomicU32::new(0);
static SWEEP: Once = Once::new();

/// A number that no other part of this test process got.
pub(crate) fn number() -> u32 {
    NUMBER.fetch_add(1, Ordering::Relaxed)
}

/// A directory of its own, removed with the value.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new(label: &str) -> Scratch {
        Scratch::below(&std::env::temp_dir(), label).expect("the temporary directory is writable")
    }

    /// One in memory, where there is some: a server waits for the disk at every write, and a disk that others keep busy
    /// makes an ensemble stand still for seconds.
    pub(crate) fn in_memory(label: &str) -> Scratch {
        Scratch::below(Path::new("/dev/shm"), label).unwrap_or_else(|_| Scratch::new(label))
    }

    fn below(base: &Path, label: &str) -> std::io::Result<Scratch> {
        SWEEP.call_once(|| {
            sweep(&std::env::temp_dir().join(NAME), KEPT_FOR);
            sweep(&Path::new("/dev/shm").join(NAME), Duration::ZERO);
        });
        let process = base.join(NAME).join(std::process::id().to_string());
        let path = process.join(format!("{label}-{}", number()));
        fs::create_dir_all(&path)?;
        Ok(Scratch(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    /// A failed test leaves its directory: the logs are in it.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            fs::remove_dir_all(&self.0).ok();
        }
    }
}

/// For how long the logs of a failed test are kept once its process is gone: the next one of the same run starts at once.
const KEPT_FOR: Duration = Duration::from_secs(60 * 60);

/// Removes what earlier test processes left before `kept_for`, and all that one of our number left.
fn sweep(base: &Path, kept_for: Duration) {
    for entry in fs::read_dir(base).into_iter().flatten().flatten() {
        let process = Path::new("/proc").join(entry.file_name());
        let is_ours = entry.file_name() == *std::process::id().to_string();
        if is_ours || !process.exists() && is_older(&entry, kept_for) {
            fs::remove_dir_all(entry.path()).ok();
        }
    }
}

fn is_older(entry: &fs::DirEntry, limit: Duration) -> bool {
    let modified = entry.metadata().and_then(|it| it.modified()).ok();
    modified
        .and_then(|it| it.elapsed().ok())
        .is_some_and(|age| age > limit)
}

/// A loopback port that is free, below the range from which the kernel takes the ports of outgoing connections: so it
/// is still free when the server on it is started again.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let start = std::process::id().wrapping_mul(97);
    for _ in 0..20_000 {
        let step = start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = u16::try_from(10_000 + step % 20_000).expect("below 30000");
        if TcpListener::bind(("0.0.0.0", port)).is_ok() {
            return port;
        }
    }
    panic!("no loopback port between 10000 and 30000 is free");
}

/// The name of the test that runs on this thread, fit for a file or a znode.
pub(crate) fn test_name() -> String {
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("unnamed").replace("::", ".");
    name.replace(|c: char| !c.is_ascii_alphanumeric() && c != '.', "_")
}

/// Says on the real stderr, past the test harness's capture, why this test proves nothing here. `tests/run.sh` counts
/// these lines.
pub(crate) fn skip(reason: &str) {
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("unnamed");
    // On a line of its own, also where the harness has begun one for the test.
    let line = format!("\nskipped: {name}: {reason}\n");
    std::io::stderr().write_all(line.as_bytes()).ok();
}

/// Says something in the output that is shown if the test fails.
#[expect(
    clippy::print_stderr,
    reason = "only `eprintln!` is captured test by test"
)]
pub(crate) fn tell(text: &str) {
    eprintln!("{text}");
}
