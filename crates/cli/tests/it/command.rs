//! The real binary, on files.

use crate::committed::{compare, top};
use std::{
    io::Write as _,
    process::{Command, Output, Stdio},
};

fn run(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_longshore"))
        .args(arguments)
        .current_dir(top())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    child.wait_with_output().unwrap()
}

pub(crate) fn printed(arguments: &[&str], input: &str) -> String {
    let output = run(arguments, input);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

pub(crate) fn refused(arguments: &[&str], input: &str) -> String {
    let output = run(arguments, input);
    assert_eq!(
        (output.status.code(), output.stdout.len()),
        (Some(64), 0),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn the_reference_page_is_as_committed() {
    compare("docs/crds.md", &printed(&["reference"], ""));
}

#[test]
fn render_prints_what_the_library_makes() {
    let aws = "manifests/examples/shops/aws";
    let files = [
        "render",
        "manifests/examples/shops/release.yaml",
        &format!("{aws}/class.yaml"),
        &format!("{aws}/shop.yaml"),
        "--check",
    ];
    let text = printed(&files, "");
    compare("crates/render/tests/golden/aws/acme.yaml", &text);
    let lines = printed(&[&files[..], &["--output", "json"]].concat(), "");
    assert_eq!(lines.lines().count(), text.matches("\n---\n").count() + 1);
    let first: serde_json::Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    assert_eq!(first["kind"], "Namespace");
    let campaign = printed(
        &[&files[..], &["--at", "2026-11-28T00:00:00Z"]].concat(),
        "",
    );
    assert!(
        campaign.contains("minReplicas: 8"),
        "the campaign of the example raises its floor"
    );
}

const AWS: [&str; 3] = [
    "manifests/examples/shops/release.yaml",
    "manifests/examples/shops/aws/class.yaml",
    "manifests/examples/shops/aws/shop.yaml",
];

#[test]
fn render_makes_the_maps_of_the_edge_from_files_alone() {
    let text = printed(
        &[&["render", "--edge", "--output", "json"], &AWS[..]].concat(),
        "",
    );
    let shards: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(
        (shards.len(), &shards[0]["metadata"]["namespace"]),
        (64, &"edge".into())
    );
    let lines = |file: &str| {
        shards
            .iter()
            .flat_map(|shard| shard["data"][file].as_str().unwrap().lines())
            .collect::<Vec<_>>()
    };
    assert_eq!(lines("redirects.map"), ["acme.example www.acme.example"]);
    let shops = lines("shops.map");
    assert!(
        shops.len() == 1 && shops[0].starts_with("shop-acme {\"weight\":100,\"workers\":"),
        "{shops:?}"
    );
    assert!(lines("backends.map").contains(&"www.acme.example shop-acme"));
    let other = std::fs::read_to_string(top().join(AWS[2]))
        .unwrap()
        .replace("  name: acme\n", "  name: zzz\n");
    let told = refused(&[&["render", "--edge", "-"], &AWS[..]].concat(), &other);
    assert!(
        told.contains("shop zzz: host www.acme.example belongs to shop acme; ")
            && told.contains("[reason: claimed]"),
        "{told}"
    );
}

#[test]
fn a_directory_is_its_resources_as_for_kubectl() {
    let folder = tempfile::tempdir().unwrap();
    for (from, to) in [(AWS[0], "c.yaml"), (AWS[1], "a.yml"), (AWS[2], "b.yaml")] {
        std::fs::copy(top().join(from), folder.path().join(to)).unwrap();
    }
    std::fs::write(folder.path().join("notes.txt"), "{").unwrap();
    let path = folder.path().to_str().unwrap();
    assert_eq!(
        printed(&["render", path], ""),
        printed(&[&["render"], &AWS[..]].concat(), "")
    );
    let empty = tempfile::tempdir().unwrap();
    let said = refused(&["render", path, empty.path().to_str().unwrap()], "");
    assert!(said.contains("holds no resource"), "{said}");
    std::fs::write(empty.path().join("shops.yaml"), "# cut off\n---\n").unwrap();
    assert!(
        refused(
            &[
                "render",
                path,
                empty.path().join("shops.yaml").to_str().unwrap()
            ],
            ""
        )
        .contains("shops.yaml holds no resource")
    );
}

#[test]
fn render_shows_the_build_of_the_release_that_shops_would_run() {
    assert_eq!(
        printed(&[&["render", "--builds"], &AWS[..]].concat(), ""),
        "",
        "CI builds, where the class says nothing"
    );
    let class = std::fs::read_to_string(top().join(AWS[1])).unwrap();
    let image = "registry.example/longshore/backup@sha256:\
                 d109aa94ea4a0471b9a4d32986ec86c3f437a395a560d50a4a72aa6c51aa74cb";
    let class = class.replace(
        "  route:",
        &format!("  build: {{image: \"{image}\", command: [/build.sh]}}\n  route:"),
    );
    let text = printed(
        &[
            "render", "--builds", "--output", "json", AWS[0], "-", AWS[2],
        ],
        &class,
    );
    let jobs: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(
        (jobs.len(), &jobs[0]["metadata"]["name"]),
        (1, &"build-magento2-standard-shops-acme-42".into())
    );
}

#[test]
fn a_campaign_that_never_comes_is_refused() {
    let shop = std::fs::read_to_string(top().join(AWS[2])).unwrap();
    let never = shop.replace("0 8 27 11 *", "0 8 31 4,6 *");
    assert_ne!(shop, never);
    let told = refused(&["render", AWS[0], AWS[1], "-"], &never);
    assert!(
        told.contains("scale.schedule: cron=\"0 8 31 4,6 *\" never comes"),
        "{told}"
    );
}

#[test]
fn a_plan_against_files_tells_what_changed_in_them() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    printed(&[&["render", "--out", out], &AWS[..]].concat(), "");
    let against = |class: &str, form: &str| {
        printed(
            &[
                "plan",
                "--against",
                out,
                "--output",
                form,
                AWS[0],
                "-",
                AWS[2],
            ],
            class,
        )
    };
    let class = std::fs::read_to_string(top().join(AWS[1])).unwrap();
    let nothing =
        "plan: 0 objects to create, 0 to change, 0 to adopt, 0 to delete; 1 shop unchanged\n";
    assert_eq!(
        (
            against(&class, "text").as_str(),
            against(&class, "diff").as_str()
        ),
        (nothing, "")
    );
    let gold = class.replace("priority: Standard", "priority: Gold");
    let text = against(&gold, "text");
    assert!(
        text.starts_with("1 shop: acme\n")
            && text.contains("~ Deployment web: spec.template.spec.priorityClassName"),
        "{text}"
    );
    let diff = against(&gold, "diff");
    assert!(
        diff.contains("--- a/Deployment/shop-acme/web\n+++ b/Deployment/shop-acme/web\n"),
        "{diff}"
    );
    let plan: serde_json::Value = serde_json::from_str(&against(&gold, "json")).unwrap();
    let changes = plan["shops"]["acme"].as_array().unwrap();
    assert!(
        changes.iter().all(|change| change["action"] == "change"),
        "{changes:?}"
    );
}

#[test]
fn render_writes_one_file_for_each_shop() {
    let folder = tempfile::tempdir().unwrap();
    let plain = "manifests/examples/shops/plain";
    let (class, shop) = (format!("{plain}/class.yaml"), format!("{plain}/shop.yaml"));
    let out = folder.path().join("a/b");
    printed(
        &[
            "render",
            "manifests/examples/shops/release.yaml",
            &class,
            &shop,
            "--out",
            out.to_str().unwrap(),
        ],
        "",
    );
    let written = std::fs::read_to_string(out.join("blog.yaml")).unwrap();
    compare("crates/render/tests/golden/plain/blog.yaml", &written);
}

#[test]
fn every_problem_of_files_is_told_with_its_place() {
    let text = "\
apiVersion: longshore.dev/v1alpha1
kind: Shop
metadata: {name: acme}
spec:
  class: c
  channel: shops/acme
  domains: [{host: www.acme.example, primary: true}]
  scale: {min: 3, max: 2}
  services: {}
---
apiVersion: longshore.dev/v1alpha1
kind: Shop
metadata: {name: b}
spec: {class: C, chanel: x, domains: [], services: {}}
---
kind: Pod
";
    let error = refused(&["render", "-"], text);
    for expected in [
        "-:1: Shop acme: spec.scale.min: min is at most max",
        "-:11: Shop b: spec.channel: missing",
        "-:11: Shop b: spec.chanel: not a field; did you mean channel?",
        "-:11: Shop b: spec.class: \"C\" is not a name",
        "-:11: Shop b: spec.domains: has 0 items, and needs 1",
        "-:16: Pod : apiVersion=\"\": expected longshore.dev/v1alpha1",
        "[reason: registry]",
    ] {
        assert!(error.contains(expected), "{expected}\n{error}");
    }
    assert!(
        refused(&["render", "/nonexistent.yaml"], "").contains("cannot read /nonexistent.yaml")
    );
    let shop = text
        .split("---")
        .next()
        .unwrap()
        .replace("min: 3", "min: 2");
    assert!(
        refused(&["render", "-"], &shop).contains("shop acme: its class c is in none of the files")
    );
}
