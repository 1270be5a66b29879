//! `longshore` as a plugin of kubectl: a link `kubectl-longshore` in PATH.

use super::{Scheduler, shop};
use e2e::{cluster::Cluster, process::binary};
use serde_json::json;

#[test]
fn kubectl_longshore_answers_of_the_shops_in_kubectls_cluster() {
    let cluster = Cluster::alone();
    let scheduler = Scheduler::install(&cluster);
    let suspended = json!({ "state": "Suspended" });
    scheduler.apply(&shop("plugged", "php-plain", &suspended));
    let running = scheduler.start();
    scheduler.converged(1);
    let folder = tempfile::tempdir().unwrap();
    let plugin = folder.path().join("kubectl-longshore");
    let link = cluster.program("ln").arg("-s");
    link.arg(binary("longshore")).arg(plugin).run().expect(0);
    // kubectl as a person has it, who put the link into a directory of PATH.
    let kubectl = |words: &[&str]| {
        cluster
            .program("sh")
            .args(["-c", "PATH=$0:$PATH exec kubectl \"$@\""])
            .arg(folder.path())
            .args(words)
    };

    let listed = kubectl(&["plugin", "list", "--name-only"]).run().expect(0);
    assert!(listed.stdout.contains("kubectl-longshore"), "{listed:#?}");
    let help = kubectl(&["longshore", "--help"]).run().expect(0).stdout;
    assert!(
        help.contains("Usage: kubectl-longshore <COMMAND>"),
        "{help}"
    );

    let why = kubectl(&["longshore", "why", "plugged"]).run().expect(0);
    assert!(why.stdout.starts_with("plugged: "), "{why:#?}");
    let plan = kubectl(&["longshore", "plan"]).run().expect(0).stdout;
    assert!(plan.ends_with("1 shop unchanged\n"), "{plan}");
    let shops = cluster.ask(&["get", "shops", "--output", "json"]);
    let exported = kubectl(&["longshore", "export", "-", "--output", "yaml"]).input(shops);
    let exported = exported.run().expect(0).stdout;
    assert!(exported.contains("name: plugged"), "{exported}");
    // Exit codes are those of longshore.
    kubectl(&["longshore", "shop", "list"]).run().expect(64);

    running.signal(rustix::process::Signal::TERM).unwrap();
    running.wait().expect(0);
}
