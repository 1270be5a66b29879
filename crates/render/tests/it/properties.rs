//! Any shop that the rules take renders to objects that pass every check, to the same bytes twice,
//! and without a trace in other shops.

mod edge_maps;

use edge_maps::maps;

use crate::made::{RULES, example};
use api::{
    AzureIdentity, Backup, BackupSchedule, Campaign, CloudIdentity, Domain, Engine, ExtraContainer,
    ExtraVariable, GoogleIdentity, Idle, IdleMode, Migrating, Modules, Object, Overlay,
    PodIdentity, RenderContext, Scale, SecretIdentity, Shop, ShopClass, ShopState, Size, Sizes,
    StorageMode, Target, Tenants, WebIdentity, Window, name,
};
use proptest::prelude::*;
use registry::{Document, list};
use release::Migration;
use render::{
    check,
    edge::{self, EdgeError, Site},
    render,
};
use serde_json::json;

fn host() -> impl Strategy<Value = String> {
    "[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?\\.[a-z]{2,10}"
}

fn domains() -> impl Strategy<Value = Vec<Domain>> {
    prop::collection::btree_set(host(), 1..12).prop_flat_map(|hosts| {
        let hosts: Vec<String> = hosts.into_iter().collect();
        prop::collection::vec(
            (any::<bool>(), prop::option::of("[a-z][a-z0-9_]{0,31}")),
            hosts.len(),
        )
        .prop_map(move |how| {
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
                    ..Domain::default()
                })
                .collect()
        })
    })
}

fn scale() -> impl Strategy<Value = Scale> {
    let campaign = (
        "[0-9]|[1-5][0-9]",
        0..24_u32,
        1..=28_u32,
        1..=12_u32,
        1..=744_u32,
    )
        .prop_map(|(minute, hour, day, month, hours)| Campaign {
            cron: format!("{minute} {hour} {day} {month} *"),
            time_zone: "Europe/Bucharest".to_owned(),
            duration_hours: hours,
            min: 1,
        });
    let idle = prop::option::of((1..=60_u32).prop_map(|minutes| Idle {
        after: format!("{minutes}m").parse().unwrap(),
        mode: IdleMode::KeepOne,
    }));
    let target = (10..=95_u32, prop::option::of(10..=95_u32)).prop_map(
        |(cpu_percent, busy_workers_percent)| Target {
            cpu_percent,
            busy_workers_percent,
        },
    );
    (
        1..=200_u32,
        0..=199_u32,
        prop::collection::vec(campaign, 0..4),
        idle,
        target,
    )
        .prop_map(|(min, more, schedule, idle, target)| Scale {
            min,
            max: (min + more).min(200),
            schedule,
            idle,
            target,
        })
}

fn window() -> impl Strategy<Value = Option<Window>> {
    let time =
        || (0..24_u32, 0..60_u32).prop_map(|(hour, minute)| format!("{hour:02}:{minute:02}"));
    let times = prop::collection::vec(
        (time(), time()).prop_map(|(from, until)| format!("{from}-{until}")),
        1..4,
    );
    prop::option::of(times.prop_map(|times| Window {
        times: times.iter().map(|it| it.parse().unwrap()).collect(),
        time_zone: "Europe/Bucharest".to_owned(),
    }))
}

fn size() -> impl Strategy<Value = Size> {
    (1..4000_u32, 16..4096_u32, 0..4096_u32, any::<bool>()).prop_map(
        |(cpu, memory, more, limited)| Size {
            cpu: format!("{cpu}m"),
            memory: format!("{memory}Mi"),
            memory_limit: limited.then(|| format!("{}Mi", memory + more)),
            cpu_limit: limited.then(|| format!("{}m", cpu + more)),
        },
    )
}

fn overlay() -> impl Strategy<Value = Overlay> {
    let map =
        || prop::collection::btree_map("[a-z]{1,8}\\.example/[a-z]{1,8}", "[a-z0-9]{1,20}", 0..4);
    let variables = || {
        prop::collection::btree_map("X_[A-Z0-9_]{0,20}", "\\PC{0,40}", 0..4).prop_map(|all| {
            all.into_iter()
                .map(|(name, value)| ExtraVariable { name, value })
                .collect::<Vec<_>>()
        })
    };
    let containers = prop::collection::btree_map("x-[a-z0-9]{1,20}", (size(), variables()), 0..3)
        .prop_map(|all| {
            let image = format!("x@sha256:{}", "0".repeat(64));
            let container = |(name, (size, env))| ExtraContainer {
                name,
                image: image.clone(),
                command: Vec::new(),
                size,
                env,
            };
            all.into_iter().map(container).collect()
        });
    (map(), map(), map(), map(), variables(), containers).prop_map(
        |(labels, annotations, pod_labels, pod_annotations, extra_env, extra_containers)| Overlay {
            labels,
            annotations,
            pod_labels,
            pod_annotations,
            extra_env,
            extra_containers,
            ..Overlay::default()
        },
    )
}

fn identity() -> impl Strategy<Value = CloudIdentity> {
    let role = || "arn:aws:iam::1:role/r".to_owned();
    prop::sample::select(vec![
        CloudIdentity::default(),
        CloudIdentity {
            pod_identity: Some(PodIdentity {}),
            ..CloudIdentity::default()
        },
        CloudIdentity {
            secret: Some(SecretIdentity {
                name: "keys".to_owned(),
            }),
            ..CloudIdentity::default()
        },
        CloudIdentity {
            web_identity: Some(WebIdentity {
                role_arn: role(),
                audience: "a".to_owned(),
            }),
            ..CloudIdentity::default()
        },
        CloudIdentity {
            azure: Some(AzureIdentity {
                client_id: "00000000-1111-2222-3333-444444444444".to_owned(),
                role_arn: role(),
            }),
            ..CloudIdentity::default()
        },
        CloudIdentity {
            google: Some(GoogleIdentity {
                service_account: "a@b.example".to_owned(),
                role_arn: role(),
            }),
            ..CloudIdentity::default()
        },
    ])
}

/// A change of one of the examples' classes to another valid one.
fn class(platform: &'static str) -> impl Strategy<Value = ShopClass> {
    let engine = prop::sample::select(vec![Engine::Magento1, Engine::Magento2, Engine::Php]);
    let metric = prop::option::of("[a-z]{1,20}");
    (
        engine,
        overlay(),
        identity(),
        any::<bool>(),
        prop::collection::vec(size(), 6),
        metric,
    )
        .prop_map(move |(engine, overlay, identity, csi, sizes, metric)| {
            let mut class = example(platform).1;
            let spec = &mut class.spec;
            // Without a database and media an engine of Magento is refused, which is tested
            // elsewhere.
            if platform != "plain" {
                spec.engine = engine;
            }
            (spec.overlay, spec.identity, spec.busy_workers_metric) = (overlay, identity, metric);
            if spec.identity == CloudIdentity::default() {
                // IAM with nobody to sign is refused, which is tested elsewhere.
                for media in &mut spec.backends.media {
                    media.tenants = Tenants::Trusted;
                    media.efs.iter_mut().for_each(|efs| efs.iam = false);
                }
            }
            if csi {
                (spec.storage.mode, spec.node_cache) = (StorageMode::Csi, None);
            }
            let [pull, agent, php_fpm, nginx, cron, job]: [Size; 6] = sizes.try_into().unwrap();
            spec.sizes = Sizes {
                pull,
                agent,
                php_fpm,
                nginx,
                cron,
                job,
            };
            class
        })
}

fn state() -> impl Strategy<Value = ShopState> {
    prop::sample::select(vec![
        ShopState::Active,
        ShopState::Maintenance,
        ShopState::Suspended,
        ShopState::Archived,
    ])
}

/// A change of one of the examples to any other valid shop.
fn shop(platform: &'static str) -> impl Strategy<Value = Shop> {
    let modules = prop::collection::btree_set("[A-Z][a-z]{0,9}_[A-Z][a-z]{0,9}", 0..10);
    let values = prop::collection::btree_map(
        "(default|stores/ro)/[a-z_]{1,10}/[a-z_][a-z0-9_]{0,9}",
        "\\PC{0,60}",
        0..10,
    );
    let backup = prop::sample::select(vec![
        BackupSchedule::Daily,
        BackupSchedule::Weekly,
        BackupSchedule::Never,
    ]);
    (
        "[a-z]([a-z0-9-]{0,55}[a-z0-9])?",
        domains(),
        scale(),
        state(),
        modules,
        values,
        (backup, window()),
    )
        .prop_map(
            move |(name, domains, scale, state, modules, values, (schedule, window))| {
                let mut shop = example(platform).0;
                shop.metadata.name = Some(name);
                let modules: Vec<String> = modules.into_iter().collect();
                let (enable, disable) = modules.split_at(modules.len() / 2);
                shop.spec.modules = Modules {
                    enable: enable.to_vec(),
                    disable: disable.to_vec(),
                };
                (
                    shop.spec.domains,
                    shop.spec.scale,
                    shop.spec.state,
                    shop.spec.config.values,
                ) = (domains, scale, state, values);
                shop.spec.window = window;
                shop.spec.backup = Backup {
                    schedule,
                    ..shop.spec.backup
                };
                shop
            },
        )
}

fn render_context() -> impl Strategy<Value = RenderContext> {
    (
        prop::option::of(1..=200_u32),
        prop::sample::select(vec![Migrating::No, Migrating::Soon, Migrating::Now]),
    )
        .prop_map(|(floor, migrating)| RenderContext {
            floor,
            migrating,
            closed: migrating != Migrating::No,
            ..RenderContext::default()
        })
}

fn any_shop() -> impl Strategy<Value = (&'static str, Shop, ShopClass)> {
    prop::sample::select(vec!["aws", "azure", "gcp", "plain"]).prop_flat_map(|platform| {
        (shop(platform), class(platform)).prop_map(move |(shop, class)| (platform, shop, class))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn a_valid_shop_renders_to_objects_that_pass_every_check((platform, shop, class) in any_shop(), render_context in render_context(), breaking in any::<bool>()) {
        let mut value = serde_json::to_value(&shop).unwrap();
        value["metadata"]["name"] = json!(shop.metadata.name);
        prop_assert_eq!(RULES.problems("Shop", &value, None), Vec::<String>::new());

        let value = serde_json::to_value(&class).unwrap();
        prop_assert_eq!(RULES.problems("ShopClass", &value, None), Vec::<String>::new());

        let (_, _, mut release) = example(platform);
        if breaking {
            release.migration = Migration::Breaking;
        }
        let objects = render(&shop, &class, Some(&release), &render_context).unwrap();
        prop_assert_eq!(check::shop(&objects), vec![]);
        prop_assert_eq!(&objects, &render(&shop, &class, Some(&release), &render_context).unwrap());
        let name = shop.metadata.name.as_deref().unwrap();
        let namespace = name::namespace(name);
        for object in &objects {
            prop_assert!(object.identity().namespace.as_ref().is_none_or(|own| *own == namespace), "{}", object.identity());
            prop_assert_eq!(&object.value()["metadata"]["labels"]["longshore.dev/shop"], &json!(name));
        }
    }

    #[test]
    fn a_list_of_resources_loses_nothing_and_a_table_says_what_it_loses((_, shop, _) in any_shop()) {
        let given = list::Given { class: None, channel: "" };
        let whole = list::json([&shop].into_iter()).unwrap();
        let value: serde_json::Value = serde_json::from_str::<serde_json::Value>(&whole).unwrap()["items"][0].clone();
        let document = Document { path: "-".into(), line: 1, value };
        let back = list::documents(&[document], &given).unwrap().remove(0).1;
        prop_assert_eq!(&serde_json::from_value::<Shop>(back).unwrap().spec, &shop.spec);

        let table = list::csv([&shop].into_iter()).unwrap();
        let back = list::table(&table, std::path::Path::new("-"), &given).unwrap().remove(0).1;
        let same = serde_json::from_value::<Shop>(back).unwrap().spec == shop.spec;
        prop_assert_eq!(list::lost(&shop).is_empty(), same, "{:?}", list::lost(&shop));
    }

    #[test]
    fn what_a_shop_says_stays_text(value in "[ -~]{0,80}") {
        let (mut shop, class, release) = example("aws");
        shop.spec.config.values = [("default/a/b".to_owned(), value.clone())].into();
        let objects = render(&shop, &class, Some(&release), &RenderContext::default()).unwrap();
        let env = objects.iter().map(api::Object::value).find_map(|it| it["data"]["env.php"].as_str().map(str::to_owned)).unwrap();
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
        // The host's, and the one with what is to be known of the shop.
        let mut shards: Vec<_> = [shops[0].spec.domains[0].host.as_str(), "shop-s0"]
            .map(|key| edge::shard_name(edge::shard_of(key)))
            .into();
        shards.sort();
        shards.dedup();
        prop_assert_eq!(changed, shards);
    }
}
