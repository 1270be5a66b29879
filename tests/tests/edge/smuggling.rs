//! Requests that two readers would read as two different ones: HAProxy refuses them, or passes on
//! what nobody can read in another way.

use e2e::haproxy::{Backend, Edge};
use e2e::{peers::required, process::Program};
use edge::agent::lines::Target;
use std::sync::atomic::Ordering::Relaxed;

/// A request, and how many requests it may be for a pod at most.
const CASES: [(&str, &str, u64); 20] = [
    (
        "both lengths",
        "POST / HTTP/1.1\r\nHost: www.acme.example\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: www.acme.example\r\n\r\n",
        1,
    ),
    (
        "two lengths",
        "POST / HTTP/1.1\r\nHost: www.acme.example\r\nContent-Length: 5\r\nContent-Length: 0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n",
        0,
    ),
    (
        "a list of lengths",
        "POST / HTTP/1.1\r\nHost: www.acme.example\r\nContent-Length: 5, 0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n",
        0,
    ),
    (
        "a length with a sign",
        "POST / HTTP/1.1\r\nHost: www.acme.example\r\nContent-Length: +5\r\n\r\nabcde",
        0,
    ),
    (
        "a hexadecimal length",
        "POST / HTTP/1.1\r\nHost: www.acme.example\r\nContent-Length: 0x5\r\n\r\nabcde",
        0,
    ),
    (
        "an empty length",
        "POST / HTTP/1.1\r\nHost: www.acme.example\r\nContent-Length:\r\n\r\n",
        0,
    ),
    (
        "a space before the colon",
        "POST / HTTP/1.1\r\nHost: www.acme.example\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        0,
    ),
    (
        "an odd coding",
        "POST / HTTP/1.1\r\nHost: www.acme.example\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        0,
    ),
    (
        "chunked twice",
        "POST / HTTP/1.1\r\nHost: www.acme.example\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        0,
    ),
    (
        "chunked, then not",
        "POST / HTTP/1.1\r\nHost: www.acme.example\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        0,
    ),
    (
        "chunked in HTTP/1.0",
        "POST / HTTP/1.0\r\nHost: www.acme.example\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n",
        1,
    ),
    (
        "a folded header",
        "POST / HTTP/1.1\r\nHost: www.acme.example\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
        1,
    ),
    (
        "a chunk size with rubbish",
        "POST / HTTP/1.1\r\nHost: www.acme.example\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n",
        0,
    ),
    (
        "a chunk size that overflows",
        "POST / HTTP/1.1\r\nHost: www.acme.example\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff1\r\na\r\n0\r\n\r\n",
        0,
    ),
    (
        "a chunk that ends without CR",
        "POST / HTTP/1.1\r\nHost: www.acme.example\r\nTransfer-Encoding: chunked\r\n\r\n1\r\naXX0\r\n\r\n",
        0,
    ),
    (
        "a NUL in a header",
        "GET / HTTP/1.1\r\nHost: www.acme.example\r\nX-A: a\0b\r\n\r\n",
        0,
    ),
    (
        "a bare CR in a header",
        "GET / HTTP/1.1\r\nHost: www.acme.example\r\nX-A: a\rGET /smuggled HTTP/1.1\r\n\r\n",
        0,
    ),
    (
        "two hosts",
        "GET / HTTP/1.1\r\nHost: www.acme.example\r\nHost: other.example\r\n\r\n",
        0,
    ),
    (
        "a host in the target that differs",
        "GET http://other.example/ HTTP/1.1\r\nHost: www.acme.example\r\n\r\n",
        0,
    ),
    (
        "a fragment in the target",
        "GET /a#/../smuggled HTTP/1.1\r\nHost: www.acme.example\r\n\r\n",
        0,
    ),
];

#[test]
fn what_can_be_read_in_two_ways_reaches_no_pod_as_two_requests() {
    let pod = Backend::new("acme-1");
    let mut edge = Edge::new(8);
    edge.host("www.acme.example", Target::Shop("shop-acme".into()));
    edge.shop("shop-acme", 16, &[("acme-1", pod.address)]);
    edge.start();
    let mut wrong = Vec::new();
    for (name, request, most) in CASES {
        let before = pod.requests.load(Relaxed);
        let outcome = Program::new(required("openssl"))
            .args([
                "s_client",
                "-quiet",
                "-connect",
                &format!("127.0.0.1:{}", edge.https),
            ])
            .args(["-servername", "www.acme.example", "-alpn", "http/1.1"])
            .input(request.as_bytes())
            .run();
        let reached = pod.requests.load(Relaxed) - before;
        let answer = outcome.stdout.lines().next().unwrap_or_default().to_owned();
        println!("{name}: {reached} reached a pod: {answer}");
        if reached > most || outcome.stdout.contains("GET /smuggled") {
            wrong.push(format!(
                "{name}: {reached} reached a pod, at most {most} may: {}",
                outcome.stdout
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(edge.get("www.acme.example", "/", &[]).status, "HTTP/2 200");
}
