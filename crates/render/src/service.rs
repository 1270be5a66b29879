//! The Service of a shop's web pods.

use super::shop_context::ShopContext;
use api::Object;
use k8s_openapi::{
    api::core::v1::{Service, ServicePort, ServiceSpec},
    apimachinery::pkg::util::intstr::IntOrString,
};

/// The name of the Service, of the Deployment behind it, and of what scales it.
pub(crate) const WEB: &str = "web";

pub(crate) fn service(context: &ShopContext<'_>) -> Object {
    let port = ServicePort {
        name: Some("http".to_owned()),
        port: 80,
        target_port: Some(IntOrString::String("http".to_owned())),
        app_protocol: Some("http".to_owned()),
        protocol: Some("TCP".to_owned()),
        ..ServicePort::default()
    };
    let spec = ServiceSpec {
        selector: context.selector("web").match_labels,
        ports: Some(vec![port]),
        type_: Some("ClusterIP".to_owned()),
        // A request that crosses zones costs money and a millisecond.
        traffic_distribution: Some("PreferSameZone".to_owned()),
        ..ServiceSpec::default()
    };
    Object::new(&Service {
        metadata: context.meta(WEB),
        spec: Some(spec),
        ..Service::default()
    })
}
