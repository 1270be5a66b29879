//! What a shop's containers read: ConfigMaps that never change and are named by their content.
//!
//! Another content is another name, so that a change rolls the pods, and going back is the old
//! name: rolling and rollback for free. What holds a secret is no part of them: a Secret of the
//! shop is mounted, and read where it is needed. What differs from release to release, or has a
//! secret in it, is a template: `longshore-init` and `longshore-agent` fill it in for each tree.

mod magento1;
mod magento2;
mod mounts;
mod nginx;
mod php;
mod prefix;
mod values;

use super::{RenderError, path, shop_context::ShopContext};
use api::Engine;
use api::{Object, name};
use k8s_openapi::api::core::v1::ConfigMap;
use std::collections::BTreeMap;

/// The names of a shop's configuration, as its pods refer to it.
#[derive(Debug, Default)]
pub(crate) struct Names {
    pub(crate) trust: String,
    pub(crate) app: String,
    pub(crate) php: String,
    pub(crate) nginx: String,
    pub(crate) scripts: String,
    pub(crate) mounts: String,
}

/// All configuration of a shop, and its names.
pub(crate) fn all(context: &ShopContext<'_>) -> Result<(Names, Vec<Object>), RenderError> {
    let mut objects = Vec::new();
    let mut add = |name: &str, files: BTreeMap<String, String>| {
        let object = immutable(context, name, files);
        let name = object.identity().name.clone();
        objects.push(object);
        name
    };
    let names = Names {
        trust: add(
            "trust",
            file(path::TRUST_FILE, context.class.store.trust.clone()),
        ),
        app: add("env", application(context)?),
        php: add("php", php::files(context)),
        nginx: add("nginx", file("nginx.conf", nginx::conf(context))),
        scripts: add("scripts", super::scripts::files(context)),
        mounts: if context.media.is_some() {
            add("mounts", file(path::MOUNTS_FILE, mounts::json(context)))
        } else {
            String::new()
        },
    };
    Ok((names, objects))
}

/// The list of templates, which says where in a release each belongs.
const TEMPLATES: &str = "templates.json";

fn application(context: &ShopContext<'_>) -> Result<BTreeMap<String, String>, RenderError> {
    let filled = match context.class.engine {
        Engine::Magento1 => magento1::local_xml(context)?,
        Engine::Magento2 => magento2::env_php(context)?,
        Engine::Php => return Ok(file("config.json", values::json(context)?)),
    };
    let declared = context
        .declared()
        .map(|path| (path, magento1::modules_xml(context)));
    let templates: Vec<(&str, String)> = context
        .configured()
        .map(|path| (path, filled))
        .into_iter()
        .chain(declared)
        .collect();
    let list: BTreeMap<&str, &str> = templates
        .iter()
        .map(|(path, _)| (*path, last(path)))
        .collect();
    let mut files = file(TEMPLATES, format!("{:#}\n", serde_json::json!(list)));
    files.extend(
        templates
            .into_iter()
            .map(|(path, text)| (last(path).to_owned(), text)),
    );
    Ok(files)
}

/// The name of a file, without its directories.
fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn file(name: &str, content: String) -> BTreeMap<String, String> {
    BTreeMap::from([(name.to_owned(), content)])
}

fn immutable(context: &ShopContext<'_>, what: &str, files: BTreeMap<String, String>) -> Object {
    let parts: Vec<&str> = files
        .iter()
        .flat_map(|(name, text)| [name.as_str(), "\0", text, "\0"])
        .collect();
    let metadata = context.meta(name::by_content(what, parts.concat().as_bytes()));
    // Nobody changes it in place; and the kubelets need not watch it: 30,000 ConfigMaps fewer of
    // them.
    Object::new(&ConfigMap {
        metadata,
        data: Some(files),
        immutable: Some(true),
        ..ConfigMap::default()
    })
}
