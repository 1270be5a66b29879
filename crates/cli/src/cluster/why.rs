//! `why`: why a shop is as it is.

use super::{
    ClusterError,
    connection::{Connection, registry, wait},
    rollout::Form,
    show,
};
use api::{SYSTEM, claims::Claims};
use client::Read;
use jiff::Timestamp;
use operations::halt;
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

pub(super) fn run(arguments: &Why) -> Result<(), ClusterError> {
    let answer = wait(async {
        let cluster = arguments.connection.open().await?;
        let Read { fleet, problems } = registry(&cluster).await?;
        let Some(shop) = fleet.shops.get(&arguments.shop) else {
            return Err(ClusterError::Missing(vec![format!(
                "shop {} is not in the registry",
                arguments.shop
            )]));
        };
        let halted = halt::get(&cluster, SYSTEM).await?.map(|halt| halt.line());
        let mut answer = why::why(
            &arguments.shop,
            shop,
            (&fleet, &Claims::new(&fleet)),
            halted.as_deref(),
            Timestamp::now(),
        );
        answer.unreadable(&problems);
        operations::why::complete(&cluster, &fleet, &mut answer).await;
        Ok(answer)
    })?;
    match arguments.output {
        Form::Text => show(&why::text(&answer)),
        Form::Json => show(
            &(serde_json::to_string_pretty(&answer)
                .map_err(|error| ClusterError::Output(error.into()))?
                + "\n"),
        ),
    }
}
