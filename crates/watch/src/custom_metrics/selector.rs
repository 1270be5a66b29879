//! A label selector, as it stands in a query: `a=b,c!=d,e in (f,g),h notin (i),j,!k`. Pure.

use kube::core::{Expression, Selector};

/// Reads a selector; an empty one selects all. None where it is none.
pub(super) fn read(text: &str) -> Option<Selector> {
    let text = text.trim();
    if text.is_empty() {
        return Some(Selector::default());
    }
    parts(text).map(expression).collect()
}

/// What is between the commas that are in no brackets.
fn parts(text: &str) -> impl Iterator<Item = &str> {
    let mut inside = false;
    text.split(move |char| {
        inside = char == '(' || (inside && char != ')');
        char == ',' && !inside
    })
}

fn expression(text: &str) -> Option<Expression> {
    let text = text.trim();
    if let Some(rest) = text.strip_suffix(')') {
        let (head, values) = rest.split_once('(')?;
        let values = values.split(',').map(value).collect::<Option<_>>()?;
        let (of, word) = head.trim().split_once(char::is_whitespace)?;
        return match word.trim() {
            "in" => Some(Expression::In(key(of)?, values)),
            "notin" => Some(Expression::NotIn(key(of)?, values)),
            _ => None,
        };
    }
    if let Some(of) = text.strip_prefix('!') {
        return Some(Expression::DoesNotExist(key(of)?));
    }
    if let Some((of, not)) = text.split_once("!=") {
        return Some(Expression::NotEqual(key(of)?, value(not)?));
    }
    match text.split_once('=') {
        Some((of, is)) => {
            let is = is.strip_prefix('=').unwrap_or(is);
            Some(Expression::Equal(key(of)?, value(is)?))
        }
        None => Some(Expression::Exists(key(text)?)),
    }
}

/// A label's key, which is not empty.
fn key(text: &str) -> Option<String> {
    let text = text.trim();
    let good = |it: char| it.is_ascii_alphanumeric() || matches!(it, '-' | '_' | '.' | '/');
    (!text.is_empty() && text.chars().all(good)).then(|| text.to_owned())
}

/// Its value, which may be.
fn value(text: &str) -> Option<String> {
    let text = text.trim();
    let good = |it: char| it.is_ascii_alphanumeric() || matches!(it, '-' | '_' | '.');
    text.chars().all(good).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::SelectorExt as _;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[test]
    fn pods_are_selected_as_the_api_server_does() {
        let labels =
            [("app", "web"), ("tier", "a")].map(|(key, value)| (key.to_owned(), value.to_owned()));
        let labels = BTreeMap::from(labels);
        for (text, expected) in [
            ("", true),
            ("app=web", true),
            ("app==web,tier=a", true),
            ("app=web,tier=b", false),
            ("app!=web", false),
            ("other!=web", true),
            ("app in (web, cron),tier", true),
            ("app in (cron)", false),
            ("app notin (cron),!other", true),
            ("!app", false),
        ] {
            assert_eq!(read(text).unwrap().matches(&labels), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_selector_is_none() {
        for bad in [
            ",", "a,", "=b", "a=b=c", "a in", "a in b", "a on (b)", "in (b)", "a b", "a in (b",
            "a>1", "!", "a===b",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    fn expressions() -> impl Strategy<Value = Expression> {
        let key = "[a-z][a-z./-]{0,8}[a-z]";
        let values = prop::collection::btree_set("[a-z][a-z0-9._-]{0,4}", 1..4);
        prop_oneof![
            (key, "[a-z]{0,4}").prop_map(|(key, value)| Expression::Equal(key, value)),
            (key, "[a-z]{0,4}").prop_map(|(key, value)| Expression::NotEqual(key, value)),
            (key, values.clone()).prop_map(|(key, values)| Expression::In(key, values)),
            (key, values).prop_map(|(key, values)| Expression::NotIn(key, values)),
            key.prop_map(Expression::Exists),
            key.prop_map(Expression::DoesNotExist),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(all in prop::collection::vec(expressions(), 0..5)) {
            let selector: Selector = all.into_iter().collect();
            prop_assert_eq!(read(&selector.to_string()), Some(selector));
        }

        #[test]
        fn any_text_has_an_answer(text in ".{0,60}") {
            let _found = read(&text);
        }
    }
}
