//! The mounts file of the agent: one mount, the shop's directory, with the directories in it that
//! the release shares.

use crate::{
    path,
    shop_context::{ShopContext, USER},
};
use api::StorageMode;
use serde::Serialize;

/// What `docs/formats/mounts.md` specifies, as far as it is generated.
#[derive(Serialize)]
struct File<'a> {
    mount: [Mount<'a>; 1],
}

#[derive(Default, Serialize)]
struct Mount<'a> {
    name: &'static str,
    kind: &'static str,
    path: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_system: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    access_point: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    iam: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    export: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subdirectory: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls: Option<bool>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    directories: Vec<Directory<'a>>,
}

#[derive(Serialize)]
struct Directory<'a> {
    path: &'a str,
    uid: i64,
    gid: i64,
    mode: &'static str,
}

/// In [`path::MOUNTED`]; the agent knows which pod is its own.
const OF_POD: &str = "/mnt/pods/$(POD)";

pub(super) fn json(context: &ShopContext<'_>) -> String {
    let mount = mount(context);
    // Only a map whose keys are no text could fail.
    let mut text = serde_json::to_string_pretty(&File { mount: [mount] }).unwrap_or_default();
    text.push('\n');
    text
}

fn mount<'a>(context: &ShopContext<'a>) -> Mount<'a> {
    let usual = Mount {
        name: "shop",
        path: path::SHARED,
        ..Mount::default()
    };
    let Some((media, wanted)) = context.media else {
        return usual;
    };
    if context.class.storage.mode == StorageMode::Csi {
        // Somebody else mounts it; the agent watches it.
        return Mount {
            kind: "adopt",
            ..usual
        };
    }
    let usual = Mount {
        path: OF_POD,
        ..usual
    };
    let subdirectory = Some(wanted.path.trim_start_matches('/'));
    // Whoever is in the group may write there: uploads, imports, and what cron makes of them.
    let directories = context
        .shared()
        .into_iter()
        .map(|path| Directory {
            path,
            uid: USER,
            gid: USER,
            mode: "2775",
        })
        .collect();
    if let Some(efs) = &media.efs {
        let access_point = wanted.access_point.as_deref();
        return Mount {
            kind: "nfs4",
            file_system: Some(&efs.file_system),
            region: Some(&efs.region),
            access_point,
            iam: efs.iam,
            // An access point is the shop's directory already.
            subdirectory: subdirectory.filter(|_| access_point.is_none()),
            tls: Some(efs.tls || access_point.is_some()),
            directories,
            ..usual
        };
    }
    if let Some(nfs) = &media.nfs {
        return Mount {
            kind: "nfs4",
            server: Some(&nfs.server),
            export: Some(&nfs.export),
            subdirectory,
            tls: Some(nfs.tls),
            directories,
            ..usual
        };
    }
    Mount {
        kind: "bind",
        source: Some(path::DIRECTORY),
        subdirectory,
        directories,
        ..usual
    }
}
