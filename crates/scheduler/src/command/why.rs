//! `why`: why a shop is as it is.

use super::{
    CommandError,
    connection::{Connection, Sources, wait},
    rollout::Form,
    show,
};
use crate::{cluster::SYSTEM, render::Identity, run::HALT, why};
use jiff::Timestamp;

/// What `why` is told.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  longshore-scheduler why acme")]
pub(crate) struct Why {
    /// The shop
    shop: String,
    /// For programs
    #[arg(long, value_enum, default_value_t)]
    output: Form,
    #[command(flatten)]
    connection: Connection,
}

pub(super) fn run(arguments: &Why) -> Result<(), CommandError> {
    let answer = wait(async {
        let cluster = arguments.connection.open().await?;
        let fleet = Sources { files: Vec::new(), only_files: false }.read(&cluster).await?.fleet;
        let Some(shop) = fleet.shops.get(&arguments.shop) else {
            return Err(CommandError::Missing(vec![format!("shop {} is not in the registry", arguments.shop)]));
        };
        let cord =
            Identity { api_version: "v1".into(), kind: "ConfigMap".into(), namespace: Some(SYSTEM.to_owned()), name: HALT.to_owned() };
        let halted = cluster.get(&cord).await?.map(|cord| {
            let text = |key: &str| cord["data"][key].as_str().unwrap_or("somebody").to_owned();
            format!("halted by {} at {}: {}", text("by"), text("at"), text("why"))
        });
        Ok(why::why(&arguments.shop, shop, &fleet, halted.as_deref(), Timestamp::now()))
    })?;
    match arguments.output {
        Form::Text => show(&why::text(&answer)),
        Form::Json => show(&(serde_json::to_string_pretty(&answer).map_err(|error| CommandError::Output(error.into()))? + "\n")),
    }
}
