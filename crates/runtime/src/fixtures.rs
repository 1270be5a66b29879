//! What tests of several crates need.

use std::{
    net::{Ipv4Addr, TcpListener, UdpSocket},
    process,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};

/// Below the ports that the kernel gives to connections (from 32768 on): one of those may be gone
/// by the time that the program listens.
const FIRST: u32 = 20_000;
const COUNT: u32 = 10_000;

/// A port that nobody has, for a program that a test starts. No other call in this process gets it,
/// and tests of other processes begin elsewhere.
///
/// # Panics
///
/// All are taken.
#[must_use]
pub fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let free = |port: &u16| {
        let at = (Ipv4Addr::UNSPECIFIED, *port);
        TcpListener::bind(at).is_ok() && UdpSocket::bind(at).is_ok()
    };
    let begin = process::id().wrapping_mul(131);
    (0..COUNT)
        .map(|_| FIRST + begin.wrapping_add(NEXT.fetch_add(1, Relaxed)) % COUNT)
        .map(|port| u16::try_from(port).expect("30,000 at most"))
        .find(free)
        .expect("a free port")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_free_port_can_be_listened_on_and_is_given_once() {
        let ports: Vec<u16> = (0..200).map(|_| free_port()).collect();
        let listeners: Vec<_> = ports
            .iter()
            .map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).unwrap())
            .collect();
        assert_eq!(ports.iter().collect::<BTreeSet<_>>().len(), ports.len());
        assert!(!ports.contains(&free_port()));
        drop(listeners);
    }
}
