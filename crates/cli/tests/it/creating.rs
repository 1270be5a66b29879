//! `shop create`, against the classes and shops of the examples.

use crate::command::{printed, refused};
use registry::Rules;
use serde_json::{Value, json};

const REGISTRY: [&str; 6] = [
    "--registry",
    "manifests/examples/shops/release.yaml",
    "--registry",
    "manifests/examples/shops/aws/class.yaml",
    "--registry",
    "manifests/examples/shops/aws/shop.yaml",
];

fn create<'a>(words: &[&'a str]) -> Vec<&'a str> {
    [
        &["shop", "create"],
        words,
        &["--dry-run", "--output", "json"],
        &REGISTRY,
    ]
    .concat()
}

#[test]
fn a_shop_is_made_of_few_words() {
    let words = [
        "new-shop",
        "--class",
        "magento2-standard",
        "--domain",
        "www.new.example",
        "--domain",
        "new.example",
        "--max",
        "4",
        "--access-point",
        "fsap-0aaaaaaaaaaaaaaa0",
    ];
    let text = printed(&create(&words), "");
    let [secret, shop]: [Value; 2] = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect::<Vec<_>>()
        .try_into()
        .unwrap();
    assert_eq!(
        Rules::new().problems("Shop", &shop, None),
        Vec::<String>::new()
    );
    let spec = json!({
        "class": "magento2-standard",
        "channel": "shops/new-shop",
        "domains": [{ "host": "www.new.example", "primary": true }, { "host": "new.example", "redirectTo": "www.new.example" }],
        "scale": { "max": 4 },
        "config": { "secretRef": { "name": "new-shop-env" } },
        "services": {
            "database": { "ref": "aurora-eu-1", "name": "shop_new_shop" },
            "cache": { "ref": "redis-eu-2", "prefix": "new_shop_" },
            "media": { "ref": "efs-eu-1", "path": "/shops/new-shop", "accessPoint": "fsap-0aaaaaaaaaaaaaaa0" },
            "search": { "ref": "opensearch-eu-1", "prefix": "new-shop" },
        },
    });
    assert_eq!(shop["spec"], spec);
    let expected = json!({ "database-user": "REPLACE-ME", "database-password": "REPLACE-ME", "crypt-key": "REPLACE-ME" });
    assert_eq!(
        (&secret["metadata"]["namespace"], &secret["stringData"]),
        (&json!("shop-new-shop"), &expected)
    );
}

#[test]
fn what_speaks_against_it_is_said_at_once() {
    let words = [
        "acme",
        "--class",
        "magento2-standard",
        "--domain",
        "hu.acme.example",
        "--database",
        "aurora-eu-9/shop_x",
        "--cache",
        "redis-eu-2/ac",
    ];
    let said = refused(&create(&words), "");
    for says in [
        "shop acme is there already",
        "services.database.ref=\"aurora-eu-9\" is not in the backends",
        "[reason: registry]",
    ] {
        assert!(said.contains(says), "{says}: {said}");
    }
    let words = [
        "other",
        "--class",
        "magento2-standard",
        "--domain",
        "acme.example",
        "--database",
        "aurora-eu-1/shop_acme",
        "--media",
        "efs-eu-1/shops/acme/x",
        "--cache",
        "redis-eu-2/acme_x_",
        "--sessions",
        "2",
    ];
    let said = refused(&create(&words), "");
    for says in [
        "host acme.example belongs to shop acme",
        "database shop_acme of aurora-eu-1.cluster-c0ffee.eu-central-1.rds.amazonaws.com:3306 \
         belongs to shop acme",
        "directory fs-0123456789abcdef0/shops/acme/x: directory fs-0123456789abcdef0/shops/acme, \
         which is in it or around it, belongs to shop acme",
        "cache prefix acme_x_ of",
        "database 2 for sessions of redis-eu-2.c0ffee.euc1.cache.amazonaws.com:6379 belongs to \
         shop acme",
    ] {
        assert!(said.contains(says), "{says}: {said}");
    }
    for (words, says) in [
        (
            &["other", "--class", "nothing", "--domain", "other.example"][..],
            "class nothing does not exist; there are: magento2-standard",
        ),
        (
            &[
                "Other",
                "--class",
                "magento2-standard",
                "--domain",
                "other.example",
            ],
            "spec.channel: \"shops/Other\" is not a channel",
        ),
        (
            &[
                "other",
                "--class",
                "magento2-standard",
                "--domain",
                "Other.example",
            ],
            "spec.domains[0].host",
        ),
    ] {
        let said = refused(&create(words), "");
        assert!(said.contains(says), "{says}: {said}");
    }
}
