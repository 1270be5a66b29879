//! `slow`: how fast a shop answers, by release, and where it was when it took long.

use super::{
    ClusterError,
    connection::{Connection, asked},
    errors::{json, lines},
    rollout::Form,
    show,
};
use jiff::Timestamp;
use observe::v1::{Performance, ReleasePerformance};
use operations::watch::WatchRequest;
use std::fmt::Write as _;

/// What `slow` is told.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  longshore slow acme                    the last hour
  longshore slow acme --minutes 5        since the rollout
  longshore slow acme --output json | jq '.releases[0].p95'

Times are of requests that PHP answered, and not of static files. A quantile is an estimate from
buckets, as in Prometheus. `longshore errors acme --show FINGERPRINT` shows the stack of what is slow.")]
pub(crate) struct Slow {
    /// The shop
    shop: String,
    /// Of how many minutes
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=60))]
    minutes: u32,
    /// For programs
    #[arg(long, value_enum, default_value_t)]
    output: Form,
    #[command(flatten)]
    connection: Connection,
}

pub(super) fn run(arguments: &Slow) -> Result<(), ClusterError> {
    let path = format!("performance?minutes={}", arguments.minutes);
    let found: Performance = asked(
        &arguments.connection,
        WatchRequest::get(&arguments.shop, &path),
    )?;
    match arguments.output {
        Form::Text => show(&text(&found, Timestamp::now())),
        Form::Json => json(&found),
    }
}

fn text(found: &Performance, now: Timestamp) -> String {
    let mut text = format!("{}, the last {} min:", found.shop, found.minutes);
    // Writing to a String never fails.
    match found.busy_workers {
        Some(share) => writeln!(text, " {:.0} % of its workers are busy now", share * 100.0),
        None => writeln!(text, " how many of its workers are busy is not known"),
    }
    .unwrap_or_default();
    if found.releases.is_empty() {
        text.push_str("  no requests\n");
    } else {
        text.push_str("  release   requests  failed     p50      p95      p99\n");
    }
    text.extend(found.releases.iter().map(release));
    if !found.slow.is_empty() {
        text.push_str("slow requests, by where they were:\n");
    }
    text + &lines(&found.slow, now)
}

fn release(release: &ReleasePerformance) -> String {
    let time = |seconds: Option<f64>| {
        seconds.map_or_else(|| "-".to_owned(), |seconds| format!("{seconds:.3} s"))
    };
    let sequence = release
        .sequence
        .map_or_else(|| "?".to_owned(), |sequence| sequence.to_string());
    format!(
        "  {sequence:7} {:>10} {:>7} {:>8} {:>8} {:>8}\n",
        release.requests,
        release.failed,
        time(release.p50),
        time(release.p95),
        time(release.p99)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_stand_beside_each_other() {
        let release = |sequence, p95| ReleasePerformance {
            sequence: Some(sequence),
            requests: 1200,
            failed: 3,
            p50: Some(0.08),
            p95: Some(p95),
            p99: None,
        };
        let found = Performance {
            shop: "acme".to_owned(),
            minutes: 15,
            busy_workers: Some(0.375),
            releases: vec![release(8, 0.61), release(7, 0.29)],
            slow: Vec::new(),
        };
        assert_eq!(
            text(&found, Timestamp::now()),
            "acme, the last 15 min: 38 % of its workers are busy now\n  \
             release   requests  failed     p50      p95      p99\n  \
             8             1200       3  0.080 s  0.610 s        -\n  \
             7             1200       3  0.080 s  0.290 s        -\n"
        );
    }
}
