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
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Init => "longshore-init",
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

macro_rules! variables {
    ($($ident:ident $name:literal $unset:expr, $expected:expr, $meaning:literal;)+) => {
        $(
            #[doc = concat!("`", $name, "`: ", $meaning, ".")]
            pub const $ident: Variable =
                Variable { name: $name, read_by: &[Program::Init], unset: $unset, expected: $expected, meaning: $meaning };
        )+

        /// Every setting, in the order of the reference page.
        pub const ALL: &[Variable] = &[$($ident),+];
    };
}

variables! {
    STORE "LONGSHORE_STORE" Unset::Refused, "s3://bucket/prefix or file:///directory",
        "the store that holds releases, trust roots and tarballs";
    CHANNEL "LONGSHORE_CHANNEL" Unset::Refused, <ChannelName as Setting>::EXPECTED,
        "the channel that this pod follows";
    ROOT "LONGSHORE_ROOT" Unset::Refused, AbsolutePath::EXPECTED,
        "the release root: a directory on the local SSD, made where it is missing";
    TRUST "LONGSHORE_TRUST" Unset::Refused, AbsolutePath::EXPECTED,
        "the file of the trust root that this pod believes";
    RELEASE "LONGSHORE_RELEASE" Unset::Means("the store's channel decides"), AbsolutePath::EXPECTED,
        "the file that holds the release object in force, or a directory with `release.json` in it, such as a projected ConfigMap";
    FLOOR "LONGSHORE_FLOOR" Unset::Means("no floor"), <Sequence as Setting>::EXPECTED,
        "the lowest sequence to accept, which protects a fresh node from an old release";
    CACHE "LONGSHORE_CACHE" Unset::Means("no cache"), AbsolutePath::EXPECTED,
        "the node cache: a directory of the node that its pods share, made with mode 0700 where it is missing; never mount it into a tenant's container";
    CACHE_LIMIT "LONGSHORE_CACHE_LIMIT" Unset::Is("20GiB"), <ByteSize as Setting>::EXPECTED,
        "how much the node cache may hold; what was used longest ago is evicted";
    MEMORY "LONGSHORE_MEMORY" Unset::Is("64MiB"), "32MiB or more, as a whole number and a unit, such as 64MiB (2^20) or 1GB (10^9)",
        "the ceiling of the pull's buffers";
    DEADLINE "LONGSHORE_DEADLINE" Unset::Is("10m"), <Duration as Setting>::EXPECTED,
        "how long a pull may take in all before it is an error";
    LOG "LONGSHORE_LOG" Unset::Is("info"), telemetry::Filter::EXPECTED,
        "which events are logged";
    LOG_FORMAT "LONGSHORE_LOG_FORMAT" Unset::Means("text on a terminal, json elsewhere"), telemetry::Format::EXPECTED,
        "how events are written to standard error";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_the_prefix_and_the_table_has_no_second_of_it() {
        for (at, variable) in ALL.iter().enumerate() {
            assert!(variable.name.starts_with(PREFIX), "{}", variable.name);
            assert!(ALL[..at].iter().all(|earlier| earlier.name != variable.name), "{}", variable.name);
        }
    }

    #[test]
    fn every_default_is_a_value_of_its_setting() {
        for variable in ALL {
            let Unset::Is(text) = variable.unset else { continue };
            let read = match *variable {
                MEMORY | CACHE_LIMIT => ByteSize::read(text).is_some(),
                DEADLINE => Duration::read(text).is_some(),
                LOG => telemetry::Filter::read(text).is_some(),
                _ => panic!("{} has a default that no test reads", variable.name),
            };
            assert!(read, "{}={text}", variable.name);
        }
    }
}
