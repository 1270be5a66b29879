//! The settings of a program that pulls releases: `longshore-init` and `longshore-agent` read them
//! alike.

use crate::{
    AbsolutePath, ByteSize, Env, Setting,
    telemetry::{Filter, Format},
    variable,
};
use release::{ChannelName, Sequence, limits};
use std::{path::PathBuf, str::FromStr, time::Duration};

/// The least memory for buffers, 32 MiB: what `deploy::pull::MEMORY_FLOOR` says, which this crate
/// does not import. Tests of the programs compare the two.
pub const MEMORY_FLOOR: u64 = 32 << 20;

/// What both programs read. `L` is the location of a store, a type that this crate does not import.
#[derive(Debug, PartialEq)]
pub struct PullSettings<L> {
    /// Where releases come from.
    pub store: L,
    /// The channel to follow.
    pub channel: ChannelName,
    /// The release root.
    pub root: PathBuf,
    /// The file of the trust root.
    pub trust: PathBuf,
    /// The lowest sequence to accept.
    pub floor: Option<Sequence>,
    /// The lowest version of the trust root.
    pub trust_floor: u64,
    /// The shop's storage, which the shared directories of a release lead to.
    pub storage: Option<PathBuf>,
    /// The volume of the directories that the shop writes.
    pub writable: Option<PathBuf>,
    /// Templates of configuration files, and where the files are made.
    pub templates: Option<Templates>,
    /// The node's cache, and how many bytes it may hold.
    pub cache: Option<(PathBuf, u64)>,
    /// Bytes for buffers.
    pub memory: u64,
    /// How long a pull may take.
    pub deadline: Duration,
    /// Which events are logged.
    pub log: Filter,
    /// How they are written.
    pub format: Format,
}

/// Configuration files that are made from templates and secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Templates {
    /// The templates.
    pub templates: PathBuf,
    /// The files that the templates name.
    pub secrets: Option<PathBuf>,
    /// Where the files are made.
    pub configured: PathBuf,
}

impl<L: FromStr> PullSettings<L> {
    /// Reads all of them; `None` means that a problem was noted, which
    /// [`Env::finish`] will return.
    pub fn read(env: &mut Env) -> Option<Self> {
        // All of them before the first `?`: a problem must not hide the next one.
        let store = env.read::<Store<L>>(&variable::STORE);
        let channel = env.read(&variable::CHANNEL);
        let root = env.read::<AbsolutePath>(&variable::ROOT);
        let trust = env.read::<AbsolutePath>(&variable::TRUST);
        let floor = env.optional(&variable::FLOOR);
        let trust_floor = env.optional::<RootVersion>(&variable::TRUST_FLOOR);
        let storage = env.optional::<AbsolutePath>(&variable::STORAGE);
        let writable = env.optional::<AbsolutePath>(&variable::WRITABLE);
        let templates = templates(env);
        let cache = env.optional::<AbsolutePath>(&variable::CACHE);
        let cache_limit = env.read::<ByteSize>(&variable::CACHE_LIMIT);
        let memory = env.read::<Memory>(&variable::MEMORY);
        let deadline = env.read(&variable::DEADLINE);
        let log = env.read(&variable::LOG);
        let format = env.optional(&variable::LOG_FORMAT);
        let path = |path: Option<AbsolutePath>| path.map(AbsolutePath::into_path);
        Some(Self {
            store: store?.0,
            channel: channel?,
            root: root?.into_path(),
            trust: trust?.into_path(),
            floor: floor?,
            trust_floor: trust_floor?.map_or(0, |version| version.0),
            storage: path(storage?),
            writable: path(writable?),
            templates: templates.ok()?,
            cache: path(cache?).zip(Some(cache_limit?.bytes())),
            memory: memory?.0,
            deadline: deadline?,
            log: log?,
            format: format?.unwrap_or_else(Format::from_stderr),
        })
    }
}

/// A problem that [`Env::finish`] will return.
struct Noted;

fn templates(env: &mut Env) -> Result<Option<Templates>, Noted> {
    let templates = env.optional::<AbsolutePath>(&variable::TEMPLATES);
    let secrets = env.optional::<AbsolutePath>(&variable::SECRETS);
    let configured = env.optional::<AbsolutePath>(&variable::CONFIGURED);
    let (Some(templates), Some(secrets), Some(configured)) = (templates, secrets, configured)
    else {
        return Err(Noted);
    };
    // Each without the other does nothing, which nobody means: the problem names the missing one.
    let missing = match (templates, configured) {
        (Some(templates), Some(configured)) => {
            return Ok(Some(Templates {
                templates: templates.into_path(),
                secrets: secrets.map(AbsolutePath::into_path),
                configured: configured.into_path(),
            }));
        }
        (None, None) => return Ok(None),
        (Some(_), None) => &variable::CONFIGURED,
        (None, Some(_)) => &variable::TEMPLATES,
    };
    env.read::<AbsolutePath>(missing);
    Err(Noted)
}

struct Store<L>(L);

impl<L: FromStr> Setting for Store<L> {
    const EXPECTED: &'static str = variable::STORE.expected;

    fn read(text: &str) -> Option<Self> {
        text.parse().ok().map(Self)
    }
}

struct Memory(u64);

impl Setting for Memory {
    const EXPECTED: &'static str = variable::MEMORY.expected;

    fn read(text: &str) -> Option<Self> {
        ByteSize::read(text)
            .map(ByteSize::bytes)
            .filter(|bytes| *bytes >= MEMORY_FLOOR)
            .map(Self)
    }
}

struct RootVersion(u64);

impl Setting for RootVersion {
    const EXPECTED: &'static str = variable::TRUST_FLOOR.expected;

    fn read(text: &str) -> Option<Self> {
        text.parse()
            .ok()
            .filter(|version| (1..=limits::NUMBER_LIMIT).contains(version))
            .map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUIRED: [(&str, &str); 4] = [
        ("LONGSHORE_STORE", "file:///releases"),
        ("LONGSHORE_CHANNEL", "shops/acme"),
        ("LONGSHORE_ROOT", "/srv/shop"),
        ("LONGSHORE_TRUST", "/etc/longshore/1.root.json"),
    ];

    #[test]
    fn templates_and_their_place_go_together() {
        for (given, missing) in [
            ("LONGSHORE_TEMPLATES", "LONGSHORE_CONFIGURED"),
            ("LONGSHORE_CONFIGURED", "LONGSHORE_TEMPLATES"),
        ] {
            let mut env = Env::new(REQUIRED.into_iter().chain([(given, "/srv/x")]));
            let settings = PullSettings::<String>::read(&mut env);
            let error = env.finish(settings).unwrap_err().to_string();
            assert!(error.contains(&format!("{missing} is not set")), "{error}");
        }
    }

    #[test]
    fn the_least_memory_is_what_the_page_says() {
        let mebibytes = MEMORY_FLOOR >> 20;
        let says = format!("{mebibytes}MiB or more");
        assert!(variable::MEMORY.expected.starts_with(&says));
        assert!(Memory::read("31MiB").is_none());
        assert_eq!(
            Memory::read("32MiB").map(|memory| memory.0),
            Some(MEMORY_FLOOR)
        );
    }
}
