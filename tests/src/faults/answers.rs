//! Class 43: who owns a pod's network answers in its agent's place: without an end, a byte at a
//! time, broken, or a page that is almost one.

use super::{Counts, Row};
use api::agent_status::{AgentStatus, AgentVerdict, PageStatus, ReleaseQuery};
use client::Cluster;
use kube::{Client, Config};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use release::Sha256;
use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

/// Bytes that the scheduler reads of such an answer.
const LIMIT: usize = 256 << 10;
/// How long it waits for one, and what a busy machine takes besides.
const PATIENCE: Duration = Duration::from_secs(25);
/// A page as an agent writes it.
const PAGE: &[u8] = include_bytes!("../../../docs/formats/status.json");
/// Characters of a reason that people are shown.
const WORDS: usize = 600;
/// Bytes that mean something in JSON; half of the new bytes are of these.
const TELLING: &[u8] = b"\"\\{}[]:,-+.eE0123456789ntf";

/// What is sent: once, and then again and again.
type Answer = (&'static str, Vec<u8>, Vec<u8>, Duration);

fn answers() -> Vec<Answer> {
    let chunk = [
        b"10000\r\n".to_vec(),
        vec![b'x'; 0x1_0000],
        b"\r\n".to_vec(),
    ]
    .concat();
    let head = |status: &str| {
        format!("HTTP/1.1 {status}\r\ntransfer-encoding: chunked\r\n\r\n").into_bytes()
    };
    let codes = [
        "200 OK",
        "404 Not Found",
        "500 Internal Server Error",
        "429 Too Many Requests",
        "302 Found",
    ];
    let mut answers: Vec<Answer> = codes
        .into_iter()
        .map(|status| {
            (
                "without an end",
                head(status),
                chunk.clone(),
                Duration::ZERO,
            )
        })
        .collect();
    answers.push((
        "a header without an end",
        b"HTTP/1.1 200 OK\r\nx: ".to_vec(),
        vec![b'x'; 4096],
        Duration::ZERO,
    ));
    answers.push((
        "headers without an end",
        b"HTTP/1.1 200 OK\r\n".to_vec(),
        b"x: x\r\n".repeat(600),
        Duration::ZERO,
    ));
    answers.push((
        "a length that no memory has",
        b"HTTP/1.1 200 OK\r\ncontent-length: 18446744073709551615\r\n\r\n".to_vec(),
        chunk.clone(),
        Duration::ZERO,
    ));
    answers.push((
        "no HTTP",
        b"\0\xff\xfe".repeat(100),
        b"\0".repeat(4096),
        Duration::ZERO,
    ));
    answers.push((
        "a byte at a time",
        head("200 OK"),
        b"1\r\nx\r\n".to_vec(),
        Duration::from_millis(200),
    ));
    answers.push((
        "nothing",
        Vec::new(),
        Vec::new(),
        Duration::from_millis(200),
    ));
    answers
}

pub(super) fn hostile(counts: &Counts) -> Row {
    let mut row = Row::new(
        43,
        "hostile answers in the agent's place: endless, huge, wrong, slow",
    );
    for round in 0..counts.points {
        for answer in answers() {
            row.count(|| format!("round {round}: {}", answer.0), bounded(&answer));
        }
    }
    let mut random = StdRng::seed_from_u64(counts.seed);
    let mut read = 0;
    for number in 0..counts.damages * 25 {
        let mut page = PAGE.to_vec();
        for _ in 0..random.random_range(1..4) {
            mutate(&mut page, &mut random);
        }
        read += u32::from(AgentStatus::read(&page).is_some());
        row.count(
            || format!("page {number}: {}", String::from_utf8_lossy(&page)),
            says_no_more(&page),
        );
    }
    row.note = format!("{read} pages could still be read");
    row
}

/// The scheduler's client ends it, after as many bytes and as long as it says, and takes nothing
/// for an answer.
fn bounded((_, head, piece, pause): &Answer) -> Result<(), String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    let url = format!(
        "http://{}",
        listener.local_addr().map_err(|error| error.to_string())?
    );
    let (head, piece, pause) = (head.clone(), piece.clone(), *pause);
    // It ends when the client goes away, and the client once it has asked.
    let server = thread::spawn(move || {
        listener
            .accept()
            .map_or(0, |(stream, _)| endless(stream, &head, &piece, pause))
    });
    let begin = Instant::now();
    let answer = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?
        .block_on(async {
            let client = Client::try_from(Config::new(
                url.parse().map_err(|_| "no address".to_owned())?,
            ))
            .map_err(|error| error.to_string())?;
            Ok::<_, String>(
                Cluster::over(client)
                    .answer("status", "/status", LIMIT)
                    .await,
            )
        })?;
    let sent = server
        .join()
        .map_err(|_| "the server panicked".to_owned())?;
    if let Ok(body) = answer {
        return Err(format!("{} bytes were taken for an answer", body.len()));
    }
    // What the kernel holds for a reader that went away is not ours.
    if begin.elapsed() > PATIENCE || sent > 32 << 20 {
        return Err(format!("{:?}, {sent} bytes", begin.elapsed()));
    }
    Ok(())
}

fn endless(mut stream: TcpStream, head: &[u8], piece: &[u8], pause: Duration) -> usize {
    let mut sent = 0;
    let until = Instant::now() + 2 * PATIENCE;
    if stream.read(&mut [0; 4096]).is_err() || stream.write_all(head).is_err() {
        return sent;
    }
    stream.set_nonblocking(piece.is_empty()).unwrap_or_default();
    while Instant::now() < until {
        // Who sends nothing sees by reading that nobody waits.
        let gone = if piece.is_empty() {
            matches!(stream.read(&mut [0; 64]), Ok(0))
        } else {
            stream.write_all(piece).is_err()
        };
        if gone {
            break;
        }
        sent += piece.len();
        thread::sleep(pause);
    }
    sent
}

fn mutate(bytes: &mut Vec<u8>, random: &mut StdRng) {
    let at = random.random_range(0..bytes.len());
    let new = if random.random() {
        random.random()
    } else {
        TELLING[random.random_range(0..TELLING.len())]
    };
    match random.random_range(0..4) {
        0 => bytes[at] = new,
        1 => bytes.insert(at, new),
        2 => drop(bytes.remove(at)),
        _ => {
            let end = bytes.len().min(at + random.random_range(1..64));
            let part = bytes[at..end].to_vec();
            bytes.splice(at..at, part.repeat(random.random_range(1..100)));
        }
    }
}

/// Whatever it is, it holds back no other release than one that the shop was given, and what people
/// read of it is short.
fn says_no_more(page: &[u8]) -> Result<(), String> {
    let Some(status) = AgentStatus::read(page) else {
        return Ok(());
    };
    let digest = |sequence: u64| Sha256::digest(sequence.to_string().as_bytes()).to_string();
    for sequence in [42, 43, 44, 45, u64::MAX] {
        let manifest = digest(sequence);
        let words = match status.says(&ReleaseQuery {
            sequence,
            manifest: &manifest,
            newer: &[],
            retried: None,
        }) {
            AgentVerdict::Runs if sequence != 43 => {
                return Err(format!("it runs {sequence}, which it was not given"));
            }
            AgentVerdict::Rejected(why) => why,
            AgentVerdict::Runs | AgentVerdict::Waits => String::new(),
        };
        let page = if let PageStatus::Fails(why) = status.page() {
            why
        } else {
            String::new()
        };
        if words.len() > WORDS
            || page.len() > WORDS
            || words.chars().chain(page.chars()).any(char::is_control)
        {
            return Err(format!("it says {words:?} and {page:?}"));
        }
    }
    Ok(())
}
