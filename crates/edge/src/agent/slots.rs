//! Which backend each shop has. HAProxy 3.0 cannot add one while it runs, so there are more than
//! shops, and a shop that comes gets a free one.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::{Duration, Instant},
};

/// How long a slot rests after its shop has left: longer than any request may wait in its queue. The
/// next shop's pods would answer it.
const REST: Duration = Duration::from_mins(1);

/// The slots, and whose they are.
#[derive(Debug, Default)]
pub struct Slots {
    count: u32,
    of: BTreeMap<String, u32>,
    free: BTreeSet<u32>,
    resting: VecDeque<(Instant, u32)>,
}

impl Slots {
    /// `count` slots, some of which are taken already: those that a HAProxy that runs knows.
    #[must_use]
    pub fn new(count: u32, taken: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut slots = Self {
            count,
            free: (1..=count).collect(),
            ..Self::default()
        };
        for (shop, slot) in taken {
            let number = slot.strip_prefix("slot-").and_then(|it| it.parse().ok());
            if let Some(number) = number.filter(|number| slots.free.remove(number)) {
                slots.of.insert(shop, number);
            }
        }
        slots
    }

    /// How many there are.
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// How many no shop has.
    #[must_use]
    pub fn spare(&self) -> usize {
        self.free.len() + self.resting.len()
    }

    /// The slot of a shop.
    #[must_use]
    pub fn of(&self, shop: &str) -> Option<String> {
        self.of.get(shop).copied().map(name)
    }

    /// Every slot's name.
    pub fn names(&self) -> impl Iterator<Item = String> + use<> {
        (1..=self.count).map(name)
    }

    /// Gives each of these shops a slot, and takes it from all others. Says whether there were too
    /// few: then there are twice as many as are needed now, and HAProxy has to be told by a reload.
    pub fn assign(&mut self, shops: &BTreeSet<&str>, now: Instant) -> bool {
        let resting = &mut self.resting;
        self.of.retain(|shop, slot| {
            let stays = shops.contains(shop.as_str());
            if !stays {
                resting.push_back((now, *slot));
            }
            stays
        });
        while let Some((_, slot)) =
            resting.pop_front_if(|(since, _)| now.duration_since(*since) >= REST)
        {
            self.free.insert(slot);
        }
        let new: Vec<_> = shops
            .iter()
            .filter(|shop| !self.of.contains_key(**shop))
            .collect();
        let grows = new.len() > self.free.len();
        if grows {
            let needed = self.of.len() + new.len() + self.resting.len();
            let count = u32::try_from(needed * 2)
                .unwrap_or(u32::MAX)
                .max(self.count);
            self.free.extend(self.count + 1..=count);
            self.count = count;
        }
        for shop in new {
            if let Some(slot) = self.free.pop_first() {
                self.of.insert((*shop).to_owned(), slot);
            }
        }
        grows
    }
}

fn name(slot: u32) -> String {
    format!("slot-{slot:05}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shops<'a>(names: &[&'a str]) -> BTreeSet<&'a str> {
        names.iter().copied().collect()
    }

    #[test]
    fn a_shop_keeps_its_slot_and_nobody_gets_it_while_requests_may_wait_there() {
        let start = Instant::now();
        let mut slots = Slots::new(2, []);
        assert!(!slots.assign(&shops(&["a", "b"]), start));
        assert_eq!(slots.of("b").as_deref(), Some("slot-00002"));
        assert!(!slots.assign(&shops(&["b"]), start));
        // The slot of a rests, so that c would need a third.
        assert!(slots.assign(&shops(&["b", "c"]), start));
        assert_eq!(slots.of("c").as_deref(), Some("slot-00003"));
        assert!(!slots.assign(&shops(&["b", "c", "d"]), start + REST));
        assert_eq!(slots.of("d").as_deref(), Some("slot-00001"));
        assert_eq!(slots.of("b").as_deref(), Some("slot-00002"));
    }

    #[test]
    fn what_a_running_haproxy_knows_stays() {
        let taken = [("a", "slot-00002"), ("b", "slot-00002"), ("c", "nonsense")];
        let mut slots = Slots::new(3, taken.map(|(shop, slot)| (shop.into(), slot.into())));
        slots.assign(&shops(&["a", "b", "c"]), Instant::now());
        assert_eq!(slots.of("a").as_deref(), Some("slot-00002"));
        assert_eq!(slots.of("b").as_deref(), Some("slot-00001"));
        assert_eq!(slots.of("c").as_deref(), Some("slot-00003"));
        assert_eq!(slots.spare(), 0);
    }
}
