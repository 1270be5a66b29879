//! The ConfigMap that tells a shop's agents which release to run: the one that changes in place.

use super::{path, scripts, shop_context::ShopContext};
use api::{Object, ResolvedRelease};
use k8s_openapi::api::core::v1::ConfigMap;
use release::Migration;
use std::collections::BTreeMap;

/// Its name, in each shop's namespace.
pub(crate) const RELEASE: &str = "release";

/// The signed release object beside what the cluster says about it. The agents verify the one and
/// obey the other.
pub(crate) fn config_map(context: &ShopContext<'_>, release: &ResolvedRelease) -> Object {
    let mut files = BTreeMap::from([("release.json".to_owned(), release.envelope.clone())]);
    // If no Job of ours migrates, agents have nothing to wait for.
    let nothing = release.migration != Migration::None && !scripts::migrates(context);
    if let Some(sequence) = if nothing {
        Some(release.sequence)
    } else {
        context.render_context.migrated
    } {
        files.insert("migrated".to_owned(), sequence.to_string());
    }
    if context.closed() {
        // nginx looks at each request whether it is there.
        files.insert(
            path::CLOSED_FILE.to_owned(),
            format!("sequence {} changes the database", release.sequence),
        );
    }
    if let Some(why) = &context.render_context.paused {
        files.insert("pause".to_owned(), why.clone());
    }
    // One of another channel is of no use to a shop that was moved.
    if let Some(previous) = context
        .render_context
        .previous
        .as_ref()
        .filter(|previous| previous.channel == release.channel)
    {
        files.insert("previous.json".to_owned(), previous.envelope.clone());
    }
    if !context.render_context.rejected.is_empty() {
        files.insert(
            "rejected".to_owned(),
            context.render_context.rejected.join("\n") + "\n",
        );
    }
    if let Some(since) = &context.render_context.retried {
        files.insert("retry".to_owned(), format!("{} {since}", release.manifest));
    }
    if context.render_context.chosen {
        files.insert("chosen".to_owned(), release.sequence.to_string());
    }
    Object::new(&ConfigMap {
        metadata: context.meta(RELEASE),
        data: Some(files),
        ..ConfigMap::default()
    })
}
