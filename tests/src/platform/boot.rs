//! A pod's way from its creation to Ready, stage by stage, as it is seen by a watch.
//!
//! The API has whole seconds only; so what counts is when a change of the pod's status arrives
//! here.

use super::{Tenant, picture::Bar};
use crate::{cluster::Cluster, process::Running};
use serde::Serialize;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// The stages of a web pod, in their order, each with what its end is.
pub const STAGES: [(&str, &str); 6] = [
    ("scheduled", "a node is chosen"),
    ("volumes and network", "longshore-init starts"),
    (
        "pull",
        "longshore-init has ended: the release is verified and on the disk",
    ),
    (
        "mount",
        "longshore-agent's startup probe: mounts and a release are there",
    ),
    ("php-fpm", "php-fpm answers its ping"),
    ("nginx", "the pod is Ready"),
];

/// When each stage of one pod ended, in seconds after its creation.
#[derive(Debug, Clone, Serialize)]
pub struct Timeline {
    /// The pod.
    pub pod: String,
    /// Its node.
    pub node: String,
    /// When it was created, as it was seen here.
    #[serde(skip)]
    pub created: Instant,
    /// The end of each of [`STAGES`].
    pub ends: Vec<f64>,
    /// What longshore-init said at its end.
    pub pull: Value,
}

impl Timeline {
    /// From creation to Ready.
    #[must_use]
    pub fn ready(&self) -> Duration {
        self.ends
            .last()
            .map_or(Duration::ZERO, |seconds| Duration::from_secs_f64(*seconds))
    }

    /// A bar of it, from its creation on.
    #[must_use]
    pub fn bar(&self, what: &str) -> Bar {
        Bar {
            label: format!("{}, {what}", self.node),
            ends: self.ends.clone(),
        }
    }

    /// A bar of it that begins with what came before its creation, from `begin` on.
    #[must_use]
    pub fn bar_after(&self, begin: Instant) -> Bar {
        let before = self.created.saturating_duration_since(begin).as_secs_f64();
        let ends = std::iter::once(before).chain(self.ends.iter().map(|end| before + end));
        Bar {
            label: self.node.clone(),
            ends: ends.collect(),
        }
    }

    /// Bytes that longshore-init had from the store.
    #[must_use]
    pub fn fetched(&self) -> Option<u64> {
        self.pull["downloaded_bytes"].as_u64()
    }
}

/// Watches the web pods of a tenant.
#[derive(Debug)]
pub struct Watch<'a> {
    tenant: &'a Tenant<'a>,
    cluster: &'a Cluster,
    watcher: Running,
    read: usize,
    seen: BTreeMap<String, Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    node: String,
    ends: [Option<Instant>; STAGES.len()],
    created: Option<Instant>,
}

impl<'a> Watch<'a> {
    /// Begins to watch pods that do not exist yet.
    #[must_use]
    pub fn begin(cluster: &'a Cluster, tenant: &'a Tenant<'a>) -> Self {
        let words = [
            "--namespace",
            &tenant.namespace,
            "get",
            "pods",
            "--watch",
            "--output",
            "jsonpath={@}{'\\n'}",
        ];
        let selector = "--selector=app.kubernetes.io/component=web";
        let watcher = cluster
            .kubectl(words.into_iter().chain([selector]))
            .deadline(Duration::from_mins(10))
            .start();
        Self {
            tenant,
            cluster,
            watcher,
            read: 0,
            seen: BTreeMap::new(),
        }
    }

    /// Looks at what has arrived.
    pub fn look(&mut self) {
        let text = self.watcher.written();
        let new = text.get(self.read..).unwrap_or_default();
        let Some(end) = new.rfind('\n') else { return };
        let now = Instant::now();
        for pod in new[..end]
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        {
            let name = pod["metadata"]["name"]
                .as_str()
                .unwrap_or_default()
                .to_owned();
            let seen = self.seen.entry(name).or_default();
            seen.created.get_or_insert(now);
            pod["spec"]["nodeName"]
                .as_str()
                .unwrap_or_default()
                .clone_into(&mut seen.node);
            for (end, over) in seen.ends.iter_mut().zip(over(&pod)) {
                if over {
                    end.get_or_insert(now);
                }
            }
        }
        self.read += end + 1;
    }

    /// The timelines of `number` pods, once they are Ready.
    ///
    /// # Panics
    ///
    /// They are not `within` this time.
    #[track_caller]
    pub fn ready(&mut self, number: usize, within: Duration) -> Vec<Timeline> {
        let begin = Instant::now();
        loop {
            self.look();
            let ready = self
                .seen
                .values()
                .filter(|seen| seen.ends.last().is_some_and(Option::is_some))
                .count();
            if ready >= number {
                return self.timelines();
            }
            assert!(
                begin.elapsed() < within,
                "{number} pods Ready: {:#?}",
                self.seen
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// When pods became Ready, after `begin`, in seconds.
    #[must_use]
    pub fn ready_after(&self, begin: Instant) -> Vec<f64> {
        let ends = self.seen.values().filter_map(|seen| *seen.ends.last()?);
        let mut after: Vec<f64> = ends
            .filter_map(|end| Some(end.checked_duration_since(begin)?.as_secs_f64()))
            .collect();
        after.sort_by(f64::total_cmp);
        after
    }

    /// How many pods were created after `begin`.
    #[must_use]
    pub fn created_after(&self, begin: Instant) -> usize {
        self.seen
            .values()
            .filter(|seen| seen.created.is_some_and(|created| created > begin))
            .count()
    }

    fn timelines(&self) -> Vec<Timeline> {
        let timeline = |(pod, seen): (&String, &Seen)| {
            let created = seen.created?;
            // A stage whose end was seen only together with a later one took no time that could be
            // told.
            let ends: Option<Vec<f64>> = seen
                .ends
                .iter()
                .map(|end| Some((*end)?.duration_since(created).as_secs_f64()))
                .collect();
            let ends = ends?;
            assert!(
                ends.is_sorted(),
                "{pod} did not go through its stages in their order: {ends:?}"
            );
            let words = [
                "--namespace",
                &self.tenant.namespace,
                "logs",
                pod,
                "--container",
                "pull",
            ];
            let log = self.cluster.kubectl(words).run().stdout;
            let pull = log
                .lines()
                .last()
                .and_then(|line| serde_json::from_str(line).ok())
                .unwrap_or(Value::Null);
            Some(Timeline {
                pod: pod.clone(),
                node: seen.node.clone(),
                created,
                ends,
                pull,
            })
        };
        self.seen.iter().filter_map(timeline).collect()
    }
}

/// Which of [`STAGES`] are over.
fn over(pod: &Value) -> [bool; STAGES.len()] {
    let status = &pod["status"];
    let init = |name: &str| {
        let all = status["initContainerStatuses"].as_array();
        all.and_then(|all| all.iter().find(|it| it["name"] == name))
            .cloned()
            .unwrap_or(Value::Null)
    };
    let (pull, agent, php) = (init("pull"), init("agent"), init("php-fpm"));
    let ready = status["conditions"].as_array().is_some_and(|all| {
        all.iter()
            .any(|it| it["type"] == "Ready" && it["status"] == "True")
    });
    let ended = |container: &Value| container["state"]["terminated"]["exitCode"] == 0;
    [
        pod["spec"]["nodeName"].is_string(),
        pull["state"]["running"].is_object() || ended(&pull),
        ended(&pull),
        agent["started"] == true,
        php["started"] == true,
        ready,
    ]
}
