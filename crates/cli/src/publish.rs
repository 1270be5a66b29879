//! `longshore publish`: pack, upload what is missing, sign, move the channel.
//!
//! The order makes every interruption harmless. Blobs first: nobody looks at one that no release
//! names. Then the immutable `releases/<sequence>.json`, created only if there is none. Last the
//! channel's `release.json`, moved only from the version that was read at the start. Killed
//! anywhere, the channel still names the old, complete release; the next run finds what is there
//! already and goes on.

mod head;
mod next;
mod onto;
mod publisher;
mod rollout;
mod rollout_error;
mod roots;
mod upload;
mod writes;

pub(crate) use head::Untrusted;
pub(crate) use next::{Exhausted, Repeat};
pub(crate) use publisher::{Intent, Publisher};
pub(crate) use rollout_error::RolloutError;

use crate::{
    CommandError, Context, files,
    packing::{self, Package, Packing},
    release_command::downloads,
    remote::StoreArguments,
    spec::Spec,
    staged,
};
use clap::Args;
use release::{ChannelName, Sequence, Sha256};
use rollout::RolloutArguments;
use serde::Serialize;
use std::{
    fmt,
    fs::File,
    path::{Path, PathBuf},
};
use tokio::task;

/// Arguments of `publish`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  longshore publish --store s3://releases/prod --sign ci.key --trust 1.root.json
  longshore publish --packed out --store s3://releases/prod --trust 1.root.json
      what `pack` and `sign` prepared
  longshore publish --store … --sign ci.key --trust 1.root.json --rollout --wave 10:30m \\
    --wave 100:10m --why 'spring prices'
  longshore publish --dry-run --store s3://releases/prod --sign ci.key --trust 1.root.json
  longshore publish --onto 41 --spec built.toml --store … --sign ci.key --trust 1.root.json
      what was built of release 41, besides its modules
Running it again is safe: it uploads only what is missing, finishes what was interrupted, and does
nothing when the channel runs this content already. Modules that did not change since an earlier run
on this machine are not packed again; what is kept of them is checked at each use, and `--no-cache`
does without. When two publishers race, one wins and the other ends with reason `conflict`, code 75.
With --rollout, `longshore rollout start` puts the release into the cluster of the kubeconfig,
starts a rollout of it and waits: the exit code is 0 when every shop of the channel runs the
release, 80 when some failed within the budget, 81 when the rollout stopped or was aborted, 75 when
it goes on. A run that was cut off while it waited is run again as it was.")]
pub(crate) struct Publish {
    /// The release's description
    #[arg(
        long,
        default_value = "longshore.toml",
        value_name = "FILE",
        conflicts_with = "packed"
    )]
    spec: PathBuf,
    /// Publish what `longshore pack --out DIRECTORY` made and somebody signed, instead of packing
    #[arg(long, value_name = "DIRECTORY", conflicts_with = "sign")]
    packed: Option<PathBuf>,
    /// Add the modules of the description to this release, which must be in force, and replace
    /// those of the same name
    #[arg(long, value_name = "SEQUENCE", conflicts_with = "packed")]
    onto: Option<Sequence>,
    #[command(flatten)]
    store: StoreArguments,
    /// Private key to sign with (repeat for each)
    #[arg(long = "sign", value_name = "FILE", required_unless_present = "packed")]
    sign: Vec<PathBuf>,
    /// Trust root of the pods: a release that it would refuse is not published
    #[arg(
        long,
        env = "LONGSHORE_TRUST",
        hide_env_values = true,
        value_name = "FILE"
    )]
    trust: PathBuf,
    #[command(flatten)]
    packing: packing::PackingArguments,
    #[command(flatten)]
    rollout: RolloutArguments,
    /// Sign a new sequence even if the channel runs this content already
    #[arg(long)]
    again: bool,
    /// Replace a release in force that no trusted key signed: somebody wrote to the bucket who
    /// should not
    #[arg(long)]
    replace_untrusted: bool,
    /// Pack and compare, but change nothing in the store
    #[arg(long)]
    dry_run: bool,
}

/// What a publication did.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Published {
    /// `published`, `finished` (an interrupted run), `unchanged`, `healed` (the store had lost
    /// something of it) or `would-publish` (a dry run).
    pub outcome: &'static str,
    /// The channel.
    pub channel: String,
    /// The release in force now.
    pub sequence: Sequence,
    /// Its manifest.
    pub manifest: Sha256,
    /// Modules in it.
    pub modules: usize,
    /// Those of them that were packed by an earlier run, and not by this one.
    pub cached_modules: usize,
    /// Regular files in it.
    pub files: u64,
    /// Bytes in those files.
    pub bytes: u64,
    /// Bytes that went to the store.
    pub uploaded_bytes: u64,
    /// Bytes that the store had already.
    pub reused_bytes: u64,
    /// Wall time.
    pub seconds: f64,
}

impl Published {
    fn new(outcome: &'static str, channel: &str, sequence: Sequence, package: &Package) -> Self {
        let manifest = &package.manifest;
        Self {
            outcome,
            channel: channel.to_owned(),
            sequence,
            manifest: package.digest(),
            modules: manifest.modules.len(),
            cached_modules: package.cached,
            files: manifest.files,
            bytes: manifest.bytes,
            uploaded_bytes: 0,
            reused_bytes: 0,
            seconds: 0.0,
        }
    }
}

impl fmt::Display for Published {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} {} sequence {}",
            self.outcome, self.channel, self.sequence
        )?;
        writeln!(f, "  manifest  sha256:{}", self.manifest)?;
        writeln!(
            f,
            "  content   {} modules, {} files, {} bytes",
            self.modules, self.files, self.bytes
        )?;
        writeln!(
            f,
            "  packed    {} modules, {} of them by earlier runs",
            self.modules, self.cached_modules
        )?;
        writeln!(
            f,
            "  store     {} bytes uploaded, {} bytes reused",
            self.uploaded_bytes, self.reused_bytes
        )?;
        writeln!(f, "  time      {:.1} s", self.seconds)
    }
}

/// Runs `longshore publish`.
///
/// # Errors
///
/// If a source, key or trust root cannot be used, the store fails, pods would refuse the
/// release, or another publisher was faster.
pub(crate) async fn run(arguments: Publish, context: &Context) -> Result<(), CommandError> {
    let mut summary = match &arguments.packed {
        Some(directory) => packed(&arguments, directory, context).await?,
        None => described(&arguments, context).await?,
    };
    summary.seconds = context.progress.seconds();
    context.output.show(&summary)?;
    if !arguments.rollout.rollout {
        return Ok(());
    }
    let channel = summary
        .channel
        .parse()
        .map_err(|_| CommandError::Bug("a channel that was published to has no name"))?;
    let remote = arguments.store.channel(&channel).await?;
    let found = remote.release_or_head(Some(summary.sequence)).await?;
    let downloads = downloads(&remote, &found).await;
    let rollout = arguments.rollout;
    task::spawn_blocking(move || rollout.run(&found, downloads.as_ref()))
        .await
        .map_err(|_| CommandError::Bug("the rollout panicked"))??;
    Ok(())
}

/// Publishes what `longshore pack` wrote and somebody signed.
async fn packed(
    arguments: &Publish,
    directory: &Path,
    context: &Context,
) -> Result<Published, CommandError> {
    let (package, envelope, release) = packing::read(directory)?;
    // Who knows what packed it: a pod could not say what is wrong to whoever is waiting here.
    let check = move || {
        staged::check(&package.manifest, |digest| File::open(package.blob(digest)))
            .map(|()| package)
    };
    let package = task::spawn_blocking(check)
        .await
        .map_err(|_| CommandError::Bug("unpacking panicked"))??;
    let publisher = begin(arguments, &release.channel, context).await?;
    if arguments.dry_run {
        return publisher.preview(&package, arguments.repeat()).await;
    }
    publisher
        .publish_signed(&package, envelope, release, &context.progress)
        .await
}

/// Packs what the description says, signs and publishes it.
async fn described(arguments: &Publish, context: &Context) -> Result<Published, CommandError> {
    // Everything that can be wrong locally is found before the minutes of packing.
    arguments
        .sign
        .iter()
        .try_for_each(|path| files::secret_key(path).map(drop))?;
    let mut spec = Spec::read(&arguments.spec)?;
    let span = arguments.packing.expires_after.or(spec.expires_after);
    let expires = span.map(|span| context.after(span)).transpose()?;
    let publisher = begin(arguments, &spec.channel, context).await?;
    let packing = Packing::new(&arguments.packing, &arguments.sign, &context.progress)?;
    let base = match arguments.onto {
        Some(sequence) => Some(publisher.base(sequence, &mut spec).await?),
        None => None,
    };
    let mut package = packing::in_background(spec, None, packing, &context.progress).await?;
    if let Some(base) = base {
        package = publisher.onto(base, package).await?;
    }
    if arguments.dry_run {
        return publisher.preview(&package, arguments.repeat()).await;
    }
    let intent = Intent {
        expires,
        repeat: arguments.repeat(),
        keys: &arguments.sign,
    };
    publisher
        .publish(&package, &intent, &context.progress)
        .await
}

pub(super) async fn begin(
    arguments: &Publish,
    channel: &ChannelName,
    context: &Context,
) -> Result<Publisher, CommandError> {
    // A trust root that is none is found before the store is asked for anything.
    files::trust_root(&arguments.trust)?;
    let untrusted = if arguments.replace_untrusted {
        Untrusted::Replace
    } else {
        Untrusted::Refuse
    };
    Publisher::begin(
        arguments.store.channel(channel).await?,
        &arguments.trust,
        untrusted,
        context.now,
        &context.progress,
    )
    .await
}

impl Publish {
    const fn repeat(&self) -> Repeat {
        if self.again {
            Repeat::Again
        } else {
            Repeat::Skip
        }
    }
}
