//! Modules that the Shop enables and the release does not have: told before a page fails.

use super::{Pod, files, php, ran};
use std::process::Command;

fn pod(platform: &str, enable: &[&str]) -> Pod {
    let files = files(platform, |shop, _| {
        shop.spec.modules.enable = enable.iter().map(|&module| module.to_owned()).collect();
        shop.spec.modules.disable = vec!["Acme_Gone".to_owned()];
    });
    let pod = Pod::new();
    for name in ["modules.php", "ping.php"] {
        if let Some(text) = files.get(name) {
            pod.put(&format!("etc/php/{name}"), text);
        }
    }
    pod.put_in_tree(
        "app/etc/config.php",
        "<?php return ['modules' => ['Acme_On' => 1, 'Acme_Off' => 0]];",
    );
    pod.put_in_tree(
        "app/etc/modules/Acme.xml",
        "<config><modules><Acme_On><active>true</active></Acme_On></modules></config>",
    );
    pod.put_in_tree(
        "app/etc/modules/zzz_shop.xml",
        "<config><modules><Acme_None><active>true</active></Acme_None></modules></config>",
    );
    pod
}

#[test]
fn a_pod_whose_release_lacks_a_module_does_not_start() {
    for (platform, wanted, expected) in [
        ("aws", &["Acme_On"][..], ""),
        (
            "aws",
            &["Acme_On", "Acme_Off"],
            "module Acme_Off is enabled in the Shop, and disabled in the release's \
             app/etc/config.php",
        ),
        (
            "aws",
            &["Acme_None"],
            "module Acme_None is enabled in the Shop, and is not in the release's \
             app/etc/config.php",
        ),
        ("azure", &["Acme_On"], ""),
        (
            "azure",
            &["Acme_None"],
            "module Acme_None is enabled in the Shop, and in no file of the release's \
             app/etc/modules",
        ),
    ] {
        let pod = pod(platform, wanted);
        // The startup probe, without extensions.
        let output = php(&["-n", "etc/php/ping.php"], &pod.path(""));
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if expected.is_empty() {
            // Nobody answers on php-fpm's port here.
            assert_eq!(
                (output.status.code(), said.as_str()),
                (Some(1), ""),
                "{platform}"
            );
        } else {
            assert!(
                output.status.code() == Some(4) && said.contains(expected),
                "{platform}: {said}"
            );
        }
    }
    assert!(
        !pod("aws", &[]).path("etc/php/modules.php").exists(),
        "nothing is asked where nothing is enabled"
    );
}

#[test]
fn a_migration_changes_nothing_where_a_module_is_missing() {
    for platform in ["aws", "azure"] {
        let pod = pod(platform, &["Acme_None"]);
        let files = files(platform, |_, _| {});
        pod.put(
            "etc/scripts/database.php",
            "<?php touch(__DIR__ . '/asked');",
        );
        let script = pod.put("etc/scripts/migrate.sh", &files["migrate.sh"]);
        let output = ran(Command::new("sh").arg(script));
        assert_eq!(output.status.code(), Some(4));
        assert!(
            String::from_utf8_lossy(&output.stderr)
                .starts_with("migrate: module Acme_None is enabled in the Shop")
        );
        assert!(!pod.path("etc/scripts/asked").exists());
    }
}
