//! Class 47: a pod whose trees lead to a volume that the shop writes, and to its configuration in
//! memory.

use super::{
    Counts, Row,
    kill::died,
    rig::{last_line, names, passed},
};
use crate::{
    process::{Outcome, Program},
    shop::Shop,
};
use std::{fs, path::Path};

const CONFIG: &str = "app/etc/local.xml";
/// What is written beside a link into each directory that a pod removes something from, and must be
/// there for ever.
const OUTSIDE: &str = "store/not-the-pods";

/// A shop with two releases, whose pods have these places.
#[derive(Debug)]
struct Lab {
    shop: Shop,
    pods: u32,
}

impl Lab {
    fn new() -> Self {
        let shop = Shop::on_disk(1, 3);
        let toml = fs::read_to_string(shop.path("longshore.toml")).expect("the shop is described");
        let toml = toml.replace("[\"media\"]", "[\"app/etc/local.xml\", \"var/export\"]");
        let toml = toml.replace(
            "[\"var/cache\"]",
            "[\"var\", { path = \"sessions\", keep = true }]",
        );
        let var = shop.module(0).join("var");
        let files = [
            (shop.path("longshore.toml"), toml.as_str()),
            (
                shop.path("app/templates.json"),
                "{\"app/etc/local.xml\": \"local.xml\"}",
            ),
            (
                shop.path("app/local.xml"),
                "<p>@release@</p><k><![CDATA[@secret:key@]]></k>",
            ),
            (shop.path("secret/key"), "hunter2\n"),
            (shop.path(OUTSIDE), "a photo"),
            (var.join("log/.keep"), ""),
            (var.join(".htaccess"), "deny"),
        ];
        for (path, text) in files {
            let made = path
                .parent()
                .map_or(Ok(()), fs::create_dir_all)
                .and_then(|()| fs::write(&path, text));
            made.expect("a scratch directory is writable");
        }
        Self { shop, pods: 0 }
    }

    fn publish(&self, name: &str) {
        fs::write(self.shop.module(0).join("marker.php"), name)
            .expect("a scratch directory is writable");
        self.shop.publish();
    }

    fn pod(&mut self) -> String {
        self.pods += 1;
        format!("pod{}", self.pods)
    }

    fn init(&self, pod: &str) -> Program {
        let beside = |name: &str| self.shop.path(format!("{pod}-{name}"));
        self.shop.init(pod).envs([
            ("LONGSHORE_WRITABLE", beside("writable")),
            ("LONGSHORE_STORAGE", self.shop.path("mnt")),
            ("LONGSHORE_TEMPLATES", self.shop.path("app")),
            ("LONGSHORE_SECRETS", self.shop.path("secret")),
            ("LONGSHORE_CONFIGURED", beside("configured")),
        ])
    }

    fn steer(&self, pod: &str, at: usize, action: &str) -> (Outcome, Vec<String>) {
        let trace = self.shop.path(format!("{pod}.trace"));
        let outcome = self
            .init(pod)
            .env("FAILPOINT", format!("{at}:{action}"))
            .env("FAILPOINT_TRACE", &trace)
            .run();
        (outcome, passed(&trace))
    }

    // What holds at any moment: a tree that is there has all that it leads to.
    fn check_now(&self, pod: &str) -> Result<(), String> {
        let root = self.shop.path(pod);
        let Ok(tree) = fs::canonicalize(root.join("current")) else {
            return Ok(());
        };
        let short = tree
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        let expect = |path: &str, text: &str| {
            let found =
                fs::read_to_string(tree.join(path)).map_err(|error| format!("{path}: {error}"))?;
            if found == text {
                Ok(())
            } else {
                Err(format!("{path} is {found:?}"))
            }
        };
        expect(CONFIG, &format!("<p>{short}</p><k><![CDATA[hunter2]]></k>"))?;
        expect("var/.htaccess", "deny")?;
        expect("var/log/.keep", "")?;
        if !tree.join("sessions").is_dir()
            || fs::read_link(tree.join("var/export")).ok() != Some(self.shop.path("mnt/var/export"))
        {
            return Err("a directory of the tree is not there".to_owned());
        }
        match fs::read_to_string(self.shop.path(OUTSIDE)) {
            Ok(text) if text == "a photo" => Ok(()),
            other => Err(format!("what is not the pod's is {other:?}")),
        }
    }

    fn check(&self, pod: &str, sequence: u64) -> Result<(), String> {
        self.check_now(pod)?;
        let again = self.init(pod).run();
        if again.code() != Some(0) {
            return Err(format!(
                "the next start does not converge: {}",
                last_line(&again)
            ));
        }
        self.check_now(pod)?;
        let state = self.shop.state(pod);
        if state["active"]["sequence"] != sequence {
            return Err(format!("{} is active, not {sequence}", state["active"]));
        }
        let trees = |name: &str| {
            names(&self.shop.path(name))
                .into_iter()
                .filter(|name| !name.contains('.'))
                .collect::<Vec<_>>()
        };
        let (releases, mut writable) = (
            trees(&format!("{pod}/releases")),
            trees(&format!("{pod}-writable")),
        );
        writable.retain(|name| name != "kept");
        let configured = trees(&format!("{pod}-configured"));
        if releases != writable || releases != configured {
            return Err(format!(
                "trees {releases:?}, writable {writable:?}, configured {configured:?}"
            ));
        }
        Ok(())
    }

    fn copied(&mut self, from: &str) -> String {
        let pod = self.pod();
        for part in ["", "-writable", "-configured"] {
            let (from, to) = (
                self.shop.path(format!("{from}{part}")),
                self.shop.path(format!("{pod}{part}")),
            );
            Program::new("cp")
                .arg("-a")
                .arg(from)
                .arg(&to)
                .run()
                .expect(0);
        }
        pod
    }
}

pub(super) fn at_every_point(counts: &Counts) -> Row {
    let mut row = Row::new(
        47,
        "kill -9, EIO and ENOSPC at every failpoint, with writable volume and configuration",
    );
    let mut lab = Lab::new();
    lab.publish("1");
    for at in (1..).take(5000) {
        let mut points = 0;
        for action in ["kill", "eio", "enospc"] {
            let pod = lab.pod();
            let (outcome, passed) = lab.steer(&pod, at, action);
            points = points.max(passed.len());
            row.count(
                || format!("{action} at point {at}"),
                ended(action, &outcome, passed.len() < at).and_then(|()| lab.check(&pod, 1)),
            );
            remove(&lab, &pod);
        }
        if points < at {
            break;
        }
    }
    // Volumes that are younger than the tree: a node that was started again has lost what was in
    // memory.
    let first = lab.pod();
    lab.init(&first).run().expect(0);
    for at in (1..).take(counts.points as usize * 1000) {
        let mut points = 0;
        for action in ["kill", "eio"] {
            let pod = lab.moved(&first);
            for lost in ["-writable", "-configured"] {
                let lost = fs::remove_dir_all(lab.shop.path(format!("{pod}{lost}")));
                lost.expect("a scratch directory is writable");
            }
            let (outcome, passed) = lab.steer(&pod, at, action);
            points = points.max(passed.len());
            let whole = outcome.code() == Some(0);
            let ended = ended(action, &outcome, passed.len() < at);
            // Nothing starts before init has ended well.
            let now = if whole { lab.check_now(&pod) } else { Ok(()) };
            row.count(
                || format!("{action} at point {at}, volumes lost"),
                ended.and(now).and_then(|()| {
                    drop(lab.init(&pod).run());
                    lab.check(&pod, 1)
                }),
            );
            remove(&lab, &pod);
        }
        if points < at {
            break;
        }
    }
    row
}

impl Lab {
    // A copy of a pod, whose links lead to places of its own.
    fn moved(&mut self, from: &str) -> String {
        let pod = self.copied(from);
        let (root, before) = (
            self.shop.path(&pod),
            self.shop.path(from).display().to_string(),
        );
        for short in names(&root.join("releases"))
            .into_iter()
            .filter(|name| !name.contains('.'))
        {
            for link in ["var", "sessions", CONFIG] {
                let link = root.join("releases").join(&short).join(link);
                let leads = fs::read_link(&link)
                    .expect("a tree has its links")
                    .display()
                    .to_string();
                let leads = leads.replace(&format!("{before}-"), &format!("{}-", root.display()));
                let made =
                    fs::remove_file(&link).and_then(|()| std::os::unix::fs::symlink(leads, &link));
                made.expect("a scratch directory is writable");
            }
        }
        pod
    }
}

fn ended(action: &str, outcome: &Outcome, short: bool) -> Result<(), String> {
    match (action, outcome.code()) {
        ("kill", _) => died(outcome, short),
        // What is only cleaned up may fail, and is tried again.
        (_, Some(0 | 64 | 74)) => Ok(()),
        _ => Err(format!(
            "it ended with {:?}: {}",
            outcome.ended,
            last_line(outcome)
        )),
    }
}

fn remove(lab: &Lab, pod: &str) {
    for part in ["", "-writable", "-configured"] {
        let path = lab.shop.path(format!("{pod}{part}"));
        if Path::exists(&path) {
            fs::remove_dir_all(path).expect("a scratch directory is writable");
        }
    }
}
