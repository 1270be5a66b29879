//! From a tree to pods that serve: it is installed, published, built and opened.

use super::{BUILD, FIRST, PASSWORD, Stage};
use crate::{
    magento::{
        Built, Table,
        tree::{Tree, moved, owned_by_pods},
    },
    platform::{BUILDS, Class},
};
use serde_json::json;
use std::{
    fs, io,
    path::Path,
    thread,
    time::{Duration, Instant},
};

impl Stage<'_> {
    /// From a tree to pods that serve. Gives whether they do.
    pub(in crate::magento) fn open(&mut self, table: &mut Table, tree: Option<&Path>) -> bool {
        self.real = tree.is_some();
        let name = self.tenant.name.clone();
        let (mut modules, mut unbuilt) = (Vec::new(), None);
        let installed = table.row("install", "the engine's own installer succeeds", || {
            self.servers.database.create(&name, PASSWORD);
            let directory = self.platform.path(format!("tenants/{name}/tree"));
            let tree =
                Tree::copy(self.kind, tree, directory, FIRST).map_err(|error| error.to_string())?;
            unbuilt = tree.unbuilt();
            let said = tree.install(&self.variables, unbuilt)?;
            let media = self.platform.shared().join(&name).join(self.kind.media);
            modules = tree
                .split(&media, |module| self.tenant.module(module))
                .map_err(|error| error.to_string())?;
            owned_by_pods(&self.platform.shared().join(&name))
                .map_err(|error| error.to_string())?;
            Ok(said)
        });
        self.modules = modules;
        let published = installed
            && table.row("publish", "a signed release", || {
                self.first = self.publish(FIRST, "none")?;
                Ok(format!(
                    "sequence {} of {} modules",
                    self.first,
                    self.modules.len()
                ))
            });
        let built = published
            && unbuilt.is_none_or(|unbuilt| {
                let expected = "a Job of the class compiles, deploys static content, and \
                                publishes the next sequence";
                table.row("build", expected, || self.build(unbuilt))
            });
        built
            && table.row("pods", "two serve the front page", || {
                self.tenant.register(self.first);
                self.start();
                self.served = Some(self.edge.serve(self.tenant.service()));
                // The first pods may have begun before the Shop was changed.
                self.tenant.settled();
                let pods = self.tenant.served_by(2);
                self.serve(FIRST.name)?;
                Ok(pods
                    .iter()
                    .map(|pod| format!("{} on {}", pod.name, pod.node))
                    .collect::<Vec<_>>()
                    .join(", "))
            })
    }

    /// Waits for the build of the release that was published, which becomes the first, and takes
    /// what it made for the releases to come.
    fn build(&mut self, built: Built) -> Result<String, String> {
        let (begin, source) = (Instant::now(), self.first);
        self.platform.builders();
        let class = self.platform.class(&Class {
            builds: true,
            ..self.class()
        });
        // One who runs this channel is enough; the real one shall never be told a release that is
        // not built.
        let name = &self.tenant.name;
        let spec = json!({ "class": class["metadata"]["name"], "channel": format!("shops/{name}"), "state": "Active",
            "domains": [{ "host": format!("{name}.example"), "primary": true }], "services": {} });
        let shop = json!({
            "apiVersion": "longshore.dev/v1alpha1", "kind": "Shop", "metadata": { "name": name },
            "spec": spec,
        });
        let documents = [class, self.tenant.resource(source), shop]
            .map(|object| object.to_string())
            .join("\n---\n");
        let file = self.platform.path("build.yaml");
        fs::write(&file, documents).map_err(|error| error.to_string())?;
        let rendered = self
            .platform
            .longshore([
                "render",
                "--builds",
                "--output",
                "json",
                &file.display().to_string(),
            ])
            .expect(0)
            .stdout;
        self.platform.apply(&rendered);
        let job = || {
            self.platform.cluster.get(&["jobs", "--namespace", BUILDS])["items"][0]["status"]
                .clone()
        };
        let took = loop {
            let (status, took) = (job(), begin.elapsed());
            if status["succeeded"] == 1 {
                break took;
            }
            if took > BUILD || status["failed"].as_u64() > Some(0) {
                return Err(format!(
                    "after {took:?}: {status:#}\n{}",
                    self.platform.tell(BUILDS)
                ));
            }
            thread::sleep(Duration::from_millis(500));
        };
        let said = self.platform.cluster.ask(&[
            "--namespace",
            BUILDS,
            "logs",
            "--selector=app.kubernetes.io/component=build",
            "--tail=-1",
        ]);
        let added = said
            .lines()
            .rfind(|line| line.starts_with("build: publishing"))
            .unwrap_or_default()
            .to_owned();
        self.first = source + 1;
        self.take(built, &self.tenant.pull(self.first))
            .map_err(|error| error.to_string())?;
        Ok(format!(
            "sequence {} in {:.1} s; {added}",
            self.first,
            took.as_secs_f64()
        ))
    }

    /// Takes from a built tree what the releases to come have of it: CI would keep it.
    fn take(&mut self, built: Built, tree: &Path) -> io::Result<()> {
        // Empty, for what pods share.
        for shared in self
            .kind
            .not_published
            .iter()
            .map(|path| tree.join(path))
            .filter(|path| path.is_dir())
        {
            fs::remove_dir_all(shared)?;
        }
        for (module, target) in built.modules {
            moved(&tree.join(target), &self.tenant.module(module))?;
            if !self.modules.iter().any(|(name, _)| name == module) {
                self.modules.push((module, target));
            }
        }
        Ok(())
    }
}
