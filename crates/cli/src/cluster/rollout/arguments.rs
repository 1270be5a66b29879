//! The words of `rollout`.

use crate::cluster::{By, connection::Connection};
use api::{FailureBudget, ShortDuration, Wave};
use std::time::Duration;

/// What `rollout` is told.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  longshore rollout start shops-acme-43 --canary acme --why 'new checkout'
  longshore rollout start magento2-stable-7 --wave 5:1h --wave 100:10m --at-once 100 \\
    --why CVE-2026-1 --ignore-windows
  longshore rollout start shops-acme-43 --wave vinyl,casa:1h --wave 50:30m --wave 100:10m \\
    --why 'new checkout'
  longshore release resource … | longshore rollout start - --why 'spring prices' --wait
      what `longshore publish --rollout` does
  longshore rollout start shops-acme-43 --dry-run
      which shops would move, and what each of their pods would download
  longshore rollout status
  longshore rollout promote shops-acme-43     end the soak of the wave that is watched
  longshore rollout resume shops-acme-43      after a pause, or after it stopped: shops that failed
                                              are tried again
Exit codes of `start --wait`: 0 every shop runs the release; 80 completed, and shops failed within
the budget; 81 stopped or aborted; 75 not ended in time, and it goes on. The message names the shops
that failed, and why.")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(super) verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
pub(super) enum Verb {
    /// Start moving shops to a release
    #[command(after_help = "\
Example:
  longshore rollout start shops-acme-43 --canary acme --why 'new checkout' --wait")]
    Start(Box<Start>),
    /// Show where rollouts are
    #[command(after_help = "Example:\n  longshore rollout status shops-acme-43 --output json")]
    Status(StatusArguments),
    /// Move no further shop
    #[command(
        after_help = "Example:\n  longshore rollout pause shops-acme-43 --why 'checkout is slow'"
    )]
    Pause(One),
    /// Go on after a pause, or after the failure budget was used up
    #[command(after_help = "\
Example:
  longshore rollout resume shops-acme-43 --why 'the database is back'")]
    Resume(One),
    /// Take all shops back to the release before, also after the rollout completed
    #[command(
        after_help = "Example:\n  longshore rollout abort shops-acme-43 --why 'prices are wrong'"
    )]
    Abort(One),
    /// End the soak of the wave that is watched
    #[command(
        after_help = "Example:\n  longshore rollout promote shops-acme-43 --why 'looks good'"
    )]
    Promote(One),
}

#[derive(Debug, clap::Args)]
pub(super) struct Start {
    /// Name of the Release; - reads one from standard input, and stores it
    pub(super) release: String,
    /// Name of the rollout; otherwise that of the release
    #[arg(long)]
    pub(super) name: Option<String>,
    /// Only these shops
    #[arg(long = "shop", value_name = "SHOP")]
    pub(super) shops: Vec<String>,
    /// Shops that go first, by themselves
    #[arg(long = "canary", value_name = "SHOP")]
    pub(super) canaries: Vec<String>,
    /// Percent of all shops, or shops with commas between them, and how long to watch them; the
    /// last wave covers 100 percent
    #[arg(long = "wave", value_name = "PERCENT|SHOPS:SOAK", value_parser = operations::rollout::wave)]
    pub(super) waves: Vec<Wave>,
    /// Shops that may fail before everything stops
    #[arg(long, value_name = "COUNT", default_value_t = FailureBudget::default().shops)]
    pub(super) budget: u32,
    /// Percent of the moved shops that may fail, once 100 have moved
    #[arg(
        long,
        value_name = "PERCENT",
        default_value_t = FailureBudget::default().percent,
        value_parser = clap::value_parser!(u32).range(0..=100)
    )]
    pub(super) budget_percent: u32,
    /// How many shops move at the same time
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(super) at_once: Option<u32>,
    /// How many migrations run against one database server at the same time
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=50))]
    pub(super) per_database: Option<u32>,
    /// Text from which the order of shops is hashed: the same text gives the same order; otherwise
    /// the rollout's name
    #[arg(long, value_name = "TEXT")]
    pub(super) order: Option<String>,
    /// What happens to the shops of a wave that failed: return to the release before, or pause as
    /// they are
    #[arg(long, value_enum, default_value_t)]
    pub(super) on_failure: Failed,
    /// What stops it besides shops that do not become ready: errors are fatal errors that no
    /// release had before, and pages that take twice as long, as longshore-watch sees them;
    /// otherwise what the shops' classes say
    #[arg(long, value_enum)]
    pub(super) evidence: Option<Evidence>,
    /// How long a shop may take, such as 15m
    #[arg(long)]
    pub(super) deadline: Option<ShortDuration>,
    /// An urgent release: do not wait for windows, and ignore freezes
    #[arg(long)]
    pub(super) ignore_windows: bool,
    /// Say which shops would move and what their pods would download, and start nothing
    #[arg(long, conflicts_with = "wait")]
    pub(super) dry_run: bool,
    /// Wait until it has ended, and fail if it does not end well or a shop failed
    #[arg(long)]
    pub(super) wait: bool,
    /// How long to wait, such as 45m; the rollout goes on afterwards
    #[arg(
        long,
        value_name = "DURATION",
        requires = "wait",
        default_value = "6h",
        value_parser = span
    )]
    pub(super) within: Duration,
    /// The reason, for the record
    #[arg(long, required_unless_present = "dry_run")]
    pub(super) why: Option<String>,
    /// For whom, for the record; the account that asks stands behind it in any case
    #[arg(long)]
    pub(super) by: Option<String>,
    #[command(flatten)]
    pub(super) connection: Connection,
}

#[derive(Debug, clap::Args)]
pub(super) struct StatusArguments {
    /// Name of the rollout; otherwise all
    pub(super) name: Option<String>,
    /// For programs
    #[arg(long, value_enum, default_value_t)]
    pub(super) output: Form,
    #[command(flatten)]
    pub(super) connection: Connection,
}

#[derive(Debug, clap::Args)]
pub(super) struct One {
    /// Name of the rollout
    pub(super) name: String,
    #[command(flatten)]
    pub(super) who: By,
    #[command(flatten)]
    pub(super) connection: Connection,
}

/// What happens to the shops of a wave that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(super) enum Failed {
    /// They go back to the release before
    #[default]
    Return,
    /// They stay, for a person to look at
    Pause,
}

/// What stops a rollout besides shops that do not become ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Evidence {
    /// Nothing
    None,
    /// New fatal errors, and slow pages
    Errors,
}

/// How something is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum Form {
    /// For people
    #[default]
    Text,
    /// For programs
    Json,
}

/// The longest that anybody waits.
const WEEK: Duration = Duration::from_hours(7 * 24);

/// A time from a second to a week.
fn span(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?}: expected a whole number and a unit, such as 45m or 6h");
    let span: ShortDuration = text.parse().map_err(|_| wrong())?;
    Duration::try_from(span.length())
        .ok()
        .filter(|span| *span <= WEEK)
        .ok_or_else(wrong)
}
