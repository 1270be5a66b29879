//! From an answer of DNS to the Shop's status, and to whoever it concerns.

use super::*;
use crate::run::testing::{controller, now};
use api::fixtures;
use client::{
    lease::Leadership,
    scripted::{Script, expect},
};

const STATUS: &str = "PATCH /apis/longshore.dev/v1alpha1/shops/acme/status";

/// A controller of two shops that name one host, of which the second one has it.
fn two(script: &Script) -> Controller {
    let controller = controller(script);
    let mut state = controller.lock();
    state.class(fixtures::class("php", json!({ "domainProof": {} })));
    for name in ["acme", "beta"] {
        let mut shop = fixtures::shop(name, json!({ "domains": [{ "host": "x.example" }] }));
        shop.metadata.uid = Some(name.to_owned());
        if name == "beta" {
            let status = shop.status.get_or_insert_default();
            status.claims = vec!["host x.example".to_owned()];
        }
        state.shop(shop);
    }
    drop(state);
    controller
}

fn answers(controller: &Controller, answer: DnsAnswer) {
    let (due, _) = look(controller, now());
    assert_eq!(due, ["x.example"]);
    take(controller, Ok(("x.example".to_owned(), answer)));
}

fn acme() -> DnsAnswer {
    DnsAnswer::Named(BTreeSet::from(["acme".to_owned()]))
}

fn owner(controller: &Controller) -> Option<String> {
    let state = controller.lock();
    state.claims.owner_of_host("x.example").map(str::to_owned)
}

#[tokio::test]
async fn what_dns_says_is_written_once_and_both_shops_reconcile() {
    let written = expect(STATUS).made_of(|sent| {
        assert_eq!(sent, json!({ "status": { "provenHosts": ["x.example"] } }));
        json!({})
    });
    let script = Script::new([written]);
    let controller = two(&script);
    assert_eq!(owner(&controller).as_deref(), Some("beta"));
    answers(&controller, acme());
    assert_eq!(controller.queue.depth().0, 2, "their conditions say it");
    write(&controller).await;
    assert_eq!(owner(&controller).as_deref(), Some("acme"));
    write(&controller).await;
    script.end();
    assert_eq!(controller.counts.proof_lookups.load(Relaxed), 1);
}

#[tokio::test]
async fn what_could_not_be_written_or_asked_changes_nothing() {
    let script = Script::new([
        expect(STATUS).refuses(403, "Forbidden", "no"),
        expect(STATUS).answers(json!({})),
    ]);
    let controller = two(&script);
    answers(&controller, acme());
    write(&controller).await;
    assert_eq!(owner(&controller).as_deref(), Some("beta"));
    write(&controller).await;
    assert_eq!(
        owner(&controller).as_deref(),
        Some("acme"),
        "at the next look"
    );
    script.end();

    let script = Script::new([]);
    let controller = two(&script);
    answers(&controller, DnsAnswer::Unknown("no answer".to_owned()));
    write(&controller).await;
    script.end();
    assert_eq!(owner(&controller).as_deref(), Some("beta"));
    assert_eq!(controller.counts.failed_proof_lookups.load(Relaxed), 1);
}

#[tokio::test]
async fn a_proof_that_others_wrote_reaches_whoever_names_the_host() {
    let controller = two(&Script::new([]));
    let mut state = controller.lock();
    let mut shop = state.fleet.shops["acme"].clone();
    shop.status.get_or_insert_default().proven_hosts = vec!["x.example".to_owned()];
    assert_eq!(state.shop(shop), cell::ShopChange::Proven);
    let concerned = state.beside("acme");
    drop(state);
    assert_eq!(concerned, ["acme", "beta"].map(str::to_owned).into());
    tell(&controller, &concerned);
    assert_eq!(controller.queue.depth().0, 2);
}

/// A name server that answers every question with one TXT record, but for names below
/// `dead.example`, of which it says nothing.
async fn name_server(socket: tokio::net::UdpSocket, text: &[u8]) {
    let mut packet = [0; 512];
    while let Ok((length, from)) = socket.recv_from(&mut packet).await {
        let asked = packet[..length].to_ascii_lowercase();
        if asked.windows(5).any(|it| it == b"\x04dead") {
            continue;
        }
        // The name ends with a label without length; its type and class follow.
        let name = packet[12..length].iter().position(|it| *it == 0).unwrap();
        let mut answer = packet[..12 + name + 5].to_vec();
        // An answer, by who asks others; of one question, with one record.
        answer[2..12].copy_from_slice(&[0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
        // The same name, TXT, IN, for no second.
        answer.extend([0xc0, 12, 0, 16, 0, 1, 0, 0, 0, 0, 0]);
        let size = u8::try_from(text.len()).unwrap();
        answer.extend([size + 1, size]);
        answer.extend(text);
        socket.send_to(&answer, from).await.unwrap();
    }
}

/// A shop with a hundred dead names, and one with a good one.
fn name_hosts(controller: &Controller) {
    let mut state = controller.lock();
    state.class(fixtures::class("php", json!({ "domainProof": {} })));
    let dead: Vec<_> = (0..100)
        .map(|number| json!({ "host": format!("{number}.dead.example") }))
        .collect();
    let good = vec![json!({ "host": "x.example" })];
    for (name, domains) in [("a-dead", dead), ("acme", good)] {
        let mut shop = fixtures::shop(name, json!({ "domains": domains }));
        shop.metadata.uid = Some(name.to_owned());
        state.shop(shop);
    }
}

#[tokio::test]
async fn a_hundred_dead_names_do_not_delay_a_good_one() {
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let (told, mut written) = tokio::sync::mpsc::unbounded_channel();
    let script = Script::new([expect(STATUS).made_of(move |sent| {
        told.send(sent).unwrap();
        json!({})
    })]);
    let mut controller = controller(&script);
    controller.settings.dns = Some(address);
    name_hosts(&controller);
    let controller = Arc::new(controller);
    let work = run(Arc::clone(&controller), CancellationToken::new());
    let sent = tokio::select! {
        sent = written.recv() => sent,
        () = name_server(socket, b"longshore-shop=acme") => None,
        ended = work => panic!("{ended:?}"),
    };
    let expected = json!({ "status": { "provenHosts": ["x.example"] } });
    assert_eq!(sent, Some(expected));
    let failed = controller.counts.failed_proof_lookups.load(Relaxed);
    assert_eq!(failed, 0, "nobody waited for the dead ones");
}

#[tokio::test]
async fn who_leads_again_trusts_nothing_that_it_found_before() {
    let script = Script::new([]);
    let mut controller = two(&script);
    answers(&controller, acme());
    assert_eq!(changes(&controller).len(), 1);
    controller.connections.leadership.give_up();
    assert_eq!(look(&controller, now()).0, [""; 0]);
    assert_eq!(changes(&controller), []);
    controller.connections.leadership = Leadership::leading();
    assert_eq!(look(&controller, now()).0, ["x.example"]);
    assert_eq!(changes(&controller), []);
}
