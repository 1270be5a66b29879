//! Names that differ in case only, as Magento 2's DI compiler makes them: published on request, and
//! taken by disks that tell them apart.

use e2e::{
    pod::Namespace,
    process::Program,
    shop::{Shop, json, last_event},
};
use std::{fs, path::Path};

// Two modules that are fine one by one, and whose directories are one to some disks.
fn shop(more: &str) -> Shop {
    let shop = Shop::on_disk(2, 3);
    shop.describe(2, more);
    let description = fs::read_to_string(shop.path("longshore.toml")).unwrap();
    fs::write(
        shop.path("longshore.toml"),
        description.replace("app/code/module1", ""),
    )
    .unwrap();
    fs::remove_dir_all(shop.module(1)).unwrap();
    for (module, name) in [(0, "TierPrice"), (1, "Tierprice")] {
        let directory = shop.module(module).join("generated/Magento").join(name);
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("Factory.php"), format!("<?php // {name}\n")).unwrap();
    }
    shop
}

#[test]
fn are_refused_across_modules_unless_the_description_allows_them() {
    let outcome = shop("").publisher().run().expect(65);
    assert!(
        outcome.stderr.contains("[reason: name-collision]"),
        "{outcome:#?}"
    );
    for says in [
        "generated/Magento/TierPrice of module vendor/module0",
        "generated/Magento/Tierprice of module vendor/module1",
        "case_sensitive = true",
    ] {
        assert!(outcome.stderr.contains(says), "{says}: {outcome:#?}");
    }

    let shop = shop("case_sensitive = true");
    let manifest = json(&shop.publisher().run().expect(0))["manifest"]
        .as_str()
        .unwrap()
        .to_owned();
    let stored = fs::read_to_string(shop.path("store/blobs/sha256").join(&manifest)).unwrap();
    assert!(stored.contains("\"caseSensitive\": true"), "{stored}");
    shop.init("pod").run().expect(0);
    for name in ["TierPrice", "Tierprice"] {
        let file = shop
            .path("pod/current/generated/Magento")
            .join(name)
            .join("Factory.php");
        assert_eq!(
            fs::read_to_string(file).unwrap(),
            format!("<?php // {name}\n")
        );
    }
}

#[test]
fn are_refused_by_a_pod_whose_disk_folds_case() {
    let shop = shop("case_sensitive = true");
    let plain = Shop::on_disk(1, 3);
    for shop in [&shop, &plain] {
        shop.publish();
        fs::create_dir(shop.path("pod")).unwrap();
    }
    let folding = Namespace::new();
    for shop in [&shop, &plain] {
        let image = shop.path("exfat.img");
        fs::File::create(&image).unwrap().set_len(64 << 20).unwrap();
        Program::new("mkfs.exfat").arg(&image).run().expect(0);
        folding
            .program(Path::new("mount"))
            .args(["-t", "exfat-fuse", "-o", "loop"])
            .arg(&image)
            .arg(shop.path("pod"))
            .run()
            .expect(0);
    }
    let init = |shop: &Shop| {
        folding
            .ours("longshore-init")
            .envs(shop.pod_environment("pod"))
            .run()
    };
    let outcome = init(&shop);
    let error = last_event(&outcome);
    assert_eq!(
        (outcome.code(), error["reason"].as_str()),
        (Some(64), Some("case-folding")),
        "{outcome:#?}"
    );
    // exFAT has no symbolic links, so that no release becomes active there; but one without such
    // names comes as far as that.
    let outcome = init(&plain);
    assert_ne!(
        last_event(&outcome)["reason"],
        "case-folding",
        "{outcome:#?}"
    );
}
