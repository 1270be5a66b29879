//! `make cluster`: a whole platform on one machine, and an address at which its shop answers.
//!
//! ```text
//!  platform accounts PORT inside the cluster: an OpenID Connect provider beside it, until the cluster ends
//!  platform up PORT       inside the cluster: installs everything, publishes a demo shop, and returns when its pods serve it
//!  platform publish       inside the cluster: publishes what the shop's sources are now, and makes it known to the cluster
//!  platform open PORT     outside: takes connections on 127.0.0.1:PORT to the edge, and on the port after it to the provider, until
//!                         the cluster ends
//! ```

#![allow(
    clippy::disallowed_methods,
    reason = "where the cluster is, is what its script says"
)]

use e2e::{
    cluster::{self, Cluster, eventually},
    figures,
    platform::{Class, Platform, Tenant, console::Doors, edge::Signed},
    web,
};
use serde_json::json;
use std::{
    env, fs,
    io::{self, Write as _},
    mem::ManuallyDrop,
    net::{SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

/// The demo shop.
const SHOP: &str = "demo";
/// Its domain: browsers and curl look for it on their own machine.
const HOST: &str = "demo.localhost";
/// The Secret with its certificate.
const CERTIFICATE: &str = "demo";
/// Its one module, and where that lands.
const MODULES: [(&str, &str); 1] = [("page", "")];
const SHARED: &str = "shared = [\"media\"]";
/// How long a connection into the cluster may take.
const CONNECT: Duration = Duration::from_secs(10);
/// Until the platform's store answers.
const BEGUN: Duration = Duration::from_mins(4);

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["accounts", port] => accounts(port),
        ["up", port] => up(port),
        ["publish"] => publish(),
        ["open", port] => open(port),
        _ => Err(io::Error::other(
            "expected: platform accounts PORT, platform up PORT, platform publish, or platform open PORT",
        )),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            writeln!(io::stderr(), "platform: {error}").unwrap_or_default();
            ExitCode::FAILURE
        }
    }
}

fn say(text: &str) -> io::Result<()> {
    writeln!(io::stdout(), "{text}")
}

/// The provider is reached at the port after the edge's.
fn doors(port: &str) -> io::Result<Doors> {
    let edge: u16 = port.parse().map_err(io::Error::other)?;
    let accounts = edge.checked_add(1);
    let accounts = accounts.ok_or_else(|| io::Error::other("the port after PORT is none"))?;
    Ok(Doors { edge, accounts })
}

fn accounts(port: &str) -> io::Result<()> {
    let cluster = Cluster::shared();
    let platform = Platform::attach(&cluster);
    // `platform up` runs beside it, and begins with an empty directory.
    eventually("the platform", BEGUN, || platform.is_begun().then_some(()));
    let provider = platform.accounts(doors(port)?);
    drop(provider.wait());
    Err(io::Error::other("the provider ended"))
}

// A tenant that is dropped is suspended, as those of tests are; this one stays.
fn up(port: &str) -> io::Result<()> {
    let doors = doors(port)?;
    let begin = Instant::now();
    let cluster = Cluster::shared();
    say("MinIO, the scheduler and its definitions …")?;
    let platform = Platform::install(&cluster);
    platform.class(&Class::php("php"));
    let shop = ManuallyDrop::new(platform.tenant(SHOP));
    say("longshore publish …")?;
    web::write_sources(&shop.module("page"), "first", "");
    let sequence = shop.publish(&MODULES, SHARED);
    shop.register(sequence);
    say("HAProxy, with a certificate of an authority of its own …")?;
    let edge = SocketAddr::new(platform.haproxy(), 443);
    let signed = Signed::for_host(HOST);
    platform.bring(CERTIFICATE, &signed);
    fs::write(platform.path("authority.pem"), &signed.authority)?;
    fs::write(platform.path("address"), edge.to_string())?;
    say("longshore-watch, which probes the shop and gathers its errors …")?;
    platform.watch(edge.ip(), &signed.authority, None);
    say("longshore-console, behind the edge and a login …")?;
    let values = platform.values_with_watch(edge.ip(), &signed.authority, None);
    platform.console(values, doors);
    say("two pods on two nodes …")?;
    let domain = json!({ "host": HOST, "primary": true, "certificate": CERTIFICATE });
    shop.open(
        "php",
        &json!({ "scale": { "min": 2, "max": 6 }, "domains": [domain] }),
    );
    let pods = shop.served_by(2);
    let address = shop.service();
    let page = web::get_from(address, "/", "")?;
    let nodes: Vec<_> = pods
        .iter()
        .map(|pod| format!("{} on {}", pod.name, pod.node))
        .collect();
    say(&format!(
        "{SHOP} runs sequence {sequence}: {}",
        nodes.join(", ")
    ))?;
    say(&format!(
        "http://{address}/ inside the cluster answers {}: {}",
        page.status, page.body
    ))?;
    hints(&platform, &shop)?;
    say(&format!("up in {}", figures::time(begin.elapsed())))
}

fn publish() -> io::Result<()> {
    let cluster = Cluster::shared();
    let platform = Platform::attach(&cluster);
    let shop = ManuallyDrop::new(platform.tenant(SHOP));
    let sequence = shop.publish(&MODULES, SHARED);
    shop.register(sequence);
    say(&format!(
        "published as sequence {sequence} of shops/{SHOP}, and in the cluster as Release {}",
        shop.release_name(sequence)
    ))
}

fn hints(platform: &Platform<'_>, shop: &Tenant<'_>) -> io::Result<()> {
    say(&format!(
        "sources and keys: {}; of the shop: {}",
        platform.path("").display(),
        shop.module("page").display()
    ))
}

/// The listening socket belongs to the machine's network, and the edge that it connects to, to the
/// cluster's.
fn open(port: &str) -> io::Result<()> {
    let directory = PathBuf::from(
        env::var_os("CLUSTER_DIR").ok_or_else(|| io::Error::other("CLUSTER_DIR is not set"))?,
    );
    let keeper: u32 = fs::read_to_string(directory.join("keeper"))?
        .trim()
        .parse()
        .map_err(io::Error::other)?;
    let address: SocketAddr = fs::read_to_string(directory.join("platform/address"))?
        .trim()
        .parse()
        .map_err(io::Error::other)?;
    let taken = |error| {
        io::Error::other(format!(
            "127.0.0.1:{port}: {error}; another port is chosen with `make cluster PORT=…`"
        ))
    };
    let doors = doors(port)?;
    let listener = TcpListener::bind(("127.0.0.1", doors.edge)).map_err(taken)?;
    let accounts = TcpListener::bind(("127.0.0.1", doors.accounts)).map_err(taken)?;
    web::Network::Of(keeper).enter()?;
    // It ends with the cluster.
    thread::spawn(move || {
        while PathBuf::from(format!("/proc/{keeper}")).exists() {
            thread::sleep(Duration::from_secs(1));
        }
        // Nothing is lost: whoever is still connected has nobody to talk to.
        rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::TERM)
            .unwrap_or_default();
    });
    let provider = format!("{}:{}", cluster::HOST, doors.accounts);
    let provider: SocketAddr = provider.parse().map_err(io::Error::other)?;
    thread::spawn(move || listen(&accounts, provider));
    listen(&listener, address)
}

fn listen(listener: &TcpListener, address: SocketAddr) -> io::Result<()> {
    loop {
        let (client, _) = listener.accept()?;
        thread::spawn(move || carry(&client, address));
    }
}

/// Carries bytes both ways, until both sides have closed.
fn carry(client: &TcpStream, address: SocketAddr) -> io::Result<()> {
    let edge = TcpStream::connect_timeout(&address, CONNECT)?;
    let (mut from_client, mut to_edge) = (client.try_clone()?, edge.try_clone()?);
    let up = thread::spawn(move || {
        io::copy(&mut from_client, &mut to_edge)?;
        to_edge.shutdown(std::net::Shutdown::Write)
    });
    io::copy(&mut &edge, &mut &*client)?;
    client.shutdown(std::net::Shutdown::Write)?;
    up.join()
        .map_err(|_| io::Error::other("a connection's thread panicked"))?
}
