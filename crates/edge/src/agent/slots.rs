//! Which backend each shop has. HAProxy 3.0 cannot add one while it runs, so there are more than
//! shops, and a shop that comes gets a free one.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::{Duration, Instant},
};

/// How long a slot rests after its shop has left: longer than any request may wait in its queue.
/// The next shop's pods would answer it.
const REST: Duration = Duration::from_mins(1);

/// The slots, and whose they are.
#[derive(Debug, Default)]
pub struct Slots {
    count: u32,
    of: BTreeMap<String, u32>,
    free: BTreeSet<u32>,
    /// Of shops that have left, with their names: the map says them, too, so that another process
    /// lets them rest as well.
    resting: VecDeque<(Instant, String, u32)>,
    /// Those that have servers which HAProxy does not delete yet: they rest on.
    pub busy: BTreeSet<String>,
}

/// What an assignment changed.
#[derive(Debug, Default)]
pub struct Assigned {
    /// Shops that have another slot than before, or none any more.
    pub changed: BTreeSet<String>,
    /// A slot has rested, and is anybody's.
    pub freed: bool,
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
    pub fn slot(&self, shop: &str) -> Option<String> {
        self.of.get(shop).copied().map(name)
    }

    /// The same, also while it rests.
    #[must_use]
    pub fn line(&self, shop: &str) -> Option<String> {
        let resting = || self.resting.iter().find(|(_, of, _)| of == shop);
        let slot = self
            .of
            .get(shop)
            .or_else(|| resting().map(|(.., slot)| slot));
        slot.copied().map(name)
    }

    /// Each shop and its slot, also of shops that have left while their slots rest: no host leads
    /// there.
    pub fn lines(&self) -> impl Iterator<Item = (&str, String)> {
        let resting = self.resting.iter().map(|(_, shop, slot)| (shop, slot));
        let all = self.of.iter().chain(resting);
        all.map(|(shop, slot)| (shop.as_str(), name(*slot)))
    }

    /// Every slot's name.
    pub fn names(&self) -> impl Iterator<Item = String> + use<> {
        (1..=self.count).map(name)
    }

    /// Gives each of these shops a slot, and takes it from all others. If there are too few, there
    /// are twice as many as are needed from now on, and HAProxy has to be told by a reload.
    pub fn assign(&mut self, shops: &BTreeSet<&str>, now: Instant) -> Assigned {
        let (of, resting) = (&mut self.of, &mut self.resting);
        let mut assigned = Assigned::default();
        for (shop, slot) in of.extract_if(.., |shop, _| !shops.contains(shop.as_str())) {
            assigned.changed.insert(shop.clone());
            resting.push_back((now, shop, slot));
        }
        // One that is back has its own requests there.
        resting.retain(|(_, shop, slot)| {
            let back = shops.contains(shop.as_str());
            if back {
                assigned.changed.insert(shop.clone());
                of.insert(shop.clone(), *slot);
            }
            !back
        });
        let busy = &self.busy;
        while let Some((_, _, slot)) = resting.pop_front_if(|(since, _, slot)| {
            now.duration_since(*since) >= REST && !busy.contains(&name(*slot))
        }) {
            self.free.insert(slot);
            assigned.freed = true;
        }
        let new: Vec<_> = shops
            .iter()
            .filter(|shop| !self.of.contains_key(**shop))
            .collect();
        if new.len() > self.free.len() {
            let needed = self.of.len() + new.len() + self.resting.len();
            let count = u32::try_from(needed * 2)
                .unwrap_or(u32::MAX)
                .max(self.count);
            self.free.extend(self.count + 1..=count);
            self.count = count;
        }
        for shop in new {
            if let Some(slot) = self.free.pop_first() {
                assigned.changed.insert((*shop).to_owned());
                self.of.insert((*shop).to_owned(), slot);
            }
        }
        assigned
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
        slots.assign(&shops(&["a", "b"]), start);
        assert_eq!(slots.slot("b").as_deref(), Some("slot-00002"));
        slots.assign(&shops(&["b"]), start);
        assert_eq!(slots.line("a").as_deref(), Some("slot-00001"));
        // The slot of a rests, so that c would need a third.
        slots.assign(&shops(&["b", "c"]), start);
        assert!(slots.count() > 2);
        assert_eq!(slots.slot("c").as_deref(), Some("slot-00003"));
        let assigned = slots.assign(&shops(&["b", "c", "d"]), start + REST);
        assert!(assigned.freed && assigned.changed == ["d".to_owned()].into());
        assert_eq!(slots.slot("d").as_deref(), Some("slot-00001"));
        assert_eq!(slots.slot("b").as_deref(), Some("slot-00002"));
    }

    #[test]
    fn a_slot_rests_on_when_another_process_begins_and_a_shop_that_is_back_has_its_own() {
        let start = Instant::now();
        let mut slots = Slots::new(3, []);
        slots.assign(&shops(&["a", "b"]), start);
        slots.assign(&shops(&["b"]), start);
        let lines = |slots: &Slots| -> Vec<(String, String)> {
            slots
                .lines()
                .map(|(shop, slot)| (shop.to_owned(), slot))
                .collect()
        };
        let mut next = Slots::new(3, lines(&slots));
        next.assign(&shops(&["b", "c"]), start);
        assert_eq!(
            next.slot("c").as_deref(),
            Some("slot-00003"),
            "not that of a"
        );
        assert_eq!(next.slot("a"), None);
        next.assign(&shops(&["a", "b", "c"]), start);
        assert_eq!(next.slot("a").as_deref(), Some("slot-00001"));
        assert_eq!(lines(&next).len(), 3);
    }

    #[test]
    fn what_a_running_haproxy_knows_stays() {
        let taken = [("a", "slot-00002"), ("b", "slot-00002"), ("c", "nonsense")];
        let mut slots = Slots::new(3, taken.map(|(shop, slot)| (shop.into(), slot.into())));
        slots.assign(&shops(&["a", "b", "c"]), Instant::now());
        assert_eq!(slots.slot("a").as_deref(), Some("slot-00002"));
        assert_eq!(slots.slot("b").as_deref(), Some("slot-00001"));
        assert_eq!(slots.slot("c").as_deref(), Some("slot-00003"));
        assert_eq!(slots.spare(), 0);
    }
}
