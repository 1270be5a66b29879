//! Arguments of every command that packs.

use crate::{pack_cache::CacheArguments, spec::parse_span};
use clap::Args;
use jiff::SignedDuration;

/// How modules are packed.
#[derive(Debug, Args)]
pub(crate) struct PackingArguments {
    /// zstd level, 1 to 19: higher packs slower into fewer bytes, and unpacks equally fast
    #[arg(
        long,
        default_value_t = tarball::DEFAULT_LEVEL,
        value_parser = clap::value_parser!(i32).range(1..=19)
    )]
    pub level: i32,
    /// How long the release may still be activated, overriding `expires_after` of the description
    #[arg(long, value_parser = parse_span)]
    pub expires_after: Option<SignedDuration>,
    #[command(flatten)]
    pub cache: CacheArguments,
}
