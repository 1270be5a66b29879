//! What is not rendered, and what is said of it.

use super::*;

#[test]
fn without_a_release_nothing_runs() {
    let (shop, class, _) = example("aws");
    let objects = render(&shop, &class, None, &RenderContext::default()).unwrap();
    assert!(
        !objects
            .iter()
            .any(|object| ["Deployment", "CronJob", "Job"].contains(&&*object.identity().kind))
    );
}

#[test]
fn what_cannot_be_rendered_says_why() {
    let refused = |change: &dyn Fn(&mut api::Shop)| {
        let (mut shop, class, release) = example("aws");
        change(&mut shop);
        render(&shop, &class, Some(&release), &RenderContext::default())
            .unwrap_err()
            .to_string()
    };
    let backend =
        refused(&|shop| shop.spec.services.cache.as_mut().unwrap().server = "redis-us".into());
    assert_eq!(
        backend,
        "shop acme: services.cache.ref=\"redis-us\" is not in the backends of class \
         magento2-standard; expected one of: redis-eu-2"
    );
    let (shop, mut class, release) = example("aws");
    class.spec.network.edge_cidrs = vec!["10.0.0.0/33".into()];
    let error = render(&shop, &class, Some(&release), &RenderContext::default())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("network.edgeCidrs: \"10.0.0.0/33\" is no range of addresses"),
        "{error}"
    );
    let (mut shop, class, release) = example("azure");
    shop.spec.services.media.as_mut().unwrap().access_point = Some("fsap-0123456789abcdef0".into());
    let error = render(&shop, &class, Some(&release), &RenderContext::default())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains(
            "accessPoint is a part of EFS, and files-weu of class openmage-azure is none"
        ),
        "{error}"
    );
    let (mut shop, class, release) = example("plain");
    let idle = json!({"after": "30m", "mode": "Zero"});
    shop.spec.scale.idle = Some(serde_json::from_value(idle).unwrap());
    let error = render(&shop, &class, Some(&release), &RenderContext::default())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("scale.idle.mode: Zero needs a class with route.map"),
        "{error}"
    );
    let no_point = refused(&|shop| shop.spec.services.media.as_mut().unwrap().access_point = None);
    assert!(
        no_point.contains("efs-eu-1 of class magento2-standard keeps its shops apart")
            && no_point.contains("services.media.accessPoint"),
        "{no_point}"
    );
    assert!(
        refused(&|shop| shop.spec.services.media = None)
            .contains("services.media is missing, and Magento2 needs it")
    );
    assert!(refused(&|shop| shop.spec.config.secret_ref = None).contains("config.secretRef"));
    assert!(
        refused(&|shop| shop.spec.channel = "shops/other".into())
            .contains("follows channel shops/other")
    );
    for path in [
        "web",
        "default/web/",
        "default/web/x y",
        "default/web/cookie/cookie_lifetime/deeper",
    ] {
        let error = refused(&|shop| {
            shop.spec.config.values.insert(path.into(), "1".into());
        });
        assert!(
            error.contains(&format!("config.values[{path:?}]")),
            "{error}"
        );
    }
}

#[test]
fn every_variable_of_ours_is_a_setting() {
    // Of the mounts, which an agent reads that is built with them.
    let known: Vec<_> = runtime::variable::ALL
        .iter()
        .map(|variable| variable.name)
        .chain(["LONGSHORE_MOUNTS"])
        .collect();
    for (platform, _) in PLATFORMS {
        for object in rendered(platform, |_, _, _| {}) {
            let json = String::from_utf8(object.json().to_vec()).unwrap();
            for name in json
                .split("\"name\":\"")
                .skip(1)
                .filter_map(|rest| rest.split('"').next())
            {
                assert!(
                    !name.starts_with("LONGSHORE_") || known.contains(&name),
                    "{name} in {}",
                    object.identity()
                );
            }
        }
    }
}

#[test]
fn an_error_is_no_panic_for_a_shop_without_a_name() {
    let (mut shop, class, release) = example("plain");
    shop.metadata.name = None;
    let objects = render(&shop, &class, Some(&release), &RenderContext::default());
    assert!(matches!(objects, Ok(_) | Err(RenderError::Missing { .. })));
}
