//! `longshore init`: writes `longshore.toml` for a tree of a known application, from the tree and
//! its `composer.lock`.

mod composer;
mod description;
mod error;
mod split;
mod tree;

use crate::{
    CommandError, Context,
    files::{self, Readers},
    packing,
    screen::write_out,
    spec::Spec,
};
use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use composer::Composer;
use description::Description;
pub(crate) use error::InitError;
use release::{ChannelName, Engine, RelativePath};
use serde::Serialize;
use split::Part;
use std::{
    fmt,
    path::{Path, PathBuf},
};

/// Modules besides `core` at most: each is a tarball that is packed, kept and downloaded by itself.
const MODULES: usize = 99;

/// Arguments of `init`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  longshore init --engine magento2 --channel shops/acme src      writes src/longshore.toml
  longshore init --engine magento1 --dry-run                     prints it
Each package that Composer installed and each module of app/code becomes a module of its own, with
its version; if there are more than 100, those of one vendor become one. Everything else is the
module `core`. Left out are the shop's own files (media, var), its configuration with its secrets
(local.xml, env.php, auth.json, .env), .git and what only development needs. Afterwards init checks
the tree as `longshore pack` would, and says what would be refused.")]
pub(crate) struct Init {
    /// What the tree is
    #[arg(long, value_parser = PossibleValuesParser::new(["magento1", "magento2", "php"]).try_map(|text| text.parse::<Engine>()))]
    engine: Engine,
    /// The tree; longshore.toml is written into it
    #[arg(default_value = ".", value_name = "DIRECTORY")]
    directory: PathBuf,
    /// The channel that releases go to; otherwise shops/ and the directory's name
    #[arg(long, env = "LONGSHORE_CHANNEL", hide_env_values = true)]
    channel: Option<ChannelName>,
    /// The PHP version that the tree is for; otherwise what composer.lock asks for
    #[arg(long, value_name = "VERSION")]
    php: Option<String>,
    /// Replace a longshore.toml that exists
    #[arg(long, conflicts_with = "dry_run")]
    force: bool,
    /// Print the description, and write nothing
    #[arg(long)]
    dry_run: bool,
}

/// What was written.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    file: PathBuf,
    channel: String,
    modules: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    php: Option<String>,
    /// Regular files that `pack` would put into the release, and their bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    files: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    warnings: Vec<String>,
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "wrote {} for channel {}",
            self.file.display(),
            self.channel
        )?;
        if let (Some(files), Some(bytes)) = (self.files, self.bytes) {
            writeln!(
                f,
                "  content   {} modules, {files} files, {bytes} bytes",
                self.modules
            )?;
        }
        writeln!(
            f,
            "Look through it, above all at channel, migration and exclude; then, with a key and a \
             trust root that pods believe:"
        )?;
        writeln!(f, "  longshore key generate ci")?;
        writeln!(
            f,
            "  longshore trust new --key ci.pub --threshold 1 --sign ci.key --out 1.root.json"
        )?;
        writeln!(
            f,
            "  longshore publish --spec {} --store s3://releases/prod --sign ci.key --trust \
             1.root.json",
            self.file.display()
        )
    }
}

/// Runs `longshore init`.
///
/// # Errors
///
/// If the tree cannot be read or is one of something else, or a description is there already.
pub(crate) fn run(arguments: &Init, context: &Context) -> Result<(), CommandError> {
    let (directory, engine) = (&arguments.directory, arguments.engine);
    let file = directory.join("longshore.toml");
    if !tree::marks(engine)
        .iter()
        .any(|mark| directory.join(mark).exists())
    {
        return Err(InitError::Other {
            path: directory.clone(),
            engine,
        }
        .into());
    }
    if file.exists() && !arguments.force && !arguments.dry_run {
        return Err(InitError::Exists { path: file }.into());
    }
    let composer = Composer::read(directory)?;
    let aside = tree::aside(directory, engine)?;
    let parts = parts(directory, engine, &composer)?;
    let channel = arguments
        .channel
        .clone()
        .map_or_else(|| channel_of(directory), Ok)?;
    let php = arguments.php.clone().or_else(|| composer.php.clone());
    let version = tree::version(directory, engine, &composer);
    let text = Description {
        engine,
        channel: &channel,
        php: php.as_deref(),
        version: &version,
        parts: &parts,
        exclude: &aside.exclude,
    }
    .to_string();
    let spec = Spec::parse(&text, &file)?;

    let mut warnings = tree::warnings(directory, engine, &composer);
    warnings.extend(aside.secrets.iter().map(|path| {
        format!(
            "{path} is left out: it holds secrets; the cluster gives shops theirs from the class \
             and the shop's Secret"
        )
    }));
    let found = match packing::content(&spec) {
        Ok(found) => Some(found),
        Err(error) => {
            warnings.push(format!(
                "`longshore pack` would refuse the tree: {}",
                runtime::Chain(&error)
            ));
            None
        }
    };
    for warning in &warnings {
        context.progress.warn(warning);
    }
    if arguments.dry_run {
        return write_out(text.as_bytes());
    }
    if arguments.force {
        files::replace(&file, text.as_bytes())
    } else {
        files::create(&file, text.as_bytes(), Readers::All)
    }?;
    let (files, bytes) = found.unzip();
    context.output.show(&Written {
        file,
        channel: channel.to_string(),
        modules: spec.modules.len(),
        php,
        files,
        bytes,
        warnings,
    })
}

/// The directories that become modules: none that another one holds, nor what is the shop's own.
fn parts(directory: &Path, engine: Engine, composer: &Composer) -> Result<Vec<Part>, InitError> {
    let packages = composer
        .packages
        .iter()
        .filter_map(|package| Part::new(&package.name, &package.version, package.path.clone()));
    let own: Vec<RelativePath> = engine
        .storage()
        .iter()
        .chain(engine.configured())
        .chain(engine.writable())
        .filter_map(|path| path.parse().ok())
        .collect();
    let mut parts: Vec<_> = packages.chain(tree::code(directory, engine)?).collect();
    parts.retain(|part| {
        !own.iter()
            .any(|own| part.path.is_within(own) || own.is_within(&part.path))
    });
    parts.sort_by(|one, other| one.path.cmp(&other.path));
    parts.dedup_by(|inner, outer| inner.path.is_within(&outer.path));
    Ok(split::split(parts, MODULES))
}

/// `shops/` and the directory's own name.
fn channel_of(directory: &Path) -> Result<ChannelName, CommandError> {
    let full = directory.canonicalize().map_err(|source| InitError::Read {
        path: directory.to_owned(),
        source,
    })?;
    let name = full
        .file_name()
        .map(|name| name.to_string_lossy().to_lowercase())
        .unwrap_or_default();
    let plain: String = name
        .chars()
        .map(|letter| {
            if letter.is_ascii_alphanumeric() || "._-".contains(letter) {
                letter
            } else {
                '-'
            }
        })
        .collect();
    let channel = format!("shops/{}", plain.trim_start_matches(['.', '_', '-']));
    channel.parse().map_err(|_| {
        CommandError::Usage(format!(
            "{} gives no channel's name: say --channel shops/NAME",
            full.display()
        ))
    })
}
