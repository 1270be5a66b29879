//! The machine as a node: a namespace of mounts and processes that ends with us, whatever becomes
//! of us, and the pod's volumes.

#![allow(
    clippy::disallowed_methods,
    reason = "a person's trial, which no failpoint interrupts"
)]

use crate::cluster::ClusterError;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    io::{self, BufRead as _, BufReader, Write as _},
    os::{
        fd::OwnedFd,
        unix::fs::{PermissionsExt as _, chown},
    },
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    thread,
};

/// Something that a trial needs of the machine cannot be had.
pub(super) fn failed(what: impl Into<String>) -> impl FnOnce(io::Error) -> ClusterError {
    let what = what.into();
    move |error| ClusterError::Argument(format!("{what}: {error}"))
}

/// The namespaces in which the pod's containers are.
#[derive(Debug)]
pub(super) struct Node {
    holder: Child,
    /// Process 1 there reads from it: when it is closed, by us or by our end, everything in the
    /// namespaces ends, and their mounts are gone.
    line: Option<ChildStdin>,
    first: String,
}

impl Node {
    /// Makes the namespaces; mounts of the node's directory `shared` reach all of them.
    pub(super) fn new(shared: &Path) -> Result<Self, ClusterError> {
        let script = "mount --bind \"$0\" \"$0\" && mount --make-shared \"$0\" && echo here && \
                      exec cat >/dev/null";
        let mut holder = Command::new("unshare")
            .args([
                "--mount",
                "--propagation",
                "private",
                "--pid",
                "--fork",
                "--kill-child",
                "sh",
                "-c",
                script,
            ])
            .arg(shared)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(failed("cannot run unshare"))?;
        let mut said = String::new();
        if let Some(out) = holder.stdout.take() {
            BufReader::new(out)
                .read_line(&mut said)
                .map_err(failed("cannot hear of the namespace"))?;
        }
        if said != "here\n" {
            return Err(ClusterError::Argument(
                "cannot make namespaces: run it as root, where mounting is allowed".to_owned(),
            ));
        }
        let pid = holder.id();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))
            .map_err(failed("cannot find the namespace"))?;
        let first = children
            .split_whitespace()
            .next()
            .unwrap_or_default()
            .to_owned();
        Ok(Self {
            line: holder.stdin.take(),
            holder,
            first,
        })
    }

    /// Runs a script in a container's namespaces of its own; each line that it writes is shown with
    /// `name` before it.
    pub(super) fn start(&self, name: &str, script: &str) -> Result<Child, ClusterError> {
        let (reader, writer) = io::pipe().map_err(failed("cannot make a pipe"))?;
        // A program may open /proc/self/fd/2 once more, as its own user.
        let open = fs::File::from(OwnedFd::from(
            writer.try_clone().map_err(failed("cannot make a pipe"))?,
        ));
        open.set_permissions(fs::Permissions::from_mode(0o666))
            .map_err(failed("cannot open a pipe to the container"))?;
        let child = self
            .command(script)
            .stdout(open)
            .stderr(writer)
            .spawn()
            .map_err(failed("cannot run nsenter"))?;
        let name = name.to_owned();
        thread::spawn(move || {
            for line in BufReader::new(reader).split(b'\n').map_while(Result::ok) {
                // A terminal that went away has nobody to be told.
                writeln!(io::stderr(), "{name} | {}", String::from_utf8_lossy(&line)).ok();
            }
        });
        Ok(child)
    }

    /// Whether a script ends well, which nobody needs to see.
    pub(super) fn succeeds(&self, script: &str) -> bool {
        self.command(script)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    }

    fn command(&self, script: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args([
            "--target",
            &self.first,
            "--mount",
            "--pid",
            "unshare",
            "--mount",
            "--propagation",
            "unchanged",
            "--pid",
            "--fork",
        ]);
        command
            .args(["--kill-child", "sh", "-c", script])
            .stdin(Stdio::null());
        command
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        drop(self.line.take());
        self.holder.wait().ok();
    }
}

/// Makes the directory of each volume of the pod: what the kubelet would, from the rendered
/// ConfigMaps and the given Secrets.
pub(super) fn volumes(
    spec: &Value,
    objects: &[Value],
    secrets: &BTreeMap<String, String>,
    (base, node, group): (&Path, &Path, u32),
) -> Result<BTreeMap<String, PathBuf>, ClusterError> {
    make(node, group)?;
    let mut places = BTreeMap::new();
    for volume in spec["volumes"].as_array().into_iter().flatten() {
        let name = volume["name"].as_str().unwrap_or_default();
        let directory = match volume["hostPath"]["path"].as_str() {
            Some(path) => node.join(path.trim_start_matches('/')),
            // What outlives pods is the node's, too.
            None if volume["persistentVolumeClaim"].is_object() => node.join("claim"),
            None => base.join("volumes").join(name),
        };
        make(&directory, group)?;
        if let Some(map) = volume["configMap"]["name"].as_str() {
            let found = objects
                .iter()
                .find(|object| object["kind"] == "ConfigMap" && object["metadata"]["name"] == map);
            let data = found.and_then(|map| map["data"].as_object());
            let wanted = volume["configMap"]["items"].as_array();
            for (key, value) in data.into_iter().flatten() {
                let item =
                    wanted.map(|items| items.iter().find(|item| item["key"] == key.as_str()));
                let name = match &item {
                    Some(None) => continue,
                    Some(Some(item)) => item["path"].as_str().unwrap_or(key),
                    None => key,
                };
                write(
                    &directory.join(name),
                    value.as_str().unwrap_or_default(),
                    0o644,
                    group,
                )?;
            }
        }
        if volume["secret"].is_object() {
            secrets
                .iter()
                .try_for_each(|(key, value)| write(&directory.join(key), value, 0o440, group))?;
        }
        places.insert(name.to_owned(), directory);
    }
    Ok(places)
}

/// A directory that the pod's group may write, as one of an emptyDir.
fn make(directory: &Path, group: u32) -> Result<(), ClusterError> {
    let made = || {
        fs::create_dir_all(directory)?;
        chown(directory, Some(0), Some(group))?;
        fs::set_permissions(directory, fs::Permissions::from_mode(0o2777))
    };
    made().map_err(failed(format!("cannot make {}", directory.display())))
}

fn write(path: &Path, text: &str, mode: u32, group: u32) -> Result<(), ClusterError> {
    let written = || {
        fs::write(path, text)?;
        chown(path, Some(0), Some(group))?;
        fs::set_permissions(path, fs::Permissions::from_mode(mode))
    };
    written().map_err(failed(format!("cannot write {}", path.display())))
}
