//! What a person may do, as the API server says it: it decides what is offered. Whether something
//! is done, the API server decides again, when it is done.

use client::{ApiError, Cluster};
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, ResourceRule, SelfSubjectRulesReview, SelfSubjectRulesReviewSpec,
};
use kube::api::{Api, PostParams};
use parking_lot::Mutex;
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use tracing::debug;

/// How long an answer counts.
const FRESH: Duration = Duration::from_secs(30);
/// How long it counts while it is asked for again: it decides about buttons alone, for which no
/// page waits twice.
const STALE: Duration = Duration::from_mins(5);
/// Answers that are kept of a person; then all are forgotten.
const KEPT: usize = 2_000;

/// Something that a person may do, or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Right {
    /// To make a Shop.
    CreateShop,
    /// To start Jobs in a shop's namespace; its name is the shop's.
    StartJobs,
    /// To change a Shop.
    ChangeShop,
    /// To start a rollout.
    StartRollout,
    /// To steer a rollout.
    SteerRollout,
    /// To halt everything.
    Halt,
    /// To let everything go on.
    Lift,
    /// To say of errors that they are mended.
    JudgeErrors,
}

impl Right {
    fn attributes(self, name: Option<&str>, namespace: &str) -> ResourceAttributes {
        let (group, resource, verb) = match self {
            Self::CreateShop => ("longshore.dev", "shops", "create"),
            Self::StartJobs => ("batch", "jobs", "create"),
            Self::ChangeShop => ("longshore.dev", "shops", "patch"),
            Self::StartRollout => ("longshore.dev", "rollouts", "create"),
            Self::SteerRollout => ("longshore.dev", "rollouts", "patch"),
            Self::Halt => ("", "configmaps", "patch"),
            Self::Lift => ("", "configmaps", "delete"),
            Self::JudgeErrors => ("", "services", "update"),
        };
        let of_shop = name.map(api::namespace);
        let (name, namespace, subresource) = match self {
            Self::StartJobs => (None, of_shop.as_deref(), None),
            Self::Halt | Self::Lift => (Some(api::HALT), Some(namespace), None),
            Self::JudgeErrors => (Some("longshore-watch:api"), Some(api::WATCH), Some("proxy")),
            _ => (name, None, None),
        };
        ResourceAttributes {
            group: Some(group.to_owned()),
            resource: Some(resource.to_owned()),
            subresource: subresource.map(str::to_owned),
            verb: Some(verb.to_owned()),
            name: name.map(str::to_owned),
            namespace: namespace.map(str::to_owned),
            ..ResourceAttributes::default()
        }
    }
}

type Key = (Right, Option<String>);

#[derive(Debug, Clone, Copy)]
struct CachedAnswer {
    may: bool,
    /// When the API server said it.
    since: Instant,
    /// When it was asked last.
    asked: Instant,
}

/// What one person may do; answers count for a while.
#[derive(Debug, Clone)]
pub(crate) struct Rights {
    cluster: Cluster,
    namespace: Arc<str>,
    answers: Arc<Mutex<HashMap<Key, CachedAnswer>>>,
    /// Questions that no page waits for.
    asking: TaskTracker,
}

impl Rights {
    /// Those of whoever `cluster` acts as; `namespace` is that of the scheduler.
    pub(crate) fn new(cluster: Cluster, namespace: &str) -> Self {
        Self {
            cluster,
            namespace: namespace.into(),
            answers: Arc::default(),
            asking: TaskTracker::new(),
        }
    }

    /// What the person may read.
    pub(crate) fn sees(&self) -> Sees {
        Sees {
            cluster: self.cluster.clone(),
            namespace: Arc::clone(&self.namespace),
        }
    }

    /// Whether the person may do this, to the object of this name if there is one. If nobody can
    /// say, it is offered, and not asked again for a while, so that pages do not wait for an API
    /// server that is away: it refuses what the person may not do.
    pub(crate) async fn may(&self, right: Right, name: Option<&str>) -> bool {
        let key = (right, name.map(str::to_owned));
        match self.known(&key) {
            Some((may, false)) => may,
            Some((may, true)) => {
                let rights = self.clone();
                self.asking.spawn(async move { rights.learn(key).await });
                may
            }
            None => self.learn(key).await,
        }
    }

    /// What the API server said, and whether it is now to be asked again, as one request does.
    fn known(&self, key: &Key) -> Option<(bool, bool)> {
        let mut answers = self.answers.lock();
        let known = answers.get_mut(key)?;
        if known.since.elapsed() >= STALE {
            return None;
        }
        let again = known.asked.elapsed() >= FRESH;
        if again {
            known.asked = Instant::now();
        }
        Some((known.may, again))
    }

    async fn learn(&self, key: Key) -> bool {
        let may = match self.ask(key.0, key.1.as_deref()).await {
            Ok(may) => may,
            Err(error) => {
                debug!(error = %runtime::Chain(&error), right = ?key.0, "rights not known");
                true
            }
        };
        let now = Instant::now();
        let known = CachedAnswer {
            may,
            since: now,
            asked: now,
        };
        let mut answers = self.answers.lock();
        if answers.len() >= KEPT {
            answers.clear();
        }
        answers.insert(key, known);
        may
    }

    async fn ask(&self, right: Right, name: Option<&str>) -> Result<bool, ApiError> {
        self.cluster
            .may(right.attributes(name, &self.namespace))
            .await
    }
}

/// Asks what somebody may read. Unlike [`Rights`], it says so if nobody can say.
#[derive(Debug, Clone)]
pub(crate) struct Sees {
    cluster: Cluster,
    namespace: Arc<str>,
}

impl Sees {
    /// Whether all objects of a resource of ours may be listed.
    pub(crate) async fn all(&self, resource: &str) -> Result<bool, ApiError> {
        self.ours(resource, "list", None).await
    }

    /// Whether one of them may be read.
    pub(crate) async fn one(&self, resource: &str, name: &str) -> Result<bool, ApiError> {
        self.ours(resource, "get", Some(name)).await
    }

    async fn ours(&self, resource: &str, verb: &str, name: Option<&str>) -> Result<bool, ApiError> {
        let attributes = ResourceAttributes {
            group: Some("longshore.dev".to_owned()),
            resource: Some(resource.to_owned()),
            verb: Some(verb.to_owned()),
            name: name.map(str::to_owned),
            ..ResourceAttributes::default()
        };
        self.cluster.may(attributes).await
    }

    /// Whether it may be read who halted, and why.
    pub(crate) async fn halt(&self) -> Result<bool, ApiError> {
        let attributes = ResourceAttributes {
            verb: Some("get".to_owned()),
            ..Right::Halt.attributes(None, &self.namespace)
        };
        self.cluster.may(attributes).await
    }

    /// What the authorizers say of the person's rights in the cluster, as far as they can.
    pub(crate) async fn rules(&self) -> Result<Vec<ResourceRule>, ApiError> {
        let review = SelfSubjectRulesReview {
            spec: SelfSubjectRulesReviewSpec {
                namespace: Some(self.namespace.to_string()),
            },
            ..SelfSubjectRulesReview::default()
        };
        let api: Api<SelfSubjectRulesReview> = Api::all(self.cluster.client());
        let params = PostParams::default();
        let call = || async { api.create(&params, &review).await };
        let answered = self.cluster.once("ask for rules", call).await?;
        Ok(answered
            .status
            .map(|status| status.resource_rules)
            .unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use client::scripted::{Script, expect};
    use serde_json::{Value, json};
    use tokio::time::sleep;

    const REVIEW: &str = "POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews";

    fn answer(sent: &Value, allowed: bool) -> Value {
        json!({ "spec": sent["spec"], "status": { "allowed": allowed } })
    }

    #[tokio::test]
    async fn it_is_asked_once_for_each_shop() {
        let script = Script::new([
            expect(REVIEW).made_of(|sent| {
                let asked = &sent["spec"]["resourceAttributes"];
                let expected = json!({ "group": "longshore.dev", "resource": "shops", "verb": "patch", "name": "acme" });
                assert_eq!(asked, &expected);
                answer(&sent, true)
            }),
            expect(REVIEW).made_of(|sent| answer(&sent, false)),
        ]);
        let rights = Rights::new(script.cluster(), "longshore-system");
        for _ in 0..2 {
            assert!(rights.may(Right::ChangeShop, Some("acme")).await);
            assert!(!rights.may(Right::ChangeShop, Some("other")).await);
        }
        script.end();
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_known_is_asked_again_while_pages_go_on() {
        let may = |allowed| expect(REVIEW).made_of(move |sent| answer(&sent, allowed));
        let script = Script::new([may(true), may(false), may(true)]);
        let rights = Rights::new(script.cluster(), "longshore-system");
        assert!(rights.may(Right::Lift, None).await);
        sleep(FRESH).await;
        for _ in 0..3 {
            assert!(rights.may(Right::Lift, None).await, "the answer of before");
        }
        sleep(FRESH / 2).await;
        assert!(!rights.may(Right::Lift, None).await, "asked once meanwhile");
        sleep(STALE).await;
        assert!(rights.may(Right::Lift, None).await, "nothing so old counts");
        script.end();
    }

    #[tokio::test]
    async fn the_halt_is_one_config_map() {
        let script = Script::new([expect(REVIEW).made_of(|sent| {
            let asked = &sent["spec"]["resourceAttributes"];
            assert_eq!(asked["name"], "longshore-halt");
            assert_eq!(asked["namespace"], "longshore-system");
            answer(&sent, true)
        })]);
        let rights = Rights::new(script.cluster(), "longshore-system");
        assert!(rights.may(Right::Halt, None).await);
        script.end();
    }

    #[tokio::test]
    async fn pages_wait_once_for_an_api_server_that_is_away() {
        let script = Script::new([expect(REVIEW).refuses(503, "ServiceUnavailable", "away")]);
        let rights = Rights::new(script.cluster(), "longshore-system");
        for _ in 0..2 {
            assert!(rights.may(Right::Halt, None).await);
        }
        script.end();
    }
}
