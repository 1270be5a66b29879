//! Hosts of a shop that get no traffic.

use crate::made::rendered;
use api::Object;
use serde_json::{Value, json};

/// The routes of a shop with these hosts, of which some are withheld.
fn routes(route: &Value, withheld: &[&str]) -> Vec<Value> {
    let objects = rendered("plain", |shop, class, context| {
        class.spec.route = serde_json::from_value(route.clone()).unwrap();
        let domains = json!([
            { "host": "www.acme.example", "primary": true },
            { "host": "shop.acme.example" },
            { "host": "acme.example", "redirectTo": "www.acme.example" },
        ]);
        shop.spec.domains = serde_json::from_value(domains).unwrap();
        context.withheld = withheld.iter().map(|host| (*host).to_owned()).collect();
    });
    let kinds = ["Ingress", "HTTPRoute"];
    let routes = objects
        .iter()
        .filter(|object| kinds.contains(&object.identity().kind.as_ref()));
    routes.map(Object::value).collect()
}

#[test]
fn hosts_that_are_withheld_are_in_no_route_and_a_shop_without_others_has_none() {
    let all = ["www.acme.example", "shop.acme.example", "acme.example"];
    for route in [
        json!({ "ingress": { "className": "nginx", "clusterIssuer": "acme" } }),
        json!({ "gateway": { "name": "shops", "namespace": "edge" } }),
    ] {
        // An HTTPRoute without hosts would take those of everybody.
        assert_eq!(routes(&route, &all), [] as [Value; 0], "{route}");
        for host in all {
            let has = |withheld: &[&str]| {
                let quoted = format!("\"{host}\"");
                let named = |route: &Value| {
                    let spec = &route["spec"];
                    let hosts = json!([spec["hostnames"], spec["tls"], spec["rules"]]);
                    // Where another host redirects to is its owner's to say.
                    let redirects = format!("\"requestRedirect\":{{\"hostname\":{quoted}");
                    hosts.to_string().replace(&redirects, "").contains(&quoted)
                };
                routes(&route, withheld).iter().any(named)
            };
            assert!(has(&[]) && !has(&[host]), "{host} {route}");
        }
    }
}
