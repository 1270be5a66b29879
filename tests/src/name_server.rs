//! A name server that knows the addresses of some hosts, for as long as it is held.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// How soon it notices that it is to end.
const LOOK: Duration = Duration::from_millis(200);
/// For how many seconds an answer may be kept.
const KEPT: u8 = 1;

type Hosts = Arc<Mutex<HashMap<String, Ipv4Addr>>>;

/// The name server.
#[derive(Debug)]
pub struct NameServer {
    /// Where it answers.
    pub address: SocketAddr,
    hosts: Hosts,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl NameServer {
    /// Answers at a free port of this address, and knows nobody yet.
    ///
    /// # Panics
    ///
    /// The address is not this machine's.
    #[must_use]
    #[track_caller]
    pub fn start(address: IpAddr) -> Self {
        let socket = UdpSocket::bind((address, 0)).expect("the address is ours");
        let address = socket.local_addr().expect("it has an address");
        socket.set_read_timeout(Some(LOOK)).expect("it is not zero");
        let (hosts, stop) = (Hosts::default(), Arc::<AtomicBool>::default());
        let (of, asked) = (Arc::clone(&hosts), Arc::clone(&stop));
        let thread = thread::spawn(move || {
            let mut question = [0; 512];
            while !asked.load(Relaxed) {
                let Ok((length, peer)) = socket.recv_from(&mut question) else {
                    continue;
                };
                if let Some(answer) = answer(&question[..length], &of) {
                    // Who asked may be gone.
                    socket.send_to(&answer, peer).ok();
                }
            }
        });
        Self {
            address,
            hosts,
            stop,
            thread: Some(thread),
        }
    }

    /// Gives a host an address, or takes it away.
    ///
    /// # Panics
    ///
    /// It panicked.
    pub fn knows(&self, host: &str, address: Option<Ipv4Addr>) {
        let mut hosts = self.hosts.lock().expect("nobody panics with it");
        match address {
            Some(address) => hosts.insert(host.to_owned(), address),
            None => hosts.remove(host),
        };
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

/// RFC 1035, section 4: one question, and at most one answer.
fn answer(question: &[u8], hosts: &Hosts) -> Option<Vec<u8>> {
    let (mut labels, mut end) = (Vec::new(), 12);
    loop {
        let length = usize::from(*question.get(end)?);
        if length == 0 {
            break;
        }
        let label = question.get(end + 1..=end + length)?;
        labels.push(String::from_utf8(label.to_vec()).ok()?.to_lowercase());
        end += length + 1;
    }
    let is_a = question.get(end + 1..end + 3)? == [0, 1];
    end += 5;
    let host = labels.join(".");
    let address = hosts.lock().ok()?.get(&host).copied();
    let (no_such_name, answers) = (0x83, address.filter(|_| is_a));
    let code = if address.is_some() {
        0x80
    } else {
        no_such_name
    };
    let count = u8::from(answers.is_some());
    let mut answer = question.get(..2)?.to_vec();
    answer.extend([0x81, code, 0, 1, 0, count, 0, 0, 0, 0]);
    answer.extend(question.get(12..end)?);
    if let Some(address) = answers {
        // The name of the question, an address, of the internet.
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, KEPT, 0, 4]);
        answer.extend(address.octets());
    }
    Some(answer)
}
