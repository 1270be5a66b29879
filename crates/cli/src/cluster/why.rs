//! `why`: why a shop is as it is.

use super::{
    CommandError,
    connection::{Connection, registry, wait},
    rollout::Form,
    show,
};
use api::{HALT, Identity, SYSTEM, namespace, symptom::symptoms};
use client::{Cluster, Read};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ListParams};
use plan::why;

/// What `why` is told.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  longshore why acme")]
pub(crate) struct Why {
    /// The shop
    shop: String,
    /// For programs
    #[arg(long, value_enum, default_value_t)]
    output: Form,
    #[command(flatten)]
    connection: Connection,
}

/// Pods that are looked at: those of one shop are seldom more, and what ails them is seldom
/// different.
const PODS: u32 = 100;

/// Adds what is wrong with the pods. Who may not look at them is told the rest.
async fn pods(cluster: &Cluster, answer: &mut why::Answer) {
    let namespace = namespace(&answer.shop);
    let api: Api<Pod> = Api::namespaced(cluster.client(), &namespace);
    let params = ListParams::default().limit(PODS);
    match cluster
        .call(&format!("list pods of {namespace}"), || api.list(&params))
        .await
    {
        Ok(listed) => answer.pods(symptoms(&listed.items, Timestamp::now())),
        Err(error) => answer.facts.push(format!(
            "how its pods are is not known: {}",
            runtime::Chain(&error)
        )),
    }
}

pub(super) fn run(arguments: &Why) -> Result<(), CommandError> {
    let answer = wait(async {
        let cluster = arguments.connection.open().await?;
        let Read { fleet, problems } = registry(&cluster).await?;
        let Some(shop) = fleet.shops.get(&arguments.shop) else {
            return Err(CommandError::Missing(vec![format!(
                "shop {} is not in the registry",
                arguments.shop
            )]));
        };
        let halt = Identity {
            api_version: "v1".into(),
            kind: "ConfigMap".into(),
            namespace: Some(SYSTEM.to_owned()),
            name: HALT.to_owned(),
        };
        let halted = cluster.get(&halt).await?.map(|halt| {
            let text = |key: &str| halt["data"][key].as_str().unwrap_or("somebody").to_owned();
            format!(
                "halted by {} at {}: {}",
                text("by"),
                text("at"),
                text("why")
            )
        });
        let mut answer = why::why(
            &arguments.shop,
            shop,
            &fleet,
            halted.as_deref(),
            Timestamp::now(),
        );
        answer.unreadable(&problems);
        pods(&cluster, &mut answer).await;
        Ok(answer)
    })?;
    match arguments.output {
        Form::Text => show(&why::text(&answer)),
        Form::Json => show(
            &(serde_json::to_string_pretty(&answer)
                .map_err(|error| CommandError::Output(error.into()))?
                + "\n"),
        ),
    }
}
