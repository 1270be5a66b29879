//! The templates of a shop's configuration, filled in as pods do.

use super::*;
use render::check;

/// The environment that Magento 2 would read, as JSON.
#[test]
fn env_php_reads_secrets_and_keeps_values() {
    let folder = tempfile::tempdir().unwrap();
    let secrets = folder.path().join("secret");
    create_dir_all(&secrets).unwrap();
    written(&secrets.join("database-password"), "p'a\\ss\n");
    let env = filled(&file("aws", "env.php"), &[("crypt-key", "k")])
        .replace("/etc/shop/secret", secrets.to_str().unwrap());
    written(&folder.path().join("env.php"), &env);
    let code = format!(
        "echo json_encode(require '{}/env.php');",
        folder.path().display()
    );
    let read: serde_json::Value = serde_json::from_str(&succeeds(
        Command::new("php8.2").args(["-n", "-r", &code]),
        "env.php",
    ))
    .unwrap();
    assert_eq!(read["db"]["connection"]["default"]["password"], "p'a\\ss");
    assert_eq!(
        read["modules"],
        serde_json::json!({ "Acme_Loyalty": 1, "Magento_TwoFactorAuth": 0 })
    );
    assert_eq!(
        read["system"]["default"]["web"]["cookie"]["cookie_lifetime"],
        "7200"
    );
    assert_eq!(read["system"]["default"]["design"]["copyright"], COPYRIGHT);
    assert_eq!(read["session"]["redis"]["database"], "2");
}

/// A template as it is filled in in the pod: `docs/shops.md` says what stands for what.
fn filled(template: &str, secrets: &[(&str, &str)]) -> String {
    let filled = secrets
        .iter()
        .fold(template.to_owned(), |text, (key, value)| {
            text.replace(&format!("@secret:{key}@"), value)
        });
    filled
        .replace("@secret:cache-password?@", "")
        .replace("@release@", "0123456789abcdef")
}

/// Templates lie where the list says, and a filled local.xml has the values that the shop gave it.
#[test]
fn templates_are_listed_and_are_what_was_configured() {
    let listed = |platform| {
        serde_json::from_str::<serde_json::Value>(&file(platform, "templates.json")).unwrap()
    };
    let both = serde_json::json!({ "app/etc/local.xml": "local.xml", "app/etc/modules/zzz_shop.xml": "zzz_shop.xml" });
    assert_eq!(
        (listed("azure"), listed("aws")),
        (both, serde_json::json!({ "app/etc/env.php": "env.php" }))
    );
    assert!(
        files("plain", ShopState::Active)
            .iter()
            .all(|(name, _)| name != "templates.json")
    );

    let folder = tempfile::tempdir().unwrap();
    // Among the files that declare modules, as OpenMage merges them: in the order of their names,
    // the last one decides.
    written(
        &folder.path().join("Mage_All.xml"),
        "<config><modules><Mage_Poll><active>true</active><codePool>core</codePool></Mage_Poll></\
         modules></config>",
    );
    written(
        &folder.path().join("zzz_shop.xml"),
        &file("azure", "zzz_shop.xml"),
    );
    let merge = "import glob, json, sys, xml.etree.ElementTree as tree\nmerged = {}\nfor file in \
                 sorted(glob.glob(sys.argv[1] + '/*.xml')):\n\x20   for module in \
                 tree.parse(file).getroot().find('modules'):\n\x20       \
                 merged.setdefault(module.tag, {}).update((value.tag, value.text) for value in \
                 module)\nprint(json.dumps(merged))";
    let merged: serde_json::Value = serde_json::from_str(&succeeds(
        Command::new("python3")
            .args(["-c", merge])
            .arg(folder.path()),
        "modules",
    ))
    .unwrap();
    assert_eq!(
        merged,
        serde_json::json!({ "Mage_Poll": { "active": "false", "codePool": "core" } })
    );

    let local = folder.path().join("local.xml");
    let secrets = [
        ("database-user", "shop"),
        ("database-password", "a]]]]><![CDATA[>b<c&d"),
        ("crypt-key", "k"),
    ];
    written(&local, &filled(&file("azure", "local.xml"), &secrets));
    let code = "import json, sys, xml.etree.ElementTree as tree\ntop = \
                tree.parse(sys.argv[1]).getroot()\npaths = ['connection/username', \
                'connection/password']\nfound = [top.findtext('global/resources/default_setup/' + \
                path) for path in paths]\nprint(json.dumps(found + \
                [top.findtext('default/design/copyright')]))";
    let values: Vec<String> = serde_json::from_str(&succeeds(
        Command::new("python3").arg("-c").arg(code).arg(&local),
        "local.xml",
    ))
    .unwrap();
    assert_eq!(values, ["shop", "a]]>b<c&d", COPYRIGHT]);
}

/// A host of so many characters, in parts of at most 63.
fn long(letter: &str, length: usize) -> String {
    let mut host = "example".to_owned();
    while host.len() + 1 < length {
        let part = (length - host.len() - 1).min(63);
        host = format!("{}.{host}", letter.repeat(part));
    }
    assert_eq!(host.len(), length);
    host
}

/// nginx keeps a host, alone or with its store, in a bucket of a size that the configuration says,
/// and does not start if one is too long for it.
#[test]
fn nginx_takes_hosts_as_long_as_dns_allows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nginx.conf");
    // Too long for a bucket of 64 bytes, which is usual in nginx; one part of 63 characters; too
    // long for a bucket of 256 bytes; and the most that DNS allows.
    for length in [48, 71, 246, 253] {
        let [primary, store, old] = ["a", "b", "c"].map(|letter| long(letter, length));
        let domains = vec![
            Domain {
                host: primary.clone(),
                primary: true,
                ..Domain::default()
            },
            Domain {
                host: store.clone(),
                store_code: Some("s".repeat(32)),
                ..Domain::default()
            },
            Domain {
                host: old.clone(),
                redirect_to: Some(primary.clone()),
                ..Domain::default()
            },
            Domain {
                host: "old.example".into(),
                redirect_to: Some(store.clone()),
                ..Domain::default()
            },
        ];
        for platform in ["aws", "azure", "plain"] {
            let (mut shop, class, release) = example(platform);
            shop.spec.domains.clone_from(&domains);
            let resource = serde_json::json!({
                "apiVersion": "longshore.dev/v1alpha1", "kind": "Shop",
                "metadata": { "name": "acme" }, "spec": shop.spec,
            });
            assert_eq!(
                RULES.problems("Shop", &resource, None),
                Vec::<String>::new()
            );
            let objects = render(&shop, &class, Some(&release), &RenderContext::default()).unwrap();
            assert_eq!(check::shop(&objects), [], "{platform}, {length}");
            let conf = objects
                .iter()
                .map(Object::value)
                .find_map(|object| object["data"]["nginx.conf"].as_str().map(str::to_owned))
                .unwrap();
            for line in [
                format!("{store} {};", "s".repeat(32)),
                format!("server_name {old};"),
                format!("return 301 https://{primary}$request_uri;"),
                format!("return 301 https://{store}$request_uri;"),
            ] {
                assert!(conf.contains(&line), "{platform}: no {line} in {conf}");
            }
            written(&path, &moved(&conf, folder.path()));
            nginx_reads(&path, &format!("{platform}, hosts of {length} characters"));
        }
    }
}

/// Hosts as long as DNS allows: parts of 63 characters, 253 in all.
fn host() -> impl Strategy<Value = String> {
    let part = prop_oneof!["[a-z0-9]{1,8}", "[a-z0-9][a-z0-9-]{10,61}[a-z0-9]"];
    (proptest::collection::vec(part, 1..8), "[a-z]{2,8}").prop_map(|(parts, last)| {
        let host = format!("{}.{last}", parts.join("."));
        let from = host.len().saturating_sub(253);
        host[from..].trim_start_matches(['-', '.']).to_owned()
    })
}

fn domains() -> impl Strategy<Value = Vec<Domain>> {
    proptest::collection::btree_set(host(), 1..40).prop_map(|hosts| {
        let primary = hosts.first().cloned().unwrap_or_default();
        let domain = |(at, host): (usize, String)| Domain {
            primary: at == 0,
            store_code: (at % 3 == 1).then(|| format!("s{at}")),
            redirect_to: (at % 3 == 2).then(|| primary.clone()),
            host,
            ..Domain::default()
        };
        hosts.into_iter().enumerate().map(domain).collect()
    })
}

/// Paths of values with names that begin with whatever a name may begin with, and any text.
fn values() -> impl Strategy<Value = std::collections::BTreeMap<String, String>> {
    let name = "[A-Za-z0-9_][A-Za-z0-9_-]{0,12}";
    let path = (
        proptest::sample::select(vec!["default", "global", "websites/de", "stores/1st"]),
        name,
        name,
        name,
    )
        .prop_map(|(scope, a, b, c)| format!("{scope}/{a}/{b}/{c}"));
    proptest::collection::btree_map(
        path,
        "\\PC{0,30}|[<>&'\"\\]\\\\]{0,10}|[\\x00-\\x1f]{0,3}",
        0..8,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]
    /// What is rendered is what its readers take; what they would not take is refused in words.
    #[test]
    fn nginx_and_xml_and_php_take_whatever_is_rendered(domains in domains(), values in values()) {
        let folder = tempfile::tempdir().unwrap();
        for platform in ["aws", "azure"] {
            let (mut shop, class, release) = example(platform);
            (shop.spec.domains, shop.spec.config.values) = (domains.clone(), values.clone());
            let resource = serde_json::json!({ "apiVersion": "longshore.dev/v1alpha1", "kind": "Shop", "metadata": { "name": "acme" }, "spec": shop.spec });
            prop_assert_eq!(
                RULES.problems("Shop", &resource, None),
                Vec::<String>::new()
            );
            let objects = match render(&shop, &class, Some(&release), &RenderContext::default()) {
                Ok(objects) => objects,
                Err(error) => {
                    prop_assert!(error.to_string().contains("config.values["), "{error}");
                    continue;
                }
            };
            let maps = objects
                .iter()
                .map(Object::value)
                .filter(|object| object["kind"] == "ConfigMap");
            for (name, text) in
                maps.flat_map(|map| map["data"].as_object().cloned().unwrap_or_default())
            {
                let (path, text) = (
                    folder.path().join(&name),
                    moved(text.as_str().unwrap(), folder.path()),
                );
                written(&path, &text);
                match Path::new(&name).extension().and_then(|it| it.to_str()) {
                    Some("conf") if name == "nginx.conf" => nginx_reads(&path, &text),
                    Some("php") => drop(succeeds(
                        Command::new("php8.2").arg("-nl").arg(&path),
                        &text,
                    )),
                    Some("xml") => {
                        let parse =
                            "import sys, xml.dom.minidom; xml.dom.minidom.parse(sys.argv[1])";
                        drop(succeeds(
                            Command::new("python3").args(["-c", parse]).arg(&path),
                            &text,
                        ));
                    }
                    _ => {}
                }
            }
        }
    }
}
