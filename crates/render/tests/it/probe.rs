//! How agents ask the shop: as its visitors do.

use crate::made::{find, rendered};
use api::{Probe, Scheme, Shop, ShopClass};
use std::collections::BTreeMap;

fn settings(
    platform: &str,
    change: impl FnOnce(&mut Shop, &mut ShopClass),
) -> BTreeMap<String, String> {
    let objects = rendered(platform, |shop, class, _| change(shop, class));
    let web = find(&objects, "Deployment", "web");
    let containers = web["spec"]["template"]["spec"]["initContainers"]
        .as_array()
        .unwrap();
    let agent = containers
        .iter()
        .find(|container| container["name"] == "agent")
        .unwrap();
    let variables = agent["env"].as_array().unwrap().iter();
    let variables = variables.map(|it| {
        (
            it["name"].as_str().unwrap().to_owned(),
            it["value"].as_str().unwrap_or_default().to_owned(),
        )
    });
    variables
        .filter(|(name, _)| name.starts_with("LONGSHORE_PROBE"))
        .collect()
}

#[test]
fn what_nobody_says_suits_the_engine() {
    let scheme = |platform, values: &[(&str, &str)]| {
        let values: Vec<_> = values
            .iter()
            .map(|(path, value)| ((*path).to_owned(), (*value).to_owned()))
            .collect();
        settings(platform, |shop, _| shop.spec.config.values.extend(values))
            ["LONGSHORE_PROBE_SCHEME"]
            .clone()
    };
    for platform in ["aws", "azure", "gcp"] {
        assert_eq!(scheme(platform, &[]), "https", "{platform}");
        let clear = [("default/web/secure/base_url", "http://shop.example/")];
        assert_eq!(scheme(platform, &clear), "http", "{platform}");
        let both = [
            clear[0],
            ("default/web/unsecure/base_url", "https://shop.example/"),
        ];
        assert_eq!(scheme(platform, &both), "https", "{platform}");
    }
    assert_eq!(scheme("plain", &[]), "http");
    let php = settings("plain", |_, _| {});
    assert_eq!(php["LONGSHORE_PROBE"], "http://127.0.0.1:8080/");
    // Nothing of Magento's, and what the agent itself takes for good.
    assert_eq!(
        php.keys().collect::<Vec<_>>(),
        [
            "LONGSHORE_PROBE",
            "LONGSHORE_PROBE_HOST",
            "LONGSHORE_PROBE_SCHEME"
        ]
    );
}

#[test]
fn a_rehearsal_gets_the_store_that_nginx_gives() {
    let params = |code: Option<&str>| {
        let code = code.map(str::to_owned);
        settings("aws", |shop, _| {
            for domain in &mut shop.spec.domains {
                domain.store_code = if domain.primary {
                    code.clone()
                } else {
                    Some("other".to_owned())
                };
            }
        })["LONGSHORE_PROBE_PARAMS"]
            .clone()
    };
    assert_eq!(params(Some("ro")), "MAGE_RUN_CODE=ro,MAGE_RUN_TYPE=store");
    assert_eq!(params(None), "MAGE_RUN_TYPE=store");
}

#[test]
fn a_shop_overrides_its_class_field_by_field() {
    let found = settings("plain", |shop, class| {
        class.spec.probe = Probe {
            path: Some("/en/?probe=1".to_owned()),
            status: Some("200-399".to_owned()),
            scheme: Some(Scheme::Https),
            contains: Some("</html>".to_owned()),
        };
        shop.spec.probe = Probe {
            status: Some("200".to_owned()),
            ..Probe::default()
        };
    });
    assert_eq!(
        found["LONGSHORE_PROBE"],
        "http://127.0.0.1:8080/en/?probe=1"
    );
    let rest = ["STATUS", "SCHEME", "CONTAINS"]
        .map(|name| found[&format!("LONGSHORE_PROBE_{name}")].as_str());
    assert_eq!(rest, ["200", "https", "</html>"]);
}

#[test]
fn a_shops_text_is_no_way_to_the_agents_credentials() {
    let text = Some("$(AWS_SECRET_ACCESS_KEY)".to_owned());
    let found = settings("plain", |shop, _| {
        shop.spec.probe = Probe {
            contains: text,
            ..Probe::default()
        }
    });
    // Kubernetes makes one dollar of two, and expands nothing.
    assert_eq!(
        found["LONGSHORE_PROBE_CONTAINS"],
        "$$(AWS_SECRET_ACCESS_KEY)"
    );
}
