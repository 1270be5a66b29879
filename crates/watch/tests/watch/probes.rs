//! How hosts answer, and what is said of it.

use crate::{
    api::Api,
    hosts::{name_server, nginx, write},
    world::{Program, get, metric, settings, shop, until},
};
use jiff::Timestamp;
use observe::v1::{Cause, Incident, Shops, Uptime, Vantage};
use runtime::fixtures::free_port;
use serde_json::{Value, json};
use std::{net::Ipv4Addr, path::Path, time::Duration};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinSet,
    time::sleep,
};
use watch::{Outside, Settings};

fn domains() -> Value {
    let plain = |host: &str| json!({ "host": format!("{host}.acme.example") });
    let names = [
        "broken", "over", "other", "own", "hangs", "closes", "nobody", "gone",
    ];
    let mut all: Vec<Value> = names.into_iter().map(plain).collect();
    all.push(json!({ "host": "www.acme.example", "primary": true }));
    for host in ["acme.example", "lazy.acme.example"] {
        all.push(json!({ "host": host, "redirectTo": "www.acme.example" }));
    }
    all.into()
}

/// Listens, and never answers.
async fn silent() -> (u16, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut held = Vec::new();
        loop {
            held.push(listener.accept().await.unwrap());
        }
    });
    (port, tasks)
}

/// Answers each connection with 200.
async fn upstream(port: u16) -> JoinSet<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .await
        .unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            let read = stream.read(&mut request).await;
            let answer = b"HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n";
            // nginx may have gone.
            if read.is_ok() {
                stream.write_all(answer).await.ok();
            }
        }
    });
    tasks
}

fn probing(directory: &Path, port: u16, dns: std::net::SocketAddr) -> Settings {
    Settings {
        edge: Some(format!("localhost:{port}")),
        outside: Outside::Probed,
        outside_port: port,
        dns: Some(dns),
        authority: Some(directory.join("root.pem")),
        ..settings(&directory.join("data"), 1)
    }
}

/// The causes of incidents that have not ended, of the host's inside and outside.
fn causes(uptime: &Uptime, host: &str) -> [Option<Cause>; 2] {
    [Vantage::Inside, Vantage::Outside].map(|vantage| {
        let of = |it: &&Incident| it.host == host && it.vantage == vantage && it.end.is_none();
        uptime.incidents.iter().find(of).map(|it| it.cause)
    })
}

/// What is wrong with each host, from inside and from outside.
fn expected() -> [(&'static str, [Option<Cause>; 2]); 11] {
    let both = |cause| [Some(cause), Some(cause)];
    let outside = |cause| [None, Some(cause)];
    [
        ("www.acme.example", [None, None]),
        ("acme.example", [None, None]),
        ("lazy.acme.example", both(Cause::Status)),
        ("broken.acme.example", both(Cause::Status)),
        ("over.acme.example", both(Cause::Certificate)),
        ("other.acme.example", both(Cause::Certificate)),
        ("own.acme.example", both(Cause::Certificate)),
        ("hangs.acme.example", both(Cause::Timeout)),
        ("closes.acme.example", both(Cause::Broken)),
        ("nobody.acme.example", outside(Cause::Connect)),
        (
            "gone.acme.example",
            [Some(Cause::Certificate), Some(Cause::Dns)],
        ),
    ]
}

fn says_what_is_wrong(uptime: &Uptime) {
    let host = |name: &str| {
        uptime
            .hosts
            .iter()
            .find(|it| it.host == name)
            .unwrap()
            .clone()
    };
    let good = host("www.acme.example");
    assert_eq!(
        good.certificate_end.unwrap().to_string(),
        "2096-01-01T00:00:00Z"
    );
    assert!(
        good.probes
            .iter()
            .all(|it| it.status == Some(200) && it.problem.is_none())
    );
    // What is told of a certificate does not hide what the shop answers.
    let own = host("own.acme.example");
    assert_eq!(own.probes[0].status, Some(404));
    let problem = |name: &str| host(name).probes[0].problem.clone().unwrap();
    assert_eq!(
        problem("over.acme.example"),
        "the certificate ended at 2026-01-01T00:00:00Z"
    );
    assert_eq!(
        problem("other.acme.example"),
        "the certificate is of another name"
    );
    assert_eq!(
        problem("own.acme.example"),
        "the certificate is of nobody who is trusted"
    );
    assert_eq!(problem("hangs.acme.example"), "no answer in time");
    assert_eq!(problem("broken.acme.example"), "the answer is 502");
    assert_eq!(
        host("gone.acme.example").probes[1].problem.as_deref(),
        Some("DNS knows no address of gone.acme.example")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_way_to_fail_has_its_cause_and_an_incident_ends_when_the_host_answers() {
    let directory = tempfile::tempdir().unwrap();
    let (api, port, back) = (Api::new().await, free_port(), free_port());
    let ((quiet, _silent), (dns, _names)) = (silent().await, name_server().await);
    write(directory.path(), port, back, quiet);
    let mut server = nginx(directory.path());
    shop(&api, "acme", &domains());
    let began = Timestamp::now();
    let program = Program::begin(&api, probing(directory.path(), port, dns)).await;
    let expected = expected();
    let uptime = until("all causes", async || {
        let uptime = program.uptime("acme").await?;
        let as_expected = expected
            .iter()
            .all(|(host, it)| causes(&uptime, host) == *it);
        let all = uptime.hosts.iter().all(|it| it.probes.len() == 2);
        if !as_expected || uptime.hosts.len() < 11 || !all {
            let found = expected.map(|(host, _)| (host, causes(&uptime, host)));
            tracing::debug!(?found, "not yet");
            return None;
        }
        Some(uptime)
    })
    .await;
    says_what_is_wrong(&uptime);
    let shops: Shops = get(program.address, "/v1/shops").await.unwrap();
    assert_eq!((shops.shops[0].hosts, shops.shops[0].hosts_down), (11, 9));
    let fleet = "longshore_watch_fleet_down{vantage=\"inside\"}";
    assert_eq!(metric(program.address, fleet).await, Some(1.0));

    // The shop is repaired while the program is away, which takes its incidents up again.
    program.end().await;
    let _upstream = upstream(back).await;
    let program = Program::begin(&api, probing(directory.path(), port, dns)).await;
    let ended = until("the end", async || {
        let uptime = program.uptime("acme").await?;
        let mut of = uptime
            .incidents
            .into_iter()
            .filter(|it| it.host == "broken.acme.example");
        let (one, other) = (of.next()?, of.next()?);
        assert_eq!(of.next(), None, "one at each vantage point");
        Some([
            one.end.map(|end| (one.begin, end))?,
            other.end.map(|end| (other.begin, end))?,
        ])
    });
    for (begin, end) in ended.await {
        assert!(began <= begin && begin < end && end <= Timestamp::now());
    }
    let months = until("months", async || {
        program.uptime("acme").await?.months.pop()
    })
    .await;
    assert!(
        months.probes > 10 && months.up > 0.1 && months.up < 0.9,
        "{months:?}"
    );
    assert_eq!(months.month.day(), 1);

    // Nobody listens any more; nobody is asked of a shop that is closed.
    server.kill().await.unwrap();
    until("nobody listens", async || {
        let uptime = program.uptime("acme").await?;
        (causes(&uptime, "www.acme.example") == [Some(Cause::Connect); 2]).then_some(())
    })
    .await;
    let mut closed = serde_json::to_value(::api::fixtures::shop("acme", json!({}))).unwrap();
    closed["spec"]["state"] = "Suspended".into();
    api.put("shops", "acme", closed);
    until("no incident is open", async || {
        let uptime = program.uptime("acme").await?;
        let open = uptime.incidents.iter().any(|it| it.end.is_none());
        (!open && uptime.hosts.is_empty()).then_some(())
    })
    .await;
    program.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_failure_is_no_incident() {
    let directory = tempfile::tempdir().unwrap();
    let (api, port, back) = (Api::new().await, free_port(), free_port());
    let (dns, _names) = name_server().await;
    write(directory.path(), port, back, back);
    let _server = nginx(directory.path());
    // It fails every other time: never twice, as a probe is made again at once.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, back))
        .await
        .unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut bad = false;
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            assert!(stream.read(&mut request).await.unwrap() > 0);
            bad = !bad;
            let code = if bad { 500 } else { 200 };
            let answer = format!("HTTP/1.0 {code} x\r\ncontent-length: 0\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    shop(
        &api,
        "acme",
        &json!([{ "host": "broken.acme.example", "primary": true }]),
    );
    let settings = Settings {
        outside: Outside::LeftOut,
        ..probing(directory.path(), port, dns)
    };
    let program = Program::begin(&api, settings).await;
    until("probes", async || {
        let uptime = program.uptime("acme").await?;
        (uptime.months.first()?.probes >= 3).then_some(())
    })
    .await;
    sleep(Duration::from_secs(1)).await;
    let uptime = program.uptime("acme").await.unwrap();
    assert_eq!((uptime.incidents, uptime.months[0].up), (Vec::new(), 1.0));
    program.end().await;
}
