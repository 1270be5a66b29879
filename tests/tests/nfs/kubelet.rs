//! A pod whose directories are removed while its mounts are there, as the kubelet does it. No file
//! of the shop may be lost.
//!
//! The kubelet ends an emptyDir by removing all that it can reach in it, whatever is mounted there
//! (Go's `os.RemoveAll`, in its emptyDir plugin's `TearDownAt`); it leaves a hostPath alone; and it
//! removes what is left of a pod's directory without crossing into other file
//! systems (`RemoveAllOneFilesystem`, in `cleanupOrphanedPodDirs`).

use crate::{
    agent::{Agent, mounted, nfs_mounts},
    guest::command,
    in_guest,
    server::{Server, mount_of},
};
use e2e::{
    process::{Program, binary},
    shop::Shop,
    tree,
};
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

const SOON: Duration = Duration::from_secs(20);
/// The pod's directories, as the kubelet keeps them, below the node's.
const POD: &str = "kubelet/pods/7c9d3ab6";
const RELEASES: &str = "kubelet/pods/7c9d3ab6/volumes/kubernetes.io~empty-dir/release";
/// The node's directory that the pod has as a hostPath with Bidirectional propagation.
const HOST_PATH: &str = "node/shops";
/// Where the pod has them.
const IN_POD: [&str; 2] = ["/run/pod/release", "/run/pod/storage"];
const STORAGE: &str = "/run/pod/storage/acme";

/// A node, with a shop's store on it, and the directories of one pod.
struct Node {
    shop: Shop,
}

impl Node {
    fn new() -> Self {
        let shop = Shop::on_disk(1, 20);
        for directory in [RELEASES, HOST_PATH] {
            fs::create_dir_all(shop.path(directory)).unwrap();
        }
        for directory in IN_POD {
            fs::create_dir_all(directory).unwrap();
        }
        // Mounts below it are seen on both sides, as on any node with systemd.
        command("mount", ["--make-rshared", "/dev/shm"]);
        Self { shop }
    }

    /// Starts the program in a mount namespace like that of its container.
    fn agent(&self, mounts: &str) -> Agent {
        let [release, storage] =
            [RELEASES, HOST_PATH].map(|directory| self.shop.path(directory).display().to_string());
        let bind = format!(
            "mount --bind {release} {} && mount --make-private {} && mount --rbind {storage} {} \
             && exec \"$@\"",
            IN_POD[0], IN_POD[0], IN_POD[1]
        );
        Agent::start_as(
            &[
                "unshare",
                "--mount",
                "--propagation",
                "unchanged",
                "sh",
                "-c",
                &bind,
                "pod",
            ],
            mounts,
        )
    }

    /// Publishes a release, and pulls it in the pod.
    fn release(&self, agent: &Agent, seed: u64) {
        self.shop.edit(0, seed, 0.3);
        self.shop.publish();
        let init = Program::new("nsenter")
            .arg(format!("--mount=/proc/{}/ns/mnt", agent.pid()))
            .arg(binary("longshore-init"));
        let root = init
            .envs(self.shop.pod_environment(RELEASES))
            .env("LONGSHORE_ROOT", IN_POD[0])
            .env("LONGSHORE_STORAGE", STORAGE);
        root.run().expect(0);
    }

    /// Everything that the shop's path leads to in the pod, links followed.
    fn in_pod(&self, agent: &Agent, path: &str) -> String {
        let pid = agent.pid();
        command(
            "nsenter",
            [&format!("--mount=/proc/{pid}/ns/mnt"), "cat", path],
        )
        .stdout
    }

    fn releases(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.shop.path(RELEASES).join("releases")).unwrap();
        let trees = entries
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_dir());
        trees.collect()
    }
}

/// Files of the shop, as deep as a shop's are.
fn fill(server: &Server, shop: &str) {
    for number in 0..60 {
        let directory = server
            .at(shop)
            .join(format!("media/catalog/{}", number % 7));
        fs::create_dir_all(&directory).unwrap();
        fs::write(
            directory.join(format!("{number}.jpg")),
            format!("picture {number}"),
        )
        .unwrap();
    }
}

/// Removes all that is reachable, other file systems included: what ends an emptyDir.
fn remove_all(path: &Path) {
    // Where something is mounted, the directory itself is in use: everything in it is gone
    // nevertheless.
    let outcome = Program::new("rm").args(["-rf", "--"]).arg(path).run();
    assert!(
        outcome.code() == Some(0) || outcome.stderr.contains("Device or resource busy"),
        "{outcome:?}"
    );
}

#[test]
#[ignore = "needs user-mode Linux: make test-nfs"]
fn neither_the_kubelet_nor_a_prune_reaches_the_shops_files() {
    in_guest(|| {
        let server = Server::start();
        for shop in ["shops/acme", "shops/other"] {
            fill(&server, shop);
        }
        let node = Node::new();
        let file = mount_of("acme", "subdirectory = \"shops/acme\"").replace("/mnt/acme", STORAGE);
        let mut agent = node.agent(&file);
        agent.until("acme", "healthy", SOON);
        let on_node = node.shop.path(HOST_PATH).join("acme");
        assert_eq!(
            mounted(&on_node.display().to_string()).unwrap().source,
            "10.77.0.1:/shops/acme",
            "the node has the mount, too"
        );

        // Releases come and go, and reach the shop's files by links.
        node.release(&agent, 1);
        let picture = format!("{}/current/media/catalog/0/0.jpg", IN_POD[0]);
        assert_eq!(node.in_pod(&agent, &picture), "picture 0");
        let (before, first) = (tree::snapshot(&server.at("")).unwrap(), node.releases());
        for seed in 2..6 {
            node.release(&agent, seed);
        }
        assert!(
            first.iter().all(|tree| !tree.exists()),
            "the first release was pruned"
        );
        assert_eq!(node.in_pod(&agent, &picture), "picture 0");
        assert_eq!(tree::snapshot(&server.at("")).unwrap(), before);

        // The container dies without a word, and its mount stays on the node.
        agent.kill();
        assert_eq!(
            fs::read_to_string(on_node.join("media/catalog/0/0.jpg")).unwrap(),
            "picture 0"
        );
        remove_all(&node.shop.path(RELEASES));
        assert!(!node.shop.path(RELEASES).exists());
        command(
            "rm",
            [
                "-rf",
                "--one-file-system",
                &node.shop.path(POD).display().to_string(),
            ],
        );
        assert_eq!(tree::snapshot(&server.at("")).unwrap(), before);

        // The next pod of the shop takes the mount over, and takes it away from the node at its
        // end.
        fs::create_dir_all(node.shop.path(RELEASES)).unwrap();
        let mut agent = node.agent(&file);
        agent.until("acme", "healthy", SOON);
        assert_eq!(
            mounted(&on_node.display().to_string()).unwrap().source,
            "10.77.0.1:/shops/acme"
        );
        assert!(agent.terminate(SOON).success());
        assert_eq!(nfs_mounts(), 0);

        // The check itself: a mount in an emptyDir is lost with it.
        let wrong = node.shop.path(RELEASES).join("storage");
        fs::create_dir(&wrong).unwrap();
        let wrong = wrong.display().to_string();
        let data = "vers=4.1,addr=127.0.0.1,clientaddr=127.0.0.1";
        crate::guest::mount("127.0.0.1:/shops/other", &wrong, "nfs4", data);
        remove_all(&node.shop.path(RELEASES));
        assert!(
            server.at("shops/other").is_dir() && !server.at("shops/other/media").exists(),
            "the kubelet would have lost nothing"
        );
        assert!(server.at("shops/acme/media/catalog/0/0.jpg").is_file());
    });
}

#[test]
#[ignore = "needs user-mode Linux: make test-nfs"]
fn nothing_is_mounted_into_an_empty_dir() {
    in_guest(|| {
        let server = Server::start();
        fill(&server, "shops/acme");
        let node = Node::new();
        let below = format!("{}/storage", IN_POD[0]);
        let file = mount_of("acme", "subdirectory = \"shops/acme\"").replace("/mnt/acme", &below);
        let mut agent = node.agent(&file);
        let seen = agent.until("acme", "failed", SOON);
        assert!(
            seen.detail
                .starts_with(&format!("{below} lies in an emptyDir")),
            "{seen:?}"
        );
        agent.watch(Duration::from_secs(3));
        assert_eq!(
            (agent.sees("acme").state.as_str(), nfs_mounts()),
            ("failed", 0)
        );
        remove_all(&node.shop.path(RELEASES));
        assert!(agent.terminate(SOON).success());
        assert!(server.at("shops/acme/media/catalog/0/0.jpg").is_file());
    });
}
