//! The scheduler's share of the API server: enough to be fast, and never so much that kubelets or people wait.

use super::{access::NAME, cluster_meta};
use api::Object;
use api::SYSTEM;
use k8s_openapi::api::flowcontrol::v1::{
    FlowDistinguisherMethod, FlowSchema, FlowSchemaSpec, LimitResponse, LimitedPriorityLevelConfiguration, NonResourcePolicyRule,
    PolicyRulesWithSubjects, PriorityLevelConfiguration, PriorityLevelConfigurationReference, PriorityLevelConfigurationSpec,
    QueuingConfiguration, ResourcePolicyRule, ServiceAccountSubject, Subject,
};

pub(super) fn objects() -> Vec<Object> {
    let level = PriorityLevelConfigurationSpec {
        type_: "Limited".to_owned(),
        limited: Some(LimitedPriorityLevelConfiguration {
            // Of the server's seats, beside 245 shares of the levels that Kubernetes has itself: a fleet's apply gets about a ninth.
            nominal_concurrency_shares: Some(30),
            lendable_percent: Some(50),
            borrowing_limit_percent: Some(100),
            limit_response: Some(LimitResponse {
                type_: "Queue".to_owned(),
                queuing: Some(QueuingConfiguration { queues: Some(16), hand_size: Some(4), queue_length_limit: Some(100) }),
            }),
        }),
        exempt: None,
    };
    let all = || Some(vec!["*".to_owned()]);
    let rule = PolicyRulesWithSubjects {
        subjects: vec![Subject {
            kind: "ServiceAccount".to_owned(),
            service_account: Some(ServiceAccountSubject { name: NAME.to_owned(), namespace: SYSTEM.to_owned() }),
            ..Subject::default()
        }],
        resource_rules: Some(vec![ResourcePolicyRule {
            api_groups: all().unwrap_or_default(),
            cluster_scope: Some(true),
            namespaces: all(),
            resources: all().unwrap_or_default(),
            verbs: all().unwrap_or_default(),
        }]),
        non_resource_rules: Some(vec![NonResourcePolicyRule {
            non_resource_urls: all().unwrap_or_default(),
            verbs: all().unwrap_or_default(),
        }]),
    };
    let schema = FlowSchemaSpec {
        priority_level_configuration: PriorityLevelConfigurationReference { name: NAME.to_owned() },
        // Before Kubernetes' own schema for all service accounts, which has 9000.
        matching_precedence: Some(1000),
        // One namespace is one shop: a broken one waits in its own queue.
        distinguisher_method: Some(FlowDistinguisherMethod { type_: "ByNamespace".to_owned() }),
        rules: Some(vec![rule]),
    };
    vec![
        Object::of(&PriorityLevelConfiguration {
            metadata: cluster_meta(NAME),
            spec: Some(level),
            ..PriorityLevelConfiguration::default()
        }),
        Object::of(&FlowSchema { metadata: cluster_meta(NAME), spec: Some(schema), ..FlowSchema::default() }),
    ]
}
