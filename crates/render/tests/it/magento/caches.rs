//! Caches of releases before, in a real Redis.

mod isolation;

use super::{Pod, RELEASE, files, php, printed, said};
use api::Tenants;
use render::redis::{Password, acl};
use runtime::fixtures::free_port;
use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    os::unix::process::CommandExt as _,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// A server of its own, on a port that was free.
struct Redis {
    program: Child,
    port: u16,
}

impl Redis {
    fn start(password: &str) -> Self {
        let port = free_port();
        // Debian's package redis-server starts one by itself; this program of redis-tools is the
        // same, by another name.
        let mut command = Command::new("redis-check-rdb");
        command.arg0("redis-server");
        command.args([
            "--port",
            &port.to_string(),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--requirepass",
            password,
        ]);
        let program = command
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-check-rdb; `make tools` installs it");
        let redis = Self { program, port };
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(
                begun.elapsed() < Duration::from_mins(1),
                "redis-server does not listen"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        redis
    }

    /// What the server answers to these lines, as redis-cli prints it.
    fn ask(&self, lines: &str) -> String {
        self.ask_with(&["-a", "s'3cret"], lines)
    }

    /// The same, as the user of a shop.
    fn ask_as(&self, user: &str, lines: &str) -> String {
        self.ask_with(&["--user", user, "--pass", &format!("of {user}")], lines)
    }

    fn ask_with(&self, login: &[&str], lines: &str) -> String {
        let mut command = Command::new("redis-cli");
        command
            .args(login)
            .args(["--no-auth-warning", "-p", &self.port.to_string()]);
        let mut cli = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        cli.stdin
            .take()
            .unwrap()
            .write_all(lines.as_bytes())
            .unwrap();
        let mut answer = String::new();
        cli.stdout
            .take()
            .unwrap()
            .read_to_string(&mut answer)
            .unwrap();
        cli.wait().unwrap();
        answer
    }

    fn count(&self, database: u8, key: &str) -> u64 {
        self.ask(&format!("SELECT {database}\nEXISTS {key}\n"))
            .lines()
            .last()
            .unwrap()
            .parse()
            .unwrap()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.program.kill().ok();
        self.program.wait().ok();
    }
}

const GONE: &str = "fedcba9876543210";

fn pod(platform: &str, redis: &Redis) -> Pod {
    let files = files(platform, |_, class| {
        class.spec.backends.caches[0].tenants = Tenants::Trusted;
        (
            class.spec.backends.caches[0].host,
            class.spec.backends.caches[0].port,
        ) = ("127.0.0.1".into(), redis.port.into());
    });
    let pod = Pod::new();
    pod.put("etc/secret/cache-password", "s'3cret\n");
    pod.put("clean-caches.php", &files["clean-caches.php"]);
    let name = if platform == "aws" {
        "env.php"
    } else {
        "local.xml"
    };
    pod.configure(name, &files[name]);
    pod
}

/// Writes an entry as both engines' backend does: a hash, the set of a tag, and the list of tags.
fn cached(redis: &Redis, database: u8, prefix: &str) {
    redis.ask(&format!(
        "SELECT {database}\nHSET zc:k:{prefix}CONFIG_GLOBAL d data\nSADD zc:ti:{prefix}CONFIG \
         {prefix}CONFIG_GLOBAL\nSADD zc:tags {prefix}CONFIG\n"
    ));
}

#[test]
fn what_a_release_before_has_cached_goes_and_nothing_else() {
    let server = Redis::start("s'3cret");
    let redis = &server;
    for (platform, shop, databases) in [("aws", "acme_", &[0, 1][..]), ("azure", "vinyl_", &[0])] {
        redis.ask("FLUSHALL\n");
        let pod = pod(platform, redis);
        let files = std::fs::read_to_string(pod.tree().join(if platform == "aws" {
            "app/etc/env.php"
        } else {
            "app/etc/local.xml"
        }))
        .unwrap();
        let at = files.find(&format!("{shop}{RELEASE}_")).unwrap();
        let live = &files[at..][..shop.len() + "0123456789abcdef_01234567_".len()];
        let old = format!("{shop}{GONE}_01234567_");
        // Another configuration of the same release; another shop, whose prefix begins with this
        // one's; and what no release is in.
        let changed = format!("{shop}{RELEASE}_76543210_");
        let others = [
            format!("{shop}b_{GONE}_01234567_"),
            format!("other_{GONE}_01234567_"),
            shop.to_owned(),
            format!("{shop}0_"),
        ];
        for &database in databases {
            for prefix in [live, &old, &changed]
                .into_iter()
                .chain(others.iter().map(String::as_str))
            {
                cached(redis, database, prefix);
            }
            // More than one turn of SCAN.
            redis.ask(&format!(
                "SELECT {database}\nEVAL \"for i=1,3000 do \
                 redis.call('HSET','zc:k:{old}'..i,'d','x') end\" 0\n"
            ));
        }
        let clean = |keep: &str| php(&["clean-caches.php", keep], &pod.path(""));
        let there = |prefix: &str| {
            let keys = [
                format!("zc:k:{prefix}CONFIG_GLOBAL"),
                format!("zc:ti:{prefix}CONFIG"),
            ];
            let all = databases
                .iter()
                .flat_map(|&database| keys.iter().map(move |key| redis.count(database, key)));
            all.sum::<u64>() == 2 * databases.len() as u64
        };
        // A day has to pass since it was first seen without its release.
        assert_eq!(printed(&clean("86400")), "", "{platform}");
        assert!(there(&old) && there(&changed));
        assert!(
            redis
                .ask(&format!("HGETALL longshore:{shop}\n"))
                .contains(&old)
        );

        // Half of that time has passed, so that it looks again; and all of it.
        let removed = printed(&clean("0"));
        let expected = databases.len() * (3000 + 4);
        assert_eq!(
            removed,
            format!("clean-caches: {expected} keys of releases before are gone\n"),
            "{platform}"
        );
        assert!(
            !there(&old) && !there(&changed) && there(live),
            "{platform}"
        );
        assert_eq!(redis.count(0, &format!("zc:k:{old}17")), 0);
        for prefix in &others {
            assert!(there(prefix), "{platform}: {prefix}");
        }
        let tags = redis.ask("SMEMBERS zc:tags\n");
        assert!(
            tags.contains(live) && !tags.contains(&old) && tags.contains(&others[0]),
            "{tags}"
        );
    }
}

#[test]
fn without_a_release_nothing_is_removed_and_errors_are_told() {
    let redis = Redis::start("s'3cret");
    let pod = pod("aws", &redis);
    cached(&redis, 0, &format!("acme_{GONE}_01234567_"));
    std::fs::remove_file(pod.tree().join("app/etc/env.php")).unwrap();
    let output = php(&["clean-caches.php", "0"], &pod.path(""));
    assert!(
        !output.status.success() && said(&output).contains("no release here has a prefix"),
        "{}",
        said(&output)
    );
    assert_eq!(
        redis.count(0, &format!("zc:k:acme_{GONE}_01234567_CONFIG_GLOBAL")),
        1
    );

    let pod = self::pod("aws", &redis);
    pod.put("etc/secret/cache-password", "wrong");
    let output = php(&["clean-caches.php", "0"], &pod.path(""));
    assert!(
        !output.status.success() && said(&output).contains("clean-caches: the server says "),
        "{}",
        said(&output)
    );
}
