//! Text of forms, read.

use crate::text;
use std::{collections::BTreeMap, fmt::Display, str::FromStr};

/// What a browser sent: names and values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Fields(Vec<(String, String)>);

impl From<Vec<(String, String)>> for Fields {
    fn from(all: Vec<(String, String)>) -> Self {
        Self(all)
    }
}

impl Fields {
    /// What stands behind the `?` of an address.
    pub(crate) fn query(query: &str) -> Self {
        let address = format!("/?{query}").parse::<http::Uri>();
        let read = address.ok().and_then(|address| {
            let pairs = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(&address);
            pairs.ok().map(|pairs| pairs.0)
        });
        Self(read.unwrap_or_default())
    }

    /// The first value of a name; one that was not sent is empty.
    pub(crate) fn get(&self, name: &str) -> &str {
        let named = self.0.iter().find(|(known, _)| known == name);
        named.map_or("", |(_, value)| value)
    }

    /// All values of a name.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        let named = self.0.iter().filter(move |(known, _)| known == name);
        named.map(|(_, value)| value.as_str())
    }
}

/// What is wrong with which field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Problems(BTreeMap<&'static str, String>);

impl Problems {
    /// What was read; if it could not be, the problem is noted, and the value is never used.
    pub(super) fn some<T: Default, E: Display>(
        &mut self,
        name: &'static str,
        read: Result<T, E>,
    ) -> T {
        read.unwrap_or_else(|problem: E| {
            self.0.insert(name, problem.to_string());
            T::default()
        })
    }

    /// What is wrong with a field.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        self.0.get(name).cloned()
    }

    pub(super) fn or<T>(self, value: T) -> Result<T, Self> {
        if self.0.is_empty() {
            Ok(value)
        } else {
            Err(self)
        }
    }
}

/// The lines that are not empty, without the space around them.
pub(super) fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty())
}

/// A whole number.
pub(super) fn number<T: FromStr>(text: &str) -> Result<T, String> {
    let text = text.trim();
    text.parse().map_err(|_| text::no_number(text))
}

/// Lines of a path, `=` and a value.
pub(super) fn pairs(text: &str) -> Result<BTreeMap<String, String>, String> {
    let mut pairs = BTreeMap::new();
    for line in lines(text) {
        let (path, value) = line.split_once('=').ok_or_else(|| text::no_pair(line))?;
        let (path, value) = (path.trim().to_owned(), value.trim().to_owned());
        if pairs.insert(path, value).is_some() {
            return Err(text::twice(line));
        }
    }
    Ok(pairs)
}
