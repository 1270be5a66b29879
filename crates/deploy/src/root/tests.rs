#![allow(
    clippy::disallowed_methods,
    reason = "a test makes the half-done states that a crash would leave"
)]

use super::*;
use crate::{layout::KEPT, view::View};
use release::Reason;
use std::os::unix::fs::symlink;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn manifest(number: u64) -> Sha256 {
    Sha256::digest(&number.to_be_bytes())
}

fn target(number: u64) -> Target {
    Target {
        manifest: manifest(number),
        sequence: number.try_into().unwrap(),
        channel: "shops/acme".parse().unwrap(),
        root_version: 1,
        created: jiff::Timestamp::UNIX_EPOCH,
    }
}

struct Disk(tempfile::TempDir);

impl Disk {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("root")
    }

    fn open(&self) -> ReleaseRoot {
        ReleaseRoot::open(&self.path()).unwrap()
    }

    fn state(&self) -> State {
        View::read(&self.path()).unwrap().state
    }

    fn running(&self) -> Option<u64> {
        View::read(&self.path())
            .unwrap()
            .running()
            .map(|release| release.sequence.get())
    }

    fn trees(&self) -> BTreeSet<String> {
        names(&self.path().join(RELEASES))
            .unwrap()
            .into_iter()
            .collect()
    }
}

// A complete tree of one file.
fn complete(root: &ReleaseRoot, number: u64) {
    let (staging, writer) = root.stage(&manifest(number), &[]).unwrap();
    fs::write(staging.tree().join("number"), number.to_string()).unwrap();
    root.complete(staging, writer, &manifest(number)).unwrap();
}

fn activate(root: &mut ReleaseRoot, number: u64) {
    complete(root, number);
    root.activate(&target(number), at(number.cast_signed()))
        .unwrap();
}

#[test]
fn an_activation_shows_in_current_and_state() {
    let disk = Disk::new();
    let mut root = disk.open();
    activate(&mut root, 1);
    activate(&mut root, 2);
    assert_eq!(
        fs::read_to_string(disk.path().join("current/number")).unwrap(),
        "2"
    );
    assert_eq!(disk.running(), Some(2));
    assert_eq!(disk.state().previous.unwrap().sequence.get(), 1);
    assert_eq!(fs::read_dir(disk.path().join(STAGING)).unwrap().count(), 0);
}

#[test]
fn going_back_keeps_the_accepted_sequence() {
    let disk = Disk::new();
    let mut root = disk.open();
    activate(&mut root, 1);
    activate(&mut root, 2);
    root.activate(&target(1), at(3)).unwrap();
    drop(root);
    disk.open();
    assert_eq!(disk.running(), Some(1));
    assert_eq!(disk.state().accepted.unwrap().sequence.get(), 2);
}

#[test]
fn a_release_without_a_tree_is_not_activated() {
    let disk = Disk::new();
    let error = disk.open().activate(&target(1), at(1)).unwrap_err();
    assert_eq!(error.reason(), Reason::Bug);
    assert_eq!(disk.state(), State::default());
}

#[test]
fn the_second_writer_is_told_who_the_first_is() {
    let disk = Disk::new();
    let root = disk.open();
    let error = ReleaseRoot::open(&disk.path()).unwrap_err();
    assert_eq!(error.reason(), Reason::Busy);
    assert!(
        error
            .to_string()
            .ends_with(&format!("is in use by process {}", std::process::id())),
        "{error}"
    );
    drop(root);
    disk.open();
}

#[test]
fn paths_that_cannot_be_a_root_are_refused() {
    let disk = Disk::new();
    fs::write(disk.0.path().join("file"), "").unwrap();
    let reason = |path: &Path| ReleaseRoot::open(path).unwrap_err().reason();
    assert_eq!(reason(Path::new("relative")), Reason::Workspace);
    assert_eq!(reason(&disk.0.path().join("file")), Reason::Workspace);
    assert_eq!(reason(&disk.0.path().join("file/below")), Reason::Workspace);
    assert_eq!(reason(Path::new("/proc/longshore")), Reason::Disk);
}

#[test]
fn a_damaged_state_is_an_error_that_changes_nothing() {
    let disk = Disk::new();
    activate(&mut disk.open(), 1);
    fs::create_dir(disk.path().join("staging/leftover")).unwrap();
    for text in ["", "{\"schema\":1", "{\"schema\":9}"] {
        fs::write(disk.path().join(STATE), text).unwrap();
        let error = ReleaseRoot::open(&disk.path()).unwrap_err();
        assert_eq!(error.reason(), Reason::State);
        assert!(error.to_string().ends_with("/state.json"), "{error}");
        assert_eq!(fs::read_to_string(disk.path().join(STATE)).unwrap(), text);
        assert!(disk.path().join("staging/leftover").exists());
    }
}

#[test]
fn a_crash_in_each_step_converges() {
    // What lies on the disk after a crash during the activation of 3 while 2 runs, and what runs
    // after the next start.
    type Step = (&'static str, fn(&Path), u64);
    let short = || manifest(3).short();
    let steps: [Step; 6] = [
        (
            "while it was staged",
            |root| fs::create_dir_all(root.join("staging/0123456789abcdef/tree/var")).unwrap(),
            2,
        ),
        (
            "after its index got its name",
            |root| fs::remove_dir_all(root.join("releases").join(manifest(3).short())).unwrap(),
            2,
        ),
        ("after its tree got its name", |_| (), 2),
        (
            "while the state was written",
            |root| fs::write(root.join("staging/89abcdef01234567"), "{\"sch").unwrap(),
            2,
        ),
        ("after the state was written", write_state_of_3, 3),
        (
            "while current was replaced",
            |root| {
                write_state_of_3(root);
                symlink("releases/x", root.join("staging/89abcdef01234567")).unwrap();
            },
            3,
        ),
    ];
    for (name, leave, runs) in steps {
        let disk = Disk::new();
        let mut root = disk.open();
        activate(&mut root, 1);
        activate(&mut root, 2);
        complete(&root, 3);
        drop(root);
        leave(&disk.path());
        let root = disk.open();
        assert_eq!(disk.running(), Some(runs), "{name}");
        assert_eq!(
            disk.state().accepted.unwrap().sequence.get(),
            runs,
            "{name}"
        );
        assert_eq!(
            fs::read_dir(disk.path().join(STAGING)).unwrap().count(),
            0,
            "{name}"
        );
        let whole = root.is_complete(&manifest(3));
        assert_eq!(
            (
                disk.trees().contains(&short()),
                disk.trees().contains(&format!("{}.index", short()))
            ),
            (whole, whole),
            "{name}"
        );
    }
}

fn write_state_of_3(root: &Path) {
    let state = read_state(root).unwrap().activated(&target(3), at(3));
    fs::write(root.join(STATE), state.to_json().unwrap()).unwrap();
}

#[test]
fn a_tree_without_an_index_is_removed_unless_it_runs() {
    let disk = Disk::new();
    let mut root = disk.open();
    activate(&mut root, 1);
    complete(&root, 2);
    drop(root);
    for number in [1, 2] {
        fs::remove_file(
            disk.path()
                .join(RELEASES)
                .join(index_name(&manifest(number))),
        )
        .unwrap();
    }
    fs::write(disk.path().join("releases/notes.txt"), "nobody's").unwrap();
    disk.open();
    assert_eq!(
        disk.trees(),
        [manifest(1).short(), "notes.txt".to_owned()].into()
    );
    assert_eq!(disk.running(), Some(1));
}

#[test]
fn an_active_tree_that_somebody_removed_is_forgotten_and_the_floor_is_not() {
    let disk = Disk::new();
    activate(&mut disk.open(), 5);
    fs::remove_dir_all(disk.path().join(link_contents(&manifest(5)))).unwrap();
    let mut root = disk.open();
    assert_eq!((disk.running(), disk.state().active), (None, None));
    assert_eq!(disk.state().accepted.unwrap().sequence.get(), 5);
    activate(&mut root, 6);
    assert_eq!(disk.running(), Some(6));
}

#[test]
fn current_names_the_previous_tree_where_the_new_one_went_before_the_switch() {
    let disk = Disk::new();
    activate(&mut disk.open(), 2);
    write_state_of_3(&disk.path());
    disk.open();
    assert_eq!(disk.running(), Some(2));
    assert_eq!(disk.state().accepted.unwrap().sequence.get(), 3);
}

#[test]
fn prune_keeps_active_previous_and_what_shops_keep() {
    let disk = Disk::new();
    let mut root = disk.open();
    for number in 1..=4 {
        activate(&mut root, number);
    }
    fs::create_dir_all(disk.path().join(KEPT).join("var/session")).unwrap();
    fs::write(disk.path().join(KEPT).join("var/session/one"), "x").unwrap();
    symlink(
        disk.path().join(KEPT),
        disk.path().join(link_contents(&manifest(1))).join("kept"),
    )
    .unwrap();
    let removed: BTreeSet<_> = root.prune().unwrap().into_iter().collect();
    assert_eq!(removed, [manifest(1).short(), manifest(2).short()].into());
    assert_eq!(disk.trees().len(), 4);
    assert!(disk.path().join(KEPT).join("var/session/one").exists());
    assert_eq!(root.prune().unwrap(), Vec::<String>::new());
}

#[test]
fn a_tree_that_did_not_become_active_is_withdrawn_unless_the_disk_says_that_it_did() {
    let disk = Disk::new();
    let mut root = disk.open();
    for number in 1..=2 {
        activate(&mut root, number);
    }
    complete(&root, 3);
    assert_eq!(root.withdraw().unwrap(), [manifest(3).short()]);
    complete(&root, 4);
    let written = root.state.activated(&target(4), at(4));
    fs::write(disk.path().join(STATE), written.to_json().unwrap()).unwrap();
    assert_eq!(root.withdraw().unwrap(), [manifest(1).short()]);
    drop(root);
    disk.open();
    assert_eq!((disk.running(), disk.trees().len()), (Some(4), 4));
}

#[test]
fn a_rejected_manifest_is_remembered_until_it_is_chosen() {
    let disk = Disk::new();
    let mut root = disk.open();
    activate(&mut root, 1);
    activate(&mut root, 2);
    root.activate(&target(1), at(3)).unwrap();
    root.reject(manifest(2), "the front page answered 500", at(3))
        .unwrap();
    drop(root);
    let mut root = disk.open();
    assert_eq!(
        root.state().rejected[&manifest(2)].reason,
        "the front page answered 500"
    );
    root.activate(&target(2), at(4)).unwrap();
    assert!(root.state().rejected.is_empty());
}

#[test]
fn a_dropped_staging_directory_gives_its_space_back() {
    let disk = Disk::new();
    let root = disk.open();
    let (staging, writer) = root.stage(&manifest(1), &[]).unwrap();
    fs::write(staging.tree().join("file"), "x").unwrap();
    drop((staging, writer));
    assert_eq!(fs::read_dir(disk.path().join(STAGING)).unwrap().count(), 0);
}

#[test]
fn a_view_of_nothing_says_what_is_missing() {
    let disk = Disk::new();
    assert_eq!(
        View::read(&disk.path()).unwrap_err().reason(),
        Reason::Workspace
    );
    disk.open();
    assert_eq!(
        View::read(&disk.path()).unwrap(),
        View {
            state: State::default(),
            current: None
        }
    );
}
