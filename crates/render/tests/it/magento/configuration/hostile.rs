//! What people write into values, and whom pods reach.

use super::*;

#[test]
fn what_people_write_is_no_placeholder() {
    let text = "a@release@b @secret:crypt-key@ \\ ' ]]> &\r\n<x>";
    let value = |shop: &mut Shop, _: &mut ShopClass| {
        drop(
            shop.spec
                .config
                .values
                .insert("default/a/b".into(), text.into()),
        );
    };
    assert_eq!(env(value)["system"]["default"]["a"]["b"], text);
    assert_eq!(local(value)["default"]["a"]["b"], text);
}

#[test]
fn what_xml_cannot_say_is_refused() {
    let refused = |path: &str, value: &str| {
        let (mut shop, class, release) = example("azure");
        shop.spec.config.values = [(path.to_owned(), value.to_owned())].into();
        render(&shop, &class, Some(&release), &RenderContext::default())
            .unwrap_err()
            .to_string()
    };
    assert!(refused("default/a/b", "bell\u{7}").contains("holds a control character"));
    assert!(refused("default/2nd/b", "x").contains("a name that begins with a digit"));
    assert!(refused("default/a b/c", "x").contains("names of letters, digits, '_' and '-'"));
}

#[test]
fn pods_reach_what_class_and_shop_name_and_nothing_else() {
    let range = |text: &str| vec![text.to_owned()];
    let egress = |named: bool| {
        let objects = rendered("aws", |shop, class, _| {
            let backends = &mut class.spec.backends;
            backends.search = vec![Search {
                name: "os".into(),
                engine: SearchEngine::Opensearch,
                host: "s".into(),
                port: 9200,
                scheme: Scheme::Http,
                cidrs: range("10.1.0.0/24"),
            }];
            backends.queues = vec![Queue {
                name: "mq".into(),
                host: "q".into(),
                port: 5672,
                tls: None,
                cidrs: range("10.1.1.0/24"),
            }];
            backends.http_caches = vec![HttpCache {
                host: "v".into(),
                port: 6081,
                cidrs: range("10.1.2.0/24"),
            }];
            class.spec.network.outgoing = vec![Outgoing {
                name: "mail".into(),
                cidrs: range("10.1.3.0/24"),
                ports: vec![465, 587],
            }];
            shop.spec.services.search = named.then(|| SearchRef {
                server: "os".into(),
                prefix: "acme".into(),
            });
            shop.spec.services.queue = named.then(|| QueueRef {
                server: "mq".into(),
                virtual_host: "acme".into(),
            });
        });
        let rules = find(&objects, "NetworkPolicy", "shop")["spec"]["egress"].clone();
        let of = |rule: &Value| {
            let port = &rule["ports"][0]["port"];
            rule["to"][0]["ipBlock"]["cidr"]
                .as_str()
                .filter(|cidr| cidr.starts_with("10.1."))
                .map(|cidr| format!("{cidr}:{port}"))
        };
        rules
            .as_array()
            .unwrap()
            .iter()
            .filter_map(of)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        egress(false),
        ["10.1.2.0/24:6081", "10.1.3.0/24:465", "10.1.3.0/24:587"]
    );
    assert_eq!(egress(true)[..2], ["10.1.0.0/24:9200", "10.1.1.0/24:5672"]);
}
