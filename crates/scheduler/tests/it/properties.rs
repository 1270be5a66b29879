//! Any shop that the rules take renders to objects that pass every check, to the same bytes twice, and without a trace in other shops.

use crate::made::{RULES, example};
use proptest::prelude::*;
use scheduler::{
    check,
    cluster::edge::{self, EdgeError, Site},
    crd::{Backup, BackupSchedule, Domain, Modules, Scale, Shop, ShopClass, ShopState, StorageMode},
    render::{Migrating, Moment, Object, name, render},
};
use serde_json::json;

fn host() -> impl Strategy<Value = String> {
    "[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?\\.[a-z]{2,10}"
}

fn domains() -> impl Strategy<Value = Vec<Domain>> {
    prop::collection::btree_set(host(), 1..12).prop_flat_map(|hosts| {
        let hosts: Vec<String> = hosts.into_iter().collect();
        prop::collection::vec((any::<bool>(), prop::option::of("[a-z][a-z0-9_]{0,31}")), hosts.len()).prop_map(move |how| {
            let primary = hosts[0].clone();
            hosts
                .iter()
                .zip(how)
                .enumerate()
                .map(|(at, (host, (redirects, store_code)))| Domain {
                    host: host.clone(),
                    primary: at == 0,
                    store_code,
                    redirect_to: (at > 0 && redirects).then(|| primary.clone()),
                })
                .collect()
        })
    })
}

fn scale() -> impl Strategy<Value = Scale> {
    (1..=200_u32, 0..=199_u32).prop_map(|(min, more)| Scale { min, max: (min + more).min(200), ..Scale::default() })
}

fn state() -> impl Strategy<Value = ShopState> {
    prop::sample::select(vec![ShopState::Active, ShopState::Maintenance, ShopState::Suspended, ShopState::Archived])
}

/// A change of one of the examples to any other valid shop.
fn shop(platform: &'static str) -> impl Strategy<Value = Shop> {
    let modules = prop::collection::btree_set("[A-Z][a-z]{0,9}_[A-Z][a-z]{0,9}", 0..10);
    let values = prop::collection::btree_map("(default|stores/ro)/[a-z_]{1,10}/[a-z0-9_]{1,10}", "\\PC{0,60}", 0..10);
    let backup = prop::sample::select(vec![BackupSchedule::Daily, BackupSchedule::Weekly, BackupSchedule::Never]);
    ("[a-z]([a-z0-9-]{0,55}[a-z0-9])?", domains(), scale(), state(), modules, values, backup).prop_map(
        move |(name, domains, scale, state, modules, values, schedule)| {
            let mut shop = example(platform).0;
            shop.metadata.name = Some(name);
            let modules: Vec<String> = modules.into_iter().collect();
            let (enable, disable) = modules.split_at(modules.len() / 2);
            shop.spec.modules = Modules { enable: enable.to_vec(), disable: disable.to_vec() };
            (shop.spec.domains, shop.spec.scale, shop.spec.state, shop.spec.config.values) = (domains, scale, state, values);
            shop.spec.backup = Backup { schedule, ..shop.spec.backup };
            shop
        },
    )
}

fn moment() -> impl Strategy<Value = Moment> {
    (prop::option::of(1..=200_u32), prop::sample::select(vec![Migrating::No, Migrating::Soon, Migrating::Now]))
        .prop_map(|(floor, migrating)| Moment { floor, migrating, ..Moment::default() })
}

fn any_shop() -> impl Strategy<Value = (&'static str, Shop)> {
    prop::sample::select(vec!["aws", "azure", "gcp", "plain"])
        .prop_flat_map(|platform| shop(platform).prop_map(move |shop| (platform, shop)))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn a_valid_shop_renders_to_objects_that_pass_every_check((platform, shop) in any_shop(), moment in moment(), csi in any::<bool>()) {
        let mut value = serde_json::to_value(&shop).unwrap();
        value["metadata"]["name"] = json!(shop.metadata.name);
        prop_assert_eq!(RULES.problems("Shop", &value, None), Vec::<String>::new());

        let (_, mut class, release) = example(platform);
        if csi {
            (class.spec.storage.mode, class.spec.node_cache) = (StorageMode::Csi, None);
        }
        let objects = render(&shop, &class, Some(&release), &moment).unwrap();
        prop_assert_eq!(check::shop(&objects), vec![]);
        prop_assert_eq!(&objects, &render(&shop, &class, Some(&release), &moment).unwrap());
        let name = shop.metadata.name.as_deref().unwrap();
        let namespace = name::namespace(name);
        for object in &objects {
            prop_assert!(object.identity().namespace.as_ref().is_none_or(|own| *own == namespace), "{}", object.identity());
            prop_assert_eq!(&object.value()["metadata"]["labels"]["longshore.dev/shop"], &json!(name));
        }
    }

    #[test]
    fn what_a_shop_says_stays_text(value in "[ -~]{0,80}") {
        let (mut shop, class, release) = example("aws");
        shop.spec.config.values = [("default/a/b".to_owned(), value.clone())].into();
        let objects = render(&shop, &class, Some(&release), &Moment::default()).unwrap();
        let env = objects.iter().map(scheduler::render::Object::value).find_map(|it| it["data"]["env.php"].as_str().map(str::to_owned)).unwrap();
        let line = env.lines().find(|line| line.trim_start().starts_with("'b' => ")).unwrap().trim();
        let quoted = line.strip_prefix("'b' => '").and_then(|rest| rest.strip_suffix("',")).unwrap();
        // As PHP reads a text in single quotes: a quote or a backslash only ever after a backslash.
        let mut characters = quoted.chars();
        let mut read = String::new();
        while let Some(character) = characters.next() {
            prop_assert!(character != '\'');
            read.push(if character == '\\' { characters.next().unwrap() } else { character });
        }
        prop_assert_eq!(read, value);
    }

    #[test]
    fn one_hosts_change_touches_one_shard(hosts in prop::collection::btree_set(host(), 2..60)) {
        let (shop, class, _) = example("aws");
        let shops: Vec<Shop> = hosts.iter().enumerate().map(|(at, host)| {
            let mut shop = shop.clone();
            shop.metadata.name = Some(format!("s{at}"));
            shop.spec.domains = vec![Domain { host: host.clone(), primary: true, ..Domain::default() }];
            shop
        }).collect();
        let before = maps(&shops, &class).unwrap();
        let after = maps(&shops[1..], &class).unwrap();
        let changed: Vec<_> = before.iter().zip(&after).filter(|(a, b)| a != b).map(|(a, _)| a.identity().name.clone()).collect();
        let shard = edge::shard_of(&shops[0].spec.domains[0].host);
        prop_assert_eq!(changed, vec![format!("edge-{shard:02}")]);
    }
}

/// The shards of these shops' hosts.
fn maps(shops: &[Shop], class: &ShopClass) -> Result<Vec<Object>, EdgeError> {
    let name = |shop: &Shop| shop.metadata.name.clone().unwrap();
    let sites: Vec<_> = shops.iter().filter_map(|shop| Some((name(shop), Site::of(shop, class)?))).collect();
    edge::maps(sites.iter().map(|(name, site)| (name.as_str(), site)))
}

#[test]
fn two_shops_with_one_host_make_no_maps_and_every_claim_is_told() {
    let (shop, class, _) = example("aws");
    let mut other = shop.clone();
    other.metadata.name = Some("zzz".into());
    let error = maps(&[shop, other], &class).unwrap_err();
    let claim = |host: &str| format!("host {host} belongs to shop acme and to shop zzz");
    let claims = ["www.acme.example", "hu.acme.example", "acme.example"].map(claim).join("; ");
    assert_eq!(error.to_string(), claims);
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
                Domain { host: host.clone(), primary: true, ..Domain::default() },
                Domain { host: format!("shop-number-{at}.example"), redirect_to: Some(host), ..Domain::default() },
            ];
            shop
        })
        .collect();
    let shards = maps(&shops, &class).unwrap();
    let largest = shards.iter().map(|shard| shard.json().len()).max().unwrap();
    assert!(shards.len() == 64 && largest < edge::SHARD_LIMIT / 20, "{largest}");
}
