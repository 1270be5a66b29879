//! `errors`: what goes wrong in a shop, grouped, and what people say of it.

use super::{
    ClusterError,
    connection::{Connection, asked},
    rollout::Form,
    show,
};
use jiff::Timestamp;
use observe::{
    Fingerprint,
    v1::{self, ErrorGroup, State, StateChange},
};
use operations::watch::WatchRequest;
use std::fmt::Write as _;

/// What `errors` is told.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  longshore errors acme                               what is open, worst first
  longshore errors acme --show 03f1c2a9d47be650       one of them, with its trace
  longshore errors acme --resolve 03f1c2a9d47be650    mended: it opens again if a newer release has it
  longshore errors acme --output json | jq '.groups[].message'

Groups come from longshore-watch, which asks the agents of all pods every few seconds.")]
pub(crate) struct Errors {
    /// The shop
    shop: String,
    /// Those that are resolved or ignored as well
    #[arg(long)]
    all: bool,
    /// Show one group whole
    #[arg(long, value_name = "FINGERPRINT")]
    show: Option<Fingerprint>,
    /// Say that a group is mended
    #[arg(long, value_name = "FINGERPRINT", conflicts_with_all = ["ignore", "reopen", "show"])]
    resolve: Option<Fingerprint>,
    /// Say that nobody wants to hear of a group
    #[arg(long, value_name = "FINGERPRINT", conflicts_with_all = ["reopen", "show"])]
    ignore: Option<Fingerprint>,
    /// Take either back
    #[arg(long, value_name = "FINGERPRINT", conflicts_with = "show")]
    reopen: Option<Fingerprint>,
    /// For programs
    #[arg(long, value_enum, default_value_t)]
    output: Form,
    #[command(flatten)]
    connection: Connection,
}

pub(super) fn run(arguments: &Errors) -> Result<(), ClusterError> {
    let shop = &arguments.shop;
    let verdicts = [
        (arguments.resolve, State::Resolved),
        (arguments.ignore, State::Ignored),
        (arguments.reopen, State::Open),
    ];
    for (fingerprint, state) in verdicts {
        if let Some(fingerprint) = fingerprint {
            let path = format!("errors/{fingerprint}/state");
            let group: ErrorGroup = asked(
                &arguments.connection,
                WatchRequest::put(shop, &path, &StateChange { state })?,
            )?;
            return match arguments.output {
                Form::Text => show(&whole(&group)),
                Form::Json => json(&group),
            };
        }
    }
    let all = arguments.all || arguments.show.is_some();
    let path = if all { "errors?all=true" } else { "errors" };
    let errors: v1::Errors = asked(&arguments.connection, WatchRequest::get(shop, path))?;
    let Some(wanted) = arguments.show else {
        return match arguments.output {
            Form::Text => show(&list(&errors, Timestamp::now())),
            Form::Json => json(&errors),
        };
    };
    let group = errors
        .groups
        .iter()
        .find(|group| group.fingerprint == wanted)
        .ok_or_else(|| {
            ClusterError::Missing(vec![format!(
                "shop {shop} has no error {wanted}; `longshore errors {shop} --all` lists them"
            )])
        })?;
    match arguments.output {
        Form::Text => show(&whole(group)),
        Form::Json => json(group),
    }
}

pub(super) fn json(value: &impl serde::Serialize) -> Result<(), ClusterError> {
    let text =
        serde_json::to_string_pretty(value).map_err(|error| ClusterError::Output(error.into()))?;
    show(&(text + "\n"))
}

/// How long ago, for people.
pub(super) fn ago(then: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(then).as_secs().max(0);
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// A line for each group.
fn list(errors: &v1::Errors, now: Timestamp) -> String {
    let asked = errors.as_of.map_or_else(
        || "its agents were not asked yet".to_owned(),
        |as_of| format!("as of {} ago", ago(as_of, now)),
    );
    let count = errors.groups.len();
    let head = format!(
        "{}: {count} {} of errors, {asked}\n",
        errors.shop,
        if count == 1 { "group" } else { "groups" }
    );
    head + &lines(&errors.groups, now)
}

/// Two lines for each group.
pub(super) fn lines(groups: &[ErrorGroup], now: Timestamp) -> String {
    groups.iter().map(|group| line(group, now)).collect()
}

fn line(group: &ErrorGroup, now: Timestamp) -> String {
    let count: u64 = group.releases.iter().map(|release| release.count).sum();
    let newest = group
        .releases
        .first()
        .and_then(|release| release.sequence)
        .map_or_else(String::new, |sequence| format!(", release {sequence}"));
    format!(
        "  {}  {:7}  {count}×, last {} ago{newest}{}\n    {}: {}\n",
        group.fingerprint,
        group.severity.word(),
        ago(group.last, now),
        state(group),
        group.class,
        group.message
    )
}

fn state(group: &ErrorGroup) -> String {
    match (group.state, group.back_since) {
        (State::Open, Some(sequence)) => format!(", back since release {sequence}"),
        (State::Open, None) => String::new(),
        (State::Resolved, _) => ", resolved".to_owned(),
        (State::Ignored, _) => ", ignored".to_owned(),
    }
}

/// A group with its sample.
fn whole(group: &ErrorGroup) -> String {
    let mut releases = String::new();
    for release in &group.releases {
        let of = release.sequence.map_or_else(
            || "an unknown release".to_owned(),
            |sequence| format!("release {sequence}"),
        );
        // Writing to a String never fails.
        writeln!(releases, "  {}× in {of}", release.count).unwrap_or_default();
    }
    format!(
        "{} ({}, from {}{})\n{}: {}\n  first {}, last {}\n{releases}\n{}\n",
        group.fingerprint,
        group.severity,
        group.source,
        state(group),
        group.class,
        group.message,
        group.first,
        group.last,
        printable(&group.sample)
    )
}

/// What a shop's code wrote moves no cursor and changes no colour.
fn printable(text: &str) -> String {
    text.chars()
        .map(|char| match char {
            '\n' | '\t' => char,
            char if char.is_control() => '\u{fffd}',
            char => char,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use observe::{Severity, Source, v1::ReleaseCount};

    fn group() -> ErrorGroup {
        ErrorGroup {
            fingerprint: Fingerprint::from(0x03f1_c2a9_d47b_e650),
            source: Source::Php,
            severity: Severity::Fatal,
            class: "RuntimeException".to_owned(),
            message: "no price for product N".to_owned(),
            state: State::Open,
            back_since: Some(7),
            first: "2026-12-01T03:00:00Z".parse().unwrap(),
            last: "2026-12-01T04:00:00Z".parse().unwrap(),
            releases: vec![
                ReleaseCount {
                    sequence: Some(7),
                    count: 40,
                },
                ReleaseCount {
                    sequence: None,
                    count: 2,
                },
            ],
            sample: "RuntimeException: \u{1b}[31mno price\n#0 a.php".to_owned(),
        }
    }

    #[test]
    fn a_person_sees_what_is_worst_and_how_often() {
        let errors = v1::Errors {
            shop: "acme".to_owned(),
            as_of: Some("2026-12-01T04:04:57Z".parse().unwrap()),
            groups: vec![group()],
        };
        let now = "2026-12-01T04:05:00Z".parse().unwrap();
        assert_eq!(
            list(&errors, now),
            "acme: 1 group of errors, as of 3 s ago\n  \
             03f1c2a9d47be650  fatal    42×, last 5 min ago, release 7, back since release 7\n    \
             RuntimeException: no price for product N\n"
        );
    }

    #[test]
    fn what_a_shop_wrote_does_not_paint_the_terminal() {
        let text = whole(&group());
        assert!(
            text.contains("RuntimeException: \u{fffd}[31mno price\n#0 a.php"),
            "{text}"
        );
        assert!(
            text.contains("  40× in release 7\n  2× in an unknown release\n"),
            "{text}"
        );
    }
}
