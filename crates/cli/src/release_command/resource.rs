//! `longshore release resource`: a release as the object of Kubernetes with which it enters a cluster.

use crate::{
    CommandError,
    remote::{ChannelArguments, Found},
    screen::write_out,
};
use release::{ChannelName, Sequence};
use serde_json::{Value, json};

/// Arguments of `release resource`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example, with which a release enters a cluster; a rollout then moves the shops:
  longshore release resource --store s3://releases/prod --channel shops/acme | kubectl apply --server-side -f -
  longshore-scheduler rollout start shops-acme-42 --why 'spring prices'
Signatures are carried along, not checked: each pod checks them.")]
pub(crate) struct Resource {
    /// Which sequence; the one in force where it is left out
    sequence: Option<Sequence>,
    #[command(flatten)]
    from: ChannelArguments,
    /// Its name in the cluster, where the channel and the sequence with dashes between them would not do
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

pub(super) async fn run(arguments: Resource) -> Result<(), CommandError> {
    let remote = arguments.from.open().await?;
    let found = remote.release_or_head(arguments.sequence).await?;
    write_out(format!("{:#}\n", resource(&found, arguments.name)).as_bytes())
}

/// The object under its usual name, as the definitions of `longshore-scheduler crd` have it; a test gives it to the scheduler.
pub(crate) fn resource_of(found: &Found) -> Value {
    resource(found, None)
}

fn resource(found: &Found, name: Option<String>) -> Value {
    let Found { envelope, release, .. } = found;
    json!({
        "apiVersion": "longshore.dev/v1alpha1",
        "kind": "Release",
        "metadata": { "name": name.unwrap_or_else(|| default_name(&release.channel, release.sequence)) },
        "spec": {
            "channel": release.channel.to_string(),
            "sequence": release.sequence,
            "envelope": String::from_utf8_lossy(&envelope.to_json()),
        },
    })
}

/// What a channel's name may have, and a name in Kubernetes may not, becomes a dash.
fn default_name(channel: &ChannelName, sequence: Sequence) -> String {
    let plain = |letter: char| if letter.is_ascii_lowercase() || letter.is_ascii_digit() { letter } else { '-' };
    format!("{}-{sequence}", channel.to_string().chars().map(plain).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_kubernetes() {
        for (channel, expected) in [("shops/acme", "shops-acme-7"), ("a._-/b_c.d", "a----b-c-d-7")] {
            assert_eq!(default_name(&channel.parse().unwrap(), Sequence::try_from(7).unwrap()), expected);
        }
    }
}
