//! Who is told of alerts: a webhook and a mail server.

use parking_lot::Mutex;
use serde_json::Value;
use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{IpAddr, SocketAddr, TcpListener, TcpStream},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

/// How long a client may say nothing.
const PATIENCE: Duration = Duration::from_secs(20);
/// The longest body that is read.
const BODY: usize = 1 << 20;

/// An alert that begins to ring, as a webhook was told of it.
#[derive(Debug, Clone)]
pub struct Ringing {
    /// When.
    pub at: Instant,
    /// Its name.
    pub alert: String,
    /// The shop; empty if it is not about one.
    pub shop: String,
    /// What a person reads.
    pub summary: String,
    which: (String, String),
}

impl Ringing {
    /// Which one it is: by its labels, and since when it rings.
    #[must_use]
    pub const fn which(&self) -> &(String, String) {
        &self.which
    }
}

/// Both, for as long as the process runs.
#[derive(Debug)]
pub struct Told {
    /// Where the webhook is.
    pub webhook: SocketAddr,
    /// Where the mail server is.
    pub mail: SocketAddr,
    ringing: Arc<Mutex<Vec<Ringing>>>,
    mails: Arc<Mutex<Vec<String>>>,
}

impl Told {
    /// Starts both at this address.
    ///
    /// # Panics
    ///
    /// It is not this machine's.
    #[must_use]
    #[track_caller]
    pub fn start(at: IpAddr) -> Self {
        let (ringing, mails) = <(Arc<Mutex<Vec<_>>>, Arc<Mutex<Vec<_>>>)>::default();
        let (rings, letters) = (Arc::clone(&ringing), Arc::clone(&mails));
        Self {
            webhook: serve(at, move |client| webhook(client, &rings)),
            mail: serve(at, move |client| mail(client, &letters)),
            ringing,
            mails,
        }
    }

    /// Alerts that began to ring since this moment, each once, however often it was told.
    #[must_use]
    pub fn since(&self, begin: Instant) -> Vec<Ringing> {
        let mut found = Vec::<Ringing>::new();
        for ringing in self.ringing.lock().iter() {
            if ringing.at >= begin && found.iter().all(|it| it.which != ringing.which) {
                found.push(ringing.clone());
            }
        }
        found
    }

    /// How many mails name this alert of this shop as one that rings.
    #[must_use]
    pub fn mails(&self, alert: &str, shop: &str) -> usize {
        let names = |mail: &&String| {
            mail.contains("[FIRING") && mail.contains(alert) && mail.contains(shop)
        };
        self.mails.lock().iter().filter(names).count()
    }
}

/// Serves each client in a thread of its own.
#[track_caller]
fn serve(
    at: IpAddr,
    with: impl Fn(&TcpStream) -> io::Result<()> + Send + Sync + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind((at, 0)).expect("the address is this machine's");
    let address = listener.local_addr().expect("it has an address");
    let with = Arc::new(with);
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let with = Arc::clone(&with);
            // A client that goes away in the middle comes again.
            thread::spawn(move || with(&client).ok());
        }
    });
    address
}

/// One request: Alertmanager's JSON.
fn webhook(client: &TcpStream, ringing: &Mutex<Vec<Ringing>>) -> io::Result<()> {
    client.set_read_timeout(Some(PATIENCE))?;
    let mut reader = BufReader::new(client.try_clone()?);
    let mut client = client;
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut body = vec![0; BODY.min(length)];
    reader.read_exact(&mut body)?;
    let told: Value = serde_json::from_slice(&body)?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let firing = told["alerts"].as_array().into_iter().flatten();
    let firing = firing.filter(|alert| alert["status"] == "firing");
    ringing.lock().extend(firing.map(|alert| Ringing {
        at: Instant::now(),
        alert: text(&alert["labels"]["alertname"]),
        shop: text(&alert["labels"]["shop"]),
        summary: text(&alert["annotations"]["summary"]),
        which: (text(&alert["fingerprint"]), text(&alert["startsAt"])),
    }));
    client.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
}

/// RFC 5321, as far as a client that trusts the server needs it.
fn mail(client: &TcpStream, mails: &Mutex<Vec<String>>) -> io::Result<()> {
    client.set_read_timeout(Some(PATIENCE))?;
    let mut lines = BufReader::new(client.try_clone()?).lines();
    let say = |line: &str| {
        let mut client = client;
        client.write_all(format!("{line}\r\n").as_bytes())
    };
    say("220 mail.example")?;
    while let Some(line) = lines.next() {
        let line = line?.to_ascii_uppercase();
        if line == "DATA" {
            say("354 go on")?;
            let mut mail = String::new();
            for line in lines.by_ref() {
                let line = line?;
                if line == "." {
                    break;
                }
                mail += &line;
                mail.push('\n');
            }
            mails.lock().push(mail);
            say("250 taken")?;
        } else if line == "QUIT" {
            return say("221 bye");
        } else {
            say("250 yes")?;
        }
    }
    Ok(())
}
