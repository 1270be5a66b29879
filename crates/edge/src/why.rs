//! `longshore-edge why HOST`: what the maps and the issuer say of a host.

use crate::agent::lines::{Shard, Target};
use api::edge::{
    NAMESPACE,
    certificate::{self, CertificateRecord, key_of},
    shard_name, shard_of,
};
use api::proof;
use client::{ApiError, Cluster};
use dns::{Dns, DnsProblem};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use std::collections::BTreeMap;

/// Two objects tell it all, whatever the size of the fleet.
pub(crate) async fn why(cluster: &Cluster, host: &str, now: Timestamp) -> Result<String, ApiError> {
    let maps = data(cluster, &shard_name(shard_of(host))).await?;
    let records = data(
        cluster,
        &certificate::shard_name(certificate::shard_of(host)),
    )
    .await?;
    let record = records
        .get(&key_of(host))
        .and_then(|text| serde_json::from_str::<CertificateRecord>(text).ok());
    let shard = Shard::read(&maps);
    let owner = if shard.hosts.contains_key(host) {
        String::new()
    } else {
        let named = match Dns::new(None) {
            Ok(dns) => dns.texts(&proof::record(host)).await,
            Err(error) => Err(DnsProblem::Ours(error.to_string())),
        };
        owner(host, named)
    };
    Ok(route(host, &shard) + &owner + &certificate::why(host, record.as_ref(), now))
}

/// Whose the host is, as its owner says.
fn owner(host: &str, texts: Result<Vec<String>, DnsProblem>) -> String {
    let record = proof::record(host);
    match texts.map(|texts| proof::named(&texts)) {
        Ok(named) if named.is_empty() => format!(
            "  no TXT record {record} names a shop; if the shop's class has domainProof, it has to\n"
        ),
        Ok(named) => {
            let named: Vec<_> = named.into_iter().collect();
            format!(
                "  the TXT record {record} names shop {}\n",
                named.join(", ")
            )
        }
        Err(problem) => {
            format!("  nobody knows whether a TXT record {record} names a shop: {problem}\n")
        }
    }
}

async fn data(cluster: &Cluster, name: &str) -> Result<BTreeMap<String, String>, ApiError> {
    let api = Api::<ConfigMap>::namespaced(cluster.client(), NAMESPACE);
    let what = format!("get ConfigMap {NAMESPACE}/{name}");
    let found = cluster.call(&what, || api.get_opt(name)).await?;
    Ok(found.and_then(|map| map.data).unwrap_or_default())
}

/// Where requests for the host go.
fn route(host: &str, shard: &Shard) -> String {
    match shard.hosts.get(host) {
        Some(Target::Shop(shop)) => {
            format!("{host}: pods of {shop} answer; `kubectl -n {shop} get pods` shows them\n")
        }
        Some(Target::Redirect(to)) => format!("{host}: redirects to {to}\n"),
        Some(Target::Closed(why)) => format!("{host}: nobody answers, as the shop is {why}\n"),
        None => format!(
            "{host}: no shop has it; `kubectl get shops` and the condition RoutesProgrammed of \
             the one that should say why\n"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_goes_where_the_maps_say() {
        let data = [
            ("backends.map", "www.acme.example shop-acme\n"),
            ("redirects.map", "acme.example www.acme.example\n"),
            ("closed.map", "gone.example Archived\n"),
        ];
        let shard = Shard::read(&data.map(|(file, text)| (file.into(), text.into())).into());
        for (host, says) in [
            ("www.acme.example", "pods of shop-acme answer"),
            ("acme.example", "redirects to www.acme.example"),
            ("gone.example", "the shop is Archived"),
            ("nobody.example", "no shop has it"),
        ] {
            assert!(route(host, &shard).contains(says), "{host}");
        }
    }

    #[test]
    fn whose_a_host_is_says_its_owner_or_nobody_knows() {
        let record = |shop: &str| Ok(vec![format!("longshore-shop={shop}")]);
        for (texts, says) in [
            (
                record("acme"),
                "_longshore.www.acme.example names shop acme",
            ),
            (Ok(vec!["v=spf1 -all".to_owned()]), "no TXT record"),
            (Err(DnsProblem::Timeout), "nobody knows"),
        ] {
            let told = owner("www.acme.example", texts);
            assert!(told.contains(says), "{told}");
        }
    }
}
