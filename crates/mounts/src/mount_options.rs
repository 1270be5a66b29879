//! Mount options: the words that a mounts file may add, and what a mount gets without them.

use std::{fmt, str::FromStr};

/// What AWS recommends for EFS, and what suits any NFSv4.1 server: 1 MiB is the protocol's
/// customary maximum; `hard`, since a `soft` mount gives the shop errors and torn files where a
/// server only pauses; a non-reserved port, since the client must reconnect from another one.
/// Source: "Recommended NFS mount settings", Amazon EFS User Guide.
pub const NFS_DEFAULTS: &[&str] = &[
    "vers=4.1",
    "rsize=1048576",
    "wsize=1048576",
    "hard",
    "timeo=600",
    "retrans=2",
    "noresvport",
];

/// Words with a value, each with the values that it takes.
const NUMBERS: &[(&str, u32, u32)] = &[
    ("rsize", 4096, 1 << 20),
    ("wsize", 4096, 1 << 20),
    ("timeo", 1, 6000),
    ("retrans", 1, 100),
    ("nconnect", 1, 16),
    ("acregmin", 0, 3600),
    ("acregmax", 0, 3600),
    ("acdirmin", 0, 3600),
    ("acdirmax", 0, 3600),
    ("actimeo", 0, 3600),
];
/// Words of which the last one counts, with values where they have any.
const CHOICES: &[&[&str]] = &[
    &["vers=4.1", "vers=4.2"],
    &["hard", "soft", "softerr"],
    &["resvport", "noresvport"],
    &[
        "lookupcache=all",
        "lookupcache=none",
        "lookupcache=pos",
        "lookupcache=positive",
    ],
    &["cto", "nocto"],
    &["ac", "noac"],
    &["sharecache", "nosharecache"],
];
/// Words that the kernel keeps for each mount, whatever its file system.
const FLAGS: &[&str] = &["noatime", "nodiratime", "relatime", "strictatime", "noexec"];

/// Checked mount options, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MountOptions(Vec<MountOption>);

impl MountOptions {
    /// The options of the NFS client: the defaults, each replaced where a word of the same meaning
    /// was given.
    #[must_use]
    pub fn for_nfs(&self) -> String {
        let given = || {
            self.0
                .iter()
                .filter(|word| !word.is_flag())
                .map(|word| word.0.as_str())
        };
        let replaced = |default: &&&str| given().all(|word| meaning(word) != meaning(default));
        let words: Vec<_> = NFS_DEFAULTS
            .iter()
            .filter(replaced)
            .copied()
            .chain(given())
            .collect();
        words.join(",")
    }

    /// The words that are flags of the mount itself.
    pub fn flags(&self) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .filter(|word| word.is_flag())
            .map(|word| word.0.as_str())
    }

    /// Whether a word is one that only the NFS client knows.
    pub(crate) fn for_nfs_only(&self) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .filter(|word| !word.is_flag())
            .map(|word| word.0.as_str())
    }
}

impl FromIterator<MountOption> for MountOptions {
    fn from_iter<T: IntoIterator<Item = MountOption>>(words: T) -> Self {
        Self(words.into_iter().collect())
    }
}

/// One checked mount option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountOption(String);

impl MountOption {
    fn is_flag(&self) -> bool {
        FLAGS.contains(&self.0.as_str())
    }
}

/// What two words that exclude each other have in common.
fn meaning(word: &str) -> &str {
    match CHOICES.iter().find(|choice| choice.contains(&word)) {
        Some(choice) => choice[0],
        None => word.split('=').next().unwrap_or(word),
    }
}

/// A word that is no option of the list: the kernel's own parser is no check, as it takes `addr=`
/// and others that are ours to give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownOption;

impl fmt::Display for UnknownOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers = NUMBERS
            .iter()
            .map(|(name, least, most)| format!("{name}={least}..{most}"));
        let others = CHOICES
            .iter()
            .copied()
            .flatten()
            .chain(FLAGS)
            .map(|word| (*word).to_owned());
        write!(
            f,
            "expected one of {}",
            others.chain(numbers).collect::<Vec<_>>().join(", ")
        )
    }
}

impl FromStr for MountOption {
    type Err = UnknownOption;

    fn from_str(text: &str) -> Result<Self, UnknownOption> {
        let number = |(name, least, most): &(&str, u32, u32)| {
            let digits = text
                .strip_prefix(name)
                .and_then(|rest| rest.strip_prefix('='));
            let plain = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
            plain
                .and_then(|digits| digits.parse().ok())
                .is_some_and(|value: u32| (*least..=*most).contains(&value))
        };
        let known = FLAGS.contains(&text)
            || CHOICES.iter().any(|choice| choice.contains(&text))
            || NUMBERS.iter().any(number);
        if known {
            Ok(Self(text.to_owned()))
        } else {
            Err(UnknownOption)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words(texts: &[&str]) -> MountOptions {
        texts
            .iter()
            .map(|text| text.parse::<MountOption>().unwrap())
            .collect()
    }

    #[test]
    fn a_given_word_replaces_the_default_of_its_meaning() {
        assert_eq!(
            words(&[]).for_nfs(),
            "vers=4.1,rsize=1048576,wsize=1048576,hard,timeo=600,retrans=2,noresvport"
        );
        assert_eq!(
            words(&["soft", "timeo=50", "noatime", "vers=4.2", "noac"]).for_nfs(),
            "rsize=1048576,wsize=1048576,retrans=2,noresvport,soft,timeo=50,vers=4.2,noac"
        );
        assert_eq!(
            words(&["soft", "noatime"]).flags().collect::<Vec<_>>(),
            ["noatime"]
        );
    }

    #[test]
    fn what_is_ours_to_give_or_unknown_is_refused() {
        for bad in [
            "addr=10.0.0.1",
            "port=1",
            "rw",
            "suid",
            "vers=3",
            "rsize",
            "rsize=",
            "rsize=+5000",
            "timeo=0",
            "nconnect=17",
            "hard,addr=1",
        ] {
            assert!(bad.parse::<MountOption>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn an_accepted_word_is_one_word(text in "[ -~]{0,24}") {
            if text.parse::<MountOption>().is_ok() {
                prop_assert!(
                    text.bytes()
                        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'=' || byte == b'.')
                );
            }
        }
    }
}
