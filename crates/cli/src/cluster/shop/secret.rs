//! The Secret of a new shop: where the values of its keys come from, and which are missing.

use crate::cluster::ClusterError;
use operations::create::SecretKeys;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

/// Bytes of a value at most.
const LIMIT: usize = 64 << 10;

/// Where the values of keys come from. No value is ever on a command line, which every process of
/// the machine can read.
#[derive(Debug, clap::Args)]
pub(super) struct Given {
    /// Secret with the shop's secrets, in its namespace; otherwise NAME-env
    #[arg(long, value_name = "SECRET")]
    pub(super) secret: Option<String>,
    /// A key of the Secret, and the file with its value; a newline at the end is left out (repeat
    /// for each)
    #[arg(long = "from-file", value_name = "KEY=FILE", value_parser = pair)]
    files: Vec<(String, String)>,
    /// A key of the Secret, and the variable with its value (repeat for each)
    #[arg(long = "from-env", value_name = "KEY=VARIABLE", value_parser = pair)]
    variables: Vec<(String, String)>,
    /// A key of the Secret with a random value: 32 hexadecimal digits. An existing shop needs its
    /// old crypt-key
    #[arg(long = "generate", value_name = "KEY")]
    generated: Vec<String>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (key, from) = text
        .split_once('=')
        .ok_or_else(|| format!("{text:?}: expected a key, = and where its value is"))?;
    let plain = (1..=253).contains(&key.len())
        && key
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if plain && !from.is_empty() {
        Ok((key.to_owned(), from.to_owned()))
    } else {
        Err(format!(
            "{key:?} is no key of a Secret, or its place is empty"
        ))
    }
}

impl Given {
    /// The keys whose values are given.
    pub(super) fn keys(&self) -> BTreeSet<&str> {
        let pairs = self
            .files
            .iter()
            .chain(&self.variables)
            .map(|(key, _)| key.as_str());
        pairs
            .chain(self.generated.iter().map(String::as_str))
            .collect()
    }

    /// The values.
    ///
    /// # Errors
    ///
    /// If a file cannot be read, a variable is not set, or a value is empty or over 64 KiB.
    pub(super) fn values(&self) -> Result<BTreeMap<String, String>, ClusterError> {
        let mut values = BTreeMap::new();
        for (key, path) in &self.files {
            let text = registry::read_text(&PathBuf::from(path))?;
            values.insert(
                key.clone(),
                text.strip_suffix('\n').unwrap_or(&text).to_owned(),
            );
        }
        for (key, variable) in &self.variables {
            #[allow(
                clippy::disallowed_methods,
                reason = "a variable that the command line names, and no setting"
            )]
            let value = std::env::var(variable).map_err(|_| {
                ClusterError::Argument(format!("{key}: variable {variable} is not set to a text"))
            })?;
            values.insert(key.clone(), value);
        }
        for key in &self.generated {
            values.insert(key.clone(), format!("{:032x}", rand::random::<u128>()));
        }
        match values
            .iter()
            .find(|(_, value)| value.is_empty() || value.len() > LIMIT)
        {
            Some((key, _)) => Err(ClusterError::Argument(format!(
                "{key}: its value is empty, or over 64 KiB"
            ))),
            None => Ok(values),
        }
    }
}

/// What speaks against writing the given keys to what was found.
pub(super) fn problems(
    secret: &str,
    required: &[&str],
    given: &BTreeSet<&str>,
    found: &SecretKeys,
) -> Vec<String> {
    let there = |key: &str| matches!(found, SecretKeys::Keys(keys) if keys.contains(key));
    let twice = given.iter().filter(|key| there(key)).map(|key| {
        format!(
            "Secret {secret} has {key} already; leave it out, or change it with kubectl: what was \
             encrypted with another crypt-key is lost"
        )
    });
    let missing = required
        .iter()
        .filter(|key| *found != SecretKeys::Unknown && !given.contains(**key) && !there(key))
        .map(|key| {
            let made = if *key == "crypt-key" {
                ", or --generate crypt-key where the shop is new"
            } else {
                ""
            };
            format!(
                "Secret {secret} lacks {key}: say --from-file {key}=FILE or --from-env \
                 {key}=VARIABLE{made}"
            )
        });
    twice.chain(missing).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_and_what_is_there_already_is_said() {
        let required = ["database-password", "crypt-key"];
        let keys = |names: &[&str]| {
            SecretKeys::Keys(names.iter().map(|name| (*name).to_owned()).collect())
        };
        for (given, found, says) in [
            (
                &["database-password", "crypt-key"][..],
                SecretKeys::Nothing,
                None,
            ),
            (&[], keys(&["database-password", "crypt-key", "more"]), None),
            (&["crypt-key"], keys(&["database-password"]), None),
            (&[], SecretKeys::Unknown, None),
            (
                &["database-password"],
                SecretKeys::Nothing,
                Some(
                    "Secret s lacks crypt-key: say --from-file crypt-key=FILE or --from-env \
                     crypt-key=VARIABLE, or --generate",
                ),
            ),
            (
                &["crypt-key"],
                keys(&["database-password", "crypt-key"]),
                Some("Secret s has crypt-key already"),
            ),
        ] {
            let problems = problems("s", &required, &given.iter().copied().collect(), &found);
            assert_eq!(problems.len(), usize::from(says.is_some()), "{problems:?}");
            assert!(
                says.is_none_or(|says| problems[0].starts_with(says)),
                "{problems:?}"
            );
        }
    }

    #[test]
    fn made_up_values_differ_and_are_such_as_magento_takes() {
        let given = Given {
            secret: None,
            files: vec![],
            variables: vec![],
            generated: vec!["a".into(), "b".into()],
        };
        let values = given.values().unwrap();
        assert!(values["a"] != values["b"] && values.values().all(|value| value.len() == 32));
    }
}
