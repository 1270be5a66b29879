//! `longshore key`: signing keys as files that openssl and cosign read too.

use crate::{
    CommandError, Context,
    files::{self, Readers},
};
use release::{Algorithm, SecretKey};
use serde::Serialize;
use std::{
    fmt,
    path::{Path, PathBuf},
};

/// Signing keys.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum KeyCommand {
    /// Make a key pair: NAME.key (PKCS#8 PEM, readable by you alone) and NAME.pub (SPKI PEM)
    #[command(after_help = "\
Examples:
  longshore key generate ci                        ECDSA P-256, which openssl, cosign and cloud KMS
                                                   use too
  longshore key generate offline --algorithm ed25519
Existing files are never overwritten. Keep NAME.key in CI's secret store; NAME.pub goes into the
trust root:
  longshore trust new --key ci.pub --threshold 1 --sign ci.key --out 1.root.json")]
    Generate(Generate),
}

/// Arguments of `key generate`.
#[derive(Debug, clap::Args)]
pub(crate) struct Generate {
    /// Path of the pair, without ending
    name: PathBuf,
    /// Signature algorithm: ecdsa-p256 or ed25519
    #[arg(long, default_value = "ecdsa-p256")]
    algorithm: Algorithm,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Generated {
    secret_key: PathBuf,
    public_key: PathBuf,
    algorithm: String,
    /// SHA-256 of the public key's SPKI bytes.
    id: String,
}

impl fmt::Display for Generated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{}  private, {} (keep it secret)",
            self.secret_key.display(),
            self.algorithm
        )?;
        writeln!(f, "{}  public, id {}", self.public_key.display(), self.id)
    }
}

/// Runs `longshore key …`.
///
/// # Errors
///
/// If a file of that name exists or cannot be written, or no randomness is to be had.
pub(crate) fn run(command: &KeyCommand, context: &Context) -> Result<(), CommandError> {
    let KeyCommand::Generate(arguments) = command;
    let with = |ending: &str| PathBuf::from(format!("{}.{ending}", arguments.name.display()));
    let (secret_path, public_path) = (with("key"), with("pub"));
    let unusable = |source| CommandError::Key {
        path: secret_path.clone(),
        source,
    };
    let secret = SecretKey::generate(arguments.algorithm).map_err(unusable)?;
    let pem = secret.to_pem().map_err(unusable)?;
    let public = secret.public();
    refuse_existing(&public_path)?;
    files::create(&secret_path, pem.as_bytes(), Readers::Owner)?;
    files::create(&public_path, public.to_pem().as_bytes(), Readers::All)?;
    context.output.show(&Generated {
        secret_key: secret_path,
        public_key: public_path,
        algorithm: arguments.algorithm.to_string(),
        id: public.id().to_string(),
    })
}

fn refuse_existing(path: &Path) -> Result<(), CommandError> {
    if path.exists() {
        return Err(CommandError::Write {
            path: path.to_owned(),
            source: std::io::ErrorKind::AlreadyExists.into(),
        });
    }
    Ok(())
}
