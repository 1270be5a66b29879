//! The lines of the maps, as the scheduler writes them. They become commands to HAProxy, where a
//! space, a semicolon or the end of a line would begin another: nothing else than names is taken.

use api::edge::{BACKENDS, CLOSED, EdgeShop, OWN_CERTIFICATES, REDIRECTS, SHOPS};
use std::collections::BTreeMap;

/// What is to be done with a request for a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A pod of this shop, by its namespace, answers.
    Shop(String),
    /// It is sent to another host.
    Redirect(String),
    /// Nobody answers, for this reason.
    Closed(String),
}

/// A ConfigMap of the maps, as it was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shard {
    /// Hosts.
    pub hosts: BTreeMap<String, Target>,
    /// Shops, by namespace.
    pub shops: BTreeMap<String, EdgeShop>,
    /// Hosts whose certificate people brought, and the Secret that holds it.
    pub brought: BTreeMap<String, String>,
    /// Lines that say nothing that we know.
    pub refused: usize,
}

impl Shard {
    /// Reads the contents of a ConfigMap.
    #[must_use]
    pub fn read(data: &BTreeMap<String, String>) -> Self {
        let mut shard = Self::default();
        for (file, text) in data {
            for line in text.lines() {
                if shard.line(file, line).is_none() {
                    shard.refused += 1;
                }
            }
        }
        shard
    }

    fn line(&mut self, file: &str, line: &str) -> Option<()> {
        let (key, value) = line.split_once(' ')?;
        let key = is_name(key).then(|| key.to_owned())?;
        if file == SHOPS {
            let shop: EdgeShop = serde_json::from_str(value).ok()?;
            self.shops.insert(key, shop);
            return Some(());
        }
        let value = is_name(value).then(|| value.to_owned())?;
        match file {
            BACKENDS => {
                self.hosts.insert(key, Target::Shop(value));
            }
            REDIRECTS => {
                self.hosts.insert(key, Target::Redirect(value));
            }
            CLOSED => {
                self.hosts.insert(key, Target::Closed(value));
            }
            OWN_CERTIFICATES => {
                self.brought.insert(key, value);
            }
            _ => return None,
        }
        Some(())
    }
}

/// Whether a text is a host name, or the name of an object or of a state.
#[must_use]
pub fn is_name(text: &str) -> bool {
    let of_names = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    (1..=253).contains(&text.len()) && text.bytes().all(of_names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_name_never_becomes_a_command() {
        let data = [
            (
                BACKENDS,
                "www.acme.example shop-acme\nx.example;del shop-a\ny.example shop-a b\nalone\n",
            ),
            (REDIRECTS, "acme.example www.acme.example\n"),
            (CLOSED, "gone.example Suspended\n"),
            (
                SHOPS,
                "shop-acme {\"weight\":200,\"workers\":16}\nshop-b nonsense\n",
            ),
            (OWN_CERTIFICATES, "www.acme.example acme-tls\n"),
            ("weights.map", "www.acme.example 100\n"),
        ];
        let shard = Shard::read(&data.map(|(file, text)| (file.into(), text.into())).into());
        assert_eq!(
            shard.hosts["www.acme.example"],
            Target::Shop("shop-acme".into())
        );
        assert_eq!(
            shard.hosts["acme.example"],
            Target::Redirect("www.acme.example".into())
        );
        assert_eq!(
            shard.hosts["gone.example"],
            Target::Closed("Suspended".into())
        );
        assert_eq!((shard.hosts.len(), shard.refused), (3, 5));
        assert_eq!(shard.shops["shop-acme"].weight, 200);
        assert_eq!(shard.brought["www.acme.example"], "acme-tls");
        for bad in [
            "",
            "a b",
            "a\nb",
            "a;b",
            "a/b",
            "<<",
            "a\0",
            &"a".repeat(254),
        ] {
            assert!(!is_name(bad), "{bad:?}");
        }
    }
}
