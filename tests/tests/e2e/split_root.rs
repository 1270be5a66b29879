//! A release root that is split over two file systems, across which the kernel renames nothing.

use e2e::{
    process::{Program, binary},
    shop::{Shop, last_event},
};
use std::fs;

// Where the other file system is: a mount inside the root, or behind a link in it.
const MOUNT: &str = r#"
mkdir -p "$LONGSHORE_ROOT/releases"
mount -t tmpfs none "$LONGSHORE_ROOT/releases"
"#;
const LINK: &str = r#"
mkdir other "$LONGSHORE_ROOT"
mount -t tmpfs none other
ln -s "$PWD/other" "$LONGSHORE_ROOT/releases"
"#;

// Standard output has what is left in staging.
const PULL: &str = r#"
code=0; "$INIT" || code=$?
ls -A "$LONGSHORE_ROOT/staging"
exit $code
"#;

#[test]
#[ignore = "needs root: make test-root"]
fn a_root_over_two_file_systems_is_refused_in_words_and_nothing_is_left_of_the_pull() {
    let shop = Shop::on_disk(1, 5);
    shop.publish();
    for (pod, split) in [("mount", MOUNT), ("link", LINK)] {
        let outcome = Program::new("unshare")
            .args(["--mount", "sh", "-euc", &format!("{split}\n{PULL}")])
            .directory(shop.path(""))
            .envs(shop.pod_environment(pod))
            .env("INIT", binary("longshore-init"))
            .run()
            .expect(74);
        let last = last_event(&outcome);
        assert_eq!(last["reason"], "disk", "{pod}: {last}");
        let error = last["error"].as_str().unwrap();
        let says = "all of a release root has to be on one file system, and a part of it is a \
                    link or a mount of another one";
        assert!(error.contains(says), "{pod}: {last}");
        assert_eq!(outcome.stdout, "", "{pod}: staging is empty");
        let current = fs::symlink_metadata(shop.path(pod).join("current"));
        assert!(current.is_err(), "{pod}: {current:?}");
    }
}
