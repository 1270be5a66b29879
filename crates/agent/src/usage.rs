//! What the program answers to its arguments instead of a run.

use crate::{AgentError, NAME};
use runtime::{help, variable::Program};
use std::ffi::OsString;

const USAGE: &str = "\
Keeps the shop in this pod on the newest release that works, and tells Kubernetes and Prometheus \
     how it is.

Usage: longshore-agent
       longshore-agent log debug | configured [PROCESS]     asks \
     the agent that runs, process 1 of its container, for more in its log, or as configured
       longshore-agent \
     --help | --version

Settings come from the environment; those of longshore-init mean the same here. \
     A pod that follows a channel and looks at its front page:

  LONGSHORE_STORE=s3://releases/prod \
     LONGSHORE_CHANNEL=shops/acme LONGSHORE_ROOT=/srv/shop \\
  LONGSHORE_TRUST=/etc/longshore/1.root.json \
     LONGSHORE_PHP=/run/php/php8.2-fpm.sock LONGSHORE_PROBE=http://127.0.0.1:8080/ longshore-agent

What \
     it does now, and why not something newer: curl http://127.0.0.1:9808/status
Every failure ends with one line that has a reason code; /dev/termination-log gets the same where \
     it exists.

";

/// What the arguments ask for instead of a run, if anything.
pub(super) fn answer(
    arguments: impl IntoIterator<Item = OsString>,
) -> Result<Option<String>, AgentError> {
    let mut answer = None;
    for argument in arguments {
        answer = match argument.to_str() {
            Some("--help" | "-h") => Some(format!("{USAGE}{}", help(Program::Agent))),
            Some("--version" | "-V") => Some(format!("{NAME} {}\n", env!("CARGO_PKG_VERSION"))),
            _ => {
                return Err(AgentError::Argument(
                    argument.to_string_lossy().into_owned(),
                ));
            }
        };
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use release::Reason;
    use runtime::variable;

    fn asked(arguments: &[&str]) -> Result<Option<String>, AgentError> {
        answer(arguments.iter().map(OsString::from))
    }

    #[test]
    fn help_teaches_every_variable_and_exit_code() {
        let help = asked(&["--help"]).unwrap().unwrap();
        for variable in variable::ALL
            .iter()
            .filter(|variable| variable.read_by.contains(&Program::Agent))
        {
            assert!(
                help.contains(variable.name) && help.contains(variable.meaning),
                "{}",
                variable.name
            );
        }
    }

    #[test]
    fn an_argument_is_never_ignored() {
        assert!(asked(&[]).unwrap().is_none());
        assert_eq!(
            asked(&["--help", "run"]).unwrap_err().reason(),
            Reason::Config
        );
    }
}
