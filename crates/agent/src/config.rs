//! What `longshore-agent` needs to know before it starts.

use deploy::{Configuration, Places, cache, pull::Source};
use release::RelativePath;
use runtime::{AbsolutePath, ByteSize, ConfigError, Env, PullSettings, Setting, variable};
use std::{net::SocketAddr, path::PathBuf, time::Duration};
use store::Location;

use crate::{hooks::Hook, logs, pod, status::ReadinessPolicy};
use php::{Address, Expect, Parameters, Probe, Scheme, Statuses, Url};

/// Bytes of the text that a page has to contain.
const CONTAINS: usize = 200;

/// The settings, all read and all usable.
#[derive(Debug)]
pub struct Config {
    /// What init reads too.
    pub pull: PullSettings<Location>,
    /// Where release objects are, in the order in which they are looked at.
    pub sources: Vec<Source>,
    /// The file of the mounts to keep.
    pub mounts: Option<PathBuf>,
    /// What `$(POD)` stands for in it.
    pub pod_name: Option<String>,
    /// Where trees lead to.
    pub places: Places,
    /// The node's cache.
    pub cache: Option<cache::Settings>,
    /// What operators and the cluster say.
    pub control: Option<PathBuf>,
    /// How long after a look the next one comes.
    pub poll: Duration,
    /// How long the end may take.
    pub grace: Duration,
    /// Where health and metrics are served.
    pub listen: SocketAddr,
    /// When the pod is ready.
    pub ready: ReadinessPolicy,
    /// What a switch asks of the shop.
    pub pod: pod::Settings,
    /// Directories of a release whose logs are passed on.
    pub logs: Vec<RelativePath>,
    /// As many workers as php-fpm may have.
    pub workers: Option<u32>,
    /// The directory in which PHP, php-fpm and nginx write their logs, and in which nginx says how
    /// long requests took.
    pub pod_logs: Option<PathBuf>,
    /// The shop whose pod it is, as events name it.
    pub shop: Option<String>,
    /// Bytes a second that the scan for changed files may read.
    pub scan: u64,
}

impl Config {
    /// Reads the configuration.
    ///
    /// # Errors
    ///
    /// Lists every variable that is missing, malformed or unknown, not only the first.
    pub fn from_env(mut env: Env) -> Result<Self, ConfigError> {
        let config = Self::read(&mut env);
        env.finish(config)
    }

    fn read(env: &mut Env) -> Option<Self> {
        // All of them before the first `?`: a problem must not hide the next one.
        let settings = PullSettings::read(env);
        let sources = sources(env);
        let mounts = env.optional::<AbsolutePath>(&variable::MOUNTS);
        let pod_name = env.optional::<PodName>(&variable::POD);
        let control = env.optional::<AbsolutePath>(&variable::CONTROL);
        let poll = env.read(&variable::POLL);
        let grace = env.read(&variable::GRACE);
        let listen = env.read::<Listen>(&variable::LISTEN);
        let ready = ready(env);
        let pod = pod(env);
        let logs = env.optional::<LogPaths>(&variable::LOGS);
        let workers = env.optional::<Workers>(&variable::WORKERS);
        let pod_logs = env.optional::<AbsolutePath>(&variable::POD_LOGS);
        let shop = env.optional::<ShopName>(&variable::SHOP);
        let scan = env.read::<ByteSize>(&variable::SCAN);
        let path = |path: Option<AbsolutePath>| path.map(AbsolutePath::into_path);
        let settings = settings?;
        let sources = sources?;
        // Operators' files may lie beside the release object, as keys of one ConfigMap.
        let beside = sources.iter().find_map(|source| match source {
            Source::File(path) if path.is_dir() => Some(path.clone()),
            _ => None,
        });
        Some(Self {
            sources,
            mounts: path(mounts?),
            pod_name: pod_name?.map(|name| name.0),
            places: Places {
                storage: settings.storage.clone(),
                writable: settings.writable.clone(),
                configuration: settings.templates.clone().map(|files| Configuration {
                    templates: files.templates,
                    secrets: files.secrets,
                    configured: files.configured,
                }),
            },
            cache: settings
                .cache
                .clone()
                .map(|(directory, limit)| cache::Settings { directory, limit }),
            control: path(control?).or(beside),
            poll: poll?,
            grace: grace?,
            listen: listen?.0,
            ready: ready?,
            pod: pod?,
            logs: logs?.map(|logs| logs.0).unwrap_or_default(),
            workers: workers?.map(|workers| workers.0),
            pod_logs: path(pod_logs?),
            shop: shop?.map(|shop| shop.0),
            scan: scan?.bytes(),
            pull: settings,
        })
    }
}

fn sources(env: &mut Env) -> Option<Vec<Source>> {
    let file = env.optional::<AbsolutePath>(&variable::RELEASE);
    let which = env.optional::<SourceNames>(&variable::SOURCES);
    let (file, which) = (file?.map(|path| Source::File(path.into_path())), which?);
    match (which, file) {
        (Some(SourceNames::Channel), _) | (None, None) => Some(vec![Source::Channel]),
        (Some(SourceNames::File) | None, Some(file)) => Some(vec![file]),
        (Some(SourceNames::Both), Some(file)) => Some(vec![file, Source::Channel]),
        (Some(SourceNames::File | SourceNames::Both), None) => {
            // Says which variable is missing.
            env.read::<AbsolutePath>(&variable::RELEASE)
                .map(|_| Vec::new())
        }
    }
}

fn ready(env: &mut Env) -> Option<ReadinessPolicy> {
    Some(ReadinessPolicy {
        staleness: env.optional(&variable::READY_STALENESS)?,
    })
}

fn pod(env: &mut Env) -> Option<pod::Settings> {
    let php = env.optional::<Php>(&variable::PHP);
    let reload = env.optional::<AbsolutePath>(&variable::PHP_RELOAD);
    let warm = env.read(&variable::WARM);
    let url = env.optional::<PageUrl>(&variable::PROBE);
    let host = env.optional::<Host>(&variable::PROBE_HOST);
    let scheme = env.read::<Visited>(&variable::PROBE_SCHEME);
    let params = env.optional::<Params>(&variable::PROBE_PARAMS);
    let status = env.read::<Status>(&variable::PROBE_STATUS);
    let contains = env.optional::<Text>(&variable::PROBE_CONTAINS);
    let header = env.optional::<Header>(&variable::PROBE_HEADER);
    let times = env.read::<Times>(&variable::PROBE_TIMES);
    let timeout = env.read(&variable::PROBE_TIMEOUT);
    let within = env.read(&variable::PROBE_WITHIN);
    let before = env.optional::<AbsolutePath>(&variable::HOOK_BEFORE);
    let after = env.optional::<AbsolutePath>(&variable::HOOK_AFTER);
    let hook_timeout: Option<Duration> = env.read(&variable::HOOK_TIMEOUT);
    let hook_timeout = hook_timeout?;
    let hook = |path: Option<AbsolutePath>| {
        path.map(|program| Hook {
            program: program.into_path(),
            timeout: hook_timeout,
        })
    };
    let (host, status, header, times) = (host?, status?, header?, times?);
    let (timeout, within): (Duration, Duration) = (timeout?, within?);
    let (scheme, params, contains) = (
        scheme?.0,
        params?.map_or_else(Parameters::default, |params| params.0),
        contains?,
    );
    let expect = Expect {
        status: status.0,
        header: header.map(|header| header.0),
        contains: contains.map(|text| text.0),
    };
    let host = host.map(|host| host.0);
    let probe = url?.map(|url| Probe {
        url: url.0,
        host,
        scheme,
        params,
        expect,
        times: times.0,
        timeout,
        within,
    });
    Some(pod::Settings {
        php: php?.map(|php| php.0),
        reload: reload?.map(AbsolutePath::into_path),
        warm: warm?,
        probe,
        before: hook(before?),
        after: hook(after?),
    })
}

// Settings that are other crates' types.
macro_rules! settings {
    ($($name:ident($inner:ty) $variable:ident $read:expr;)+) => {
        $(
            struct $name($inner);

            impl Setting for $name {
                const EXPECTED: &'static str = variable::$variable.expected;

                fn read(text: &str) -> Option<Self> {
                    let read: fn(&str) -> Option<$inner> = $read;
                    read(text).map(Self)
                }
            }
        )+
    };
}

settings! {
    Listen(SocketAddr) LISTEN |text| text.parse().ok();
    Php(Address) PHP |text| text.parse().ok();
    PageUrl(Url) PROBE |text| text.parse().ok();
    Status(Statuses) PROBE_STATUS |text| text.parse().ok();
    Workers(u32) WORKERS |text| text.parse().ok().filter(|workers| (1..=10_000).contains(workers));
    Times(u32) PROBE_TIMES |text| text.parse().ok().filter(|times| (1..=100).contains(times));
    LogPaths(Vec<RelativePath>) LOGS |text| {
        let paths: Option<Vec<_>> = text.split(',').map(|path| path.trim().parse().ok()).collect();
        paths.filter(|paths| paths.len() <= logs::PATHS)
    };
    PodName(String) POD |text| {
        let good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        (!text.is_empty() && text.len() <= 63 && text.bytes().all(good)).then(|| text.to_owned())
    };
    ShopName(String) SHOP |text| {
        let good = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        (!text.is_empty() && text.len() <= 63 && text.bytes().all(good)).then(|| text.to_owned())
    };
    Host(String) PROBE_HOST |text| {
        let good = |byte: u8| byte.is_ascii_alphanumeric() || b".-:".contains(&byte);
        (!text.is_empty() && text.bytes().all(good)).then(|| text.to_owned())
    };
    Visited(Scheme) PROBE_SCHEME |text| text.parse().ok();
    Params(Parameters) PROBE_PARAMS |text| text.parse().ok();
    Text(String) PROBE_CONTAINS |text| ((1..=CONTAINS).contains(&text.len()) && !text.contains(char::is_control)).then(|| text.to_owned());
    Header((String, String)) PROBE_HEADER |text| {
        let (name, value) = text.split_once(':')?;
        let good = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        good.then(|| (name.to_owned(), value.trim().to_owned()))
    };
}

enum SourceNames {
    File,
    Channel,
    Both,
}

impl Setting for SourceNames {
    const EXPECTED: &'static str = variable::SOURCES.expected;

    fn read(text: &str) -> Option<Self> {
        match text {
            "file" => Some(Self::File),
            "channel" => Some(Self::Channel),
            "both" => Some(Self::Both),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
