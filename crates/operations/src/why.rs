//! What ails a shop's pods and its Secret: what [`plan::why`] cannot know, because it asks nobody.

use crate::create::{SecretKeys, keys, look};
use api::{Fleet, Shop, ShopState, namespace, symptom::symptoms};
use client::Cluster;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ListParams};
use plan::why::Explanation;

/// Pods that are looked at: those of one shop are seldom more, and what ails them is seldom
/// different.
const PODS: u32 = 100;

/// Adds what is wrong with the pods, and with the Secret of a shop that should be served and is
/// not. Who may not look at them is told the rest. The result is the pods, as far as they were
/// looked at.
pub async fn complete(cluster: &Cluster, fleet: &Fleet, answer: &mut Explanation) -> Vec<Pod> {
    let shop = fleet.shops.get(&answer.shop);
    let runs = |shop: &Shop| matches!(shop.spec.state, ShopState::Active | ShopState::Maintenance);
    if answer.verdict != "served" && shop.is_some_and(runs) {
        secret(cluster, fleet, answer).await;
    }
    pods(cluster, answer).await
}

async fn pods(cluster: &Cluster, answer: &mut Explanation) -> Vec<Pod> {
    let namespace = namespace(&answer.shop);
    let api: Api<Pod> = Api::namespaced(cluster.client(), &namespace);
    let params = ListParams::default().limit(PODS);
    let what = format!("list pods of {namespace}");
    match cluster.call(&what, || api.list(&params)).await {
        Ok(listed) => {
            answer.pods(symptoms(&listed.items, Timestamp::now()));
            listed.items
        }
        Err(error) => {
            answer.facts.push(format!(
                "how its pods are is not known: {}",
                runtime::Chain(&error)
            ));
            Vec::new()
        }
    }
}

/// Pods without their Secret wait for it, and say nothing.
async fn secret(cluster: &Cluster, fleet: &Fleet, answer: &mut Explanation) {
    let shop = fleet.shops.get(&answer.shop);
    let class = shop.and_then(|shop| fleet.classes.get(&shop.spec.class));
    let (Some(shop), Some(class)) = (shop, class) else {
        return;
    };
    let Some(wanted) = &shop.spec.config.secret_ref else {
        return;
    };
    let needed = keys(shop, class);
    let (name, namespace) = (&wanted.name, namespace(&answer.shop));
    let missing: Vec<_> = match look(cluster, &answer.shop, name).await {
        Ok(SecretKeys::Keys(keys)) => {
            let missing = |key: &&str| !keys.contains(*key);
            needed.into_iter().filter(missing).collect()
        }
        Ok(SecretKeys::Nothing) => needed,
        Ok(SecretKeys::Unknown) => {
            let needed = needed.join(", ");
            let fact =
                format!("whether Secret {namespace}/{name} has {needed} is not for you to see");
            return answer.facts.push(fact);
        }
        Err(error) => {
            let error = runtime::Chain(&error).to_string();
            let fact = format!("whether its Secret is complete is not known: {error}");
            return answer.facts.push(fact);
        }
    };
    if missing.is_empty() {
        return;
    }
    let files: Vec<_> = missing
        .iter()
        .map(|key| format!("--from-file={key}={key}"))
        .collect();
    answer.facts.push(format!(
        "Secret {namespace}/{name} lacks {}",
        missing.join(", ")
    ));
    answer.advice.push(format!(
        "make it, or add the keys: `kubectl -n {namespace} create secret generic {name} {}`",
        files.join(" ")
    ));
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::fixtures;
    use client::scripted::{Script, expect};
    use serde_json::json;

    #[tokio::test]
    async fn a_shop_that_waits_for_its_secret_says_which_keys() {
        let secret = "GET /api/v1/namespaces/shop-acme/secrets/env";
        let none = json!({ "kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": [] });
        let pods = || expect("GET /api/v1/namespaces/shop-acme/pods").answers(none.clone());
        let script = Script::new([
            expect(secret).answers(json!({ "apiVersion": "v1", "kind": "Secret", "metadata": {}, "data": { "database-user": "c2VjcmV0" } })),
            pods(),
            expect(secret).refuses(403, "Forbidden", "no"),
            pods(),
            pods(),
        ]);
        let mut fleet = Fleet::default();
        let more = json!({ "config": { "secretRef": { "name": "env" } }, "services": { "database": { "ref": "db", "name": "acme" } } });
        fleet
            .shops
            .insert("acme".to_owned(), fixtures::shop("acme", more));
        fleet
            .classes
            .insert("php".to_owned(), fixtures::class("php", json!({})));
        for (verdict, fact) in [
            (
                "not served",
                Some("Secret shop-acme/env lacks database-password"),
            ),
            ("not served", Some("is not for you to see")),
            ("served", None),
        ] {
            let mut answer = Explanation {
                shop: "acme".to_owned(),
                verdict,
                facts: Vec::new(),
                advice: Vec::new(),
            };
            complete(&script.cluster(), &fleet, &mut answer).await;
            let facts = answer.facts.join("\n");
            assert!(
                fact.map_or(facts.is_empty(), |fact| facts.contains(fact)),
                "{facts}"
            );
            assert!(!format!("{answer:?}").contains("c2VjcmV0"));
        }
        script.end();
    }
}
