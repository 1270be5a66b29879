//! The releases of a tenant: published, pulled, registered and rolled out.

use super::Tenant;
use crate::{platform::RELEASES, shop::json as parsed};
use serde_json::Value;
use std::{fmt::Write as _, fs, path::PathBuf};

impl Tenant<'_> {
    /// Publishes its modules, each a directory of sources and where it lands; `more` stands in
    /// `longshore.toml` before them. Gives the sequence.
    ///
    /// # Panics
    ///
    /// `longshore publish` fails.
    #[must_use]
    #[track_caller]
    pub fn publish(&self, modules: &[(&str, &str)], more: &str) -> u64 {
        let mut spec = format!("channel = \"shops/{}\"\n{more}\n", self.name);
        for (module, target) in modules {
            // Writing to a String never fails.
            let line = format!(
                "name = \"vendor/{module}\"\nversion = \"1.0\"\nsource = \"{}\"\ntarget = \
                 \"{target}\"",
                self.module(module).display()
            );
            write!(spec, "[[module]]\n{line}\n").unwrap_or_default();
        }
        let path = self.platform.path(format!("tenants/{}.toml", self.name));
        fs::write(&path, spec).expect("the platform's directory is writable");
        let (path, store) = (path.display().to_string(), format!("s3://{RELEASES}"));
        let words = [
            "publish",
            "--spec",
            &path,
            "--store",
            &store,
            "--trust",
            "1.root.json",
            "--sign",
            "ci.key",
            "--output",
            "json",
        ];
        let published = self.platform.longshore(words).expect(0);
        parsed(&published)["sequence"]
            .as_u64()
            .expect("publish prints the sequence")
    }

    /// Publishes what it was before, as a new sequence.
    ///
    /// # Panics
    ///
    /// `longshore release rollback` fails.
    #[track_caller]
    #[must_use]
    pub fn publish_again(&self, sequence: u64) -> u64 {
        let (to, store, channel) = (
            sequence.to_string(),
            format!("s3://{RELEASES}"),
            format!("shops/{}", self.name),
        );
        let words = [
            "release",
            "rollback",
            "--to",
            &to,
            "--store",
            &store,
            "--channel",
            &channel,
        ];
        let more = [
            "--trust",
            "1.root.json",
            "--sign",
            "ci.key",
            "--output",
            "json",
        ];
        let published = self
            .platform
            .longshore(words.into_iter().chain(more))
            .expect(0);
        parsed(&published)["sequence"]
            .as_u64()
            .expect("rollback prints the sequence")
    }

    /// The tree of a release, as a developer pulls it.
    ///
    /// # Panics
    ///
    /// `longshore pull` fails.
    #[must_use]
    #[track_caller]
    pub fn pull(&self, sequence: u64) -> PathBuf {
        let root = self.platform.path(format!("tenants/{}/pulled", self.name));
        let (store, channel, number) = (
            format!("s3://{RELEASES}"),
            format!("shops/{}", self.name),
            sequence.to_string(),
        );
        let (words, place) = (
            [
                "pull",
                "--store",
                &store,
                "--channel",
                &channel,
                "--sequence",
                &number,
            ],
            root.display().to_string(),
        );
        self.platform
            .longshore(words.into_iter().chain(["--trust", "1.root.json", &place]))
            .expect(0);
        root.join("current")
    }

    /// The name of a Release of its channel.
    #[must_use]
    pub fn release_name(&self, sequence: u64) -> String {
        format!("shops-{}-{sequence}", self.name)
    }

    /// A release as the object with which it enters the cluster.
    ///
    /// # Panics
    ///
    /// The store has none.
    #[must_use]
    #[track_caller]
    pub fn resource(&self, sequence: u64) -> Value {
        let (store, channel, number) = (
            format!("s3://{RELEASES}"),
            format!("shops/{}", self.name),
            sequence.to_string(),
        );
        parsed(
            &self
                .platform
                .longshore([
                    "release",
                    "resource",
                    &number,
                    "--store",
                    &store,
                    "--channel",
                    &channel,
                ])
                .expect(0),
        )
    }

    /// Puts a release into the registry.
    ///
    /// # Panics
    ///
    /// The store has none, or the API server refuses it.
    #[track_caller]
    pub fn register(&self, sequence: u64) {
        self.platform.apply(&self.resource(sequence).to_string());
    }

    /// Begins a rollout of a release that is registered, to all at once; the first shop that fails
    /// stops it.
    #[track_caller]
    pub fn roll_out(&self, sequence: u64) {
        self.roll_out_with(sequence, &[]);
    }

    /// The same to this shop first, and then to the others of its channel.
    #[track_caller]
    pub fn roll_out_here_first(&self, sequence: u64) {
        self.roll_out_with(sequence, &["--canary", &self.name]);
    }

    #[track_caller]
    fn roll_out_with(&self, sequence: u64, more: &[&str]) {
        let name = self.release_name(sequence);
        let words = [
            "rollout", "start", &name, "--wave", "100:1s", "--budget", "0", "--why", "a test",
        ];
        self.platform
            .operator(words.iter().chain(more).copied())
            .run()
            .expect(0);
    }
}
