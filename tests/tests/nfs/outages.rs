//! A server that does not answer for a while: who uses the mount waits, who watches it does not,
//! and nothing is lost.

use crate::{
    agent::{Agent, mounted, nfs_mounts},
    guest::note,
    in_guest, network,
    server::{Server, mount_of},
    writer::Writer,
};
use std::{fs, time::Duration};

const SOON: Duration = Duration::from_secs(20);
/// A probe starts at most 1.25 s after the last one and may take 2 s; the rest is for a slow
/// machine.
const NOTICED: Duration = Duration::from_secs(8);
/// The client connects again after up to 15 s where it was refused for that long, and a server that
/// starts gives 10 s for reclaims.
const BACK: Duration = Duration::from_mins(1);
/// What an answer may take while nothing of a mount does: 100 ms, and a lot for a machine that runs
/// several guests on two cores.
const PROMPT: Duration = Duration::from_secs(1);

// Has the mounts hung for 10 s, and checks what must hold meanwhile.
#[track_caller]
fn endure(agent: &mut Agent, names: &[&str]) {
    for name in names {
        let seen = agent.until(name, "hung", NOTICED);
        assert_eq!(seen.detail, "no answer within 2 s");
    }
    agent.slowest();
    agent.most_children = 0;
    agent.watch(Duration::from_secs(10));
    let slowest = agent.slowest();
    note(format!(
        "answers took at most {slowest:?}; at most {} children",
        agent.most_children
    ));
    assert!(slowest < PROMPT, "an answer took {slowest:?}");
    assert!(
        (1..=names.len()).contains(&agent.most_children),
        "{} children for {} mounts",
        agent.most_children,
        names.len()
    );
}

#[test]
#[ignore = "needs user-mode Linux: make test-nfs"]
fn a_stopped_server_hangs_its_mounts_until_it_is_back() {
    in_guest(|| {
        let server = Server::start();
        let mut agent = Agent::start(
            &[
                mount_of("a", "subdirectory = \"a\""),
                mount_of("b", "write_probe = true"),
            ]
            .concat(),
        );
        for name in ["a", "b"] {
            agent.until(name, "healthy", SOON);
        }
        let mut writer = Writer::start("/mnt/a/lines");
        let id = mounted("/mnt/a").unwrap().id;

        server.stop();
        endure(&mut agent, &["a", "b"]);
        let before = writer.written();
        server.resume();
        agent.until("a", "healthy", BACK);
        agent.until("b", "healthy", BACK);
        writer.goes_on(BACK);
        assert!(writer.written() > before);
        let told: Vec<_> = agent
            .history("a")
            .into_iter()
            .filter(|state| state != "slow")
            .collect();
        assert_eq!(told, ["mounting", "healthy", "hung", "healthy"]);
        assert_eq!(
            (mounted("/mnt/a").unwrap().id, nfs_mounts()),
            (id, 2),
            "nothing is mounted again"
        );

        // A restart that nobody was long enough without to notice: the client reclaims its open
        // file.
        server.stop();
        server.resume();
        writer.goes_on(BACK);
        agent.until("a", "healthy", BACK);
        writer.finish(&server.at("a/lines"));
        assert!(
            server.at(".longshore-probe").is_file() && !server.at("a/.longshore-probe").exists()
        );
        assert!(agent.terminate(SOON).success());
        assert_eq!(nfs_mounts(), 0);
    });
}

#[test]
#[ignore = "needs user-mode Linux: make test-nfs"]
fn a_silent_network_hangs_a_mount_until_it_speaks() {
    in_guest(|| {
        let server = Server::start();
        let mut agent = Agent::start(&mount_of("shop", ""));
        agent.until("shop", "healthy", SOON);
        let writer = Writer::start("/mnt/shop/lines");
        network::cut();
        endure(&mut agent, &["shop"]);
        network::mend();
        agent.until("shop", "healthy", BACK);
        writer.finish(&server.at("lines"));
        assert!(agent.terminate(SOON).success());
    });
}

#[test]
#[ignore = "needs user-mode Linux: make test-nfs"]
fn a_slow_server_is_told_from_a_silent_one() {
    in_guest(|| {
        let _server = Server::start();
        let mut agent = Agent::start(&mount_of("shop", ""));
        agent.until("shop", "healthy", SOON);
        network::slow_down(Duration::from_millis(700));
        let seen = agent.until("shop", "slow", SOON);
        assert!(seen.detail.starts_with("the server took "), "{seen:?}");
        network::mend();
        agent.until("shop", "healthy", SOON);
        assert!(!agent.history("shop").contains(&"hung".to_owned()));
    });
}

#[test]
#[ignore = "needs user-mode Linux: make test-nfs"]
fn a_server_that_nobody_reaches_delays_no_other_mount() {
    in_guest(|| {
        let _server = Server::start();
        let dead = mount_of("dead", "").replace(network::SERVER, network::NOBODY);
        let refused = mount_of("refused", "port = 2050");
        let others =
            ["a", "b", "c"].map(|name| mount_of(name, &format!("subdirectory = \"{name}\"")));
        let mut agent = Agent::start(&[dead, refused, others.concat()].concat());
        for name in ["a", "b", "c"] {
            agent.until(name, "healthy", Duration::from_secs(8));
            fs::write(format!("/mnt/{name}/file"), name).unwrap();
        }
        assert_eq!(agent.sees("dead").state, "mounting");
        let seen = agent.until("dead", "failed", SOON);
        assert_eq!(seen.detail, "no answer within 10 s while mounting it");
        agent.until("refused", "failed", SOON);
        agent.watch(Duration::from_secs(5));
        let slowest = agent.slowest();
        assert!(slowest < PROMPT, "an answer took {slowest:?}");
        for name in ["a", "b", "c"] {
            assert!(
                !agent.history(name).contains(&"hung".to_owned()),
                "{:?}",
                agent.history(name)
            );
        }
        assert!(agent.terminate(Duration::from_secs(10)).success());
        assert_eq!(nfs_mounts(), 0);
    });
}
