//! A tenant's pods, and what they say.

use super::Tenant;
use crate::{
    process::Outcome,
    web::{self, Page},
};
use serde_json::Value;
use std::net::IpAddr;

/// A pod that serves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pod {
    /// Its name.
    pub name: String,
    /// Its node.
    pub node: String,
    /// Its address.
    pub address: IpAddr,
    /// Whether it takes requests.
    pub ready: bool,
    /// Whether it is on its way out.
    pub leaving: bool,
}

impl Tenant<'_> {
    /// Its web pods that have an address.
    #[must_use]
    #[track_caller]
    pub fn pods(&self) -> Vec<Pod> {
        // One that was evicted stays on the list until somebody deletes it.
        let ended = |pod: &&Value| {
            let phase = pod["status"]["phase"].as_str();
            matches!(phase, Some("Succeeded" | "Failed"))
        };
        let listed = self.list("web");
        let runs = listed.iter().filter(|pod| !ended(pod));
        runs.filter_map(pod).collect()
    }

    /// Its pods of one component, as the API has them.
    #[must_use]
    #[track_caller]
    pub fn list(&self, component: &str) -> Vec<Value> {
        let selector = format!("--selector=app.kubernetes.io/component={component}");
        let mut listed =
            self.platform
                .cluster
                .get(&["pods", "--namespace", &self.namespace, &selector]);
        listed["items"]
            .as_array_mut()
            .map(std::mem::take)
            .unwrap_or_default()
    }

    /// What a pod's agent says.
    #[must_use]
    pub fn agent(&self, pod: &Pod) -> Option<Value> {
        serde_json::from_str(
            &web::get_from((pod.address, 980).into(), "/status", "")
                .ok()?
                .body,
        )
        .ok()
    }

    /// A page of one of its pods.
    ///
    /// # Errors
    ///
    /// If it does not answer.
    pub fn page(&self, pod: &Pod, path: &str) -> std::io::Result<Page> {
        web::get_from((pod.address, 8080).into(), path, "")
    }

    /// Runs a program in a container of one of its pods.
    #[must_use]
    #[track_caller]
    pub fn exec(&self, pod: &str, container: &str, program: &[&str]) -> Outcome {
        let words = [
            "--namespace",
            &self.namespace,
            "exec",
            pod,
            "--container",
            container,
            "--",
        ];
        self.platform
            .cluster
            .kubectl(words.into_iter().chain(program.iter().copied()))
            .run()
    }

    /// What all containers of a pod have said.
    #[must_use]
    pub fn logs(&self, pod: &str) -> String {
        let words = [
            "--namespace",
            &self.namespace,
            "logs",
            pod,
            "--all-containers",
            "--ignore-errors",
        ];
        self.platform.cluster.kubectl(words).run().stdout
    }

    /// What one container of a pod has said.
    #[must_use]
    #[track_caller]
    pub fn container_log(&self, pod: &str, container: &str) -> String {
        let words = [
            "--namespace",
            &self.namespace,
            "logs",
            pod,
            "--container",
            container,
        ];
        self.platform.cluster.kubectl(words).run().expect(0).stdout
    }

    /// What a pod's agent counts.
    #[must_use]
    pub fn metrics(&self, pod: &Pod) -> String {
        web::get_from((pod.address, 980).into(), "/metrics", "")
            .map_or_else(|_| String::new(), |page| page.body)
    }
}

fn pod(pod: &Value) -> Option<Pod> {
    let status = &pod["status"];
    let conditions = status["conditions"].as_array()?;
    Some(Pod {
        name: pod["metadata"]["name"].as_str()?.to_owned(),
        node: pod["spec"]["nodeName"].as_str()?.to_owned(),
        address: status["podIP"].as_str()?.parse().ok()?,
        ready: conditions
            .iter()
            .any(|condition| condition["type"] == "Ready" && condition["status"] == "True"),
        leaving: pod["metadata"]["deletionTimestamp"].is_string(),
    })
}
