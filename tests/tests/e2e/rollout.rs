//! `longshore publish --rollout`: the release goes to a cluster by `longshore-scheduler`, whose end is the command's.

use e2e::{
    process::{Program, binary},
    shop::{Shop, json},
};
use serde_json::Value;
use std::{env, fs, os::unix::fs::PermissionsExt as _, path::Path};

fn publisher(shop: &Shop, programs: &Path) -> Program {
    let rollout = ["--rollout", "--why", "spring prices", "--wave", "50:1m", "--wave", "100:1m", "--", "--context", "none"];
    let path = format!("{}:{}", programs.display(), env::var("PATH").unwrap());
    shop.publisher().env("PATH", path).env("KUBECONFIG", shop.path("no-kubeconfig")).args(rollout)
}

fn head(shop: &Shop) -> bool {
    shop.path("store/channels/shops/acme/release.json").exists()
}

#[test]
fn without_the_other_program_nothing_is_published() {
    let shop = Shop::on_disk(1, 3);
    let outcome = shop.publisher().env("PATH", shop.path("nowhere")).arg("--rollout").run().expect(64);
    assert!(outcome.stderr.contains("cannot run longshore-scheduler, which --rollout needs"), "{outcome:#?}");
    assert!(!head(&shop), "it is known before anything is packed");
}

#[test]
fn the_real_program_understands_what_it_is_told_and_its_failure_is_ours() {
    let shop = Shop::on_disk(1, 3);
    let scheduler = binary("longshore-scheduler");
    let outcome = publisher(&shop, scheduler.parent().unwrap()).run().expect(64);
    // Not how it was called is wrong, but that there is no cluster.
    for says in ["no-kubeconfig", "the release is published, and `longshore-scheduler rollout start` failed (exit code 64)"] {
        assert!(outcome.stderr.contains(says), "{says}: {outcome:#?}");
    }
    assert_eq!(json(&outcome)["sequence"], 1, "standard output is the publication alone");
    assert!(head(&shop));
}

#[test]
fn the_program_gets_the_release_and_ends_the_command() {
    let shop = Shop::on_disk(1, 3);
    let programs = shop.path("programs");
    fs::create_dir(&programs).unwrap();
    let program = programs.join("longshore-scheduler");
    // Stands in for the program: it notes what it is told, and ends as the file says.
    let script = format!(
        "#!/bin/sh\n[ \"$1\" = --version ] && exit 0\ncd {}\necho \"$@\" >> told\ncat > given\necho moved\nexit $(cat code)\n",
        shop.path("").display()
    );
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(shop.path("code"), "75").unwrap();
    let outcome = publisher(&shop, &programs).run().expect(75);
    assert!(outcome.stderr.contains("[reason: rollout]"), "{outcome:#?}");

    // The same again: the content is in force already, and the rollout is waited for.
    fs::write(shop.path("code"), "0").unwrap();
    let outcome = publisher(&shop, &programs).run().expect(0);
    assert_eq!((json(&outcome)["outcome"].clone(), json(&outcome)["sequence"].clone()), ("unchanged".into(), 1.into()));
    assert!(outcome.stderr.contains("moved"), "{outcome:#?}");
    let told = fs::read_to_string(shop.path("told")).unwrap();
    let line = "rollout start - --wait --why spring prices --wave 50:1m --wave 100:1m --context none\n";
    assert_eq!(told, line.repeat(2));
    let given: Value = serde_json::from_str(&fs::read_to_string(shop.path("given")).unwrap()).unwrap();
    assert_eq!((given["kind"].clone(), given["metadata"]["name"].clone()), ("Release".into(), "shops-acme-1".into()));
}
