//! Why a shop is as it is: what should run, what does, what holds it, and what to do, in a few
//! lines.

use api::{
    Condition, Fleet, Phase, RejectedRelease, Rollout, Shop, ShopRelease, ShopState, Truth,
    claims::Claims, closed, symptom::Symptom,
};
use jiff::Timestamp;
use render::assign;
use serde::Serialize;

/// Why a shop is as it is, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// The shop.
    pub shop: String,
    /// In one word: whether it is served.
    pub verdict: &'static str,
    /// Facts, one a line.
    pub facts: Vec<String>,
    /// What to do, if anything.
    pub advice: Vec<String>,
}

impl Explanation {
    /// Adds which Releases cannot be read, of whatever channel: what they would have said of one is
    /// unknown.
    pub fn unreadable(&mut self, problems: &[String]) {
        self.facts.extend(
            problems
                .iter()
                .take(UNREADABLE)
                .map(|problem| format!("no shop can run it: {problem}")),
        );
        if !problems.is_empty() {
            self.advice.push(
                "delete Releases that cannot be read, and apply what `longshore release resource` \
                 prints instead"
                    .to_owned(),
            );
        }
    }
}

impl Explanation {
    /// Adds what is wrong with the shop's pods.
    pub fn pods(&mut self, symptoms: Vec<Symptom>) {
        for Symptom { fact, advice } in symptoms {
            self.facts.push(fact);
            self.advice.extend(advice);
        }
        self.advice.dedup();
    }
}

/// Releases that are named, at most.
const UNREADABLE: usize = 5;

/// Explains one shop of a fleet, of which it is known what its shops claim; `halted` is what the
/// halt says.
#[must_use]
pub fn why(
    name: &str,
    shop: &Shop,
    (fleet, claims): (&Fleet, &Claims),
    halted: Option<&str>,
    now: Timestamp,
) -> Explanation {
    let mut answer = Explanation {
        shop: name.to_owned(),
        verdict: verdict(shop),
        facts: Vec::new(),
        advice: Vec::new(),
    };
    let status = shop.status.clone().unwrap_or_default();
    answer.facts.push(format!(
        "class {}, channel {}, {:?}",
        shop.spec.class, shop.spec.channel, shop.spec.state
    ));
    release(&mut answer, shop, fleet, now);
    if let Some(pods) = &status.pods {
        answer.facts.push(format!("pods ready: {pods}"));
    }
    if status.observed_generation.is_some()
        && status.observed_generation != shop.metadata.generation
    {
        answer
            .facts
            .push("its last change was not looked at yet".to_owned());
        answer.advice.push(
            "if that lasts, look whether the scheduler runs: `kubectl -n longshore-system get \
             pods,leases`"
                .to_owned(),
        );
    }
    if status.observed_generation.is_none() {
        answer.advice.push(
            "no scheduler has looked at it yet: `kubectl -n longshore-system get pods,leases`"
                .to_owned(),
        );
    }
    for Condition {
        kind,
        reason,
        message,
        last_transition_time,
        ..
    } in bad(&status.conditions)
    {
        let colon = if message.is_empty() { "" } else { ": " };
        answer.facts.push(format!(
            "not {kind} since {last_transition_time:.0}: {reason}{colon}{message}"
        ));
        answer.advice.extend(advice(name, kind, reason));
    }
    if let Some(Condition {
        message,
        last_transition_time,
        ..
    }) = switching(&status.conditions)
    {
        answer.facts.push(format!(
            "no visitor is let in since {last_transition_time:.0}: {message}"
        ));
        answer.advice.push(format!(
            "if that lasts, look which pod does not switch: `kubectl -n {} get pods`",
            api::namespace(name)
        ));
    }
    if let Some(since) = assign::at_zero(shop) {
        answer.facts.push(format!(
            "scaled to zero since {since:.0}, as no visitor came; the request of the next one \
             waits until a pod is ready"
        ));
    }
    let resolution = assign::Resolution::new(name, shop, fleet);
    let is_rendered = status.observed_generation.is_some()
        && status.observed_generation == shop.metadata.generation;
    let found = if is_rendered {
        // Whether it can be rendered, its conditions say.
        assign::found(&resolution, claims).map(drop)
    } else {
        let known = assign::Circumstances::recorded(shop);
        assign::desired(&resolution, claims, &known, now).map(drop)
    };
    match found {
        Ok(()) => {}
        Err(error) => {
            answer.facts.push(runtime::Chain(&error).to_string());
            if matches!(error, assign::AssignError::Claimed { .. }) {
                answer.advice.push(
                    "give one of the two shops something else; what was applied before still runs"
                        .to_owned(),
                );
            }
        }
    }
    if let Some(halted) = halted {
        answer.facts.push(halted.to_owned());
        answer
            .advice
            .push("rollouts go on after `longshore halt --lift`".to_owned());
    }
    answer.advice.dedup();
    answer
}

/// Conditions that somebody has to be told of: `Degraded` sums the others up, and what
/// `DomainsProven` says in full, `RoutesProgrammed` repeats.
fn bad(conditions: &[Condition]) -> impl Iterator<Item = &Condition> {
    let proofs = conditions.iter().any(|it| it.kind == "DomainsProven");
    let repeats =
        move |it: &Condition| it.kind == "Degraded" || (proofs && it.reason == "HostNotProven");
    conditions
        .iter()
        .filter(move |it| it.status != Truth::True && !repeats(it))
}

/// The condition of a shop whose database is changed, and whose pods do not all know that yet.
fn switching(conditions: &[Condition]) -> Option<&Condition> {
    conditions.iter().find(|condition| {
        condition.kind == "DatabaseCurrent" && condition.reason == assign::SWITCHING
    })
}

fn verdict(shop: &Shop) -> &'static str {
    let conditions = shop
        .status
        .as_ref()
        .map_or(&[][..], |status| &status.conditions);
    let ready = conditions
        .iter()
        .find(|it| it.kind == "Ready")
        .map(|it| it.status);
    match (shop.spec.state, ready) {
        (ShopState::Suspended | ShopState::Archived, _) => "not served, as its state says",
        _ if switching(conditions).is_some() => "closed until every pod runs its release",
        (_, Some(Truth::True)) => "served",
        (_, Some(Truth::False)) => "not served",
        (_, Some(Truth::Unknown) | None) => "unknown",
    }
}

fn release(answer: &mut Explanation, shop: &Shop, fleet: &Fleet, now: Timestamp) {
    let told = shop
        .status
        .as_ref()
        .and_then(|status| status.release.as_ref());
    let newest = fleet.newest(&shop.spec.channel);
    match (told, newest) {
        (None, None) => {
            answer.facts.push(format!(
                "no Release of channel {} is in the cluster, so nothing runs",
                shop.spec.channel
            ));
            answer.advice.push(format!(
                "`longshore release resource --store … --channel {} | kubectl apply --server-side \
                 -f -`",
                shop.spec.channel
            ));
        }
        (None, Some(_)) => answer
            .facts
            .push("no release was chosen for it yet".to_owned()),
        (Some(told), newest) => {
            let since = told
                .since
                .as_deref()
                .map(|since| format!(" since {since}"))
                .unwrap_or_default();
            let back = told
                .returned_from
                .map(|from| format!(", back from {from}, which failed"))
                .unwrap_or_default();
            answer.facts.push(format!(
                "assigned {} (sequence {}){since}{back}",
                told.name, told.sequence
            ));
            rejected(answer, shop, told);
            if let Some(newest) =
                newest.filter(|newest| newest.sequence.get().cast_signed() > told.sequence)
            {
                newer(answer, shop, told, &newest.name, fleet, now);
            }
        }
    }
}

/// What agents said of the release that failed, also where the pod that said so is gone.
fn rejected(answer: &mut Explanation, shop: &Shop, told: &ShopRelease) {
    let all = shop
        .status
        .as_ref()
        .map_or(&[][..], |status| &status.rejected);
    let about = told.returned_from.unwrap_or(told.sequence);
    let manifests = all
        .iter()
        .filter(|it| it.manifest == told.manifest || it.sequence == about);
    for RejectedRelease {
        sequence,
        pod,
        at,
        why,
        ..
    } in manifests
    {
        answer.facts.push(format!(
            "pod {pod} rejected sequence {sequence} at {at}: {why}"
        ));
    }
    if all.iter().any(|it| it.manifest == told.manifest) {
        answer
            .facts
            .push("pods that start get the release before, where there is one".to_owned());
        answer.advice.push(
            "publish a correction; or, where the release is good, `longshore rollout resume` has \
             it tried again"
                .to_owned(),
        );
    }
}

fn newer(
    answer: &mut Explanation,
    shop: &Shop,
    told: &ShopRelease,
    newest: &str,
    fleet: &Fleet,
    now: Timestamp,
) {
    let name = answer.shop.clone();
    let rollouts: Vec<(&String, &Rollout)> = fleet
        .rollouts
        .iter()
        .filter(|(_, rollout)| rollout.spec.release == newest)
        .collect();
    let Some((rollout, found)) = rollouts.iter().max_by_key(|(_, rollout)| {
        rollout
            .metadata
            .creation_timestamp
            .as_ref()
            .map(|time| time.0)
    }) else {
        answer
            .facts
            .push(format!("{newest} is newer, and no rollout moves it"));
        answer.advice.push(format!(
            "start one: `longshore rollout start {newest} --why …`"
        ));
        return;
    };
    let status = found.status.clone().unwrap_or_default();
    let phase = status.phase.unwrap_or(Phase::Pending);
    answer.facts.push(format!(
        "{newest} is newer; rollout {rollout} is {phase:?} in wave {} of {}",
        status.wave.unwrap_or(0),
        found.spec.waves.len()
    ));
    if let Some(act) = status.history.last() {
        answer.facts.push(format!("it was {}", act.line()));
    }
    if let Some(failed) = status.failed.iter().find(|failed| failed.shop == name) {
        answer
            .facts
            .push(format!("it failed there: {}", failed.why));
        answer.advice.push(format!(
            "look at its pods, then publish a correction, or try again: `longshore rollout resume \
             {rollout}`"
        ));
    }
    let freezes = fleet
        .classes
        .get(&shop.spec.class)
        .map_or(&[][..], |class| &class.spec.freezes);
    if let Some(closed) = closed(shop.spec.window.as_ref(), freezes, found.spec.windows, now) {
        answer.facts.push(closed);
    }
    if phase == Phase::Stopped && told.returned_from.is_none() {
        answer.advice.push(format!(
            "`longshore rollout status {rollout}` names the shops that failed"
        ));
    }
}

fn advice(shop: &str, kind: &str, reason: &str) -> Option<String> {
    Some(match (kind, reason) {
        ("Applied", "Conflict") => {
            format!(
                "another manager owns fields; agree with its owner, or `longshore apply --shop \
                 {shop} --take-over`"
            )
        }
        ("Applied", "Held") => "a guard holds it: read the message, then allow more with \
                                `longshore-scheduler --delete-at-most`"
            .to_owned(),
        ("Applied", "Refused") => format!(
            "`longshore plan --shop {shop} --output diff` shows what the API server refuses"
        ),
        ("Rendered", _) => "correct the Shop or its class".to_owned(),
        ("DomainsProven", _) => {
            "the owner of the domain makes the record; a change of the Shop has \
                                 it looked up within 10 seconds"
                .to_owned()
        }
        ("WorkloadAvailable", _) => format!(
            "`kubectl -n {} get pods` and their logs",
            api::namespace(shop)
        ),
        ("Ready", "PageFails") => format!(
            "`kubectl -n {} logs` of its pods, containers php-fpm and nginx; where the database \
             is empty, install it, or publish a release that does",
            api::namespace(shop)
        ),
        ("DatabaseCurrent", "MigrationFailed") => {
            format!(
                "`kubectl -n {} logs -l app.kubernetes.io/component=migration`",
                api::namespace(shop)
            )
        }
        _ => return None,
    })
}

/// The answer for people.
#[must_use]
pub fn text(answer: &Explanation) -> String {
    let facts = answer.facts.iter().map(|fact| format!("  {fact}\n"));
    let advice = answer.advice.iter().map(|advice| format!("  → {advice}\n"));
    format!("{}: {}\n", answer.shop, answer.verdict) + &facts.chain(advice).collect::<String>()
}

#[cfg(test)]
mod tests;
