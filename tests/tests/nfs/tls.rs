//! A server behind TLS, as EFS is: stunnel in front of the guest's own server, and a listener on
//! the wire.

use crate::{
    agent::{Agent, mounted, nfs_mounts},
    capture::Capture,
    guest::{note, until},
    in_guest, network,
    server::{Server, mount_of},
    writer::Writer,
};
use e2e::process::{Program, Running};
use rcgen::{CertificateParams, KeyPair};
use rustix::process::Signal;
use std::{
    fs,
    net::{TcpListener, TcpStream},
    time::Duration,
};

pub(crate) const SOON: Duration = Duration::from_secs(20);
const BACK: Duration = Duration::from_mins(1);
/// Where stunnel listens, and what the server's certificate says.
pub(crate) const PORT: u16 = 20449;
pub(crate) const NAME: &str = "nas.example";
pub(crate) const FOLDER: &str = "/run/tls";
/// What nobody on the wire must see.
const MARKER: &str = "the customers of this shop";

/// stunnel, which decrypts for the server.
pub(crate) struct Front(Running);

impl Front {
    pub(crate) fn start(certificate: &str) -> Self {
        let config = format!("{FOLDER}/stunnel.conf");
        let text = format!(
            "foreground = yes\npid =\nsyslog = no\ndebug = notice\n[nfs]\naccept = \
             {}:{PORT}\nconnect = 127.0.0.1:2049\ncert = {FOLDER}/{certificate}.pem\nkey = \
             {FOLDER}/{certificate}.key\n",
            network::SERVER
        );
        fs::write(&config, text).unwrap();
        let front = Self(
            Program::new("stunnel4")
                .arg(config)
                .deadline(Duration::from_mins(10))
                .start(),
        );
        until("stunnel listens", SOON, || {
            TcpStream::connect((network::SERVER, PORT)).ok()
        });
        front
    }

    /// Neither takes nor gives a byte, and holds its connections.
    fn freeze(&self) {
        self.0.signal(Signal::STOP).unwrap();
        note("stunnel frozen");
    }

    fn thaw(&self) {
        self.0.signal(Signal::CONT).unwrap();
    }
}

/// A certificate for `NAME`, its own authority, as `certificate.pem` and `.key`.
pub(crate) fn certify(certificate: &str) {
    fs::create_dir_all(FOLDER).unwrap();
    let key = KeyPair::generate().unwrap();
    let signed = CertificateParams::new(vec![NAME.to_owned()])
        .unwrap()
        .self_signed(&key)
        .unwrap();
    fs::write(format!("{FOLDER}/{certificate}.pem"), signed.pem()).unwrap();
    fs::write(format!("{FOLDER}/{certificate}.key"), key.serialize_pem()).unwrap();
}

pub(crate) fn encrypted(name: &str, fields: &str) -> String {
    let tls = format!(
        "port = {PORT}\ntls = true\nserver_name = \"{NAME}\"\nca_file = \"{FOLDER}/right.pem\"\n"
    );
    mount_of(name, &format!("{tls}{fields}"))
}

#[test]
#[ignore = "needs user-mode Linux: make test-nfs"]
fn nothing_of_a_file_is_on_the_wire() {
    in_guest(|| {
        let server = Server::start();
        certify("right");
        let _front = Front::start("right");
        let (wire, inside) = (Capture::start(network::WIRE), Capture::start("lo"));
        let mut agent = Agent::start(&encrypted("shop", "subdirectory = \"shops/acme\""));
        agent.until("shop", "healthy", SOON);
        let entry = mounted("/mnt/shop").unwrap();
        assert_eq!(
            (entry.source.as_str(), entry.option("addr")),
            ("10.77.0.1:/shops/acme", Some("127.0.0.1"))
        );

        let text = MARKER.repeat(20_000);
        fs::write(format!("/mnt/shop/{MARKER}"), &text).unwrap();
        fs::write(server.at("shops/acme/other"), &text).unwrap();
        assert!(fs::read_to_string("/mnt/shop/other").unwrap() == text);
        assert!(fs::read_to_string(server.at("shops/acme").join(MARKER)).unwrap() == text);
        assert!(agent.terminate(SOON).success());

        let (wire, inside) = (wire.finish(), inside.finish());
        let count = |bytes: &[u8]| {
            bytes
                .windows(MARKER.len())
                .filter(|window| *window == MARKER.as_bytes())
                .count()
        };
        let (on_wire, on_loopback) = (count(&wire), count(&inside));
        note(format!(
            "the marker was seen {on_wire} times in {} bytes of the wire, {on_loopback} in {} of \
             loopback",
            wire.len(),
            inside.len()
        ));
        // Both ways, nearly all of it: what is cut by a packet's end is not counted.
        assert!(
            on_loopback > 35_000,
            "the check itself would not have seen it"
        );
        assert!(wire.len() > 2 * text.len(), "all of it went over the wire");
        assert_eq!(on_wire, 0);
    });
}

#[test]
#[ignore = "needs user-mode Linux: make test-nfs"]
fn a_mount_outlives_the_server_of_its_tunnel_and_the_tunnel_itself() {
    in_guest(|| {
        let server = Server::start();
        certify("right");
        let mut front = Front::start("right");
        // Two of one server, which the client carries over one of the two tunnels.
        let file = [
            encrypted("a", "subdirectory = \"a\""),
            encrypted("b", "subdirectory = \"b\""),
        ]
        .concat();
        let mut agent = Agent::start(&file);
        let before = ["a", "b"].map(|name| {
            agent.until(name, "healthy", SOON);
            mounted(&format!("/mnt/{name}")).unwrap()
        });
        let mut writers = ["a", "b"].map(|name| Writer::start(&format!("/mnt/{name}/lines")));

        // Killed and back at once: nobody needs to notice.
        drop(front);
        front = Front::start("right");
        all_go_on(&mut writers);

        // Gone for long.
        drop(front);
        for name in ["a", "b"] {
            let seen = agent.until(name, "hung", SOON);
            assert!(seen.detail.starts_with("no answer within 2 s"), "{seen:?}");
        }
        let why = "its tunnel says: 10.77.0.1: Connection refused";
        until("the reason is told", SOON, || {
            ["a", "b"]
                .iter()
                .any(|name| agent.sees(name).detail.contains(why))
                .then_some(())
        });
        front = Front::start("right");
        all_go_on(&mut writers);

        front.freeze();
        agent.until("a", "hung", SOON);
        agent.watch(Duration::from_secs(3));
        front.thaw();
        all_go_on(&mut writers);
        agent.until("a", "healthy", BACK);
        agent.until("b", "healthy", BACK);

        // The tunnel goes with its program, and comes back on its port with the next.
        for _ in 0..2 {
            agent.kill();
            agent = Agent::start(&file);
            all_go_on(&mut writers);
            for name in ["a", "b"] {
                agent.until(name, "healthy", BACK);
            }
        }
        assert_eq!(
            (
                mounted("/mnt/a").unwrap(),
                mounted("/mnt/b").unwrap(),
                nfs_mounts()
            ),
            (before[0].clone(), before[1].clone(), 2)
        );
        for (writer, name) in writers.into_iter().zip(["a", "b"]) {
            writer.finish(&server.at(name).join("lines"));
        }
        assert!(agent.terminate(SOON).success());
        assert_eq!(nfs_mounts(), 0);
    });
}

#[test]
#[ignore = "needs user-mode Linux: make test-nfs"]
fn a_tunnel_whose_port_is_taken_waits_for_it() {
    in_guest(|| {
        let server = Server::start();
        certify("right");
        let _front = Front::start("right");
        let file = encrypted("shop", "");
        let mut agent = Agent::start(&file);
        agent.until("shop", "healthy", SOON);
        let mut writer = Writer::start("/mnt/shop/lines");
        let port: u16 = mounted("/mnt/shop")
            .unwrap()
            .option("port")
            .unwrap()
            .parse()
            .unwrap();
        agent.kill();
        // Connections of the client may end on it, and the port is free only once they have.
        let squatter = network::from_pod(|| {
            until("the port is free", SOON, || {
                TcpListener::bind(("127.0.0.1", port)).ok()
            })
        });
        let mut agent = Agent::start(&file);
        let seen = agent.until("shop", "failed", SOON);
        assert!(
            seen.detail.starts_with(&format!(
                "cannot listen on 127.0.0.1:{port} for the mount's tunnel: "
            )),
            "{seen:?}"
        );
        drop(squatter);
        agent.until("shop", "healthy", BACK);
        writer.goes_on(BACK);
        writer.finish(&server.at("lines"));
        assert!(agent.terminate(SOON).success());
    });
}

#[test]
#[ignore = "needs user-mode Linux: make test-nfs"]
fn a_server_with_a_wrong_certificate_gets_nothing_and_the_reason_is_told() {
    in_guest(|| {
        let server = Server::start();
        certify("right");
        certify("wrong");
        let front = Front::start("wrong");
        let mut agent = Agent::start(&encrypted("shop", "subdirectory = \"shop\""));
        let seen = agent.until("shop", "failed", SOON);
        assert!(
            seen.detail
                .contains("its tunnel says: 10.77.0.1: invalid peer certificate"),
            "{seen:?}"
        );
        assert!(!server.at("shop").exists() && mounted("/mnt/shop").is_none());
        drop(front);
        let _front = Front::start("right");
        agent.until("shop", "healthy", BACK);
        assert!(server.at("shop").is_dir());
        assert!(agent.terminate(SOON).success());
    });
}

#[test]
#[ignore = "needs user-mode Linux: make test-nfs"]
fn a_hung_encrypted_mount_ends_within_the_grace() {
    in_guest(|| {
        let _server = Server::start();
        certify("right");
        let front = Front::start("right");
        let mut agent = Agent::start(&encrypted("shop", ""));
        agent.until("shop", "healthy", SOON);
        let mut writer = Writer::start("/mnt/shop/lines");
        front.freeze();
        agent.until("shop", "hung", SOON);
        assert!(agent.terminate(Duration::from_secs(9)).success());
        assert_eq!(nfs_mounts(), 0);
        assert!(!writer.ends(SOON).success());
    });
}

#[track_caller]
fn all_go_on(writers: &mut [Writer]) {
    for writer in writers {
        writer.goes_on(BACK);
    }
}
