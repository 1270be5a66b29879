//! A host of the platform itself, such as the console's: what its pods are asked, and its streams.

use e2e::haproxy::{Backend, Edge};
use edge::agent::lines::Target;
use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    thread,
    time::{Duration, Instant},
};

const HOST: &str = "console.host.example";
/// Longer than HAProxy waits for a visitor who says nothing (`timeout client`).
const LONG: Duration = Duration::from_secs(65);
/// How often a stream says that it is there, as the console's does.
const ALIVE: Duration = Duration::from_secs(15);

fn edge(pod: SocketAddr) -> Edge {
    let mut edge = Edge::new(8);
    // The lines that the scheduler writes of a host of the platform.
    edge.host(HOST, Target::Shop("console".to_owned()));
    edge.shop("console", 2000, &[("longshore-console-1", pod)]);
    edge.start();
    edge
}

#[test]
fn a_host_of_the_platform_leads_to_its_own_pods_as_a_shops_does() {
    let pod = Backend::new("longshore-console-1");
    let edge = edge(pod.address);
    let lie = ["--header", "x-forwarded-for: 192.0.2.1"];
    let page = edge.get(HOST, "/shops?q=a", &lie);
    assert_eq!(page.status, "HTTP/2 200", "{page:?}");
    for line in [
        "pod: longshore-console-1\nGET /shops?q=a HTTP/1.1\n",
        "x-forwarded-for: 127.0.0.1\n",
        "x-forwarded-proto: https\n",
        &format!("host: {HOST}\n"),
    ] {
        assert!(page.text.contains(line), "{line} in {page:?}");
    }
}

/// A pod whose stream says something at once, then that it is there, and something after [`LONG`].
fn streams() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            thread::spawn(move || {
                let mut asked = Vec::new();
                while !asked.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    if stream.read(&mut byte).is_ok_and(|count| count > 0) {
                        asked.extend(byte);
                    } else {
                        return;
                    }
                }
                let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\
                            transfer-encoding: chunked\r\n\r\n";
                // The test says what is missing.
                let streamed = (|| {
                    stream.write_all(head.as_bytes())?;
                    let mut say = |text: &str| {
                        write!(stream, "{:x}\r\n{text}\r\n", text.len())?;
                        stream.flush()
                    };
                    let begin = Instant::now();
                    say("data: first\n\n")?;
                    while begin.elapsed() + ALIVE < LONG {
                        thread::sleep(ALIVE);
                        say(":\n\n")?;
                    }
                    thread::sleep(LONG.saturating_sub(begin.elapsed()));
                    say("data: last\n\n")
                })();
                drop(streamed);
            });
        }
    });
    address
}

#[test]
fn an_open_page_hears_of_each_change_at_once_and_is_not_cut() {
    let edge = edge(streams());
    for option in ["--http1.1", "--http2"] {
        let options = [option, "--no-buffer", "--max-time", "80"];
        let page = edge.visitor(HOST, "/live?key=shops", &options);
        let begin = Instant::now();
        while !page.written().contains("data: first") {
            assert!(
                begin.elapsed() < Duration::from_secs(5),
                "{option}: {page:?}"
            );
            thread::sleep(Duration::from_millis(10));
        }
        if option == "--http2" {
            while !page.written().contains("data: last") {
                assert!(begin.elapsed() < LONG * 2, "{option}: {page:?}");
                thread::sleep(Duration::from_millis(100));
            }
        }
    }
}
