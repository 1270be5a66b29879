//! The store: MinIO in a pod, with a bucket, a user of CI who may write, and one of the pods who
//! may only read.

use super::START;
use crate::{
    cluster::{Cluster, eventually, of_program},
    peers::required,
    process::Program,
    s3, web,
};
use serde_json::json;
use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

/// Its address of the service network, as pods of this cluster have no DNS.
const ADDRESS: &str = "10.96.0.90:9000";
/// The service network, and the pods of the node that it is on.
pub(super) const SERVICES: &str = "10.96.0.0/16";
pub(super) const PODS_OF_ITS_NODE: &str = "10.244.1.0/24";
pub(super) const ENDPOINT: &str = "http://10.96.0.90:9000";
pub(super) const REGION: &str = "us-east-1";
const ROOT: (&str, &str) = ("root", "root-of-the-store");
pub(super) const CI: (&str, &str) = ("publisher", "longshore-publishes");
pub(super) const PODS: (&str, &str) = ("pods", "longshore-reads");
/// How long its figures may lag behind what happened.
const LAG: Duration = Duration::from_secs(11);

/// The store.
#[derive(Debug)]
pub struct Minio<'a> {
    cluster: &'a Cluster,
    directory: PathBuf,
}

/// What was read from the store since it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Use {
    /// Objects, or ranges of them.
    pub gets: u64,
    /// Bytes of all answers.
    pub sent: u64,
}

fn manifests(image: &str) -> String {
    let labels = json!({ "app": "minio" });
    let container = json!({
        "name": "minio", "image": image, "command": ["/minio", "server", "--quiet", "--address", ":9000", "/data"],
        "env": [
            { "name": "MINIO_ROOT_USER", "value": ROOT.0 }, { "name": "MINIO_ROOT_PASSWORD", "value": ROOT.1 },
            { "name": "MINIO_PROMETHEUS_AUTH_TYPE", "value": "public" }, { "name": "HOME", "value": "/data" },
        ],
        "readinessProbe": { "httpGet": { "path": "/minio/health/ready", "port": 9000 }, "periodSeconds": 1 },
        "volumeMounts": [{ "name": "data", "mountPath": "/data" }],
    });
    // The first node is never drained by a test, as its disk has the data.
    let pod = json!({
        "nodeSelector": { "kubernetes.io/hostname": "n1" }, "terminationGracePeriodSeconds": 5, "enableServiceLinks": false,
        "automountServiceAccountToken": false, "containers": [container],
        "volumes": [{ "name": "data", "hostPath": { "path": "/var/lib/longshore/minio", "type": "DirectoryOrCreate" } }],
    });
    let meta = json!({ "name": "minio", "namespace": "minio" });
    [
        json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "minio" } }),
        json!({ "apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {
            "clusterIP": ADDRESS.split(':').next(), "selector": labels, "ports": [{ "port": 9000 }] } }),
        json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": {
            "replicas": 1, "strategy": { "type": "Recreate" }, "selector": { "matchLabels": labels },
            "template": { "metadata": { "labels": labels }, "spec": pod } } }),
    ]
    .map(|object| object.to_string())
    .join("\n")
}

impl<'a> Minio<'a> {
    pub(super) fn attach(cluster: &'a Cluster, directory: &Path) -> Self {
        Self {
            cluster,
            directory: directory.to_owned(),
        }
    }

    #[track_caller]
    pub(super) fn start(cluster: &'a Cluster, directory: &Path) -> Self {
        let minio = Self {
            cluster,
            directory: directory.to_owned(),
        };
        if !minio.answers() {
            let image = of_program(cluster, &required("minio"));
            let arguments = [
                "apply",
                "--server-side",
                "--force-conflicts",
                "--filename",
                "-",
            ];
            cluster
                .kubectl(arguments)
                .input(manifests(image.name()))
                .run()
                .expect(0);
            minio.resume();
            eventually("the store", START, || minio.answers().then_some(()));
        }
        let may = |actions: &[&str], bucket: &str| {
            let resources = [
                format!("arn:aws:s3:::{bucket}"),
                format!("arn:aws:s3:::{bucket}/*"),
            ];
            json!({ "Effect": "Allow", "Action": actions, "Resource": resources })
        };
        let reads = ["s3:GetObject", "s3:ListBucket"];
        let writes = [
            "s3:GetObject",
            "s3:ListBucket",
            "s3:PutObject",
            "s3:AbortMultipartUpload",
        ];
        // Backups are added by the pods, and neither read nor deleted.
        minio.user(
            PODS,
            &[
                may(&reads, super::RELEASES),
                may(&["s3:PutObject", "s3:PutObjectTagging"], super::BACKUPS),
            ],
        );
        minio.user(CI, &[may(&writes, super::RELEASES)]);
        for bucket in [super::RELEASES, super::BACKUPS] {
            minio
                .mc(&["mb", "--ignore-existing", &format!("store/{bucket}")])
                .run()
                .expect(0);
        }
        minio
    }

    fn user(&self, (name, secret): (&str, &str), statements: &[serde_json::Value]) {
        let policy = self.directory.join(format!("{name}.policy.json"));
        let text = json!({ "Version": "2012-10-17", "Statement": statements }).to_string();
        fs::write(&policy, text).expect("the platform's directory is writable");
        self.mc(&["admin", "user", "add", "store", name, secret])
            .run()
            .expect(0);
        self.mc(&[
            "admin",
            "policy",
            "create",
            "store",
            name,
            &policy.display().to_string(),
        ])
        .run()
        .expect(0);
        let attached = self
            .mc(&["admin", "policy", "attach", "store", name, "--user", name])
            .run();
        assert!(
            attached.code() == Some(0) || attached.stderr.contains("already in effect"),
            "{attached:#?}"
        );
    }

    /// MinIO's client as the store's owner, not started yet; the store is called `store`.
    #[must_use]
    pub fn mc(&self, arguments: &[&str]) -> Program {
        self.client(ROOT, arguments)
    }

    /// The same with the key that every pod has.
    #[must_use]
    pub fn mc_of_pods(&self, arguments: &[&str]) -> Program {
        self.client(PODS, arguments)
    }

    fn client(&self, (name, secret): (&str, &str), arguments: &[&str]) -> Program {
        let home = self.directory.join("mc");
        let program = Program::new(required("mc"))
            .arg("--config-dir")
            .arg(&home)
            .args(arguments)
            .env("HOME", &home);
        program.env("MC_HOST_store", format!("http://{name}:{secret}@{ADDRESS}"))
    }

    /// The variables with which CI publishes.
    #[must_use]
    pub fn ci(&self) -> Vec<(String, String)> {
        s3::environment(ENDPOINT, REGION, CI.0, CI.1)
    }

    /// The name and the secret of its owner.
    #[must_use]
    pub fn owner(&self) -> (&'static str, &'static str) {
        ROOT
    }

    /// Whether it is ready.
    #[must_use]
    pub fn answers(&self) -> bool {
        let Ok(address) = ADDRESS.parse::<SocketAddr>() else {
            return false;
        };
        // Nobody listens on a port of a service without pods.
        std::net::TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok()
            && web::get_from(address, "/minio/health/ready", "")
                .is_ok_and(|page| page.status == 200)
    }

    /// Stops it: nobody listens there when this returns.
    ///
    /// # Panics
    ///
    /// It does not stop.
    #[track_caller]
    pub fn stop(&self) {
        self.cluster.ask(&[
            "--namespace",
            "minio",
            "scale",
            "deployment/minio",
            "--replicas=0",
        ]);
        eventually("the end of the store", START, || {
            (!self.answers()).then_some(())
        });
    }

    /// Starts it again, without waiting.
    #[track_caller]
    pub fn resume(&self) {
        self.cluster.ask(&[
            "--namespace",
            "minio",
            "scale",
            "deployment/minio",
            "--replicas=1",
        ]);
    }

    /// What was read from it so far, by its own count; waits until that is of now.
    ///
    /// # Panics
    ///
    /// It does not answer.
    #[must_use]
    #[track_caller]
    pub fn used(&self) -> Use {
        std::thread::sleep(LAG);
        let address: SocketAddr = ADDRESS.parse().expect("an address");
        let page = web::get_from(address, "/minio/v2/metrics/node", "")
            .expect("the store answers")
            .body;
        let more = web::get_from(address, "/minio/v2/metrics/cluster", "")
            .expect("the store answers")
            .body;
        let value = |wanted: &dyn Fn(&str) -> bool| {
            let lines = page.lines().chain(more.lines()).filter(|line| wanted(line));
            lines
                .filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok())
                .fold(0.0_f64, f64::max)
        };
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a count that is far below 2^53"
        )]
        let whole = |value: f64| value as u64;
        Use {
            gets: whole(value(&|line| {
                line.starts_with("minio_s3_requests_total{") && line.contains(r#"api="getobject""#)
            })),
            sent: whole(value(&|line| {
                line.starts_with("minio_s3_traffic_sent_bytes")
            })),
        }
    }
}
