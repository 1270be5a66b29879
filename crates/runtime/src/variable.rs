//! Every `LONGSHORE_*` variable, as data.

use crate::{AbsolutePath, ByteSize, Setting, telemetry};
use release::{ChannelName, Sequence};
use std::{fmt, time::Duration};

/// What every setting's name starts with; a name of that kind that is not in [`ALL`] is an error.
pub const PREFIX: &str = "LONGSHORE_";

/// A program that reads settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// `longshore-init`, which pulls the release in force and exits.
    Init,
    /// `longshore-agent`, which lives as long as the pod.
    Agent,
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Init => "longshore-init",
            Self::Agent => "longshore-agent",
        })
    }
}

/// What it means that a variable is not set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unset {
    /// It is an error.
    Refused,
    /// The same as this text.
    Is(&'static str),
    /// Something that no value of the variable says.
    Means(&'static str),
}

/// One setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variable {
    /// The name, with its prefix.
    pub name: &'static str,
    /// Which programs read it.
    pub read_by: &'static [Program],
    /// What it means that it is not set.
    pub unset: Unset,
    /// What a correct value looks like.
    pub expected: &'static str,
    /// What it decides, in one sentence without its full stop.
    pub meaning: &'static str,
}

const BOTH: &[Program] = &[Program::Init, Program::Agent];
const AGENT: &[Program] = &[Program::Agent];

macro_rules! variables {
    ($(
        $ident:ident $name:literal by $read_by:ident,
        $unset:expr,
        $expected:expr,
        $meaning:literal;
    )+) => {
        $(
            #[doc = concat!("`", $name, "`: ", $meaning, ".")]
            pub const $ident: Variable = Variable {
                name: $name,
                read_by: $read_by,
                unset: $unset,
                expected: $expected,
                meaning: $meaning,
            };
        )+

        /// Every setting, in the order of the reference page.
        pub const ALL: &[Variable] = &[$($ident),+];
    };
}

variables! {
    STORE "LONGSHORE_STORE" by BOTH,
        Unset::Refused,
        "s3://bucket/prefix or file:///directory",
        "the store that holds releases, trust roots and tarballs";
    CHANNEL "LONGSHORE_CHANNEL" by BOTH,
        Unset::Refused,
        <ChannelName as Setting>::EXPECTED,
        "the channel that this pod follows";
    ROOT "LONGSHORE_ROOT" by BOTH,
        Unset::Refused,
        AbsolutePath::EXPECTED,
        "the release root: a directory on the local SSD, made if it is missing";
    TRUST "LONGSHORE_TRUST" by BOTH,
        Unset::Refused,
        AbsolutePath::EXPECTED,
        "the file of the trust root that this pod believes";
    RELEASE "LONGSHORE_RELEASE" by BOTH,
        Unset::Means("the store's channel decides"),
        AbsolutePath::EXPECTED,
        "the file that holds the release object in force, or a directory with `release.json` in \
         it, such as a projected ConfigMap, whose `migrated`, `rejected`, `previous.json` and \
         `chosen` count, too: docs/release-in-a-pod.md";
    FLOOR "LONGSHORE_FLOOR" by BOTH,
        Unset::Means("no floor"),
        <Sequence as Setting>::EXPECTED,
        "the lowest sequence to accept, which protects a fresh node from an old release";
    TRUST_FLOOR "LONGSHORE_TRUST_FLOOR" by BOTH,
        Unset::Means("no floor"),
        "a version: a whole number from 1 to 9007199254740991",
        "the lowest version of the trust root to accept releases under, which protects a fresh \
         node from keys that were withdrawn";
    CACHE "LONGSHORE_CACHE" by BOTH,
        Unset::Means("no cache"),
        AbsolutePath::EXPECTED,
        "the node cache: a directory of the node that its pods share, made with mode 0700 if it is \
         missing; never mount it into a tenant's container";
    CACHE_LIMIT "LONGSHORE_CACHE_LIMIT" by BOTH,
        Unset::Is("20GiB"),
        <ByteSize as Setting>::EXPECTED,
        "how much the node cache may hold; what was used longest ago is evicted";
    MEMORY "LONGSHORE_MEMORY" by BOTH,
        Unset::Is("64MiB"),
        "32MiB or more, as a whole number and a unit, such as 64MiB (2^20) or 1GB (10^9)",
        "the ceiling of the pull's buffers";
    DEADLINE "LONGSHORE_DEADLINE" by BOTH,
        Unset::Is("10m"),
        <Duration as Setting>::EXPECTED,
        "how long a pull may take in all before it is an error";
    STORAGE "LONGSHORE_STORAGE" by BOTH,
        Unset::Means("shared directories are empty directories of each tree"),
        AbsolutePath::EXPECTED,
        "where the shop's storage is mounted in every container of the pod, outside of the release \
         root: trees link their shared directories to it; the same for init and agent";
    WRITABLE "LONGSHORE_WRITABLE" by BOTH,
        Unset::Means("writable directories are in the trees"),
        AbsolutePath::EXPECTED,
        "a directory outside of the release root, of this release root alone, which the shop's \
         containers mount with the right to write: what a release lists as writable is there, in a \
         directory of each tree and in `kept`, and the tree has links to it; the same for init and \
         agent";
    TEMPLATES "LONGSHORE_TEMPLATES" by BOTH,
        Unset::Means("releases bring their configuration"),
        AbsolutePath::EXPECTED,
        "the directory with templates of the shop's configuration files and `templates.json`, \
         which says of which path in the tree each is; such as a mounted ConfigMap";
    SECRETS "LONGSHORE_SECRETS" by BOTH,
        Unset::Means("there are no secrets"),
        AbsolutePath::EXPECTED,
        "the directory of the shop's Secret, whose keys are filled into templates";
    CONFIGURED "LONGSHORE_CONFIGURED" by BOTH,
        Unset::Means("an error if LONGSHORE_TEMPLATES is set"),
        AbsolutePath::EXPECTED,
        "where filled templates are, for each tree its own: a directory in memory, of this release \
         root alone, which the shop's containers can read";
    MOUNTS "LONGSHORE_MOUNTS" by AGENT,
        Unset::Means("nothing is mounted"),
        AbsolutePath::EXPECTED,
        "the file that lists the shop's mounts, as TOML or JSON: docs/formats/mounts.md";
    POD "LONGSHORE_POD" by AGENT,
        Unset::Means("the mounts file is taken as it is"),
        "letters, digits and '-', such as the pod's uid",
        "what `$(POD)` stands for in the mounts file: pods of one node then mount beside each \
         other in one directory of it";
    CONTROL "LONGSHORE_CONTROL" by AGENT,
        Unset::Means("nobody is asked before a switch"),
        AbsolutePath::EXPECTED,
        "a directory in which operators and the cluster say `pause`, `window`, `migrated` and \
         `retry`, such as a projected ConfigMap";
    SOURCES "LONGSHORE_SOURCES" by AGENT,
        Unset::Means("the file if LONGSHORE_RELEASE is set, otherwise the channel"),
        "file, channel or both",
        "what is followed; of both, the release with the higher sequence counts";
    POLL "LONGSHORE_POLL" by AGENT,
        Unset::Is("15s"),
        <Duration as Setting>::EXPECTED,
        "how long after one look the next one comes, at most; up to a fifth less, and longer while \
         the store fails, up to 5m";
    GRACE "LONGSHORE_GRACE" by AGENT,
        Unset::Is("25s"),
        <Duration as Setting>::EXPECTED,
        "how long the agent may take to end when it is asked to; less than what is left of the \
         pod's grace period";
    LISTEN "LONGSHORE_LISTEN" by AGENT,
        Unset::Is("0.0.0.0:9808"),
        "an address and a port, such as 0.0.0.0:9808",
        "where health, metrics and status are served; pods that the scheduler renders set 0.0.0.0:980";
    READY_STALENESS "LONGSHORE_READY_STALENESS" by AGENT,
        Unset::Means("the pod stays ready"),
        <Duration as Setting>::EXPECTED,
        "for how long every look at the sources may fail before the pod is not ready";
    PHP "LONGSHORE_PHP" by AGENT,
        Unset::Means("the agent does not speak to PHP"),
        "host:port or the absolute path of a Unix socket, such as 127.0.0.1:9000 or /run/php.sock",
        "the FastCGI address of php-fpm, whose OPcache is warmed before a switch";
    PHP_RELOAD "LONGSHORE_PHP_RELOAD" by AGENT,
        Unset::Means("php-fpm is not reloaded"),
        AbsolutePath::EXPECTED,
        "php-fpm's pid file: its master is asked to reload gracefully at each switch; needs a \
         shared process namespace";
    WARM "LONGSHORE_WARM" by AGENT,
        Unset::Is("20s"),
        <Duration as Setting>::EXPECTED,
        "how long warming OPcache may take before a switch";
    PROBE "LONGSHORE_PROBE" by AGENT,
        Unset::Means("a switch is kept without a look at the shop"),
        "an http:// URL, such as http://127.0.0.1:8080/",
        "the page of the shop that must answer after a switch; otherwise the agent rejects the \
         release and goes back to the one before";
    PROBE_HOST "LONGSHORE_PROBE_HOST" by AGENT,
        Unset::Means("the URL's"),
        "a host name, such as shop.example",
        "the Host header of the probe";
    PROBE_SCHEME "LONGSHORE_PROBE_SCHEME" by AGENT,
        Unset::Is("http"),
        "http or https",
        "how visitors speak to the edge before the shop: probe and rehearsal have the headers and \
         parameters that it leads to";
    PROBE_PARAMS "LONGSHORE_PROBE_PARAMS" by AGENT,
        Unset::Means("none"),
        "NAME=value,NAME=value, such as MAGE_RUN_CODE=ro,MAGE_RUN_TYPE=store",
        "FastCGI parameters that nginx sets for the probe's host, for the rehearsal";
    PROBE_STATUS "LONGSHORE_PROBE_STATUS" by AGENT,
        Unset::Is("200-299"),
        "a status or a range, such as 200 or 200-399",
        "which answers of the probe are good; an empty page never is, unless it is a redirect that \
         is good";
    PROBE_CONTAINS "LONGSHORE_PROBE_CONTAINS" by AGENT,
        Unset::Means("any page will do"),
        "1 to 200 bytes of text",
        "text that the probe's page must contain, such as the end of the shop's footer";
    PROBE_HEADER "LONGSHORE_PROBE_HEADER" by AGENT,
        Unset::Means("headers do not matter"),
        "a name and a value, such as X-Shop: acme",
        "a header that the probe's answer must have";
    PROBE_TIMES "LONGSHORE_PROBE_TIMES" by AGENT,
        Unset::Is("3"),
        "a whole number from 1 to 100",
        "how many good answers in a row the probe needs";
    PROBE_TIMEOUT "LONGSHORE_PROBE_TIMEOUT" by AGENT,
        Unset::Is("10s"),
        <Duration as Setting>::EXPECTED,
        "how long one answer of the probe may take; a rehearsal, for which nobody waits, has 30 s \
         at least";
    PROBE_WITHIN "LONGSHORE_PROBE_WITHIN" by AGENT,
        Unset::Is("30s"),
        <Duration as Setting>::EXPECTED,
        "how long after the switch the probe must have succeeded";
    HOOK_BEFORE "LONGSHORE_HOOK_BEFORE" by AGENT,
        Unset::Means("nothing runs"),
        AbsolutePath::EXPECTED,
        "a program that runs before each switch; if it fails, the switch waits";
    HOOK_AFTER "LONGSHORE_HOOK_AFTER" by AGENT,
        Unset::Means("nothing runs"),
        AbsolutePath::EXPECTED,
        "a program that runs after each switch that was kept";
    HOOK_TIMEOUT "LONGSHORE_HOOK_TIMEOUT" by AGENT,
        Unset::Is("60s"),
        <Duration as Setting>::EXPECTED,
        "how long a hook may run before it is killed";
    LOGS "LONGSHORE_LOGS" by AGENT,
        Unset::Means("nothing is followed"),
        "up to 16 paths in a release, separated by commas, such as var/log,var/report",
        "directories of each release whose `*.log` files become events of the agent, one an error, \
         and in those called `report` each new file";
    WORKERS "LONGSHORE_PHP_WORKERS" by AGENT,
        Unset::Means("php-fpm is not asked how many are busy"),
        "a whole number from 1 to 10000",
        "as many workers as php-fpm may have, of which it is asked how many are busy";
    POD_LOGS "LONGSHORE_POD_LOGS" by AGENT,
        Unset::Means("nothing is followed"),
        AbsolutePath::EXPECTED,
        "the directory in which the pod's PHP, php-fpm and nginx write `php.log`, `php-fpm.log`, \
         `slow.log` and `nginx.log`, whose errors become events of the agent; the agent makes \
         `requests.sock` there, at which nginx says of each request how long PHP took";
    SHOP "LONGSHORE_SHOP" by AGENT,
        Unset::Means("events name no shop"),
        "up to 63 letters, digits, '-', '.' and '_'",
        "the shop's name, as events about its errors have it";
    SCAN "LONGSHORE_SCAN" by AGENT,
        Unset::Is("8MiB"),
        <ByteSize as Setting>::EXPECTED,
        "bytes a second that the scan for changed files may read";
    LOG "LONGSHORE_LOG" by BOTH,
        Unset::Is("info"),
        telemetry::Filter::EXPECTED,
        "which events are logged";
    LOG_FORMAT "LONGSHORE_LOG_FORMAT" by BOTH,
        Unset::Means("text on a terminal, json elsewhere"),
        telemetry::Format::EXPECTED,
        "how events are written to standard error";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_the_prefix_and_the_table_has_no_second_of_it() {
        for (at, variable) in ALL.iter().enumerate() {
            assert!(variable.name.starts_with(PREFIX), "{}", variable.name);
            assert!(
                ALL[..at]
                    .iter()
                    .all(|earlier| earlier.name != variable.name),
                "{}",
                variable.name
            );
        }
    }

    #[test]
    fn every_default_is_a_value_of_its_setting() {
        for variable in ALL {
            let Unset::Is(text) = variable.unset else {
                continue;
            };
            let read = match *variable {
                MEMORY | CACHE_LIMIT | SCAN => ByteSize::read(text).is_some(),
                DEADLINE | POLL | GRACE | WARM | PROBE_TIMEOUT | PROBE_WITHIN | HOOK_TIMEOUT => {
                    Duration::read(text).is_some()
                }
                LOG => telemetry::Filter::read(text).is_some(),
                // Read where they are used, with tests there.
                LISTEN | PROBE_SCHEME | PROBE_STATUS | PROBE_TIMES => true,
                _ => panic!("{} has a default that no test reads", variable.name),
            };
            assert!(read, "{}={text}", variable.name);
        }
    }
}
