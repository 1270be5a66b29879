//! What a shop owns outlives its pods; its cron, its migrations, and its backups.

#![allow(clippy::disallowed_methods, reason = "the test makes its files itself")]

use e2e::{
    cluster::{Cluster, eventually},
    platform::{
        Class, Platform, Tenant,
        server::{Database, PORT},
    },
    web,
};
use serde_json::json;
use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

pub(crate) const LONG: Duration = Duration::from_mins(3);
/// Files that are written through a pod.
const CANARIES: usize = 50;
pub(crate) const PASSWORD: &str = "not-for-others";

/// Every canary is there, with what was written into it.
#[track_caller]
fn whole(media: &Path, after: &str) {
    for number in 0..CANARIES {
        let path = media.join(format!("canary/{number}.txt"));
        let found = fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("after {after}: {}: {error}", path.display()));
        assert_eq!(found, format!("canary {number}\n"), "after {after}");
    }
    println!("after {after}: {CANARIES} files of {CANARIES}");
}

#[test]
fn shared_files_outlive_pods_workloads_shops_and_directories_of_nodes() {
    let cluster = Cluster::alone();
    let platform = Platform::install(&cluster);
    platform.class(&Class::php("files"));
    let shop = platform.tenant("files");
    web::write_sources(&shop.module("page"), "files", "");
    shop.register(shop.publish(&[("page", "")], "shared = [\"media\"]"));
    let two = json!({ "scale": { "min": 2, "max": 2 } });
    shop.open("files", &two);
    let pods = shop.served_by(2);
    let write = format!(
        "cd /srv/shop/current/media && mkdir canary && for n in $(seq 0 {}); do echo canary $n \
         >canary/$n.txt; done",
        CANARIES - 1
    );
    shop.exec(&pods[0].name, "php-fpm", &["sh", "-c", &write])
        .expect(0);
    // The other node sees them, and nginx serves them.
    let media = platform.shared().join("files/media");
    whole(&media, "a write through one pod");
    assert_eq!(
        shop.page(&pods[1], "/media/canary/7.txt").unwrap().body,
        "canary 7\n"
    );

    let kubectl = |words: &[&str]| {
        cluster
            .kubectl(
                ["--namespace", &shop.namespace]
                    .into_iter()
                    .chain(words.iter().copied()),
            )
            .deadline(LONG)
            .run()
    };
    kubectl(&["delete", "pod", &pods[0].name]).expect(0);
    whole(&media, "a pod was deleted");
    // As if its node had gone: nobody waits for its agent to unmount.
    kubectl(&[
        "delete",
        "pod",
        &pods[1].name,
        "--grace-period=0",
        "--force",
    ])
    .expect(0);
    shop.served_by(2);
    whole(&media, "a pod was deleted by force");
    kubectl(&["delete", "deployment", "web"]).expect(0);
    whole(&media, "the Deployment was deleted");
    // The scheduler makes it again.
    eventually("pods again", LONG, || {
        (shop.pods().len() == 2).then_some(())
    });
    shop.served_by(2);
    cluster.ask(&["delete", "shop", "files"]);
    eventually("the end of its pods", LONG, || {
        (shop.list("web").is_empty() && shop.list("cron").is_empty()).then_some(())
    });
    whole(&media, "the Shop was deleted");
    for node in [1, 2] {
        cluster
            .on_node(
                node,
                &[
                    "rm",
                    "-rf",
                    "/var/lib/longshore/mounts",
                    "/var/lib/longshore/cache",
                ],
            )
            .expect(0);
    }
    whole(&media, "the nodes' directories were removed");
    shop.open("files", &two);
    let pods = shop.served_by(2);
    assert_eq!(
        shop.page(&pods[0], "/media/canary/49.txt").unwrap().body,
        "canary 49\n"
    );
    whole(&media, "the Shop came back");
}

/// What stands in for Magento 2: its commands, on a real database; the version of its schema is the
/// release's.
const COMMANDS: &str = r#"<?php
$root = dirname(__DIR__);
$db = (require "$root/app/etc/env.php")['db']['connection']['default'];
[$host, $port] = explode(':', $db['host'] . ':3306');
$sql = new PDO("mysql:host=$host;port=$port;dbname={$db['dbname']}", $db['username'], $db['password']);
$sql->exec('CREATE TABLE IF NOT EXISTS done (id INT AUTO_INCREMENT PRIMARY KEY, what VARCHAR(64), at DATETIME(3) DEFAULT CURRENT_TIMESTAMP(3))');
$sql->exec('CREATE TABLE IF NOT EXISTS schema_version (version INT)');
// By which the migration's Job knows a database that is Magento's.
$sql->exec('CREATE TABLE IF NOT EXISTS setup_module (module VARCHAR(50))');
$want = (int) file_get_contents("$root/schema.txt");
$have = (int) $sql->query('SELECT MAX(version) FROM schema_version')->fetchColumn();
switch ($argv[1]) {
    case 'setup:db:status':
        exit($have === $want ? 0 : 2);
    case 'setup:upgrade':
        $sql->exec("INSERT INTO done (what) VALUES ('begin $want')");
        sleep(8);
        $sql->exec("INSERT INTO schema_version VALUES ($want); INSERT INTO done (what) VALUES ('end $want')");
        exit(0);
    case 'cron:run':
        $sql->exec("INSERT INTO done (what) VALUES ('cron')");
        exit(0);
    default:
        exit(0);
}
"#;

fn sources(shop: &Tenant<'_>, release: &str, schema: u32) {
    web::write_sources(&shop.module("page"), release, "");
    let commands = shop.module("commands");
    fs::create_dir_all(commands.join("bin")).unwrap();
    fs::write(commands.join("bin/magento"), COMMANDS).unwrap();
    fs::write(commands.join("schema.txt"), schema.to_string()).unwrap();
}

const MODULES: [(&str, &str); 2] = [("page", "pub"), ("commands", "")];

fn spec(migration: &str) -> String {
    format!(
        "shared = [\"app/etc/env.php\", \"pub/media\", \"var/export\", \"var/import\", \
         \"var/importexport\"]\nmigration = \"{migration}\""
    )
}

#[test]
fn cron_runs_each_minute_and_migrations_gate_their_releases() {
    let cluster = Cluster::alone();
    let platform = Platform::install(&cluster);
    let database = Database::start(&cluster);
    database.create("shop", PASSWORD);
    // A shop that was moved in. The first Job of one whose database is empty says so, and nothing
    // else runs before that is mended.
    database.ask("shop", "CREATE TABLE setup_module (module VARCHAR(50))");
    platform.class(&Class {
        engine: "Magento2",
        shared: Vec::new(),
        database: Some(PORT),
        ..Class::php("magento")
    });
    let shop = platform.tenant("magento");
    sources(&shop, "one", 0);
    shop.register(shop.publish(&MODULES, &spec("none")));
    let services = json!({
        "database": { "ref": "db", "name": "shop" }, "media": { "ref": "disk", "path": "/magento" },
    });
    shop.open(
        "magento",
        &json!({
            "scale": { "min": 2, "max": 2 }, "services": services,
            "config": { "secretRef": { "name": "env" } },
        }),
    );
    shop.secret(
        "env",
        &json!({
            "database-user": "shop", "database-password": PASSWORD, "crypt-key": "0123456789abcdef",
        }),
    );
    shop.served_by(2);
    // Twice, a minute apart.
    let cron = || {
        database
            .try_ask(
                "shop",
                "SELECT COUNT(*), TIMESTAMPDIFF(MICROSECOND, MIN(at), MAX(at)) / 1000000 FROM \
                 done WHERE what = 'cron'",
            )
            .unwrap_or_default()
    };
    let ran = eventually("two runs of cron", LONG, || {
        cron().starts_with("2\t").then(cron)
    });
    let apart: f64 = ran.trim().split('\t').nth(1).unwrap().parse().unwrap();
    println!("cron ran twice, {apart:.1} s apart");
    assert!((55.0..65.0).contains(&apart), "{ran}");

    for (release, schema, migration) in [("two", 2, "additive"), ("three", 3, "breaking")] {
        gated(&platform, &shop, &database, (release, schema, migration));
    }
}

/// Rolls a release out, and watches its pods and its database until every pod serves it.
fn gated(
    platform: &Platform<'_>,
    shop: &Tenant<'_>,
    database: &Database,
    (release, schema, migration): (&str, u32, &str),
) {
    sources(shop, release, schema);
    let sequence = shop.publish(&MODULES, &spec(migration));
    shop.register(sequence);
    let pods = shop.served_by(2);
    shop.roll_out(sequence);
    let (begin, mut held, mut paused, mut closed) = (Instant::now(), 0, false, false);
    let wanted = format!("entry={release} ");
    loop {
        let pages: Vec<_> = pods.iter().map(|pod| shop.page(pod, "/")).collect();
        // A shop is open while its database grows, and closed while the release before would
        // not know it.
        let status =
            |page: &Result<web::Page, _>| page.as_ref().map_or(0, |page: &web::Page| page.status);
        let bad: Vec<_> = pages
            .iter()
            .filter(|page| ![200, 503].contains(&status(page)))
            .collect();
        assert!(bad.is_empty(), "during the {migration} migration: {bad:#?}");
        closed |= pages.iter().any(|page| status(page) == 503);
        // Whoever serves the release, does so after its database is there. Asked in this order,
        // a page cannot be ahead of the answer.
        let version = database.ask("shop", "SELECT IFNULL(MAX(version), 0) FROM schema_version");
        let new = pages
            .iter()
            .flatten()
            .filter(|page| page.body.starts_with(&wanted))
            .count();
        assert!(
            new == 0 || version.trim() == schema.to_string(),
            "{new} pods serve {release} on a database of {version}"
        );
        held += usize::from(new == 0 && version.trim() != schema.to_string());
        let migrates = || {
            shop.list("migration")
                .iter()
                .any(|pod| pod["status"]["phase"] == "Running")
        };
        let crons = shop.list("cron").len();
        paused |= crons == 0;
        // Both questions twice, as nothing answers them for one moment.
        assert!(
            !(migrates() && !shop.list("cron").is_empty() && migrates()),
            "cron has not ended, and the database is being changed"
        );
        if new == pods.len() {
            break;
        }
        assert!(
            begin.elapsed() < LONG,
            "{release} is not served\n{}",
            platform.tell(&shop.namespace)
        );
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(held > 10, "nobody waited for the migration");
    assert_eq!(
        closed,
        migration == "breaking",
        "whether visitors were kept out during the {migration} migration"
    );
    assert!(
        paused,
        "cron went on while the database was changed ({migration})"
    );
    let span = format!(
        "SELECT COUNT(*) FROM done WHERE what = 'cron' AND id BETWEEN (SELECT id FROM done \
         WHERE what = 'begin {schema}') AND (SELECT id FROM done WHERE what = 'end {schema}')"
    );
    assert_eq!(
        database.ask("shop", &span).trim(),
        "0",
        "cron ran within the migration"
    );
    platform.rollout(&shop.release_name(sequence), LONG, |status| {
        status["phase"] == "Completed"
    });
    println!(
        "{migration}: every pod serves {release} {:.1} s after the rollout began, its \
         migration of 8 s first",
        begin.elapsed().as_secs_f64()
    );
    eventually("cron again", LONG, || {
        shop.list("cron")
            .iter()
            .any(|pod| pod["status"]["phase"] == "Running")
            .then_some(())
    });
}
