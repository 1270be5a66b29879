//! A mount on a good day.

use crate::{
    agent::{Agent, mounted},
    guest::note,
    in_guest,
    server::{Server, mount_of},
};
use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    time::Duration,
};

const SOON: Duration = Duration::from_secs(20);

#[test]
#[ignore = "needs user-mode Linux: make test-nfs"]
fn a_mount_has_the_options_that_aws_recommends_and_its_directories() {
    in_guest(|| {
        let server = Server::start();
        let directories = "directories = [{ path = \"media\", uid = 33, gid = 33, mode = \"2775\" \
                           }, { path = \"var/import\", uid = 1000, gid = 1001, mode = \"0700\" }]";
        let file = mount_of(
            "shop",
            &format!("subdirectory = \"shops/acme\"\n{directories}"),
        );
        let mut agent = Agent::start(&file);
        agent.until("shop", "healthy", SOON);

        let entry = mounted("/mnt/shop").unwrap();
        assert_eq!(
            (entry.fstype.as_str(), entry.source.as_str()),
            ("nfs4", "10.77.0.1:/shops/acme")
        );
        assert_eq!(entry.flags, "rw,nosuid,nodev,relatime");
        assert_eq!(
            entry.options,
            // What the kernel adds: the server's limit of names, the transport, no Kerberos,
            // addresses, and locks that the server keeps.
            "rw,vers=4.1,rsize=1048576,wsize=1048576,namlen=255,hard,noresvport,proto=tcp,\
             timeo=600,retrans=2,sec=sys,clientaddr=10.77.0.2,local_lock=none,addr=10.77.0.1"
        );

        let owners: BTreeMap<_, _> = [
            "shops",
            "shops/acme",
            "shops/acme/media",
            "shops/acme/var",
            "shops/acme/var/import",
        ]
        .into_iter()
        .map(|path| {
            (
                path,
                fs::metadata(server.at(path))
                    .map(|found| (found.uid(), found.gid(), found.mode() & 0o7777))
                    .unwrap(),
            )
        })
        .collect();
        let expected = BTreeMap::from([
            ("shops", (0, 0, 0o755)),
            ("shops/acme", (0, 0, 0o755)),
            ("shops/acme/media", (33, 33, 0o2775)),
            ("shops/acme/var", (1000, 1001, 0o700)),
            ("shops/acme/var/import", (1000, 1001, 0o700)),
        ]);
        assert_eq!(owners, expected);

        let bytes: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_le_bytes).collect();
        fs::write("/mnt/shop/media/picture", &bytes).unwrap();
        assert!(fs::read(server.at("shops/acme/media/picture")).unwrap() == bytes);
        fs::write(server.at("shops/acme/media/other"), "from elsewhere").unwrap();
        assert_eq!(
            fs::read_to_string("/mnt/shop/media/other").unwrap(),
            "from elsewhere"
        );

        // What is there already is left as it is.
        fs::set_permissions(
            server.at("shops/acme/media"),
            fs::Permissions::from_mode(0o711),
        )
        .unwrap();
        agent.terminate(SOON);
        assert_eq!(mounted("/mnt/shop"), None);
        let mut agent = Agent::start(&file);
        agent.until("shop", "healthy", SOON);
        assert_eq!(
            fs::metadata("/mnt/shop/media").unwrap().mode() & 0o7777,
            0o711
        );
        assert!(fs::read("/mnt/shop/media/picture").unwrap() == bytes);
        note(format!("answers took at most {:?}", agent.slowest()));
        assert!(agent.terminate(SOON).success());
    });
}

#[test]
#[ignore = "needs user-mode Linux: make test-nfs"]
fn a_read_only_mount_refuses_writes_and_no_other_mount_does() {
    in_guest(|| {
        let server = Server::start();
        for directory in ["a", "b"] {
            fs::create_dir(server.at(directory)).unwrap();
            fs::write(server.at(directory).join("file"), "text").unwrap();
        }
        // One server, one file system: the client would like to share what it knows of them.
        for order in [["reader", "writer"], ["writer", "reader"]] {
            let fields = |name: &str| {
                if name == "reader" {
                    "export = \"/a\"\nread_only = true"
                } else {
                    "export = \"/a\""
                }
            };
            let files: Vec<_> = order
                .iter()
                .map(|name| mount_of(name, fields(name)))
                .collect();
            let mut agent = Agent::start(&files[0]);
            agent.until(order[0], "healthy", SOON);
            agent.kill();
            let mut agent = Agent::start(&files.concat());
            for name in order {
                agent.until(name, "healthy", SOON);
            }
            let refused = fs::write("/mnt/reader/file", "other").unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::ReadOnlyFilesystem);
            fs::write("/mnt/writer/file", order[0]).unwrap();
            assert_eq!(fs::read_to_string("/mnt/reader/file").unwrap(), order[0]);
            assert!(agent.terminate(SOON).success());
        }
        drop(server);
    });
}
