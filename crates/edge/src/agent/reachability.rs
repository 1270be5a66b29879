//! Pods that take no connections although they should be ready: their node is gone, and Kubernetes
//! has not noticed it yet, or its API server cannot say so.
//!
//! HAProxy passes over such a pod, a second later, for each request. So it is told to leave it
//! alone until it takes connections again.

use super::{
    endpoints::{PodName, State},
    model::Model,
};
use futures_util::{StreamExt as _, stream};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    time::Duration,
};
use tokio::{net::TcpStream, time::timeout};

/// How long a pod may take for a connection; HAProxy gives it as long.
const PATIENCE: Duration = Duration::from_secs(1);
/// Looks in a row without a connection, after which the requests that a pod still has are given up.
const SURE: u32 = 3;
/// Pods that are looked at together: those of a lost zone are thousands, and none of them may keep
/// another one from being looked at.
const AT_ONCE: usize = 500;

/// What is known of pods that take no connections.
#[derive(Debug, Default)]
pub struct Reachability {
    /// How often HAProxy was not let in by pods of a shop, as it counts.
    failures: BTreeMap<String, u64>,
    /// Pods that took no connection, and at how many looks in a row.
    unreachable: BTreeMap<PodName, u32>,
}

impl Reachability {
    /// The pods to look at: those of shops where HAProxy was not let in since the last time, and
    /// those that took no connection then.
    pub fn suspects(
        &mut self,
        failures: BTreeMap<String, u64>,
        model: &Model,
    ) -> Vec<(PodName, SocketAddr)> {
        let old = std::mem::replace(&mut self.failures, failures);
        // A HAProxy that was started anew counts from 0.
        let more = |(shop, now): &(&String, &u64)| {
            **now
                > old
                    .get(*shop)
                    .copied()
                    .filter(|old| old <= now)
                    .unwrap_or(0)
        };
        let shops = self.failures.iter().filter(more).map(|(shop, _)| shop);
        let known = self.unreachable.keys().map(|(shop, _)| shop);
        let shops: BTreeSet<&String> = known.chain(shops).collect();
        let pods = shops.into_iter().flat_map(|shop| {
            let ready = model
                .pods(shop)
                .filter(|(_, pod)| pod.state == State::Ready);
            ready.map(move |(name, pod)| ((shop.clone(), name.to_owned()), pod.address))
        });
        pods.collect()
    }

    /// Takes in which of them took a connection. Gives those whose requests are given up.
    pub fn looked(&mut self, looked: impl IntoIterator<Item = (PodName, bool)>) -> Vec<PodName> {
        let old = std::mem::take(&mut self.unreachable);
        for (pod, took) in looked {
            if !took {
                let looks = old.get(&pod).copied().unwrap_or(0);
                self.unreachable.insert(pod, looks + 1);
            }
        }
        let sure = self.unreachable.iter().filter(|(_, looks)| **looks == SURE);
        sure.map(|(pod, _)| pod.clone()).collect()
    }

    /// All that took no connection.
    #[must_use]
    pub fn unreachable(&self) -> BTreeSet<PodName> {
        self.unreachable.keys().cloned().collect()
    }
}

/// Looks which pods take a connection.
pub async fn look(pods: Vec<(PodName, SocketAddr)>) -> Vec<(PodName, bool)> {
    let look = |(pod, address)| async move {
        let took = timeout(PATIENCE, TcpStream::connect(address)).await;
        (pod, matches!(took, Ok(Ok(_))))
    };
    stream::iter(pods)
        .map(look)
        .buffer_unordered(AT_ONCE)
        .collect()
        .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::endpoints::Pod;

    fn model(pods: &[(&str, State)]) -> Model {
        let mut model = Model::default();
        let pods = pods.iter().map(|(name, state)| {
            let pod = Pod {
                address: "127.0.0.1:1".parse().unwrap(),
                zone: None,
                state: *state,
            };
            ((*name).to_owned(), pod)
        });
        model.slice("shop-a", "s", pods.collect());
        model
    }

    fn pod(name: &str) -> PodName {
        ("shop-a".to_owned(), name.to_owned())
    }

    #[test]
    fn a_pod_that_lets_nobody_in_is_left_alone_and_given_up_and_taken_back() {
        let model = model(&[
            ("a", State::Ready),
            ("b", State::Ready),
            ("c", State::Unready),
        ]);
        let mut reachability = Reachability::default();
        let count = |failures: u64| BTreeMap::from([("shop-a".to_owned(), failures)]);
        let names = |reachability: &mut Reachability, failures| -> Vec<String> {
            let suspects = reachability.suspects(count(failures), &model);
            suspects.into_iter().map(|((_, name), _)| name).collect()
        };
        assert_eq!(names(&mut reachability, 0), [""; 0], "nothing failed");
        assert_eq!(names(&mut reachability, 5), ["a", "b"]);
        let both = |a| [(pod("a"), a), (pod("b"), true)];
        assert_eq!(reachability.looked(both(false)), []);
        assert_eq!(reachability.unreachable(), BTreeSet::from([pod("a")]));
        // It is looked at again, though nobody tries it any more.
        assert_eq!(names(&mut reachability, 5), ["a", "b"]);
        assert_eq!(reachability.looked(both(false)), []);
        assert_eq!(reachability.looked(both(false)), [pod("a")]);
        assert_eq!(reachability.looked(both(false)), [], "that was said");
        assert_eq!(reachability.looked(both(true)), []);
        assert_eq!(reachability.unreachable(), BTreeSet::new());
        assert_eq!(names(&mut reachability, 5), [""; 0]);
        // HAProxy was started anew.
        assert_eq!(names(&mut reachability, 2), ["a", "b"]);
    }
}
