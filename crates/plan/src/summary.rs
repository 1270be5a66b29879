//! A fleet's changes on one screen: shops whose changes are the same are one group.

use super::{Action, Change, Field, Plan};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// All groups, the largest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Groups of shops with the same changes.
    pub groups: Vec<Group>,
    /// Shops without any change.
    pub unchanged: usize,
    /// Objects by what would happen to them.
    pub objects: BTreeMap<Action, usize>,
}

/// Shops with the same changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Group {
    /// The shops, sorted.
    pub shops: Vec<String>,
    /// What would change in each, one line a field, with `{shop}` and `{hash}` for what differs
    /// between shops.
    pub lines: Vec<String>,
}

/// Shops by what changes in each of them: plans of parts of a fleet are summed up one by one.
#[derive(Debug, Clone, Default)]
pub struct Groups {
    shops: BTreeMap<Vec<String>, Vec<String>>,
}

impl Groups {
    /// Takes in a plan of shops that none before was of.
    pub fn add(&mut self, plan: &Plan) {
        for (shop, changes) in &plan.shops {
            let mut lines: Vec<_> = changes
                .iter()
                .flat_map(|change| lines(shop, change))
                .collect();
            lines.sort();
            lines.dedup();
            self.shops.entry(lines).or_default().push(shop.clone());
        }
    }

    /// All groups, the largest first.
    #[must_use]
    pub fn largest_first(self) -> Vec<Group> {
        let mut groups: Vec<_> = self
            .shops
            .into_iter()
            .map(|(lines, mut shops)| {
                shops.sort();
                Group { shops, lines }
            })
            .collect();
        groups.sort_by(|a, b| {
            b.shops
                .len()
                .cmp(&a.shops.len())
                .then_with(|| a.shops.cmp(&b.shops))
        });
        groups
    }
}

impl Summary {
    /// Sums a plan.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        let (mut groups, mut objects) = (Groups::default(), BTreeMap::new());
        groups.add(plan);
        for change in plan.shops.values().flatten() {
            *objects.entry(change.action).or_default() += 1;
        }
        Self {
            groups: groups.largest_first(),
            unchanged: plan
                .looked_at
                .saturating_sub(plan.shops.len() + plan.failed.len()),
            objects,
        }
    }
}

/// Characters of a value that are shown.
const VALUE: usize = 60;

pub(super) fn lines(shop: &str, change: &Change) -> Vec<String> {
    shown(shop, change, brief)
}

/// The same with the whole of each value.
pub(super) fn whole_lines(shop: &str, change: &Change) -> Vec<String> {
    shown(shop, change, str::to_owned)
}

fn shown(shop: &str, change: &Change, value: impl Fn(&str) -> String) -> Vec<String> {
    let object = format!(
        "{} {}",
        change.object.kind,
        general(shop, &change.object.name)
    );
    if let Some(refused) = &change.refused {
        return vec![format!("! {object}: refused: {}", general(shop, refused))];
    }
    match change.action {
        Action::Create => vec![format!("+ {object}")],
        Action::Delete => vec![format!("- {object}")],
        Action::Adopt => vec![format!("~ {object}: only our record of it")],
        Action::Change => {
            let line = |field| format!("~ {object}: {}", of_field(shop, field, &value));
            change.fields.iter().map(line).collect()
        }
    }
}

/// A line about a field, with the whole of its values.
pub(super) fn whole_line(shop: &str, field: &Field) -> String {
    of_field(shop, field, &str::to_owned)
}

fn of_field(shop: &str, field: &Field, value: &impl Fn(&str) -> String) -> String {
    let side = |side: &Option<Value>| {
        side.as_ref().map_or_else(
            || "nothing".to_owned(),
            |side| value(&general(shop, &plain(side))),
        )
    };
    format!(
        "{} {} → {}",
        general(shop, &field.path),
        side(&field.before),
        side(&field.after)
    )
}

fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// The end of a long value tells more than its middle: digests and tags are there.
fn brief(text: &str) -> String {
    let text = text.replace('\n', "\\n");
    let count = text.chars().count();
    if count <= VALUE {
        return text;
    }
    let (head, tail) = (VALUE / 2, VALUE / 2 - 1);
    text.chars()
        .take(head)
        .chain(['…'])
        .chain(text.chars().skip(count - tail))
        .collect()
}

/// A text with placeholders for what only this shop has: its name, where it stands as a word, and
/// hashes of its configuration.
pub(super) fn general(shop: &str, text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let word = |character: Option<char>| character.is_some_and(char::is_alphanumeric);
    let mut rest = text;
    while let Some(at) = rest.find(shop).filter(|_| !shop.is_empty()) {
        let (before, after) = (&rest[..at], &rest[at + shop.len()..]);
        out += before;
        let alone = !word(
            before
                .chars()
                .next_back()
                .or_else(|| out.chars().next_back()),
        ) && !word(after.chars().next());
        out += if alone { "{shop}" } else { shop };
        rest = after;
    }
    hashes(&(out + rest))
}

fn hashes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for part in text.split_inclusive(|character: char| !character.is_ascii_alphanumeric()) {
        let (token, end) = match part.char_indices().next_back() {
            Some((at, last)) if !last.is_ascii_alphanumeric() => part.split_at(at),
            _ => (part, ""),
        };
        let hash = token.len() == 8
            && out.ends_with('-')
            && token
                .bytes()
                .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        out += if hash { "{hash}" } else { token };
        out += end;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::Identity;

    fn change(shop: &str, kind: &'static str, name: &str, fields: &[(&str, &str, &str)]) -> Change {
        let field = |(path, before, after): &(&str, &str, &str)| Field {
            path: (*path).to_owned(),
            before: Some((*before).into()),
            after: Some((*after).into()),
        };
        Change {
            object: Identity {
                api_version: "v1".into(),
                kind: kind.into(),
                namespace: Some(format!("shop-{shop}")),
                name: name.into(),
            },
            action: Action::Change,
            seen: None,
            desired: None,
            fields: fields.iter().map(field).collect(),
            refused: None,
        }
    }

    #[test]
    fn a_fleet_that_changes_alike_is_one_line() {
        let image = [("spec.initContainers[pull].image", "a", "b")];
        let mut plan = Plan {
            looked_at: 5000,
            ..Plan::default()
        };
        for index in 0..4998 {
            let shop = format!("s{index}");
            let mut changed = change(&shop, "Deployment", "web", &image);
            let name = format!("env-{index:08x}");
            changed.fields.push(Field {
                path: "spec.volumes[env].configMap.name".into(),
                before: Some("env-00000000".into()),
                after: Some(name.into()),
            });
            plan.shops.insert(shop, vec![changed]);
        }
        plan.shops.insert(
            "odd".into(),
            vec![change(
                "odd",
                "Service",
                "web",
                &[("spec.clusterIP", "x", "y")],
            )],
        );
        let summary = Summary::new(&plan);
        assert_eq!((summary.groups.len(), summary.unchanged), (2, 1));
        assert_eq!(summary.groups[0].shops.len(), 4998);
        assert_eq!(
            summary.groups[0].lines,
            [
                "~ Deployment web: spec.initContainers[pull].image a → b",
                "~ Deployment web: spec.volumes[env].configMap.name env-{hash} → env-{hash}"
            ]
        );
    }

    #[test]
    fn a_name_is_replaced_only_where_it_stands_alone() {
        for (text, expected) in [
            ("shop-a/web", "shop-{shop}/web"),
            ("a.example", "{shop}.example"),
            ("banana", "banana"),
            ("a", "{shop}"),
            ("aa", "aa"),
        ] {
            assert_eq!(general("a", text), expected, "{text}");
        }
    }

    #[test]
    fn long_values_keep_their_beginning_and_end() {
        let text = brief(&format!(
            "registry.example/{}@sha256:{}",
            "x".repeat(40),
            "0".repeat(64)
        ));
        assert!(
            text.starts_with("registry.example/")
                && text.ends_with("0000")
                && text.chars().count() == VALUE,
            "{text}"
        );
    }
}
