//! Shops leave each other, and networks of others, alone.

use super::*;

#[test]
fn nginx_sees_no_secret_of_the_shop() {
    for platform in ["aws", "azure", "gcp", "plain"] {
        let web = find(&rendered(platform, |_, _, _| {}), "Deployment", "web");
        let nginx = &web["spec"]["template"]["spec"]["containers"][0];
        assert_eq!(nginx["name"], "nginx");
        let mounts = nginx["volumeMounts"].as_array().unwrap();
        let seen: Vec<_> = mounts
            .iter()
            .filter(|mount| {
                ["secret", "configured", "app", "trust", "identity"]
                    .iter()
                    .any(|name| mount["name"] == *name)
            })
            .collect();
        assert!(seen.is_empty(), "{platform}: {seen:?}");
    }
}

/// Kubernetes places pods by their requests alone: a node whose pods may take more than they asked
/// for evicts those of other shops, too.
#[test]
fn a_container_of_a_shop_takes_no_more_of_its_nodes_disk_than_is_kept_for_it() {
    let platforms = PLATFORMS.map(|(platform, _)| platform);
    for platform in platforms.into_iter().chain([MAGENTO1]) {
        let objects = rendered(platform, |_, _, render_context| {
            render_context.migrating = Migrating::Now;
        });
        let mut seen = 0;
        for object in &objects {
            let value = object.value();
            let pod = value
                .pointer("/spec/template/spec")
                .or_else(|| value.pointer("/spec/jobTemplate/spec/template/spec"));
            let containers = ["initContainers", "containers"]
                .into_iter()
                .filter_map(|field| pod?[field].as_array())
                .flatten();
            for container in containers {
                let disk = |part: &str| container["resources"][part]["ephemeral-storage"].as_str();
                let name = format!("{}, {}", object.identity(), container["name"]);
                assert!(disk("limits").is_some(), "{platform}: {name}");
                assert_eq!(disk("requests"), disk("limits"), "{platform}: {name}");
                seen += 1;
            }
        }
        // nginx, php-fpm, pull and agent of the Deployment web; cron, pull and agent of cron.
        assert!(seen >= 7, "{platform}: {seen} containers");
    }
}

#[test]
fn the_world_is_open_to_who_says_so_and_never_the_networks_of_others() {
    let (shop, mut class, release) = example("aws");
    let policy = |class: &ShopClass| {
        render(&shop, class, Some(&release), &RenderContext::default())
            .map(|objects| find(&objects, "NetworkPolicy", "shop")["spec"]["egress"].to_string())
    };
    let open = policy(&class).unwrap();
    assert!(
        open.contains("\"0.0.0.0/0\"") && open.contains("\"100.64.0.0/10\""),
        "{open}"
    );
    class.spec.network.store = vec!["52.219.0.0/16".into()];
    assert!(!policy(&class).unwrap().contains("0.0.0.0/0"));
    class.spec.network.store.clear();
    let error = policy(&class).unwrap_err().to_string();
    assert!(
        error.starts_with("class magento2-standard: spec.network.store: lists no addresses"),
        "{error}"
    );
}

#[test]
fn sessions_are_refused_where_a_server_keeps_its_shops_apart() {
    let (mut shop, mut class, release) = example("aws");
    class.spec.backends.caches[0].tenants = Tenants::Separate;
    let error = render(&shop, &class, Some(&release), &RenderContext::default())
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with(
            "shop acme: services.cache.sessions: redis-eu-2 of class magento2-standard keeps its \
             shops apart"
        ),
        "{error}"
    );
    shop.spec.services.cache.as_mut().unwrap().sessions = None;
    assert!(render(&shop, &class, Some(&release), &RenderContext::default()).is_ok());
}

#[test]
fn shops_on_one_redis_leave_each_other_alone() {
    for (platform, file, own, shared) in [
        (
            "aws",
            "env.php",
            "'session' => ['save' => 'db']",
            "'database' => '7'",
        ),
        (
            "azure",
            "local.xml",
            "<session_save>db</session_save>",
            "<db>7</db>",
        ),
    ] {
        let text = |sessions: Option<u32>| {
            let objects = rendered(platform, |shop, class, _| {
                class.spec.backends.caches[0].tenants = Tenants::Trusted;
                shop.spec.services.cache.as_mut().unwrap().sessions = sessions;
            });
            objects
                .iter()
                .map(Object::value)
                .find_map(|object| object["data"][file].as_str().map(str::to_owned))
                .unwrap()
        };
        assert!(
            text(None).contains(own) && !text(None).contains("redis_session"),
            "{}",
            text(None)
        );
        assert!(
            text(Some(7)).contains(shared) && !text(Some(7)).contains(own),
            "{}",
            text(Some(7))
        );
        let objects = rendered(platform, |_, _, _| {});
        let script = objects
            .iter()
            .map(Object::value)
            .find_map(|object| object["data"]["migrate.sh"].as_str().map(str::to_owned))
            .unwrap();
        assert!(
            !script.contains("cache:flush")
                && !script.contains("->flush(")
                && !script.contains("cleanCache()"),
            "{script}"
        );
    }
}

#[test]
fn the_api_server_reaches_agents_where_the_class_says_its_addresses() {
    let rules = |cidrs: &[&str]| {
        let cidrs = cidrs.iter().map(|&cidr| cidr.to_owned()).collect();
        find(
            &rendered("aws", |_, class, _| class.spec.network.api_server = cidrs),
            "NetworkPolicy",
            "shop",
        )["spec"]["ingress"]
            .clone()
    };
    assert_eq!(rules(&[]).as_array().unwrap().len(), 2);
    let expected = json!({ "from": [{ "ipBlock": { "cidr": "10.0.0.1/32" } }], "ports": [{ "port": 980, "protocol": "TCP" }] });
    assert_eq!(rules(&["10.0.0.1/32"])[2], expected);
}
