//! The node cache as people meet it: flags, figures, and what is refused.

use e2e::{
    s3::{Faults, Operation, Options, Server},
    shop::{Shop, json, last_event},
};
use std::{fs, os::unix::fs::PermissionsExt as _};

/// The ceiling of the whole process, in bytes: 96 MiB, as without a cache.
const CEILING: u64 = 96 << 20;

#[test]
fn the_second_directory_of_a_laptop_comes_from_its_cache() {
    let server = Server::start(Options::default()).unwrap();
    let shop = Shop::on(&server, 3, 200);
    shop.publish();
    let pull = |directory: &str| {
        json(
            &shop
                .longshore(["pull", "--cache", "cache", "--output", "json", directory])
                .expect(0),
        )
    };
    let first = pull("one");
    assert_eq!(
        (&first["cachedChunks"], &first["source"]),
        (&0.into(), &"store".into())
    );
    server.reset_stats();
    let second = pull("two");
    assert!(second["cachedBytes"].as_u64() > Some(0), "{second}");
    assert_eq!(second["downloadedBytes"], 0);
    assert_eq!(shop.current("one"), shop.current("two"));
    // Whether the release object is another one, and whether there is another trust root.
    let stats = server.stats();
    assert_eq!((stats.total(), stats.count(Operation::GetObject)), (2, 2));
    assert_eq!(
        stats
            .statuses
            .iter()
            .map(|(status, count)| (*status, *count))
            .collect::<Vec<_>>(),
        [(304, 1), (404, 1)]
    );
}

#[test]
fn a_person_learns_that_the_release_is_the_last_known_one() {
    let server = Server::start(Options::default()).unwrap();
    let shop = Shop::on(&server, 1, 20);
    shop.publish();
    let pull = |directory: &str| {
        shop.longshore([
            "pull",
            "--cache",
            "cache",
            "--pull-deadline",
            "8s",
            directory,
        ])
        .expect(0)
        .stdout
    };
    assert!(!pull("one").contains("  source    "));
    server.set_faults(Faults {
        refuse: true,
        ..Faults::default()
    });
    let text = pull("two");
    assert!(
        text.contains("  cache     ") && text.contains("the store cannot be reached"),
        "{text}"
    );
}

#[test]
fn a_cache_that_others_can_enter_is_refused_with_what_to_do() {
    let shop = Shop::on_disk(1, 20);
    shop.publish();
    let cache = shop.path("cache");
    fs::create_dir(&cache)
        .and_then(|()| fs::set_permissions(&cache, fs::Permissions::from_mode(0o755)))
        .unwrap();
    let error = last_event(
        &shop
            .init("pod")
            .env("LONGSHORE_CACHE", &cache)
            .run()
            .expect(64),
    );
    assert_eq!(error["reason"], "cache");
    let text = error["error"].as_str().unwrap();
    assert!(
        text.contains("has mode 0755") && text.contains("chmod it to 0700"),
        "{text}"
    );
    assert!(!cache.join("v1").exists() && !shop.path("pod/current").exists());
}

#[test]
fn memory_stays_below_the_same_ceiling_with_a_cache() {
    let server = Server::start(Options::default()).unwrap();
    let shop = Shop::on(&server, 4, 2_500);
    shop.publish();
    for pod in ["one", "two"] {
        let program = shop
            .init(pod)
            .env("LONGSHORE_CACHE", shop.path("cache"))
            .env("LONGSHORE_MEMORY", "32MiB");
        let pulled = last_event(&program.run().expect(0));
        let peak = pulled["peak_memory_bytes"].as_u64().unwrap();
        println!(
            "{pod}: peak {} KiB, {} bytes from the cache",
            peak / 1024,
            pulled["cached_bytes"]
        );
        assert!(peak < CEILING, "{peak} bytes");
    }
}
