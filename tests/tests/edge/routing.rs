//! What visitors get.

use e2e::haproxy::{Backend, Edge};
use edge::agent::{
    endpoints::{Pod, State},
    lines::Target,
};
use serde_json::json;
use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::atomic::Ordering::Relaxed,
    thread,
    time::Duration,
};

fn shop(name: &str) -> Target {
    Target::Shop(name.to_owned())
}

fn edge() -> (Edge, Backend) {
    let pod = Backend::new("acme-1");
    let mut edge = Edge::new(8);
    edge.host("www.acme.example", shop("shop-acme"));
    edge.host("acme.example", Target::Redirect("www.acme.example".into()));
    edge.host("gone.example", Target::Closed("Archived".into()));
    edge.host("rests.example", Target::Closed("Suspended".into()));
    edge.host("empty.example", shop("shop-empty"));
    edge.shop("shop-acme", 16, &[("acme-1", pod.address)]);
    edge.model.thumbprint = Some("thumb_print-of-the-account".into());
    edge.start();
    (edge, pod)
}

#[test]
fn a_host_is_served_by_its_shop_over_every_version_of_http() {
    let (edge, pod) = edge();
    for (option, status) in [
        ("--http1.1", "HTTP/1.1 200"),
        ("--http2", "HTTP/2 200"),
        ("--http3-only", "HTTP/3 200"),
    ] {
        let page = edge.get("www.acme.example", "/a?b=c", &[option]);
        assert_eq!(page.status, status, "{page:?}");
        assert!(
            page.text.contains("pod: acme-1\nGET /a?b=c HTTP/1.1\n"),
            "{page:?}"
        );
        assert_eq!(page.header("alt-svc"), Some("h3=\":443\"; ma=86400"));
    }
    assert_eq!(pod.requests.load(std::sync::atomic::Ordering::Relaxed), 3);
}

#[test]
fn what_no_shop_answers_says_why() {
    let (edge, _pod) = edge();
    let cases: [(&str, &[&str], &str, &str); 6] = [
        (
            "acme.example",
            &[],
            "HTTP/2 301",
            "location: https://www.acme.example/a?b=c\n",
        ),
        ("gone.example", &[], "HTTP/2 410", "has closed"),
        ("rests.example", &[], "HTTP/2 503", "retry-after: "),
        ("empty.example", &[], "HTTP/2 503", "retry-after: "),
        (
            "nobody.example",
            &[],
            "HTTP/2 404",
            "No shop has this address",
        ),
        (
            "acme.example",
            &["--header", "host: www.acme.example"],
            "HTTP/2 421",
            "",
        ),
    ];
    for (host, options, status, text) in cases {
        let page = edge.get(host, "/a?b=c", options);
        assert_eq!(page.status, status, "{host}: {page:?}");
        assert!(page.text.contains(text), "{host}: {page:?}");
    }
}

#[test]
fn port_80_proves_what_is_ours_and_leads_to_port_443() {
    let (edge, _pod) = edge();
    let token = "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA";
    let proof = format!("/.well-known/acme-challenge/{token}");
    let page = edge.get_plainly("acme.example", &proof, &[]);
    assert_eq!(page.status, "HTTP/1.1 200");
    assert!(
        page.text
            .ends_with(&format!("\n\n{token}.thumb_print-of-the-account")),
        "{page:?}"
    );
    for (host, path, status) in [
        ("nobody.example", proof.as_str(), "HTTP/1.1 404"),
        (
            "acme.example",
            "/.well-known/acme-challenge/short",
            "HTTP/1.1 308",
        ),
        (
            "acme.example",
            "/.well-known/acme-challenge/a<script>alert(1)</script>",
            "HTTP/1.1 308",
        ),
        ("www.acme.example", "/a?b=c", "HTTP/1.1 308"),
    ] {
        assert_eq!(
            edge.get_plainly(host, path, &[]).status,
            status,
            "{host}{path}"
        );
    }
    let page = edge.get_plainly("WWW.acme.example:80", "/a?b=c", &[]);
    assert_eq!(
        page.header("location"),
        Some("https://www.acme.example/a?b=c")
    );
}

/// What `capture.req.uri` and the timers are for: a line that a machine reads for each request.
#[test]
fn each_request_is_a_line_of_json_with_its_shop_its_status_and_its_times() {
    let (mut edge, _pod) = edge();
    edge.get("www.acme.example", "/a\"b?c=d", &[]);
    edge.get("nobody.example", "/", &["--http1.1"]);
    let written = edge.kill().stdout;
    let lines: Vec<serde_json::Value> = written
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    let [page, nobody] = lines.as_slice() else {
        panic!("{written}");
    };
    for (line, said) in [
        (
            page,
            json!({"shop": "shop-acme", "host": "www.acme.example", "status": 200, "method": "GET",
                "client": "127.0.0.1", "tls": "TLSv1.3", "retries": 0}),
        ),
        (
            nobody,
            json!({"host": "nobody.example", "status": 404, "method": "GET"}),
        ),
    ] {
        for (name, value) in said.as_object().unwrap() {
            assert_eq!(&line[name], value, "{name}: {written}");
        }
    }
    assert!(
        page["path"].as_str().unwrap().ends_with("/a\"b?c=d"),
        "{written}"
    );
    for timer in ["wait_ms", "connect_ms", "answer_ms", "total_ms"] {
        assert!(page[timer].is_i64(), "{timer}: {written}");
    }
    let time: jiff::Timestamp = page["time"].as_str().unwrap().parse().unwrap();
    assert!(time.duration_until(jiff::Timestamp::now()).abs() < jiff::SignedDuration::from_mins(1));
    assert_eq!(
        page["request"].as_str().unwrap().len(),
        36,
        "a UUID: {written}"
    );
}

#[test]
fn browsers_are_told_to_ask_by_tls_where_the_class_says_so() {
    let (mut edge, _pod) = edge();
    let page = edge.get("www.acme.example", "/", &[]);
    assert_eq!(page.header("strict-transport-security"), None);
    edge.shard("shop-acme", |shard| {
        shard.shops.get_mut("shop-acme").unwrap().hsts_seconds = 15_552_000;
    });
    edge.round();
    let page = edge.get("www.acme.example", "/", &[]);
    assert_eq!(
        page.header("strict-transport-security"),
        Some("max-age=15552000")
    );
}

#[test]
fn pods_that_leave_get_nothing_new_and_are_better_than_nobody() {
    let [stays, leaves] = ["stays", "leaves"].map(Backend::new);
    let mut edge = Edge::new(8);
    edge.host("www.acme.example", shop("shop-acme"));
    edge.shop(
        "shop-acme",
        16,
        &[("stays", stays.address), ("leaves", leaves.address)],
    );
    edge.start();
    let answers = |edge: &Edge| -> Vec<String> {
        let page = |_| edge.get("www.acme.example", "/", &[]).text;
        let pod = |page: String| {
            let line = page.lines().find(|line| line.starts_with("pod: "));
            line.unwrap_or(&page).to_owned()
        };
        let mut pods: Vec<_> = (0..12).map(page).map(pod).collect();
        pods.sort();
        pods.dedup();
        pods
    };
    assert_eq!(answers(&edge), ["pod: leaves", "pod: stays"]);
    let pods = |stays_is, leaves_is| {
        [
            ("stays", stays.address, stays_is),
            ("leaves", leaves.address, leaves_is),
        ]
    };
    edge.pods("shop-acme", pods(State::Ready, State::Terminating));
    edge.round();
    assert_eq!(answers(&edge), ["pod: stays"]);
    edge.pods("shop-acme", pods(State::Unready, State::Terminating));
    edge.round();
    assert_eq!(answers(&edge), ["pod: leaves"]);
    edge.pods("shop-acme", pods(State::Ready, State::Unready));
    edge.round();
    assert_eq!(answers(&edge), ["pod: stays"]);
}

/// A pod that speaks another protocol once both sides agreed to, with key and answer of RFC 6455,
/// 1.3.
fn upgrading_pod() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                if stream.read_exact(&mut byte).is_err() {
                    break;
                }
                request.push(byte[0]);
            }
            let asked = String::from_utf8_lossy(&request).to_lowercase();
            assert!(asked.contains("upgrade: websocket"), "{asked}");
            let answer = b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\n\
                upgrade: websocket\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\nnot HTTP any more\n";
            stream.write_all(answer).unwrap();
        }
    });
    address
}

#[test]
fn websockets_get_through() {
    let mut edge = Edge::new(8);
    edge.host("www.acme.example", shop("shop-acme"));
    edge.shop("shop-acme", 16, &[("acme-1", upgrading_pod())]);
    edge.start();
    let asks = [
        "connection: upgrade",
        "upgrade: websocket",
        "sec-websocket-version: 13",
    ];
    let mut options = vec!["--http1.1"];
    for ask in asks {
        options.extend(["--header", ask]);
    }
    options.extend(["--header", "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ=="]);
    let page = edge.get("www.acme.example", "/socket", &options);
    assert_eq!(page.status, "HTTP/1.1 101", "{page:?}");
    assert!(page.text.contains("not HTTP any more"), "{page:?}");
}

#[test]
fn pods_of_the_same_zone_get_eight_times_as_much_and_others_what_these_cannot_take() {
    let (near, far) = (Backend::new("near"), Backend::new("far"));
    let mut edge = Edge::new(8);
    edge.place("a");
    edge.host("www.acme.example", shop("shop-acme"));
    edge.shop("shop-acme", 16, &[]);
    let pod = |backend: &Backend, zone: &str| Pod {
        address: backend.address,
        zone: Some(zone.to_owned()),
        state: State::Ready,
    };
    edge.slice(
        "shop-acme",
        [("near", pod(&near, "a")), ("far", pod(&far, "b"))],
    );
    edge.start();
    edge.load(Duration::from_secs(2)).whole();
    let counts = || [&near, &far].map(|pod| pod.requests.load(Relaxed));
    let many = counts();
    edge.load_of("www.acme.example", Duration::from_secs(2), 1)
        .whole();
    let one = [counts()[0] - many[0], counts()[1] - many[1]];
    for [near, far] in [many, one] {
        assert!((6 * far..10 * far).contains(&near), "{many:?} {one:?}");
    }

    // More than the pod of the same zone takes at once.
    let slow = Backend::slow("slow", Duration::from_secs(2));
    let other = Backend::new("other");
    edge.shop("shop-acme", 1, &[]);
    edge.slice(
        "shop-acme",
        [("slow", pod(&slow, "a")), ("other", pod(&other, "b"))],
    );
    edge.round();
    edge.load(Duration::from_secs(1)).whole();
    assert!(other.requests.load(Relaxed) > 10);
}
