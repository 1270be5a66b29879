//! What is believed of a page: it comes from where a shop's own code runs. Pure.

use jiff::Timestamp;
use observe::page::{CLASS, GROUPS, MESSAGE, Page, SAMPLE, VERSION};

/// Entries of a page at most: an agent has one for each release that a group was seen in.
const ENTRIES: usize = 4 * GROUPS;
/// Bytes of the name of a run at most.
const RUN: usize = 64;
/// Events of one group in one run at most: ten thousand a second for three years.
const COUNT: u64 = 1_000_000_000_000;

/// Why a page is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Refused {
    /// It has no end.
    Large,
    /// It is no page.
    Json,
    /// It is of another version.
    Version,
    /// It has more entries than an agent keeps.
    Entries,
    /// A text is longer than an agent's is.
    Text,
    /// A count is none.
    Count,
}

impl Refused {
    /// All of them.
    pub(crate) const ALL: [Self; 6] = [
        Self::Large,
        Self::Json,
        Self::Version,
        Self::Entries,
        Self::Text,
        Self::Count,
    ];

    /// The word for it, on a label.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Large => "large",
            Self::Json => "json",
            Self::Version => "version",
            Self::Entries => "entries",
            Self::Text => "text",
            Self::Count => "count",
        }
    }
}

/// Reads a page that came at this moment. What it says of later moments was said now.
pub(crate) fn read(body: &[u8], now: Timestamp) -> Result<Page, Refused> {
    let mut page: Page = serde_json::from_slice(body).map_err(|_| Refused::Json)?;
    if page.version != VERSION {
        return Err(Refused::Version);
    }
    if page.groups.len() > ENTRIES {
        return Err(Refused::Entries);
    }
    if page.run.is_empty() || page.run.len() > RUN {
        return Err(Refused::Text);
    }
    for group in &mut page.groups {
        let bounds = [
            (&mut group.class, CLASS),
            (&mut group.message, MESSAGE),
            (&mut group.sample, SAMPLE),
        ];
        for (text, bound) in bounds {
            if text.len() > bound {
                return Err(Refused::Text);
            }
            clean(text);
        }
        if group.count == 0 || group.count > COUNT {
            return Err(Refused::Count);
        }
        group.sequence = group
            .sequence
            .filter(|it| *it > 0 && i64::try_from(*it).is_ok());
        group.last = group.last.min(now);
        group.first = group.first.min(group.last);
    }
    Ok(page)
}

/// Control characters would speak to the terminal of whoever reads them.
fn clean(text: &mut String) {
    let bad = |char: char| char.is_control() && !matches!(char, '\n' | '\t');
    if text.contains(bad) {
        *text = text.replace(bad, "\u{fffd}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn now() -> Timestamp {
        "2026-12-01T04:00:00Z".parse().unwrap()
    }

    fn group() -> Value {
        json!({
            "fingerprint": "03f1c2a9d47be650", "source": "php", "severity": "fatal",
            "class": "Error", "message": "Call to a member function on null", "sequence": 7,
            "count": 3, "first": "2026-12-01T03:00:00Z", "last": "2026-12-01T03:30:00Z",
            "sample": "PHP Fatal error: …",
        })
    }

    fn page(change: impl FnOnce(&mut Value)) -> Result<Page, Refused> {
        let mut page = json!({
            "version": 1, "run": "r1", "cursor": 9, "dropped": 0, "groups": [group()],
        });
        change(&mut page);
        read(page.to_string().as_bytes(), now())
    }

    #[test]
    fn a_page_of_an_agent_is_believed() {
        let read = page(|_| {}).unwrap();
        assert_eq!(
            (read.cursor, read.groups.len(), read.groups[0].count),
            (9, 1, 3)
        );
        page(|it| it["later"] = json!("a field of a later version")).unwrap();
    }

    #[test]
    fn what_no_agent_says_is_refused() {
        let refused = |change: &dyn Fn(&mut Value)| page(change).unwrap_err();
        assert_eq!(read(b"<html>", now()), Err(Refused::Json));
        assert_eq!(
            refused(&|it| it["groups"][0]["severity"] = json!("loud")),
            Refused::Json
        );
        assert_eq!(
            refused(&|it| it["groups"][0]["count"] = json!(-1)),
            Refused::Json
        );
        assert_eq!(refused(&|it| it["version"] = json!(2)), Refused::Version);
        assert_eq!(
            refused(&|it| it["groups"] = vec![group(); 4 * GROUPS + 1].into()),
            Refused::Entries
        );
        assert_eq!(refused(&|it| it["run"] = json!("")), Refused::Text);
        assert_eq!(
            refused(&|it| it["run"] = json!("r".repeat(65))),
            Refused::Text
        );
        for (field, bound) in [("class", CLASS), ("message", MESSAGE), ("sample", SAMPLE)] {
            let long = json!("x".repeat(bound + 1));
            assert_eq!(
                refused(&|it| it["groups"][0][field] = long.clone()),
                Refused::Text
            );
        }
        for count in [0, u64::MAX] {
            assert_eq!(
                refused(&|it| it["groups"][0]["count"] = json!(count)),
                Refused::Count
            );
        }
    }

    #[test]
    fn what_comes_from_the_future_came_now_and_nothing_speaks_to_terminals() {
        let read = page(|it| {
            it["groups"][0]["first"] = json!("2030-01-01T00:00:00Z");
            it["groups"][0]["last"] = json!("2029-01-01T00:00:00Z");
            it["groups"][0]["sample"] = json!("a\u{1b}[2Jb\nc\td");
            it["groups"][0]["sequence"] = json!(0);
        });
        let group = &read.unwrap().groups[0];
        assert_eq!((group.first, group.last), (now(), now()));
        assert_eq!(group.sample, "a\u{fffd}[2Jb\nc\td");
        assert_eq!(group.sequence, None);
    }

    proptest! {
        /// Whatever comes, reading it ends, and what is believed is within its bounds.
        #[test]
        fn nothing_that_comes_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..500)) {
            prop_assert!(read(&bytes, now()).is_err());
        }

        #[test]
        fn what_is_believed_is_within_bounds(
            count in any::<u64>(), sequence in any::<u64>(), text in ".{0,400}", seconds in any::<i32>(),
        ) {
            let at = Timestamp::from_second(seconds.into()).unwrap();
            let believed = page(|it| {
                it["groups"][0]["count"] = json!(count);
                it["groups"][0]["sequence"] = json!(sequence);
                it["groups"][0]["message"] = json!(text);
                it["groups"][0]["last"] = json!(at.to_string());
            });
            if let Ok(page) = believed {
                let group = &page.groups[0];
                prop_assert!((1..=COUNT).contains(&group.count) && group.message.len() <= 3 * MESSAGE);
                prop_assert!(group.first <= group.last && group.last <= now());
                prop_assert!(group.sequence.is_none_or(|it| i64::try_from(it).is_ok_and(|it| it > 0)));
            }
        }
    }
}
