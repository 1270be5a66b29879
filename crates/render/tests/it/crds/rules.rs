//! Each rule of a definition refuses what it is for.

use super::*;

/// Requires that each change of the example `file` is refused with these words.
fn refuse<const N: usize>(file: &str, changes: [(&str, Value, &str); N]) {
    for (pointer, value, expected) in changes {
        let problems = problems(file, pointer, value);
        assert!(
            problems.iter().any(|problem| problem.contains(expected)),
            "{pointer}: {expected}\n{problems:#?}"
        );
    }
}

#[test]
fn rules_of_a_shops_domains_scale_and_name_refuse() {
    refuse(
        "aws/shop.yaml",
        [
            (
                "/spec/domains/1/primary",
                json!(true),
                "exactly one domain is primary",
            ),
            (
                "/spec/domains/0/redirectTo",
                json!("hu.acme.example"),
                "the primary domain redirects nowhere",
            ),
            (
                "/spec/domains/2/redirectTo",
                json!("elsewhere.example"),
                "redirectTo names a listed domain",
            ),
            (
                "/spec/domains/2/host",
                json!("www.acme.example"),
                "is there twice",
            ),
            (
                "/spec/domains/0/host",
                json!("WWW.acme.example"),
                " is not a",
            ),
            (
                "/spec/modules/disable",
                json!(["Acme_Loyalty"]),
                "enabled or disabled, not both",
            ),
            ("/spec/scale/min", json!(13), "min is at most max"),
            (
                "/spec/scale/schedule/0/min",
                json!(13),
                "a schedule's min is at most max",
            ),
            ("/spec/scale/max", json!(1000), "1000 is over 200"),
            (
                "/spec/scale/idle",
                json!({ "after": "2h", "mode": "KeepOne" }),
                "an autoscaler looks back for an hour at most",
            ),
            (
                "/spec/scale/idle",
                json!({ "after": "30s", "mode": "Zero" }),
                "from one minute to 24 hours without a visitor",
            ),
            (
                "/spec/scale/idle",
                json!({ "after": "25h", "mode": "Zero" }),
                "from one minute to 24 hours without a visitor",
            ),
            (
                "/metadata/name",
                json!("a".repeat(59)),
                "a shop's name is at most 58",
            ),
            (
                "/metadata/name",
                json!("a.b"),
                "a shop's name is at most 58",
            ),
        ],
    );
}

#[test]
fn rules_of_a_shops_probe_services_and_config_refuse() {
    refuse(
        "aws/shop.yaml",
        [
            ("/spec/probe", json!({"status": "399-200"}), " is not a"),
            ("/spec/probe", json!({"path": "/../admin"}), " is not a"),
            ("/spec/probe", json!({"path": "admin"}), " is not a"),
            (
                "/spec/probe",
                json!({"contains": "a\nb"}),
                " is not one line",
            ),
            (
                "/spec/state",
                json!("Sleeping"),
                "is not one of Active, Maintenance, Suspended, Archived",
            ),
            (
                "/spec/chanel",
                json!("x"),
                "not a field; did you mean channel?",
            ),
            ("/spec/class", json!(7), "expected a string, found 7"),
            (
                "/spec/services/cache/prefix",
                json!("a_0123456789abcdef_01234567_"),
                "a prefix does not end like that of a release",
            ),
            ("/spec/services/search/prefix", json!("Acme"), " is not a"),
            (
                "/spec/services/database/tablePrefix",
                json!("a-b"),
                " is not a",
            ),
            ("/spec/config/adminPath", json!("back/office"), " is not a"),
            ("/spec/services/cache/sessions", json!(1), "1 is under 2"),
            ("/spec/services/cache/prefix", json!("a-b"), " is not a"),
        ],
    );
}

#[test]
fn times_that_never_come_are_refused() {
    refuse(
        "aws/shop.yaml",
        [
            (
                "/spec/scale/schedule/0/cron",
                json!("0 0 31 2 *"),
                "the month has no such day",
            ),
            (
                "/spec/scale/schedule/0/cron",
                json!("0 0 31 sep *"),
                "the month has no such day",
            ),
            (
                "/spec/scale/schedule/0/cron",
                json!("0 24 1 1 *"),
                " is not five fields",
            ),
            (
                "/spec/scale/schedule/0/cron",
                json!("0 8 32 1 *"),
                " is not five fields",
            ),
        ],
    );
}

#[test]
fn rules_of_a_classs_backends_network_and_images_refuse() {
    let digest = format!("x@sha256:{}", "0".repeat(63));
    refuse(
        "aws/class.yaml",
        [
            (
                "/spec/probe",
                json!({"scheme": "ftp"}),
                "is not one of http, https",
            ),
            (
                "/spec/backends/search/0/engine",
                json!("solr"),
                "is not one of opensearch, elasticsearch7, elasticsearch8",
            ),
            (
                "/spec/backends/search/0/scheme",
                json!("ftp"),
                "is not one of http, https",
            ),
            (
                "/spec/backends/queues/0/tls",
                json!({"caFile": "ca.crt"}),
                " is not a",
            ),
            (
                "/spec/network/outgoing/0/ports",
                json!([70000]),
                "70000 is over 65535",
            ),
            (
                "/spec/network/outgoing/0/cidrs",
                json!([]),
                "has 0 items, and needs 1",
            ),
            (
                "/spec/engine",
                json!("Magento1"),
                "a class keeps its engine",
            ),
            (
                "/spec/storage/mode",
                json!("Csi"),
                "a node cache is a hostPath",
            ),
            ("/spec/images/shop", json!("shop:latest"), " is not a"),
            ("/spec/images/shop", json!(digest), " is not a"),
            (
                "/spec/identity/secret",
                json!({"name": "s"}),
                "at most one of podIdentity",
            ),
            (
                "/spec/route/ingress",
                json!({"className": "nginx"}),
                "exactly one of map, ingress and gateway",
            ),
            (
                "/spec/backends/media/0/directory",
                json!({"path": "/srv"}),
                "exactly one of efs, nfs and directory",
            ),
            (
                "/spec/backends/media/0/efs/tls",
                json!(false),
                "iam needs tls",
            ),
        ],
    );
    refuse(
        "azure/class.yaml",
        [(
            "/spec/backends/media/0/nfs/tls",
            json!(true),
            "nfs with tls is mounted by agents",
        )],
    );
}

#[test]
fn rules_of_a_classs_freezes_and_overlay_refuse() {
    refuse(
        "aws/class.yaml",
        [
            (
                "/spec/freezes/0/until",
                json!("2026-11-25T00:00:00Z"),
                "from is before until",
            ),
            ("/spec/freezes/0/until", json!("tomorrow"), "is not a time"),
            (
                "/spec/overlay/annotations",
                json!({"longshore.dev/applied": "x"}),
                "annotations under longshore.dev are set by Longshore",
            ),
            (
                "/spec/overlay/podAnnotations",
                json!({"longshore.dev/x": "x"}),
                "annotations under longshore.dev are set by Longshore",
            ),
            (
                "/spec/overlay/extraEnv",
                json!([{"name": "POD_UID", "value": "1"}]),
                "are set by Longshore",
            ),
            (
                "/spec/overlay/extraEnv",
                json!([{"name": "LONGSHORE_STORE", "value": "1"}]),
                "are set by Longshore",
            ),
            (
                "/spec/overlay/extraContainers",
                json!([{"name": "nginx", "image": format!("x@sha256:{}", "0".repeat(64)), "size": {"cpu": "1m", "memory": "1Mi"}}]),
                "are containers of Longshore",
            ),
            (
                "/spec/overlay/labels",
                json!({"longshore.dev/shop": "other"}),
                "are set by Longshore",
            ),
        ],
    );
}

#[test]
fn a_release_never_changes() {
    refuse(
        "release.yaml",
        [("/spec/sequence", json!(43), "a Release never changes")],
    );
}
