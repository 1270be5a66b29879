//! A list of new shops: what its rows stand for, and everything that speaks against them.

use crate::create::{against, read, typed};
use api::{Fleet, Shop, claims::Claims};
use registry::list;
use serde_json::Value;
use std::{collections::BTreeMap, path::Path};

/// The resources of a list, each with its line.
pub type Rows = Vec<(usize, Value)>;

/// What a list says against itself, each problem with its place: rows that are no Shops, that are
/// there twice, or that want the same.
#[must_use]
pub fn problems(rows: &Rows, place: &Path) -> Vec<String> {
    let (mut problems, mut seen) = (Vec::new(), BTreeMap::new());
    let mut shops: Vec<(usize, Shop)> = Vec::new();
    for (line, row) in rows {
        let label = label(place, *line, row);
        let found = read(row).err().unwrap_or_default();
        problems.extend(found.iter().map(|problem| format!("{label}: {problem}")));
        // What it wants is told even if it is no good name.
        shops.extend(typed(row).map(|shop| (*line, shop)));
        if let Some(first) = seen.insert(name(row), line) {
            problems.push(format!("{label}: is in line {first} already"));
        }
    }
    problems.extend(list::collisions(&shops, place));
    problems
}

/// What the registry says against the rows, each problem with its place. Rows that are no Shops are
/// left out: [`problems`] has them.
#[must_use]
pub fn problems_with(rows: &Rows, fleet: &Fleet, place: &Path) -> Vec<String> {
    let mut claims = Claims::new(fleet);
    let mut problems = Vec::new();
    for (line, row) in rows {
        let Ok(shop) = read(row) else { continue };
        let label = label(place, *line, row);
        let found = against(name(row), &shop, fleet, &mut claims);
        problems.extend(found.iter().map(|problem| format!("{label}: {problem}")));
    }
    problems
}

fn name(row: &Value) -> &str {
    row["metadata"]["name"].as_str().unwrap_or_default()
}

fn label(place: &Path, line: usize, row: &Value) -> String {
    format!("{}:{line}: {}", place.display(), name(row))
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::fixtures;
    use registry::list::Given;
    use serde_json::json;

    fn rows(text: &str) -> Rows {
        let given = Given {
            class: Some("php"),
            channel: "shops/{name}",
        };
        list::table(text, Path::new("list"), &given).unwrap()
    }

    #[test]
    fn each_row_that_cannot_be_used_is_told_with_its_line() {
        let rows = rows(
            "name,domain\na,a.example\nb,B.example\na,c.example\nd,a.example\nold,old.example\n\
             e,old.example\n<script>,x.example\n",
        );
        let problems = problems(&rows, Path::new("list")).join("\n");
        for said in [
            "list:3: b: spec.domains[0].host: \"B.example\" is not a host name",
            "list:4: a: is in line 2 already",
            "list:5: d: host a.example belongs to shop a, of line 2",
            "list:8: <script>: ",
        ] {
            assert!(problems.contains(said), "{said}: {problems}");
        }
        let mut fleet = Fleet::default();
        let old = fixtures::shop("old", json!({}));
        fleet.shops.insert("old".to_owned(), old);
        let class = fixtures::class("php", json!({}));
        fleet.classes.insert("php".to_owned(), class);
        assert_eq!(
            problems_with(&rows, &fleet, Path::new("list")),
            [
                "list:6: old: shop old is there already; change it with `kubectl edit shop old`",
                "list:7: e: host old.example belongs to shop old",
            ]
        );
    }
}
