//! Settings from the environment, with every problem reported at once.

use crate::{
    Setting,
    variable::{self, Unset, Variable},
};
use release::Reason;
use std::{collections::BTreeMap, ffi::OsString, fmt};

/// The `LONGSHORE_*` variables of a process, and what was wrong with those read so far.
///
/// ```
/// use runtime::{Env, variable};
/// use release::ChannelName;
///
/// let mut env = Env::new([("LONGSHORE_CHANEL", "shops/acme")]);
/// let channel = env.read::<ChannelName>(&variable::CHANNEL);
/// let error = env.finish(channel).unwrap_err().to_string();
/// assert!(error.contains("LONGSHORE_CHANNEL is not set"));
/// assert!(error.contains("did you mean LONGSHORE_CHANNEL?"));
/// ```
#[derive(Debug)]
pub struct Env {
    variables: BTreeMap<String, OsString>,
    problems: Vec<String>,
}

impl Env {
    /// Takes the variables from anything that lists them; those without our prefix are not looked
    /// at.
    pub fn new(
        variables: impl IntoIterator<Item = (impl Into<OsString>, impl Into<OsString>)>,
    ) -> Self {
        let variables = variables
            .into_iter()
            .map(|(name, value)| (name.into().to_string_lossy().into_owned(), value.into()))
            .filter(|(name, _)| name.starts_with(variable::PREFIX))
            .collect();
        Self {
            variables,
            problems: Vec::new(),
        }
    }

    /// Takes the variables of this process.
    #[must_use]
    pub fn from_process() -> Self {
        Self::new(std::env::vars_os())
    }

    /// Reads a variable that must be set or has a default.
    ///
    /// `None` means that a problem was noted, which [`finish`](Self::finish) will return.
    pub fn read<T: Setting>(&mut self, variable: &Variable) -> Option<T> {
        let text = match (self.variables.get(variable.name), variable.unset) {
            (Some(value), _) => value.clone(),
            (None, Unset::Is(default)) => default.into(),
            (None, Unset::Refused | Unset::Means(_)) => {
                self.problems.push(format!(
                    "{} is not set; expected {}",
                    variable.name, variable.expected
                ));
                return None;
            }
        };
        self.parse(variable, &text)
    }

    /// Reads a variable whose absence has a meaning of its own: `Some(None)` if it is not set.
    ///
    /// `None` means that a problem was noted, which [`finish`](Self::finish) will return.
    pub fn optional<T: Setting>(&mut self, variable: &Variable) -> Option<Option<T>> {
        match self.variables.get(variable.name).cloned() {
            Some(value) => self.parse(variable, &value).map(Some),
            None => Some(None),
        }
    }

    /// A variable's value where it is set and usable, noting nothing: for what must be known while
    /// problems are reported.
    #[must_use]
    pub fn peek<T: Setting>(&self, variable: &Variable) -> Option<T> {
        T::read(self.variables.get(variable.name)?.to_str()?)
    }

    fn parse<T: Setting>(&mut self, variable: &Variable, value: &OsString) -> Option<T> {
        let Variable { name, expected, .. } = variable;
        let problem = match value.to_str() {
            // A template that lost its value looks like this: taking it for "not set" would hide
            // that.
            Some("") => format!("{name} is set but empty; expected {expected}"),
            None => format!("{name} is not UTF-8; expected {expected}"),
            Some(text) => match T::read(text) {
                Some(value) => return Some(value),
                None => format!("{name}={}: expected {expected}", shown(text)),
            },
        };
        self.problems.push(problem);
        None
    }

    /// Ends the reading: `settings`, unless there was any problem.
    ///
    /// # Errors
    ///
    /// Lists every variable that is missing, malformed or unknown, not only the first.
    pub fn finish<T>(self, settings: Option<T>) -> Result<T, ConfigError> {
        let unknown = self
            .variables
            .keys()
            .filter(|name| {
                variable::ALL
                    .iter()
                    .all(|known| known.name != name.as_str())
            })
            .map(|name| unknown(name));
        let problems: Vec<_> = self.problems.into_iter().chain(unknown).collect();
        match settings {
            Some(settings) if problems.is_empty() => Ok(settings),
            _ => Err(ConfigError(problems)),
        }
    }
}

/// Everything that is wrong with the environment, one line per variable.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError(Vec<String>);

impl ConfigError {
    /// The reason code: always `config`.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        Reason::Config
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("configuration is not usable")?;
        self.0
            .iter()
            .try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

fn unknown(name: &str) -> String {
    let name = name.escape_debug().to_string();
    // Kubernetes describes each Service of the namespace to each pod, in variables that start with
    // the Service's name.
    if name.ends_with("_SERVICE_HOST")
        || name.ends_with("_PORT")
        || name.contains("_SERVICE_PORT")
        || name.contains("_PORT_")
    {
        return format!(
            "{name} is not a setting; it looks like Kubernetes' variable of a Service: set \
             enableServiceLinks: false on the pod"
        );
    }
    let nearest = variable::ALL
        .iter()
        .map(|known| known.name)
        .max_by(|a, b| similarity(&name, a).total_cmp(&similarity(&name, b)));
    match nearest {
        Some(nearest) => format!("{name} is not a setting; did you mean {nearest}?"),
        None => format!("{name} is not a setting"),
    }
}

/// How alike two names are, from 0 to 1, the prefix that all of them have left aside.
fn similarity(name: &str, known: &str) -> f64 {
    let bare = |name: &str| {
        name.trim_start_matches(variable::PREFIX)
            .to_ascii_uppercase()
    };
    strsim::normalized_damerau_levenshtein(&bare(name), &bare(known))
}

/// A wrong value as an error message may show it: short, on one line, and without what may be a
/// secret.
fn shown(text: &str) -> String {
    const LONGEST: usize = 200;
    if text.contains("-----BEGIN") {
        return "(a PEM block, not shown)".to_owned();
    }
    // Credentials travel in front of a URL's host, or, when it is presigned, behind its question
    // mark.
    let (text, query) = text
        .split_once('?')
        .map_or((text, ""), |(before, _)| (before, "?…"));
    let text = match text
        .split_once("://")
        .and_then(|(scheme, rest)| Some((scheme, rest.rsplit_once('@')?)))
    {
        Some((scheme, (_, host))) => format!("{scheme}://…@{host}"),
        None => text.to_owned(),
    };
    let cut: String = text.chars().take(LONGEST).collect();
    let rest = if cut.len() < text.len() { "…" } else { query };
    format!("{:?}", cut + rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use release::{ChannelName, Sequence};
    use std::{os::unix::ffi::OsStringExt as _, time::Duration};

    fn problem(name: &str, value: &str) -> String {
        let mut env = Env::new([(name, value)]);
        let settings = env
            .optional::<Sequence>(&variable::FLOOR)
            .zip(env.read::<Duration>(&variable::DEADLINE));
        env.finish(settings).unwrap_err().to_string()
    }

    #[test]
    fn every_problem_is_reported_at_once() {
        let mut env = Env::new([
            ("LONGSHORE_FLOOR", ""),
            ("LONGSHORE_DEADLINE", "30"),
            ("LONGSHORE_CHANEL", "shops/acme"),
            ("PATH", "/bin"),
        ]);
        let channel = env.read::<ChannelName>(&variable::CHANNEL);
        let floor = env.optional::<Sequence>(&variable::FLOOR);
        let deadline = env.read::<Duration>(&variable::DEADLINE);
        let error = env.finish(channel.zip(floor).zip(deadline)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "configuration is not usable\n  LONGSHORE_CHANNEL is not set; expected a channel: \
             lower-case segments of a-z, 0-9, '.', '_' or '-' joined by '/', such as shops/acme\n  \
             LONGSHORE_FLOOR is set but empty; expected a sequence: a whole number from 1 to \
             9007199254740991\n  LONGSHORE_DEADLINE=\"30\": expected a whole number and a unit, \
             such as 500ms, 30s, 5m, 1h or 90d\n  LONGSHORE_CHANEL is not a setting; did you mean \
             LONGSHORE_CHANNEL?"
        );
    }

    #[test]
    fn an_unknown_name_alone_is_an_error() {
        for (name, nearest) in [
            ("LONGSHORE_TRUSTS", "LONGSHORE_TRUST"),
            ("LONGSHORE_LOGFORMAT", "LONGSHORE_LOG_FORMAT"),
            ("LONGSHORE_roOt", "LONGSHORE_ROOT"),
        ] {
            assert!(
                problem(name, "secret").ends_with(&format!(
                    "\n  {name} is not a setting; did you mean {nearest}?"
                )),
                "{name}"
            );
        }
    }

    #[test]
    fn variables_of_a_service_are_told_apart_from_typing_errors() {
        for name in [
            "LONGSHORE_SERVICE_HOST",
            "LONGSHORE_AGENT_SERVICE_PORT_HTTP",
            "LONGSHORE_PORT",
            "LONGSHORE_PORT_80_TCP",
        ] {
            assert!(
                problem(name, "10.0.0.1").contains("enableServiceLinks"),
                "{name}"
            );
        }
    }

    #[test]
    fn unset_takes_the_default_or_means_none() {
        let mut env = Env::new([] as [(&str, &str); 0]);
        let settings = env
            .optional::<Sequence>(&variable::FLOOR)
            .zip(env.read::<Duration>(&variable::DEADLINE));
        assert_eq!(env.finish(settings), Ok((None, Duration::from_mins(10))));
    }

    #[test]
    fn a_value_that_is_not_utf8_is_a_problem_and_no_panic() {
        let mut env = Env::new([("LONGSHORE_FLOOR", OsString::from_vec(vec![0xff]))]);
        let floor = env.optional::<Sequence>(&variable::FLOOR);
        assert!(
            env.finish(floor)
                .unwrap_err()
                .to_string()
                .contains("LONGSHORE_FLOOR is not UTF-8")
        );
    }

    #[test]
    fn what_may_be_a_secret_is_not_echoed() {
        let presigned = "https://bucket.example/x?X-Amz-Signature=hunter2";
        for value in [
            "s3://AKIA:hunter2@bucket/x",
            "s3://AKIA:p@hunter2@bucket",
            "-----BEGIN PRIVATE KEY-----hunter2",
            presigned,
        ] {
            assert!(
                !problem("LONGSHORE_FLOOR", value).contains("hunter2"),
                "{value}"
            );
        }
        assert!(
            problem("LONGSHORE_FLOOR", "ten\nfake: line")
                .contains(r#"LONGSHORE_FLOOR="ten\nfake: line": expected"#)
        );
        assert!(problem("LONGSHORE_FLOOR", &"9".repeat(10_000)).len() < 500);
    }
}
