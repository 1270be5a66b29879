//! `longshore pack` and `longshore sign`: the steps of a publication one by one.

use crate::{
    CommandError, Context, files,
    packing::PackingArguments,
    packing::{self, Packing},
    release_command::signed,
    spec::Spec,
};
use release::{Release, Sequence, Sha256};
use serde::Serialize;
use std::{fmt, path::PathBuf};

/// Arguments of `pack`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  longshore pack --out out --sequence 42
  longshore sign out/release.json --key ci.key
  longshore publish --packed out --store s3://releases/prod --trust 1.root.json
The directory holds the blobs as a file:// store does, and `release.json`, the release object
without signatures. The same sources give the same blobs on any machine; the release object says
when it was made. Needs no network. Modules that did not change since an earlier run on this machine
are not packed again; `--no-cache` packs all.")]
pub(crate) struct Pack {
    /// The release's description
    #[arg(long, default_value = "longshore.toml", value_name = "FILE")]
    spec: PathBuf,
    /// Where to write; made if it does not exist
    #[arg(long, value_name = "DIRECTORY")]
    out: PathBuf,
    /// The sequence that the release object states: one more than the channel's (`longshore
    /// release show`)
    #[arg(long)]
    sequence: Sequence,
    /// The version of the trust root that pods hold when the release comes
    #[arg(long, default_value_t = 1)]
    root_version: u64,
    #[command(flatten)]
    packing: PackingArguments,
}

/// Arguments of `sign`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  longshore sign out/release.json --key ci.key
A key that has signed already does not sign twice. For keys in a KMS see `longshore release pae
--help`.")]
pub(crate) struct Sign {
    /// The release object; replaced by the one with the signatures
    release: PathBuf,
    /// Private key to sign with (repeat for each)
    #[arg(long = "key", value_name = "FILE", required = true)]
    keys: Vec<PathBuf>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Done {
    directory: PathBuf,
    release: PathBuf,
    channel: String,
    sequence: Sequence,
    manifest: Sha256,
    modules: usize,
    cached_modules: usize,
    files: u64,
    bytes: u64,
    packed_bytes: u64,
    seconds: f64,
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "packed {} modules, {} files, {} bytes into {} bytes",
            self.modules, self.files, self.bytes, self.packed_bytes
        )?;
        writeln!(
            f,
            "  packed    {} modules, {} of them by earlier runs",
            self.modules, self.cached_modules
        )?;
        writeln!(f, "  manifest  sha256:{}", self.manifest)?;
        writeln!(
            f,
            "  to sign   {} ({} sequence {})",
            self.release.display(),
            self.channel,
            self.sequence
        )
    }
}

/// Runs `longshore pack`.
///
/// # Errors
///
/// If a source holds what must not be packed, or the directory cannot be written.
pub(crate) async fn pack(arguments: Pack, context: &Context) -> Result<(), CommandError> {
    let spec = Spec::read(&arguments.spec)?;
    let channel = spec.channel.clone();
    let span = arguments.packing.expires_after.or(spec.expires_after);
    let expires = span.map(|span| context.after(span)).transpose()?;
    let packing = Packing::new(&arguments.packing, &[], &context.progress)?;
    let package = packing::in_background(
        spec,
        Some(arguments.out.clone()),
        packing,
        &context.progress,
    )
    .await?;
    let release = Release {
        channel,
        sequence: arguments.sequence,
        created: context.now,
        expires,
        root_version: arguments.root_version,
        migration: package.manifest.migration,
        manifest: package.digest(),
        manifest_size: package.manifest_bytes.len() as u64,
    };
    let path = arguments.out.join(packing::RELEASE);
    let envelope = release.to_envelope();
    let envelope = envelope.map_err(|source| CommandError::Statement {
        what: path.display().to_string(),
        source,
    })?;
    files::replace(&path, &envelope.to_json())?;
    context.output.show(&Done {
        directory: arguments.out,
        release: path,
        channel: release.channel.to_string(),
        sequence: release.sequence,
        manifest: release.manifest,
        modules: package.manifest.modules.len(),
        cached_modules: package.cached,
        files: package.manifest.files,
        bytes: package.manifest.bytes,
        packed_bytes: package.blobs().iter().map(|(_, size)| size).sum(),
        seconds: context.progress.seconds(),
    })
}

/// Runs `longshore sign`.
///
/// # Errors
///
/// If a file cannot be read or written, or is not what it should be.
pub(crate) fn sign(arguments: &Sign, context: &Context) -> Result<(), CommandError> {
    let (mut envelope, release) = files::envelope(&arguments.release)?;
    files::sign(&mut envelope, &arguments.keys)?;
    files::replace(&arguments.release, &envelope.to_json())?;
    context
        .output
        .show(&signed(&arguments.release, &envelope, &release))
}
