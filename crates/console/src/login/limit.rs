//! How often somebody may try to log in: a bucket for each address, and one for all of them.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    time::{Duration, Instant},
};

/// Steps of logins that an address may take at once: a login is two, and an office shares one
/// address.
const BURST: u32 = 40;
/// Time after which an address may take another step.
const EVERY: Duration = Duration::from_secs(2);
/// Steps that all addresses together may take at once, and the time until the next.
const ALL: (u32, Duration) = (400, Duration::from_millis(50));
/// Addresses that are remembered: one is some 100 bytes.
const ADDRESSES: usize = 10_000;

/// Steps that are left, as of a moment.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: u32,
    at: Instant,
}

impl Bucket {
    const fn full(burst: u32, now: Instant) -> Self {
        Self {
            left: burst,
            at: now,
        }
    }

    fn take(&mut self, (burst, every): (u32, Duration), now: Instant) -> bool {
        let elapsed = now.duration_since(self.at);
        let more = u32::try_from(elapsed.as_millis() / every.as_millis()).unwrap_or(u32::MAX);
        self.left = self.left.saturating_add(more).min(burst);
        self.at += every.saturating_mul(more).min(elapsed);
        let may = self.left > 0;
        self.left = self.left.saturating_sub(1);
        may
    }
}

/// Who tried.
#[derive(Debug)]
pub(super) struct Limit {
    all: Bucket,
    each: HashMap<IpAddr, Bucket>,
    /// When addresses were forgotten last: to look at all of them takes a millisecond.
    pruned: Instant,
}

impl Limit {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            all: Bucket::full(ALL.0, now),
            each: HashMap::new(),
            pruned: now,
        }
    }

    /// Whether somebody at this address may take another step now.
    pub(super) fn take(&mut self, address: IpAddr, now: Instant) -> bool {
        let address = network(address);
        if self.each.len() >= ADDRESSES && !self.each.contains_key(&address) {
            self.forget(now);
            if self.each.len() >= ADDRESSES {
                return false;
            }
        }
        let bucket = self.each.entry(address);
        let bucket = bucket.or_insert_with(|| Bucket::full(BURST, now));
        bucket.take((BURST, EVERY), now) && self.all.take(ALL, now)
    }
}

impl Limit {
    /// Forgets addresses that may take all of their steps again.
    fn forget(&mut self, now: Instant) {
        if now.duration_since(self.pruned) >= EVERY {
            let full = EVERY * BURST;
            self.each.retain(|_, it| now.duration_since(it.at) < full);
            self.pruned = now;
        }
    }
}

/// Of IPv6, whoever has an address has its /64.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let mut octets = address.octets();
            octets[8..].fill(0);
            Ipv6Addr::from(octets).into()
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(number: u32) -> IpAddr {
        std::net::Ipv4Addr::from(number).into()
    }

    #[test]
    fn who_tries_too_often_waits_and_nobody_else_does() {
        let now = Instant::now();
        let mut limit = Limit::new(now);
        let count = |limit: &mut Limit, who, at| (0..100).filter(|_| limit.take(who, at)).count();
        assert_eq!(count(&mut limit, address(1), now), BURST as usize);
        assert_eq!(count(&mut limit, address(2), now), BURST as usize);
        let later = now + EVERY * 3;
        assert_eq!(count(&mut limit, address(1), later), 3);
        assert_eq!(
            count(&mut limit, address(1), later + EVERY * 1000),
            BURST as usize
        );
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        let now = Instant::now();
        let mut limit = Limit::new(now);
        let host = |end: u16| format!("2001:db8::{end:x}").parse().unwrap();
        assert_eq!(
            (0..100).filter(|end| limit.take(host(*end), now)).count(),
            40
        );
        assert!(limit.take("2001:db8:0:1::1".parse().unwrap(), now));
    }

    #[test]
    fn memory_has_a_bound_and_all_together_have_one_too() {
        let now = Instant::now();
        let mut limit = Limit::new(now);
        let many = 0..50_000_u32;
        let taken = many
            .filter(|number| limit.take(address(*number), now))
            .count();
        assert_eq!(taken, ALL.0 as usize);
        assert_eq!(limit.each.len(), ADDRESSES);
        // Once the others could try again, there is room.
        assert!(limit.take(address(60_000), now + EVERY * BURST));
        assert_eq!(limit.each.len(), 1);
    }
}
