//! How visitors' requests get to a shop, if its class does not use the maps of the edge: an
//! Ingress or an HTTPRoute.

use super::{service::WEB, shop_context::ShopContext};
use api::Object;
use api::{Domain, Gateway, Ingress, ShopState};
use k8s_openapi::api::networking::v1::{
    HTTPIngressPath, HTTPIngressRuleValue, Ingress as IngressObject, IngressBackend, IngressRule,
    IngressServiceBackend, IngressSpec, IngressTLS, ServiceBackendPort,
};
use kube::core::ObjectMeta;
use serde::Serialize;

pub(crate) fn objects(context: &ShopContext<'_>) -> Vec<Object> {
    if context.spec.state == ShopState::Suspended {
        return Vec::new();
    }
    let route = &context.class.route;
    let domains = routed(context);
    // An Ingress without rules is refused, and an HTTPRoute without hosts would have all of them.
    if domains.is_empty() {
        return Vec::new();
    }
    let ingress = route
        .ingress
        .as_ref()
        .map(|ingress| ingress_of(context, ingress, &domains))
        .into_iter();
    ingress
        .chain(
            route
                .gateway
                .iter()
                .flat_map(|gateway| http_routes(context, gateway, &domains)),
        )
        .collect()
}

/// Domains of the shop that get traffic.
fn routed<'a>(context: &ShopContext<'a>) -> Vec<&'a Domain> {
    let withheld = &context.render_context.withheld;
    let domains = context.spec.domains.iter();
    domains
        .filter(|domain| !withheld.contains(&domain.host))
        .collect()
}

/// One rule for each host; those that redirect get to nginx, too, which answers them.
fn ingress_of(context: &ShopContext<'_>, ingress: &Ingress, domains: &[&Domain]) -> Object {
    let mut metadata = context.meta(WEB);
    if let Some(issuer) = &ingress.cluster_issuer {
        metadata
            .annotations
            .get_or_insert_default()
            .insert("cert-manager.io/cluster-issuer".to_owned(), issuer.clone());
    }
    let hosts: Vec<String> = domains.iter().map(|domain| domain.host.clone()).collect();
    let backend = IngressBackend {
        service: Some(IngressServiceBackend {
            name: WEB.to_owned(),
            port: Some(ServiceBackendPort {
                name: Some("http".to_owned()),
                number: None,
            }),
        }),
        resource: None,
    };
    let path = HTTPIngressPath {
        path: Some("/".to_owned()),
        path_type: "Prefix".to_owned(),
        backend,
    };
    let rule = |host: &String| IngressRule {
        host: Some(host.clone()),
        http: Some(HTTPIngressRuleValue {
            paths: vec![path.clone()],
        }),
    };
    let spec = IngressSpec {
        ingress_class_name: Some(ingress.class_name.clone()),
        rules: Some(hosts.iter().map(rule).collect()),
        tls: ingress.cluster_issuer.as_ref().map(|_| {
            vec![IngressTLS {
                hosts: Some(hosts.clone()),
                secret_name: Some("tls".to_owned()),
            }]
        }),
        ..IngressSpec::default()
    };
    Object::new(&IngressObject {
        metadata,
        spec: Some(spec),
        ..IngressObject::default()
    })
}

/// The most hosts that one HTTPRoute may list (Gateway API, `HTTPRouteSpec.hostnames`).
const HOSTS: usize = 16;

// The Gateway API is no part of Kubernetes' own types: these are the fields of it that we set.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct HttpRoute<'a> {
    api_version: &'static str,
    kind: &'static str,
    metadata: ObjectMeta,
    spec: HttpRouteSpec<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct HttpRouteSpec<'a> {
    parent_refs: [ParentRef<'a>; 1],
    hostnames: Vec<&'a str>,
    rules: [Rule<'a>; 1],
}

#[derive(Serialize)]
struct ParentRef<'a> {
    name: &'a str,
    namespace: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rule<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    filters: Vec<Filter<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    backend_refs: Vec<BackendRef>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Filter<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    request_redirect: Redirect<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Redirect<'a> {
    scheme: &'static str,
    hostname: &'a str,
    status_code: u32,
}

#[derive(Serialize)]
struct BackendRef {
    name: &'static str,
    port: u32,
}

fn http_routes<'a>(
    context: &ShopContext<'a>,
    gateway: &'a Gateway,
    domains: &[&'a Domain],
) -> Vec<Object> {
    let (redirecting, serving): (Vec<&Domain>, Vec<&Domain>) = domains
        .iter()
        .partition(|domain| domain.redirect_to.is_some());
    let serving = serving.chunks(HOSTS).enumerate().map(|(at, domains)| {
        let rule = Rule {
            filters: Vec::new(),
            backend_refs: vec![BackendRef {
                name: WEB,
                port: 80,
            }],
        };
        (
            if at == 0 {
                WEB.to_owned()
            } else {
                format!("{WEB}-{at}")
            },
            domains.iter().map(|domain| domain.host.as_str()).collect(),
            rule,
        )
    });
    let redirects = redirecting.into_iter().filter_map(|domain| {
        let hostname = domain.redirect_to.as_deref()?;
        let filter = Filter {
            kind: "RequestRedirect",
            request_redirect: Redirect {
                scheme: "https",
                hostname,
                status_code: 301,
            },
        };
        let name = api::name::by_content("redirect", domain.host.as_bytes());
        Some((
            name,
            vec![domain.host.as_str()],
            Rule {
                filters: vec![filter],
                backend_refs: Vec::new(),
            },
        ))
    });
    serving
        .chain(redirects)
        .map(|(name, hostnames, rule)| {
            let route = HttpRoute {
                api_version: "gateway.networking.k8s.io/v1",
                kind: "HTTPRoute",
                metadata: context.meta(name),
                spec: HttpRouteSpec {
                    parent_refs: [ParentRef {
                        name: &gateway.name,
                        namespace: &gateway.namespace,
                    }],
                    hostnames,
                    rules: [rule],
                },
            };
            Object::of_kind(route.api_version, route.kind, &route.metadata, &route)
        })
        .collect()
}
