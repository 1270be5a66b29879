//! `env.php` and `local.xml`, as PHP reads them.

mod hostile;

use super::{Pod, RELEASE, files, php, printed};
use crate::made::{example, find, rendered};
use api::{
    HttpCache, Outgoing, Queue, QueueRef, RenderContext, Scheme, Search, SearchEngine, SearchRef,
    Shop, ShopClass, Tenants, Tls,
};
use render::render;
use serde_json::{Value, json};

const CA: &str = "/etc/ssl/certs/ca-certificates.crt";

/// What Magento 2 gets of `env.php`.
fn env(change: impl FnOnce(&mut Shop, &mut ShopClass)) -> Value {
    let pod = Pod::new();
    for (key, value) in [
        ("crypt-key", "0123"),
        ("search-user", "searcher"),
        ("search-password", "s'p"),
        ("queue-user", "q"),
    ] {
        pod.put(&format!("etc/secret/{key}"), value);
    }
    pod.configure("env.php", &files("aws", change)["env.php"]);
    let code = "echo json_encode(require 'app/etc/env.php');";
    serde_json::from_str(&printed(&php(&["-r", code], &pod.tree()))).unwrap()
}

/// What Magento 1 gets of `local.xml`.
fn local(change: impl FnOnce(&mut Shop, &mut ShopClass)) -> Value {
    let pod = Pod::new();
    pod.configure("local.xml", &files("azure", change)["local.xml"]);
    let code = "echo json_encode(simplexml_load_file('app/etc/local.xml', \
                SimpleXMLElement::class, LIBXML_NOCDATA));";
    serde_json::from_str(&printed(&php(&["-r", code], &pod.tree()))).unwrap()
}

#[test]
fn env_php_leaves_magento_nothing_to_write() {
    let env = env(|shop, _| shop.spec.config.cache_types = vec!["acme_filters".into()]);
    assert_eq!(env["cache_types"]["acme_filters"], 1);
    // What is missing in cache_types is off, and compiled Magento writes env.php to turn
    // compiled_config on.
    for kind in [
        "config",
        "layout",
        "block_html",
        "compiled_config",
        "eav",
        "full_page",
        "graphql_query_resolver_result",
        "translate",
    ] {
        assert_eq!(env["cache_types"][kind], 1, "{kind}");
    }
    // A salt that is missing is made, and written.
    assert_eq!(
        env["cache"]["graphql"]["id_salt"].as_str().unwrap().len(),
        32
    );
    assert_eq!(
        env["deployment"],
        json!({ "blue_green": { "enabled": true } })
    );
    assert_eq!(
        env["downloadable_domains"],
        json!(["www.acme.example", "hu.acme.example", "acme.example"])
    );
    assert_eq!(
        (&env["remote_storage"]["driver"], &env["lock"]["provider"]),
        (&json!("file"), &json!("db"))
    );
    // Consumers end when there is nothing to do, so that none outlives its release for long.
    assert_eq!(env["queue"]["consumers_wait_for_messages"], 0);
    assert_eq!(
        env["cron_consumers_runner"],
        json!({ "cron_run": true, "max_messages": 1000, "consumers": [] })
    );
}

/// Sessions in the Redis of shops that trust each other.
fn in_redis(shop: &mut Shop, class: &mut ShopClass) {
    class.spec.backends.caches[0].tenants = Tenants::Trusted;
    shop.spec.services.cache.as_mut().unwrap().sessions = Some(7);
}

#[test]
fn sessions_are_locked_and_nobody_waits_for_ever() {
    let redis = env(|_, _| {})["session"]["redis"].clone();
    let limits = [
        "disable_locking",
        "max_concurrency",
        "break_after_frontend",
        "break_after_adminhtml",
    ];
    assert_eq!(
        limits.map(|limit| redis[limit].as_str().unwrap().to_owned()),
        ["0", "20", "5", "30"]
    );
    let redis = local(in_redis)["global"]["redis_session"].clone();
    assert_eq!(
        limits.map(|limit| redis[limit].as_str().unwrap().to_owned()),
        ["0", "20", "5", "30"]
    );
    // As Cm_RedisSession 3 asks.
    assert_eq!(
        (&redis["db"], &redis["break_after_default"]),
        (&json!("7"), &json!("5"))
    );
}

#[test]
fn sessions_in_sql_are_magentos_own_also_where_the_module_of_redis_sessions_is_there() {
    let global = &local(|_, _| {})["global"];
    assert_eq!(global["session_save"], "db");
    let models = serde_json::to_string(&global["models"]).unwrap();
    assert!(
        models.contains(r#""session":"Mage_Core_Model_Resource_Session""#),
        "{models}"
    );
    let global = &local(in_redis)["global"];
    assert!(
        global["session_save"] == "redis"
            && !global["models"].to_string().contains("Resource_Session"),
        "{global}"
    );
}

#[test]
fn search_engine_queues_and_varnish_are_as_class_and_shop_say() {
    let env = env(|shop, class| {
        let backends = &mut class.spec.backends;
        backends.search = vec![Search {
            name: "os".into(),
            engine: SearchEngine::Opensearch,
            host: "search.internal".into(),
            port: 9243,
            scheme: Scheme::Https,
            cidrs: vec![],
        }];
        let tls = Some(Tls { ca_file: CA.into() });
        backends.queues = vec![Queue {
            name: "mq".into(),
            host: "mq.internal".into(),
            port: 5671,
            tls,
            cidrs: vec![],
        }];
        backends.http_caches = vec![HttpCache {
            host: "varnish.internal".into(),
            port: 6081,
            cidrs: vec![],
        }];
        shop.spec.services.search = Some(SearchRef {
            server: "os".into(),
            prefix: "acme".into(),
        });
        shop.spec.services.queue = Some(QueueRef {
            server: "mq".into(),
            virtual_host: "/acme".into(),
        });
        // What the shop says itself wins.
        shop.spec.config.values.insert(
            "default/catalog/search/opensearch_server_timeout".into(),
            "30".into(),
        );
    });
    let expected = json!({
        "engine": "opensearch",
        "opensearch_enable_auth": "1",
        "opensearch_index_prefix": "acme",
        "opensearch_password": "s'p",
        "opensearch_server_hostname": "https://search.internal",
        "opensearch_server_port": "9243",
        "opensearch_server_timeout": "30",
        "opensearch_username": "searcher",
    });
    assert_eq!(env["system"]["default"]["catalog"]["search"], expected);
    assert_eq!(
        env["system"]["default"]["web"]["cookie"]["cookie_lifetime"],
        "7200"
    );
    let expected = json!({
        "host": "mq.internal", "port": "5671", "user": "q", "password": "", "virtualhost": "/acme", "ssl": "true",
        "ssl_options": { "cafile": CA, "verify_peer": true, "verify_peer_name": true },
    });
    assert_eq!(env["queue"]["amqp"], expected);
    assert_eq!(
        env["http_cache_hosts"],
        json!([{ "host": "varnish.internal", "port": "6081" }])
    );
}

#[test]
fn tables_admin_and_encryption_are_as_class_and_shop_say() {
    let change = |shop: &mut Shop, class: &mut ShopClass| {
        shop.spec.config.admin_path = Some("backoffice".into());
        shop.spec.services.database.as_mut().unwrap().table_prefix = Some("m_".into());
        in_redis(shop, class);
        class.spec.backends.databases[0].tls = Some(Tls { ca_file: CA.into() });
        class.spec.backends.caches[0].tls = true;
    };
    let env = env(change);
    assert_eq!(
        (&env["backend"]["frontName"], &env["db"]["table_prefix"]),
        (&json!("backoffice"), &json!("m_"))
    );
    let options = &env["db"]["connection"]["default"]["driver_options"];
    assert_eq!(
        options,
        &json!({ "1009": CA, "1014": true }),
        "PDO::MYSQL_ATTR_SSL_CA and …_VERIFY_SERVER_CERT"
    );
    for server in [
        &env["cache"]["frontend"]["default"]["backend_options"]["server"],
        &env["session"]["redis"]["host"],
    ] {
        assert_eq!(server, "tls://redis-eu-2.c0ffee.euc1.cache.amazonaws.com");
    }
    let local = local(change);
    assert_eq!(
        local["admin"]["routers"]["adminhtml"]["args"]["frontName"],
        "backoffice"
    );
    assert_eq!(local["global"]["resources"]["db"]["table_prefix"], "m_");
    assert_eq!(
        local["global"]["resource"]["connection"]["types"]["pdo_mysql"]["class"],
        "LongshoreMysql"
    );
    assert_eq!(
        local["global"]["cache"]["backend_options"]["server"],
        "tls://redis-weu.internal.example"
    );

    let files = files("azure", change);
    let pod = Pod::new();
    pod.put("LongshoreMysql.php", &files["LongshoreMysql.php"]);
    let code = "class Mage_Core_Model_Resource_Type_Db_Pdo_Mysql { public function \
                getConnection($config) { return $config; } }\nrequire 'LongshoreMysql.php';\necho \
                json_encode((new LongshoreMysql())->getConnection(new \
                SimpleXMLElement('<c><host>h</host></c>')));";
    let read: Value = serde_json::from_str(&printed(&php(&["-r", code], &pod.path("")))).unwrap();
    assert_eq!(
        read,
        json!({ "host": "h", "driver_options": { "1009": CA, "1014": true } })
    );
    assert!(
        files["shop.ini"].contains("include_path = .:/usr/share/php:/etc/shop/php\n"),
        "{}",
        files["shop.ini"]
    );
}

/// The prefix in a file's text.
fn prefix(text: &str) -> String {
    let pattern = regex::Regex::new("(acme|vinyl)_@release@_[0-9a-f]{8}_").unwrap();
    let found: Vec<_> = pattern
        .find_iter(text)
        .map(|found| found.as_str().to_owned())
        .collect();
    assert!(
        !found.is_empty() && found.iter().all(|one| *one == found[0]),
        "{found:?}"
    );
    found[0].clone()
}

#[test]
fn a_release_and_its_caches_are_one() {
    for (platform, file) in [("aws", "env.php"), ("azure", "local.xml")] {
        let of =
            |change: &dyn Fn(&mut Shop)| prefix(&files(platform, |shop, _| change(shop))[file]);
        let usual = of(&|_| {});
        assert_eq!(usual, of(&|_| {}), "a roll back finds its own caches");
        let value = of(&|shop| {
            drop(
                shop.spec
                    .config
                    .values
                    .insert("default/a/b".into(), "1".into()),
            );
        });
        let module = of(&|shop| shop.spec.modules.enable.push("Acme_New".into()));
        let scoped = of(&|shop| {
            drop(
                shop.spec
                    .config
                    .values
                    .insert("stores/de/a/b".into(), "1".into()),
            );
        });
        let all = std::collections::BTreeSet::from([usual, value, module, scoped]);
        assert_eq!(
            all.len(),
            4,
            "each reads only what it has cached itself: {all:?}"
        );
    }
    let env = env(|_, _| {});
    let frontends = &env["cache"]["frontend"];
    assert_eq!(
        frontends["default"]["id_prefix"],
        frontends["page_cache"]["id_prefix"]
    );
    assert!(
        frontends["default"]["id_prefix"]
            .as_str()
            .unwrap()
            .starts_with(&format!("acme_{RELEASE}_"))
    );
    let text = &files("aws", |_, _| {})["env.php"];
    assert!(
        !text.contains("realpath") && !text.contains("getenv"),
        "PHP's cache of paths knows an old release for minutes"
    );
}
