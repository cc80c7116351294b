//! A look at the ensemble from outside, and the harm an operator or a stranger could do to it.

use super::ensemble::{Ensemble, Server};
use super::time::{secs, try_for};
use std::future::Future;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Mutex;
use std::time::Duration;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use zookeeper_client::{Acl, Acls, AuthId, Client, CreateMode, Error, Permission, Stat};

/// How long an operation is tried: an ensemble that lost its leader takes seconds.
const ANSWERED_WITHIN: Duration = secs(20);

/// A client of its own, on a thread of its own.
pub(crate) struct Znodes {
    servers: String,
    runtime: Handle,
    client: Mutex<Option<Client>>,
    /// Dropped, it ends the runtime's thread.
    _stop: oneshot::Sender<()>,
}

/// What a znode holds.
pub(crate) struct Znode {
    pub(crate) data: Vec<u8>,
    pub(crate) stat: Stat,
}

impl Znode {
    /// The data as JSON, which all our znodes hold.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.data).expect("our znodes hold JSON")
    }
}

impl Znodes {
    /// A look at all servers of an ensemble.
    pub(crate) fn of(ensemble: &Ensemble) -> Znodes {
        Znodes::at(&ensemble.addresses())
    }

    /// A look through some servers or links. Connects when first used.
    pub(crate) fn at(servers: &[String]) -> Znodes {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime can be made");
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        std::thread::spawn(move || runtime.block_on(stopped).ok());
        Znodes {
            servers: servers.join(","),
            runtime: handle,
            client: Mutex::new(None),
            _stop: stop,
        }
    }

    /// The znode, if it exists.
    #[track_caller]
    pub(crate) fn read(&self, path: &str) -> Option<Znode> {
        let answer = self.attempt("read", async |client| match client.get_data(path).await {
            Ok((data, stat)) => Ok(Some(Znode { data, stat })),
            Err(Error::NoNode) => Ok(None),
            Err(error) => Err(error),
        });
        answer.expect("a read is answered or missing")
    }

    /// Whether the znode exists.
    #[track_caller]
    pub(crate) fn exists(&self, path: &str) -> bool {
        self.read(path).is_some()
    }

    /// Makes a persistent znode, and its parents where they miss.
    #[track_caller]
    pub(crate) fn create(&self, path: &str, data: &[u8]) {
        self.make(path, data, CreateMode::Persistent);
    }

    /// Makes an ephemeral znode; it goes with this value's session.
    #[track_caller]
    pub(crate) fn create_ephemeral(&self, path: &str, data: &[u8]) {
        self.make(path, data, CreateMode::Ephemeral);
    }

    #[track_caller]
    pub(crate) fn write(&self, path: &str, data: &[u8]) {
        self.attempt("write", async |client| {
            client.set_data(path, data, None).await
        })
        .unwrap_or_else(|error| panic!("{path}: {error}"));
    }

    /// Deletes a znode and makes it again, ephemeral and our own, in one transaction: nobody comes between.
    #[track_caller]
    pub(crate) fn replace_by_ephemeral(&self, path: &str, data: &[u8]) {
        self.replace(path, data, CreateMode::Ephemeral);
    }

    /// The same, and it stays.
    #[track_caller]
    pub(crate) fn replace_by_persistent(&self, path: &str, data: &[u8]) {
        self.replace(path, data, CreateMode::Persistent);
    }

    #[track_caller]
    fn replace(&self, path: &str, data: &[u8], mode: CreateMode) {
        let options = mode.with_acls(Acls::anyone_all());
        self.attempt("replace", async |client| {
            let mut writer = client.new_multi_writer();
            writer.add_delete(path, None)?;
            writer.add_create(path, data, &options)?;
            writer.commit().await.map(drop).map_err(Error::from)
        })
        .unwrap_or_else(|error| panic!("{path}: {error}"));
    }

    /// Leaves everybody no other right on a znode than this one.
    #[track_caller]
    pub(crate) fn restrict(&self, path: &str, to: Permission) {
        let acls = [Acl::new(to, AuthId::anyone())];
        self.attempt("restrict", async |client| {
            client.set_acl(path, &acls, None).await
        })
        .unwrap_or_else(|error| panic!("{path}: {error}"));
    }

    /// Deletes a znode; says whether it was there.
    #[track_caller]
    pub(crate) fn delete(&self, path: &str) -> bool {
        match self.attempt("delete", async |client| client.delete(path, None).await) {
            Ok(()) => true,
            Err(Error::NoNode) => false,
            Err(error) => panic!("{path}: {error}"),
        }
    }

    /// Deletes a znode and all below it, in one transaction: nobody sees a part of it.
    #[track_caller]
    pub(crate) fn delete_all(&self, path: &str) {
        let deleted = try_for(ANSWERED_WITHIN, || {
            let all = self.below(path);
            let answer = self.attempt("delete all", async |client| {
                let mut writer = client.new_multi_writer();
                for path in &all {
                    writer.add_delete(path, None)?;
                }
                writer.commit().await.map(drop).map_err(Error::from)
            });
            // Somebody may have made or deleted one meanwhile.
            answer.ok()
        });
        deleted.unwrap_or_else(|| panic!("{path}: always another below it"));
    }

    /// A znode and all below it, the deepest first.
    fn below(&self, path: &str) -> Vec<String> {
        let children = self.children(path).into_iter();
        let mut all: Vec<String> = children
            .flat_map(|name| self.below(&format!("{path}/{name}")))
            .collect();
        all.push(path.to_owned());
        all
    }

    /// The names of the children, sorted; none if the znode does not exist.
    #[track_caller]
    pub(crate) fn children(&self, path: &str) -> Vec<String> {
        let answer = self.attempt("list", async |client| client.list_children(path).await);
        let mut names = match answer {
            Ok(names) => names,
            Err(Error::NoNode) => Vec::new(),
            Err(error) => panic!("{path}: {error}"),
        };
        names.sort();
        names
    }

    /// Runs an operation until the ensemble gives a definite answer, on a new session where the old one is over.
    #[track_caller]
    fn attempt<T>(
        &self,
        what: &str,
        operation: impl AsyncFn(Client) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut slot = self.client.lock().expect("no operation panics in here");
        try_for(ANSWERED_WITHIN, || {
            let client = match slot.take() {
                Some(client) => client,
                None => self.run(self.connect())?.ok()?,
            };
            let answer = self.run(operation(client.clone()))?;
            match &answer {
                Err(error) if !is_definite(error) => None,
                Ok(_) | Err(_) => {
                    *slot = Some(client);
                    Some(answer)
                }
            }
        })
        .unwrap_or_else(|| panic!("{what}: no answer within {ANSWERED_WITHIN:?}"))
    }

    async fn connect(&self) -> Result<Client, Error> {
        Client::connector()
            .with_session_timeout(secs(6))
            .with_fail_eagerly()
            .connect(&self.servers)
            .await
    }

    /// Nothing if there is no answer in 3 s.
    fn run<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        self.runtime
            .block_on(async { tokio::time::timeout(secs(3), future).await.ok() })
    }

    #[track_caller]
    fn make(&self, path: &str, data: &[u8], mode: CreateMode) {
        let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        let parents = CreateMode::Persistent.with_acls(Acls::anyone_all());
        let options = mode.with_acls(Acls::anyone_all());
        let made = self.attempt("create", async |client| {
            if !parent.is_empty() {
                client.mkdir(parent, &parents).await?;
            }
            client.create(path, data, &options).await.map(drop)
        });
        made.unwrap_or_else(|error| panic!("{path}: {error}"));
    }
}

/// Whether an error is the ensemble's answer; anything else is the connection's.
fn is_definite(error: &Error) -> bool {
    matches!(
        error,
        Error::NoNode
            | Error::NodeExists
            | Error::NotEmpty
            | Error::NoAuth
            | Error::BadVersion
            | Error::NoChildrenForEphemerals
            | Error::InvalidAcl
            | Error::BadArguments(_)
    )
}

/// Ends a session that is not ours, at once, as if its owner had closed it. Apache's servers derive a session's
/// password from its id, which every ephemeral znode shows as its owner.
pub(crate) fn expire(server: &Server, session: i64) -> io::Result<()> {
    let over = || io::Error::other("the session is over already");
    let mut answer = Err(over());
    // Its owner notices that it lost its connection, and may be quicker to take it back than we are to close it.
    for _ in 0..50 {
        match attach(server, session) {
            Ok(Some(mut stream)) => {
                answer = Ok(());
                close(&mut stream).ok();
            }
            Ok(None) => return answer,
            Err(error) if answer.is_err() => answer = Err(error),
            Err(_) => {}
        }
    }
    Err(io::Error::other("its owner always came back in time"))
}

/// Takes a session over; nothing if it is over.
fn attach(server: &Server, session: i64) -> io::Result<Option<TcpStream>> {
    let mut stream = TcpStream::connect_timeout(&server.socket(), secs(5))?;
    stream.set_read_timeout(Some(secs(5)))?;
    let mut connect = Vec::new();
    connect.extend(0_i32.to_be_bytes()); // protocol version
    connect.extend(0_i64.to_be_bytes()); // last zxid seen
    connect.extend(10_000_i32.to_be_bytes()); // session timeout
    connect.extend(session.to_be_bytes());
    connect.extend(16_i32.to_be_bytes());
    connect.extend(password(session));
    connect.push(0); // read-only
    send(&mut stream, &connect)?;
    let answer = receive(&mut stream)
        .map_err(|error| io::Error::new(error.kind(), format!("no answer to connect: {error}")))?;
    let granted = answer.get(4..8).map_or(0, |bytes| {
        i32::from_be_bytes(bytes.try_into().expect("four bytes"))
    });
    Ok((granted > 0).then_some(stream))
}

fn close(stream: &mut TcpStream) -> io::Result<()> {
    let mut close = 1_i32.to_be_bytes().to_vec(); // xid
    close.extend((-11_i32).to_be_bytes()); // closeSession
    send(stream, &close)?;
    // The answer is a reply, or the end of the connection.
    receive(stream).map(drop)
}

fn send(stream: &mut TcpStream, frame: &[u8]) -> io::Result<()> {
    let length = i32::try_from(frame.len()).expect("a small frame");
    stream.write_all(&[&length.to_be_bytes(), frame].concat())
}

fn receive(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = usize::try_from(i32::from_be_bytes(length)).unwrap_or(0);
    let mut frame = vec![0; length.min(1024)];
    stream.read_exact(&mut frame)?;
    Ok(frame)
}

/// `new java.util.Random(id ^ 0xB3415C00L).nextBytes(new byte[16])`.
fn password(session: i64) -> [u8; 16] {
    const MULTIPLIER: u64 = 0x5_DEEC_E66D;
    const MASK: u64 = (1 << 48) - 1;
    let mut seed = ((session ^ 0xB341_5C00).cast_unsigned() ^ MULTIPLIER) & MASK;
    let mut bytes = [0; 16];
    for word in bytes.chunks_exact_mut(4) {
        seed = seed.wrapping_mul(MULTIPLIER).wrapping_add(0xB) & MASK;
        let next = u32::try_from(seed >> 16).expect("32 bits are left");
        word.copy_from_slice(&next.to_le_bytes());
    }
    bytes
}
