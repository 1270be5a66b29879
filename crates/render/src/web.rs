//! The Deployment that serves a shop.

use super::{
    config::Names,
    container,
    demand::Demand,
    pod::{self, Part},
    service::WEB,
    shop_context::ShopContext,
};
use api::Object;
use k8s_openapi::{
    api::apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment},
    apimachinery::pkg::util::intstr::IntOrString,
};

/// Seconds that a pod may take to end: nginx's wait for the proxies, the last request, and five for
/// the agent and the kubelet.
pub(crate) const GRACE: i64 = container::PRE_STOP + container::DRAIN + 5;
/// With this many pods or more, it would take too long to replace one at a time.
const LARGE: u32 = 8;

pub(crate) fn deployment(context: &ShopContext<'_>, names: &Names) -> Object {
    let demand = Demand::new(context);
    let surge = if demand.most() >= LARGE {
        IntOrString::String("25%".to_owned())
    } else {
        IntOrString::Int(1)
    };
    // The containers start in this order and end in the reverse order: the agent mounts before
    // php-fpm starts, and unmounts after php-fpm has ended.
    let mut init = vec![
        container::pull(context),
        container::agent(context),
        container::php_fpm(context),
    ];
    init.extend(
        context
            .class
            .overlay
            .extra_containers
            .iter()
            .map(container::extra),
    );
    let part = Part {
        component: "web",
        grace: GRACE,
        restart: "Always",
        spread: true,
    };
    let spec = DeploymentSpec {
        replicas: match demand {
            Demand::Fixed(pods) => Some(pods.cast_signed()),
            // Only the autoscaler writes it: two writers would overwrite each other.
            Demand::Between { .. } => None,
        },
        selector: context.selector("web"),
        strategy: Some(DeploymentStrategy {
            type_: Some("RollingUpdate".to_owned()),
            // A pod goes only when its successor is ready.
            rolling_update: Some(RollingUpdateDeployment {
                max_surge: Some(surge),
                max_unavailable: Some(IntOrString::Int(0)),
            }),
        }),
        min_ready_seconds: Some(5),
        progress_deadline_seconds: Some(300),
        // With thousands of shops, old ReplicaSets would outnumber all other objects.
        revision_history_limit: Some(2),
        template: pod::template(context, names, part, init, container::nginx(context)),
        ..DeploymentSpec::default()
    };
    Object::new(&Deployment {
        metadata: context.meta(WEB),
        spec: Some(spec),
        ..Deployment::default()
    })
}
