//! Trees that somebody changed: found, and put back.

use super::{
    follow::{follower, shop},
    *,
};
use std::collections::BTreeSet;

#[tokio::test]
async fn files_that_changed_are_noticed_and_put_back_in_one_step() {
    let lab = Lab::new().await;
    lab.publish(1, &[("core", "", many(120, "one"))]).await;
    lab.pull().await.unwrap();
    let (root, manifest) = (
        lab.settings().root,
        lab.view().state.active.unwrap().manifest,
    );
    let look = || {
        crate::audit(&root, &manifest, None, &mut |_| {
            std::ops::ControlFlow::Continue(())
        })
        .unwrap()
    };
    let whole = look();
    assert_eq!((whole.files, whole.damaged.len()), (120, 0));
    let before = lab.read("lib/7/7.php");

    // In place, by replacement, by removal.
    overwrite(&lab.current().join("lib/7/7.php"), |bytes| bytes[0] ^= 1);
    fs::write(
        lab.current().join("lib/8/8.php"),
        fs::read(lab.current().join("lib/9/9.php")).unwrap(),
    )
    .unwrap();
    fs::remove_file(lab.current().join("lib/10/10.php")).unwrap();
    let damaged = look().damaged;
    assert_eq!(
        damaged
            .iter()
            .map(release::RelativePath::as_str)
            .collect::<Vec<_>>(),
        ["lib/10/10.php", "lib/7/7.php", "lib/8/8.php"]
    );
    let one = damaged.iter().take(1).cloned().collect();
    let some = crate::audit(&root, &manifest, Some(&one), &mut |_| {
        std::ops::ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!((some.files, some.damaged), (0, one));

    let figures = follower(&lab)
        .repair(damaged, at(NOW + 1), std::future::pending())
        .await
        .unwrap();
    assert_eq!(figures.files, 120);
    assert_eq!((lab.read("lib/7/7.php"), look()), (before, whole));
    assert_eq!((lab.running(), lab.staging()), (Some(1), 0));
}

#[tokio::test]
async fn what_nobody_released_is_found_and_what_the_shop_writes_is_left_alone() {
    let lab = Lab::new().await;
    let shipped = files([
        ("lib/a.php", "a"),
        ("media/.htaccess", "deny"),
        ("var/.htaccess", "deny"),
        ("var/log/.keep", ""),
    ]);
    let manifest = lab
        .manifest(
            &[("core", "", shipped)],
            &[("sessions", true), ("var/log", false)],
        )
        .await;
    let object = lab.sign(&manifest, 1, |_| ()).await;
    lab.offer(&object).await;
    let storage = lab.directory.path().join("storage");
    fs::create_dir_all(storage.join("media")).unwrap();
    let places = Places {
        storage: Some(storage),
        ..Places::default()
    };
    let settings = Settings {
        places,
        ..lab.settings()
    };
    lab.pull_with(|given| given.places.clone_from(&settings.places))
        .await
        .unwrap();
    let (root, manifest) = (
        lab.settings().root,
        lab.view().state.active.unwrap().manifest,
    );
    let look = |only: Option<&[&str]>| {
        let only = only.map(|paths| paths.iter().map(|path| path.parse().unwrap()).collect());
        crate::audit(&root, &manifest, only.as_ref(), &mut |_| {
            std::ops::ControlFlow::Continue(())
        })
        .unwrap()
    };
    let nothing = |found: &crate::Audit| found.damaged.is_empty() && found.added.is_empty();

    // The shop's own business, also where a module ships files for it.
    for path in ["media/a.jpg", "var/log/system.log", "sessions/1"] {
        fs::write(lab.current().join(path), "x").unwrap();
    }
    fs::remove_file(lab.current().join("var/log/.keep")).unwrap();
    assert!(nothing(&look(None)), "{:?}", look(None));
    assert!(nothing(&look(Some(&[
        "media/a.jpg",
        "var/log/system.log",
        "sessions/1",
        "var/log/.keep"
    ]))));

    // Nobody's business: a file, a link, a hidden one in a directory of its own, and a name that no
    // release can have.
    fs::write(lab.current().join("lib/shell.php"), "x").unwrap();
    std::os::unix::fs::symlink("media/a.jpg", lab.current().join("a.php")).unwrap();
    fs::create_dir_all(lab.current().join("new/deep")).unwrap();
    fs::write(lab.current().join("new/deep/.hidden"), "x").unwrap();
    fs::write(lab.current().join("lib/line\nbreak"), "x").unwrap();
    let added = |found: crate::Audit| {
        found
            .added
            .iter()
            .map(|path| path.to_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        added(look(None)),
        [
            "a.php",
            "lib/line\nbreak",
            "lib/shell.php",
            "new/deep/.hidden"
        ]
    );
    assert_eq!(
        added(look(Some(&["lib/shell.php", "lib/a.php", "gone"]))),
        ["lib/shell.php"]
    );
    assert_eq!(added(look(Some(&["new"]))), ["new/deep/.hidden"]);

    let none = BTreeSet::new();
    Follower::new(settings, Arc::clone(&lab.store))
        .repair(none, at(NOW + 1), std::future::pending())
        .await
        .unwrap();
    assert!(nothing(&look(None)), "{:?}", look(None));
    assert!(
        lab.current().join("media/a.jpg").exists() && lab.current().join("sessions/1").exists()
    );
    assert!(!lab.current().join("lib/shell.php").exists());
}

#[tokio::test]
async fn contents_of_the_same_size_with_a_forged_time_and_a_link_that_leads_elsewhere_are_found() {
    let lab = Lab::new().await;
    lab.publish(
        1,
        &[(
            "core",
            "",
            files([
                ("lib/a.php", "good"),
                ("lib/c.php", "good"),
                ("lib/b.php", "-> a.php"),
            ]),
        )],
    )
    .await;
    lab.pull().await.unwrap();
    let (root, manifest) = (
        lab.settings().root,
        lab.view().state.active.unwrap().manifest,
    );
    let look = || {
        crate::audit(&root, &manifest, None, &mut |_| {
            std::ops::ControlFlow::Continue(())
        })
        .unwrap()
        .damaged
    };
    let (file, link) = (
        lab.current().join("lib/a.php"),
        lab.current().join("lib/b.php"),
    );
    fs::write(&file, "evil").unwrap();
    let belongs =
        std::time::UNIX_EPOCH + Duration::from_secs(tarball::mtime(&Sha256::digest(b"evil")));
    fs::File::options()
        .write(true)
        .open(&file)
        .unwrap()
        .set_modified(belongs)
        .unwrap();
    fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink("c.php", &link).unwrap();
    let damaged = look();
    assert_eq!(
        damaged
            .iter()
            .map(release::RelativePath::as_str)
            .collect::<Vec<_>>(),
        ["lib/a.php", "lib/b.php"]
    );
    follower(&lab)
        .repair(damaged, at(NOW + 1), std::future::pending())
        .await
        .unwrap();
    assert_eq!(
        (
            lab.read("lib/a.php").as_str(),
            fs::read_link(&link).unwrap()
        ),
        ("good", "a.php".into())
    );
    assert!(look().is_empty());
}

#[tokio::test]
async fn a_link_that_leads_elsewhere_is_not_taken_over_into_the_next_release() {
    let lab = Lab::new().await;
    let linked = files([("a.php", "a"), ("b.php", "-> a.php"), ("c.php", "c")]);
    lab.publish(1, &[("core", "", linked.clone())]).await;
    lab.pull().await.unwrap();
    fs::remove_file(lab.current().join("b.php")).unwrap();
    std::os::unix::fs::symlink("c.php", lab.current().join("b.php")).unwrap();
    lab.publish(
        2,
        &[
            ("core", "", linked),
            ("more", "more", files([("d.php", "d")])),
        ],
    )
    .await;
    lab.pull().await.unwrap();
    assert_eq!(
        fs::read_link(lab.current().join("b.php")).unwrap(),
        PathBuf::from("a.php")
    );
}

#[tokio::test]
async fn what_somebody_touched_is_damaged_whatever_it_is_now() {
    let lab = Lab::new().await;
    lab.publish(
        1,
        &[(
            "core",
            "",
            files([
                ("lib/a.php", "a"),
                ("lib/b/c.php", "c"),
                ("library.php", "l"),
                ("index.php", "i"),
            ]),
        )],
    )
    .await;
    lab.pull().await.unwrap();
    let (root, manifest) = (
        lab.settings().root,
        lab.view().state.active.unwrap().manifest,
    );
    let look = |touched: &[&str]| {
        let touched = touched.iter().map(|path| path.parse().unwrap()).collect();
        let found = crate::audit(&root, &manifest, Some(&touched), &mut |_| {
            std::ops::ControlFlow::Continue(())
        })
        .unwrap();
        assert!(found.added.is_empty(), "{found:?}");
        found
            .damaged
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        look(&["index.php", "media/photo.jpg", "gone"]),
        ["index.php"]
    );
    // A directory that was renamed or made anew may have had anything in it.
    assert_eq!(look(&["lib"]), ["lib", "lib/a.php", "lib/b", "lib/b/c.php"]);
}

#[tokio::test]
async fn a_repair_leaves_the_shop_what_it_wrote() {
    let lab = Lab::new().await;
    let shipped = files([
        ("lib/a.php", "a"),
        ("var/.htaccess", "deny"),
        ("var/log/.keep", ""),
    ]);
    let manifest = lab
        .manifest(
            &[("core", "", shipped)],
            &[("sessions", true), ("var/cache", false), ("var/log", false)],
        )
        .await;
    let object = lab.sign(&manifest, 1, |_| ()).await;
    lab.offer(&object).await;
    lab.pull().await.unwrap();
    for path in [
        "var/cache/page",
        "var/log/system.log",
        "sessions/1",
        "media/photo.jpg",
    ] {
        fs::write(lab.current().join(path), "x").unwrap();
    }
    fs::create_dir(lab.current().join("var/cache/deep")).unwrap();
    fs::remove_file(lab.current().join("var/log/.keep")).unwrap();
    fs::write(lab.current().join("lib/a.php"), "changed").unwrap();
    let damaged = BTreeSet::from(["lib/a.php".parse().unwrap()]);
    follower(&lab)
        .repair(damaged, at(NOW + 1), std::future::pending())
        .await
        .unwrap();
    assert_eq!(lab.read("lib/a.php"), "a");
    for path in [
        "var/cache/page",
        "var/cache/deep",
        "var/log/system.log",
        "sessions/1",
    ] {
        assert!(lab.current().join(path).exists(), "{path}");
    }
    // The shop had removed it, where it may.
    assert!(
        !lab.current().join("var/log/.keep").exists()
            && lab.current().join("var/.htaccess").exists()
    );
    assert_eq!(lab.staging(), 0);
}

#[tokio::test]
async fn a_writable_directory_that_somebody_replaced_by_a_link_starts_empty() {
    let lab = Lab::new().await;
    let manifest = lab.manifest(&shop("one"), &[("var/cache", false)]).await;
    let object = lab.sign(&manifest, 1, |_| ()).await;
    lab.offer(&object).await;
    lab.pull().await.unwrap();
    let (cache, elsewhere) = (
        lab.current().join("var/cache"),
        lab.directory.path().join("elsewhere"),
    );
    fs::create_dir(&elsewhere).unwrap();
    fs::write(elsewhere.join("file"), "x").unwrap();
    fs::remove_dir(&cache).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &cache).unwrap();
    follower(&lab)
        .repair(
            BTreeSet::from(["index.php".parse().unwrap()]),
            at(NOW + 1),
            std::future::pending(),
        )
        .await
        .unwrap();
    assert!(
        !cache.is_symlink()
            && fs::read_dir(&cache).unwrap().count() == 0
            && elsewhere.join("file").exists()
    );
}
