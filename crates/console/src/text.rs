//! The texts of pages that are made in Rust, in one place; all others stand in `templates`. Who
//! translates the console changes this file and those: docs/console.md.

mod many;
mod refusals;

pub(crate) use many::*;
pub(crate) use refusals::*;

use api::BackupSchedule;
use operations::rollout::Moving;
use release::Migration;
use std::fmt::Display;

/// What a field is called, and what a person should know of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Words {
    pub(crate) label: &'static str,
    pub(crate) help: &'static str,
}

const fn words(label: &'static str, help: &'static str) -> Words {
    Words { label, help }
}

pub(crate) const STATE: Words = words("State", "");
pub(crate) const DOMAINS: Words = words(
    "Domains",
    "One host a line. Exactly one is primary. After the host, in any order: primary, \
     store=CODE, redirect=HOST, certificate=SECRET.",
);
pub(crate) const ENABLE: Words = words(
    "Enabled",
    "One module a line, such as Acme_Loyalty: on in this shop, whatever the release says.",
);
pub(crate) const DISABLE: Words = words(
    "Disabled",
    "One module a line: off in this shop, whatever the release says.",
);
pub(crate) const MIN: Words = words("Pods at least", "Two survive the loss of a node.");
pub(crate) const MAX: Words = words("Pods at most", "If it is the same number, nothing scales.");
pub(crate) const CPU: Words = words(
    "CPU of php-fpm",
    "In percent of its request: above it, the shop gets more pods.",
);
pub(crate) const WORKERS: Words = words(
    "Busy workers of php-fpm",
    "In percent. Empty if they do not count.",
);
pub(crate) const CAMPAIGNS: Words = words(
    "Campaigns",
    "One a line: when it begins, as five fields of cron; the time zone; hours; pods. Such as: 0 \
     8 27 11 * | Europe/Bucharest | 48 | 12",
);
pub(crate) const VALUES: Words = words(
    "Values",
    "One a line, such as: default/web/cookie/cookie_lifetime = 7200. The admin of the shop \
     cannot change them. Never put a secret here.",
);
pub(crate) const ADMIN: Words = words(
    "Path of the admin",
    "The first part, such as backoffice. Empty is admin.",
);
pub(crate) const TIMES: Words = words(
    "Times of day",
    "One a line, such as 22:00-05:00. Empty is always.",
);
pub(crate) const ZONE: Words = words("Time zone", "Such as Europe/Bucharest.");
pub(crate) const MANY_STATE: Words = words("State", "");
pub(crate) const MANY_MIN: Words = words("Pods at least", "Empty is as it is.");
pub(crate) const MANY_MAX: Words = words("Pods at most", "Empty is as it is.");
pub(crate) const MANY_ENABLE: Words =
    words("Enable modules", "One a line. They are no longer disabled.");
pub(crate) const MANY_DISABLE: Words =
    words("Disable modules", "One a line. They are no longer enabled.");
pub(crate) const MANY_FORGET: Words = words(
    "Modules as the release says",
    "One a line: neither enabled nor disabled any more.",
);
pub(crate) const MANY_VALUES: Words = words(
    "Set configuration values",
    "One a line, such as: default/web/cookie/cookie_lifetime = 7200.",
);
pub(crate) const MANY_UNSET: Words = words("Remove configuration values", "One path a line.");
pub(crate) const NAME: Words = words(
    "Name",
    "a-z, 0-9 and -, at most 58 of them. It is never changed: the shop's namespace is shop-NAME.",
);
pub(crate) const CLASS: Words = words("Class", "What the shop shares with others of its kind.");
pub(crate) const CHANNEL: Words = words(
    "Channel",
    "The stream of releases that it runs. Empty is shops/NAME.",
);
pub(crate) const HOSTS: Words = words(
    "Domains",
    "One host a line. The first one is primary; the others redirect to it.",
);
pub(crate) const DATABASE: Words = words(
    "Database",
    "Server of the class and database, such as aurora-1/shop_acme. Empty is the class's only \
     server, and shop_NAME.",
);
pub(crate) const CACHE: Words = words(
    "Cache",
    "Server of the class and prefix of the keys, such as redis-1/acme_. Empty is the class's only \
     server, and NAME_.",
);
pub(crate) const SESSIONS: Words = words(
    "Sessions in Redis",
    "Number of a database of that cache which only this shop uses. Empty keeps sessions in SQL.",
);
pub(crate) const SEARCH: Words = words(
    "Search",
    "Server of the class and prefix of the indexes, such as opensearch-1/acme. Empty is the \
     class's only server, and NAME.",
);
pub(crate) const QUEUE: Words = words(
    "Queues in RabbitMQ",
    "Server of the class and virtual host, such as rabbit-1/acme. Empty keeps queues in SQL.",
);
pub(crate) const MEDIA: Words = words(
    "Media",
    "File system of the class and directory, such as efs-1/shops/acme. Empty is the class's only \
     file system, and shops/NAME.",
);
pub(crate) const ACCESS_POINT: Words = words(
    "Access point of EFS",
    "Such as fsap-0123456789abcdef0, whose root is that directory. Empty is none.",
);
pub(crate) const MIN_NEW: Words = words(
    "Pods at least",
    "Empty is 2: two survive the loss of a node.",
);
pub(crate) const MAX_NEW: Words = words("Pods at most", "Empty is 2.");
pub(crate) const SECRET: Words = words(
    "Secret",
    "Name of the Secret in the shop's namespace that has its passwords. Empty is NAME-env.",
);

/// What an empty choice means.
pub(crate) const MANY_AS_IS: &str = "As it is.";
/// The states of a shop, each with what it means.
pub(crate) const STATES: [(&str, &str); 4] = [
    ("Active", "The shop is served."),
    (
        "Maintenance",
        "Pods run, visitors get a maintenance page, and cron is stopped.",
    ),
    (
        "Suspended",
        "There are no pods. Data, configuration and the last backup stay.",
    ),
    ("Archived", "Only the data stays."),
];

/// Whether a key of a Secret is there.
pub(crate) const KEY_THERE: &str = "is there";
pub(crate) const KEY_MISSING: &str = "missing";
pub(crate) const KEY_UNKNOWN: &str = "not readable for you";

/// How a pod is.
pub(crate) const POD_READY: &str = "ready";
pub(crate) const POD_NOT_READY: &str = "not ready";
pub(crate) const POD_STARTS: &str = "starts";
pub(crate) const POD_WAITS: &str = "waits for a node";
pub(crate) const POD_ENDS: &str = "ends";
pub(crate) const POD_DONE: &str = "done";
pub(crate) const POD_FAILED: &str = "failed";

/// A file of another encoding.
pub(crate) const NOT_UTF8: &str =
    "the file is not text in UTF-8; save it as CSV with that encoding";
/// An import without a row.
pub(crate) const NO_ROWS: &str = "The list has no shops.";

pub(crate) fn too_many_rows(count: usize, most: usize) -> String {
    format!("The list has {count} shops; at most {most} are made at once. Divide it.")
}

/// A shop whose data nobody backs up.
pub(crate) const NO_BACKUPS: &str =
    "The shop has no backups: its class has no place for them, or its schedule is never.";

pub(crate) fn backups_unknown(error: &impl Display) -> String {
    format!("How its backups are is not known: {error}")
}

pub(crate) fn no_verb(verb: &str) -> String {
    format!("Nobody can {verb:?} a shop.")
}

pub(crate) fn started(namespace: &str, job: &str) -> String {
    format!("Job {namespace}/{job} is started.")
}

pub(crate) fn created(shop: &str) -> String {
    format!("{shop} is created; this page follows what it becomes.")
}

pub(crate) fn days(hours: i64) -> String {
    match hours {
        0 => "less than an hour ago".to_owned(),
        1 => "an hour ago".to_owned(),
        2..48 => format!("{hours} hours ago"),
        hours => format!("{} days ago", hours / 24),
    }
}

/// What a release does to the database, for people.
pub(crate) const fn migration(migration: Migration) -> &'static str {
    match migration {
        Migration::None => "leaves the database as it is",
        Migration::Additive => "changes the database; the release before can still run",
        Migration::Breaking => {
            "changes the database so that the release before cannot run: visitors get a \
             maintenance page meanwhile, and there is no way back"
        }
    }
}

/// How often a shop is backed up.
pub(crate) const fn schedule(schedule: BackupSchedule) -> &'static str {
    match schedule {
        BackupSchedule::Daily => "Every night",
        BackupSchedule::Weekly => "Every Sunday night",
        BackupSchedule::Never => "Never",
    }
}

/// A host of whose certificate the edge has said nothing.
pub(crate) const NO_CERTIFICATE: &str =
    "not known: the edge has said nothing of it, or another program has the route";

/// A shop that is bad, and says no more.
pub(crate) const NO_MORE: &str = "it says no more";

/// Shops that come from one release, and what their pods download.
pub(crate) fn moving(moving: &Moving) -> String {
    let from = moving
        .from
        .map_or_else(|| "no release".to_owned(), |it| format!("release {it}"));
    let download = moving
        .download
        .map(|it| format!(" (each pod downloads {it})"));
    format!(
        "{} from {from}{}",
        moving.shops,
        download.unwrap_or_default()
    )
}

pub(crate) const SCALE: &str = "Scale and campaigns";
pub(crate) const MODULES: &str = "Modules";
pub(crate) const CONFIGURATION: &str = "Configuration";
pub(crate) const WINDOW: &str = "Window for releases";

/// Of an object of a plan.
pub(crate) const IS_CREATED: &str = "is created";
pub(crate) const CHANGES: &str = "changes";
pub(crate) const IS_DELETED: &str = "is deleted";
pub(crate) const REPLACES_PODS: &str =
    "Kubernetes replaces the pods, each when its successor is ready.";
pub(crate) const DELETES: &str = "Objects are deleted. Data, volumes and the namespace stay.";

/// Why a page is not shown, or something was not done.
pub(crate) const NOTHING_DONE: &str = "Nothing was done";
pub(crate) const NOT_HERE: &str = "Not here";
pub(crate) const OLD_FORM: &str = "The page was opened before the console was started anew.";
pub(crate) const OLD_FORM_HINT: &str = "Go back, load the page again, and send the form once more.";
pub(crate) const NOT_READY: &str = "Not ready yet";
pub(crate) const STARTING: &str = "The console has just started, and reads the registry.";
pub(crate) const STARTING_HINT: &str = "Load the page again in a moment. If that lasts, the \
                                        console's log says what the API server answers.";

pub(crate) const GOES_ON: &str = "Rollouts go on.";
pub(crate) const HALTED: &str = "Everything is halted: no shop is moved.";
pub(crate) const CHOOSE_SHOPS: &str = "Choose shops in the table first.";
pub(crate) const CHOOSE_ONE: &str = "Choose shops, or a release: a rollout needs one of them.";
pub(crate) const ONE_IS_GONE: &str = "One of the shops is gone; choose again.";

/// Of a domain.
pub(crate) const PRIMARY: &str = "primary";
pub(crate) const NOT_KNOWN: &str = "not known";

pub(crate) fn redirects(to: &str) -> String {
    format!("redirects to {to}")
}

pub(crate) fn store(code: &str) -> String {
    format!("store {code}")
}

/// Something that is not there.
pub(crate) fn none(kind: &str, name: &str) -> String {
    format!("There is no {kind} {name}.")
}

pub(crate) fn no_part(word: &str) -> String {
    format!("A shop has no {word} to change.")
}

pub(crate) fn no_class(shop: &str) -> String {
    format!("The class of {shop} does not exist.")
}

pub(crate) fn no_release_of(release: &str, channel: &str) -> String {
    format!("There is no Release {release} of the channel {channel}.")
}

pub(crate) fn no_release_in(channel: &str) -> String {
    format!("The channel {channel} has no Release.")
}

pub(crate) fn no_word(word: &str) -> String {
    format!("Nobody can {word:?} a rollout.")
}

pub(crate) fn no_fingerprint(text: &str) -> String {
    format!("{text:?} is no fingerprint.")
}

pub(crate) fn changed(shop: &str) -> String {
    format!("{shop} is changed; the scheduler applies it within seconds.")
}

pub(crate) const CLEAN_CACHES: &str = "Clean the caches";
pub(crate) const RUN_CRON: &str = "Run cron now";

pub(crate) fn too_many(count: usize, most: usize) -> String {
    format!("{count} shops are chosen; at most {most} are changed at once.")
}

pub(crate) fn moves(shop: &str, release: &str) -> String {
    format!("{shop} moves to {release}.")
}

/// What a person can say to a rollout.
pub(crate) const PAUSE: Words = words("Pause", "No further shop moves.");
pub(crate) const RESUME: Words = words("Resume", "It goes on, and tries again what failed.");
pub(crate) const PROMOTE: Words = words(
    "Promote",
    "The wave is watched no longer; the next one begins.",
);
pub(crate) const ABORT: Words = words(
    "Go back",
    "All its shops go back to the release before, but for those whose database a breaking \
     release changed.",
);

pub(crate) fn rollout_started(name: &str) -> String {
    format!("rollout {name} started")
}

pub(crate) fn judged(fingerprint: &impl Display, state: &str) -> String {
    format!("{fingerprint} is {state} now.")
}

/// Of a plan.
pub(crate) const TRIED: &str = "The API server tried this.";

/// How far a wave of a rollout is.
pub(crate) const WAVE_DONE: &str = "done";
pub(crate) const WAVE_TO_COME: &str = "to come";
pub(crate) const WAVE_WATCHED: &str = "watched";
pub(crate) const WAVE_MOVING: &str = "moving";
pub(crate) const WAVE_HELD: &str = "held";
pub(crate) const WAVE_RETURNING: &str = "returning";
pub(crate) const WAVE_BACK: &str = "back";

pub(crate) fn canaries(names: &[String]) -> String {
    format!("canaries: {}", names.join(", "))
}

pub(crate) fn share(percent: u32) -> String {
    format!("{percent} % of all shops")
}

/// A release that is gone.
pub(crate) const NOT_IN_CLUSTER: &str = "is not in the cluster";

/// The halt, for whoever may not read who and why.
pub(crate) const SOMEBODY: &str = "somebody";
pub(crate) const WHY_HIDDEN: &str = "you may not read why";
