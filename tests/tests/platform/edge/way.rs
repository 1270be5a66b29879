//! What visitors come through.

use super::{HOST, LONG, VISITORS};
use e2e::{haproxy::Load, peers::required, process::Program};
use std::{net::IpAddr, path::PathBuf, time::Duration};

/// Requests of each visitor in a second. With as many as there can be, tests in other clusters had
/// no processors.
pub(super) const EACH: u32 = 25;

/// An address of the edge, and whose certificates it has.
#[derive(Clone)]
pub(super) struct Way {
    pub(super) address: IpAddr,
    pub(super) authority: PathBuf,
}

impl Way {
    /// What curl says of a page: version and status in its first line.
    pub(super) fn get(&self, host: &str, options: &[&str]) -> String {
        self.get_at(443, host, options)
    }

    pub(super) fn get_at(&self, port: u16, host: &str, options: &[&str]) -> String {
        let outcome = Program::new(required("curl-h3"))
            .args(["--silent", "--show-error", "--include", "--max-time", "10"])
            .arg("--cacert")
            .arg(&self.authority)
            .args(["--resolve", &format!("{host}:{port}:{}", self.address)])
            .args(options)
            .arg(format!("https://{host}:{port}/"))
            .run();
        format!("{}{}", outcome.stdout, outcome.stderr)
    }

    /// Visitors for as long.
    pub(super) fn load(&self, time: Duration) -> Load {
        Self::load_at(&format!("{}:443", self.address), time, EACH)
    }

    /// The same, at one replica, as a load balancer sends them to the one that is left, each with
    /// so many requests in a second.
    pub(super) fn load_at(address: &str, time: Duration, each: u32) -> Load {
        let program = Program::new(required("h2load"))
            .args([
                "--clients",
                &VISITORS.to_string(),
                "--max-concurrent-streams",
                "1",
            ])
            .args(["--duration", &time.as_secs().to_string()])
            .args(["--connect-to", address])
            .args(["--rps", &each.to_string()])
            .arg(format!("https://{HOST}/"))
            .deadline(time + LONG);
        Load::new(program.start())
    }
}
