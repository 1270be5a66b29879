//! What a Shop's status says, made from what was found.

use super::{data::KINDS, state::Pods};
use api::{Condition, Shop, ShopStatus, Truth, agent_status::PageStatus};
use jiff::Timestamp;
use render::assign::worked;

/// How a look at a shop went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Its objects are as they should be.
    Applied {
        /// Digest over all of them.
        digest: String,
        /// Fields that were taken from others, if any.
        taken: Vec<String>,
    },
    /// It cannot be rendered.
    NotRendered(String),
    /// Other shops have what it claims.
    Claimed(String),
    /// The API server refused, or could not be asked.
    NotApplied {
        /// In one word.
        reason: &'static str,
        /// In a sentence.
        message: String,
    },
    /// A guard holds it.
    Held(String),
}

/// The new status. What did not change keeps its time, so that it is written only where something
/// did. `page` counts until the shop has worked once: later a database that fails over must not
/// make every shop look broken.
#[must_use]
pub(crate) fn status(
    shop: &Shop,
    outcome: &Outcome,
    pods: Option<Pods>,
    page: &PageStatus,
    data: Vec<Condition>,
    now: Timestamp,
) -> ShopStatus {
    let old = shop.status.clone().unwrap_or_default();
    let generation = shop.metadata.generation;
    let condition = |kind: &str, status: Truth, reason: &str, message: &str| Condition {
        kind: kind.to_owned(),
        status,
        reason: reason.to_owned(),
        message: message.chars().take(2000).collect(),
        observed_generation: generation,
        last_transition_time: now,
    };
    let (rendered, applied) = match outcome {
        Outcome::Applied { taken, .. } => (
            condition("Rendered", Truth::True, "Rendered", ""),
            if taken.is_empty() {
                condition("Applied", Truth::True, "Applied", "")
            } else {
                condition("Applied", Truth::True, "TakenOver", &taken.join("; "))
            },
        ),
        Outcome::NotRendered(why) => (
            condition("Rendered", Truth::False, "Invalid", why),
            condition(
                "Applied",
                Truth::False,
                "NotRendered",
                "what was applied before still runs",
            ),
        ),
        Outcome::Claimed(why) => (
            condition("Rendered", Truth::False, "Claimed", why),
            condition(
                "Applied",
                Truth::False,
                "NotRendered",
                "what was applied before still runs",
            ),
        ),
        Outcome::NotApplied { reason, message } => (
            condition("Rendered", Truth::True, "Rendered", ""),
            condition("Applied", Truth::False, reason, message),
        ),
        Outcome::Held(why) => (
            condition("Rendered", Truth::True, "Rendered", ""),
            condition("Applied", Truth::False, "Held", why),
        ),
    };
    let available = match pods {
        None => condition(
            "WorkloadAvailable",
            Truth::Unknown,
            "NoDeployment",
            "there is no Deployment web yet",
        ),
        Some(pods) if pods.wanted == 0 => condition(
            "WorkloadAvailable",
            Truth::True,
            "NoPods",
            "none are wanted",
        ),
        Some(pods) if pods.ready >= pods.wanted => {
            condition("WorkloadAvailable", Truth::True, "Ready", "")
        }
        Some(pods) if pods.ready == 0 => condition(
            "WorkloadAvailable",
            Truth::False,
            "NoPodReady",
            "no pod is ready",
        ),
        Some(_) => condition(
            "WorkloadAvailable",
            Truth::False,
            "SomePodsNotReady",
            "some pods are not ready",
        ),
    };
    let missing = if worked(shop) {
        None
    } else {
        missing(page, &data)
    };
    let ready = match (&rendered.status, &applied.status, pods) {
        (Truth::True, Truth::True, Some(pods)) if pods.wanted == 0 => {
            condition("Ready", Truth::True, "Serving", "")
        }
        (Truth::True, Truth::True, Some(pods)) if pods.ready > 0 => match &missing {
            None => condition("Ready", Truth::True, "Serving", ""),
            Some((reason, message)) => condition("Ready", Truth::False, reason, message),
        },
        (Truth::True, Truth::True, _) => {
            condition("Ready", Truth::False, &available.reason, &available.message)
        }
        (Truth::True, ..) => condition("Ready", Truth::False, &applied.reason, &applied.message),
        _ => condition("Ready", Truth::False, &rendered.reason, &rendered.message),
    };
    let serves = ready.status == Truth::True && pods.is_some_and(|pods| pods.wanted > 0);
    let mut conditions = vec![ready, rendered, applied, available];
    conditions.extend(data);
    conditions.push(degraded(&conditions, generation, now));
    // What others wrote stays, and what no longer applies goes.
    let others = |old: &&Condition| {
        !KINDS.contains(&old.kind.as_str()) && conditions.iter().all(|new| new.kind != old.kind)
    };
    let kept = old
        .conditions
        .iter()
        .filter(others)
        .cloned()
        .collect::<Vec<_>>();
    for new in &mut conditions {
        if let Some(same) = old
            .conditions
            .iter()
            .find(|old| old.kind == new.kind && old.status == new.status)
        {
            new.last_transition_time = same.last_transition_time;
        }
    }
    conditions.extend(kept);
    ShopStatus {
        worked: old
            .worked
            .clone()
            .or_else(|| serves.then(|| now.to_string())),
        observed_generation: generation,
        pods: pods.map(|pods| format!("{}/{}", pods.ready, pods.wanted)),
        applied: match outcome {
            Outcome::Applied { digest, .. } => Some(digest.clone()),
            _ => old.applied.clone(),
        },
        conditions,
        ..old
    }
}

/// What a shop still needs that has never worked: its database first, as no page works without it.
fn missing(page: &PageStatus, data: &[Condition]) -> Option<(String, String)> {
    let database = data
        .iter()
        .find(|it| it.kind == "DatabaseCurrent" && it.status == Truth::False);
    if let Some(database) = database {
        return Some((database.reason.clone(), database.message.clone()));
    }
    match page {
        PageStatus::Works => None,
        PageStatus::Unknown => Some((
            "PageUnknown".to_owned(),
            "no agent has seen its page yet".to_owned(),
        )),
        PageStatus::Fails(why) => Some(("PageFails".to_owned(), why.clone())),
    }
}

/// What is not as it should be, in one condition: a shop that serves, and still needs somebody, is
/// told from one that does not.
fn degraded(conditions: &[Condition], generation: Option<i64>, now: Timestamp) -> Condition {
    let bad: Vec<_> = conditions
        .iter()
        .filter(|it| it.status == Truth::False && it.kind != "Ready")
        .collect();
    let message: Vec<_> = bad
        .iter()
        .map(|it| format!("{}: {}", it.kind, it.reason))
        .collect();
    Condition {
        kind: "Degraded".to_owned(),
        status: if bad.is_empty() {
            Truth::False
        } else {
            Truth::True
        },
        reason: bad
            .first()
            .map_or_else(|| "AsExpected".to_owned(), |first| first.reason.clone()),
        message: message.join("; "),
        observed_generation: generation,
        last_transition_time: now,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shop(status: Option<ShopStatus>) -> Shop {
        let spec = serde_json::from_value(
            serde_json::json!({"class": "c", "channel": "x", "domains": [], "services": {}}),
        )
        .unwrap();
        let mut shop = Shop::new("a", spec);
        (shop.status, shop.metadata.generation) = (status, Some(3));
        shop
    }

    fn applied() -> Outcome {
        Outcome::Applied {
            digest: "d".into(),
            taken: Vec::new(),
        }
    }

    fn at(minute: i8) -> Timestamp {
        format!("2026-11-23T12:{minute:02}:00Z").parse().unwrap()
    }

    fn find<'a>(status: &'a ShopStatus, kind: &str) -> &'a Condition {
        status
            .conditions
            .iter()
            .find(|condition| condition.kind == kind)
            .unwrap()
    }

    #[test]
    fn what_did_not_change_is_not_written_again() {
        let pods = Some(Pods {
            wanted: 2,
            ready: 2,
            updated: 2,
            current: true,
        });
        let first = status(
            &shop(None),
            &applied(),
            pods,
            &PageStatus::Works,
            Vec::new(),
            at(0),
        );
        assert_eq!(
            status(
                &shop(Some(first.clone())),
                &applied(),
                pods,
                &PageStatus::Works,
                Vec::new(),
                at(5)
            ),
            first
        );
        assert_eq!(
            (
                find(&first, "Ready").status,
                first.pods.as_deref(),
                first.observed_generation
            ),
            (Truth::True, Some("2/2"), Some(3))
        );
    }

    #[test]
    fn a_shop_is_ready_once_its_page_was_seen_and_stays_so() {
        let pods = Some(Pods {
            wanted: 2,
            ready: 1,
            updated: 2,
            current: true,
        });
        let database = |truth, reason: &str, message: &str| Condition {
            kind: "DatabaseCurrent".to_owned(),
            status: truth,
            reason: reason.to_owned(),
            message: message.to_owned(),
            observed_generation: None,
            last_transition_time: at(0),
        };
        let empty = || {
            vec![database(
                Truth::False,
                "MigrationFailed",
                "database shop_acme on aurora-eu-1 is empty",
            )]
        };
        let fails = PageStatus::Fails("the page of pod web-1: status 503".to_owned());
        let mut new = shop(None);
        for (page, data, reason, message) in [
            (
                &PageStatus::Unknown,
                vec![],
                "PageUnknown",
                "no agent has seen its page yet",
            ),
            (
                &fails,
                empty(),
                "MigrationFailed",
                "database shop_acme on aurora-eu-1 is empty",
            ),
            (
                &fails,
                vec![database(Truth::True, "Migrated", "")],
                "PageFails",
                "the page of pod web-1: status 503",
            ),
        ] {
            let found = status(&new, &applied(), pods, page, data, at(1));
            let ready = find(&found, "Ready");
            assert_eq!(
                (
                    ready.status,
                    ready.reason.as_str(),
                    ready.message.as_str(),
                    &found.worked
                ),
                (Truth::False, reason, message, &None)
            );
            new.status = Some(found);
        }
        new.status = Some(status(
            &new,
            &applied(),
            pods,
            &PageStatus::Works,
            Vec::new(),
            at(2),
        ));
        assert_eq!(new.status.as_ref().unwrap().worked, Some(at(2).to_string()));
        // From now on its pods decide.
        let later = status(&new, &applied(), pods, &fails, empty(), at(3));
        assert_eq!(
            (find(&later, "Ready").status, later.worked),
            (Truth::True, Some(at(2).to_string()))
        );
    }

    #[test]
    fn a_shop_that_served_before_anybody_asked_for_its_page_goes_on() {
        let pods = Some(Pods {
            wanted: 2,
            ready: 2,
            updated: 2,
            current: true,
        });
        let first = status(
            &shop(None),
            &applied(),
            pods,
            &PageStatus::Works,
            Vec::new(),
            at(0),
        );
        let old = ShopStatus {
            worked: None,
            ..first.clone()
        };
        assert_eq!(
            find(
                &status(
                    &shop(Some(old)),
                    &applied(),
                    pods,
                    &PageStatus::Unknown,
                    Vec::new(),
                    at(1)
                ),
                "Ready"
            )
            .status,
            Truth::True
        );
        // Nobody has seen one that never had a pod.
        let none = Some(Pods {
            wanted: 0,
            ..Pods::default()
        });
        let suspended = status(
            &shop(None),
            &applied(),
            none,
            &PageStatus::Works,
            Vec::new(),
            at(0),
        );
        assert_eq!(
            (find(&suspended, "Ready").status, suspended.worked.clone()),
            (Truth::True, None)
        );
        assert_eq!(
            find(
                &status(
                    &shop(Some(suspended)),
                    &applied(),
                    pods,
                    &PageStatus::Unknown,
                    Vec::new(),
                    at(1)
                ),
                "Ready"
            )
            .status,
            Truth::False
        );
    }

    #[test]
    fn a_change_has_its_own_time() {
        let ready = |ready| {
            Some(Pods {
                wanted: 2,
                ready,
                updated: 2,
                current: true,
            })
        };
        let first = status(
            &shop(None),
            &applied(),
            ready(2),
            &PageStatus::Works,
            Vec::new(),
            at(0),
        );
        let second = status(
            &shop(Some(first)),
            &applied(),
            ready(0),
            &PageStatus::Works,
            Vec::new(),
            at(5),
        );
        assert_eq!(
            (
                find(&second, "Ready").reason.as_str(),
                find(&second, "Ready").last_transition_time
            ),
            ("NoPodReady", at(5))
        );
        assert_eq!(find(&second, "Applied").last_transition_time, at(0));
    }

    #[test]
    fn a_shop_that_serves_and_still_needs_somebody_is_degraded() {
        let some = |ready| {
            Some(Pods {
                wanted: 2,
                ready,
                updated: 2,
                current: true,
            })
        };
        let good = status(
            &shop(None),
            &applied(),
            some(2),
            &PageStatus::Works,
            Vec::new(),
            at(0),
        );
        assert_eq!(
            (
                find(&good, "Degraded").status,
                find(&good, "Degraded").observed_generation
            ),
            (Truth::False, Some(3))
        );
        let bad = status(
            &shop(None),
            &applied(),
            some(1),
            &PageStatus::Works,
            Vec::new(),
            at(0),
        );
        assert_eq!(
            (find(&bad, "Ready").status, find(&bad, "Degraded").status),
            (Truth::True, Truth::True)
        );
        assert_eq!(
            find(&bad, "Degraded").message,
            "WorkloadAvailable: SomePodsNotReady"
        );
    }

    #[test]
    fn a_shop_that_cannot_be_rendered_says_why_and_keeps_what_runs() {
        let first = status(
            &shop(None),
            &applied(),
            None,
            &PageStatus::Works,
            Vec::new(),
            at(0),
        );
        let second = status(
            &shop(Some(first)),
            &Outcome::NotRendered("no class".into()),
            None,
            &PageStatus::Works,
            Vec::new(),
            at(1),
        );
        assert_eq!(
            (
                find(&second, "Ready").message.as_str(),
                second.applied.as_deref()
            ),
            ("no class", Some("d"))
        );
    }
}
