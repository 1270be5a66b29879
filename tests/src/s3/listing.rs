//! One page of a listing.

use std::collections::BTreeMap;

/// What to list.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Query<'a> {
    pub(super) prefix: &'a str,
    /// Keys that share what stands before it, after the prefix, are listed as one.
    pub(super) delimiter: Option<&'a str>,
    /// Only what comes after this key or common prefix.
    pub(super) after: Option<&'a str>,
    pub(super) limit: usize,
}

/// What was found, in the order of keys; objects and prefixes count alike.
#[derive(Debug)]
pub(super) struct Page<'a, T> {
    pub(super) objects: Vec<(&'a str, &'a T)>,
    pub(super) prefixes: Vec<String>,
    /// Where the next page starts after; `None` is the end.
    pub(super) next: Option<String>,
}

/// Lists a page.
pub(super) fn list<'a, T>(objects: &'a BTreeMap<String, T>, query: Query<'_>) -> Page<'a, T> {
    let mut page = Page {
        objects: Vec::new(),
        prefixes: Vec::new(),
        next: None,
    };
    let start = query
        .after
        .map_or(query.prefix, |after| after.max(query.prefix))
        .to_owned();
    let mut last: Option<String> = None;
    for (key, object) in objects.range(start..) {
        let Some(rest) = key.strip_prefix(query.prefix) else {
            break;
        };
        let common = query
            .delimiter
            .filter(|delimiter| !delimiter.is_empty())
            .and_then(|delimiter| {
                rest.find(delimiter)
                    .map(|at| &key[..query.prefix.len() + at + delimiter.len()])
            });
        let entry = common.unwrap_or(key);
        if query.after.is_some_and(|after| entry <= after) || last.as_deref() == Some(entry) {
            continue;
        }
        if page.objects.len() + page.prefixes.len() == query.limit {
            page.next = last;
            break;
        }
        match common {
            Some(common) => page.prefixes.push(common.to_owned()),
            None => page.objects.push((key, object)),
        }
        last = Some(entry.to_owned());
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> BTreeMap<String, u8> {
        ["a", "b/1", "b/2", "b/c/3", "c", "d/4"]
            .into_iter()
            .map(|key| (key.to_owned(), 0))
            .collect()
    }

    fn entries(page: &Page<'_, u8>) -> Vec<String> {
        let mut all: Vec<_> = page
            .objects
            .iter()
            .map(|(key, _)| (*key).to_owned())
            .chain(page.prefixes.clone())
            .collect();
        all.sort();
        all
    }

    #[test]
    fn a_prefix_without_a_delimiter_lists_everything_below() {
        let keys = keys();
        assert_eq!(
            entries(&list(
                &keys,
                Query {
                    prefix: "b/",
                    limit: 10,
                    ..Query::default()
                }
            )),
            ["b/1", "b/2", "b/c/3"]
        );
    }

    #[test]
    fn a_delimiter_folds_what_is_below() {
        let keys = keys();
        assert_eq!(
            entries(&list(
                &keys,
                Query {
                    delimiter: Some("/"),
                    limit: 10,
                    ..Query::default()
                }
            )),
            ["a", "b/", "c", "d/"]
        );
    }

    #[test]
    fn pages_of_any_size_list_the_same() {
        let keys = keys();
        for delimiter in [None, Some("/")] {
            let whole = entries(&list(
                &keys,
                Query {
                    delimiter,
                    limit: 10,
                    ..Query::default()
                },
            ));
            for limit in 1..6 {
                let (mut found, mut after) = (Vec::new(), None);
                loop {
                    let page = list(
                        &keys,
                        Query {
                            delimiter,
                            after: after.as_deref(),
                            limit,
                            ..Query::default()
                        },
                    );
                    found.extend(entries(&page));
                    after.clone_from(&page.next);
                    if after.is_none() {
                        break;
                    }
                }
                assert_eq!(found, whole, "{delimiter:?} by {limit}");
            }
        }
    }
}
