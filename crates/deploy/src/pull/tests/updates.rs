use super::*;
use std::os::unix::fs::MetadataExt as _;

#[tokio::test]
async fn a_first_pull_makes_the_tree_and_activates_it() {
    let lab = Lab::new().await;
    let (core, theme) = (
        many(600, "core"),
        files([("skin/a.css", "a{}"), ("skin/b", "-> a.css")]),
    );
    let manifest = lab
        .publish(
            1,
            &[
                ("core", "", core.clone()),
                ("theme", "app/theme", theme.clone()),
            ],
        )
        .await;
    let pulled = lab.pull().await.unwrap();
    assert_eq!(
        (pulled.sequence.get(), pulled.outcome),
        (1, PullOutcome::Fresh)
    );
    let mut expected = core;
    expected.extend(below(&theme, "app/theme/"));
    assert_eq!(lab.tree(), expected);
    assert!(lab.current().join("media").is_dir());
    let figures = pulled.figures;
    assert_eq!(
        (figures.files, figures.bytes, figures.reused_files),
        (manifest.files, manifest.bytes, 0)
    );
    assert!(
        figures.downloaded_bytes
            >= manifest
                .modules
                .iter()
                .map(|module| module.size)
                .sum::<u64>()
    );
    assert_eq!((lab.running(), lab.staging()), (Some(1), 0));
}

#[tokio::test]
async fn pulling_again_downloads_no_chunk() {
    let lab = Lab::new().await;
    let manifest = lab.publish(1, &[("core", "", many(20, "core"))]).await;
    lab.pull().await.unwrap();
    fs::remove_file(lab.blob(&manifest.modules[0].sha256)).unwrap();
    let again = lab.pull().await.unwrap();
    assert_eq!(
        (again.outcome, again.figures.files),
        (PullOutcome::AlreadyActive, 0)
    );
}

#[tokio::test]
async fn a_complete_tree_is_activated_without_a_download() {
    let lab = Lab::new().await;
    let first = lab
        .publish(1, &[("core", "", files([("index.php", "one")]))])
        .await;
    lab.pull().await.unwrap();
    lab.publish(2, &[("core", "", files([("index.php", "two")]))])
        .await;
    lab.pull().await.unwrap();
    fs::remove_file(lab.blob(&first.modules[0].sha256)).unwrap();
    // Going back as a publisher does: a new sequence of the older manifest.
    lab.offer(&lab.sign(&first, 3, |_| ()).await).await;
    let back = lab.pull().await.unwrap();
    assert_eq!(
        (back.outcome, back.sequence.get()),
        (PullOutcome::AlreadyComplete, 3)
    );
    assert_eq!(
        (lab.read("index.php").as_str(), lab.running()),
        ("one", Some(3))
    );
}

#[tokio::test]
async fn an_update_links_what_did_not_change() {
    let lab = Lab::new().await;
    let mut core = many(600, "core");
    core.insert("bin/tool".to_owned(), b"-> ../lib/0/0.php".to_vec());
    let theme = |css: &str| files([("a.css", css), ("b.css", "b{}")]);
    lab.publish(
        1,
        &[("core", "", core.clone()), ("theme", "skin", theme("a{}"))],
    )
    .await;
    let first = lab.pull().await.unwrap().figures;
    let inode = |path: &str| fs::metadata(lab.current().join(path)).unwrap().ino();
    let before = inode("lib/3/3.php");
    lab.publish(
        2,
        &[
            ("core", "", core.clone()),
            ("theme", "skin", theme("a{color:red}")),
        ],
    )
    .await;
    let second = lab.pull().await.unwrap().figures;
    assert_eq!(inode("lib/3/3.php"), before);
    assert_eq!((second.files, second.reused_files), (first.files, 600));
    assert!(
        second.downloaded_bytes < first.downloaded_bytes / 4,
        "{second:?}"
    );
    let mut expected = core;
    expected.extend(below(&theme("a{color:red}"), "skin/"));
    assert_eq!(lab.tree(), expected);
    // What was linked can be linked again.
    lab.publish(
        3,
        &[
            ("core", "", many(600, "core")),
            ("theme", "skin", theme("a{color:blue}")),
        ],
    )
    .await;
    assert!(lab.pull().await.unwrap().figures.reused_files > 300);
    assert_eq!(lab.read("skin/a.css"), "a{color:blue}");
}

#[tokio::test]
async fn a_file_with_another_time_than_its_contents_give_is_not_linked() {
    let lab = Lab::new().await;
    lab.publish(
        1,
        &[
            ("core", "", files([("a.php", "AAAA")])),
            ("other", "other", files([("b.php", "b")])),
        ],
    )
    .await;
    lab.pull().await.unwrap();
    let path = lab.current().join("a.php");
    let good = fs::metadata(&path).unwrap().modified().unwrap();
    // A time that other contents could have had.
    for (time, linked) in [
        (good + Duration::from_secs(1), false),
        (good + Duration::from_nanos(1), false),
        (good, true),
    ] {
        let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
        file.set_modified(time).unwrap();
        let number = lab.running().unwrap() + 1;
        let other = files([("b.php", &*format!("b{number}"))]);
        lab.publish(
            number,
            &[
                ("core", "", files([("a.php", "AAAA")])),
                ("other", "other", other),
            ],
        )
        .await;
        let figures = lab.pull().await.unwrap().figures;
        assert_eq!(figures.reused_files, u64::from(linked), "{time:?}");
        // Whatever was on the disk: the next one has what was signed.
        assert_eq!(
            fs::metadata(lab.current().join("a.php"))
                .unwrap()
                .modified()
                .unwrap(),
            good
        );
    }
}

#[tokio::test]
async fn a_module_that_moved_is_unpacked_anew() {
    let lab = Lab::new().await;
    lab.publish(1, &[("core", "old", many(5, "core"))]).await;
    lab.pull().await.unwrap();
    lab.publish(2, &[("core", "new", many(5, "core"))]).await;
    let figures = lab.pull().await.unwrap().figures;
    assert_eq!((figures.files, figures.reused_files), (5, 0));
    assert_eq!(lab.tree(), below(&many(5, "core"), "new/"));
}

#[tokio::test]
async fn a_file_that_somebody_changed_or_removed_is_downloaded_again() {
    let lab = Lab::new().await;
    let core = many(600, "core");
    lab.publish(
        1,
        &[
            ("core", "", core.clone()),
            ("extra", "extra", files([("x", "1")])),
        ],
    )
    .await;
    lab.pull().await.unwrap();
    let changed = lab.current().join("lib/3/3.php");
    let size = fs::metadata(&changed).unwrap().len();
    fs::write(&changed, vec![b'!'; usize::try_from(size).unwrap()]).unwrap();
    fs::remove_file(lab.current().join("lib/16/16.php")).unwrap();
    lab.publish(
        2,
        &[
            ("core", "", core.clone()),
            ("extra", "extra", files([("x", "2")])),
        ],
    )
    .await;
    let figures = lab.pull().await.unwrap().figures;
    assert!(figures.reused_files < 600, "{figures:?}");
    let mut expected = core;
    expected.extend(files([("extra/x", "2")]));
    assert_eq!(lab.tree(), expected);
}

#[tokio::test]
async fn a_damaged_index_costs_only_the_links() {
    let lab = Lab::new().await;
    let core = many(50, "core");
    lab.publish(1, &[("core", "", core.clone())]).await;
    let first = lab.pull().await.unwrap();
    let index = lab
        .directory
        .path()
        .join("root/releases")
        .join(format!("{}.index", first.manifest.short()));
    overwrite(&index, |bytes| bytes.truncate(bytes.len() / 2));
    lab.publish(
        2,
        &[
            ("core", "", core.clone()),
            ("extra", "extra", files([("x", "2")])),
        ],
    )
    .await;
    lab.pull().await.unwrap();
    let mut expected = core;
    expected.extend(files([("extra/x", "2")]));
    assert_eq!(lab.tree(), expected);
}

#[tokio::test]
async fn a_kept_directory_outlives_releases_and_a_writable_one_starts_empty() {
    let lab = Lab::new().await;
    let release = async |sequence: u64, text: &str| {
        let core = files([("index.php", text), ("var/cache/.htaccess", "deny")]);
        let manifest = lab
            .manifest(
                &[("core", "", core)],
                &[("var/cache", false), ("var/session", true)],
            )
            .await;
        lab.offer(&lab.sign(&manifest, sequence, |_| ()).await)
            .await;
        lab.pull().await.unwrap()
    };
    release(1, "one").await;
    fs::write(lab.current().join("var/session/sess_1"), "alive").unwrap();
    fs::write(lab.current().join("var/cache/compiled"), "stale").unwrap();
    let inode = fs::metadata(lab.current().join("var/cache/.htaccess"))
        .unwrap()
        .ino();
    for (sequence, text) in [(2, "two"), (3, "three"), (4, "four")] {
        release(sequence, text).await;
        assert_eq!(lab.read("var/session/sess_1"), "alive");
        assert!(!lab.current().join("var/cache/compiled").exists());
    }
    assert_ne!(
        fs::metadata(lab.current().join("var/cache/.htaccess"))
            .unwrap()
            .ino(),
        inode
    );
    assert_eq!(
        fs::read_dir(lab.directory.path().join("root/releases"))
            .unwrap()
            .count(),
        4
    );
}

#[tokio::test]
async fn a_large_file_goes_through_a_spool_file() {
    let lab = Lab::new().await;
    let mut noise = Vec::new();
    while noise.len() < 20 << 20 {
        noise.extend_from_slice(Sha256::digest(&noise.len().to_be_bytes()).as_bytes());
    }
    let core: Files = [
        ("big.bin".to_owned(), noise),
        ("small.php".to_owned(), b"<?php".to_vec()),
    ]
    .into();
    lab.publish(1, &[("core", "", core.clone())]).await;
    lab.pull().await.unwrap();
    assert_eq!(lab.tree(), core);
    assert_eq!(lab.staging(), 0);
}

#[tokio::test]
async fn an_empty_module_is_fine() {
    let lab = Lab::new().await;
    lab.publish(
        1,
        &[("empty", "", Files::new()), ("other", "", Files::new())],
    )
    .await;
    lab.pull().await.unwrap();
    lab.publish(
        2,
        &[
            ("empty", "", Files::new()),
            ("other", "", files([("a", "b")])),
        ],
    )
    .await;
    lab.pull().await.unwrap();
    assert_eq!(lab.read("a"), "b");
}

#[tokio::test]
async fn progress_ends_at_the_total() {
    let lab = Lab::new().await;
    lab.publish(1, &[("core", "", many(100, "core"))]).await;
    let last = std::sync::Mutex::new(Progress::default());
    let report = |progress| *last.lock().unwrap() = progress;
    pull(&lab.settings(), &lab.store, &report, std::future::pending())
        .await
        .unwrap();
    let last = *last.lock().unwrap();
    assert!(last.chunks_total > 0);
    assert_eq!(
        (last.chunks, last.bytes),
        (last.chunks_total, last.bytes_total)
    );
}
