//! Whose files a shop's pods can reach, by who mounts them.

use crate::made::example;
use api::{
    CloudIdentity, Object, PodIdentity, RenderContext, ResolvedRelease, SecretIdentity, Shop,
    ShopClass, StorageMode, Tenants, WebIdentity,
};
use render::render;
use serde_json::{Value, json};

/// The agent's mounts file of a shop.
fn mounts_file(shop: &Shop, class: &ShopClass, release: &ResolvedRelease) -> Result<Value, String> {
    let objects = render(shop, class, Some(release), &RenderContext::default())
        .map_err(|error| error.to_string())?;
    let maps = objects
        .iter()
        .map(|object| serde_json::from_slice::<Value>(object.json()).unwrap());
    let texts: Vec<_> = maps
        .filter_map(|map| map["data"]["mounts.json"].as_str().map(str::to_owned))
        .collect();
    let file: Value = serde_json::from_str(&texts[0]).unwrap();
    Ok(file["mount"][0].clone())
}

#[test]
fn what_agents_mount_for_shops_that_are_kept_apart_is_told_by_iam_or_refused() {
    type Change = fn(&mut Shop, &mut ShopClass);
    let file = |platform: &str, change: Change| {
        let (mut shop, mut class, release) = example(platform);
        change(&mut shop, &mut class);
        mounts_file(&shop, &class, &release)
    };
    let no_point: Change = |shop, _| shop.spec.services.media.as_mut().unwrap().access_point = None;
    let trusted: Change = |shop, class| {
        shop.spec.services.media.as_mut().unwrap().access_point = None;
        class.spec.backends.media[0].tenants = Tenants::Trusted;
    };
    let mount = file("aws", |_, _| {}).unwrap();
    assert_eq!(
        (&mount["access_point"], &mount["iam"], &mount["tls"]),
        (&json!("fsap-0123456789abcdef0"), &json!(true), &json!(true))
    );
    assert_eq!(
        mount["subdirectory"],
        Value::Null,
        "its root is the access point's"
    );
    let mount = file("aws", trusted).unwrap();
    assert_eq!(
        (
            &mount["access_point"],
            &mount["iam"],
            &mount["subdirectory"]
        ),
        (&Value::Null, &json!(true), &json!("shops/acme"))
    );
    assert_eq!(file("plain", |_, _| {}).unwrap()["iam"], Value::Null);
    for (platform, change, says) in [
        (
            "aws",
            no_point,
            "services.media.accessPoint, by which EFS gives a shop its own directory and no \
             other, is missing",
        ),
        (
            "aws",
            |_, class| class.spec.backends.media[0].efs.as_mut().unwrap().iam = false,
            "without iam EFS gives every access point to whoever names it",
        ),
        (
            "aws",
            |_, class| class.spec.identity = CloudIdentity::default(),
            "the class has no identity; give it one, or say iam: false there",
        ),
        (
            "plain",
            |_, class| class.spec.backends.media[0].tenants = Tenants::Separate,
            "NFS believes whatever user a pod says that it is",
        ),
    ] as [(&str, Change, &str); 4]
    {
        let error = file(platform, change).unwrap_err();
        assert!(error.contains(says), "{error}");
    }
    // With a CSI driver the node mounts, and pods do not reach the server.
    let (mut shop, mut class, release) = example("aws");
    no_point(&mut shop, &mut class);
    (class.spec.storage.mode, class.spec.node_cache) = (StorageMode::Csi, None);
    let objects = render(&shop, &class, Some(&release), &RenderContext::default()).unwrap();
    let volume = objects
        .iter()
        .find(|object| object.identity().kind == "PersistentVolume")
        .unwrap();
    let volume: Value = serde_json::from_slice(volume.json()).unwrap();
    assert_eq!(volume["spec"]["mountOptions"], json!(["tls", "iam"]));
}

#[test]
fn credentials_of_the_cloud_go_to_our_own_containers_and_no_tenants() {
    let role = || "arn:aws:iam::1:role/r".to_owned();
    let identities = [
        CloudIdentity {
            pod_identity: Some(PodIdentity {}),
            ..CloudIdentity::default()
        },
        CloudIdentity {
            web_identity: Some(WebIdentity {
                role_arn: role(),
                audience: "a".to_owned(),
            }),
            ..CloudIdentity::default()
        },
        CloudIdentity {
            secret: Some(SecretIdentity {
                name: "keys".to_owned(),
            }),
            ..CloudIdentity::default()
        },
    ];
    for identity in identities {
        let (shop, mut class, release) = example("aws");
        class.spec.identity = identity;
        let objects = render(&shop, &class, Some(&release), &RenderContext::default()).unwrap();
        let mut seen = 0;
        for object in objects.iter().map(Object::value) {
            let template = match object["kind"].as_str() {
                Some("Deployment" | "Job") => &object["spec"]["template"],
                Some("CronJob") => &object["spec"]["jobTemplate"]["spec"]["template"],
                _ => continue,
            };
            assert_eq!(template["spec"]["automountServiceAccountToken"], false);
            // The webhook of EKS gives its token to every container that is not named there.
            let skipped =
                template["metadata"]["annotations"]["eks.amazonaws.com/skip-containers"].as_str();
            let containers = ["initContainers", "containers"]
                .map(|list| template["spec"][list].as_array().into_iter().flatten());
            for container in containers.into_iter().flatten() {
                let name = container["name"].as_str().unwrap();
                let ours = ["pull", "agent", "backup"].contains(&name);
                let text = container.to_string();
                assert!(
                    ours || !(text.contains("AWS_") || text.contains("\"identity\"")),
                    "{name}: {text}"
                );
                let left_out = skipped
                    .is_some_and(|skipped| skipped.split(',').any(|skipped| skipped == name));
                assert_eq!(
                    left_out,
                    !ours && class.spec.identity.pod_identity.is_some(),
                    "{name}: {skipped:?}"
                );
                seen += 1;
            }
        }
        assert!(seen >= 8, "{seen} containers");
    }
}
