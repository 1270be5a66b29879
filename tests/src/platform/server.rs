//! Servers beside the cluster, as managed ones are: `MariaDB` and Redis of Debian, on the address
//! that pods reach.

#![allow(
    clippy::disallowed_methods,
    reason = "the harness makes its files itself, and has no failpoints"
)]

use crate::{
    cluster::{Cluster, HOST, eventually},
    peers::required,
    process::{Program, Running},
};
use std::{path::PathBuf, time::Duration};
use tempfile::TempDir;

/// Its port; not MySQL's own, on which this machine may have one.
pub const PORT: u16 = 13306;
/// Redis's port.
pub const CACHE_PORT: u16 = 16379;
/// The port of the stand-in for `OpenSearch`.
pub const SEARCH_PORT: u16 = 19200;
const SEARCH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/stand-in/opensearch.py");
const START: Duration = Duration::from_mins(1);
/// Longer than any test.
const LIFE: Duration = Duration::from_hours(3);

/// The server, killed when this is dropped.
#[derive(Debug)]
pub struct Database {
    socket: PathBuf,
    _server: Running,
    _scratch: TempDir,
}

impl Database {
    /// Starts one without a database.
    ///
    /// # Panics
    ///
    /// It is not installed (`tests/tools/tools DIRECTORY cluster`), or does not start.
    #[must_use]
    #[track_caller]
    pub fn start(_cluster: &Cluster) -> Self {
        Self::listening(HOST, PORT)
    }

    /// The same at this address, for programs beside it.
    ///
    /// # Panics
    ///
    /// It is not installed, or does not start.
    #[must_use]
    #[track_caller]
    pub fn listening(address: &str, port: u16) -> Self {
        let scratch = crate::shop::scratch();
        let data = format!("--datadir={}", scratch.path().join("data").display());
        let words = [
            "--no-defaults",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            "--user=root",
            &data,
        ];
        // Its temporary tables are named after its process, and each cluster counts its own.
        let program = |name| Program::new(name).env("TMPDIR", scratch.path());
        program("mariadb-install-db").args(words).run().expect(0);
        let socket = scratch.path().join("socket");
        let (listen, at) = (
            format!("--socket={}", socket.display()),
            format!("--bind-address={address}"),
        );
        let port = format!("--port={port}");
        // No DNS is asked who a client is; the smallest of everything.
        let words = [
            "--no-defaults",
            "--user=root",
            &data,
            &listen,
            &at,
            &port,
            "--skip-name-resolve",
            "--innodb-buffer-pool-size=16M",
        ];
        let server = program("mariadbd").args(words).deadline(LIFE).start();
        let database = Self {
            socket,
            _server: server,
            _scratch: scratch,
        };
        eventually("the database server", START, || {
            database.try_ask("", "SELECT 1").ok()
        });
        database
    }

    /// A database, and a user of the same name who owns it.
    #[track_caller]
    pub fn create(&self, name: &str, password: &str) {
        self.ask(
            "",
            &format!(
                "CREATE DATABASE {name}; CREATE USER {name}@'%' IDENTIFIED BY '{password}'; GRANT \
                 ALL ON {name}.* TO {name}@'%'"
            ),
        );
    }

    /// What a statement gives: lines of fields with tabs between them.
    ///
    /// # Panics
    ///
    /// It fails.
    #[track_caller]
    #[allow(clippy::must_use_candidate, reason = "often called for its effect")]
    pub fn ask(&self, database: &str, statement: &str) -> String {
        self.try_ask(database, statement)
            .unwrap_or_else(|problem| panic!("{statement}: {problem}"))
    }

    /// The same.
    ///
    /// # Errors
    ///
    /// What the server says.
    pub fn try_ask(&self, database: &str, statement: &str) -> Result<String, String> {
        let socket = format!("--socket={}", self.socket.display());
        let words = [
            "--no-defaults",
            &socket,
            "--user=root",
            "--batch",
            "--skip-column-names",
            "--execute",
            statement,
            database,
        ];
        let words = words.into_iter().filter(|word| !word.is_empty());
        let outcome = Program::new("mariadb").args(words).run();
        if outcome.code() == Some(0) {
            Ok(outcome.stdout)
        } else {
            Err(outcome.stderr)
        }
    }
}

/// A Redis server without a disk, killed when this is dropped.
#[derive(Debug)]
pub struct Redis {
    password: String,
    _server: Running,
}

impl Redis {
    /// Starts one, which wants this password.
    ///
    /// # Panics
    ///
    /// It is not installed (`tests/tools/tools DIRECTORY cluster`), or does not start.
    #[must_use]
    #[track_caller]
    pub fn start(_cluster: &Cluster, password: &str) -> Self {
        let port = CACHE_PORT.to_string();
        let words = [
            "--bind",
            HOST,
            "--port",
            &port,
            "--requirepass",
            password,
            "--save",
            "",
            "--appendonly",
            "no",
            "--databases",
            "64",
        ];
        let server = Program::new(required("redis-server"))
            .args(words)
            .deadline(LIFE)
            .start();
        let redis = Self {
            password: password.to_owned(),
            _server: server,
        };
        eventually("the Redis server", START, || {
            (redis.ask(&["PING"]).trim() == "PONG").then_some(())
        });
        redis
    }

    /// What a command gives, as lines.
    #[must_use]
    pub fn ask(&self, words: &[&str]) -> String {
        let port = CACHE_PORT.to_string();
        Program::new("redis-cli")
            .args([
                "-h",
                HOST,
                "-p",
                &port,
                "--no-auth-warning",
                "-a",
                &self.password,
            ])
            .args(words)
            .run()
            .stdout
    }
}

/// The stand-in for `OpenSearch`, killed when this is dropped.
#[derive(Debug)]
pub struct Search {
    _server: Running,
}

impl Search {
    /// Starts one without an index.
    ///
    /// # Panics
    ///
    /// There is no Python, or it does not start.
    #[must_use]
    #[track_caller]
    pub fn start(_cluster: &Cluster) -> Self {
        let port = SEARCH_PORT.to_string();
        let server = Program::new(required("python3"))
            .args([SEARCH, HOST, &port])
            .deadline(LIFE)
            .start();
        eventually("the search server", START, || {
            std::net::TcpStream::connect((HOST, SEARCH_PORT)).ok()
        });
        Self { _server: server }
    }
}
