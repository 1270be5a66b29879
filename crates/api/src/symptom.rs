//! What is wrong with a shop's pods, in words, with what to do: from what kubelets and the
//! scheduler of Kubernetes say of them. Pure.

use crate::agent_status::{last_words, words};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{
    ContainerState, ContainerStateTerminated, ContainerStateWaiting, ContainerStatus, Pod,
};
use release::Reason;
use std::{collections::BTreeMap, fmt};

/// How long a container that runs again is still told of.
const RECENT: SignedDuration = SignedDuration::from_hours(1);
/// Symptoms that are told, at most: a shop has about ten containers.
const TOLD: usize = 10;

/// Something that is wrong, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Symptom {
    /// What is wrong.
    pub fact: String,
    /// What to do, where that is known.
    pub advice: Option<String>,
}

/// What is wrong with `pods` of one shop, most pods first; what several of them have is told once.
#[must_use]
pub fn symptoms(pods: &[Pod], now: Timestamp) -> Vec<Symptom> {
    let mut found: BTreeMap<(String, Option<String>), Vec<&str>> = BTreeMap::new();
    for pod in pods
        .iter()
        .filter(|pod| pod.metadata.deletion_timestamp.is_none())
    {
        let name = pod.metadata.name.as_deref().unwrap_or_default();
        for symptom in of_pod(pod, now) {
            found
                .entry((symptom.fact, symptom.advice))
                .or_default()
                .push(name);
        }
    }
    let mut found: Vec<_> = found.into_iter().collect();
    found.sort_by_key(|(_, pods)| std::cmp::Reverse(pods.len()));
    let told = found.into_iter().take(TOLD).map(|((fact, advice), pods)| {
        let whose = match pods.as_slice() {
            [one] => format!("pod {one}"),
            [one, ..] => format!("{} pods, such as {one}", pods.len()),
            [] => String::new(),
        };
        Symptom {
            fact: format!("{whose}: {fact}"),
            advice,
        }
    });
    told.collect()
}

/// How a container of a Job's pod ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Which container.
    pub container: String,
    /// Its exit code.
    pub exit_code: i32,
    /// What it said last, or why it was killed.
    pub said: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let colon = if self.said.is_empty() { "" } else { ": " };
        write!(
            f,
            "{} ended with exit code {}{colon}{}",
            self.container, self.exit_code, self.said
        )
    }
}

/// How the pods of a Job failed: `main` first, as others failed before anything was done.
#[must_use]
pub fn failure(pods: &[Pod], main: &str) -> Option<Failure> {
    let statuses = pods.iter().filter_map(|pod| pod.status.as_ref());
    let all = statuses.flat_map(|status| {
        status
            .container_statuses
            .iter()
            .chain(&status.init_container_statuses)
            .flatten()
    });
    let failed = all.filter_map(|container| {
        let ended = container
            .state
            .as_ref()?
            .terminated
            .as_ref()
            .filter(|it| it.exit_code != 0)?;
        let said = said(&container.name, ended);
        let reason = ended.reason.clone().filter(|reason| reason != "Error");
        let said = said.or(reason).unwrap_or_default();
        Some(Failure {
            container: container.name.clone(),
            exit_code: ended.exit_code,
            said,
        })
    });
    let failed: Vec<_> = failed.collect();
    failed
        .iter()
        .find(|failure| failure.container == main)
        .or_else(|| failed.last())
        .cloned()
}

fn of_pod(pod: &Pod, now: Timestamp) -> Vec<Symptom> {
    let Some(status) = &pod.status else {
        return Vec::new();
    };
    let message = |text: &Option<String>| {
        text.as_deref()
            .map(|text| format!(": {}", words(text)))
            .unwrap_or_default()
    };
    if status.reason.as_deref() == Some("Evicted") {
        let text = message(&status.message);
        let disk = ["ephemeral", "emptyDir"]
            .iter()
            .any(|word| text.contains(word));
        let advice = if disk {
            "raise the disk sizes of the class (`disk`), or look what fills them"
        } else {
            "look what its node is short of"
        };
        return vec![symptom(format!("evicted{text}"), Some(advice.to_owned()))];
    }
    let mut found = Vec::new();
    let unscheduled = status
        .conditions
        .iter()
        .flatten()
        .find(|it| it.type_ == "PodScheduled" && it.status == "False");
    if let Some(condition) = unscheduled {
        let advice = "add nodes, or lower the sizes of the class; its overlay says where pods may \
                      run"
        .to_owned();
        found.push(symptom(
            format!("no node for it{}", message(&condition.message)),
            Some(advice),
        ));
    }
    let init = status.init_container_statuses.iter().flatten();
    found.extend(
        init.chain(status.container_statuses.iter().flatten())
            .filter_map(|container| of_container(container, now)),
    );
    found
}

fn of_container(container: &ContainerStatus, now: Timestamp) -> Option<Symptom> {
    let name = container.name.as_str();
    let state = container.state.as_ref();
    if let Some(waiting) = state.and_then(|state| state.waiting.as_ref())
        && let Some(symptom) = waits(name, &container.image, waiting)
    {
        return Some(symptom);
    }
    let failed = |state: Option<&ContainerState>| {
        state
            .and_then(|state| state.terminated.clone())
            .filter(|it| it.exit_code != 0)
    };
    if let Some(ended) = failed(state) {
        return Some(ends(name, &ended, "and is not started again"));
    }
    let last = failed(container.last_state.as_ref())?;
    let backs_off = state.and_then(|state| state.waiting.as_ref()?.reason.as_deref())
        == Some("CrashLoopBackOff");
    if backs_off {
        return Some(ends(
            name,
            &last,
            &format!(
                "and is started again later; {} times so far",
                container.restart_count
            ),
        ));
    }
    let recent = last
        .finished_at
        .as_ref()
        .is_some_and(|at| now.duration_since(at.0) < RECENT);
    let at = last
        .finished_at
        .as_ref()
        .map(|at| format!("at {:.0}, ", at.0))
        .unwrap_or_default();
    recent.then(|| {
        ends(
            name,
            &last,
            &format!(
                "{at}and was started again, {} times so far",
                container.restart_count
            ),
        )
    })
}

/// What a container waits for, where that is no part of every start.
fn waits(name: &str, image: &str, waiting: &ContainerStateWaiting) -> Option<Symptom> {
    let reason = waiting.reason.as_deref()?;
    let message = waiting
        .message
        .as_deref()
        .map(|text| format!(": {}", words(text)))
        .unwrap_or_default();
    Some(match reason {
        "ImagePullBackOff"
        | "ErrImagePull"
        | "ErrImageNeverPull"
        | "InvalidImageName"
        | "ImageInspectError"
        | "RegistryUnavailable" => symptom(
            format!("{name}: its image {image} cannot be pulled ({reason}){message}"),
            Some("check `images` of the class, and whether nodes may pull it".to_owned()),
        ),
        "CreateContainerConfigError" => symptom(
            format!("{name} cannot be made ({reason}){message}"),
            Some("make what the message names, such as the Secret of config.secretRef".to_owned()),
        ),
        "CreateContainerError" | "RunContainerError" | "PostStartHookError" => symptom(
            format!("{name} cannot be started ({reason}){message}"),
            None,
        ),
        _ => return None,
    })
}

fn ends(name: &str, ended: &ContainerStateTerminated, then: &str) -> Symptom {
    let said = said(name, ended)
        .map(|said| format!(": {said}"))
        .unwrap_or_default();
    match ended.reason.as_deref() {
        Some("OOMKilled") => symptom(
            format!("{name} was OOMKilled, as it needed more memory than its limit, {then}"),
            Some(format!(
                "raise the memory limit of {}, or look what needs it",
                size(name)
            )),
        ),
        Some("DeadlineExceeded") => symptom(
            format!("{name} took longer than its deadline, {then}{said}"),
            None,
        ),
        reason => {
            let reason = reason
                .filter(|reason| *reason != "Error")
                .map(|reason| format!(" ({reason})"))
                .unwrap_or_default();
            let advice = code(ended.message.as_deref().unwrap_or_default())
                .map(|found| format!("{found}: {}", found.hint()));
            symptom(
                format!(
                    "{name} ended with exit code {}{reason}, {then}{said}",
                    ended.exit_code
                ),
                advice,
            )
        }
    }
}

/// What a container said when it ended: our programs begin with why, and of others it is the end of
/// the log.
fn said(name: &str, ended: &ContainerStateTerminated) -> Option<String> {
    let message = ended.message.as_deref()?;
    let said = if ["pull", "agent"].contains(&name) {
        words(message)
    } else {
        last_words(message)
    };
    (!said.is_empty()).then_some(said)
}

fn symptom(fact: String, advice: Option<String>) -> Symptom {
    Symptom { fact, advice }
}

/// Which size of the class a container has.
fn size(container: &str) -> String {
    match container {
        "php-fpm" => "sizes.phpFpm of the class".to_owned(),
        "migrate" => "sizes.job of the class".to_owned(),
        "pull" | "agent" | "nginx" | "cron" => format!("sizes.{container} of the class"),
        other => format!("container {other}"),
    }
}

/// The reason code with which one of our programs begins its termination message.
fn code(message: &str) -> Option<Reason> {
    let (code, _) = message.split_once(": ")?;
    Reason::ALL
        .iter()
        .copied()
        .find(|reason| reason.code() == code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn pod(name: &str, status: &Value) -> Pod {
        serde_json::from_value(json!({ "metadata": { "name": name }, "status": status })).unwrap()
    }

    fn told(status: &Value) -> Vec<Symptom> {
        symptoms(
            &[pod("web-1", status)],
            "2026-11-23T12:00:00Z".parse().unwrap(),
        )
    }

    fn container(name: &str, state: &Value, last: &Value) -> Value {
        json!({ "name": name, "image": "shop:1", "imageID": "", "ready": false, "restartCount": 4, "state": state, "lastState": last })
    }

    #[track_caller]
    fn says(status: &Value, facts: &[&str], advice: &str) {
        let told = told(status);
        assert_eq!(told.len(), 1, "{told:?}");
        for part in facts {
            assert!(told[0].fact.contains(part), "{part} in {told:?}");
        }
        assert!(
            told[0]
                .advice
                .as_deref()
                .unwrap_or_default()
                .contains(advice),
            "{advice} in {told:?}"
        );
    }

    #[test]
    fn a_container_that_needs_too_much_memory_names_its_limit() {
        let killed = json!({ "terminated": { "exitCode": 137, "reason": "OOMKilled", "finishedAt": "2026-11-23T11:58:00Z" } });
        let waits = json!({ "waiting": { "reason": "CrashLoopBackOff", "message": "back-off 40s restarting failed container" } });
        let facts = ["pod web-1: php-fpm was OOMKilled", "4 times so far"];
        says(
            &json!({ "initContainerStatuses": [container("php-fpm", &waits, &killed)] }),
            &facts,
            "sizes.phpFpm",
        );
        // It runs again, and may do so for long.
        let runs = json!({ "running": { "startedAt": "2026-11-23T11:58:10Z" } });
        says(
            &json!({ "containerStatuses": [container("nginx", &runs, &killed)] }),
            &["at 2026-11-23T11:58:00Z"],
            "sizes.nginx",
        );
        let long_ago = json!({ "terminated": { "exitCode": 137, "reason": "OOMKilled", "finishedAt": "2026-11-23T10:58:00Z" } });
        assert_eq!(
            told(&json!({ "containerStatuses": [container("nginx", &runs, &long_ago)] })),
            []
        );
    }

    #[test]
    fn our_programs_say_why_they_ended_and_what_to_do() {
        let message =
            "store-missing: cannot open the store s3://nothing\nhint: check LONGSHORE_STORE\n";
        let last = json!({ "terminated": { "exitCode": 64, "reason": "Error", "message": message, "finishedAt": "2026-11-23T11:58:00Z" } });
        let waits = json!({ "waiting": { "reason": "CrashLoopBackOff" } });
        let facts = [
            "pull ended with exit code 64",
            "store-missing: cannot open the store s3://nothing",
        ];
        says(
            &json!({ "initContainerStatuses": [container("pull", &waits, &last)] }),
            &facts,
            "store-missing: check LONGSHORE_STORE",
        );
        // The Job's pod is not started again, and its script speaks for itself.
        let ended = json!({ "terminated": { "exitCode": 3, "reason": "Error", "message": "database shop_acme is empty" } });
        let facts = [
            "migrate ended with exit code 3, and is not started again: database shop_acme is empty",
        ];
        says(
            &json!({ "containerStatuses": [container("migrate", &ended, &json!({}))] }),
            &facts,
            "",
        );
    }

    #[test]
    fn of_a_job_the_container_that_migrates_counts() {
        let ended = |code: i32, message: Option<&str>, reason: &str| json!({ "terminated": { "exitCode": code, "reason": reason, "message": message } });
        let nothing = json!({});
        let one = json!({ "initContainerStatuses": [container("pull", &ended(69, Some("unreachable: x"), "Error"), &nothing)] });
        let two = json!({ "containerStatuses": [container("migrate", &ended(3, Some("no tables\n"), "Error"), &nothing)],
            "initContainerStatuses": [container("agent", &ended(137, None, "OOMKilled"), &nothing)] });
        let found = |pods: &[Pod]| failure(pods, "migrate").map(|it| it.to_string());
        assert_eq!(
            found(&[pod("a", &one)]).as_deref(),
            Some("pull ended with exit code 69: unreachable: x")
        );
        assert_eq!(
            found(&[pod("a", &one), pod("b", &two)]).as_deref(),
            Some("migrate ended with exit code 3: no tables")
        );
        assert_eq!(found(&[]), None);
    }

    #[test]
    fn what_keeps_a_pod_from_starting_is_named() {
        for (reason, message, fact, advice) in [
            (
                "ImagePullBackOff",
                "Back-off pulling image",
                "its image shop:1 cannot be pulled (ImagePullBackOff): Back-off",
                "`images` of the class",
            ),
            (
                "CreateContainerConfigError",
                "secret \"env\" not found",
                "cannot be made (CreateContainerConfigError): secret \"env\"",
                "config.secretRef",
            ),
            (
                "RunContainerError",
                "no such file",
                "cannot be started (RunContainerError): no such file",
                "",
            ),
        ] {
            let waits = json!({ "waiting": { "reason": reason, "message": message } });
            says(
                &json!({ "containerStatuses": [container("nginx", &waits, &json!({}))] }),
                &[fact],
                advice,
            );
        }
        let condition = json!({ "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/2 nodes: Insufficient memory" });
        says(
            &json!({ "conditions": [condition] }),
            &["no node for it: 0/2 nodes: Insufficient memory"],
            "add nodes",
        );
        let evicted = json!({ "phase": "Failed", "reason": "Evicted", "message": "Usage of EmptyDir volume \"temporary\" exceeds the limit; ephemeral" });
        says(&evicted, &["evicted: Usage of EmptyDir volume"], "`disk`");
    }

    #[test]
    fn pods_that_start_or_are_well_have_nothing() {
        let starts = json!({ "waiting": { "reason": "PodInitializing" } });
        let done = json!({ "terminated": { "exitCode": 0, "reason": "Completed" } });
        let status = json!({ "initContainerStatuses": [container("pull", &done, &json!({}))], "containerStatuses": [container("nginx", &starts, &json!({}))] });
        assert_eq!(told(&status), []);
    }

    #[test]
    fn what_many_pods_have_is_told_once_and_a_hostile_message_is_short() {
        let said = format!("a\u{1b}[2J{}", "x".repeat(100_000));
        let waits = json!({ "waiting": { "reason": "ErrImagePull", "message": said } });
        let status = json!({ "containerStatuses": [container("nginx", &waits, &json!({}))] });
        let pods: Vec<_> = (0..30)
            .map(|number| pod(&format!("web-{number}"), &status))
            .collect();
        let told = symptoms(&pods, "2026-11-23T12:00:00Z".parse().unwrap());
        assert_eq!(told.len(), 1);
        assert!(
            told[0].fact.starts_with("30 pods, such as web-0: nginx")
                && told[0].fact.len() < 700
                && !told[0].fact.contains('\u{1b}')
        );
    }
}
