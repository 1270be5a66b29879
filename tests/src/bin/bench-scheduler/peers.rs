//! What others take to apply objects of the same kind: kubectl and Helm, one after another and side
//! by side.

use e2e::{
    cluster::Cluster,
    figures::{count, time},
    fleet::{
        example,
        large::{LONG, WRITERS, closed_shop},
    },
    peers::required,
    process::{Program, binary},
};
use std::{
    path::{Path, PathBuf},
    thread,
    time::Instant,
};

/// Shops that each of the others applies.
const SAMPLE: usize = 40;
/// Reads what the chart brings, whatever that looks like.
const CHART: [(&str, &str); 2] = [
    ("Chart.yaml", "apiVersion: v2\nname: shop\nversion: 1.0.0\n"),
    ("templates/all.yaml", "{{ .Files.Get \"objects.yaml\" }}\n"),
];

/// Measures all of them; each figure with what it is of.
pub(crate) fn measure(cluster: &Cluster, mut tell: impl FnMut(&str, String)) {
    for abreast in [1, WRITERS] {
        let figure = applied(cluster, &format!("k{abreast}"), abreast, |chart| {
            let objects = chart.join("objects.yaml").display().to_string();
            cluster
                .program("kubectl")
                .args(["apply", "--server-side", "--filename", &objects])
        });
        tell(&format!("{abreast} × kubectl apply --server-side"), figure);
        let figure = applied(cluster, &format!("h{abreast}"), abreast, |chart| {
            let release = chart.file_name().unwrap_or_default();
            let helm = cluster
                .program(&required("helm").display().to_string())
                .args(["install", "--namespace", "default"]);
            helm.arg(release).arg(chart).env("HOME", chart)
        });
        tell(&format!("{abreast} × helm install"), figure);
    }
}

/// Applies the objects of some shops, so many programs side by side.
fn applied(
    cluster: &Cluster,
    prefix: &str,
    abreast: usize,
    apply: impl Fn(&Path) -> Program + Sync,
) -> String {
    let scratch = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
    let (charts, objects) = charts(cluster, prefix, scratch.path());
    let begin = Instant::now();
    thread::scope(|scope| {
        for part in charts.chunks(SAMPLE.div_ceil(abreast)) {
            let apply = &apply;
            scope.spawn(move || {
                for chart in part {
                    drop(apply(chart).deadline(LONG).run().expect(0));
                }
            });
        }
    });
    let span = begin.elapsed();
    #[allow(clippy::cast_precision_loss, reason = "some hundred objects")]
    let rate = objects as f64 / span.as_secs_f64();
    format!(
        "{} objects in {}, {rate:.0} in a second",
        count(objects as u64),
        time(span)
    )
}

/// A chart for each shop, and how many objects they have in all.
fn charts(cluster: &Cluster, prefix: &str, scratch: &Path) -> (Vec<PathBuf>, usize) {
    let write = |path: &Path, text: &str| {
        std::fs::write(path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    };
    let shops: Vec<_> = (0..SAMPLE)
        .map(|index| closed_shop(&format!("{prefix}{index:04}"), "php-plain"))
        .collect();
    let files = [
        ("class.yaml", example("plain/class.yaml")),
        ("release.yaml", example("release.yaml")),
        ("shops.yaml", shops.join("\n---\n")),
    ];
    let files = files.map(|(name, text)| {
        write(&scratch.join(name), &text);
        scratch.join(name).display().to_string()
    });
    let rendered = scratch.join("rendered");
    let program = cluster
        .program(&binary("longshore").display().to_string())
        .arg("render")
        .args(&files);
    drop(
        program
            .arg("--out")
            .arg(&rendered)
            .deadline(LONG)
            .run()
            .expect(0),
    );
    let mut objects = 0;
    let charts = (0..SAMPLE).map(|index| {
        let name = format!("{prefix}{index:04}");
        let path = rendered.join(format!("{name}.yaml"));
        let all = std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        objects += all
            .lines()
            .filter(|line| line.starts_with("kind: "))
            .count();
        let chart = scratch.join(name);
        std::fs::create_dir_all(chart.join("templates")).unwrap_or_else(|error| panic!("{error}"));
        for (name, text) in CHART {
            write(&chart.join(name), text);
        }
        write(&chart.join("objects.yaml"), &all);
        chart
    });
    (charts.collect(), objects)
}
