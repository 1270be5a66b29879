//! SIGTERM: unmounted in time, with what was written on the server where the server answers.

use crate::{
    agent::{Agent, mounted, nfs_mounts},
    in_guest, network,
    server::{Server, mount_of},
    writer::Writer,
};
use std::{
    fs::{self, File},
    io::Write as _,
    time::Duration,
};

const SOON: Duration = Duration::from_secs(20);
/// Unmounting may take 8 s, and ending another one.
const GRACE: Duration = Duration::from_secs(9);

#[test]
#[ignore = "needs user-mode Linux: make test-nfs"]
fn what_was_written_is_on_the_server_when_the_program_ends() {
    in_guest(|| {
        let server = Server::start();
        let mut agent = Agent::start(&mount_of("shop", ""));
        agent.until("shop", "healthy", SOON);
        // A second program holds the file open, so that closing it writes nothing.
        let mut file = File::create("/mnt/shop/picture").unwrap();
        let bytes = vec![b'x'; 5 << 20];
        file.write_all(&bytes).unwrap();
        // In use: it leaves the tree now, and the server when the last user does.
        assert!(agent.terminate(GRACE).success());
        assert_eq!(mounted("/mnt/shop"), None);
        drop(file);
        assert!(fs::read(server.at("picture")).unwrap() == bytes);
    });
}

#[test]
#[ignore = "needs user-mode Linux: make test-nfs"]
fn hung_mounts_are_gone_within_the_grace() {
    in_guest(|| {
        let _server = Server::start();
        let mut agent = Agent::start(
            &[
                mount_of("a", "subdirectory = \"a\""),
                mount_of("b", "subdirectory = \"b\""),
            ]
            .concat(),
        );
        for name in ["a", "b"] {
            agent.until(name, "healthy", SOON);
        }
        // One is in use by a program that waits for the server.
        let mut writer = Writer::start("/mnt/a/lines");
        network::cut();
        for name in ["a", "b"] {
            agent.until(name, "hung", SOON);
        }
        assert!(agent.terminate(GRACE).success());
        assert_eq!(nfs_mounts(), 0);
        // Its requests fail, so that it does not wait for ever.
        assert!(!writer.ends(SOON).success());
    });
}

#[test]
#[ignore = "needs user-mode Linux: make test-nfs"]
fn a_server_that_falls_silent_just_before_the_end_does_not_delay_it() {
    in_guest(|| {
        let server = Server::start();
        let mut agent = Agent::start(
            &[
                mount_of("a", "subdirectory = \"a\""),
                mount_of("b", "subdirectory = \"b\""),
            ]
            .concat(),
        );
        for name in ["a", "b"] {
            agent.until(name, "healthy", SOON);
        }
        fs::write("/mnt/b/file", "on the server").unwrap();
        network::cut();
        assert!(agent.terminate(GRACE).success());
        assert_eq!(nfs_mounts(), 0);
        assert_eq!(
            fs::read_to_string(server.at("b/file")).unwrap(),
            "on the server"
        );
    });
}

#[test]
#[ignore = "needs user-mode Linux: make test-nfs"]
fn an_end_while_a_dead_server_is_being_mounted_comes_at_once() {
    in_guest(|| {
        let _server = Server::start();
        let mut agent =
            Agent::start(&mount_of("dead", "").replace(network::SERVER, network::NOBODY));
        agent.watch(Duration::from_secs(2));
        assert_eq!(agent.sees("dead").state, "mounting");
        assert!(agent.terminate(Duration::from_secs(4)).success());
        assert_eq!(nfs_mounts(), 0);
    });
}
