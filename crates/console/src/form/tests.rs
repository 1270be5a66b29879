//! Forms, from the Shop to the text and back.

use super::*;
use api::fixtures;
use serde_json::json;

fn spec() -> ShopSpec {
    let more = json!({
        "domains": [
            { "host": "www.acme.example", "primary": true },
            { "host": "acme.example", "redirectTo": "www.acme.example" },
            { "host": "acme.ro", "storeCode": "ro", "certificate": "acme-ro" },
        ],
        "modules": { "enable": ["Acme_Loyalty"] },
        "config": { "values": { "a/b": "1", "c/d": "x = y", "e/f": "two\nlines", "g": " " }, "adminPath": "office" },
        "scale": { "min": 2, "max": 6, "target": { "cpuPercent": 70, "busyWorkersPercent": 60 },
            "schedule": [{ "cron": "0 8 27 11 *", "timeZone": "Europe/Bucharest", "durationHours": 48, "min": 5 }] },
        "window": { "times": ["22:00-05:00"], "timeZone": "Europe/Bucharest" },
    });
    fixtures::shop("acme", more).spec
}

/// The form as a browser sends it back.
fn sent(part: Part, spec: &ShopSpec) -> Vec<(String, String)> {
    let fields = part.fields(spec).into_iter();
    fields
        .map(|field| (field.name.to_owned(), field.value.replace('\n', "\r\n")))
        .collect()
}

#[test]
fn a_form_that_nobody_touched_changes_nothing() {
    for spec in [spec(), fixtures::shop("acme", json!({})).spec] {
        for part in Part::ALL {
            let sent = Fields::from(sent(part, &spec));
            assert_eq!(part.spec(&spec, &sent).as_ref(), Ok(&spec), "{part:?}");
        }
    }
}

#[test]
fn what_a_person_writes_is_what_the_shop_becomes() {
    let before = spec();
    let write = |part: Part, name: &str, value: &str| {
        let mut all = sent(part, &before);
        all.iter_mut()
            .filter(|it| it.0 == name)
            .for_each(|it| value.clone_into(&mut it.1));
        part.spec(&before, &Fields::from(all)).unwrap()
    };
    assert_eq!(
        write(Part::State, "state", "Maintenance").state,
        ShopState::Maintenance
    );
    assert_eq!(write(Part::Scale, "max", " 8 ").scale.max, 8);
    assert_eq!(
        write(Part::Scale, "workers", "")
            .scale
            .target
            .busy_workers_percent,
        None
    );
    assert!(
        write(Part::Scale, "campaigns", "\n")
            .scale
            .schedule
            .is_empty()
    );
    assert_eq!(write(Part::Window, "times", "").window, None);
    let config = write(Part::Config, "values", "a/b=2").config.values;
    assert_eq!(
        (config["a/b"].as_str(), config["e/f"].as_str()),
        ("2", "two\nlines")
    );
    assert!(!config.contains_key("c/d"));
}

#[test]
fn what_cannot_be_read_is_said_beside_its_field() {
    let before = spec();
    for (part, name, value, said) in [
        (Part::State, "state", "Gone", "choose one"),
        (
            Part::Scale,
            "min",
            "two",
            "\"two\": expected a whole number",
        ),
        (
            Part::Scale,
            "campaigns",
            "0 8 * * * | UTC",
            "expected four parts",
        ),
        (
            Part::Domains,
            "domains",
            "a.example secondary",
            "\"secondary\"",
        ),
        (
            Part::Config,
            "values",
            "a/b",
            "expected a path, = and a value",
        ),
        (Part::Window, "times", "late", "\"late\""),
    ] {
        let mut all = sent(part, &before);
        all.iter_mut()
            .filter(|it| it.0 == name)
            .for_each(|it| value.clone_into(&mut it.1));
        let sent = Fields::from(all);
        let problems = part.spec(&before, &sent).unwrap_err();
        let fields = part.sent(&before, &sent, &problems);
        let field = fields.iter().find(|field| field.name == name).unwrap();
        assert_eq!(field.value, value);
        let problem = field.problem.as_deref().unwrap_or_default();
        assert!(problem.contains(said), "{name}: {problem}");
    }
}
