//! What the keys of a shop's caches begin with: the shop, the release that the code is of, and a
//! hash of the shop's configuration.
//!
//! A release and its caches are one. Old pods, new pods, migrations and roll backs each find what
//! they wrote themselves, and what another release, or another configuration of the same one, has
//! cached is never read.

use crate::shop_context::ShopContext;
use api::{Cache, name};

/// What the pod replaces by the 16 digits of the release, anew for each tree.
const RELEASE: &str = "@release@";

/// The prefix, of a shop whose configuration is `files`.
pub(super) fn template(context: &ShopContext<'_>, files: &[&str]) -> String {
    let prefix = context
        .cache
        .map_or("", |(_, wanted)| wanted.prefix.as_str());
    format!(
        "{prefix}{RELEASE}_{}_",
        name::short_hash(files.join("\0").as_bytes())
    )
}

/// The server as both engines' client takes it: with a scheme where TLS is spoken.
pub(super) fn server(cache: &Cache) -> String {
    if cache.tls {
        format!("tls://{}", cache.host)
    } else {
        cache.host.clone()
    }
}
