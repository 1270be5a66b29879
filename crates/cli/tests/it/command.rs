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
    let mut weights = lines("weights.map");
    weights.sort_unstable();
    assert_eq!(weights, ["hu.acme.example 100", "www.acme.example 100"]);
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

const TABLE: &str = "\
name,domain,aliases,min,max,database,media,secret
acme,www.acme.example,acme.example acme.test,2,12,db-1,efs-1,acme-env
vinyl,vinyl.example,,,,db-2,efs-1,vinyl-env
";

#[test]
fn a_table_becomes_shops_and_a_table_again() {
    let shops = printed(&["import", "-", "--class", "m2", "--expect", "2"], TABLE);
    compare("crates/render/tests/golden/imported.yaml", &shops);
    let table = printed(&["export", "-"], &shops);
    assert_eq!(
        printed(&["export", "-"], &printed(&["import", "-"], &table)),
        table,
        "another round changes nothing"
    );
}

#[test]
fn an_export_loses_nothing_without_saying_so() {
    let shop = "manifests/examples/shops/aws/shop.yaml";
    let error = refused(&["export", shop], "");
    for field in [
        "acme: ",
        "spec.domains",
        "spec.modules",
        "spec.config.values",
        "spec.scale.schedule",
        "spec.scale.idle",
        "spec.window",
    ] {
        assert!(error.contains(field), "{field}\n{error}");
    }
    assert!(printed(&["export", shop, "--lossy"], "").contains("acme,www.acme.example,"));
    let folder = tempfile::tempdir().unwrap();
    for form in ["json", "yaml"] {
        let path = folder.path().join(format!("shops.{form}"));
        let first = printed(&["export", shop, "--output", form], "");
        std::fs::File::create(&path)
            .unwrap()
            .write_all(first.as_bytes())
            .unwrap();
        let back = printed(&["import", path.to_str().unwrap(), "--expect", "1"], "");
        assert_eq!(printed(&["export", "-", "--output", form], &back), first);
    }
}

#[test]
fn a_list_of_objects_is_imported_likewise() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("crm.json");
    let list = r#"[{"name": "acme", "domain": "www.acme.example", "aliases": ["acme.example"], "max": 3, "media": "efs-1"}]"#;
    std::fs::File::create(&path)
        .unwrap()
        .write_all(list.as_bytes())
        .unwrap();
    let shops = printed(
        &[
            "import",
            path.to_str().unwrap(),
            "--class",
            "m2",
            "--channel",
            "stable",
        ],
        "",
    );
    assert!(
        shops.contains("channel: stable") && shops.contains("redirectTo: www.acme.example"),
        "{shops}"
    );
}

#[test]
fn an_import_tells_every_problem_and_prints_nothing() {
    let bad = "\
name,domain,clas,min
acme,www.acme.example,,2
Acme,shop,,two
acme,www.acme.example,,1
short
";
    let error = refused(&["import", "-", "--class", "m2"], bad);
    for expected in [
        "-:1: \"clas\" is no column; did you mean class?",
        "-:3: min=\"two\": expected a whole number",
        "-:5: has 1 cells, and the header 4",
    ] {
        assert!(error.contains(expected), "{expected}\n{error}");
    }
    for (table, says) in [
        (
            "name;domain\nacme;www.acme.example\n",
            "-:1: \"name;domain\" is one cell: cells are separated by semicolons",
        ),
        (
            "name,domain,aliases\nacme,www.acme.example,\"acme.example, shop.acme.example\"\n",
            "aliases=\"acme.example, shop.acme.example\": separate hosts by spaces",
        ),
        (
            "name,domain,media,media_path\nb,b.example,efs,/shops\na,a.example,efs,/shops/a\n",
            "-:3: a: directory efs of class m2: /shops/a: directory efs of class m2: /shops, \
             which is in it or around it, belongs to shop b, of line 2",
        ),
    ] {
        let error = refused(&["import", "-", "--class", "m2"], table);
        assert!(error.contains(says), "{error}");
    }
    let error = refused(
        &["import", "-", "--class", "m2"],
        "name,domain\nacme,www.acme.example\nAcme,www.acme.example\nacme,x.example\n",
    );
    for expected in [
        "-:3: Acme: ",
        "-:4: acme: is in line 2 already",
        "-:3: Acme: host www.acme.example belongs to shop acme, of line 2",
    ] {
        assert!(error.contains(expected), "{expected}\n{error}");
    }
}

#[test]
fn a_list_that_may_have_been_cut_off_is_refused() {
    let cut = &TABLE[..TABLE.len() - 5];
    assert!(
        refused(&["import", "-", "--class", "m2"], cut).contains("-:3: the last line has no end")
    );
    let few: String = TABLE.split_inclusive('\n').take(2).collect();
    assert!(
        refused(&["import", "-", "--class", "m2", "--expect", "2"], &few)
            .contains("has 1 shops, and --expect says 2")
    );
    assert!(refused(&["import", "-", "--class", "m2"], "name,domain\n").contains("has no shops"));
    let quoted = "name,domain\nacme,\"www.acme.exam\n";
    assert!(
        refused(&["import", "-", "--class", "m2"], quoted).contains("-:2: a quote is never closed")
    );
}
