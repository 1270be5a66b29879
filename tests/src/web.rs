//! nginx and php-fpm of Debian beside a release root, configured as a shop's pods are; and
//! visitors.

#![allow(
    clippy::disallowed_methods,
    reason = "the harness makes its files itself, and has no failpoints"
)]

mod visitors;

pub use visitors::Visitors;

use crate::{
    process::{Program, Running},
    serving::{LOGS, Serving},
};
use runtime::fixtures::free_port;
use std::{
    collections::BTreeMap,
    fs,
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    os::fd::AsFd as _,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// What the image sets for php-fpm.
const SETTINGS: [(&str, &str); 6] = [
    ("PHP_MEMORY_MIB", "512"),
    ("PHP_OPCACHE_MIB", "256"),
    ("PHP_PM", "ondemand"),
    ("PHP_REQUESTS", "1000"),
    ("PHP_TIMEOUT", "600s"),
    ("PHP_WORKERS", "16"),
];
/// How long both may run: longer than any test.
const LIFE: Duration = Duration::from_mins(20);
/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A web server and its PHP, killed when this is dropped.
#[derive(Debug)]
pub struct Web {
    /// nginx's port on loopback.
    pub port: u16,
    /// php-fpm's address.
    pub php: String,
    /// The pid file of php-fpm's master.
    pub pid_file: PathBuf,
    nginx: Running,
    fpm: Running,
    scratch: TempDir,
}

impl Web {
    /// Serves the release root at `root` as the shop's image does.
    ///
    /// # Panics
    ///
    /// nginx or php-fpm are missing (`make tools` installs them), or do not start.
    #[must_use]
    pub fn start(root: &Path) -> Self {
        Self::start_with(root, "")
    }

    /// The same, with more settings of php.ini.
    ///
    /// # Panics
    ///
    /// As [`Self::start`].
    #[must_use]
    pub fn start_with(root: &Path, more: &str) -> Self {
        Self::serve(root, &Serving::image("php").with_ini(more))
    }

    /// Serves the release root at `root` by this configuration.
    ///
    /// # Panics
    ///
    /// nginx or php-fpm are missing (`make tools` installs them), or do not start.
    #[must_use]
    pub fn serve(root: &Path, serving: &Serving) -> Self {
        let scratch = crate::shop::scratch();
        let (port, php) = (
            free_port(),
            scratch.path().join("php-fpm.sock").display().to_string(),
        );
        let [nginx, pool, ini] = serving.place(scratch.path(), root, port, &php);
        let fpm_program = Program::new("/usr/sbin/php-fpm8.2")
            .args(["-R", "-F", "-y"])
            .arg(pool);
        let fpm_program = fpm_program
            .env("PHP_INI_SCAN_DIR", format!(":{}", ini.display()))
            .env("APP_ENV", "prod");
        let fpm = fpm_program.envs(SETTINGS).deadline(LIFE).start();
        let nginx = Program::new("/usr/sbin/nginx")
            .arg("-c")
            .arg(nginx)
            .args(["-e", "stderr"])
            .deadline(LIFE)
            .start();
        let pid_file = scratch.path().join("tmp/php-fpm.pid");
        let web = Self {
            port,
            php,
            pid_file,
            nginx,
            fpm,
            scratch,
        };
        let start = Instant::now();
        while web.get("/readyz").is_ok_and(|page| page.status != 200) || web.get("/readyz").is_err()
        {
            assert!(
                start.elapsed() < PATIENCE,
                "nginx and php-fpm do not answer: {web:#?}"
            );
            thread::sleep(Duration::from_millis(20));
        }
        web
    }

    /// Where its files are: what is `/etc/shop` in a pod.
    #[must_use]
    pub fn place(&self) -> &Path {
        self.scratch.path()
    }

    /// Waits until PHP has logged a line of which `is_it` is true, and gives it.
    ///
    /// # Panics
    ///
    /// It does not.
    #[allow(clippy::must_use_candidate, reason = "often called for the wait alone")]
    #[track_caller]
    pub fn php_line(&self, is_it: impl Fn(&str) -> bool) -> String {
        let start = Instant::now();
        loop {
            let written = self.log("php.log");
            if let Some(line) = written.lines().find(|line| is_it(line)) {
                return line.to_owned();
            }
            assert!(
                start.elapsed() < PATIENCE,
                "PHP has not logged it: {written}"
            );
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Where both have their logs.
    #[must_use]
    pub fn logs(&self) -> PathBuf {
        self.place().join(LOGS)
    }

    /// A log, such as `nginx.log`.
    #[must_use]
    pub fn log(&self, name: &str) -> String {
        let bytes = fs::read(self.logs().join(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Ends php-fpm, while nginx goes on, and gives what it printed; and nginx, and its log, when
    /// `then` is done.
    pub fn without_php(self, then: impl FnOnce(u16)) -> [String; 3] {
        let fpm = self.fpm.kill_after(Duration::ZERO);
        then(self.port);
        let nginx = self.nginx.kill_after(Duration::ZERO);
        let log = fs::read(self.scratch.path().join(LOGS).join("nginx.log")).unwrap_or_default();
        [
            fpm.stderr,
            nginx.stderr,
            String::from_utf8_lossy(&log).into_owned(),
        ]
    }

    /// One page.
    ///
    /// # Errors
    ///
    /// If nobody answers, or not to the end.
    pub fn get(&self, path: &str) -> io::Result<Page> {
        get(self.port, path)
    }
}

/// An answer over HTTP.
#[derive(Debug, Clone)]
pub struct Page {
    /// Its status.
    pub status: u16,
    /// Its headers, in lower case.
    pub headers: BTreeMap<String, String>,
    /// Its body.
    pub body: String,
}

/// Asks `port` of loopback for a page.
///
/// # Errors
///
/// If nobody answers, or not to the end.
pub fn get(port: u16, path: &str) -> io::Result<Page> {
    get_from((Ipv4Addr::LOCALHOST, port).into(), path, "")
}

/// Asks `address` for a page, with more header lines, each ended by CR LF.
///
/// # Errors
///
/// If nobody answers, or not to the end.
pub fn get_from(address: SocketAddr, path: &str, headers: &str) -> io::Result<Page> {
    let request = format!("GET {path} HTTP/1.0\r\nHost: shop.example\r\n{headers}\r\n");
    ask(address, &request, PATIENCE)
}

/// Sends `address` a request of HTTP/1.0, and gives the answer.
///
/// # Errors
///
/// If nobody answers, or not to the end, or not within `patience`.
pub fn ask(address: SocketAddr, request: &str, patience: Duration) -> io::Result<Page> {
    let mut stream = TcpStream::connect_timeout(&address, patience)?;
    stream.set_read_timeout(Some(patience))?;
    stream.write_all(request.as_bytes())?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    // Whoever asks for it may get what is no text.
    let answer = String::from_utf8_lossy(&bytes);
    let broken = || io::Error::other(format!("not an answer: {answer:?}"));
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(broken)?;
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .ok_or_else(broken)?;
    let headers: BTreeMap<String, String> = head
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let complete = headers
        .get("content-length")
        .is_none_or(|length| length.parse() == Ok(bytes.len() - head.len() - 4));
    if !complete {
        return Err(broken());
    }
    Ok(Page {
        status,
        headers,
        body: body.to_owned(),
    })
}

/// Writes the sources of release `name` of a shop whose every page says of which release its parts
/// are.
///
/// # Panics
///
/// The disk refuses.
pub fn write_sources(directory: &Path, name: &str, entry: &str) {
    let write = |path: &str, text: String| {
        let path = directory.join(path);
        fs::create_dir_all(path.parent().expect("a path in a directory"))
            .expect("a scratch directory is writable");
        fs::write(path, text).expect("a scratch directory is writable");
    };
    // It takes its time between its parts, so that a switch may come in between.
    let index = format!(
        "<?php\nspl_autoload_register(static function ($class) {{ require __DIR__ . \
         \"/lib/$class.php\"; }});\n{entry}\necho \"entry={name}\";\nusleep(1000);\necho ' \
         class=' . Widget::release();\nusleep(1000);\nrequire __DIR__ . \
         '/template.php';\nusleep(1000);\necho ' asset=' . file_get_contents(__DIR__ . \
         '/asset.txt');\n"
    );
    write("index.php", index);
    write(
        "lib/Widget.php",
        format!(
            "<?php\nclass Widget\n{{\n    public static function release() {{ return '{name}'; \
             }}\n}}\n"
        ),
    );
    write("template.php", format!(" template={name}"));
    write("asset.txt", name.to_owned());
}

/// Where visitors come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// The network of this process.
    Ours,
    /// That of another one, such as a node's.
    Of(u32),
}

impl Network {
    /// Moves the calling thread there, and what it starts from then on.
    ///
    /// # Errors
    ///
    /// The process has ended, or we are not root.
    pub fn enter(self) -> io::Result<()> {
        let Self::Of(process) = self else {
            return Ok(());
        };
        let namespace = fs::File::open(format!("/proc/{process}/ns/net"))?;
        let network = Some(rustix::thread::LinkNameSpaceType::Network);
        Ok(rustix::thread::move_into_link_name_space(
            namespace.as_fd(),
            network,
        )?)
    }
}
