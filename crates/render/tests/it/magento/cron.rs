//! The loop of the cron container: consumers end with their release.

use super::{Pod, files, printed, ran};
use std::{
    fs,
    os::unix::{fs::symlink, process::ExitStatusExt as _},
    path::Path,
    process::{Child, Command},
    time::{Duration, Instant},
};

/// A consumer as Magento's cron starts it, of a release's tree; a stubborn one ignores TERM.
fn consumer(pod: &Pod, release: &str, stubborn: bool) -> Child {
    let trap = if stubborn { "trap '' TERM" } else { "true" };
    let program = pod.put(
        &format!("srv/releases/{release}/bin/magento"),
        &format!("{trap}\nwhile :; do sleep 0.05; done\n"),
    );
    let child = Command::new("sh")
        .arg(program)
        .args(["queue:consumers:start", "product_action_attribute.update"])
        .spawn()
        .unwrap();
    let link = pod.path("proc").join(child.id().to_string());
    fs::create_dir_all(pod.path("proc")).unwrap();
    // The processes of this test and no others: /proc has those of the whole machine.
    symlink(Path::new("/proc").join(child.id().to_string()), link).unwrap();
    child
}

#[test]
fn consumers_of_a_release_before_end_after_a_switch() {
    let pod = Pod::new();
    let mut new = consumer(&pod, "1111111111111111", false);
    let mut old = consumer(&pod, "0000000000000000", false);
    let mut stubborn = consumer(&pod, "0000000000000001", true);
    let cron = &files("aws", |_, _| {})["cron.sh"];
    let functions = cron
        .split("while [ \"$stop\"")
        .next()
        .unwrap()
        .replace("/proc/", &format!("{}/", pod.path("proc").display()));
    // Each turn is a minute of cron; a turn more ends who has not ended by TERM.
    let turn = format!(
        "end_others \"{}\"\nsleep 0.5\n",
        pod.path("srv/releases/1111111111111111").display()
    );
    let alive =
        |children: [&mut Child; 3]| children.map(|child| child.try_wait().unwrap().is_none());
    let script = |turns: usize| {
        pod.put(
            &format!("turns-{turns}.sh"),
            &format!("{functions}{}", turn.repeat(turns)),
        )
    };

    printed(&ran(Command::new("sh").arg(script(1))));
    assert_eq!(
        alive([&mut new, &mut old, &mut stubborn]),
        [true; 3],
        "a minute for what they are at"
    );
    let output = ran(Command::new("sh").arg(script(2)));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(told.matches("is told to end").count(), 2, "{told}");
    let begun = Instant::now();
    while old.try_wait().unwrap().is_none() && begun.elapsed() < Duration::from_secs(30) {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(
        alive([&mut new, &mut old, &mut stubborn]),
        [true, false, true]
    );
    printed(&ran(Command::new("sh").arg(script(3))));
    assert_eq!(stubborn.wait().unwrap().signal(), Some(9));
    assert!(
        new.try_wait().unwrap().is_none(),
        "that of the release in force goes on"
    );
    new.kill().unwrap();
    new.wait().unwrap();
}

#[test]
fn caches_are_cleaned_once_an_hour_where_there_are_any() {
    let pod = Pod::new();
    let cron = &files("aws", |_, _| {})["cron.sh"];
    let functions = pod.here(cron.split("while [ \"$stop\"").next().unwrap());
    pod.put(
        "etc/scripts/clean-caches.php",
        "<?php file_put_contents(__DIR__ . '/done', '.', FILE_APPEND);",
    );
    // Three minutes of one hour, and one of the next.
    let hours = "clean\nclean\nclean\nwait\ndate() { echo 9999999999; }\nclean\nwait\n";
    let script = pod.put("hours.sh", &format!("{functions}{hours}"));
    printed(&ran(Command::new("sh").arg(script)));
    assert_eq!(
        fs::read_to_string(pod.path("etc/scripts/done")).unwrap(),
        ".."
    );
    // A shop without Redis has none.
    assert!(
        !files("aws", |shop, _| shop.spec.services.cache = None).contains_key("clean-caches.php")
    );
}
