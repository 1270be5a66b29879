//! How a shop grows, shrinks and survives drains: HorizontalPodAutoscaler and PodDisruptionBudget.

use super::{demand::Demand, service::WEB, shop_context::ShopContext};
use api::{Object, ShortDuration};
use k8s_openapi::{
    api::{
        autoscaling::v2::{
            ContainerResourceMetricSource, CrossVersionObjectReference, HPAScalingPolicy,
            HPAScalingRules, HorizontalPodAutoscaler, HorizontalPodAutoscalerBehavior,
            HorizontalPodAutoscalerSpec, MetricIdentifier, MetricSpec, MetricTarget,
            PodsMetricSource,
        },
        policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec},
    },
    apimachinery::pkg::{api::resource::Quantity, util::intstr::IntOrString},
};

/// The longest that an autoscaler looks back, in seconds; `Idle` allows no more.
const LONGEST: i32 = 3600;

/// Only where there is something to decide: each autoscaler costs its controller a look every 15
/// seconds.
pub(crate) fn autoscaler(context: &ShopContext<'_>) -> Option<Object> {
    let Demand::Between { min, max } = Demand::new(context) else {
        return None;
    };
    let target = &context.spec.scale.target;
    // Of php-fpm alone: the pod's mean would count agents and nginx, which idle while PHP is out of
    // breath.
    let cpu = MetricSpec {
        type_: "ContainerResource".to_owned(),
        container_resource: Some(ContainerResourceMetricSource {
            container: "php-fpm".to_owned(),
            name: "cpu".to_owned(),
            target: MetricTarget {
                type_: "Utilization".to_owned(),
                average_utilization: Some(target.cpu_percent.cast_signed()),
                ..MetricTarget::default()
            },
        }),
        ..MetricSpec::default()
    };
    // One that cannot be read keeps the autoscaler from scaling down, so the class has to say that
    // it is there.
    let busy = target
        .busy_workers_percent
        .zip(context.class.busy_workers_metric.as_ref())
        .map(|(percent, metric)| MetricSpec {
            type_: "Pods".to_owned(),
            pods: Some(PodsMetricSource {
                metric: MetricIdentifier {
                    name: metric.clone(),
                    selector: None,
                },
                target: MetricTarget {
                    type_: "AverageValue".to_owned(),
                    average_value: Some(Quantity(format!("{}m", percent * 10))),
                    ..MetricTarget::default()
                },
            }),
            ..MetricSpec::default()
        });
    let spec = HorizontalPodAutoscalerSpec {
        scale_target_ref: CrossVersionObjectReference {
            api_version: Some("apps/v1".to_owned()),
            kind: "Deployment".to_owned(),
            name: WEB.to_owned(),
        },
        min_replicas: Some(min.cast_signed()),
        max_replicas: max.cast_signed(),
        metrics: Some([Some(cpu), busy].into_iter().flatten().collect()),
        behavior: Some(behaviour(context)),
    };
    Some(Object::new(&HorizontalPodAutoscaler {
        metadata: context.meta(WEB),
        spec,
        ..HorizontalPodAutoscaler::default()
    }))
}

fn seconds(duration: ShortDuration) -> i32 {
    i32::try_from(duration.length().as_secs()).unwrap_or(LONGEST)
}

/// Up within a minute, whichever of doubling and four pods is more; down calmly, as the next wave
/// of visitors often follows.
fn behaviour(context: &ShopContext<'_>) -> HorizontalPodAutoscalerBehavior {
    // Idle is a shop for which fewer pods were enough for so long; its last visitor does not make
    // it so.
    let calm = context
        .spec
        .scale
        .idle
        .as_ref()
        .map_or(300, |idle| seconds(idle.after))
        .min(LONGEST);
    let policy = |kind: &str, value: i32, seconds: i32| HPAScalingPolicy {
        type_: kind.to_owned(),
        value,
        period_seconds: seconds,
    };
    HorizontalPodAutoscalerBehavior {
        scale_up: Some(HPAScalingRules {
            stabilization_window_seconds: Some(0),
            select_policy: Some("Max".to_owned()),
            policies: Some(vec![policy("Percent", 100, 15), policy("Pods", 4, 15)]),
            ..HPAScalingRules::default()
        }),
        scale_down: Some(HPAScalingRules {
            stabilization_window_seconds: Some(calm),
            policies: Some(vec![policy("Percent", 50, 60)]),
            ..HPAScalingRules::default()
        }),
    }
}

/// Nodes are drained one pod of the shop at a time.
pub(crate) fn budget(context: &ShopContext<'_>) -> Option<Object> {
    if Demand::new(context).most() == 0 {
        return None;
    }
    let spec = PodDisruptionBudgetSpec {
        max_unavailable: Some(IntOrString::Int(1)),
        selector: Some(context.selector("web")),
        // A shop that is broken anyway must not keep a node from being drained.
        unhealthy_pod_eviction_policy: Some("AlwaysAllow".to_owned()),
        ..PodDisruptionBudgetSpec::default()
    };
    Some(Object::new(&PodDisruptionBudget {
        metadata: context.meta(WEB),
        spec: Some(spec),
        ..PodDisruptionBudget::default()
    }))
}
