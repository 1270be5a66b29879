//! What a program that takes its settings from variables answers to arguments.

use crate::{help, variable::Program};
use release::Reason;
use std::ffi::OsString;

/// An argument that the program does not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{argument:?} is not an argument of {program}: settings come from variables, which --help lists"
)]
pub struct ArgumentError {
    program: Program,
    argument: String,
}

impl ArgumentError {
    /// The stable reason.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        Reason::Config
    }
}

/// What the arguments ask for instead of a run, if anything: the help, which begins with `usage`,
/// or the version.
///
/// # Errors
///
/// Names the first argument that is neither.
pub fn answer(
    program: Program,
    usage: &str,
    version: &str,
    arguments: impl IntoIterator<Item = OsString>,
) -> Result<Option<String>, ArgumentError> {
    let mut answer = None;
    for argument in arguments {
        answer = match argument.to_str() {
            Some("--help" | "-h") => Some(format!("{usage}{}", help(program))),
            Some("--version" | "-V") => Some(format!("{program} {version}\n")),
            _ => {
                let argument = argument.to_string_lossy().into_owned();
                return Err(ArgumentError { program, argument });
            }
        };
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(arguments: &[&str]) -> Result<Option<String>, ArgumentError> {
        let arguments = arguments.iter().map(OsString::from);
        answer(Program::Init, "Usage: this.\n", "1.2", arguments)
    }

    #[test]
    fn an_argument_is_never_ignored() {
        assert_eq!(asked(&[]), Ok(None));
        assert_eq!(
            asked(&["--version"]).unwrap().unwrap(),
            "longshore-init 1.2\n"
        );
        assert!(
            asked(&["-h"])
                .unwrap()
                .unwrap()
                .starts_with("Usage: this.\n")
        );
        assert_eq!(
            asked(&["--help", "run"]).unwrap_err().to_string(),
            "\"run\" is not an argument of longshore-init: settings come from variables, which \
             --help lists"
        );
    }
}
