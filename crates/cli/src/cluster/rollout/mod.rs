//! `rollout`: a release on its way through the shops, and what a person says to it.

mod follow;

use super::{
    CommandError,
    connection::{Connection, registry, resource, wait},
    history::{By, note},
    show,
};
use api::{
    FailureBudget, InForce, Object, OnFailure, Phase, Rollout, RolloutSpec, Started, Wave,
    WindowPolicy,
};
use client::{Cluster, Conflicts, Mode, longshore};
use kube::api::{Api, PostParams};
use plan::{
    counted,
    rollout::{PROMOTE, RESUMED},
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, fmt::Write as _, path::Path, time::Duration};

/// What `rollout` is told.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  longshore rollout start shops-acme-43 --canary acme --why 'new checkout'
  longshore rollout start magento2-stable-7 --wave 5:1h --wave 100:10m --at-once 100 --why \
                        CVE-2026-1 --ignore-windows
  longshore rollout start shops-acme-43 --wave vinyl,casa:1h --wave 50:30m --wave 100:10m --why \
                        'new checkout'
  longshore release resource … | longshore rollout start - --why 'spring prices' --wait      what \
                        `longshore publish --rollout` does
  longshore rollout status
  longshore rollout promote shops-acme-43     end the soak of the wave that is watched
  longshore rollout resume shops-acme-43      after a pause, or after it stopped: shops that \
                        failed are tried again
Exit codes of `start --wait`: 0 every shop runs the release; 80 completed, and shops failed within \
                        the budget; 81 stopped or aborted;
75 not ended in time, and it goes on. The message names the shops that failed, and why.")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Start moving shops to a release
    #[command(
        after_help = "Example:\n  longshore rollout start shops-acme-43 --canary acme --why 'new \
                      checkout' --wait"
    )]
    Start(Box<Start>),
    /// Show where rollouts are
    #[command(after_help = "Example:\n  longshore rollout status shops-acme-43 --output json")]
    Status(Look),
    /// Move no further shop
    #[command(
        after_help = "Example:\n  longshore rollout pause shops-acme-43 --why 'checkout is slow'"
    )]
    Pause(One),
    /// Go on after a pause, or after the failure budget was used up
    #[command(
        after_help = "Example:\n  longshore rollout resume shops-acme-43 --why 'the database is \
                      back'"
    )]
    Resume(One),
    /// Take all shops back to the release before
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
struct Start {
    /// Name of the Release; - reads one from standard input, and stores it
    release: String,
    /// Name of the rollout; otherwise that of the release
    #[arg(long)]
    name: Option<String>,
    /// Only these shops
    #[arg(long = "shop", value_name = "SHOP")]
    shops: Vec<String>,
    /// Shops that go first, by themselves
    #[arg(long = "canary", value_name = "SHOP")]
    canaries: Vec<String>,
    /// Percent of all shops, or shops with commas between them, and how long they are watched; the
    /// last one is of 100
    #[arg(long = "wave", value_name = "PERCENT|SHOPS:SOAK", value_parser = wave)]
    waves: Vec<Wave>,
    /// Shops that may fail before everything stops
    #[arg(long, value_name = "COUNT", default_value_t = FailureBudget::default().shops)]
    budget: u32,
    /// Percent of the moved shops that may fail, once 100 have moved
    #[arg(long, value_name = "PERCENT", default_value_t = FailureBudget::default().percent, value_parser = clap::value_parser!(u32).range(0..=100))]
    budget_percent: u32,
    /// Shops that are moved at the same time
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=1000))]
    at_once: Option<u32>,
    /// Migrations that run against one database server at the same time
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=50))]
    per_database: Option<u32>,
    /// What the order of shops is hashed with: the same text gives the same order; otherwise the
    /// rollout's name
    #[arg(long, value_name = "TEXT")]
    order: Option<String>,
    /// What happens to the shops of a wave that failed: return to the release before, or pause as
    /// they are
    #[arg(long, value_enum, default_value_t)]
    on_failure: Failed,
    /// How long a shop may take, such as 15m
    #[arg(long)]
    deadline: Option<String>,
    /// An urgent release: do not wait for windows, pass by freezes
    #[arg(long)]
    ignore_windows: bool,
    /// Wait until it has ended, and fail if it does not end well or a shop failed
    #[arg(long)]
    wait: bool,
    /// How long to wait, such as 45m; the rollout goes on afterwards
    #[arg(long, value_name = "DURATION", requires = "wait", default_value = "6h", value_parser = span)]
    within: Duration,
    /// Why, for the record
    #[arg(long)]
    why: String,
    /// Who, for the record; otherwise the user of this session
    #[arg(long, env = "USER", default_value = "unknown")]
    by: String,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, clap::Args)]
struct Look {
    /// Name of the rollout; otherwise all
    name: Option<String>,
    /// For programs
    #[arg(long, value_enum, default_value_t)]
    output: Form,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, clap::Args)]
struct One {
    /// Name of the rollout
    name: String,
    #[command(flatten)]
    who: By,
    #[command(flatten)]
    connection: Connection,
}

/// What happens to the shops of a wave that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
enum Failed {
    /// They go back to the release before
    #[default]
    Return,
    /// They stay, for a person to look at
    Pause,
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

fn span(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?}: expected a whole number and a unit, such as 45m or 6h");
    let (number, unit) = text
        .split_at_checked(text.len().saturating_sub(1))
        .ok_or_else(wrong)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    number
        .checked_mul(seconds)
        .filter(|all| (1..=604_800).contains(all))
        .map(Duration::from_secs)
        .ok_or_else(wrong)
}

fn wave(text: &str) -> Result<Wave, String> {
    let wrong = || {
        format!(
            "{text:?}: expected a percentage or shops, and a time, such as 10:30m or \
             vinyl,casa:30m"
        )
    };
    let (who, soak) = text.rsplit_once(':').ok_or_else(wrong)?;
    let known = soak.len() >= 2
        && soak.ends_with(['s', 'm', 'h'])
        && soak[..soak.len() - 1]
            .bytes()
            .all(|byte| byte.is_ascii_digit());
    let soak = if known {
        soak.to_owned()
    } else {
        return Err(wrong());
    };
    if who.bytes().all(|byte| byte.is_ascii_digit()) {
        let percent = who
            .parse()
            .ok()
            .filter(|percent| (1..=100).contains(percent))
            .ok_or_else(wrong)?;
        return Ok(Wave {
            percent: Some(percent),
            soak,
            ..Wave::default()
        });
    }
    let shops: Vec<_> = who.split(',').map(str::to_owned).collect();
    if shops.iter().any(String::is_empty) {
        Err(wrong())
    } else {
        Ok(Wave {
            shops,
            soak,
            ..Wave::default()
        })
    }
}

pub(super) fn run(arguments: &Arguments) -> Result<(), CommandError> {
    match &arguments.verb {
        Verb::Start(start) => wait(begin(start)),
        Verb::Status(look) => wait(status(look)),
        Verb::Pause(name) => wait(change(
            name,
            json!({ "spec": { "paused": true } }),
            "paused",
            ": no further shop is moved",
        )),
        Verb::Abort(name) => wait(change(
            name,
            json!({ "spec": { "aborted": true, "paused": false } }),
            "aborted",
            ": its shops go back, but for those whose database a breaking release changed",
        )),
        Verb::Resume(name) => wait(resume(name)),
        Verb::Promote(name) => wait(promote(name)),
    }
}

/// The Release of standard input, and the object that it is stored as.
fn given() -> Result<(InForce, Object), CommandError> {
    let documents = registry::read(Path::new("-"))?;
    let mut releases = registry::fleet(&documents)?
        .releases
        .into_values()
        .flat_map(BTreeMap::into_values);
    let (Some(release), None, [document]) = (releases.next(), releases.next(), &documents[..])
    else {
        return Err(CommandError::Argument(
            "standard input is not one Release, as `longshore release resource` prints it"
                .to_owned(),
        ));
    };
    Ok((release, resource(document)?))
}

fn spec(start: &Start, release: &str) -> Result<RolloutSpec, CommandError> {
    let wrong = |error: serde_json::Error| CommandError::Argument(error.to_string());
    // Defaults are those of the definition.
    let mut spec: RolloutSpec =
        serde_json::from_value(json!({ "release": release })).map_err(wrong)?;
    (spec.shops, spec.canaries) = (start.shops.clone(), start.canaries.clone());
    if !start.waves.is_empty() {
        spec.waves.clone_from(&start.waves);
    }
    spec.failure_budget = FailureBudget {
        shops: start.budget,
        percent: start.budget_percent,
    };
    spec.at_once = start.at_once.unwrap_or(spec.at_once);
    spec.per_database = start.per_database.unwrap_or(spec.per_database);
    spec.order.clone_from(&start.order);
    spec.on_failure = match start.on_failure {
        Failed::Return => OnFailure::Return,
        Failed::Pause => OnFailure::Pause,
    };
    spec.deadline = start.deadline.clone().unwrap_or(spec.deadline);
    if start.ignore_windows {
        spec.windows = WindowPolicy::Ignore;
    }
    spec.started = Some(Started {
        by: start.by.clone(),
        why: start.why.clone(),
    });
    Ok(spec)
}

async fn begin(start: &Start) -> Result<(), CommandError> {
    let given = if start.release == "-" {
        Some(given()?)
    } else {
        None
    };
    let cluster = start.connection.open().await?;
    let fleet = registry(&cluster).await?.fleet;
    let stored = fleet
        .releases
        .values()
        .flat_map(|all| all.values())
        .find(|release| release.name == start.release);
    let Some(release) = given.as_ref().map(|(release, _)| release).or(stored) else {
        let known: Vec<_> = fleet
            .releases
            .values()
            .flat_map(|all| all.values().rev().take(3))
            .map(|it| it.name.as_str())
            .take(20)
            .collect();
        return Err(CommandError::Argument(format!(
            "Release {} does not exist; the newest are: {}",
            start.release,
            known.join(", ")
        )));
    };
    let shops = fleet
        .shops
        .values()
        .filter(|shop| shop.spec.channel == release.channel.as_str())
        .count();
    let strange = start
        .shops
        .iter()
        .chain(&start.canaries)
        .chain(start.waves.iter().flat_map(|wave| &wave.shops))
        .filter(|name| {
            fleet
                .shops
                .get(*name)
                .is_none_or(|shop| shop.spec.channel != release.channel.as_str())
        });
    let strange: Vec<_> = strange.cloned().collect();
    if !strange.is_empty() {
        return Err(CommandError::Argument(format!(
            "{} do not follow channel {}",
            strange.join(", "),
            release.channel
        )));
    }
    let name = start.name.clone().unwrap_or_else(|| release.name.clone());
    // Whoever was cut off while waiting comes again with the same Release.
    let again = given.is_some()
        && fleet
            .rollouts
            .get(&name)
            .is_some_and(|it| it.spec.release == release.name);
    if !again {
        create(&cluster, &Rollout::new(&name, spec(start, &release.name)?)).await?;
    }
    // After its rollout, which keeps it from new shops.
    if let Some((_, object)) = &given {
        cluster.put(object, Mode::Real, Conflicts::Refuse).await?;
    }
    let verb = if again {
        "was started before"
    } else {
        "started"
    };
    show(&format!(
        "rollout {name} {verb}: {} to sequence {} of {}\n",
        counted(shops, "shop"),
        release.sequence,
        release.channel
    ))?;
    if start.wait {
        follow::follow(&cluster, &name, start.within).await
    } else {
        Ok(())
    }
}

async fn create(cluster: &Cluster, rollout: &Rollout) -> Result<(), CommandError> {
    let api: Api<Rollout> = Api::all(cluster.client());
    let params = PostParams {
        field_manager: Some("longshore-scheduler-cli".to_owned()),
        ..PostParams::default()
    };
    let what = format!(
        "create Rollout {}",
        rollout.metadata.name.as_deref().unwrap_or_default()
    );
    Ok(cluster
        .call(&what, || api.create(&params, rollout))
        .await
        .map(drop)?)
}

async fn status(look: &Look) -> Result<(), CommandError> {
    let cluster = look.connection.open().await?;
    let fleet = client::read(&cluster).await?.fleet;
    let rollouts: Vec<_> = fleet
        .rollouts
        .into_values()
        .filter(|it| look.name.is_none() || look.name == it.metadata.name)
        .collect();
    if let (Some(name), true) = (&look.name, rollouts.is_empty()) {
        return Err(CommandError::Argument(format!(
            "there is no rollout {name}"
        )));
    }
    match look.output {
        Form::Json => {
            let lines = rollouts
                .iter()
                .map(serde_json::to_string)
                .collect::<Result<Vec<_>, _>>()
                .map_err(|error| CommandError::Output(error.into()))?;
            show(&(lines.join("\n") + "\n"))
        }
        Form::Text if rollouts.is_empty() => show("no rollout was ever started\n"),
        Form::Text => show(&rollouts.iter().map(text).collect::<String>()),
    }
}

/// A rollout in a few lines.
fn text(rollout: &Rollout) -> String {
    let (spec, status) = (&rollout.spec, rollout.status.clone().unwrap_or_default());
    let counts = &status.counts;
    let phase = status.phase.unwrap_or(Phase::Pending);
    let mut text = format!(
        "{}  {phase:?}  release {}  wave {} of {}\n  {} shops: {} done, {} on their way, {} to \
         go, {} failed ({} back)\n",
        rollout.metadata.name.as_deref().unwrap_or_default(),
        spec.release,
        status.wave.unwrap_or(0),
        spec.waves.len(),
        counts.all,
        counts.done,
        counts.moving,
        counts.waiting,
        counts.failed,
        counts.returned,
    );
    if let Some(why) = status
        .conditions
        .iter()
        .find(|condition| condition.kind == "Progressing" && !condition.message.is_empty())
    {
        writeln!(text, "  {}", why.message).unwrap_or_default();
    }
    if let Some(Started { by, why }) = &spec.started {
        writeln!(text, "  started by {by}: {why}").unwrap_or_default();
    }
    for act in status.history.iter().rev().take(5).rev() {
        writeln!(text, "  {}", act.line()).unwrap_or_default();
    }
    for failed in status.failed.iter().take(10) {
        writeln!(text, "  failed {}: {}", failed.shop, failed.why).unwrap_or_default();
    }
    text
}

async fn change(name: &One, patch: Value, what: &str, then: &str) -> Result<(), CommandError> {
    let cluster = name.connection.open().await?;
    merge(&cluster, &name.name, None, &patch).await?;
    note(&cluster, &name.name, what, &name.who.by, &name.who.why).await;
    show(&format!("rollout {} {what}{then}\n", name.name))
}

async fn merge(
    cluster: &Cluster,
    name: &str,
    part: Option<&str>,
    patch: &Value,
) -> Result<(), CommandError> {
    let known = cluster
        .merge(&longshore("Rollout", name), part, patch)
        .await?;
    if known {
        Ok(())
    } else {
        Err(CommandError::Argument(format!(
            "there is no rollout {name}"
        )))
    }
}

async fn found(cluster: &Cluster, name: &str) -> Result<Rollout, CommandError> {
    let value = cluster.get(&longshore("Rollout", name)).await?;
    let rollout = value.and_then(|value| serde_json::from_value(value).ok());
    rollout.ok_or_else(|| CommandError::Argument(format!("there is no rollout {name}")))
}

async fn resume(name: &One) -> Result<(), CommandError> {
    let cluster = name.connection.open().await?;
    let rollout = found(&cluster, &name.name).await?;
    if rollout.spec.aborted {
        return Err(CommandError::Argument(format!(
            "rollout {} was aborted; start another one with --name",
            name.name
        )));
    }
    // First the record: from then on what shops rejected before is tried again.
    note(&cluster, &name.name, RESUMED, &name.who.by, &name.who.why).await;
    if rollout
        .status
        .and_then(|status| status.phase)
        .is_some_and(|phase| matches!(phase, Phase::Stopped | Phase::Returning))
    {
        // What failed is forgotten, and so tried again.
        merge(
            &cluster,
            &name.name,
            Some("status"),
            &json!({ "status": { "phase": "Moving", "failed": [] } }),
        )
        .await?;
    }
    merge(
        &cluster,
        &name.name,
        None,
        &json!({ "spec": { "paused": false } }),
    )
    .await?;
    show(&format!("rollout {} goes on\n", name.name))
}

async fn promote(name: &One) -> Result<(), CommandError> {
    let cluster = name.connection.open().await?;
    let status = found(&cluster, &name.name)
        .await?
        .status
        .unwrap_or_default();
    let (Some(Phase::Soaking), Some(wave)) = (status.phase, status.wave) else {
        return Err(CommandError::Argument(format!(
            "rollout {} is not being watched: {:?}",
            name.name,
            status.phase.unwrap_or(Phase::Pending)
        )));
    };
    merge(
        &cluster,
        &name.name,
        None,
        &json!({ "metadata": { "annotations": { PROMOTE: wave.to_string() } } }),
    )
    .await?;
    note(
        &cluster,
        &name.name,
        &format!("promoted from wave {wave}"),
        &name.who.by,
        &name.who.why,
    )
    .await;
    show(&format!(
        "rollout {}: wave {wave} is watched no longer\n",
        name.name
    ))
}
