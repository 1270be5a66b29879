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
    /// What to do, if that is known.
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
        // The kubelet writes EmptyDir, and ephemeral-storage.
        let lower = text.to_lowercase();
        let disk = ["ephemeral", "emptydir"]
            .iter()
            .any(|word| lower.contains(word));
        let advice = if disk {
            "raise the disk sizes of the class (`disk`), or look what fills them"
        } else {
            "look what its node is short of"
        };
        return vec![symptom(format!("evicted{text}"), Some(advice.to_owned()))];
    }
    // Containers that are to run for ever ended well: a kubelet that evicts a pod whose containers
    // obey writes the phase in place of its reason, and only an Event tells it.
    let for_ever = pod.spec.as_ref().is_some_and(|spec| {
        spec.restart_policy
            .as_deref()
            .is_none_or(|policy| policy == "Always")
    });
    if for_ever && status.phase.as_deref() == Some("Succeeded") {
        let what = "its node ended it: it was evicted, or the node shut down";
        let advice = "`kubectl describe pod` has the Event; if that names a volume, raise the disk \
                      sizes of the class (`disk`), or look what fills it";
        return vec![symptom(what.to_owned(), Some(advice.to_owned()))];
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

/// What a container waits for, if that is no part of every start.
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
mod tests;
