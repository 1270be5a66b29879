//! Proofs of domains: a TXT record that names the shop, at a name that only the domain's owner can
//! write to.
//!
//! ```text
//!  _longshore.www.acme.example.  TXT  "longshore-shop=acme"
//! ```
//!
//! The record is public and holds no secret. It names one shop, by the name that its namespace and
//! its data have, so that it is of no use to another shop, and still proves the domain when the
//! shop is made again, in this cluster or in one that takes its place.

use crate::{Shop, ShopClass};
use std::collections::BTreeSet;

/// The label below which records stand: hosts have no underscore, so that nobody is given this name
/// who is given a host of a domain.
const LABEL: &str = "_longshore";
/// How a value begins that names a shop.
const KEY: &str = "longshore-shop=";
/// Shops that one host's records name at most; the rest is not read.
const NAMED: usize = 64;

/// The name of the record that proves a host.
#[must_use]
pub fn record(host: &str) -> String {
    format!("{LABEL}.{host}")
}

/// The record that proves a host for a shop, as people write it.
///
/// ```
/// assert_eq!(
///     api::proof::line("www.acme.example", "acme"),
///     r#"_longshore.www.acme.example TXT "longshore-shop=acme""#
/// );
/// ```
#[must_use]
pub fn line(host: &str, shop: &str) -> String {
    format!("{} TXT \"{KEY}{shop}\"", record(host))
}

/// The shops that these TXT records name. Spaces and quotes around a value, which forms of DNS
/// providers add, do not count.
#[must_use]
pub fn named(texts: &[String]) -> BTreeSet<String> {
    let name = |text: &String| {
        let text = text.trim_matches(|letter: char| letter.is_ascii_whitespace() || letter == '"');
        text.strip_prefix(KEY).map(str::to_owned)
    };
    texts.iter().filter_map(name).take(NAMED).collect()
}

/// The hosts of a shop that need a proof: those of a class that asks for it, but for the shop's own
/// name below a domain of the platform.
///
/// A Shop of a file, which no API server has stored, needs none: what is rendered of it is what is
/// routed once it is proven.
pub fn needed<'a>(shop: &'a Shop, class: Option<&'a ShopClass>) -> impl Iterator<Item = &'a str> {
    let asked = class
        .and_then(|class| class.spec.domain_proof.as_ref())
        .filter(|_| shop.metadata.uid.is_some());
    let name = shop.metadata.name.as_deref().unwrap_or_default();
    asked.into_iter().flat_map(move |asked| {
        let own = |host: &str| {
            asked
                .platform_domains
                .iter()
                .any(|domain| is_own(host, name, domain))
        };
        let hosts = shop.spec.domains.iter().map(|domain| domain.host.as_str());
        hosts.filter(move |host| !own(host))
    })
}

/// Whether a host is `NAME.DOMAIN`, or below it.
fn is_own(host: &str, name: &str, domain: &str) -> bool {
    host.strip_suffix(domain)
        .and_then(|rest| rest.strip_suffix('.'))
        .is_some_and(|rest| rest == name || rest.ends_with(&format!(".{name}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;
    use serde_json::json;

    #[test]
    fn values_name_shops_as_forms_write_them_and_nothing_else_does() {
        let texts = [
            "longshore-shop=acme",
            " \"longshore-shop=quoted\" ",
            "v=spf1 -all",
            "xlongshore-shop=other",
            "longshore-shop=Acme",
            "longshore-shop=acme.evil",
        ];
        let found = named(&texts.map(str::to_owned));
        let expected = ["Acme", "acme", "acme.evil", "quoted"].map(str::to_owned);
        assert_eq!(found, expected.into());
        let many: Vec<_> = (0..1000).map(|it| format!("longshore-shop={it}")).collect();
        assert_eq!(named(&many).len(), NAMED);
    }

    #[test]
    fn a_shop_has_its_own_name_below_the_platforms_domain_and_no_other_without_a_proof() {
        let class = fixtures::class(
            "c",
            json!({ "domainProof": { "platformDomains": ["shops.host.example"] } }),
        );
        let mut shop = fixtures::shop(
            "acme",
            json!({ "domains": [
                { "host": "acme.shops.host.example", "primary": true },
                { "host": "de.acme.shops.host.example" },
                { "host": "beta.shops.host.example" },
                { "host": "notacme.shops.host.example" },
                { "host": "acme.beta.shops.host.example" },
                { "host": "shops.host.example" },
                { "host": "acmeshops.host.example" },
                { "host": "acme.example" },
            ] }),
        );
        assert_eq!(needed(&shop, Some(&class)).count(), 0, "a file");
        shop.metadata.uid = Some("1".to_owned());
        assert_eq!(
            needed(&shop, Some(&class)).collect::<Vec<_>>(),
            [
                "beta.shops.host.example",
                "notacme.shops.host.example",
                "acme.beta.shops.host.example",
                "shops.host.example",
                "acmeshops.host.example",
                "acme.example",
            ]
        );
        let none = fixtures::class("c", json!({}));
        assert_eq!(needed(&shop, Some(&none)).count(), 0);
        assert_eq!(needed(&shop, None).count(), 0);
    }
}
