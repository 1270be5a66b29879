//! What operators and the cluster say beside the releases: small files in one directory, such as a
//! projected `ConfigMap`.
//!
//! - `pause`: a reason, for people. The agent does not switch while the file has any text.
//! - `window`: `22:00-05:00, 12:00-13:00`, in UTC. The agent does not switch outside of these
//!   times.
//! - `migrated`: a sequence. The database is ready for releases up to this one.
//! - `retry`: a manifest's digest and a time. The agent takes the manifest off the rejected list
//!   if it rejected it before that time; without a time, before the file was written.
//!
//! If the agent cannot read or understand a file, it holds every switch back, because whoever
//! wrote the file wanted something.

use jiff::{Timestamp, tz::TimeZone};
use release::{Sequence, Sha256, TimeRange};
use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
};

/// Bytes of such a file that are read: each is a word or a sentence.
const LIMIT: u64 = 4096;

/// What is said at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Control {
    /// Why nothing is to be switched.
    pub pause: Option<String>,
    /// When something may be switched.
    pub window: Option<Windows>,
    /// The highest sequence that the database is ready for.
    pub migrated: Option<Sequence>,
    /// The manifest to try again, if it was not rejected since this was said.
    pub retry: Option<(Sha256, Timestamp)>,
    /// What was said and not understood.
    pub problem: Option<String>,
}

impl Control {
    /// Reads the directory; one that is not there says nothing.
    #[must_use]
    pub fn read(directory: &Path) -> Self {
        let mut control = Self::default();
        let mut problems = Vec::new();
        let mut text = |name: &str| match read(&directory.join(name)) {
            Ok(text) => text,
            Err(error) => {
                problems.push(format!("{name}: {error}"));
                None
            }
        };
        let (pause, window, migrated, retry) = (
            text("pause"),
            text("window"),
            text("migrated"),
            text("retry"),
        );
        control.pause = pause;
        control.window = window.and_then(|text| {
            understood(
                "window",
                &text,
                "times such as 22:00-05:00, in UTC",
                &mut problems,
                Windows::parse,
            )
        });
        control.migrated = migrated.and_then(|text| {
            understood("migrated", &text, "a sequence", &mut problems, |text| {
                text.parse().ok()
            })
        });
        let expected = "a manifest's digest, 64 digits, and a time such as 2026-01-31T12:00:00Z";
        let retry =
            retry.and_then(|text| understood("retry", &text, expected, &mut problems, tried_again));
        control.retry = retry.and_then(|(manifest, at)| {
            Some((manifest, at.or_else(|| said_at(&directory.join("retry")))?))
        });
        control.problem = (!problems.is_empty())
            .then(|| format!("{}: {}", directory.display(), problems.join("; ")));
        control
    }
}

fn understood<T>(
    name: &str,
    text: &str,
    expected: &str,
    problems: &mut Vec<String>,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Option<T> {
    let parsed = parse(text);
    if parsed.is_none() {
        let shown: String = text.chars().take(80).collect();
        problems.push(format!("{name} says {shown:?}, expected {expected}"));
    }
    parsed
}

/// The file's text without white space around it; nothing if there is no file, or no text in it.
fn read(path: &Path) -> io::Result<Option<String>> {
    let mut text = String::new();
    match File::open(path) {
        Ok(file) => file.take(LIMIT).read_to_string(&mut text)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let text = text.trim();
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

/// A digest, and since when. The kubelet writes every file of a volume anew when one changes, so
/// that there the file's own time says nothing.
fn tried_again(text: &str) -> Option<(Sha256, Option<Timestamp>)> {
    let mut words = text.split_whitespace();
    let manifest = words.next()?.parse().ok()?;
    let at = words.next().map(str::parse).transpose().ok()?;
    words.next().is_none().then_some((manifest, at))
}

/// When a file got its text; nothing if it is gone by now.
fn said_at(path: &Path) -> Option<Timestamp> {
    Timestamp::try_from(path.metadata().ok()?.modified().ok()?).ok()
}

/// Times of each day, in UTC, in which something may be switched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Windows(Vec<TimeRange>);

impl Windows {
    fn parse(text: &str) -> Option<Self> {
        let ranges = text.split(',').map(|range| range.trim().parse());
        ranges.collect::<Result<_, _>>().ok().map(Self)
    }

    /// How many minutes until one is open; zero in one.
    #[must_use]
    pub fn opens_in(&self, now: Timestamp) -> i64 {
        let clock = now.to_zoned(TimeZone::UTC).time();
        let waits = self.0.iter().map(|range| range.minutes_until(clock));
        waits.min().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::disallowed_methods,
        reason = "a test prepares what is on the disk"
    )]

    use super::*;
    use std::fs;

    fn control(files: &[(&str, &str)]) -> Control {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(directory.path().join(name), text).unwrap();
        }
        Control::read(directory.path())
    }

    #[test]
    fn files_that_are_not_there_or_empty_say_nothing() {
        assert_eq!(
            control(&[("pause", " \n"), ("notes", "x")]),
            Control::default()
        );
        assert_eq!(Control::read(Path::new("/nowhere")), Control::default());
    }

    #[test]
    fn each_file_is_understood() {
        let digest = "73c4a5db2692b222be7415464ba242993a09ee431db422dfad7bb00c56921ea1";
        let said = control(&[
            ("pause", "sale\n"),
            ("window", "22:00-05:00"),
            ("migrated", "42\n"),
            ("retry", digest),
        ]);
        assert_eq!(
            (said.pause.as_deref(), said.migrated.map(Sequence::get)),
            (Some("sale"), Some(42))
        );
        assert_eq!(
            (
                said.retry
                    .map(|(manifest, _)| manifest.to_string())
                    .as_deref(),
                said.problem
            ),
            (Some(digest), None)
        );
        let since: Timestamp = "2026-01-31T12:00:00Z".parse().unwrap();
        assert_eq!(
            control(&[("retry", &format!("{digest} {since}\n"))])
                .retry
                .map(|(_, at)| at),
            Some(since)
        );
        for wrong in [
            "43",
            &format!("{digest} now"),
            &format!("{digest} {since} 1"),
        ] {
            assert!(
                control(&[("retry", wrong)])
                    .problem
                    .is_some_and(|problem| problem.contains("expected a manifest's digest")),
                "{wrong}"
            );
        }
    }

    #[test]
    fn what_is_not_understood_is_a_problem_with_the_value() {
        let said = control(&[("window", "night"), ("migrated", "-1")])
            .problem
            .unwrap();
        assert!(
            said.contains(r#"window says "night", expected times"#)
                && said.contains(r#"migrated says "-1""#),
            "{said}"
        );
    }

    #[test]
    fn windows_go_over_midnight() {
        let at = |time: &str| {
            format!("2026-01-31T{time}:00Z")
                .parse::<Timestamp>()
                .unwrap()
        };
        let windows = Windows::parse("22:00-05:00, 12:00-13:00").unwrap();
        for (time, wait) in [
            ("22:00", 0),
            ("23:59", 0),
            ("04:59", 0),
            ("05:00", 420),
            ("12:30", 0),
            ("13:00", 540),
            ("21:59", 1),
        ] {
            assert_eq!(windows.opens_in(at(time)), wait, "{time}");
        }
        for bad in [
            "",
            "22:00",
            "22:00-24:00",
            "5-6",
            "5:00-6:00",
            "22:00-05:00,",
        ] {
            assert!(Windows::parse(bad).is_none(), "{bad}");
        }
    }
}
