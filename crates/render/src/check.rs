//! Checks on generated objects, made before anything is applied: what a schema accepts and a
//! cluster, or a shop, does not survive.
//!
//! | file | asks |
//! |---|---|
//! | `size` | names and bytes within limits, no object twice, one namespace |
//! | `reference` | every name that an object gives exists |
//! | `workload` | selectors, volumes, mounts, updates, autoscalers, budgets |
//! | `policy` | NetworkPolicies select every pod, and none selects nothing |
//! | `security` | the restricted profile, by container |
//! | `time` | cron expressions, time zones, grace periods |

mod checked_object;
mod policy;
mod reference;
mod security;
mod size;
mod time;
mod workload;

use api::{Identity, Object, Step};
use checked_object::CheckedObject;
use std::fmt;

/// Something wrong with a generated object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The object.
    pub object: Identity,
    /// The rule, a stable word.
    pub rule: &'static str,
    /// What is wrong, with the values.
    pub problem: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} [{}]", self.object, self.problem, self.rule)
    }
}

/// Findings named in a sentence at most.
const SHOWN: usize = 5;

/// What is wrong with a shop's objects, in a sentence, where any of them is about to be written.
pub fn before(objects: &[Object], steps: &[Step<'_>]) -> Option<String> {
    if !steps
        .iter()
        .any(|step| matches!(step, Step::Create(_) | Step::Write(_)))
    {
        return None;
    }
    let findings = shop(objects);
    let first: Vec<_> = findings
        .iter()
        .take(SHOWN)
        .map(Finding::to_string)
        .collect();
    (!findings.is_empty()).then(|| {
        format!(
            "{} generated objects are wrong, which is a bug of the renderer or of a class's \
             overlay: {}",
            findings.len(),
            first.join("; ")
        )
    })
}

/// Checks all objects of one shop together.
#[must_use]
pub fn shop(objects: &[Object]) -> Vec<Finding> {
    let objects: Vec<CheckedObject<'_>> = objects.iter().map(CheckedObject::at).collect();
    let mut findings = Vec::new();
    size::together(&objects, &mut findings);
    reference::check(&objects, &mut findings);
    policy::check(&objects, &mut findings);
    for object in &objects {
        size::check(object, &mut findings);
        workload::check(object, &mut findings);
        security::check(object, &mut findings);
        time::check(object, &mut findings);
    }
    workload::scaled(&objects, &mut findings);
    findings.sort();
    findings
}
