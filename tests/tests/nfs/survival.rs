//! A mount outlives the program that made it, and is taken over by the next.

use crate::{
    agent::{Agent, mounted, nfs_mounts},
    in_guest, network,
    server::{Server, mount_of},
    writer::Writer,
};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);
const BACK: Duration = Duration::from_mins(1);

#[test]
#[ignore = "needs user-mode Linux: make test-nfs"]
fn a_mount_survives_its_program_and_is_adopted() {
    in_guest(|| {
        let server = Server::start();
        let file = mount_of("shop", "subdirectory = \"shops/acme\"");
        let mut agent = Agent::start(&file);
        agent.until("shop", "healthy", SOON);
        let mut writer = Writer::start("/mnt/shop/lines");
        let before = mounted("/mnt/shop");
        for _ in 0..3 {
            agent.kill();
            writer.goes_on(SOON);
            agent = Agent::start(&file);
            agent.until("shop", "healthy", SOON);
            assert_eq!((mounted("/mnt/shop"), nfs_mounts()), (before.clone(), 1));
        }
        writer.finish(&server.at("shops/acme/lines"));
        assert!(agent.terminate(SOON).success());
        assert_eq!(nfs_mounts(), 0);
    });
}

#[test]
#[ignore = "needs user-mode Linux: make test-nfs"]
fn a_program_that_starts_while_its_mount_hangs_says_so_and_waits() {
    in_guest(|| {
        let server = Server::start();
        let file = mount_of(
            "shop",
            "directories = [{ path = \"media\", uid = 33, gid = 33 }]",
        );
        let mut agent = Agent::start(&file);
        agent.until("shop", "healthy", SOON);
        let writer = Writer::start("/mnt/shop/media/lines");
        let id = mounted("/mnt/shop").unwrap().id;
        network::cut();
        agent.until("shop", "hung", SOON);
        agent.kill();
        let mut agent = Agent::start(&file);
        agent.until("shop", "hung", SOON);
        network::mend();
        agent.until("shop", "healthy", BACK);
        assert_eq!(mounted("/mnt/shop").unwrap().id, id);
        writer.finish(&server.at("media/lines"));
        assert!(agent.terminate(SOON).success());
    });
}
