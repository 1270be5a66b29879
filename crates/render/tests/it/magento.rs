//! What is generated for Magento, read and run by PHP, sh, Redis and a database as a pod has them.

mod caches;
mod configuration;
mod cron;
mod locked;
mod migration;
mod modules;

use crate::made::rendered;
use api::{Object, Shop, ShopClass};
use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Output},
};
use tempfile::TempDir;

/// A release of these tests, by its 16 digits.
const RELEASE: &str = "0123456789abcdef";

/// The files of all ConfigMaps of a shop: the example of Magento 2 (aws) or OpenMage (azure),
/// changed.
fn files(
    platform: &str,
    change: impl FnOnce(&mut Shop, &mut ShopClass),
) -> BTreeMap<String, String> {
    let objects = rendered(platform, |shop, class, _| change(shop, class));
    let maps = objects
        .iter()
        .map(Object::value)
        .filter(|object| object["kind"] == "ConfigMap");
    let entries = maps.flat_map(|map| map["data"].as_object().cloned().unwrap_or_default());
    entries
        .map(|(name, text)| (name, text.as_str().unwrap().to_owned()))
        .collect()
}

/// A directory that stands in for a pod's file system, with one release.
struct Pod {
    top: TempDir,
}

impl Pod {
    fn new() -> Self {
        let pod = Self {
            top: tempfile::tempdir().unwrap(),
        };
        for directory in ["etc/php", "etc/scripts", "etc/secret", "srv/releases"] {
            fs::create_dir_all(pod.path(directory)).unwrap();
        }
        fs::create_dir_all(pod.tree().join("app/etc/modules")).unwrap();
        symlink(format!("releases/{RELEASE}"), pod.path("srv/current")).unwrap();
        pod
    }

    fn path(&self, name: &str) -> PathBuf {
        self.top.path().join(name)
    }

    fn tree(&self) -> PathBuf {
        self.path("srv/releases").join(RELEASE)
    }

    /// With the places of a pod led into this one.
    fn here(&self, text: &str) -> String {
        let top = self.top.path().display();
        text.replace("/srv/shop", &format!("{top}/srv"))
            .replace("/etc/shop", &format!("{top}/etc"))
    }

    /// A file below the pod's top.
    fn put(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, self.here(text)).unwrap();
        path
    }

    /// The same in the release's tree.
    fn put_in_tree(&self, name: &str, text: &str) -> PathBuf {
        self.put(&format!("srv/releases/{RELEASE}/{name}"), text)
    }

    /// `app/etc/env.php` or `local.xml` of the release, as the agent fills it.
    fn configure(&self, name: &str, template: &str) {
        let mut text = template.replace("@release@", RELEASE);
        for key in [
            "crypt-key",
            "database-user",
            "database-password",
            "cache-password?",
        ] {
            let value = fs::read_to_string(self.path("etc/secret").join(key.trim_end_matches('?')))
                .unwrap_or_default();
            text = text.replace(&format!("@secret:{key}@"), value.trim_end());
        }
        self.put_in_tree(&format!("app/etc/{name}"), &text);
    }
}

/// PHP, as it runs in a pod: with the extensions that Debian's packages load.
fn php(arguments: &[&str], directory: &Path) -> Output {
    ran(Command::new("php8.2")
        .args(arguments)
        .current_dir(directory))
}

fn ran(command: &mut Command) -> Output {
    command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}; `make tools` installs it"))
}

/// What it printed, where it ended well.
fn printed(output: &Output) -> String {
    assert!(
        output.status.success(),
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
