#![allow(
    clippy::disallowed_methods,
    reason = "a test prepares what is on the disk"
)]

use super::*;
use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
};

const SHORT: &str = "0123456789abcdef";
const PATH: &str = "app/etc/local.xml";

struct Lab(tempfile::TempDir);

impl Lab {
    // As the kubelet mounts both: each name a link into a directory that another link names.
    fn new(template: &str, secrets: &[(&str, &str)]) -> Self {
        let lab = Self(tempfile::tempdir().unwrap());
        let list = format!("{{\"{PATH}\": \"local.xml\"}}");
        for (volume, files) in [
            (
                "app",
                &[("templates.json", list.as_str()), ("local.xml", template)][..],
            ),
            ("secret", secrets),
        ] {
            let hidden = lab.at(volume).join("..2026_01_31");
            fs::create_dir_all(&hidden).unwrap();
            symlink("..2026_01_31", lab.at(volume).join("..data")).unwrap();
            for (name, text) in files {
                fs::write(hidden.join(name), text).unwrap();
                symlink(format!("..data/{name}"), lab.at(volume).join(name)).unwrap();
            }
        }
        lab
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn configuration(&self) -> Configuration {
        Configuration {
            templates: self.at("app"),
            secrets: Some(self.at("secret")),
            configured: self.at("configured"),
        }
    }

    fn fill(&self) -> Result<Filled, ConfigurationError> {
        self.configuration().fill(SHORT, &[PATH.parse().unwrap()])
    }

    fn replace(&self, path: &str, text: impl AsRef<[u8]>) {
        fs::remove_file(self.at(path)).unwrap();
        fs::write(self.at(path), text).unwrap();
    }
}

#[test]
fn a_release_and_its_secrets_are_filled_in() {
    let lab = Lab::new(
        "<p>@release@</p><k>@secret:key@@secret:none?@</k>",
        &[("key", "a]]>b\n")],
    );
    let filled = lab.fill().unwrap();
    assert_eq!(
        format!("{filled:?}"),
        "{RelativePath(\"app/etc/local.xml\")}"
    );
    for _ in 0..2 {
        filled.write(&lab.at("configured"), SHORT).unwrap();
        let file = lab.at("configured").join(SHORT).join(PATH);
        assert_eq!(
            fs::read_to_string(&file).unwrap(),
            "<p>0123456789abcdef</p><k>a]]]]><![CDATA[>b</k>"
        );
        assert_eq!(
            file.metadata().unwrap().permissions().mode() & 0o7777,
            0o640
        );
        assert_eq!(fs::read_dir(lab.at("configured")).unwrap().count(), 1);
    }
}

#[test]
fn files_of_before_go_when_new_ones_come() {
    let lab = Lab::new("new", &[]);
    let old = lab.at("configured").join(SHORT).join("app/etc/old.xml");
    fs::create_dir_all(old.parent().unwrap()).unwrap();
    fs::write(&old, "old").unwrap();
    lab.fill()
        .unwrap()
        .write(&lab.at("configured"), SHORT)
        .unwrap();
    assert!(!old.exists() && lab.at("configured").join(SHORT).join(PATH).exists());
}

#[test]
fn what_is_missing_or_wrong_is_named_and_no_secret_is() {
    let text = |error: &ConfigurationError| {
        use std::error::Error as _;
        format!(
            "{error}: {:?} {error:?}",
            error.source().map(ToString::to_string)
        )
    };
    let refused = |lab: &Lab, reason, problem: &str| {
        let error = lab.fill().unwrap_err();
        assert_eq!(error.reason(), reason, "{error}");
        assert!(text(&error).contains(problem), "{}", text(&error));
        assert!(!text(&error).contains("hunter2"), "{}", text(&error));
    };
    let template = "@secret:database-user@ @secret:crypt-key@";
    let lab = Lab::new(template, &[("database-user", "hunter2")]);
    refused(
        &lab,
        Reason::Secret,
        "the shop's Secret has no key crypt-key, which app/etc/local.xml needs",
    );

    let without = Configuration {
        secrets: None,
        ..lab.configuration()
    };
    let error = without.fill(SHORT, &[PATH.parse().unwrap()]).unwrap_err();
    assert!(
        matches!(error, ConfigurationError::Missing { ref key, .. } if key == "database-user"),
        "{error}"
    );

    fs::create_dir(lab.at("secret/crypt-key")).unwrap();
    refused(
        &lab,
        Reason::Secret,
        "cannot read the key crypt-key of the shop's Secret",
    );
    fs::remove_dir(lab.at("secret/crypt-key")).unwrap();
    fs::write(lab.at("secret/crypt-key"), vec![b'x'; (1 << 20) + 1]).unwrap();
    refused(&lab, Reason::Secret, "cannot read the key crypt-key");

    lab.replace("app/local.xml", "one\n@secret:../../etc/passwd@");
    refused(&lab, Reason::Template, "line 2 of ");
    lab.replace("app/local.xml", vec![b'x'; (1 << 20) + 1]);
    refused(&lab, Reason::Template, "local.xml has over 1048576 bytes");
    fs::remove_file(lab.at("app/local.xml")).unwrap();
    refused(&lab, Reason::Template, "local.xml");
    for list in [
        "[]",
        "{\"app/etc/local.xml\": \"../secret/database-user\"}",
        "{\"../x\": \"local.xml\"}",
    ] {
        lab.replace("app/templates.json", list);
        refused(
            &lab,
            Reason::Template,
            "templates.json does not say which template is of which path",
        );
    }
    fs::remove_file(lab.at("app/templates.json")).unwrap();
    refused(&lab, Reason::Template, "cannot read ");
}

#[test]
fn many_secrets_do_not_fill_the_memory() {
    let lab = Lab::new(&"@secret:key@".repeat(8), &[("key", &"x".repeat(1 << 20))]);
    assert!(matches!(
        lab.fill(),
        Err(ConfigurationError::TooLarge { .. })
    ));
}
