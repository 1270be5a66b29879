//! A graceful reload of php-fpm, for shops that need one.

use rustix::process::{Pid, Signal, kill_process};
use std::{
    io,
    path::{Path, PathBuf},
};

/// php-fpm's master, which reads its configuration again and replaces its workers once they have
/// finished their requests (`SIGUSR2`).
///
/// The pod has to share one process namespace, and the agent to run as php-fpm's user or as root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reload {
    /// The master's pid file.
    pub pid_file: PathBuf,
}

/// Why php-fpm was not asked.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// There is no usable pid file.
    #[error("cannot read php-fpm's process id from {}", .0.display())]
    PidFile(PathBuf, #[source] io::Error),
    /// The process is something else: the file is an old one.
    #[error("process {pid}, which {} names, is {found:?} and not php-fpm", path.display())]
    Other {
        /// The pid file.
        path: PathBuf,
        /// What it says.
        pid: i32,
        /// What that process is.
        found: String,
    },
    /// The kernel refused.
    #[error("cannot signal php-fpm, process {0}")]
    Signal(i32, #[source] io::Error),
}

impl Reload {
    /// Asks it.
    ///
    /// # Errors
    ///
    /// [`ReloadError`]; nothing was signalled.
    pub fn ask(&self) -> Result<(), ReloadError> {
        let unreadable = |error| ReloadError::PidFile(self.pid_file.clone(), error);
        let text = std::fs::read_to_string(&self.pid_file).map_err(unreadable)?;
        let pid = text
            .trim()
            .parse()
            .ok()
            .and_then(Pid::from_raw)
            .ok_or_else(|| unreadable(io::ErrorKind::InvalidData.into()))?;
        let number = pid.as_raw_nonzero().get();
        let name =
            std::fs::read_to_string(Path::new("/proc").join(number.to_string()).join("comm"))
                .map_err(unreadable)?;
        if !name.starts_with("php-fpm") {
            return Err(ReloadError::Other {
                path: self.pid_file.clone(),
                pid: number,
                found: name.trim().to_owned(),
            });
        }
        kill_process(pid, Signal::USR2).map_err(|error| ReloadError::Signal(number, error.into()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::disallowed_methods,
        reason = "a test prepares what is on the disk"
    )]

    use super::*;

    #[test]
    fn only_php_fpm_is_signalled() {
        let directory = tempfile::tempdir().unwrap();
        let reload = Reload {
            pid_file: directory.path().join("php-fpm.pid"),
        };
        assert!(matches!(reload.ask(), Err(ReloadError::PidFile(..))));
        std::fs::write(&reload.pid_file, "none").unwrap();
        assert!(matches!(reload.ask(), Err(ReloadError::PidFile(..))));
        // This process: it would not survive it.
        std::fs::write(&reload.pid_file, std::process::id().to_string()).unwrap();
        assert!(matches!(reload.ask(), Err(ReloadError::Other { .. })));
    }
}
