//! The rows of Magento 1 and OpenMage: their addresses, forms and programs, which the stand-in has,
//! too.

mod operators;
mod visitors;

use super::Kind;

/// What is particular of this engine.
pub const KIND: Kind = Kind {
    engine: "Magento1",
    // As they lie in one tree and are published: each can change without the others.
    modules: &[
        ("core", ""),
        ("local", "app/code/local"),
        ("vendor", "vendor"),
        ("skin", "skin"),
        ("js", "js"),
    ],
    probe: &[
        (
            "core",
            "app/etc/modules/Longshore_Probe.xml",
            include_str!("probe/magento1/app/etc/modules/Longshore_Probe.xml"),
        ),
        (
            "local",
            "Longshore/Probe/etc/config.xml",
            include_str!("probe/magento1/app/code/local/Longshore/Probe/etc/config.xml"),
        ),
        (
            "local",
            "Longshore/Probe/Model/Observer.php",
            include_str!("probe/magento1/app/code/local/Longshore/Probe/Model/Observer.php"),
        ),
        (
            "local",
            "Longshore/Probe/sql/longshore_probe_setup/install-1.0.0.php",
            include_str!(
                "probe/magento1/app/code/local/Longshore/Probe/sql/longshore_probe_setup/install-1.0.0.php"
            ),
        ),
        (
            "local",
            "Longshore/Probe/sql/longshore_probe_setup/upgrade-1.0.0-2.0.0.php",
            include_str!(
                "probe/magento1/app/code/local/Longshore/Probe/sql/longshore_probe_setup/upgrade-1.0.0-2.0.0.php"
            ),
        ),
    ],
    shared: &[],
    spec: include_str!("../../../manifests/examples/shops/magento1/longshore.toml"),
    media: "media",
    not_published: &["var", "app/etc/local.xml", ".git"],
    install: "php install.php -- --license_agreement_accepted yes --locale en_US --timezone Europe/Bucharest --default_currency EUR \
        --db_host {database} --db_name {schema} --db_user {schema} --db_pass {password} --url https://{host}/ \
        --secure_base_url https://{host}/ --use_rewrites yes --use_secure yes --use_secure_admin yes --skip_url_validation yes \
        --enable_charts no --admin_firstname Ana --admin_lastname Pop --admin_email admin@shop.example --admin_username \
        {admin} --admin_password {admin_password} --encryption_key {crypt_key}",
    compile: "",
    built: None,
    seed: include_str!("probe/seed-magento1.php"),
    rows: &[visitors::ROWS, operators::ROWS],
    visits: &[
        "/",
        "/catalog/product/view/id/1/",
        "/catalogsearch/result/?q=chair",
    ],
};

const PRODUCT: &str = "/catalog/product/view/id/1/";
const KEY: (&str, &str) = ("name=\"form_key\" type=\"hidden\" value=\"", "\"");
