//! `longshore-agent` as it ships, with its own times, in a pod that runs a release whose shared
//! directories are on the mount.

use crate::{
    agent::{Agent, mounted, nfs_mounts},
    guest::note,
    in_guest,
    network::{self, NOBODY},
    server::{Server, mount_of},
    writer::Writer,
};
use e2e::shop::Shop;
use std::{
    ffi::OsString,
    fs,
    time::{Duration, Instant},
};

/// A probe starts at most 12.5 s after the last one and may take 5 s; the rest is for a slow
/// machine.
const NOTICED: Duration = Duration::from_secs(30);
const SOON: Duration = Duration::from_secs(30);
const BACK: Duration = Duration::from_mins(1);
/// What an answer may take. The best of some is looked at, for a machine that runs several guests
/// on two cores: an answer that waited for a mount or for the store would take seconds each time.
const PROMPT: Duration = Duration::from_millis(100);
const ANSWERS: usize = 10;
/// 8 s to unmount, and the agent's other tasks; its grace is 25 s.
const END: Duration = Duration::from_secs(12);

// A pod's variables, its release pulled.
pub(crate) fn pod(shop: &Shop) -> Vec<(String, OsString)> {
    shop.publish();
    shop.init("pod")
        .env("LONGSHORE_STORAGE", "/mnt/acme")
        .run()
        .expect(0);
    let mut variables = shop.pod_environment("pod");
    // From here on a store that never says a word.
    let silent = format!("http://{NOBODY}:9000");
    let own = [
        ("LONGSHORE_STORAGE", "/mnt/acme"),
        ("LONGSHORE_STORE", "s3://releases/prod"),
        ("AWS_ENDPOINT_URL_S3", silent.as_str()),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ACCESS_KEY_ID", "nobody"),
        ("AWS_SECRET_ACCESS_KEY", "nobody"),
    ];
    variables.extend(own.map(|(name, value)| (name.to_owned(), value.into())));
    variables
}

#[test]
#[ignore = "needs user-mode Linux: make test-nfs"]
fn the_agent_answers_and_ends_in_time_while_its_storage_and_its_store_hang() {
    in_guest(|| {
        let server = Server::start();
        let shop = Shop::on_disk(1, 10);
        let variables = pod(&shop);
        let file = mount_of(
            "acme",
            "subdirectory = \"shops/acme\"\ndirectories = [{ path = \"media\", uid = 33, gid = 33 \
             }]",
        );
        let file = file + &mount_of("static", "subdirectory = \"shops/static\"");
        let mut agent = Agent::start_whole(&variables, &file);
        agent.until("acme", "healthy", SOON);
        agent.until("static", "healthy", SOON);
        let id = mounted("/mnt/acme").unwrap().id;
        // Through the running tree, as the shop does.
        let lines = shop.path("pod/current/media/lines").display().to_string();
        let mut writer = Writer::start(&lines);
        assert_eq!(agent.get("/readyz").status, 200);

        network::cut();
        agent.until("acme", "hung", NOTICED);
        agent.until("static", "hung", NOTICED);
        agent.most_children = 0;
        agent.watch(Duration::from_secs(15));
        let readyz = agent.get("/readyz");
        assert!(
            readyz.status == 503 && readyz.body.contains("FAIL mount:acme: hung since"),
            "{readyz:?}"
        );
        assert_eq!(agent.get("/livez").status, 200);
        assert!(
            agent
                .get("/metrics")
                .body
                .contains("longshore_mount_state{mount=\"acme\",state=\"hung\"} 1.0\n")
        );
        for (path, status) in [
            ("/livez", 200),
            ("/readyz", 503),
            ("/startupz", 503),
            ("/status", 200),
            ("/metrics", 200),
        ] {
            let best = (0..ANSWERS).map(|_| {
                let begin = Instant::now();
                assert_eq!(agent.get(path).status, status, "{path}");
                begin.elapsed()
            });
            let best = best.min().unwrap();
            note(format!("{path} took {best:?}, the best of {ANSWERS}"));
            assert!(best < PROMPT, "{path} took {best:?}");
        }
        note(format!("at most {} children", agent.most_children));
        assert!(
            (1..=2).contains(&agent.most_children),
            "one for each mount, not {}",
            agent.most_children
        );

        // Killed while it hangs; the next one sees it come back.
        agent.kill();
        let mut agent = Agent::start_whole(&variables, &file);
        agent.until("acme", "hung", NOTICED);
        network::mend();
        agent.until("acme", "healthy", BACK);
        agent.until("static", "healthy", BACK);
        assert_eq!(
            (
                agent.get("/readyz").status,
                mounted("/mnt/acme").unwrap().id
            ),
            (200, id)
        );
        writer.goes_on(BACK);
        writer.finish(&server.at("shops/acme/media/lines"));

        network::cut();
        agent.until("acme", "hung", NOTICED);
        let mut writer = Writer::start_blocked(&lines);
        assert!(agent.terminate(END).success());
        assert_eq!(nfs_mounts(), 0);
        assert!(!writer.ends(SOON).success());
        assert_eq!(
            fs::read_dir(server.at("shops/acme/media")).unwrap().count(),
            1
        );
    });
}
