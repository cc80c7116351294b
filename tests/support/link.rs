//! A connection that can be damaged: a TCP relay in front of a server.

use super::scratch::free_port;
use super::time::{millis, now, pause, secs, wait_until};
use nix::libc;
use nix::sys::socket::{setsockopt, sockopt};
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How long a relay thread may take to notice what a test ordered.
const NOTICE: Duration = millis(5);

/// Which way bytes are held back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Way {
    ToServer,
    ToClient,
    Both,
}

/// A relay from an address of its own to one server; everything ends with the value.
pub(crate) struct Link {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    target: SocketAddr,
    state: Mutex<State>,
    /// Counts the resets: a connection belongs to the count at which it was accepted.
    generation: AtomicUsize,
    connections: AtomicUsize,
    listening: AtomicBool,
    over: AtomicBool,
}

#[derive(Clone, Copy)]
struct State {
    accepts: bool,
    held: Option<Way>,
    delay: Duration,
}

impl Link {
    /// A link on the loopback address.
    pub(crate) fn to(target: SocketAddr) -> Link {
        Link::at(IpAddr::V4(Ipv4Addr::LOCALHOST), target)
    }

    /// A link that is reached at another address of this host.
    pub(crate) fn at(address: IpAddr, target: SocketAddr) -> Link {
        let address = SocketAddr::new(address, free_port());
        let shared = Arc::new(Shared {
            target,
            state: Mutex::new(State {
                accepts: true,
                held: None,
                delay: Duration::ZERO,
            }),
            generation: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            listening: AtomicBool::new(false),
            over: AtomicBool::new(false),
        });
        let link = Link { address, shared };
        let shared = Arc::clone(&link.shared);
        std::thread::spawn(move || accept(address, &shared));
        link.wait_listening(true);
        link
    }

    /// `host:port`, as a configuration file lists it.
    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    /// How many connections pass through it now.
    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// The server's port is closed: connections are reset, new ones refused.
    pub(crate) fn refuse(&self) {
        self.close();
        self.reset();
        wait_until("the connections are reset", secs(5), || {
            self.connections() == 0
        });
    }

    /// The network swallows everything: connections stay, and new ones are taken, but nothing passes. Bytes sent
    /// meanwhile arrive when it is healed, as TCP would have it.
    pub(crate) fn blackhole(&self) {
        self.hold(Way::Both);
    }

    /// The same in one direction, or both.
    pub(crate) fn hold(&self, way: Way) {
        self.change(|state| state.held = Some(way));
    }

    /// Every byte takes so much longer, each way.
    pub(crate) fn delay(&self, delay: Duration) {
        self.change(|state| state.delay = delay);
    }

    /// All is well again.
    pub(crate) fn heal(&self) {
        self.change(|state| {
            *state = State {
                accepts: true,
                held: None,
                delay: Duration::ZERO,
            };
        });
        self.wait_listening(true);
    }

    /// Resets the connections there are. New ones are as welcome as before.
    pub(crate) fn reset(&self) {
        self.shared.generation.fetch_add(1, Ordering::SeqCst);
    }

    /// New connections are refused; those there are stay.
    fn close(&self) {
        self.change(|state| state.accepts = false);
        self.wait_listening(false);
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.shared.state.lock().expect("no thread panics in here"));
    }

    fn wait_listening(&self, listening: bool) {
        wait_until("the link listens or not", secs(10), || {
            self.shared.listening.load(Ordering::SeqCst) == listening
        });
    }
}

/// All servers' ports are closed: no client that is reset at one finds another open for a moment.
pub(crate) fn refuse_all(links: &[Link]) {
    links.iter().for_each(Link::close);
    links.iter().for_each(Link::refuse);
}

impl Drop for Link {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        self.shared.generation.fetch_add(1, Ordering::SeqCst);
    }
}

impl Shared {
    fn state(&self) -> State {
        *self.state.lock().expect("no thread panics in here")
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    fn generation(&self) -> usize {
        self.generation.load(Ordering::SeqCst)
    }
}

/// Listens while connections are accepted, and not at all while they are refused.
fn accept(address: SocketAddr, shared: &Arc<Shared>) {
    while !shared.is_over() {
        if !shared.state().accepts {
            pause(NOTICE);
            continue;
        }
        let Ok(listener) = TcpListener::bind(address) else {
            pause(NOTICE);
            continue;
        };
        listener
            .set_nonblocking(true)
            .expect("a listener can be made non-blocking");
        shared.listening.store(true, Ordering::SeqCst);
        while shared.state().accepts && !shared.is_over() {
            match listener.accept() {
                Ok((client, _)) => relay(client, shared),
                Err(_) => pause(NOTICE),
            }
        }
        drop(listener);
        shared.listening.store(false, Ordering::SeqCst);
    }
}

/// Both ways of one connection, two threads each: one reads and notes when, one writes when it is time.
fn relay(client: TcpStream, shared: &Arc<Shared>) {
    let generation = shared.generation();
    let shared = Arc::clone(shared);
    shared.connections.fetch_add(1, Ordering::SeqCst);
    std::thread::spawn(move || {
        if let Ok(server) = TcpStream::connect_timeout(&shared.target, secs(5)) {
            let (client, server) = (tuned(client), tuned(server));
            std::thread::scope(|scope| {
                for (from, to, way) in [
                    (&client, &server, Way::ToServer),
                    (&server, &client, Way::ToClient),
                ] {
                    let (chunks, inbox) = channel();
                    let shared = &*shared;
                    scope.spawn(move || read(from, &chunks, shared, generation));
                    scope.spawn(move || write(to, &inbox, shared, generation, way));
                }
            });
        }
        shared.connections.fetch_sub(1, Ordering::SeqCst);
    });
}

/// Closing it resets it, and a read gives way often enough to notice that it shall.
fn tuned(stream: TcpStream) -> TcpStream {
    let reset = libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    setsockopt(&stream, sockopt::Linger, &reset).expect("a TCP socket has SO_LINGER");
    stream.set_nodelay(true).expect("a TCP socket has NODELAY");
    stream.set_nonblocking(false).expect("a socket can block");
    stream
        .set_read_timeout(Some(millis(20)))
        .expect("20 ms are a timeout");
    stream
}

fn read(
    mut from: &TcpStream,
    chunks: &Sender<(Duration, Vec<u8>)>,
    shared: &Shared,
    generation: usize,
) {
    let mut buffer = [0; 16 * 1024];
    while shared.generation() == generation {
        match from.read(&mut buffer) {
            Ok(0) => return,
            Ok(count) => {
                let due = now() + shared.state().delay;
                if chunks.send((due, buffer[..count].to_vec())).is_err() {
                    return;
                }
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => return,
        }
    }
}

fn write(
    mut to: &TcpStream,
    inbox: &Receiver<(Duration, Vec<u8>)>,
    shared: &Shared,
    generation: usize,
    way: Way,
) {
    let is_over = || shared.generation() != generation;
    for (due, chunk) in inbox {
        while !is_over() && (now() < due || is_held(shared, way)) {
            pause(millis(1));
        }
        if is_over() || to.write_all(&chunk).is_err() {
            return;
        }
    }
    while !is_over() && is_held(shared, way) {
        pause(NOTICE);
    }
    to.shutdown(Shutdown::Write).ok();
}

fn is_held(shared: &Shared, way: Way) -> bool {
    let held = shared.state().held;
    held == Some(Way::Both) || held == Some(way)
}
