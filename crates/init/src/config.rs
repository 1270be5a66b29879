//! What `longshore-init` needs to know before it starts.

use deploy::{Configuration, Places, cache, pull::Source};
use runtime::{AbsolutePath, ConfigError, Env, PullSettings, variable};
use std::path::PathBuf;
use store::Location;

/// The settings, all read and all usable.
#[derive(Debug, PartialEq)]
pub struct Config {
    /// What the agent reads too.
    pub pull: PullSettings<Location>,
    /// Where the release object is.
    pub source: Source,
    /// Where trees lead to.
    pub places: Places,
    /// The node's cache.
    pub cache: Option<cache::Settings>,
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
        // Both before the first `?`: a problem must not hide the next one.
        let settings = PullSettings::read(env);
        let release = env.optional::<AbsolutePath>(&variable::RELEASE);
        let (pull, release) = (settings?, release?);
        Some(Self {
            source: release.map_or(Source::Channel, |path| source(path.into_path())),
            places: Places {
                storage: pull.storage.clone(),
                writable: pull.writable.clone(),
                configuration: pull.templates.clone().map(|files| Configuration {
                    templates: files.templates,
                    secrets: files.secrets,
                    configured: files.configured,
                }),
            },
            cache: pull
                .cache
                .clone()
                .map(|(directory, limit)| cache::Settings { directory, limit }),
            pull,
        })
    }
}

/// A directory says more than which release is in force; who names the file itself wants that one,
/// as the Job of a migration does.
fn source(path: PathBuf) -> Source {
    if path.is_dir() {
        Source::Start(path)
    } else {
        Source::File(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use release::Sequence;
    use runtime::{
        Setting as _,
        telemetry::{Filter, Format},
    };
    use std::time::Duration;

    const REQUIRED: [(&str, &str); 4] = [
        ("LONGSHORE_STORE", "s3://releases/prod"),
        ("LONGSHORE_CHANNEL", "shops/acme"),
        ("LONGSHORE_ROOT", "/srv/shop"),
        ("LONGSHORE_TRUST", "/etc/longshore/1.root.json"),
    ];

    #[test]
    fn four_variables_are_enough() {
        let config = Config::from_env(Env::new(REQUIRED)).unwrap();
        assert_eq!(config.pull.store.to_string(), "s3://releases/prod");
        assert_eq!(config.source, Source::Channel);
        assert_eq!(
            (config.pull.floor, config.pull.memory, config.pull.deadline),
            (None, 64 << 20, Duration::from_mins(10))
        );
        assert_eq!(config.cache, None);
    }

    #[test]
    fn every_variable_is_read() {
        let optional = [
            ("LONGSHORE_RELEASE", "/etc/release"),
            ("LONGSHORE_FLOOR", "7"),
            ("LONGSHORE_TRUST_FLOOR", "3"),
            ("LONGSHORE_STORAGE", "/mnt/shop"),
            ("LONGSHORE_WRITABLE", "/srv/writable"),
            ("LONGSHORE_TEMPLATES", "/etc/shop/app"),
            ("LONGSHORE_SECRETS", "/etc/shop/secret"),
            ("LONGSHORE_CONFIGURED", "/srv/configured"),
            ("LONGSHORE_CACHE", "/node/cache"),
            ("LONGSHORE_CACHE_LIMIT", "3GiB"),
            ("LONGSHORE_MEMORY", "128MiB"),
            ("LONGSHORE_DEADLINE", "90s"),
            ("LONGSHORE_LOG", "warn,store=debug"),
            ("LONGSHORE_LOG_FORMAT", "json"),
        ];
        assert_eq!(
            REQUIRED.len() + optional.len(),
            variable::ALL
                .iter()
                .filter(|it| it.read_by.contains(&variable::Program::Init))
                .count()
        );
        let config = Config::from_env(Env::new(REQUIRED.into_iter().chain(optional))).unwrap();
        assert_eq!(config.source, Source::File("/etc/release".into()));
        let configuration = Configuration {
            templates: "/etc/shop/app".into(),
            secrets: Some("/etc/shop/secret".into()),
            configured: "/srv/configured".into(),
        };
        let (storage, writable) = (Some("/mnt/shop".into()), Some("/srv/writable".into()));
        assert_eq!(
            config.places,
            Places {
                storage,
                writable,
                configuration: Some(configuration)
            }
        );
        assert_eq!(
            (
                config.pull.floor.map(Sequence::get),
                config.pull.trust_floor
            ),
            (Some(7), 3)
        );
        assert_eq!(
            config.cache,
            Some(cache::Settings {
                directory: "/node/cache".into(),
                limit: 3 << 30
            })
        );
        assert_eq!(
            (config.pull.memory, config.pull.deadline),
            (128 << 20, Duration::from_secs(90))
        );
        assert_eq!(
            (config.pull.log, config.pull.format),
            (Filter::read("warn,store=debug").unwrap(), Format::Json)
        );
    }

    #[test]
    fn every_problem_is_reported_at_once() {
        let env = Env::new([
            ("LONGSHORE_STORE", "https://hunter2@releases.example"),
            ("LONGSHORE_ROOT", "shop"),
            ("LONGSHORE_TRUST", ""),
            ("LONGSHORE_RELEASE", "../release.json"),
            ("LONGSHORE_FLOOR", "0"),
            ("LONGSHORE_CACHE", "cache"),
            ("LONGSHORE_CACHE_LIMIT", "20G"),
            ("LONGSHORE_MEMORY", "31MiB"),
            ("LONGSHORE_DEADLINE", "600"),
            ("LONGSHORE_LOG", "inof"),
            ("LONGSHORE_LOG_FORMAT", "xml"),
            ("LONGSHORE_CHANEL", "shops/acme"),
        ]);
        let expected = "configuration is not usable
  LONGSHORE_STORE=\"https://…@releases.example\": \
                        expected s3://bucket/prefix or file:///directory
  LONGSHORE_CHANNEL is not set; expected a channel: lower-case segments of a-z, 0-9, '.', '_' or \
                        '-' joined by '/', such as shops/acme
  LONGSHORE_ROOT=\"shop\": expected an absolute path without '..', such as /srv/shop
  LONGSHORE_TRUST is set but empty; expected an absolute path without '..', such as /srv/shop
  LONGSHORE_FLOOR=\"0\": expected a sequence: a whole number from 1 to 9007199254740991
  LONGSHORE_CACHE=\"cache\": expected an absolute path without '..', such as /srv/shop
  LONGSHORE_CACHE_LIMIT=\"20G\": expected a whole number and a unit, such as 64MiB (2^20) or 20GB \
                        (10^9)
  LONGSHORE_MEMORY=\"31MiB\": expected 32MiB or more, as a whole number and a unit, such as 64MiB \
                        (2^20) or 1GB (10^9)
  LONGSHORE_DEADLINE=\"600\": expected a whole number and a unit, such as 500ms, 30s, 5m, 1h or 90d
  LONGSHORE_LOG=\"inof\": expected a level (error, warn, info, debug, trace, off), and \
                        target=level where one differs, such as warn,store=debug
  LONGSHORE_LOG_FORMAT=\"xml\": expected text or json
  LONGSHORE_RELEASE=\"../release.json\": expected an absolute path without '..', such as /srv/shop
  LONGSHORE_CHANEL is not a setting; did you mean LONGSHORE_CHANNEL?";
        assert_eq!(Config::from_env(env).unwrap_err().to_string(), expected);
    }

    #[test]
    fn the_least_memory_is_what_the_pull_says() {
        assert_eq!(runtime::MEMORY_FLOOR, deploy::pull::MEMORY_FLOOR);
    }
}
