//! `longshore release resource`: a release as the object of Kubernetes with which it enters a
//! cluster.

use crate::{
    CommandError,
    diff::download,
    remote::{ChannelArguments, Remote, StoredRelease},
    screen::write_out,
};
use api::{DOWNLOADS, Downloads};
use release::{ChannelName, Sequence, Sha256};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Arguments of `release resource`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example, with which a release enters a cluster; a rollout then moves the shops:
  longshore release resource --store s3://releases/prod --channel shops/acme \\
    | kubectl apply --server-side -f -
  longshore rollout start shops-acme-42 --why 'spring prices'
Signatures are carried along, not checked: each pod checks them.")]
pub(crate) struct Resource {
    /// Which sequence; otherwise the one in force
    sequence: Option<Sequence>,
    #[command(flatten)]
    from: ChannelArguments,
    /// Its name in the cluster; otherwise the channel and the sequence with dashes between them
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

pub(super) async fn run(arguments: Resource) -> Result<(), CommandError> {
    let remote = arguments.from.open().await?;
    let found = remote.release_or_head(arguments.sequence).await?;
    let downloads = downloads(&remote, &found).await;
    let resource = resource(&found, arguments.name, downloads.as_ref());
    write_out(format!("{resource:#}\n").as_bytes())
}

/// Releases before it from which it is noted what a pod downloads: others are seldom left behind.
const BEFORE: u64 = 5;

/// What a pod downloads, if the manifests can be read: the release is good without.
pub(crate) async fn downloads(remote: &Remote, found: &StoredRelease) -> Option<Downloads> {
    let (new, _) = remote.manifest(&found.release).await.ok()?;
    let mut downloads = Downloads {
        fresh: download(&new, None),
        from: BTreeMap::new(),
    };
    let sequence = found.release.sequence.get();
    for before in sequence.saturating_sub(BEFORE)..sequence {
        let Ok(before) = Sequence::try_from(before) else {
            continue;
        };
        let Ok(Some(old)) = remote.release(before).await else {
            continue;
        };
        if let Ok((old, _)) = remote.manifest(&old.release).await {
            let bytes = download(&new, Some(&old));
            downloads.from.insert(before.get(), bytes);
        }
    }
    Some(downloads)
}

/// The object under its usual name, as the definitions of `longshore crd` have it; a test gives it
/// to the scheduler.
pub(crate) fn resource_of(found: &StoredRelease, downloads: Option<&Downloads>) -> Value {
    resource(found, None, downloads)
}

fn resource(found: &StoredRelease, name: Option<String>, downloads: Option<&Downloads>) -> Value {
    let StoredRelease {
        envelope, release, ..
    } = found;
    let name = name.unwrap_or_else(|| default_name(&release.channel, release.sequence));
    let mut metadata = json!({ "name": name });
    // Beside what is signed, which nobody may change.
    if let Some(note) = downloads.and_then(|it| serde_json::to_string(it).ok()) {
        metadata["annotations"] = json!({ DOWNLOADS: note });
    }
    json!({
        "apiVersion": "longshore.dev/v1alpha1",
        "kind": "Release",
        "metadata": metadata,
        "spec": {
            "channel": release.channel.to_string(),
            "sequence": release.sequence,
            "envelope": String::from_utf8_lossy(&envelope.to_json()),
        },
    })
}

/// Letters (120) of a channel's name that a name in Kubernetes takes over: of 253, some are left
/// for others that are made of it.
const READABLE: usize = 120;

/// What a channel's name may have, and a name in Kubernetes may not, becomes a dash. Two channels
/// must never have one name: whatever is not as in `shops/acme`, the usual case, has a part of its
/// digest, too.
fn default_name(channel: &ChannelName, sequence: Sequence) -> String {
    let text = channel.to_string();
    let plain = |letter: char| {
        if letter.is_ascii_lowercase() || letter.is_ascii_digit() {
            letter
        } else {
            '-'
        }
    };
    let readable: String = text.chars().take(READABLE).map(plain).collect();
    // Only where each dash is for a slash, and there is one at most, does the name lead back to one
    // channel.
    let dashes = readable.matches('-').count();
    let usual = dashes <= 1 && dashes == text.matches('/').count() && text.len() <= READABLE;
    if usual {
        format!("{readable}-{sequence}")
    } else {
        format!(
            "{readable}-{}-{sequence}",
            &Sha256::digest(text.as_bytes()).to_string()[..8]
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_those_of_kubernetes() {
        let of =
            |channel: &str| default_name(&channel.parse().unwrap(), Sequence::try_from(7).unwrap());
        assert_eq!(of("shops/acme"), "shops-acme-7");
        let alike = [
            "shops/a-b",
            "shops/a/b",
            "shops-a/b",
            "shops/a.b",
            "shops/a_b",
            "shops/a..b",
            "shops/a.",
            "shops-a-b",
            "shops/a--b",
        ];
        let names: BTreeSet<String> = alike.into_iter().map(of).collect();
        assert_eq!(names.len(), alike.len(), "{names:?}");
        let long = of(&format!("shops/{}", "x".repeat(120)));
        assert!(long.len() < 150 && of(&format!("shops/{}y", "x".repeat(119))) != long);
        for name in names {
            assert!(
                name.bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'),
                "{name}"
            );
        }
    }
}
