//! How HAProxy should be, as far as something changed. Pure.

use super::{
    difference::{Step, difference},
    model::Model,
    slots::Slots,
    snapshot::{Locality, Snapshot, desired},
    touched::Touched,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    mem::take,
    time::Instant,
};

/// How HAProxy should be.
#[derive(Debug)]
pub struct DesiredState {
    /// Its part that may have changed, or all of it.
    pub snapshot: Snapshot,
    /// Which part.
    of: Touched,
    /// It is all of it, and what else HAProxy has is nobody's.
    pub all: bool,
}

/// What is known besides the model, and what was not compared yet.
#[derive(Debug)]
pub struct Wants {
    /// Which backend each shop has.
    pub slots: Slots,
    place: Locality,
    caps: BTreeMap<String, u32>,
    touched: Touched,
}

impl Wants {
    /// Those of an agent that starts.
    #[must_use]
    pub fn new(slots: Slots, place: Locality) -> Self {
        Self {
            slots,
            place,
            caps: BTreeMap::new(),
            touched: Touched::default(),
        }
    }

    /// Takes in what the model says and whom HAProxy refuses how much. `known` is whether HAProxy
    /// is known to be as it should have been before.
    pub fn look(
        &mut self,
        model: &mut Model,
        caps: &BTreeMap<String, u32>,
        known: bool,
        now: Instant,
    ) -> DesiredState {
        self.touched.extend(model.touched());
        if self.caps != *caps {
            let shops = self.caps.keys().chain(caps.keys()).cloned();
            self.touched.shops.extend(shops);
            self.caps.clone_from(caps);
        }
        let before = self.slots.count();
        let assigned = self.slots.assign(&model.served(), now);
        self.touched.shops.extend(assigned.changed);
        // Nothing may be left in a slot that is anybody's.
        let all = !known || assigned.freed || before != self.slots.count();
        let mut of = take(&mut self.touched);
        if all {
            of = all_of(model, &self.slots, caps);
        }
        DesiredState {
            snapshot: desired(model, &self.slots, &self.place, caps, &of),
            of,
            all,
        }
    }

    /// The steps from how HAProxy is.
    #[must_use]
    pub fn steps(&self, actual: &Snapshot, wanted: &DesiredState) -> Vec<Step> {
        if wanted.all {
            return difference(actual, &wanted.snapshot);
        }
        difference(&actual.only(&wanted.of, &self.slots), &wanted.snapshot)
    }

    /// Takes in which slots have servers that HAProxy did not delete: the same part is looked at
    /// again.
    pub fn refused(&mut self, wanted: DesiredState, slots: BTreeSet<String>) {
        if !slots.is_empty() {
            self.touched.extend(wanted.of);
        }
        self.slots.busy = slots;
    }
}

/// Everything that HAProxy may have to know.
fn all_of(model: &Model, slots: &Slots, caps: &BTreeMap<String, u32>) -> Touched {
    let hosts = model.hosts().chain(model.certificates().keys());
    let shops = slots.lines().map(|(shop, _)| shop.to_owned());
    Touched {
        hosts: hosts.cloned().collect(),
        shops: shops.chain(caps.keys().cloned()).collect(),
    }
}

#[cfg(test)]
mod tests;
