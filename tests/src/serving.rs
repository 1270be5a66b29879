//! How a shop's pods serve: the files of the shop's image, or what `longshore-scheduler` renders,
//! moved to where a test runs.

#![allow(
    clippy::disallowed_methods,
    reason = "the harness makes its files itself, and has no failpoints"
)]

use crate::process::Program;
use serde_json::{Deserializer, Value};
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

const TOP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
/// Where the image has its files, and a pod the ConfigMaps that are mounted over them.
const PLACE: &str = "/etc/shop/";
/// Where both log, in a test's directory.
pub(crate) const LOGS: &str = "log";

/// The configuration of nginx and php-fpm: files by their paths below `/etc/shop`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Serving {
    files: BTreeMap<String, String>,
    nginx: String,
    pool: String,
    ini: &'static str,
}

impl Serving {
    /// The image's, for `php`, `magento1` or `magento2`.
    ///
    /// # Panics
    ///
    /// The image's files are not there.
    #[must_use]
    pub fn image(engine: &str) -> Self {
        let mut files = BTreeMap::new();
        read(&Path::new(TOP).join("images/shop"), "", &mut files)
            .expect("the image's files are there");
        // Of the two, an image has that of its PHP.
        files.remove("ini/7.ini");
        Self {
            files,
            nginx: format!("nginx/{engine}.conf"),
            pool: "php-fpm.conf".to_owned(),
            ini: "ini",
        }
    }

    /// What is rendered for the shop and the class of `manifests/examples/shops/<platform>`, the
    /// class changed.
    ///
    /// # Panics
    ///
    /// It is not.
    #[must_use]
    #[track_caller]
    pub fn rendered(platform: &str, change: impl FnOnce(&str) -> String) -> Self {
        let examples = Path::new(TOP).join("manifests/examples/shops");
        let scratch = crate::shop::scratch();
        let class = scratch.path().join("class.yaml");
        let text =
            fs::read_to_string(examples.join(platform).join("class.yaml")).expect("an example");
        fs::write(&class, change(&text)).expect("a scratch directory is writable");
        let others = [
            examples.join("release.yaml"),
            examples.join(platform).join("shop.yaml"),
        ];
        let program = Program::ours("longshore")
            .args(["render", "--output", "json"])
            .arg(class)
            .args(others);
        let objects = program.run().expect(0).stdout;
        let mut files = BTreeMap::new();
        for object in Deserializer::from_str(&objects).into_iter::<Value>() {
            let object = object.unwrap_or_else(|error| panic!("{error}: {objects}"));
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            // As they are mounted.
            let Some(place) = ["nginx", "php"]
                .into_iter()
                .find(|place| name.starts_with(&format!("{place}-")))
            else {
                continue;
            };
            for (file, text) in object["data"].as_object().into_iter().flatten() {
                files.insert(
                    format!("{place}/{file}"),
                    text.as_str().unwrap_or_default().to_owned(),
                );
            }
        }
        Self {
            files,
            nginx: "nginx/nginx.conf".to_owned(),
            pool: "php/php-fpm.conf".to_owned(),
            ini: "php",
        }
    }

    /// The same, with more settings of php.ini.
    #[must_use]
    pub fn with_ini(mut self, more: &str) -> Self {
        // After shop.ini.
        self.files
            .insert(format!("{}/test.ini", self.ini), more.to_owned());
        self
    }

    /// Writes the files into `scratch`, for the release root at `root`, nginx at `port` and
    /// php-fpm's socket at `php`; gives the paths of nginx.conf, of the pool's file and of the
    /// directory with php.ini's files.
    ///
    /// # Panics
    ///
    /// The disk refuses, or the files no longer have what this changes.
    #[must_use]
    #[track_caller]
    pub fn place(&self, scratch: &Path, root: &Path, port: u16, php: &str) -> [PathBuf; 3] {
        let temporary = scratch.join("tmp");
        fs::create_dir_all(&temporary).expect("a scratch directory is writable");
        fs::create_dir_all(scratch.join(LOGS)).expect("a scratch directory is writable");
        let (inside, root, temporary) = (
            format!("{}/", scratch.display()),
            format!("{}/", root.display()),
            temporary.display(),
        );
        let changes = [
            ("/var/log/shop/", format!("{inside}{LOGS}/")),
            (PLACE, inside),
            ("/srv/shop/", root),
            ("listen 8080", format!("listen 127.0.0.1:{port}")),
            ("/run/shop/php-fpm.sock", php.to_owned()),
            ("/tmp/nginx", format!("{temporary}/nginx")),
            ("/tmp/php-fpm.pid", format!("{temporary}/php-fpm.pid")),
            ("_dir = /tmp", format!("_dir = {temporary}")),
            // As root, both would hand their work to users who cannot enter a scratch directory.
            ("daemon off;", "daemon off;\nuser root;".to_owned()),
            ("\n[shop]\n", "\n[shop]\nuser = root\n".to_owned()),
        ];
        for (from, _) in &changes {
            assert!(
                self.files.values().any(|text| text.contains(from)),
                "the configuration has no {from:?} any more"
            );
        }
        for (name, text) in &self.files {
            let text = changes
                .iter()
                .fold(text.clone(), |text, (from, to)| text.replace(from, to));
            let path = scratch.join(name);
            fs::create_dir_all(path.parent().expect("a file in a directory"))
                .expect("a scratch directory is writable");
            fs::write(path, text).expect("a scratch directory is writable");
        }
        [&self.nginx, &self.pool, self.ini].map(|name| scratch.join(name))
    }
}

/// Every file below `directory`, by its path there.
fn read(directory: &Path, prefix: &str, files: &mut BTreeMap<String, String>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            read(&entry.path(), &format!("{name}/"), files)?;
        } else {
            files.insert(name, fs::read_to_string(entry.path())?);
        }
    }
    Ok(())
}
