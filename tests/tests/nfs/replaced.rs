//! Mounts that are no longer what they were: the directory behind them is another one, or somebody
//! took them away or covered them.

use crate::{
    agent::{Agent, mounted, nfs_mounts},
    guest::{command, mount},
    in_guest,
    server::{Server, mount_of},
};
use std::{fs, time::Duration};

const SOON: Duration = Duration::from_secs(20);
const MEDIA: &str =
    "subdirectory = \"shops/acme\"\ndirectories = [{ path = \"media\", uid = 33, gid = 33 }]";

#[track_caller]
fn make_anew(server: &Server, generation: &str) {
    fs::remove_dir_all(server.at("shops")).unwrap();
    fs::create_dir_all(server.at("shops/acme")).unwrap();
    fs::write(server.at("shops/acme/generation"), generation).unwrap();
}

#[test]
#[ignore = "needs user-mode Linux: make test-nfs"]
fn a_directory_that_was_made_anew_is_mounted_anew() {
    in_guest(|| {
        let server = Server::start();
        let file = mount_of("shop", MEDIA);
        let mut agent = Agent::start(&file);
        agent.until("shop", "healthy", SOON);
        make_anew(&server, "second");
        agent.until("shop", "stale", SOON);
        agent.until("shop", "healthy", SOON);
        assert_eq!(
            fs::read_to_string("/mnt/shop/generation").unwrap(),
            "second"
        );
        assert!(
            server.at("shops/acme/media").is_dir(),
            "directories of the shop are made again"
        );
        assert_eq!(nfs_mounts(), 1);

        // The same where it happened while nobody looked.
        agent.kill();
        make_anew(&server, "third");
        let mut agent = Agent::start(&file);
        agent.until("shop", "healthy", SOON);
        assert_eq!(fs::read_to_string("/mnt/shop/generation").unwrap(), "third");
        assert!(server.at("shops/acme/media").is_dir());
        assert_eq!(nfs_mounts(), 1);
        assert!(agent.terminate(SOON).success());
    });
}

#[test]
#[ignore = "needs user-mode Linux: make test-nfs"]
fn a_mount_that_somebody_took_away_or_covered_comes_back() {
    in_guest(|| {
        let _server = Server::start();
        let mut agent = Agent::start(&mount_of("shop", MEDIA));
        agent.until("shop", "healthy", SOON);
        fs::write("/mnt/shop/media/picture", "bytes").unwrap();

        command("umount", ["/mnt/shop"]);
        let seen = agent.until("shop", "gone", SOON);
        assert_eq!(seen.detail, "nothing is mounted at /mnt/shop");
        agent.until("shop", "healthy", SOON);
        assert_eq!(
            fs::read_to_string("/mnt/shop/media/picture").unwrap(),
            "bytes"
        );

        let id = mounted("/mnt/shop").unwrap().id;
        mount("foreign", "/mnt/shop", "tmpfs", "");
        let seen = agent.until("shop", "failed", SOON);
        assert!(
            seen.detail
                .starts_with("/mnt/shop has tmpfs foreign (directory /, read-write) mounted, but"),
            "{seen:?}"
        );
        agent.watch(Duration::from_secs(3));
        assert_eq!(
            mounted("/mnt/shop").unwrap().fstype,
            "tmpfs",
            "what is somebody else's stays"
        );
        command("umount", ["/mnt/shop"]);
        agent.until("shop", "healthy", SOON);
        assert_eq!(mounted("/mnt/shop").unwrap().id, id);
        assert_eq!(nfs_mounts(), 1);
        assert!(agent.terminate(SOON).success());
    });
}

#[test]
#[ignore = "needs user-mode Linux: make test-nfs"]
fn a_mount_of_another_server_is_not_taken_for_ours() {
    in_guest(|| {
        let _server = Server::start();
        let mut agent = Agent::start(&mount_of("shop", "subdirectory = \"a\""));
        agent.until("shop", "healthy", SOON);
        agent.kill();
        let mut agent = Agent::start(&mount_of("shop", "subdirectory = \"b\""));
        let seen = agent.until("shop", "failed", SOON);
        assert!(
            seen.detail.contains("10.77.0.1:/a at 10.77.0.1")
                && seen.detail.contains("asks for nfs4 10.77.0.1:/b"),
            "{seen:?}"
        );
        assert!(agent.terminate(SOON).success());
        assert_eq!(mounted("/mnt/shop").unwrap().source, "10.77.0.1:/a");
    });
}
