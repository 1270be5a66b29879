//! `longshore-agent` and the shop's storage, as bind mounts in a mount namespace of the test's own;
//! NFS has its own tests, which need another kernel.

use e2e::{
    pod::{Agent, Namespace},
    process::{Outcome, Program},
    shop::Shop,
};
use rustix::process::Signal;
use serde_json::Value;
use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

// A pod whose containers share a mount namespace, and the node's directory that stands in for the
// file server.
struct Pod {
    shop: Shop,
    namespace: Namespace,
    agent: Agent,
}

impl Pod {
    fn new(mounts: &str) -> Self {
        let shop = Shop::on_disk(1, 3);
        let description = fs::read_to_string(shop.path("longshore.toml")).unwrap();
        fs::write(
            shop.path("longshore.toml"),
            description.replace("[\"media\"]", "[\"media\", \"var/import\"]"),
        )
        .unwrap();
        shop.publish();
        for directory in [
            "node/server",
            "node/mnt",
            "node/pods/volumes/kubernetes.io~empty-dir/data",
        ] {
            fs::create_dir_all(shop.path(directory)).unwrap();
        }
        fs::write(
            shop.path("mounts.toml"),
            mounts.replace("$NODE", shop.path("node").to_str().unwrap()),
        )
        .unwrap();
        shop.init("pod")
            .env("LONGSHORE_STORAGE", shop.path("node/mnt/shop"))
            .run()
            .expect(0);
        Self {
            shop,
            namespace: Namespace::new(),
            agent: Agent::default(),
        }
    }

    fn run(&self, script: &str) -> Outcome {
        let shell = self
            .namespace
            .program(Path::new("/bin/sh"))
            .args(["-euc", script]);
        shell
            .env("NODE", self.shop.path("node"))
            .env("POD", self.shop.path("pod"))
            .run()
    }

    fn start(&mut self) {
        let program = self
            .namespace
            .ours("longshore-agent")
            .envs(self.shop.pod_environment("pod"));
        let program = program.env("LONGSHORE_MOUNTS", self.shop.path("mounts.toml"));
        self.agent
            .start(program.env("LONGSHORE_STORAGE", self.point()));
    }

    fn is(state: &str) -> impl Fn(&Value) -> bool {
        move |status| status["mounts"][0]["state"] == state
    }

    fn mounted(&self) -> Vec<String> {
        self.namespace.mounts_at(&self.point())
    }

    fn point(&self) -> PathBuf {
        self.shop.path("node/mnt/shop")
    }
}

const SHOP: &str = r#"
[[mount]]
name = "shop"
kind = "bind"
path = "$NODE/mnt/shop"
source = "$NODE/server"
subdirectory = "shops/acme"
directories = [{ path = "media", uid = 33, gid = 33, mode = "2775" }, { path = "var/import", uid = 33, gid = 0 }]
"#;

#[test]
fn storage_is_mounted_survives_a_kill_and_is_unmounted_at_the_end() {
    let mut pod = Pod::new(SHOP);
    pod.start();
    pod.agent.until("it is mounted", Pod::is("healthy"));
    assert_eq!(pod.agent.get("/readyz").unwrap().status, 200);
    let on_server =
        |name: &str| fs::metadata(pod.shop.path("node/server/shops/acme").join(name)).unwrap();
    let (media, import) = (on_server("media"), on_server("var/import"));
    assert_eq!(
        (media.uid(), media.gid(), media.mode() & 0o7777),
        (33, 33, 0o2775)
    );
    assert_eq!(
        (import.uid(), import.gid(), import.mode() & 0o7777),
        (33, 0, 0o755)
    );
    // The running tree reaches the server by its shared directories.
    pod.run("echo picture > $POD/current/media/a.jpg").expect(0);
    assert_eq!(
        fs::read_to_string(pod.shop.path("node/server/shops/acme/media/a.jpg")).unwrap(),
        "picture\n"
    );
    let metrics = pod.agent.get("/metrics").unwrap().body;
    assert!(
        metrics.contains("longshore_mount_state{mount=\"shop\",state=\"healthy\"} 1.0\n"),
        "{metrics}"
    );

    // Killed: the mount stays, and the next agent takes it over as it is.
    let before = pod.mounted();
    assert_eq!(before.len(), 1, "{before:?}");
    drop(pod.agent.kill());
    assert_eq!(pod.mounted(), before);
    pod.start();
    pod.agent.until("it is adopted", Pod::is("healthy"));
    assert_eq!(pod.mounted(), before);

    let outcome = pod.agent.end();
    assert!(
        outcome.stderr.contains("mount adopted") && outcome.stderr.contains("unmounted"),
        "{}",
        outcome.stderr
    );
    assert_eq!(pod.mounted(), [""; 0]);
    assert_eq!(
        fs::read_to_string(pod.shop.path("node/server/shops/acme/media/a.jpg")).unwrap(),
        "picture\n"
    );
}

#[test]
fn until_storage_is_away_the_agent_says_that_it_is_shutting_down() {
    // It takes a few milliseconds, in which a busy machine may not let us ask.
    assert!((0..10).any(|_| says_that_it_is_shutting_down()));
}

/// Whether it could be asked before it was gone.
fn says_that_it_is_shutting_down() -> bool {
    let mut pod = Pod::new(SHOP);
    pod.start();
    pod.agent.until("it is mounted", Pod::is("healthy"));
    assert_eq!(pod.agent.get("/readyz").unwrap().status, 200);
    // It is in use, so that it takes two ways to unmount it.
    let user = pod
        .namespace
        .program(Path::new("/bin/sh"))
        .args(["-c", "cd \"$0\" && echo inside && exec sleep 600"])
        .arg(pod.point());
    let mut user = user.start();
    assert_eq!(user.first_line(), "inside");
    pod.agent.process().signal(Signal::TERM).unwrap();
    let mut said = false;
    while let Ok(readyz) = pod.agent.get("/readyz") {
        if readyz.status == 200 {
            assert!(!said, "it was shutting down: {readyz:?}");
            continue;
        }
        said = true;
        assert!(
            readyz.status == 503 && readyz.body.contains("shutting down"),
            "{readyz:?}"
        );
        for path in ["/livez", "/metrics"] {
            if let Ok(page) = pod.agent.get(path) {
                assert_eq!(page.status, 200, "{path}");
            }
        }
        if let Some(status) = pod.agent.status() {
            assert_eq!(status["shuttingDown"], true);
        }
    }
    pod.agent.wait().expect(0);
    assert_eq!(pod.mounted(), [""; 0]);
    said
}

#[test]
fn a_mount_that_somebody_removes_comes_back_and_a_foreign_one_is_left_alone() {
    let mut pod = Pod::new(SHOP);
    pod.run("mkdir -p $NODE/mnt/shop && mount -t tmpfs foreign $NODE/mnt/shop")
        .expect(0);
    pod.start();
    let status = pod.agent.until("it is refused", Pod::is("failed"));
    let detail = status["mounts"][0]["detail"].as_str().unwrap();
    assert!(
        detail.contains("has tmpfs foreign") && detail.contains("unmount it, or correct the file"),
        "{detail}"
    );
    let readyz = pod.agent.get("/readyz").unwrap();
    assert!(
        readyz.status == 503 && readyz.body.contains("FAIL mount:shop: failed since"),
        "{readyz:?}"
    );
    assert_eq!(pod.agent.get("/livez").unwrap().status, 200);

    pod.run("umount $NODE/mnt/shop").expect(0);
    pod.agent.until("it is mounted", Pod::is("healthy"));
    pod.run("umount $NODE/mnt/shop").expect(0);
    pod.agent.until("it is noticed", |status| {
        !Pod::is("healthy")(status) || pod.mounted().len() == 1
    });
    pod.agent.until("it is mounted again", Pod::is("healthy"));
    assert_eq!(pod.mounted().len(), 1);
    pod.agent.end();
}

#[test]
fn nothing_is_mounted_where_the_kubelet_would_delete() {
    let mut pod = Pod::new(&SHOP.replace(
        "$NODE/mnt/shop",
        "$NODE/pods/volumes/kubernetes.io~empty-dir/data/shop",
    ));
    pod.start();
    let status = pod.agent.until("it is refused", Pod::is("failed"));
    let detail = status["mounts"][0]["detail"].as_str().unwrap();
    assert!(
        detail.contains("lies in an emptyDir") && detail.contains("use a hostPath volume"),
        "{detail}"
    );
    pod.agent.end();
}

// What the kubelet does with a pod's directories once the pod is gone: it removes an emptyDir's
// contents by path, on one file system and through nothing that is mounted or linked; and, worse
// than it, what somebody does who removes the whole release root with mounts in place.
#[test]
fn removing_the_pods_directories_loses_no_file_of_the_shop() {
    let mut pod = Pod::new(SHOP);
    pod.start();
    pod.agent.until("it is mounted", Pod::is("healthy"));
    pod.run(
        "for i in 1 2 3 4 5; do echo $i > $POD/current/media/$i.jpg; echo $i > \
         $POD/current/var/import/$i.csv; done",
    )
    .expect(0);
    let canaries = || -> Vec<String> {
        let list = Program::new("find")
            .arg(pod.shop.path("node/server"))
            .args(["-type", "f"])
            .run()
            .expect(0);
        let mut names: Vec<_> = list.stdout.lines().map(str::to_owned).collect();
        names.sort_unstable();
        names
    };
    let before = canaries();
    assert_eq!(before.len(), 10);
    // Seen from the node, where the mount does not exist, and from within the pod, if it does.
    fs::remove_dir_all(pod.shop.path("pod/releases")).unwrap();
    assert_eq!(canaries(), before);
    pod.run("rm -rf $POD/current/ $POD/* 2>/dev/null || true")
        .expect(0);
    assert_eq!(canaries(), before);
    drop(pod.agent.kill());
    fs::remove_dir_all(pod.shop.path("pod")).unwrap();
    assert_eq!(canaries(), before);
}

#[test]
fn a_mounts_file_with_mistakes_ends_the_agent_with_all_of_them() {
    let mut pod = Pod::new("[[mount]]\nname = \"shop\"\nkind = \"nfs\"\npath = \"mnt\"\n");
    pod.start();
    let outcome = pod.agent.wait().expect(64);
    for expected in [
        "which LONGSHORE_MOUNTS names",
        "kind=\\\"nfs\\\"",
        "expected an absolute path",
    ] {
        assert!(
            outcome.stderr.contains(expected),
            "{expected}: {}",
            outcome.stderr
        );
    }
}

// As a CSI driver does it: the mount comes and goes as somebody else wants, and the agent only says
// how it is.
#[test]
fn a_mount_of_somebody_else_is_waited_for_supervised_and_never_touched() {
    let mut pod = Pod::new(
        "[[mount]]\nname = \"shop\"\nkind = \"adopt\"\npath = \"$NODE/mnt/shop\"\nfstype = \
         \"tmpfs\"\n",
    );
    pod.run("mkdir -p $NODE/mnt/shop").expect(0);
    pod.start();
    let status = pod.agent.until("it waits", |status| {
        !status["mounts"][0]["detail"].is_null()
    });
    let mount = &status["mounts"][0];
    assert!(mount["state"] != "healthy", "{mount}");
    assert!(
        mount["detail"]
            .as_str()
            .unwrap()
            .contains("nobody has mounted anything"),
        "{mount}"
    );
    assert_eq!(
        (
            pod.agent.get("/readyz").unwrap().status,
            pod.agent.get("/livez").unwrap().status
        ),
        (503, 200)
    );
    assert_eq!(pod.mounted(), [""; 0]);

    pod.run("mount -t tmpfs csi $NODE/mnt/shop && echo x > $NODE/mnt/shop/file")
        .expect(0);
    pod.agent.until("it appeared", Pod::is("healthy"));
    assert_eq!(pod.agent.get("/readyz").unwrap().status, 200);
    pod.run("umount $NODE/mnt/shop").expect(0);
    pod.agent
        .until("it went", |status| !Pod::is("healthy")(status));
    assert_eq!(
        (
            pod.agent.get("/readyz").unwrap().status,
            pod.mounted().len()
        ),
        (503, 0)
    );
    pod.run("mount -t tmpfs csi $NODE/mnt/shop && echo y > $NODE/mnt/shop/file")
        .expect(0);
    pod.agent.until("it is back", Pod::is("healthy"));

    let before = pod.mounted();
    let outcome = pod.agent.end();
    assert!(!outcome.stderr.contains("unmounted"), "{}", outcome.stderr);
    assert_eq!(pod.mounted(), before);
    assert_eq!(pod.run("cat $NODE/mnt/shop/file").stdout, "y\n");
}
