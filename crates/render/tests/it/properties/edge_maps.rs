//! The maps of the edge, whatever shops there are.

use super::*;

/// The shards of these shops' hosts.
pub(super) fn maps(shops: &[Shop], class: &ShopClass) -> Result<Vec<Object>, EdgeError> {
    let name = |shop: &Shop| shop.metadata.name.clone().unwrap();
    let sites: Vec<_> = shops
        .iter()
        .filter_map(|shop| Some((name(shop), Site::new(shop, class)?)))
        .collect();
    edge::maps(sites.iter().map(|(name, site)| (name.as_str(), site)), &[])
}

#[test]
fn a_class_with_an_ingress_has_no_part_in_the_maps() {
    let (shop, class, _) = example("plain");
    assert!(class.spec.route.map.is_none() && Site::new(&shop, &class).is_none());
}

#[test]
fn a_host_of_the_platform_has_its_lines_and_no_shop_has_it() {
    let (mut shop, class, _) = example("aws");
    shop.spec.domains = vec![Domain {
        host: "console.host.example".to_owned(),
        ..Domain::default()
    }];
    let site = Site::new(&shop, &class).unwrap();
    let platform = ["console.host.example=console/own-tls".parse().unwrap()];
    let shards = edge::maps([("acme", &site)].into_iter(), &platform).unwrap();
    let lines = |file: &str, key: &str| -> Vec<String> {
        let name = edge::shard_name(edge::shard_of(key));
        let shard = shards.iter().find(|it| it.identity().name == name);
        let shard: serde_json::Value = serde_json::from_slice(shard.unwrap().json()).unwrap();
        let text = shard["data"][file].as_str().unwrap();
        let of_key = text.lines().filter_map(|line| line.strip_prefix(key));
        of_key.map(str::to_owned).collect()
    };
    let host = "console.host.example";
    assert_eq!(lines("backends.map", host), [" console"]);
    assert_eq!(lines("certificates.map", host), [" own-tls"]);
    let known = r#" {"weight":256,"workers":2000}"#;
    assert_eq!(lines("shops.map", "console"), [known]);
}

#[test]
fn ten_thousand_hosts_stay_far_below_the_limit() {
    let (shop, class, _) = example("aws");
    let shops: Vec<Shop> = (0..5000)
        .map(|at| {
            let mut shop = shop.clone();
            shop.metadata.name = Some(format!("shop-number-{at}"));
            let host = format!("www.shop-number-{at}.example");
            shop.spec.domains = vec![
                Domain {
                    host: host.clone(),
                    primary: true,
                    ..Domain::default()
                },
                Domain {
                    host: format!("shop-number-{at}.example"),
                    redirect_to: Some(host),
                    ..Domain::default()
                },
            ];
            shop
        })
        .collect();
    let shards = maps(&shops, &class).unwrap();
    let largest = shards.iter().map(|shard| shard.json().len()).max().unwrap();
    assert!(
        shards.len() == 64 && largest < edge::SHARD_LIMIT / 20,
        "{largest}"
    );
}
