//! The program that puts a backup back, beside a real `MariaDB`: what a forged, misplaced or broken
//! dump can do. The store is a directory behind a stand-in for rclone.

#![allow(clippy::disallowed_methods, reason = "the test makes its files itself")]

use e2e::{
    platform::server::Database,
    process::{Outcome, Program},
};
use release::Sha256;
use runtime::fixtures::free_port;
use std::{
    env, fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

const RESTORE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../images/backup/longshore-restore"
);
const TIME: &str = "2026-12-01T02-10-33Z";
/// As much of rclone as a restore uses.
const RCLONE: &str = r#"#!/bin/bash
set -euo pipefail
include='*'
while (($#)); do
  case $1 in
    --retries | --log-level) shift ;;
    --include) include=$2 && shift ;;
    --*) ;;
    store:*) path=$STORE/${1#store:} ;;
    *) verb=$1 ;;
  esac
  shift
done
[[ $verb != cat ]] || exec cat "$path"
cd "$path"
find . -type f -printf '%P\n' | while read -r file; do
  # shellcheck disable=SC2053
  [[ $file != $include ]] || printf '%s\n' "$file"
done
"#;

/// What mariadb-dump 10.11 writes of a database, but for comments and settings; the platform's
/// tests have the program itself.
fn dump(shop: &str) -> String {
    format!(
        "/*M!999999\\- enable the sandbox mode */ \n\
         -- MariaDB dump 10.19  Distrib 10.11.19-MariaDB, for debian-linux-gnu (x86_64)\n--\n\
         -- Host: 127.0.0.1    Database: {shop}\n\
         -- ------------------------------------------------------\n\
         DROP TABLE IF EXISTS `orders`;\nCREATE TABLE `orders` (`who` varchar(9));\n\
         LOCK TABLES `orders` WRITE;\nINSERT INTO `orders` VALUES\n('{shop}');\nUNLOCK TABLES;\n\n\
         -- Dump completed on 2026-12-01  2:10:33\n"
    )
}

/// A server with the databases `acme` and `other`, each with the table `orders` and its own user,
/// and an empty store.
struct Place {
    scratch: TempDir,
    port: u16,
    database: Database,
}

impl Place {
    fn new() -> Self {
        let port = free_port();
        let place = Self {
            scratch: tempfile::tempdir().unwrap(),
            port,
            database: Database::listening("127.0.0.1", port),
        };
        for shop in ["acme", "other"] {
            place.database.create(shop, "secret");
            place.database.ask(
                shop,
                &format!(
                    "CREATE TABLE orders (who VARCHAR(9)); INSERT INTO orders VALUES ('{shop}')"
                ),
            );
        }
        let program = place.path("rclone");
        fs::write(&program, RCLONE).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(place.path("database-user"), "acme").unwrap();
        fs::write(place.path("database-password"), "secret").unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// Writes a backup of the shop acme with this dump.
    fn back_up(&self, dump: &str) -> PathBuf {
        let directory = self.path("store/backups/acme").join(TIME);
        fs::create_dir_all(&directory).unwrap();
        let plain = self.path("dump");
        fs::write(&plain, dump).unwrap();
        let part = directory.join("database.sql.zst.0000");
        let zstd = Program::new("zstd").args(["--quiet", "--force", "-o"]);
        zstd.arg(&part).arg(&plain).run().expect(0);
        let digest = Sha256::digest(&fs::read(&part).unwrap());
        let digest = digest.to_string();
        let digest = digest.trim_start_matches("sha256:");
        fs::write(
            directory.join("complete"),
            format!("{digest}  database.sql.zst\n"),
        )
        .unwrap();
        part
    }

    fn restore(&self) -> Outcome {
        let path = format!(
            "{}:{}",
            self.scratch.path().display(),
            env::var("PATH").unwrap()
        );
        Program::new(RESTORE)
            .arg(TIME)
            .env("PATH", path)
            .env("STORE", self.path("store"))
            .env("BACKUP_SHOP", "acme")
            .env("BACKUP_BUCKET", "s3://backups")
            .env("BACKUP_DATABASE", "acme")
            .env("BACKUP_DATABASE_HOST", "127.0.0.1")
            .env("BACKUP_DATABASE_PORT", self.port.to_string())
            .env("BACKUP_SECRET", self.scratch.path())
            .run()
    }

    /// Restores, which is refused with these words.
    #[track_caller]
    fn refuses(&self, said: &str) {
        let outcome = self.restore();
        assert_ne!(outcome.code(), Some(0), "{outcome:?}");
        assert!(outcome.stderr.contains(said), "{outcome:?}");
    }

    #[track_caller]
    fn has(&self, acme: &str, other: &str) {
        for (shop, who) in [("acme", acme), ("other", other)] {
            let found = self.database.ask(shop, "SELECT who FROM orders");
            assert_eq!(found, format!("{who}\n"), "{shop}");
        }
    }
}

#[test]
fn what_was_backed_up_comes_back() {
    let place = Place::new();
    place.back_up(&dump("acme"));
    place
        .database
        .ask("acme", "UPDATE orders SET who = 'later'");
    let outcome = place.restore().expect(0);
    assert!(
        outcome.stdout.contains("database acme is as it was"),
        "{outcome:?}"
    );
    place.has("acme", "other");
}

#[test]
fn a_dump_of_another_shop_changes_nothing() {
    let place = Place::new();
    place.back_up(&dump("other"));
    place.refuses("is of database other, and not of acme");
    place.has("acme", "other");
}

#[test]
fn a_dump_that_is_not_whole_changes_nothing() {
    let place = Place::new();
    let dump = dump("acme");
    place
        .database
        .ask("acme", "UPDATE orders SET who = 'later'");
    // One that ended too early when it was written.
    let (begin, _) = dump.split_once("-- Dump completed").unwrap();
    place.back_up(begin);
    place.refuses("does not end as a dump does");
    // One that lost its end in the store, and one that another hand changed.
    let part = place.back_up(&dump);
    let bytes = fs::read(&part).unwrap();
    for broken in [&bytes[..bytes.len() / 2], &b"\x28\xb5\x2f\xfd"[..]] {
        fs::write(&part, broken).unwrap();
        place.refuses("is not what was written");
    }
    place.has("later", "other");
}

#[test]
fn statements_beyond_the_shop_s_own_tables_are_refused() {
    let place = Place::new();
    let dump = dump("acme");
    let (begin, end) = dump.split_once("-- Dump completed").unwrap();
    let (made, read) = (place.path("made"), Path::new("/etc/passwd").display());
    for (statement, said) in [
        (
            "USE other; UPDATE orders SET who = 'forged';".to_owned(),
            "denied",
        ),
        (
            "UPDATE other.orders SET who = 'forged';".to_owned(),
            "denied",
        ),
        ("DROP DATABASE other;".to_owned(), "denied"),
        (
            "CREATE USER mine; GRANT ALL ON *.* TO mine;".to_owned(),
            "denied",
        ),
        (
            format!("SELECT 1 INTO OUTFILE '{}';", made.display()),
            "denied",
        ),
        (
            format!("LOAD DATA INFILE '{read}' INTO TABLE orders;"),
            "denied",
        ),
        (
            format!("LOAD DATA LOCAL INFILE '{read}' INTO TABLE orders;"),
            "",
        ),
        (format!("\\! touch {}", made.display()), ""),
        (format!("source {read}"), ""),
    ] {
        place.back_up(&format!("{begin}{statement}\n-- Dump completed{end}"));
        let outcome = place.restore();
        assert_ne!(outcome.code(), Some(0), "{statement}: {outcome:?}");
        assert!(outcome.stderr.contains(said), "{statement}: {outcome:?}");
        assert!(!made.exists(), "{statement}");
        place.has("acme", "other");
    }
}
