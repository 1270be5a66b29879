//! The maps of the edge, whatever shops there are.

use super::*;

/// The shards of these shops' hosts.
pub(super) fn maps(shops: &[Shop], class: &ShopClass) -> Result<Vec<Object>, EdgeError> {
    let name = |shop: &Shop| shop.metadata.name.clone().unwrap();
    let sites: Vec<_> = shops
        .iter()
        .filter_map(|shop| Some((name(shop), Site::of(shop, class)?)))
        .collect();
    edge::maps(sites.iter().map(|(name, site)| (name.as_str(), site)))
}

#[test]
fn a_class_with_an_ingress_has_no_part_in_the_maps() {
    let (shop, class, _) = example("plain");
    assert!(class.spec.route.map.is_none() && Site::of(&shop, &class).is_none());
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
