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

/// A request of HTTP/2 is passed on as one of HTTP/1.1: its headers after `:method` and `:scheme`,
/// its body, and how many requests it may be for a pod at most.
type Http2 = (
    &'static str,
    &'static [(&'static str, &'static str)],
    &'static str,
    u64,
);

const PATH: (&str, &str) = (":path", "/");
const AUTHORITY: (&str, &str) = (":authority", "www.acme.example");
const HTTP2: [Http2; 12] = [
    (
        "what nobody can read in another way",
        &[PATH, AUTHORITY, ("x-a", "b")],
        "",
        1,
    ),
    (
        "chunks, which HTTP/2 has not",
        &[PATH, AUTHORITY, ("transfer-encoding", "chunked")],
        "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: www.acme.example\r\n\r\n",
        0,
    ),
    (
        "a length that is not the body's",
        &[PATH, AUTHORITY, ("content-length", "0")],
        "GET /smuggled HTTP/1.1\r\nHost: www.acme.example\r\n\r\n",
        0,
    ),
    (
        "two lengths",
        &[
            PATH,
            AUTHORITY,
            ("content-length", "4"),
            ("content-length", "0"),
        ],
        "abcd",
        0,
    ),
    (
        "a line break in a value",
        &[
            PATH,
            AUTHORITY,
            ("x-a", "b\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"),
        ],
        "",
        0,
    ),
    (
        "a line break in a name",
        &[PATH, AUTHORITY, ("x-a: b\r\ntransfer-encoding", "chunked")],
        "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: www.acme.example\r\n\r\n",
        0,
    ),
    (
        "capitals in a name",
        &[PATH, AUTHORITY, ("Transfer-Encoding", "chunked")],
        "",
        0,
    ),
    (
        "a header of the connection",
        &[PATH, AUTHORITY, ("connection", "transfer-encoding")],
        "",
        0,
    ),
    (
        "a path that is a request",
        &[
            (":path", "/ HTTP/1.1\r\nHost: a\r\n\r\nGET /smuggled"),
            AUTHORITY,
        ],
        "",
        0,
    ),
    (
        "two paths",
        &[PATH, AUTHORITY, (":path", "/smuggled")],
        "",
        0,
    ),
    (
        "two authorities",
        &[PATH, AUTHORITY, (":authority", "other.example")],
        "",
        0,
    ),
    (
        "another host than the authority",
        &[PATH, AUTHORITY, ("host", "other.example")],
        "",
        1,
    ),
];

/// The frames of a client with one request (RFC 9113), none of which a client of our own would
/// make.
fn frames(headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    let frame = |kind: u8, flags: u8, stream: u8, payload: &[u8]| {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let head = [&length[1..], &[kind, flags, 0, 0, 0, stream]].concat();
        [&head, payload].concat()
    };
    // A literal that nobody remembers, without Huffman's code (RFC 7541, 6.2.2).
    let literal = |(name, value): &(&str, &str)| {
        let text = |text: &str| {
            let length = u8::try_from(text.len()).unwrap();
            assert!(length < 127, "it would take another byte: {text}");
            [&[length], text.as_bytes()].concat()
        };
        [vec![0], text(name), text(value)].concat()
    };
    let fixed = [(":method", "POST"), (":scheme", "https")];
    let block: Vec<u8> = fixed.iter().chain(headers).flat_map(literal).collect();
    [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        frame(4, 0, 0, &[]),
        frame(1, 4, 1, &block),
        frame(0, 1, 1, body.as_bytes()),
        // Nothing follows: the connection ends once this one is answered.
        frame(7, 0, 0, &[0; 8]),
    ]
    .concat()
}

fn edge(pod: &Backend) -> Edge {
    let mut edge = Edge::new(8);
    edge.host("www.acme.example", Target::Shop("shop-acme".into()));
    edge.shop("shop-acme", 16, &[("acme-1", pod.address)]);
    edge.start();
    edge
}

/// Sends bytes over TLS, and reads what comes until HAProxy ends it.
fn send(edge: &Edge, protocol: &str, bytes: &[u8]) -> Program {
    Program::new(required("openssl"))
        .args(["s_client", "-quiet", "-servername", "www.acme.example"])
        .args(["-connect", &format!("127.0.0.1:{}", edge.https)])
        .args(["-alpn", protocol])
        .input(bytes)
}

#[test]
fn what_http_2_can_say_and_http_1_can_not_reaches_no_pod_as_another_request() {
    let pod = Backend::new("acme-1");
    let edge = edge(&pod);
    let mut wrong = Vec::new();
    for (name, headers, body, most) in HTTP2 {
        let before = pod.requests.load(Relaxed);
        let outcome = send(&edge, "h2", &frames(headers, body)).run();
        let reached = pod.requests.load(Relaxed) - before;
        println!("{name}: {reached} reached a pod");
        let other = ["smuggled", "host: other.example"];
        if reached > most || other.iter().any(|it| outcome.stdout.contains(it)) {
            wrong.push(format!(
                "{name}: {reached}, at most {most}: {}",
                outcome.stdout
            ));
        }
        // Or nothing would have been sent at all.
        if name == HTTP2[0].0 {
            assert_eq!(reached, 1, "{outcome:?}");
            assert!(outcome.stdout.contains("\nx-a: b\n"), "{outcome:?}");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(edge.get("www.acme.example", "/", &[]).status, "HTTP/2 200");
}

#[test]
fn what_can_be_read_in_two_ways_reaches_no_pod_as_two_requests() {
    let pod = Backend::new("acme-1");
    let edge = edge(&pod);
    let mut wrong = Vec::new();
    for (name, request, most) in CASES {
        let before = pod.requests.load(Relaxed);
        let outcome = send(&edge, "http/1.1", request.as_bytes()).run();
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
