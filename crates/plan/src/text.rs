//! A plan as plain text: one screen for a fleet, or a unified diff of every object.

use super::{Action, Change, Field, Plan, Summary, sampling::TRIES};
use serde_json::Value;
use std::fmt::Write as _;

/// Groups that are shown; the rest is counted.
const GROUPS: usize = 20;
/// Lines of one group that are shown.
const LINES: usize = 12;
/// Shops that are named in a group.
const NAMED: usize = 3;

/// The plan, summed over shops whose changes are the same.
#[must_use]
pub fn summed(plan: &Plan) -> String {
    let summary = Summary::new(plan);
    let mut text = String::new();
    if !plan.resources.is_empty() {
        line(&mut text, format_args!("registry"));
    }
    let resources: Vec<_> = plan
        .resources
        .iter()
        .flat_map(|change| super::summary::lines("", change))
        .collect();
    resources
        .iter()
        .take(GROUPS)
        .for_each(|change| line(&mut text, format_args!("  {change}")));
    if resources.len() > GROUPS {
        line(
            &mut text,
            format_args!("  … and {} more", counted(resources.len() - GROUPS, "line")),
        );
    }
    groups(&mut text, &summary);
    for (shop, why) in plan.failed.iter().take(GROUPS) {
        line(&mut text, format_args!("cannot plan {shop}: {why}"));
    }
    if plan.failed.len() > GROUPS {
        line(
            &mut text,
            format_args!(
                "… and {} that cannot be planned",
                counted(plan.failed.len() - GROUPS, "shop")
            ),
        );
    }
    for held in &plan.held {
        line(&mut text, format_args!("held: {held}"));
    }
    if plan.alike > 0 {
        let shops = counted(plan.alike, "shop");
        line(
            &mut text,
            format_args!(
                "{shops} not tried: they change as {TRIES} others did that the API server tried \
                 (--every tries all)"
            ),
        );
    }
    let of = |action| summary.objects.get(&action).copied().unwrap_or_default();
    line(
        &mut text,
        format_args!(
            "plan: {} to create, {} to change, {} to adopt, {} to delete; {} unchanged",
            counted(of(Action::Create), "object"),
            of(Action::Change),
            of(Action::Adopt),
            of(Action::Delete),
            counted(summary.unchanged, "shop"),
        ),
    );
    text
}

fn groups(text: &mut String, summary: &Summary) {
    for group in summary.groups.iter().take(GROUPS) {
        let named = group
            .shops
            .iter()
            .take(NAMED)
            .cloned()
            .collect::<Vec<_>>()
            .join(", ");
        let more = if group.shops.len() > NAMED {
            ", …"
        } else {
            ""
        };
        line(
            text,
            format_args!("{}: {named}{more}", counted(group.shops.len(), "shop")),
        );
        group
            .lines
            .iter()
            .take(LINES)
            .for_each(|change| line(text, format_args!("  {change}")));
        if group.lines.len() > LINES {
            line(
                text,
                format_args!(
                    "  … and {} more",
                    counted(group.lines.len() - LINES, "line")
                ),
            );
        }
    }
    if summary.groups.len() > GROUPS {
        let shops = summary.groups[GROUPS..]
            .iter()
            .map(|group| group.shops.len())
            .sum();
        line(
            text,
            format_args!(
                "… and {} in {} more groups: see --output json",
                counted(shops, "shop"),
                summary.groups.len() - GROUPS
            ),
        );
    }
}

/// Every object's change as a unified diff of its fields.
#[must_use]
pub fn unified(plan: &Plan) -> String {
    let mut text = String::new();
    plan.changes().for_each(|change| object(&mut text, change));
    text
}

fn object(text: &mut String, change: &Change) {
    let name = change.object.to_string().replace(' ', "/");
    let (before, after) = match change.action {
        Action::Create => ("/dev/null".to_owned(), format!("b/{name}")),
        Action::Delete => (format!("a/{name}"), "/dev/null".to_owned()),
        Action::Change | Action::Adopt => (format!("a/{name}"), format!("b/{name}")),
    };
    line(text, format_args!("--- {before}\n+++ {after}"));
    if let Some(refused) = &change.refused {
        line(text, format_args!("# refused: {refused}"));
    }
    for Field {
        path,
        before,
        after,
    } in &change.fields
    {
        line(text, format_args!("@@ {path} @@"));
        let mut side = |sign: char, value: &Option<Value>| {
            let shown = value
                .as_ref()
                .map(|value| value.as_str().map_or_else(|| pretty(value), str::to_owned))
                .unwrap_or_default();
            shown
                .lines()
                .for_each(|shown| line(text, format_args!("{sign}{shown}")));
        };
        side('-', before);
        side('+', after);
    }
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

fn line(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    writeln!(text, "{arguments}").unwrap_or_default();
}

/// `1 shop`, `4,998 shops`.
#[must_use]
pub fn counted(number: usize, noun: &str) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("{grouped} {noun}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::super::ObjectVersion;
    use super::*;
    use api::Identity;

    fn plan() -> Plan {
        let change = |shop: &str| Change {
            object: Identity {
                api_version: "apps/v1".into(),
                kind: "Deployment".into(),
                namespace: Some(format!("shop-{shop}")),
                name: "web".into(),
            },
            action: Action::Change,
            seen: Some(ObjectVersion {
                uid: "u".into(),
                version: "generation 1".into(),
            }),
            desired: None,
            fields: vec![Field {
                path: "spec.replicas".into(),
                before: Some(2.into()),
                after: Some(3.into()),
            }],
            refused: None,
        };
        let shops = (0..1200)
            .map(|index| {
                (
                    format!("s{index:04}"),
                    vec![change(&format!("s{index:04}"))],
                )
            })
            .collect();
        Plan {
            shops,
            looked_at: 1201,
            ..Plan::default()
        }
    }

    #[test]
    fn a_fleet_fits_on_one_screen() {
        assert_eq!(
            summed(&plan()),
            "1,200 shops: s0000, s0001, s0002, …\n  ~ Deployment web: spec.replicas 2 → 3\nplan: \
             0 objects to create, 1200 to change, 0 to adopt, 0 to delete; 1 shop unchanged\n"
        );
    }

    #[test]
    fn what_changes_in_the_registry_comes_first() {
        let mut plan = plan();
        let object = Identity {
            api_version: "longshore.dev/v1alpha1".into(),
            kind: "ShopClass".into(),
            namespace: None,
            name: "m2".into(),
        };
        let field = Field {
            path: "spec.images.shop".into(),
            before: Some("a".into()),
            after: Some("b".into()),
        };
        plan.resources = vec![Change {
            object,
            fields: vec![field],
            ..plan.shops["s0000"][0].clone()
        }];
        assert!(
            summed(&plan)
                .starts_with("registry\n  ~ ShopClass m2: spec.images.shop a → b\n1,200 shops: "),
            "{}",
            summed(&plan)
        );
        assert!(unified(&plan).starts_with(
            "--- a/ShopClass/m2\n+++ b/ShopClass/m2\n@@ spec.images.shop @@\n-a\n+b\n"
        ));
    }

    #[test]
    fn a_diff_names_the_object_and_the_field() {
        let text = unified(&plan());
        assert!(
            text.starts_with(
                "--- a/Deployment/shop-s0000/web\n+++ b/Deployment/shop-s0000/web\n@@ \
                 spec.replicas @@\n-2\n+3\n"
            ),
            "{text}"
        );
    }
}
