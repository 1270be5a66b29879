//! The server: its options, its runtime, and the handle through which a test steers it.

use super::{
    Switches,
    backend::Backend,
    control::Control,
    credentials::Keyring,
    fault::{Board, Fault, Faults},
    layer::Layer,
    memory::{Condition, Memory, Object},
    stats::{Counts, Stats},
    wire::{Fate, Pace, Wire},
};
use bytes::Bytes;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use s3s::service::S3ServiceBuilder;
use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, atomic::AtomicBool},
};
use tokio::{net::TcpListener, runtime::Runtime, task::JoinSet};

/// How to start a server.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The bucket that exists from the start.
    pub bucket: String,
    /// The region that the bucket claims to be in.
    pub region: String,
    /// The key that may sign.
    pub access_key: String,
    /// Its secret.
    pub secret_key: String,
    /// What is wrong from the start.
    pub faults: Faults,
    /// Threads that serve.
    pub threads: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            bucket: "releases".into(),
            region: "us-east-1".into(),
            access_key: "AKIALONGSHORE".into(),
            secret_key: "a secret that only tests know".into(),
            faults: Faults::default(),
            threads: 2,
        }
    }
}

/// A running S3 server with threads of its own; dropping it closes everything.
///
/// ```
/// use e2e::s3::{Effect, Fault, Options, Server};
/// let server = Server::start(Options::default())?;
/// server.put("blobs/a", "text");
/// server.fault(Fault::new(Effect::Reset { after: 65_536 }).keys("blobs/").first_per_key(2));
/// assert_eq!(server.stats().total(), 0);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    options: Options,
    memory: Arc<Memory>,
    switches: Arc<Switches>,
    runtime: Option<Runtime>,
}

impl Server {
    /// Starts a server, from inside or outside an async runtime.
    ///
    /// # Errors
    ///
    /// The address is taken, or threads cannot be had.
    pub fn start(options: Options) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(options.threads)
            .enable_all()
            .build()?;
        let listener = std::net::TcpListener::bind(options.listen)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let memory = Arc::new(Memory::default());
        memory.create(&options.bucket);
        let keyring = Keyring::default();
        keyring.set([(options.access_key.clone(), options.secret_key.clone())]);
        let switches = Arc::new(Switches {
            board: Arc::new(Board::new(Faults::default())),
            stats: Arc::new(Stats::default()),
            keyring: keyring.clone(),
            pace: Arc::new(Pace::new(None)),
            refuse: AtomicBool::new(false),
        });
        switches.set_faults(options.faults.clone());
        let mut service = S3ServiceBuilder::new(Backend {
            memory: Arc::clone(&memory),
            region: options.region.clone(),
        });
        service.set_auth(keyring);
        let layer = Arc::new(Layer {
            service: service.build(),
            memory: Arc::clone(&memory),
            board: Arc::clone(&switches.board),
            stats: Arc::clone(&switches.stats),
            control: Control(Arc::clone(&switches)),
        });
        let listener = {
            let _inside = runtime.enter();
            TcpListener::from_std(listener)?
        };
        drop(
            runtime
                .handle()
                .spawn(accept(listener, layer, Arc::clone(&switches))),
        );
        Ok(Self {
            address,
            options,
            memory,
            switches,
            runtime: Some(runtime),
        })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:port`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How it was started.
    #[must_use]
    pub const fn options(&self) -> &Options {
        &self.options
    }

    /// The variables with which AWS's tools, and ours, reach this server and nothing else of this
    /// machine.
    #[must_use]
    pub fn environment(&self) -> Vec<(String, String)> {
        super::environment(
            &self.endpoint(),
            &self.options.region,
            &self.options.access_key,
            &self.options.secret_key,
        )
    }

    /// `s3://bucket/prefix`, or without a prefix where it is empty.
    #[must_use]
    pub fn location(&self, prefix: &str) -> String {
        format!("s3://{}/{prefix}", self.options.bucket)
            .trim_end_matches('/')
            .to_owned()
    }

    /// Puts an object into the bucket, past protocol and faults.
    pub fn put(&self, key: &str, bytes: impl Into<Bytes>) {
        let object = Object::new(bytes.into().into(), None);
        self.memory.create(&self.options.bucket);
        // Without a condition, and with the bucket there, nothing is left that could refuse it.
        drop(self.memory.write(&self.options.bucket, |bucket| {
            bucket.put(key.to_owned(), object, &Condition::default())
        }));
    }

    /// An object of the bucket, past protocol and faults.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Bytes> {
        self.memory
            .read(&self.options.bucket, |bucket| {
                Ok(bucket.object(key)?.content.to_bytes())
            })
            .ok()
    }

    /// Removes an object from the bucket; says whether it was there.
    #[must_use = "an object that was not there is a mistake of the test"]
    pub fn remove(&self, key: &str) -> bool {
        self.memory
            .write(&self.options.bucket, |bucket| {
                Ok(bucket.objects.remove(key).is_some())
            })
            .unwrap_or_default()
    }

    /// The keys of the bucket, sorted.
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        self.memory
            .read(&self.options.bucket, |bucket| {
                Ok(bucket.objects.keys().cloned().collect())
            })
            .unwrap_or_default()
    }

    /// The keys of multipart uploads that were neither completed nor aborted.
    #[must_use]
    pub fn uploads(&self) -> Vec<String> {
        let keys = self.memory.read(&self.options.bucket, |bucket| {
            Ok(bucket
                .uploads
                .values()
                .map(|upload| upload.key.clone())
                .collect())
        });
        keys.unwrap_or_default()
    }

    /// Replaces all faults. A new connection takes the new pace of a connection; the other changes
    /// hold at once.
    pub fn set_faults(&self, faults: Faults) {
        self.switches.set_faults(faults);
    }

    /// Adds one fault; the counts of those in force start again.
    pub fn fault(&self, fault: Fault) {
        let mut faults = self.faults();
        faults.faults.push(fault);
        self.set_faults(faults);
    }

    /// The faults in force.
    #[must_use]
    pub fn faults(&self) -> Faults {
        self.switches.faults()
    }

    /// Replaces every key that may sign, as (access key, secret key).
    pub fn set_credentials(&self, keys: impl IntoIterator<Item = (String, String)>) {
        self.switches.keyring.set(keys);
    }

    /// What it has done.
    #[must_use]
    pub fn stats(&self) -> Counts {
        self.switches.stats.snapshot()
    }

    /// Starts counting at zero.
    pub fn reset_stats(&self) {
        self.switches.stats.reset();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn accept(listener: TcpListener, layer: Arc<Layer>, switches: Arc<Switches>) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        // Out of file descriptors, or the peer is gone already; the next may do better.
        let Ok((stream, _)) = accepted else { continue };
        if stream.set_nodelay(true).is_err() {
            continue;
        }
        let fate = Arc::new(Fate::default());
        let (stats, pace) = (Arc::clone(&switches.stats), Arc::clone(&switches.pace));
        let wire = Wire::new(
            stream,
            Arc::clone(&fate),
            stats,
            pace,
            switches.faults().connection_bandwidth,
        );
        if switches.refuses() {
            fate.reset();
            continue;
        }
        let layer = Arc::clone(&layer);
        connections.spawn(async move {
            let service =
                service_fn(move |request| Arc::clone(&layer).answer(request, Arc::clone(&fate)));
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(wire), service);
            // How a connection ended is the client's to say.
            drop(connection.await);
        });
    }
}
