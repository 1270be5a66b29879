//! What a Shop's status says of the proofs of its domains.

use crate::{conditions::Verdict, state::State};
use api::{Shop, Truth, proof};
use std::fmt;

/// Hosts that a message names at most.
const NAMED: usize = 3;

/// Whether DNS names the shop for each of its hosts; `None` if its class does not ask.
pub fn proven(shop: &Shop, state: &State) -> Option<Verdict> {
    let class = state.fleet.classes.get(&shop.spec.class)?;
    class.spec.domain_proof.as_ref()?;
    let name = shop.metadata.name.as_deref().unwrap_or_default();
    let shown = shop.status.as_ref().map(|status| &status.proven_hosts);
    let shown = shown.map_or(&[][..], Vec::as_slice);
    let withheld = state.claims.withheld(name);
    let mut missing: Vec<_> = withheld
        .iter()
        .map(|it| with_answer(state, &it.host, it))
        .collect();
    let needed: Vec<_> = proof::needed(shop, Some(class)).collect();
    let (proven, unproven): (Vec<&str>, Vec<&str>) = needed
        .into_iter()
        .filter(|host| withheld.iter().all(|it| it.host != *host))
        .partition(|host| shown.iter().any(|it| it == host));
    missing.extend(unproven.iter().map(|host| {
        let line = proof::line(host, name);
        let text = format!(
            "{host} keeps its traffic only until DNS names another shop for it; the record {line} \
             makes it this shop's"
        );
        with_answer(state, host, &text)
    }));
    if !missing.is_empty() {
        return Some(Verdict::no("NotProven", some(&missing)));
    }
    let gone: Vec<_> = proven
        .iter()
        .filter(|host| state.proofs.gone(host, name))
        .map(|host| {
            format!(
                "{host} keeps its traffic until DNS names another shop for it, but the record {} \
                 is gone",
                proof::line(host, name)
            )
        })
        .collect();
    Some(if gone.is_empty() {
        Verdict::yes("Proven")
    } else {
        Verdict::new(Truth::True, "RecordGone", some(&gone))
    })
}

/// Why a host of the shop gets no traffic, if one does not.
pub fn withheld(shop: &Shop, state: &State) -> Option<Verdict> {
    let name = shop.metadata.name.as_deref().unwrap_or_default();
    let withheld = state.claims.withheld(name);
    let told: Vec<_> = withheld.iter().map(ToString::to_string).collect();
    (!told.is_empty()).then(|| Verdict::no("HostNotProven", some(&told)))
}

fn with_answer(state: &State, host: &str, text: &dyn fmt::Display) -> String {
    match state.proofs.unanswered(host) {
        None => text.to_string(),
        Some(why) => format!("{text} (not known whether it is there: {why})"),
    }
}

fn some(all: &[String]) -> String {
    let (first, rest) = all.split_at(all.len().min(NAMED));
    let more = format!("and {} more hosts", rest.len());
    let more = (!rest.is_empty()).then_some(more.as_str());
    let told: Vec<_> = first.iter().map(String::as_str).chain(more).collect();
    told.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::fixtures;
    use serde_json::json;

    #[test]
    fn the_condition_names_the_record_to_make_and_says_whether_the_host_gets_traffic() {
        let mut state = State::default();
        let class = |more| fixtures::class("php", more);
        state.class(class(json!({})));
        let mut acme = fixtures::shop("acme", json!({}));
        acme.metadata.uid = Some("1".to_owned());
        state.shop(acme.clone());
        assert_eq!(proven(&acme, &state), None, "the class does not ask");

        state.class(class(json!({ "domainProof": {} })));
        let found = proven(&acme, &state).unwrap();
        let waits = "acme.example gets no traffic until DNS has the record \
                     _longshore.acme.example TXT \"longshore-shop=acme\"";
        assert_eq!(found, Verdict::no("NotProven", waits));
        assert_eq!(
            withheld(&acme, &state),
            Some(Verdict::no("HostNotProven", waits))
        );

        let status = acme.status.get_or_insert_default();
        status.claims = vec!["host acme.example".to_owned()];
        state.shop(acme.clone());
        let keeps = "acme.example keeps its traffic only until DNS names another shop for it; the \
                     record _longshore.acme.example TXT \"longshore-shop=acme\" makes it this \
                     shop's";
        assert_eq!(proven(&acme, &state), Some(Verdict::no("NotProven", keeps)));
        assert_eq!(withheld(&acme, &state), None);

        let status = acme.status.get_or_insert_default();
        status.proven_hosts = vec!["acme.example".to_owned()];
        state.shop(acme.clone());
        assert_eq!(proven(&acme, &state), Some(Verdict::yes("Proven")));
    }

    #[test]
    fn a_message_names_three_hosts_and_counts_the_rest() {
        let all: Vec<_> = (1..=5).map(|number| format!("{number}.example")).collect();
        assert_eq!(
            some(&all),
            "1.example; 2.example; 3.example; and 2 more hosts"
        );
    }
}
