//! `longshore publish --rollout`: the release goes to a cluster, and the command ends as its
//! rollout does. That the rollout starts, is waited for and decides the exit code is tested on a
//! cluster.

use e2e::shop::{Shop, json};

#[test]
fn without_a_cluster_the_release_is_published_and_the_rollouts_failure_is_ours() {
    let shop = Shop::on_disk(1, 3);
    let rollout = [
        "--rollout",
        "--why",
        "spring prices",
        "--wave",
        "50:1m",
        "--wave",
        "100:1m",
        "--",
        "--context",
        "none",
    ];
    let outcome = shop
        .publisher()
        .env("KUBECONFIG", shop.path("no-kubeconfig"))
        .args(rollout)
        .run()
        .expect(64);
    // Not how `rollout start` was called is wrong, but that there is no cluster.
    for says in [
        "no-kubeconfig",
        "the release is published, and `longshore rollout start` failed (exit code 64)",
    ] {
        assert!(outcome.stderr.contains(says), "{says}: {outcome:#?}");
    }
    assert_eq!(
        json(&outcome)["sequence"],
        1,
        "standard output is the publication alone"
    );
    assert!(shop.path("store/channels/shops/acme/release.json").exists());
}
