//! The Job's scripts: with a stand-in for Magento, and a real server for what they ask of the
//! database.

use super::{Pod, files, php, printed, ran, said};
use runtime::fixtures::free_port;
use serde_json::{Value, json};
use std::{
    fs,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

/// A stand-in for Magento 2's bin/magento: says what it was told and what it sees, and writes where
/// Magento would.
const MAGENTO: &str = r#"<?php
$words = array_slice($_SERVER['argv'], 1);
$etc = $_SERVER['MAGE_DIRS']['etc']['path'] ?? 'app/etc';
$env = require "$etc/env.php";
$config = require "$etc/config.php";
$var = $_SERVER['MAGE_DIRS']['var']['path'] ?? null;
$seen = [
    'words' => $words,
    'base' => $_SERVER['MAGE_DIRS']['base']['path'] ?? null,
    'installed' => isset($env['install']),
    'redis' => isset($env['cache']['frontend']),
    'scopes' => isset(array_replace_recursive($config, $env)['scopes']),
    'modules' => $config['modules'] ?? null,
];
file_put_contents('@LOG@', json_encode($seen) . "\n", FILE_APPEND);
if ($var !== null) {
    file_put_contents("$etc/config.php", "<?php return ['modules' => ['Acme_New' => 1]];") || exit(9);
    file_put_contents("$etc/env.php", '<?php return ' . var_export(['install' => ['date' => 'now']] + $env, true) . ';') || exit(9);
    file_put_contents("$var/.maintenance.flag", '') === false && exit(9);
    file_put_contents($_SERVER['MAGE_DIRS']['log']['path'] . '/exception.log', "what went wrong\n", FILE_APPEND) || exit(9);
}
$codes = json_decode(file_get_contents('@CODES@'), true);
exit($codes[$words[0]] ?? 0);
"#;

struct Run {
    output: Output,
    seen: Vec<Value>,
}

impl Run {
    fn words(&self) -> Vec<String> {
        self.seen
            .iter()
            .map(|one| one["words"][0].as_str().unwrap().to_owned())
            .collect()
    }
}

fn migrate(database: i32, codes: &Value, secrets: &[(&str, &str)]) -> Run {
    let files = files("aws", |_, _| {});
    let pod = Pod::new();
    pod.put("etc/secret/crypt-key", "0123");
    for (key, value) in secrets {
        pod.put(&format!("etc/secret/{key}"), value);
    }
    pod.configure("env.php", &files["env.php"]);
    pod.put_in_tree(
        "app/etc/config.php",
        "<?php return ['modules' => ['Acme_Loyalty' => 1], 'scopes' => ['stores' => ['default' => \
         []]]];",
    );
    pod.put_in_tree("app/etc/di.xml", "<config/>");
    let (log, table) = (pod.path("log"), pod.put("codes", &codes.to_string()));
    fs::write(&log, "").unwrap();
    let program = MAGENTO
        .replace("@LOG@", log.to_str().unwrap())
        .replace("@CODES@", table.to_str().unwrap());
    pod.put_in_tree("bin/magento", &program);
    pod.put(
        "etc/scripts/database.php",
        &format!("<?php exit({database});"),
    );
    pod.put("etc/scripts/migrate.php", &files["migrate.php"]);
    let script = pod.put("etc/scripts/migrate.sh", &files["migrate.sh"]);
    // As in a pod: nobody writes into the release.
    let before = fs::read_to_string(pod.tree().join("app/etc/config.php")).unwrap();
    let output = ran(Command::new("sh").arg(script));
    assert_eq!(
        fs::read_to_string(pod.tree().join("app/etc/config.php")).unwrap(),
        before
    );
    assert!(!pod.tree().join("var").exists());
    let seen = fs::read_to_string(log)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    Run { output, seen }
}

#[test]
fn an_upgrade_writes_into_copies_without_redis_and_without_the_stores_of_ci() {
    let run = migrate(0, &json!({ "setup:db:status": 2 }), &[]);
    printed(&run.output);
    assert_eq!(
        run.words(),
        ["setup:db:status", "setup:upgrade", "cache:clean"]
    );
    for seen in &run.seen[..2] {
        assert_eq!(
            (&seen["redis"], &seen["scopes"], &seen["installed"]),
            (&json!(false), &json!(false), &json!(true))
        );
        assert!(
            seen["base"]
                .as_str()
                .unwrap()
                .ends_with("/srv/releases/0123456789abcdef")
        );
    }
    assert_eq!(run.seen[0]["modules"], json!({ "Acme_Loyalty": 1 }));
    assert_eq!(
        run.seen[2]["scopes"], false,
        "nor does a program that has the release's own directories see them"
    );
    // Of its own prefix, and by type: nothing of another shop, or release.
    assert_eq!(
        (&run.seen[2]["redis"], &run.seen[2]["base"]),
        (&json!(true), &Value::Null)
    );
}

#[test]
fn a_current_database_is_left_alone_and_failures_are_told() {
    let run = migrate(0, &json!({}), &[]);
    assert_eq!(
        (printed(&run.output).as_str(), run.words().len()),
        ("migrate: the database is current\n", 2)
    );
    for (codes, step) in [
        (json!({ "setup:db:status": 1 }), "do not match"),
        (json!({ "setup:db:status": 2, "setup:upgrade": 1 }), ""),
    ] {
        let run = migrate(0, &codes, &[]);
        assert_eq!(run.output.status.code(), Some(1));
        assert!(
            said(&run.output).contains(step) && said(&run.output).contains("what went wrong"),
            "{}",
            said(&run.output)
        );
    }
    // 3 and 4 have a meaning, which is not Magento's.
    for code in [3, 4] {
        assert_eq!(
            migrate(
                0,
                &json!({ "setup:db:status": 2, "setup:upgrade": code }),
                &[]
            )
            .output
            .status
            .code(),
            Some(1)
        );
    }
    assert_eq!(
        migrate(1, &json!({}), &[]).output.status.code(),
        Some(1),
        "a database that cannot be asked"
    );
}

#[test]
fn an_empty_database_is_installed_or_named() {
    let run = migrate(
        3,
        &json!({}),
        &[("admin-user", "boss"), ("admin-email", "a@b.example")],
    );
    assert_eq!((run.output.status.code(), run.words().len()), (Some(3), 0));
    assert!(
        said(&run.output).contains("add to its Secret: admin-password\n"),
        "{}",
        said(&run.output)
    );

    let secrets = [
        ("admin-user", "boss"),
        ("admin-email", "a@b.example"),
        ("admin-password", "p'$(x) \"w"),
        ("database-user", "u"),
        ("database-password", "secret word"),
    ];
    let run = migrate(3, &json!({}), &secrets);
    printed(&run.output);
    assert_eq!(
        run.words(),
        ["setup:install", "setup:db:status", "cache:clean"]
    );
    assert_eq!(
        (&run.seen[0]["installed"], &run.seen[1]["installed"]),
        (&json!(false), &json!(true))
    );
    let words: Vec<&str> = run.seen[0]["words"]
        .as_array()
        .unwrap()
        .iter()
        .map(|word| word.as_str().unwrap())
        .collect();
    for word in [
        "--admin-password=p'$(x) \"w",
        "--db-password=secret word",
        "--db-name=shop_acme",
        "--base-url=https://www.acme.example/",
        "--backend-frontname=admin",
        "--key=0123",
    ] {
        assert!(words.contains(&word), "{word} is not among {words:?}");
    }
}

/// A server of its own.
struct Server {
    program: Child,
    top: tempfile::TempDir,
    port: u16,
}

impl Server {
    fn start() -> Self {
        let top = tempfile::tempdir().unwrap();
        let data = format!("--datadir={}/data", top.path().display());
        let made = [
            "--no-defaults",
            &data,
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
        ];
        // Its temporary tables are named after its process, which others elsewhere count, too.
        let program = |name| {
            let mut command = Command::new(name);
            command.env("TMPDIR", top.path());
            command
        };
        printed(&ran(program("mariadb-install-db").args(made)));
        let port = free_port();
        let socket = format!("--socket={}/s", top.path().display());
        let mut command = program("mariadbd");
        command.args([
            "--no-defaults",
            "--user=root",
            "--bind-address=127.0.0.1",
            "--skip-name-resolve",
            &data,
            &socket,
        ]);
        command
            .args(["--innodb-buffer-pool-size=8M", &format!("--port={port}")])
            .stderr(Stdio::null());
        let program = command.spawn().expect("mariadbd; `make tools` installs it");
        let server = Self { program, top, port };
        let begun = Instant::now();
        while !server.tell("SELECT 1") {
            assert!(
                begun.elapsed() < Duration::from_mins(2),
                "mariadbd does not answer"
            );
            std::thread::sleep(Duration::from_millis(100));
        }
        server
    }

    fn tell(&self, sql: &str) -> bool {
        let mut command = Command::new("mariadb");
        command.args([
            "--no-defaults",
            "-uroot",
            &format!("--socket={}/s", self.top.path().display()),
            "-e",
            sql,
        ]);
        command
            .stderr(Stdio::null())
            .stdout(Stdio::null())
            .status()
            .unwrap()
            .success()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.program.kill().ok();
        self.program.wait().ok();
    }
}

#[test]
fn an_empty_database_and_one_of_other_tables_are_told_apart() {
    let server = Server::start();
    assert!(server.tell(
        "CREATE USER u@'127.0.0.1' IDENTIFIED BY 'p\\'w'; GRANT ALL ON *.* TO u@'127.0.0.1'"
    ));
    for (platform, name, file, table) in [
        ("aws", "shop_acme", "env.php", "setup_module"),
        ("azure", "shop_vinyl", "local.xml", "core_resource"),
    ] {
        let files = files(platform, |shop, class| {
            (
                class.spec.backends.databases[0].host,
                class.spec.backends.databases[0].port,
            ) = ("127.0.0.1".into(), server.port.into());
            shop.spec.services.database.as_mut().unwrap().table_prefix = Some("m_".into());
        });
        let pod = Pod::new();
        for (key, value) in [
            ("database-user", "u"),
            ("database-password", "p'w\n"),
            ("crypt-key", "0"),
        ] {
            pod.put(&format!("etc/secret/{key}"), value);
        }
        pod.configure(file, &files[file]);
        let program = pod.put("etc/scripts/database.php", &files["database.php"]);
        let ask = || {
            let output = php(&[program.to_str().unwrap()], &pod.tree());
            (output.status.code(), said(&output))
        };
        let (code, said) = ask();
        assert!(
            code == Some(1) && said.contains(&format!("migrate: database {name} at 127.0.0.1: ")),
            "it is not there: {said}"
        );
        assert!(server.tell(&format!("CREATE DATABASE {name}")));
        assert_eq!(
            ask(),
            (
                Some(3),
                format!("migrate: database {name} at 127.0.0.1 is empty\n")
            )
        );
        assert!(server.tell(&format!("CREATE TABLE {name}.{table} (id int)")));
        let (code, said) = ask();
        assert!(
            code == Some(1)
                && said.contains(&format!("has no table m_{table}"))
                && said.contains("is tablePrefix right?"),
            "{said}"
        );
        assert!(server.tell(&format!("CREATE TABLE {name}.m_{table} (id int)")));
        assert_eq!(ask(), (Some(0), String::new()));
    }
}
