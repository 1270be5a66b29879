//! The shops that are changed at once: those that a person chose one by one, or all that a search
//! finds. The page bears their names, or the search, so that it stays small.

use crate::{
    form::Sent,
    page::Failure,
    registry::Known,
    shops::{self, ShopQuery},
    text,
};
use operations::OperationError;
use release::Sha256;
use std::fmt::Write as _;

/// Shops that a person chose one by one, at most.
const ONE_BY_ONE: usize = 500;
/// Shops that a search finds, at most.
const FOUND: usize = 10_000;

/// Shops that are changed at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chosen {
    /// Each with its generation as it was shown.
    pub(super) shops: Vec<(String, i64)>,
    /// The search, if all that it finds were chosen.
    pub(super) search: Option<String>,
}

impl Chosen {
    /// Those of a query: `shop=NAME`, or `all=found` and the question that it is.
    ///
    /// # Errors
    ///
    /// If there are none, too many, or one that is not in the registry.
    pub(super) fn read(query: &str, question: &ShopQuery, known: &Known) -> Result<Self, Failure> {
        let sent = Sent::query(query);
        if sent.get("all") == "found" {
            return Self::found(question, known);
        }
        let mut shops = Vec::new();
        for name in sent.all("shop") {
            let shop = crate::web::shop::found(known, name)?;
            shops.push((
                name.to_owned(),
                shop.metadata.generation.unwrap_or_default(),
            ));
        }
        Self::bounded(shops, None, ONE_BY_ONE)
    }

    fn found(question: &ShopQuery, known: &Known) -> Result<Self, Failure> {
        let found = shops::found(known, question).into_iter();
        let shops = found.map(|(name, shop)| {
            let generation = shop.metadata.generation.unwrap_or_default();
            (name.clone(), generation)
        });
        Self::bounded(shops.collect(), Some(question.link("", 1)), FOUND)
    }

    fn bounded(
        shops: Vec<(String, i64)>,
        search: Option<String>,
        most: usize,
    ) -> Result<Self, Failure> {
        match shops.len() {
            0 => Err(Failure::Missing(text::CHOOSE_SHOPS.to_owned())),
            count if count > most => Err(Failure::Missing(text::too_many(count, most))),
            _ => Ok(Self { shops, search }),
        }
    }

    /// Those of a form, which has the question in `search`, as they were shown.
    ///
    /// # Errors
    ///
    /// If a search finds other shops than it did, or one of them was changed.
    pub(super) fn sent(sent: &Sent, question: &ShopQuery, known: &Known) -> Result<Self, Failure> {
        if sent.get("all") == "found" {
            let now = Self::found(question, known)?;
            if now.digest() != sent.get("found") {
                return Err(Failure::from(OperationError::Moved(
                    text::SEARCH_MOVED.to_owned(),
                )));
            }
            return Ok(now);
        }
        let shown = sent.all("shown").filter_map(|text| {
            let (name, generation) = text.split_once(' ')?;
            Some((name.to_owned(), generation.parse().ok()?))
        });
        Self::bounded(shown.collect(), None, ONE_BY_ONE)
    }

    /// How many.
    pub(super) fn len(&self) -> usize {
        self.shops.len()
    }

    /// What stands for all names and generations.
    pub(super) fn digest(&self) -> String {
        let mut text = String::new();
        for (name, generation) in &self.shops {
            // Writing to a String never fails.
            writeln!(text, "{name} {generation}").unwrap_or_default();
        }
        Sha256::digest(text.as_bytes()).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::fixtures;
    use serde_json::json;

    fn known(generation: i64) -> Known {
        let mut known = Known::default();
        for number in 0..600 {
            let name = format!("s{number:03}");
            let mut shop = fixtures::shop(&name, json!({}));
            shop.metadata.generation = Some(if number == 7 { generation } else { 1 });
            known.fleet.shops.insert(name, shop);
        }
        known
    }

    fn read(query: &str, known: &Known) -> Result<Chosen, Failure> {
        Chosen::read(query, &ShopQuery::read(query), known)
    }

    fn sent(chosen: &Chosen, known: &Known) -> Result<Chosen, Failure> {
        let form = form(chosen);
        Chosen::sent(&form, &ShopQuery::read(form.get("search")), known)
    }

    fn form(chosen: &Chosen) -> Sent {
        let fields = [
            ("all", "found".to_owned()),
            ("search", chosen.search.clone().unwrap()),
            ("found", chosen.digest()),
        ];
        Sent::from(
            fields
                .map(|(name, value)| (name.to_owned(), value))
                .to_vec(),
        )
    }

    #[test]
    fn all_that_a_search_finds_are_chosen_by_the_search() {
        let known = known(1);
        let chosen = read("all=found&q=s00&page=2", &known).unwrap();
        assert_eq!(
            (chosen.len(), chosen.search.as_deref()),
            (10, Some("q=s00"))
        );
        assert_eq!(read("all=found", &known).unwrap().len(), 600);
        assert_eq!(sent(&chosen, &known).unwrap(), chosen);
    }

    #[test]
    fn nothing_is_done_if_one_of_them_was_changed_meanwhile() {
        let chosen = read("all=found&q=s00", &known(1)).unwrap();
        assert!(sent(&chosen, &known(2)).is_err());
        let others = read("all=found&q=s01", &known(1)).unwrap();
        sent(&others, &known(2)).unwrap();
    }

    #[test]
    fn one_by_one_a_person_chooses_five_hundred_at_most() {
        let query = |count: usize| {
            let pairs = (0..count).map(|number| format!("shop=s{number:03}"));
            pairs.collect::<Vec<_>>().join("&")
        };
        let known = known(1);
        assert_eq!(read(&query(500), &known).unwrap().len(), 500);
        assert!(read(&query(501), &known).is_err());
        assert!(read("", &known).is_err());
    }
}
