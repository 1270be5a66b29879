//! `longshore trust`: which keys may sign releases, and how many must.

use crate::{
    CommandError, Context,
    files::{self, Readers},
    spec::parse_span,
};
use jiff::SignedDuration;
use release::TrustRoot;
use serde::Serialize;
use std::{
    fmt,
    path::{Path, PathBuf},
};

/// Trust roots.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum TrustCommand {
    /// Make version 1 of a trust root
    #[command(after_help = "\
Examples:
  longshore trust new --key ci.pub --threshold 1 --sign ci.key --out 1.root.json
  longshore trust new --key a.pub --key b.pub --threshold 2 --sign a.key --sign b.key \\
    --out 1.root.json
Pods get the file through LONGSHORE_TRUST. `longshore publish --trust` puts it into the store, where
pods find the next ones.")]
    New(New),
    /// Make the next version, signed by the thresholds of the old and of the new one
    #[command(after_help = "\
Example: key b replaces key a.
  longshore trust rotate 1.root.json --key b.pub --threshold 1 --sign a.key --sign b.key \\
    --out 2.root.json
Then, so that no pod that boots meanwhile refuses what it finds:
  longshore publish --again --sign a.key --sign b.key --trust 1.root.json …
      a release that both versions accept
  longshore publish --again --sign b.key --trust 2.root.json …
      puts version 2 into the store
Pods that hold version 1 walk forward by themselves.")]
    Rotate(Rotate),
    /// Show a trust root
    #[command(after_help = "Example:\n  longshore trust show 1.root.json")]
    Show {
        /// The file
        root: PathBuf,
    },
}

/// What a version says.
#[derive(Debug, clap::Args)]
pub(crate) struct Content {
    /// Public key that may sign releases (repeat for each)
    #[arg(long = "key", required = true, value_name = "FILE")]
    keys: Vec<PathBuf>,
    /// How many of the keys must sign
    #[arg(long, default_value_t = 1)]
    threshold: u32,
    /// Private key to sign this version with (repeat for each)
    #[arg(long = "sign", required = true, value_name = "FILE")]
    sign: Vec<PathBuf>,
    /// How long it may be used to activate releases
    #[arg(long, default_value = "365d", value_parser = parse_span)]
    expires_after: SignedDuration,
    /// Where to write it; an existing file is never overwritten
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Arguments of `trust new`.
#[derive(Debug, clap::Args)]
pub(crate) struct New {
    #[command(flatten)]
    content: Content,
}

/// Arguments of `trust rotate`.
#[derive(Debug, clap::Args)]
pub(crate) struct Rotate {
    /// The version in force
    root: PathBuf,
    #[command(flatten)]
    content: Content,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    path: PathBuf,
    version: u64,
    expires: String,
    threshold: u32,
    /// SHA-256 of each key's SPKI bytes.
    keys: Vec<String>,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{}  trust root {}, expires {}",
            self.path.display(),
            self.version,
            self.expires
        )?;
        writeln!(
            f,
            "{} of these {} keys must sign a release:",
            self.threshold,
            self.keys.len()
        )?;
        self.keys.iter().try_for_each(|key| writeln!(f, "  {key}"))
    }
}

/// Runs `longshore trust …`.
///
/// # Errors
///
/// If a file cannot be read or written, the content contradicts itself, or the signatures do not
/// reach the thresholds.
pub(crate) fn run(command: &TrustCommand, context: &Context) -> Result<(), CommandError> {
    match command {
        TrustCommand::New(New { content }) => {
            let (root, bytes) = sign(1, content, context)?;
            let made = TrustRoot::from_trusted(&bytes);
            made.map_err(|source| CommandError::Trust {
                what: content.out.display().to_string(),
                source,
            })?;
            write(&root, &bytes, &content.out, context)
        }
        TrustCommand::Rotate(Rotate {
            root: path,
            content,
        }) => {
            let old = files::trust_root(path)?;
            let (root, bytes) = sign(old.version() + 1, content, context)?;
            // What pods will check, before anything is written.
            old.successor(&bytes)
                .map_err(|source| CommandError::Trust {
                    what: content.out.display().to_string(),
                    source,
                })?;
            write(&root, &bytes, &content.out, context)
        }
        TrustCommand::Show { root: path } => show(&*files::trust_root(path)?, path, context),
    }
}

fn sign(
    version: u64,
    said: &Content,
    context: &Context,
) -> Result<(TrustRoot, Vec<u8>), CommandError> {
    let trust = |source| CommandError::Trust {
        what: said.out.display().to_string(),
        source,
    };
    let keys = said
        .keys
        .iter()
        .map(|path| files::public_key(path))
        .collect::<Result<_, _>>()?;
    let expires = context.after(said.expires_after)?;
    let root = TrustRoot::new(version, expires, keys, said.threshold).map_err(trust)?;
    let mut envelope = root.to_envelope();
    files::sign(&mut envelope, &said.sign)?;
    Ok((root, envelope.to_json()))
}

fn write(
    root: &TrustRoot,
    bytes: &[u8],
    path: &Path,
    context: &Context,
) -> Result<(), CommandError> {
    files::create(path, bytes, Readers::All)?;
    show(root, path, context)
}

fn show(root: &TrustRoot, path: &Path, context: &Context) -> Result<(), CommandError> {
    context.output.show(&Shown {
        path: path.to_owned(),
        version: root.version(),
        expires: root.expires().to_string(),
        threshold: root.threshold(),
        keys: root.keys().iter().map(|key| key.id().to_string()).collect(),
    })
}
