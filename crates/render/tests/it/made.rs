//! Shops, classes and releases for tests: those of `manifests/examples/shops`, and changes to them.

use crate::committed::top;
use api::{Fleet, Object, RenderContext, ResolvedRelease, Shop, ShopClass};
use registry::Rules;
use render::render;
use std::{collections::BTreeMap, sync::LazyLock};

/// The platforms of the examples, with the shop of each.
pub(crate) const PLATFORMS: [(&str, &str); 4] = [
    ("aws", "acme"),
    ("azure", "vinyl"),
    ("gcp", "tulip"),
    ("plain", "blog"),
];

/// The example of an engine, which is not rendered byte for byte.
pub(crate) const MAGENTO1: &str = "magento1";

/// The files of one example.
fn fleet(platform: &str) -> Fleet {
    let examples = top().join("manifests/examples/shops");
    let files = [
        examples.join("release.yaml"),
        examples.join(platform).join("class.yaml"),
        examples.join(platform).join("shop.yaml"),
    ];
    registry::read_fleet(&files).unwrap()
}

/// Compiled once: that takes most of a second in a debug build.
pub(crate) static RULES: LazyLock<Rules> = LazyLock::new(Rules::new);

static EXAMPLES: LazyLock<BTreeMap<&str, Fleet>> = LazyLock::new(|| {
    PLATFORMS
        .iter()
        .map(|(platform, _)| *platform)
        .chain([MAGENTO1])
        .map(|platform| (platform, fleet(platform)))
        .collect()
});

/// The shop, the class and the release of one example.
pub(crate) fn example(platform: &str) -> (Shop, ShopClass, ResolvedRelease) {
    let fleet = &EXAMPLES[platform];
    let shop = fleet.shops.values().next().unwrap().clone();
    let release = fleet.newest(&shop.spec.channel).unwrap().clone();
    let class = fleet.classes[&shop.spec.class].clone();
    (shop, class, release)
}

/// Renders one example, changed.
pub(crate) fn rendered(
    platform: &str,
    change: impl FnOnce(&mut Shop, &mut ShopClass, &mut RenderContext),
) -> Vec<Object> {
    let (mut shop, mut class, release) = example(platform);
    let mut render_context = RenderContext::default();
    change(&mut shop, &mut class, &mut render_context);
    render(&shop, &class, Some(&release), &render_context).unwrap()
}

/// The object of this kind and name, as a tree.
pub(crate) fn find(objects: &[Object], kind: &str, name: &str) -> serde_json::Value {
    let found = objects
        .iter()
        .find(|object| object.identity().kind == kind && object.identity().name == name);
    found.unwrap_or_else(|| panic!("no {kind} {name}")).value()
}

/// Whether there is one.
pub(crate) fn has(objects: &[Object], kind: &str, name: &str) -> bool {
    objects
        .iter()
        .any(|object| object.identity().kind == kind && object.identity().name == name)
}
