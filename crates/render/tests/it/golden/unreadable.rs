//! Values whose form is right, and which a reader of the objects would refuse, or wait for without
//! an end: each is one refusal, which names the field and the value.

use super::*;
use api::Shop;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// What somebody wrote; the field that the refusal names, as it begins; the value; and why.
type Mistake = (
    fn(&mut Shop, &mut ShopClass),
    &'static str,
    &'static str,
    &'static str,
);

const NO_ZONE: &str = "is not in the time zone database; expected a name such as Europe/Bucharest";
const NO_NAME: &str = "an address, or what looks like one; an Ingress and a Gateway take host \
                       names alone";
const NO_VALUE: &str = "is no value of a label: at most 63 letters, digits";
const NO_KEY: &str = "is no key: at most 63 letters, digits";
const NO_BYTES: &str = "is no amount of bytes, such as 512Mi";
/// One character more than a part of a host may have (RFC 1035, 2.3.4).
const LONG: &str = "a234567890b234567890c234567890d234567890e234567890f234567890g234.example";

fn of<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

/// Each mistake alone, in an example whose class has an Ingress.
fn is_told_once(resource: &str, mistakes: &[Mistake]) {
    for (make, field, value, why) in mistakes {
        let (mut shop, mut class, release) = example("azure");
        make(&mut shop, &mut class);
        let error = render(&shop, &class, Some(&release), &RenderContext::default()).unwrap_err();
        let RenderError::Unreadable(problems) = &error else {
            panic!("{field}: {error}");
        };
        let [problem] = &problems[..] else {
            panic!("{field}: {problems:#?}");
        };
        assert!(
            problem.starts_with(&format!("{resource}: {field}"))
                && problem.contains(&format!("{value:?}"))
                && problem.contains(*why),
            "{field}={value:?}: {problem}"
        );
    }
}

#[test]
fn what_no_reader_takes_of_a_shop_is_told_by_field_and_value() {
    is_told_once(
        "shop vinyl",
        &[
            (
                |shop, _| shop.spec.services.database.as_mut().unwrap().name = "-acme".into(),
                "spec.services.database.name: ",
                "-acme",
                "begins with '-', which programs take for an option",
            ),
            (
                |shop, _| shop.spec.domains[1].host = LONG.into(),
                "spec.domains: host ",
                LONG,
                "a part between two dots has more than 63 characters",
            ),
            (
                |shop, _| shop.spec.domains[1].host = "192.0.2.7".into(),
                "spec.domains: host ",
                "192.0.2.7",
                NO_NAME,
            ),
            (
                // Browsers take a host for an address if its last part is a number (WHATWG URL).
                |shop, _| shop.spec.domains[1].host = "shop.7".into(),
                "spec.domains: host ",
                "shop.7",
                NO_NAME,
            ),
            (
                |shop, _| shop.spec.backup.time_zone = "europe/berlin".into(),
                "spec.backup.timeZone: ",
                "europe/berlin",
                NO_ZONE,
            ),
            (
                |shop, _| shop.spec.backup.time_zone = "Mars/Phobos".into(),
                "spec.backup.timeZone: ",
                "Mars/Phobos",
                NO_ZONE,
            ),
            (
                |shop, _| {
                    shop.spec.window =
                        of(json!({ "times": ["22:00-05:00"], "timeZone": "europe/berlin" }));
                },
                "spec.window.timeZone: ",
                "europe/berlin",
                NO_ZONE,
            ),
            (
                |shop, _| {
                    shop.spec.window =
                        of(json!({ "times": ["22:00-05:00"], "timeZone": "Mars/Phobos" }));
                },
                "spec.window.timeZone: ",
                "Mars/Phobos",
                NO_ZONE,
            ),
            (
                |shop, _| {
                    shop.spec.scale.schedule = of(json!([{
                        "cron": "0 8 27 11 *", "timeZone": "Mars/Phobos", "durationHours": 1,
                        "min": 2,
                    }]));
                },
                "spec.scale.schedule: ",
                "Mars/Phobos",
                NO_ZONE,
            ),
        ],
    );
}

#[test]
fn what_kubernetes_refuses_of_a_class_is_told_by_field_and_value() {
    is_told_once(
        "class openmage-azure",
        &[
            (
                |_, class| class.spec.overlay.node_selector = of(json!({ "disk": "very fast" })),
                "spec.overlay.nodeSelector[\"disk\"]: ",
                "very fast",
                NO_VALUE,
            ),
            (
                |_, class| {
                    class.spec.overlay.node_selector = of(json!({ "Example.com/disk": "ssd" }));
                },
                "spec.overlay.nodeSelector: ",
                "Example.com/disk",
                NO_KEY,
            ),
            (
                |_, class| class.spec.overlay.pod_labels = of(json!({ "team": "-shops" })),
                "spec.overlay.podLabels[\"team\"]: ",
                "-shops",
                NO_VALUE,
            ),
            (
                |_, class| class.spec.overlay.annotations = of(json!({ "a/b/c": "d" })),
                "spec.overlay.annotations: ",
                "a/b/c",
                NO_KEY,
            ),
            (
                |_, class| {
                    class.spec.overlay.tolerations =
                        of(json!([{ "key": "shops", "value": "gold, idle" }]));
                },
                "spec.overlay.tolerations: ",
                "gold, idle",
                "is no value of a taint",
            ),
            (
                |_, class| class.spec.network.edge.labels = of(json!({ "app": "ha proxy" })),
                "spec.network.edge.labels[\"app\"]: ",
                "ha proxy",
                NO_VALUE,
            ),
            (
                |_, class| class.spec.disk.sources = "0Gi".into(),
                "spec.disk.sources: ",
                "0Gi",
                NO_BYTES,
            ),
            (
                |_, class| class.spec.disk.temporary = "2GB".into(),
                "spec.disk.temporary: ",
                "2GB",
                NO_BYTES,
            ),
            (
                |_, class| class.spec.disk.writable = "512m".into(),
                "spec.disk.writable: ",
                "512m",
                "is in thousandths of a byte; say Mi for mebibytes",
            ),
            (
                |_, class| class.spec.storage.claim = "0.5".into(),
                "spec.storage.claim: ",
                "0.5",
                "is no whole number of bytes",
            ),
        ],
    );
}

#[test]
fn an_address_may_be_a_host_if_the_maps_of_the_edge_route_it() {
    let objects = rendered("aws", |shop, _, _| {
        shop.spec.domains[1].host = "192.0.2.7".into();
    });
    assert_eq!(check::shop(&objects), []);
}
