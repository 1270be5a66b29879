//! A pod's way from its creation to Ready, stage by stage, as it is seen by a watch.
//!
//! The API has whole seconds only; so what counts is when a change of the pod's status arrives here.

#![allow(clippy::disallowed_methods, clippy::format_push_string, reason = "the harness makes its files itself, and has no failpoints")]

use super::Tenant;
use crate::{cluster::Cluster, process::Running};
use serde::Serialize;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    time::{Duration, Instant},
};

/// The stages of a web pod, in their order, each with what its end is.
pub const STAGES: [(&str, &str); 7] = [
    ("scheduled", "a node is chosen"),
    ("volumes and network", "longshore-init starts"),
    ("pull", "longshore-init has ended: the release is verified and on the disk"),
    ("prepare", "links to shared directories are made"),
    ("mount", "longshore-agent's startup probe: mounts and a release are there"),
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
    /// The end of each of [`STAGES`].
    pub ends: Vec<f64>,
    /// What longshore-init said at its end.
    pub pull: Value,
}

impl Timeline {
    /// From creation to Ready.
    #[must_use]
    pub fn ready(&self) -> Duration {
        self.ends.last().map_or(Duration::ZERO, |seconds| Duration::from_secs_f64(*seconds))
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
        let words = ["--namespace", &tenant.namespace, "get", "pods", "--watch", "--output", "jsonpath={@}{'\\n'}"];
        let selector = "--selector=app.kubernetes.io/component=web";
        let watcher = cluster.kubectl(words.into_iter().chain([selector])).deadline(Duration::from_mins(10)).start();
        Self { tenant, cluster, watcher, read: 0, seen: BTreeMap::new() }
    }

    /// Looks at what has arrived.
    pub fn look(&mut self) {
        let text = self.watcher.written();
        let new = text.get(self.read..).unwrap_or_default();
        let Some(end) = new.rfind('\n') else { return };
        let now = Instant::now();
        for pod in new[..end].lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
            let name = pod["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            let seen = self.seen.entry(name).or_default();
            seen.created.get_or_insert(now);
            pod["spec"]["nodeName"].as_str().unwrap_or_default().clone_into(&mut seen.node);
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
            let ready = self.seen.values().filter(|seen| seen.ends.last().is_some_and(Option::is_some)).count();
            if ready >= number {
                return self.timelines();
            }
            assert!(begin.elapsed() < within, "{number} pods Ready: {:#?}", self.seen);
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// When pods became Ready, after `begin`, in seconds.
    #[must_use]
    pub fn ready_after(&self, begin: Instant) -> Vec<f64> {
        let ends = self.seen.values().filter_map(|seen| *seen.ends.last()?);
        let mut after: Vec<f64> = ends.filter_map(|end| Some(end.checked_duration_since(begin)?.as_secs_f64())).collect();
        after.sort_by(f64::total_cmp);
        after
    }

    fn timelines(&self) -> Vec<Timeline> {
        let timeline = |(pod, seen): (&String, &Seen)| {
            let created = seen.created?;
            let mut last = 0.0_f64;
            // A stage whose end was seen only together with a later one took no time that could be told.
            let mut ends: Vec<f64> = Vec::new();
            for end in &seen.ends {
                last = last.max((*end)?.duration_since(created).as_secs_f64());
                ends.push(last);
            }
            let words = ["--namespace", &self.tenant.namespace, "logs", pod, "--container", "pull"];
            let log = self.cluster.kubectl(words).run().stdout;
            let pull = log.lines().last().and_then(|line| serde_json::from_str(line).ok()).unwrap_or(Value::Null);
            Some(Timeline { pod: pod.clone(), node: seen.node.clone(), ends, pull })
        };
        self.seen.iter().filter_map(timeline).collect()
    }
}

/// Which of [`STAGES`] are over.
fn over(pod: &Value) -> [bool; STAGES.len()] {
    let status = &pod["status"];
    let init = |name: &str| {
        let all = status["initContainerStatuses"].as_array();
        all.and_then(|all| all.iter().find(|it| it["name"] == name)).cloned().unwrap_or(Value::Null)
    };
    let (pull, prepare, agent, php) = (init("pull"), init("prepare"), init("agent"), init("php-fpm"));
    let ready = status["conditions"].as_array().is_some_and(|all| all.iter().any(|it| it["type"] == "Ready" && it["status"] == "True"));
    let ended = |container: &Value| container["state"]["terminated"]["exitCode"] == 0;
    [
        pod["spec"]["nodeName"].is_string(),
        pull["state"]["running"].is_object() || ended(&pull),
        ended(&pull),
        ended(&prepare),
        agent["started"] == true,
        php["started"] == true,
        ready,
    ]
}

/// Writes what was measured as JSON, and drawn as SVG, into `directory` as `boot.json` and `boot.svg`.
///
/// # Panics
///
/// The directory is not writable.
pub fn write(directory: &Path, report: &str, first: &[Timeline], second: &[Timeline]) {
    let write = |name: &str, text: &str| {
        let path = directory.join(name);
        fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    };
    write("boot.json", report);
    write("boot.svg", &picture(first, second));
}

const COLOURS: [&str; STAGES.len()] = ["#8c8c8c", "#4e79a7", "#f28e2b", "#edc948", "#59a14f", "#b07aa1", "#76b7b2"];
/// In pixels: the picture's width, that of the labels beside the bars, and the height of a bar with its gap.
const WIDTH: f64 = 860.0;
const LABELS: f64 = 190.0;
const ROW: f64 = 30.0;

/// One bar a pod, one colour a stage.
fn picture(first: &[Timeline], second: &[Timeline]) -> String {
    let bars: Vec<_> =
        first.iter().map(|boot| (boot, "from the store")).chain(second.iter().map(|boot| (boot, "from the node cache"))).collect();
    let longest = bars.iter().map(|(boot, _)| boot.ready().as_secs_f64()).fold(1.0, f64::max);
    let scale = (WIDTH - LABELS - 70.0) / longest;
    #[allow(clippy::cast_precision_loss, reason = "a handful of bars")]
    let row = |number: usize| number as f64 * ROW + 40.0;
    let height = row(bars.len()) + 60.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n<text x=\"10\" y=\"22\" font-size=\"15\">From a pod's creation to Ready, by stage</text>\n"
    );
    for (number, (boot, how)) in bars.iter().enumerate() {
        let (y, mut begin) = (row(number), 0.0);
        svg += &format!("<text x=\"10\" y=\"{}\">{}, {how}</text>\n", y + 15.0, boot.node);
        for ((end, (stage, _)), colour) in boot.ends.iter().zip(STAGES).zip(COLOURS) {
            let (x, width) = (LABELS + begin * scale, (end - begin) * scale);
            let title = format!("{stage}: {:.2} s", end - begin);
            svg += &format!(
                "<rect x=\"{x:.1}\" y=\"{y}\" width=\"{width:.1}\" height=\"20\" fill=\"{colour}\"><title>{title}</title></rect>\n"
            );
            begin = *end;
        }
        svg += &format!("<text x=\"{:.1}\" y=\"{}\">{begin:.1} s</text>\n", LABELS + begin * scale + 6.0, y + 15.0);
    }
    let mut x = 10.0;
    for ((stage, _), colour) in STAGES.iter().zip(COLOURS) {
        let y = row(bars.len()) + 15.0;
        svg += &format!(
            "<rect x=\"{x}\" y=\"{y}\" width=\"12\" height=\"12\" fill=\"{colour}\"/>\n<text x=\"{}\" y=\"{}\">{stage}</text>\n",
            x + 17.0,
            y + 11.0
        );
        #[allow(clippy::cast_precision_loss, reason = "a short word")]
        let wide = stage.len() as f64;
        x += 40.0 + wide * 7.2;
    }
    svg + "</svg>\n"
}
