//! `longshore-agent` notices files that changed, and puts them back.

use crate::agent::Pod;
use e2e::{
    s3::{self, Effect, Fault},
    web::Web,
};
use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};
#[test]
fn changed_files_are_noticed_and_put_back() {
    let mut pod = Pod::new();
    let program = pod.program().env("LONGSHORE_POLL", "5s");
    pod.start(program);
    let scanned = pod.agent.until("the tree was scanned", |status| {
        !status["tamper"]["lastScanAt"].is_null()
    });
    let file = pod.root().join("current/lib/Widget.php");
    let whole = fs::read_to_string(&file).unwrap();
    fs::write(&file, "<?php // somebody was here\n").unwrap();
    fs::remove_file(pod.root().join("current/asset.txt")).unwrap();
    let status = pod.agent.until("they are put back", |status| {
        status["tamper"]["repairedFiles"] == 2
    });
    assert_eq!(
        (
            fs::read_to_string(&file).unwrap(),
            status["tamper"]["changedFiles"].as_u64()
        ),
        (whole, Some(2))
    );
    assert!(pod.root().join("current/asset.txt").is_file());
    // Again, in the tree that was made anew; and what the shop itself may write is none of our
    // business.
    pod.agent.until("it is watched again", |status| {
        status["tamper"]["lastScanAt"] != scanned["tamper"]["lastScanAt"]
    });
    fs::write(pod.root().join("current/var/cache/page"), "cached").unwrap();
    fs::write(
        pod.root().join("current/template.php"),
        "<?php // and again",
    )
    .unwrap();
    let status = pod.agent.until("it is put back", |status| {
        status["tamper"]["repairedFiles"] == 3
    });
    assert_eq!(status["tamper"]["changedFiles"], 3);
    // What nobody released goes.
    fs::write(
        pod.root().join("current/lib/shell.php"),
        "<?php eval($_POST['x']);",
    )
    .unwrap();
    let status = pod.agent.until("it is gone", |status| {
        status["tamper"]["repairedFiles"] == 4
    });
    assert_eq!(
        (
            status["tamper"]["changedFiles"].as_u64(),
            pod.root().join("current/lib/shell.php").exists()
        ),
        (Some(4), false)
    );
    pod.agent.end();
}

#[test]
fn a_changed_script_that_php_compiled_is_forgotten_once_it_is_put_back() {
    let mut pod = Pod::new();
    let web = Web::start(&pod.root());
    let file = pod.root().join("current/index.php");
    let entry = fs::read_to_string(&file).unwrap();
    fs::write(&file, "<?php echo 'somebody was here';").unwrap();
    assert_eq!(web.get("/").unwrap().body, "somebody was here");
    let program = pod.with_shop(&web);
    pod.start(program);
    pod.agent.until("it is put back", |status| {
        status["tamper"]["repairedFiles"] == 1
    });
    assert_eq!(fs::read_to_string(&file).unwrap(), entry);
    assert!(
        web.get("/").unwrap().body.starts_with("entry=1 "),
        "{:?}",
        web.get("/")
    );
    // Added, compiled, and gone.
    pod.agent.until("it is watched again", |status| {
        status["tamper"]["unrepairedFiles"] == 0 && !status["tamper"]["lastScanAt"].is_null()
    });
    let shell = pod.root().join("current/lib/Shell.php");
    fs::write(
        &shell,
        "<?php class Shell { public static function release() { return 'shell'; } }",
    )
    .unwrap();
    pod.agent.until("it is gone", |status| {
        status["tamper"]["repairedFiles"] == 2
    });
    assert!(!shell.exists());
    pod.agent.end();
}

#[test]
fn a_change_that_is_undone_at_once_is_noticed_and_what_the_shop_wrote_stays() {
    let mut pod = Pod::new();
    let program = pod.program().env("LONGSHORE_POLL", "5s");
    pod.start(program);
    pod.agent.until("the tree was scanned", |status| {
        !status["tamper"]["lastScanAt"].is_null()
    });
    let page = pod.root().join("current/var/cache/page");
    fs::write(&page, "cached").unwrap();
    let file = pod.root().join("current/template.php");
    let (whole, modified) = (
        fs::read(&file).unwrap(),
        file.metadata().unwrap().modified().unwrap(),
    );
    fs::write(&file, "<?php // somebody was here").unwrap();
    fs::write(&file, &whole).unwrap();
    fs::File::options()
        .write(true)
        .open(&file)
        .unwrap()
        .set_modified(modified)
        .unwrap();
    pod.agent.until("it is counted and put back", |status| {
        status["tamper"]["repairedFiles"] == 1
    });
    assert_eq!(
        (
            fs::read(&file).unwrap(),
            fs::read_to_string(page).unwrap().as_str()
        ),
        (whole, "cached")
    );
    pod.agent.end();
}

#[test]
fn a_scan_ends_while_the_shop_writes_all_the_time() {
    let mut pod = Pod::new();
    fs::write(pod.shop.module(0).join("large.txt"), vec![b'x'; 3 << 20]).unwrap();
    pod.shop.publish();
    pod.shop.init("pod").run().expect(0);
    let (cache, stop) = (
        pod.root().join("current/var/cache"),
        Arc::<AtomicBool>::default(),
    );
    let stopped = Arc::clone(&stop);
    let writer = thread::spawn(move || {
        let mut pages = 0_u64;
        while !stopped.load(Relaxed) {
            fs::write(cache.join(format!("page{}", pages % 50)), pages.to_string()).unwrap();
            pages += 1;
            thread::sleep(Duration::from_millis(20));
        }
        pages
    });
    // It takes three seconds, in which the shop writes a hundred times.
    let program = pod
        .program()
        .env("LONGSHORE_POLL", "5s")
        .env("LONGSHORE_SCAN", "1MiB");
    pod.start(program);
    let status = pod.agent.until("the scan ended", |status| {
        !status["tamper"]["lastScanAt"].is_null()
    });
    stop.store(true, Relaxed);
    assert!(writer.join().unwrap() > 10);
    assert_eq!(
        (
            status["tamper"]["changedFiles"].as_u64(),
            status["tamper"]["repairedFiles"].as_u64()
        ),
        (Some(0), Some(0))
    );
    assert!(
        pod.agent
            .get("/metrics")
            .unwrap()
            .body
            .contains("longshore_last_scan_timestamp_seconds ")
    );
    pod.agent.end();
}

#[test]
fn files_that_cannot_be_put_back_are_tried_again_until_they_are() {
    let mut pod = Pod::new();
    let program = pod
        .program()
        .env("LONGSHORE_POLL", "5s")
        .env("LONGSHORE_DEADLINE", "3s");
    pod.start(program);
    pod.agent.until("the tree was scanned", |status| {
        !status["tamper"]["lastScanAt"].is_null()
    });
    pod.server
        .fault(Fault::new(Effect::access_denied()).lasting(Duration::from_mins(10)));
    let file = pod.root().join("current/template.php");
    let whole = fs::read(&file).unwrap();
    fs::write(&file, "<?php // somebody was here").unwrap();
    pod.agent.until("it is open", |status| {
        status["tamper"]["unrepairedFiles"] == 1
    });
    let metrics = pod.agent.get("/metrics").unwrap().body;
    let open = metrics
        .lines()
        .find(|line| line.starts_with("longshore_unrepaired_files"));
    assert!(open.is_some_and(|line| line.ends_with(" 1.0")), "{open:?}");
    pod.server.set_faults(s3::Faults::default());
    let last = pod
        .agent
        .within(Duration::from_mins(1), "it is put back", |status| {
            status["tamper"]["repairedFiles"] == 1
        })
        .unwrap();
    assert_eq!(
        (
            fs::read(&file).unwrap(),
            last["tamper"]["unrepairedFiles"].as_u64()
        ),
        (whole, Some(0))
    );
    pod.agent.end();
}
