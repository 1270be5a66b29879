//! The end of a process that failed: the last line, the termination message, the exit code.

use crate::telemetry::{self, Format};
use parking_lot::Mutex;
use release::Reason;
use std::{
    error::Error,
    fmt::{self, Write as _},
    fs,
    io::{self, Write as _},
    iter,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};
use tracing::{error, warn};

/// Where Kubernetes reads why a container ended, unless the pod says otherwise
/// (`terminationMessagePath`).
pub const TERMINATION_LOG: &str = "/dev/termination-log";

/// The most that the kubelet keeps of one container's termination message, in bytes (Kubernetes
/// documentation, "Determine the Reason for Pod Failure").
pub const TERMINATION_LIMIT: usize = 4096;

/// An error and its causes on one line, outermost first, with control characters escaped.
///
/// A line break stays only where two spaces follow it, as in the list of
/// [`ConfigError`](crate::ConfigError): no text from outside can begin a line of its own and pass
/// for an event.
#[derive(Debug)]
pub struct Chain<'a>(pub &'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = self.0.to_string();
        for cause in iter::successors(self.0.source(), |&cause| cause.source()) {
            write!(text, ": {cause}")?;
        }
        for (at, character) in text.char_indices() {
            match character {
                '\n' if text[at..].starts_with("\n  ") => f.write_char('\n')?,
                control if control.is_control() => write!(f, "{}", control.escape_default())?,
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}

/// How the process tells that it failed.
#[derive(Debug)]
pub struct FailureReport {
    program: &'static str,
    format: Format,
    termination: PathBuf,
}

impl FailureReport {
    /// Reports as `program` in this format; `termination` is the termination message file, usually
    /// [`TERMINATION_LOG`], and is written only where it exists already.
    #[must_use]
    pub fn new(program: &'static str, format: Format, termination: impl Into<PathBuf>) -> Self {
        Self {
            program,
            format,
            termination: termination.into(),
        }
    }

    /// Writes the termination message and then, as the last line on standard error, what failed;
    /// returns the exit code.
    #[must_use]
    pub fn failure(&self, error: &(dyn Error + 'static), reason: Reason) -> ExitCode {
        self.failure_to(&mut io::stderr(), error, reason)
    }

    fn failure_to(
        &self,
        out: &mut dyn io::Write,
        error: &(dyn Error + 'static),
        reason: Reason,
    ) -> ExitCode {
        if let Err(cause) = terminate(&self.termination, error, reason) {
            warn!(
                path = %self.termination.display(),
                error = %cause,
                "termination message not written"
            );
        }
        // Standard error is the only place to say that standard error is gone: the exit code still
        // speaks.
        out.write_all(self.last_line(error, reason).as_bytes())
            .unwrap_or_default();
        ExitCode::from(reason.trouble().exit_code())
    }

    fn last_line(&self, error: &(dyn Error + 'static), reason: Reason) -> String {
        let chain = Chain(error);
        match self.format {
            Format::Text => format!(
                "{}: {chain} [reason: {reason}] hint: {}\n",
                self.program,
                reason.hint()
            ),
            Format::Json => {
                let line = Line::default();
                let writer = line.clone();
                tracing::dispatcher::with_default(
                    &telemetry::errors_to(self.format, move || writer.clone()),
                    || {
                        error!(
                            program = self.program,
                            %reason,
                            error = %chain,
                            hint = reason.hint(),
                            "failed"
                        );
                    },
                );
                line.into_text()
            }
        }
    }
}

fn terminate(path: &Path, error: &(dyn Error + 'static), reason: Reason) -> io::Result<()> {
    // Not created: outside Kubernetes nobody reads it.
    let mut file = match fs::OpenOptions::new().write(true).truncate(true).open(path) {
        Err(missing) if missing.kind() == io::ErrorKind::NotFound => return Ok(()),
        file => file?,
    };
    let hint = format!("\nhint: {}\n", reason.hint());
    let mut message = format!("{reason}: {}", Chain(error));
    message.truncate(message.floor_char_boundary(TERMINATION_LIMIT - hint.len()));
    file.write_all((message + &hint).as_bytes())
}

/// A writer that keeps what it is given.
#[derive(Debug, Clone, Default)]
struct Line(Arc<Mutex<Vec<u8>>>);

impl Line {
    fn into_text(self) -> String {
        String::from_utf8_lossy(&self.0.lock()).into_owned()
    }
}

impl io::Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Env, variable};

    #[derive(Debug, thiserror::Error)]
    #[error("cannot write {path}")]
    struct Failed {
        path: String,
        source: io::Error,
    }

    fn failed(path: &str) -> Failed {
        Failed {
            path: path.to_owned(),
            source: io::Error::other("no space"),
        }
    }

    fn report(format: Format) -> FailureReport {
        FailureReport::new("longshore-init", format, "/nonexistent/termination-log")
    }

    #[test]
    fn text_is_one_line_with_cause_reason_and_hint() {
        assert_eq!(
            report(Format::Text).last_line(&failed("/srv/r"), Reason::Disk),
            "longshore-init: cannot write /srv/r: no space [reason: disk] hint: check the named \
             path: space, inodes, permissions, read-only mounts\n"
        );
    }

    #[test]
    fn json_is_one_event_whatever_the_filter() {
        let line = report(Format::Json).last_line(&failed("/srv/\"r\"\n"), Reason::Disk);
        assert_eq!(line.matches('\n').count(), 1);
        let event: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(event["level"], "ERROR");
        assert_eq!(event["program"], "longshore-init");
        assert_eq!(event["reason"], "disk");
        assert_eq!(event["error"], "cannot write /srv/\"r\"\\n: no space");
        assert_eq!(event["hint"], Reason::Disk.hint());
    }

    #[test]
    fn a_name_from_outside_cannot_begin_a_line() {
        let line = report(Format::Text)
            .last_line(&failed("a\nlongshore-init: fine\r\u{1b}[2K"), Reason::Disk);
        assert_eq!(line.lines().count(), 1, "{line}");
        assert!(!line.contains('\u{1b}'));
    }

    #[test]
    fn problems_of_the_configuration_keep_their_lines() {
        let mut env = Env::new([("LONGSHORE_DEADLINE", "30")]);
        let deadline = env.read::<std::time::Duration>(&variable::DEADLINE);
        let error = env.finish(deadline).unwrap_err();
        let line = report(Format::Text).last_line(&error, error.reason());
        assert!(
            line.starts_with(
                "longshore-init: configuration is not usable\n  LONGSHORE_DEADLINE=\"30\": \
                 expected "
            ),
            "{line}"
        );
    }

    #[test]
    fn the_exit_code_is_that_of_the_reason() {
        for reason in Reason::ALL {
            let code = report(Format::Text).failure_to(&mut io::sink(), &failed("/srv/r"), *reason);
            assert_eq!(
                format!("{code:?}"),
                format!("{:?}", ExitCode::from(reason.trouble().exit_code())),
                "{reason}"
            );
        }
        let of = |reason: Reason| reason.trouble().exit_code();
        let all = [
            Reason::Config,
            Reason::Rollback,
            Reason::Unreachable,
            Reason::Bug,
            Reason::Disk,
            Reason::Busy,
        ];
        assert_eq!(all.map(of), [64, 65, 69, 70, 74, 75]);
    }

    #[test]
    fn the_termination_message_starts_with_the_reason() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(
            "left by an earlier container, and longer than what we write after it: "
                .repeat(9)
                .as_bytes(),
        )
        .unwrap();
        terminate(file.path(), &failed("/srv/r"), Reason::Disk).unwrap();
        assert_eq!(
            fs::read_to_string(file.path()).unwrap(),
            "disk: cannot write /srv/r: no space\nhint: check the named path: space, inodes, \
             permissions, read-only mounts\n"
        );
    }

    #[test]
    fn the_termination_message_fits_what_the_kubelet_keeps() {
        let file = tempfile::NamedTempFile::new().unwrap();
        terminate(file.path(), &failed(&"ș".repeat(10_000)), Reason::Disk).unwrap();
        let message = fs::read_to_string(file.path()).unwrap();
        assert!(
            (TERMINATION_LIMIT - 3..=TERMINATION_LIMIT).contains(&message.len()),
            "{}",
            message.len()
        );
        assert!(message.ends_with(&format!("\nhint: {}\n", Reason::Disk.hint())));
    }

    #[test]
    fn outside_kubernetes_no_termination_message_appears() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("termination-log");
        terminate(&path, &failed("/srv/r"), Reason::Disk).unwrap();
        assert!(!path.exists());
    }
}
