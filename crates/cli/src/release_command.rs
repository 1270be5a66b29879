//! `longshore release`: show, list, sign elsewhere, roll back, export, bring into a cluster.

mod export;
mod resource;
mod show;

pub(crate) use resource::{downloads, resource_of};

use crate::{
    CommandError, Context, files,
    publish::{Publisher, Untrusted},
    remote::ChannelArguments,
    screen::write_out,
    spec::parse_span,
};
use jiff::SignedDuration;
use release::{Release, Sequence};
use serde::Serialize;
use std::{fmt, path::PathBuf};

/// Releases of a channel, and release objects as files.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum ReleaseCommand {
    /// Show a release of a channel: the one in force, or the one of a sequence
    #[command(after_help = "\
Examples:
  longshore release show --store s3://releases/prod --channel shops/acme
  longshore release show 41 --store s3://releases/prod --channel shops/acme --output json
Signatures are shown, not checked: `longshore verify` checks them.")]
    Show(show::Show),
    /// Show a release object in a file
    #[command(after_help = "Example:\n  longshore release inspect out/release.json")]
    Inspect {
        /// The release object
        release: PathBuf,
    },
    /// List a channel's releases, newest first
    #[command(after_help = "\
Example:
  longshore release list --store s3://releases/prod --channel shops/acme --most 5")]
    List(show::List),
    /// Print the bytes that a signer must sign (DSSE pre-authentication encoding)
    #[command(after_help = "\
Example, with a key that openssl holds; a KMS or HSM works the same way:
  longshore release pae release.json | openssl dgst -sha256 -sign ci.key -out release.sig
  longshore release attach release.json --signature release.sig --key ci.pub")]
    Pae {
        /// The release object
        release: PathBuf,
    },
    /// Add a signature that was made elsewhere, once it was checked
    #[command(after_help = "\
The signature is DER for ECDSA P-256 (what openssl and cloud KMS give) or 64 raw bytes for Ed25519.
Example:
  longshore release attach release.json --signature release.sig --key ci.pub")]
    Attach(Attach),
    /// Go back: publish a new sequence that names the manifest of an older release
    #[command(after_help = "\
Example:
  longshore release rollback --to 41 --store s3://releases/prod --channel shops/acme \\
    --sign ci.key --trust 1.root.json
The channel's history keeps growing, so a pod that saw the newer release accepts the old content
under a new number.")]
    Rollback(Rollback),
    /// Copy a release, with everything that it needs, into a directory that is itself a file://
    /// store
    Export(export::Export),
    /// Print a release as the object of Kubernetes that `longshore-scheduler` rolls out
    Resource(resource::Resource),
}

/// Arguments of `release attach`.
#[derive(Debug, clap::Args)]
pub(crate) struct Attach {
    /// The release object; replaced by the one with the signature
    release: PathBuf,
    /// The signature's bytes
    #[arg(long, value_name = "FILE")]
    signature: PathBuf,
    /// The public key that the signature was made for
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
}

/// Arguments of `release rollback`.
#[derive(Debug, clap::Args)]
pub(crate) struct Rollback {
    /// The older release
    #[arg(long, value_name = "SEQUENCE")]
    to: Sequence,
    #[command(flatten)]
    from: ChannelArguments,
    /// Private key to sign with (repeat for each)
    #[arg(long = "sign", value_name = "FILE", required = true)]
    sign: Vec<PathBuf>,
    /// Trust root that pods believe
    #[arg(
        long,
        env = "LONGSHORE_TRUST",
        hide_env_values = true,
        value_name = "FILE"
    )]
    trust: PathBuf,
    /// How long the new release may be activated
    #[arg(long, value_parser = parse_span)]
    expires_after: Option<SignedDuration>,
}

/// A release object with one more signature.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Signed {
    /// The file.
    pub path: PathBuf,
    /// Its channel.
    pub channel: String,
    /// Its sequence.
    pub sequence: Sequence,
    /// How many signatures it has now.
    pub signatures: usize,
}

impl fmt::Display for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{}  {} sequence {}, {} signatures",
            self.path.display(),
            self.channel,
            self.sequence,
            self.signatures
        )
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct RolledBack {
    channel: String,
    sequence: Sequence,
    content_of: Sequence,
    manifest: String,
    seconds: f64,
}

impl fmt::Display for RolledBack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "published {} sequence {}, with the content of sequence {}",
            self.channel, self.sequence, self.content_of
        )?;
        writeln!(f, "  manifest  sha256:{}", self.manifest)
    }
}

/// Runs `longshore release …`.
///
/// # Errors
///
/// If a file or the store cannot be read or written, or something is not what it should be.
pub(crate) async fn run(command: ReleaseCommand, context: &Context) -> Result<(), CommandError> {
    match command {
        ReleaseCommand::Show(arguments) => show::show(arguments, context).await,
        ReleaseCommand::List(arguments) => show::list(arguments, context).await,
        ReleaseCommand::Inspect { release } => show::inspect(&release, context),
        ReleaseCommand::Pae { release } => write_out(&files::envelope(&release)?.0.pae()),
        ReleaseCommand::Attach(arguments) => attach(&arguments, context),
        ReleaseCommand::Rollback(arguments) => rollback(arguments, context).await,
        ReleaseCommand::Export(arguments) => export::run(arguments, context).await,
        ReleaseCommand::Resource(arguments) => resource::run(arguments).await,
    }
}

fn attach(arguments: &Attach, context: &Context) -> Result<(), CommandError> {
    let (mut envelope, release) = files::envelope(&arguments.release)?;
    let key = files::public_key(&arguments.key)?;
    let signature = files::read(&arguments.signature)?;
    let attached = envelope.attach_checked(&key, &signature);
    attached.map_err(|source| CommandError::Attach {
        path: arguments.signature.clone(),
        source,
    })?;
    files::replace(&arguments.release, &envelope.to_json())?;
    context
        .output
        .show(&signed(&arguments.release, &envelope, &release))
}

/// What to say of a release object that was just signed.
#[must_use]
pub(crate) fn signed(
    path: &std::path::Path,
    envelope: &release::Envelope,
    release: &Release,
) -> Signed {
    Signed {
        path: path.to_owned(),
        channel: release.channel.to_string(),
        sequence: release.sequence,
        signatures: envelope.signatures().len(),
    }
}

async fn rollback(arguments: Rollback, context: &Context) -> Result<(), CommandError> {
    let expires = arguments
        .expires_after
        .map(|span| context.after(span))
        .transpose()?;
    let remote = arguments.from.open().await?;
    let publisher = Publisher::begin(
        remote,
        &arguments.trust,
        Untrusted::Refuse,
        context.now,
        &context.progress,
    )
    .await?;
    let release = publisher
        .go_back(arguments.to, expires, &arguments.sign, &context.progress)
        .await?;
    context.output.show(&RolledBack {
        channel: release.channel.to_string(),
        sequence: release.sequence,
        content_of: arguments.to,
        manifest: release.manifest.to_string(),
        seconds: context.progress.seconds(),
    })
}
