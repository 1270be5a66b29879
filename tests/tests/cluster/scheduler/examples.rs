//! The examples of all platforms on a real API server, and what kubectl says of their fields.

use super::Scheduler;
use e2e::{cluster::Cluster, fleet::example};

const PLATFORMS: [(&str, &str); 4] = [
    ("aws", "acme"),
    ("azure", "vinyl"),
    ("gcp", "tulip"),
    ("plain", "blog"),
];

#[test]
fn every_example_is_accepted() {
    let cluster = Cluster::alone();
    let scheduler = Scheduler::install(&cluster);
    scheduler.apply(super::access::HTTP_ROUTES);
    cluster.ask(&[
        "wait",
        "--for=condition=Established",
        "--timeout=30s",
        "crd/httproutes.gateway.networking.k8s.io",
    ]);
    for (platform, name) in PLATFORMS {
        let (class, shop) = (
            example(&format!("{platform}/class.yaml")),
            example(&format!("{platform}/shop.yaml")),
        );
        let files = [example("release.yaml"), class.clone(), shop.clone()].join("\n---\n");
        // What the registry takes, and what is made of it: tried, and stored.
        for resource in [class, shop] {
            let dry = [
                "apply",
                "--server-side",
                "--dry-run=server",
                "--validate=strict",
                "--force-conflicts",
                "--filename",
                "-",
            ];
            cluster.kubectl(dry).input(resource).run().expect(0);
        }
        let rendered = scheduler
            .program(&["render", "-", "--check", "--output", "json"])
            .input(files)
            .run()
            .expect(0)
            .stdout;
        let objects: Vec<&str> = rendered.lines().collect();
        assert!(objects.len() > 15, "{platform}: {}", objects.len());
        // In a namespace that is not there, nothing can be tried.
        scheduler.apply(objects[0]);
        let apply = [
            "apply",
            "--server-side",
            "--validate=strict",
            "--force-conflicts",
            "--filename",
            "-",
        ];
        cluster
            .kubectl([&apply[..], &["--dry-run=server"]].concat())
            .input(rendered.clone())
            .run()
            .expect(0);
        cluster.kubectl(apply).input(rendered).run().expect(0);
        cluster.ask(&[
            "get",
            "service",
            "web",
            "--namespace",
            &format!("shop-{name}"),
        ]);
    }
    drop(scheduler);
    cluster.ask(&["delete", "crd", "httproutes.gateway.networking.k8s.io"]);
}

#[test]
fn kubectl_explains_the_main_fields() {
    let cluster = Cluster::alone();
    let _scheduler = Scheduler::install(&cluster);
    for (path, words) in [
        (
            "shops.spec",
            &["domains", "scale", "deletionPolicy", "enum:"][..],
        ),
        ("shops.spec.scale", &["min", "max", "schedule"]),
        ("shops.spec.domains", &["redirectTo", "primary"]),
        (
            "shops.status",
            &["observedGeneration", "conditions", "Degraded"],
        ),
        (
            "shopclasses.spec",
            &["engine", "images", "Resources that each container requests"],
        ),
        ("shopclasses.spec.route", &["HAProxy", "HTTPRoute"]),
        ("releases.spec", &["envelope", "byte for byte"]),
        ("rollouts.spec", &["waves", "failureBudget"]),
    ] {
        let text = cluster.ask(&["explain", path]);
        for word in words {
            assert!(text.contains(word), "{path} does not say {word}:\n{text}");
        }
        // Each field has a sentence below its name.
        let fields = text.split("FIELDS:").nth(1).unwrap_or_default();
        assert!(!fields.contains("<no description>"), "{path}:\n{text}");
    }
}
