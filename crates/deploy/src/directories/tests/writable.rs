//! Directories that the shop writes, and configuration files.

use super::*;

#[test]
fn writable_directories_are_on_their_volume_with_what_modules_ship() {
    let pod = Pod::with_volume();
    pod.ship("var/.htaccess", "deny");
    pod.ship("var/log/.keep", "");
    pod.ship("var/export/readme", "csv");
    fs::set_permissions(
        pod.tree().join("var/.htaccess"),
        fs::Permissions::from_mode(0o644),
    )
    .unwrap();
    symlink("log", pod.tree().join("var/logs")).unwrap();
    pod.make(&manifest(
        &["var/export", "var/import"],
        &[("sessions", true), ("var", false)],
    ))
    .unwrap();

    let (tree, volume) = (pod.tree(), pod.at("writable"));
    assert_eq!(
        fs::read_link(tree.join("var")).unwrap(),
        volume.join(SHORT).join("var")
    );
    assert_eq!(
        fs::read_link(tree.join("sessions")).unwrap(),
        volume.join("kept/sessions")
    );
    assert_eq!(
        fs::read_to_string(tree.join("var/.htaccess")).unwrap(),
        "deny"
    );
    assert_eq!(
        fs::read_link(tree.join("var/logs")).unwrap(),
        Path::new("log")
    );
    for path in ["var/export", "var/import"] {
        assert_eq!(
            fs::read_link(tree.join(path)).unwrap(),
            pod.at("storage").join(path)
        );
    }
    assert_eq!(
        fs::read_to_string(tree.join("var/.export.shipped/readme")).unwrap(),
        "csv"
    );
    assert_eq!(
        (
            mode(&tree.join("var")),
            mode(&tree.join("var/log")),
            mode(&tree.join("sessions"))
        ),
        (0o2775, 0o2775, 0o2775)
    );
    assert_eq!(mode(&tree.join("var/.htaccess")), 0o664);
    // The release's own stays as it was, beside the link.
    assert_eq!(mode(&tree.join(".var.shipped/.htaccess")), 0o644);
    fs::write(tree.join("var/log/system.log"), "x").unwrap();
    assert!(!tree.join(".var.shipped/log/system.log").exists());
    // Nothing under a name that was only its own for a while.
    let mut names: Vec<_> = fs::read_dir(&volume)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, [SHORT, "kept"]);
}

#[test]
fn a_release_starts_fresh_and_a_repaired_one_does_not() {
    for (again, left) in [(false, false), (true, true)] {
        let pod = Pod::with_volume();
        let stale = pod.at("writable").join(SHORT).join("var/cache/page");
        fs::create_dir_all(stale.parent().unwrap()).unwrap();
        fs::write(&stale, "old").unwrap();
        fs::create_dir_all(pod.at("writable/kept/session")).unwrap();
        fs::write(pod.at("writable/kept/session/sess_1"), "cart").unwrap();
        pod.make_with(
            &manifest(&[], &[("session", true), ("var/cache", false)]),
            &Filled::default(),
            again,
        )
        .unwrap();
        assert_eq!(pod.tree().join("var/cache/page").exists(), left, "{again}");
        assert_eq!(
            fs::read_to_string(pod.tree().join("session/sess_1")).unwrap(),
            "cart"
        );
    }
}

#[test]
fn what_the_shop_put_in_the_way_is_not_followed() {
    let pod = Pod::with_volume();
    let (volume, outside) = (pod.at("writable"), tempfile::tempdir().unwrap());
    fs::write(outside.path().join("photo"), "x").unwrap();
    pod.ship("var/cache/.htaccess", "deny");
    let wanted = manifest(&[], &[("session", true), ("var/cache", false)]);
    for again in [false, true, true] {
        fs::create_dir_all(&volume).unwrap();
        // Links in the place of every directory that is made, and deeper.
        for name in [SHORT, "kept"] {
            if volume.join(name).is_dir() && !volume.join(name).is_symlink() {
                fs::rename(
                    volume.join(name),
                    volume.join(format!("was-{name}-{again}")),
                )
                .unwrap();
            }
            fs::remove_file(volume.join(name)).ok();
            symlink(outside.path(), volume.join(name)).unwrap();
        }
        for gone in ["var/cache", "session"] {
            fs::remove_file(pod.tree().join(gone)).ok();
        }
        pod.make_with(&wanted, &Filled::default(), again).unwrap();
        assert!(!volume.join(SHORT).is_symlink() && !volume.join("kept").is_symlink());
        assert!(
            volume.join(SHORT).join("var/cache").is_dir() && volume.join("kept/session").is_dir()
        );
        fs::remove_dir_all(volume.join(SHORT)).unwrap();
        fs::remove_dir_all(volume.join("kept")).unwrap();
        fs::remove_dir_all(volume.join(format!("was-{SHORT}-{again}"))).ok();
    }
    // The last directory is a link itself, or a file.
    fs::create_dir_all(volume.join(SHORT).join("var")).unwrap();
    symlink(outside.path(), volume.join(SHORT).join("var/cache")).unwrap();
    fs::remove_file(pod.tree().join("var/cache")).unwrap();
    fs::remove_file(pod.tree().join("session")).unwrap();
    pod.make_with(&wanted, &Filled::default(), true).unwrap();
    assert_eq!(
        fs::read_to_string(volume.join(SHORT).join("var/cache/.htaccess")).unwrap(),
        "deny"
    );
    let found: Vec<_> = fs::read_dir(outside.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(found, ["photo"]);
}

#[test]
fn a_configuration_file_leads_to_the_releases_own() {
    let mut pod = Pod::new();
    let templates = pod.at("templates");
    fs::create_dir(&templates).unwrap();
    fs::write(
        templates.join("templates.json"),
        r#"{"app/etc/local.xml": "local.xml", "not/shared.xml": "none"}"#,
    )
    .unwrap();
    fs::write(
        templates.join("local.xml"),
        "<prefix>acme_@release@_</prefix>",
    )
    .unwrap();
    let configuration = Configuration {
        templates,
        secrets: None,
        configured: pod.at("configured"),
    };
    pod.places = Places {
        storage: Some(pod.at("storage")),
        configuration: Some(configuration.clone()),
        ..Places::default()
    };
    let wanted = manifest(&["app/etc/local.xml", "media"], &[]);
    let filled = configuration.fill(SHORT, &wanted.shared).unwrap();
    pod.make_with(&wanted, &filled, false).unwrap();
    let link = pod.tree().join("app/etc/local.xml");
    assert_eq!(
        fs::read_link(&link).unwrap(),
        pod.at("configured").join(SHORT).join("app/etc/local.xml")
    );
    assert_eq!(
        fs::read_to_string(link).unwrap(),
        "<prefix>acme_0123456789abcdef_</prefix>"
    );
    assert_eq!(
        fs::read_link(pod.tree().join("media")).unwrap(),
        pod.at("storage/media")
    );
}
