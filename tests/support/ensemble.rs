//! Real ZooKeeper servers as child processes on loopback ports.

use super::netns::inside;
use super::process::{Process, is_stopped};
use super::scratch::{Scratch, free_port};
use super::time::{secs, wait_until};
use nix::sys::signal::Signal;
use std::env;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

/// How long servers may take to form an ensemble: a JVM takes seconds to start where several do at once.
const FORMED_WITHIN: Duration = secs(60);

/// How fast an ensemble's clock ticks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Pace {
    /// As servers are installed: tickTime 2000, syncLimit 5, sessions from 4 to 40 s.
    Stock,
    /// tickTime 200, syncLimit 5: a server that goes dark is given up after 1 s. Sessions from 0.4 to 60 s.
    Quick,
}

/// Where a server runs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    /// Its address, for clients and for the other servers.
    pub(crate) address: IpAddr,
    /// The network namespace it is in, as `/run/netns` names it; none for this process's own.
    pub(crate) namespace: Option<String>,
}

impl Place {
    /// The loopback address of this process's own network.
    fn here() -> Place {
        Place {
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            namespace: None,
        }
    }
}

/// Servers that know each other, and are killed with this value.
pub(crate) struct Ensemble {
    servers: Vec<Server>,
    _dir: Scratch,
}

/// One server of an ensemble.
pub(crate) struct Server {
    address: SocketAddr,
    config: String,
    dir: String,
    namespace: Option<String>,
    process: Mutex<Option<Process>>,
}

/// The ensemble of three that all tests share which do no harm to servers; each takes a root of its own.
pub(crate) fn shared() -> &'static Ensemble {
    static SHARED: OnceLock<Ensemble> = OnceLock::new();
    SHARED.get_or_init(Ensemble::quick)
}

impl Ensemble {
    /// Starts `count` servers at the stock pace and waits until all of them serve.
    pub(crate) fn start(count: usize) -> Ensemble {
        Ensemble::at(Pace::Stock, count)
    }

    /// Starts three fast ones: for sessions of 1 to 6 s.
    pub(crate) fn quick() -> Ensemble {
        Ensemble::at(Pace::Quick, 3)
    }

    /// Starts `count` servers at a pace, and waits until all of them serve.
    pub(crate) fn at(pace: Pace, count: usize) -> Ensemble {
        Ensemble::across(pace, &vec![Place::here(); count])
    }

    /// Starts a server at each place, and waits until all of them serve.
    pub(crate) fn across(pace: Pace, places: &[Place]) -> Ensemble {
        let dir = Scratch::in_memory("ensemble");
        let ports: Vec<[u16; 3]> = places
            .iter()
            .map(|_| [free_port(), free_port(), free_port()])
            .collect();
        let settings = settings(pace) + &members(places, &ports);
        let servers = places
            .iter()
            .zip(&ports)
            .zip(1..)
            .map(|((place, [client, ..]), id)| {
                let home = dir.join(id.to_string());
                Server::prepare(&home, id, place, *client, &settings)
            })
            .collect();
        let ensemble = Ensemble { servers, _dir: dir };
        for server in &ensemble.servers {
            server.start();
        }
        ensemble.wait_serving();
        ensemble
    }

    pub(crate) fn servers(&self) -> &[Server] {
        &self.servers
    }

    /// The `host:port` of each server, as a configuration file lists them.
    pub(crate) fn addresses(&self) -> Vec<String> {
        self.servers.iter().map(Server::address).collect()
    }

    /// Waits until every server serves.
    #[track_caller]
    pub(crate) fn wait_serving(&self) {
        wait_until("every server serves", FORMED_WITHIN, || {
            self.servers.iter().all(Server::is_serving)
        });
    }

    /// The server that leads; waits for an election to end.
    #[track_caller]
    pub(crate) fn leader(&self) -> &Server {
        super::time::wait_for("a server leads", FORMED_WITHIN, || {
            self.servers.iter().find(|server| server.is_leader())
        })
    }

    /// The servers that follow.
    #[track_caller]
    pub(crate) fn followers(&self) -> Vec<&Server> {
        let leader = self.leader().address;
        let others = self.servers.iter();
        others.filter(|server| server.address != leader).collect()
    }
}

impl Server {
    /// `host:port` for clients.
    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    /// The same as a socket address.
    pub(crate) fn socket(&self) -> SocketAddr {
        self.address
    }

    /// Starts the server, unless it runs. Does not wait.
    pub(crate) fn start(&self) {
        let mut process = self.process.lock().expect("no test panics in here");
        if process.as_mut().is_some_and(|it| it.exited().is_none()) {
            return;
        }
        let log = File::options()
            .create(true)
            .append(true)
            .open(format!("{}/log", self.dir))
            .expect("the directory is ours");
        let mut command = java(&self.dir, self.namespace.as_deref());
        command
            .arg(&self.config)
            .current_dir(&self.dir)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a descriptor is left"))
            .stderr(log);
        *process = Some(Process::spawn("a ZooKeeper server", command));
    }

    /// Asks it to end, and waits until it has.
    pub(crate) fn stop(&self) {
        self.end(Signal::SIGTERM);
    }

    /// Ends it without asking.
    pub(crate) fn kill(&self) {
        self.end(Signal::SIGKILL);
    }

    /// Stops and starts it. Does not wait until it serves.
    pub(crate) fn restart(&self) {
        self.stop();
        self.start();
    }

    /// Its host goes dark: connections stay, nothing answers.
    pub(crate) fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
        let pid = self.process.lock().expect("no test panics in here");
        let pid = pid.as_ref().map(Process::pid).expect("it runs");
        wait_until("the server is frozen", secs(5), || is_stopped(pid));
    }

    /// And comes back.
    pub(crate) fn thaw(&self) {
        self.signal(Signal::SIGCONT);
    }

    pub(crate) fn is_leader(&self) -> bool {
        self.mode().as_deref() == Some("leader")
    }

    /// Whether it answers as part of a working ensemble.
    pub(crate) fn is_serving(&self) -> bool {
        self.mode().is_some()
    }

    /// `leader`, `follower`, `standalone`; nothing while it serves nobody.
    fn mode(&self) -> Option<String> {
        let answer = self.ask("srvr")?;
        let mode = answer
            .lines()
            .find_map(|line| line.strip_prefix("Mode: "))?;
        Some(mode.trim().to_owned())
    }

    /// Sends a four-letter word.
    pub(crate) fn ask(&self, word: &str) -> Option<String> {
        let limit = secs(1);
        let mut stream = TcpStream::connect_timeout(&self.address, limit).ok()?;
        stream.set_read_timeout(Some(limit)).ok()?;
        stream.write_all(word.as_bytes()).ok()?;
        stream.shutdown(Shutdown::Write).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer)
    }

    fn signal(&self, signal: Signal) {
        let mut process = self.process.lock().expect("no test panics in here");
        process.as_mut().expect("it was started").signal(signal);
    }

    fn end(&self, signal: Signal) {
        let mut process = self.process.lock().expect("no test panics in here");
        if let Some(process) = process.as_mut() {
            process.signal(signal);
            process.wait_exit(secs(30));
        }
    }

    fn prepare(home: &Path, id: usize, place: &Place, port: u16, settings: &str) -> Server {
        fs::create_dir_all(home).expect("the directory is ours");
        let dir = home.to_str().expect("temporary paths are UTF-8").to_owned();
        let config = format!("{dir}/zoo.cfg");
        let address = place.address;
        let text =
            format!("{settings}dataDir={dir}\nclientPort={port}\nclientPortAddress={address}\n");
        fs::write(&config, text).expect("the directory is ours");
        fs::write(home.join("myid"), id.to_string()).expect("the directory is ours");
        Server {
            address: SocketAddr::new(address, port),
            config,
            dir,
            namespace: place.namespace.clone(),
            process: Mutex::new(None),
        }
    }
}

fn settings(pace: Pace) -> String {
    let (tick, shortest, longest, init) = match pace {
        Pace::Stock => (2000, 4000, 40_000, 10),
        Pace::Quick => (200, 400, 60_000, 100),
    };
    format!(
        "tickTime={tick}\ninitLimit={init}\nsyncLimit=5\nminSessionTimeout={shortest}\nmaxSessionTimeout={longest}\n\
         admin.enableServer=false\n4lw.commands.whitelist=*\nmaxClientCnxns=0\n"
    )
}

/// The `server.N` lines; none for a single server, which runs standalone.
fn members(places: &[Place], ports: &[[u16; 3]]) -> String {
    if ports.len() == 1 {
        return String::new();
    }
    let lines = places.iter().zip(ports).zip(1..);
    lines
        .map(|((place, [_, peer, election]), id)| {
            format!("server.{id}={}:{peer}:{election}\n", place.address)
        })
        .collect()
}

fn java(dir: &str, namespace: Option<&str>) -> Command {
    let java = env::var("JAVA_HOME").map_or("java".into(), |home| format!("{home}/bin/java"));
    let mut command = inside(namespace, &java);
    command
        .args(["-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"])
        .args(["-XX:-UsePerfData", "-Dzookeeper.jmx.log4j.disable=true"])
        // The journal grows in steps of 64 MB otherwise, for each server of each test.
        .arg("-Dzookeeper.preAllocSize=1024")
        .arg(format!("-Dzookeeper.log.dir={dir}"))
        .args(["-cp", &class_path()])
        .arg("org.apache.zookeeper.server.quorum.QuorumPeerMain");
    command
}

/// Apache's own directory if `ZOOKEEPER_HOME` names one, else Debian's package.
fn class_path() -> String {
    if let Ok(home) = env::var("ZOOKEEPER_HOME") {
        return format!("{home}/lib/*:{home}/*");
    }
    let debian = "/usr/share/java/zookeeper.jar";
    assert!(
        Path::new(debian).exists(),
        "no ZooKeeper on this machine: `apt-get install zookeeper default-jre-headless`, or set ZOOKEEPER_HOME"
    );
    format!("{debian}:/usr/share/java/slf4j-simple.jar")
}
