//! The NFS server of the guest's kernel.

use crate::{
    guest::{command, mount, note},
    network::SERVER,
};
use e2e::process::{Program, Running};
use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

/// What it serves, as its `/`.
const SHARE: &str = "/srv/share";
/// Its settings; a directory of the kernel.
const NFSD: &str = "/proc/fs/nfsd";

/// The server, which runs.
pub(crate) struct Server {
    _mountd: Running,
}

impl Server {
    /// Starts it, with an empty directory to serve.
    pub(crate) fn start() -> Self {
        for directory in [SHARE, "/var/lib/nfs/v4recovery", "/var/lib/nfs/nfsdcltrack"] {
            fs::create_dir_all(directory).unwrap();
        }
        for file in ["etab", "rmtab"] {
            fs::write(Path::new("/var/lib/nfs").join(file), "").unwrap();
        }
        mount("nfsd", NFSD, "nfsd", "");
        // By itself a server of little memory would offer less than 1 MiB.
        for (setting, value) in [
            ("max_block_size", "1048576"),
            ("nfsv4leasetime", "10"),
            ("nfsv4gracetime", "10"),
        ] {
            set(setting, value);
        }
        let mountd = Program::new("rpc.mountd")
            .args(["--foreground", "-N", "2", "-N", "3"])
            .start();
        for client in ["10.77.0.0/24", "127.0.0.1"] {
            let options = "rw,fsid=0,no_root_squash,insecure,no_subtree_check";
            command(
                "exportfs",
                ["-i", "-o", options, &format!("{client}:{SHARE}")],
            );
        }
        let server = Self { _mountd: mountd };
        server.resume();
        // Nobody has anything to reclaim yet.
        set("v4_end_grace", "Y");
        server
    }

    /// Ends all connections, and refuses others.
    pub(crate) fn stop(&self) {
        command("rpc.nfsd", ["0"]);
        note("server stopped");
    }

    /// Starts again, with a grace time in which clients reclaim what they had.
    pub(crate) fn resume(&self) {
        let begin = Instant::now();
        command("rpc.nfsd", ["-N", "3", "-V", "4.1", "-V", "4.2", "4"]);
        note(format!("server started in {:.2?}", begin.elapsed()));
    }

    /// What the server has at `path`.
    pub(crate) fn at(&self, path: &str) -> PathBuf {
        Path::new(SHARE).join(path)
    }
}

fn set(setting: &str, value: &str) {
    fs::write(Path::new(NFSD).join(setting), value)
        .unwrap_or_else(|error| panic!("cannot set {setting} of the NFS server: {error}"));
}

/// A mount of the mounts file: `fields` are lines of TOML beyond its name, its path `/mnt/<name>`
/// and the server.
pub(crate) fn mount_of(name: &str, fields: &str) -> String {
    format!(
        "[[mount]]\nname = \"{name}\"\nkind = \"nfs4\"\npath = \"/mnt/{name}\"\nserver = \
         \"{SERVER}\"\n{fields}\n"
    )
}
