use super::*;
use api::fixtures;
use client::scripted::{Script, expect};

const SECRET: &str = "GET /api/v1/namespaces/shop-new/secrets/new-env";

fn fleet() -> Fleet {
    let mut fleet = Fleet::default();
    let old = fixtures::shop("old", json!({}));
    fleet.shops.insert("old".to_owned(), old);
    let server = |name: &str| json!({ "name": name, "host": format!("{name}.example"), "port": 3306, "cidrs": ["192.0.2.0/24"] });
    let backends = json!({ "databases": [server("db-1"), server("db-2")] });
    for (name, more) in [
        ("php", json!({ "backends": backends.clone() })),
        (
            "magento",
            json!({ "engine": "Magento1", "backends": backends }),
        ),
    ] {
        fleet
            .classes
            .insert(name.to_owned(), fixtures::class(name, more));
    }
    fleet
}

fn wanted(name: &str, class: &str, domains: &[&str]) -> NewShop {
    NewShop {
        name: name.to_owned(),
        class: class.to_owned(),
        domains: domains.iter().map(|host| (*host).to_owned()).collect(),
        ..NewShop::default()
    }
}

#[test]
fn a_few_words_are_a_shop_and_the_keys_of_its_secret() {
    let mut wanted = wanted("new", "php", &["www.new.example", "new.example"]);
    wanted.database = Some(("db-1".to_owned(), "new".to_owned()));
    let draft = wanted.draft(&fleet());
    assert_eq!(draft.problems, Vec::<String>::new());
    assert_eq!(draft.keys, ["database-user", "database-password"]);
    assert!(draft.notes[0].starts_with("no Release of shops/new is in the cluster yet"));
    let expected = json!({
        "class": "php", "channel": "shops/new",
        "domains": [
            { "host": "www.new.example", "primary": true },
            { "host": "new.example", "redirectTo": "www.new.example" },
        ],
        "services": { "database": { "ref": "db-1", "name": "new" } },
        "config": { "secretRef": { "name": "new-env" } },
    });
    assert_eq!(draft.shop.unwrap()["spec"], expected);
}

#[test]
fn what_speaks_against_it_is_said() {
    let mut taken = wanted("other", "php", &["old.example"]);
    taken.database = Some(("db-9".to_owned(), "x".to_owned()));
    for (wanted, said) in [
        (
            wanted("new", "none", &["new.example"]),
            "class none does not exist; there are: magento, php",
        ),
        (
            wanted("old", "php", &["other.example"]),
            "shop old is there already",
        ),
        (
            wanted("New", "php", &["new.example"]),
            "spec.channel: \"shops/New\" is not a channel",
        ),
        (
            wanted("new", "php", &["new"]),
            "spec.domains[0].host: \"new\" is not a host name",
        ),
        (
            wanted("new", "magento", &["new.example"]),
            "database: the class has db-1, db-2; say which",
        ),
        (taken.clone(), "host old.example belongs to shop old"),
        (
            taken,
            "services.database.ref=\"db-9\" is not in the backends of class php",
        ),
    ] {
        let problems = wanted.draft(&fleet()).problems.join("\n");
        assert!(problems.contains(said), "{said}: {problems}");
    }
}

#[tokio::test]
async fn of_a_secret_the_keys_are_told_and_nothing_else() {
    let secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": {}, "data": { "crypt-key": "c2VjcmV0" } });
    let script = Script::new([
        expect(SECRET).answers(secret),
        expect(SECRET).refuses(403, "Forbidden", "no"),
        expect(SECRET).refuses(404, "NotFound", "none"),
    ]);
    let keys = SecretKeys::Keys(BTreeSet::from(["crypt-key".to_owned()]));
    for expected in [keys, SecretKeys::Unknown, SecretKeys::Nothing] {
        let found = look(&script.cluster(), "new", "new-env").await.unwrap();
        assert!(!format!("{found:?}").contains("c2VjcmV0"));
        assert_eq!(found, expected);
    }
    script.end();
}

#[tokio::test]
async fn a_shop_that_somebody_made_meanwhile_is_left_alone() {
    let shop = json!({ "apiVersion": "longshore.dev/v1alpha1", "kind": "Shop", "metadata": { "name": "new" }, "spec": {} });
    let path = "/apis/longshore.dev/v1alpha1/shops/new";
    let script = Script::new([
        expect(&format!("GET {path}")).answers(shop.clone()),
        expect(&format!("GET {path}")).refuses(404, "NotFound", "none"),
        expect(&format!("PATCH {path} fieldManager=kubectl")).stores(),
    ]);
    let cluster = script.cluster();
    let error = store(&cluster, &shop).await.unwrap_err();
    assert!(matches!(error, OperationError::Moved(_)), "{error}");
    store(&cluster, &shop).await.unwrap();
    script.end();
}
