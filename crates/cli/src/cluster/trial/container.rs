//! A container of a rendered pod as a shell script: what the kubelet and the runtime would mount,
//! as whom the program would run. No IO.

use serde_json::Value;
use std::{collections::BTreeMap, path::PathBuf};

/// Where things of the pod are on this machine.
#[derive(Debug)]
pub(super) struct PodDirectories {
    /// The pod's own directory, which goes with it.
    pub base: PathBuf,
    /// The root of the containers' image.
    pub image: PathBuf,
    /// Directory of longshore-init and longshore-agent, mounted where images have them.
    pub programs: Option<PathBuf>,
    /// Directories that containers see under their own path, besides their volumes: a store of
    /// files.
    pub shown: Vec<PathBuf>,
    /// Each volume's directory.
    pub volumes: BTreeMap<String, PathBuf>,
    /// What `metadata.uid` is.
    pub uid: String,
    /// The pod's own security context, which containers' override.
    pub security: Value,
    /// Variables of the image, and what is set for all containers.
    pub environment: BTreeMap<String, String>,
    /// Values of the pod's Secrets, by key.
    pub secrets: BTreeMap<String, String>,
}

/// What a container may do with a mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    ReadOnly,
    ReadWrite,
}

impl Access {
    fn new(mount: &Value) -> Self {
        if mount["readOnly"] == true {
            Self::ReadOnly
        } else {
            Self::ReadWrite
        }
    }
}

/// Whether a container sees what the host mounts later, by the names of Kubernetes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Propagation {
    None,
    HostToContainer,
}

impl Propagation {
    fn new(mount: &Value) -> Self {
        if text(&mount["mountPropagation"]) == "HostToContainer" {
            Self::HostToContainer
        } else {
            Self::None
        }
    }
}

/// Where images have our programs.
const PROGRAMS: &str = "/opt/longshore/bin";
const PATH: &str =
    "/opt/longshore/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The script that mounts the root of this container of the pod and becomes `command`, or the
/// container's own.
///
/// # Errors
///
/// Names a volume that is none of the pod's, or a Secret's key that nobody gave.
pub(super) fn script(
    place: &PodDirectories,
    container: &Value,
    command: Option<&[String]>,
) -> Result<String, String> {
    let name = text(&container["name"]);
    let root = format!("{}/containers/{name}/root", place.base.display());
    let mut lines = vec![
        "set -eu".to_owned(),
        format!(
            "d={}",
            quoted(&format!("{}/containers/{name}", place.base.display()))
        ),
        // Of its own for each start, and gone with the namespace.
        "mkdir -p \"$d\" && mount -t tmpfs tmpfs \"$d\" && mkdir \"$d/upper\" \"$d/work\" \
         \"$d/root\""
            .to_owned(),
        format!(
            "mount -t overlay overlay -o lowerdir={},upperdir=\"$d/upper\",workdir=\"$d/work\" \
             \"$d/root\"",
            quoted(&place.image.display().to_string())
        ),
        "mkdir -p \"$d/root/dev\" \"$d/root/proc\" \"$d/root/sys\" && mount --rbind /dev \
         \"$d/root/dev\" && mount -t proc proc \"$d/root/proc\" && mount --rbind /sys \
         \"$d/root/sys\""
            .to_owned(),
        "for f in resolv.conf hosts; do if [ -e \"$d/root/etc/$f\" ]; then mount --bind \
         \"/etc/$f\" \"$d/root/etc/$f\"; fi; done"
            .to_owned(),
    ];
    let mut bind = |from: &str, to: &str, access: Access, propagation: Propagation| {
        let (from, to) = (quoted(from), quoted(&format!("{root}{to}")));
        lines.push(format!("mkdir -p {to} && mount --bind {from} {to}"));
        if propagation == Propagation::HostToContainer {
            lines.push(format!("mount --make-rslave {to}"));
        }
        if access == Access::ReadOnly {
            lines.push(format!("mount -o remount,bind,ro {to}"));
        }
    };
    if let Some(programs) = &place.programs {
        bind(
            &programs.display().to_string(),
            PROGRAMS,
            Access::ReadOnly,
            Propagation::None,
        );
    }
    for shown in &place.shown {
        bind(
            &shown.display().to_string(),
            &shown.display().to_string(),
            Access::ReadOnly,
            Propagation::None,
        );
    }
    let mut directories = Vec::new();
    for mount in container["volumeMounts"].as_array().into_iter().flatten() {
        let volume = place.volumes.get(text(&mount["name"])).ok_or_else(|| {
            format!(
                "{name} mounts {}, which is no volume of the pod",
                mount["name"]
            )
        })?;
        let expanded = text(&mount["subPathExpr"]).replace("$(POD_UID)", &place.uid);
        let below = if expanded.is_empty() {
            text(&mount["subPath"])
        } else {
            &expanded
        };
        let from = if below.is_empty() {
            volume.clone()
        } else {
            volume.join(below)
        };
        directories.push(format!("mkdir -p {}", quoted(&from.display().to_string())));
        bind(
            &from.display().to_string(),
            text(&mount["mountPath"]),
            Access::new(mount),
            Propagation::new(mount),
        );
    }
    // The kubelet makes a subPath before anything is mounted.
    lines.splice(1..1, directories);
    let security = &container["securityContext"];
    if security["readOnlyRootFilesystem"] == true {
        lines.push("mount -o remount,bind,ro \"$d/root\"".to_owned());
    }
    let words = command_line(place, container, command, &root)?;
    lines.push(format!(
        "cd /; exec {}",
        words
            .iter()
            .map(|word| quoted(word))
            .collect::<Vec<_>>()
            .join(" ")
    ));
    Ok(lines.join("\n") + "\n")
}

/// The container's command, with the user, the groups and the rights that it has.
fn command_line(
    place: &PodDirectories,
    container: &Value,
    command: Option<&[String]>,
    root: &str,
) -> Result<Vec<String>, String> {
    let security = &container["securityContext"];
    let merged = |field: &str| {
        security[field]
            .as_i64()
            .or_else(|| place.security[field].as_i64())
            .unwrap_or(0)
    };
    let mut words = vec!["chroot".to_owned(), root.to_owned(), "setpriv".to_owned()];
    words.extend(
        [("reuid", "runAsUser"), ("regid", "runAsGroup")]
            .map(|(flag, field)| format!("--{flag}={}", merged(field))),
    );
    words.push(place.security["fsGroup"].as_i64().map_or_else(
        || "--clear-groups".to_owned(),
        |group| format!("--groups={group}"),
    ));
    if security["privileged"] != true {
        let added = security["capabilities"]["add"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|name| text(name).to_lowercase());
        let added = added.fold(String::new(), |all, name| all + ",+" + &name);
        // Ambient, as programs of this machine have no capabilities of their files, and those of an
        // image do.
        words.extend(
            ["bounding-set", "inh-caps", "ambient-caps"].map(|set| format!("--{set}=-all{added}")),
        );
        words.push("--no-new-privs".to_owned());
    }
    words.extend(["env".to_owned(), "-i".to_owned()]);
    words.extend(
        environment(place, container)?
            .into_iter()
            .map(|(key, value)| format!("{key}={value}")),
    );
    let own: Vec<String> = ["command", "args"]
        .iter()
        .flat_map(|field| container[*field].as_array().into_iter().flatten())
        .map(|word| text(word).to_owned())
        .collect();
    words.extend(command.map_or(own, <[String]>::to_vec));
    Ok(words)
}

fn environment(
    place: &PodDirectories,
    container: &Value,
) -> Result<BTreeMap<String, String>, String> {
    let mut all = BTreeMap::from([("PATH".to_owned(), PATH.to_owned())]);
    for variable in container["env"].as_array().into_iter().flatten() {
        let (name, from) = (text(&variable["name"]), &variable["valueFrom"]);
        let value = if from["fieldRef"].is_object() {
            place.uid.clone()
        } else if let Some(key) = from["secretKeyRef"]["key"].as_str() {
            let given = place.secrets.get(key).cloned();
            given.ok_or_else(|| {
                format!(
                    "{name} comes from key {key} of Secret {}: give it with --secrets",
                    from["secretKeyRef"]["name"]
                )
            })?
        } else {
            text(&variable["value"]).to_owned()
        };
        all.insert(name.to_owned(), value);
    }
    all.extend(place.environment.clone());
    Ok(all)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// A word of the shell, whatever is in it.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn place() -> PodDirectories {
        PodDirectories {
            base: "/b".into(),
            image: "/i".into(),
            programs: None,
            shown: Vec::new(),
            volumes: [
                ("sources".to_owned(), "/b/v/sources".into()),
                ("shared".to_owned(), "/n/pods".into()),
            ]
            .into(),
            uid: "u1".to_owned(),
            security: json!({ "runAsUser": 10_001, "runAsGroup": 10_001, "fsGroup": 10_001 }),
            environment: BTreeMap::new(),
            secrets: BTreeMap::from([("k".to_owned(), "it's".to_owned())]),
        }
    }

    #[test]
    fn a_tenant_sees_its_mounts_with_their_flags_and_runs_as_its_user() {
        let container = json!({
            "name": "php-fpm", "command": ["php-fpm8.2"], "args": ["-F"],
            "env": [{ "name": "A", "value": "1" }, { "name": "POD_UID", "valueFrom": { "fieldRef": {} } }, { "name": "K", "valueFrom": { "secretKeyRef": { "name": "s", "key": "k" } } }],
            "securityContext": { "readOnlyRootFilesystem": true },
            "volumeMounts": [
                { "name": "sources", "mountPath": "/srv/shop", "readOnly": true },
                { "name": "shared", "mountPath": "/mnt/shop", "subPathExpr": "$(POD_UID)", "mountPropagation": "HostToContainer" },
            ],
        });
        let script = script(&place(), &container, None).unwrap();
        for line in [
            "mkdir -p '/n/pods/u1'",
            "mkdir -p '/b/containers/php-fpm/root/srv/shop' && mount --bind '/b/v/sources' \
             '/b/containers/php-fpm/root/srv/shop'",
            "mount -o remount,bind,ro '/b/containers/php-fpm/root/srv/shop'",
            "mount --make-rslave '/b/containers/php-fpm/root/mnt/shop'",
            "mount -o remount,bind,ro \"$d/root\"",
        ] {
            assert!(
                script.lines().any(|found| found == line),
                "{line}: {script}"
            );
        }
        assert!(
            !script.contains("ro '/b/containers/php-fpm/root/mnt/shop'"),
            "{script}"
        );
        let last = script.lines().last().unwrap();
        for part in [
            "'--reuid=10001' '--regid=10001' '--groups=10001' '--bounding-set=-all'",
            "'A=1' 'K=it'\\''s' ",
            "'POD_UID=u1' 'php-fpm8.2' '-F'",
        ] {
            assert!(last.contains(part), "{part}: {last}");
        }
    }

    #[test]
    fn only_a_privileged_one_keeps_its_rights() {
        let agent = json!({ "name": "agent", "command": ["longshore-agent"], "securityContext": { "privileged": true, "runAsUser": 0 } });
        let script = script(&place(), &agent, None).unwrap();
        assert!(
            script.contains("'--reuid=0' '--regid=10001' '--groups=10001' 'env'")
                && !script.contains("bounding-set"),
            "{script}"
        );
    }

    #[test]
    fn what_is_missing_is_named() {
        let mounts =
            json!({ "name": "c", "volumeMounts": [{ "name": "other", "mountPath": "/x" }] });
        assert!(
            script(&place(), &mounts, None)
                .unwrap_err()
                .contains("which is no volume of the pod")
        );
        let secret = json!({ "name": "c", "env": [{ "name": "P", "valueFrom": { "secretKeyRef": { "name": "store", "key": "secret-access-key" } } }] });
        assert!(
            script(&place(), &secret, None)
                .unwrap_err()
                .contains("key secret-access-key of Secret \"store\"")
        );
    }
}
