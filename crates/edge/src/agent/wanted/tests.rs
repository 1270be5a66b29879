//! What a change touches is all that differs.

use super::*;
use crate::agent::{
    endpoints::{Pod, State},
    lines::{Shard, Target},
    pem::Pem,
};
use api::edge::{EdgeShop, certificate, shard_name, shard_of};
use jiff::Timestamp;
use proptest::{collection::vec, option, prelude::*};
use std::{
    net::SocketAddr,
    sync::LazyLock,
    time::{Duration, Instant},
};

/// Something that the API server or the clock says. Hosts, shops, slices and certificates are few,
/// so that they meet.
#[derive(Debug, Clone)]
enum Event {
    Host(u8, Option<Target>),
    Own(u8, Option<u8>),
    Shop(u8, Option<EdgeShop>),
    Pods(u8, u8, Vec<(u8, u8, State)>),
    Issued(u8, Option<u8>),
    Brought(u8, Option<u8>),
    Cap(u8, Option<u32>),
    Thumbprint(Option<u8>),
    /// A slot has rested.
    Minutes,
}

/// Two good certificates of each host, and a bad one.
static CERTIFICATES: LazyLock<Vec<[Pem; 3]>> = LazyLock::new(|| {
    let pem = |host: u8| {
        let key = rcgen::KeyPair::generate().unwrap();
        let parameters = rcgen::CertificateParams::new(vec![host_name(host)]).unwrap();
        Pem::new(key.serialize_pem() + &parameters.self_signed(&key).unwrap().pem())
    };
    let all = |host| [pem(host), pem(host), Pem::new("nonsense")];
    (0..4).map(all).collect()
});

/// One is how the files of another begin.
fn host_name(host: u8) -> String {
    ["a.example", "a.example-b", "b.example", "c.example"][usize::from(host)].to_owned()
}

fn shop_name(shop: u8) -> String {
    format!("shop-{shop}")
}

fn event() -> impl Strategy<Value = Event> {
    let target = prop_oneof![
        4 => (0..3_u8).prop_map(|shop| Target::Shop(shop_name(shop))),
        1 => (0..3_u8).prop_map(|host| Target::Redirect(host_name(host))),
        1 => prop::sample::select(vec!["Archived", "Suspended"])
            .prop_map(|why| Target::Closed(why.to_owned())),
    ];
    let settings = (1..3_u32, 1..3_u32, 0..2_u32, any::<bool>());
    let settings = settings.prop_map(|(weight, workers, hsts_seconds, to_zero)| EdgeShop {
        weight,
        workers,
        hsts_seconds,
        to_zero,
    });
    let state = prop::sample::select(vec![State::Ready, State::Terminating, State::Unready]);
    prop_oneof![
        4 => (0..4_u8, option::of(target)).prop_map(|(host, to)| Event::Host(host, to)),
        1 => (0..4_u8, option::of(0..2_u8)).prop_map(|(host, secret)| Event::Own(host, secret)),
        2 => (0..3_u8, option::of(settings)).prop_map(|(shop, is)| Event::Shop(shop, is)),
        4 => (0..3_u8, 0..2_u8, vec((0..4_u8, 0..2_u8, state), 0..4))
            .prop_map(|(shop, slice, pods)| Event::Pods(shop, slice, pods)),
        3 => (0..4_u8, option::of(0..3_u8)).prop_map(|(host, pem)| Event::Issued(host, pem)),
        1 => (0..2_u8, option::of(0..3_u8)).prop_map(|(secret, pem)| Event::Brought(secret, pem)),
        1 => (0..3_u8, option::of(1..3_u32)).prop_map(|(shop, cap)| Event::Cap(shop, cap)),
        1 => option::of(0..2_u8).prop_map(Event::Thumbprint),
        1 => Just(Event::Minutes),
    ]
}

/// What the objects say, of which an event changes one.
#[derive(Default)]
struct World {
    model: Model,
    shards: BTreeMap<String, Shard>,
    issued: BTreeMap<String, BTreeMap<String, Pem>>,
    caps: BTreeMap<String, u32>,
    passed: Duration,
}

fn put<V>(map: &mut BTreeMap<String, V>, key: String, value: Option<V>) {
    match value {
        Some(value) => map.insert(key, value),
        None => map.remove(&key),
    };
}

impl World {
    fn shard(&mut self, key: &str, change: impl FnOnce(&mut Shard)) {
        let name = shard_name(shard_of(key));
        let shard = self.shards.entry(name.clone()).or_default();
        change(shard);
        self.model.shard(&name, shard.clone());
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Host(host, target) => {
                let host = host_name(host);
                self.shard(&host.clone(), |shard| put(&mut shard.hosts, host, target));
            }
            Event::Own(host, secret) => {
                let host = host_name(host);
                let secret = secret.map(|secret| format!("own-{secret}"));
                self.shard(&host.clone(), |shard| put(&mut shard.brought, host, secret));
            }
            Event::Shop(shop, settings) => {
                let shop = shop_name(shop);
                self.shard(&shop.clone(), |shard| put(&mut shard.shops, shop, settings));
            }
            Event::Pods(shop, slice, pods) => {
                let pod = |(name, address, state): (u8, u8, State)| {
                    let pod = Pod {
                        address: SocketAddr::from(([10, 0, 0, address], 8080)),
                        zone: None,
                        state,
                    };
                    (format!("{slice}-{name}"), pod)
                };
                let pods = pods.into_iter().map(pod).collect();
                self.model.slice(&shop_name(shop), &slice.to_string(), pods);
            }
            Event::Issued(host, pem) => {
                let name = certificate::shard_name(certificate::shard_of(&host_name(host)));
                let shard = self.issued.entry(name.clone()).or_default();
                let pem = pem.map(|pem| CERTIFICATES[usize::from(host)][usize::from(pem)].clone());
                put(shard, host_name(host), pem);
                self.model.issued(&name, shard.clone());
            }
            Event::Brought(secret, pem) => {
                // Of one host, whichever names it.
                let pem = pem.map(|pem| CERTIFICATES[0][usize::from(pem)].clone());
                self.model.brought(&format!("own-{secret}"), pem);
            }
            Event::Cap(shop, cap) => put(&mut self.caps, shop_name(shop), cap),
            Event::Thumbprint(thumbprint) => {
                self.model.thumbprint = thumbprint.map(|it| it.to_string());
            }
            Event::Minutes => self.passed += Duration::from_mins(2),
        }
    }
}

/// Several events meet in one round, and HAProxy refuses to delete servers in some rounds.
type Rounds = Vec<(Vec<Event>, bool)>;

/// What a change touches is all that a comparison of everything finds.
fn hold(rounds: Rounds) {
    let (start, mut world) = (Instant::now(), World::default());
    let place = Locality {
        zone: None,
        replicas: 1,
    };
    let mut wants = Wants::new(Slots::new(2, []), place.clone());
    let mut actual = Snapshot::default();
    for (events, refuses) in rounds {
        for event in events {
            world.happen(event);
        }
        world.model.check(Timestamp::now());
        let now = start + world.passed;
        let wanted = wants.look(&mut world.model, &world.caps, true, now);
        let all = all_of(&world.model, &wants.slots, &world.caps);
        let all = desired(&world.model, &wants.slots, &place, &world.caps, &all);
        let steps = wants.steps(&actual, &wanted);
        assert_eq!(steps, difference(&actual, &all));
        let mut refused = BTreeSet::new();
        for step in steps {
            match step {
                Step::RemoveServer(slot, _) if refuses => {
                    refused.insert(slot);
                }
                _ => step.apply(&mut actual),
            }
        }
        wants.refused(wanted, refused);
    }
}

proptest! {
    #[test]
    fn what_a_change_touches_is_all_that_a_whole_comparison_finds(
        rounds in vec((vec(event(), 1..4), any::<bool>()), 1..20)
    ) {
        hold(rounds);
    }
}

/// Proptest found it.
#[test]
fn a_slot_with_a_server_that_haproxy_does_not_delete_is_nobodys() {
    let leads = |to| Event::Host(2, to);
    let pod = Event::Pods(0, 0, vec![(0, 0, State::Ready)]);
    hold(vec![
        (vec![leads(Some(Target::Shop(shop_name(0)))), pod], false),
        (vec![leads(None)], true),
        (vec![Event::Minutes], true),
        (vec![leads(Some(Target::Shop(shop_name(1))))], true),
        (vec![Event::Minutes], false),
    ]);
}
