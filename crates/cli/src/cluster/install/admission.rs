//! Where the scheduler's rights end. Roles say which kinds it may write, and cannot say in which namespaces of a name: so the API server asks
//! this policy at every write of the scheduler's account, and at every request that it passes on to a pod.

use super::{access::NAME, cluster_meta};
use api::Object;
use api::SYSTEM;
use k8s_openapi::api::admissionregistration::v1::{
    MatchCondition, MatchResources, NamedRuleWithOperations, ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
    ValidatingAdmissionPolicyBindingSpec, ValidatingAdmissionPolicySpec, Validation, Variable,
};
use render::BUILDS;

/// In a shop's namespace: everything that its role lists. The namespace itself is one of its own name.
const SHOP: &str = "variables.space.startsWith('shop-')";
/// The volume of a shop's media, before and after.
const VOLUME: &str = "variables.resource == '/persistentvolumes' && variables.name.startsWith('shop-') && \
    [object, oldObject].all(it, it == null || (has(it.spec.claimRef) && it.spec.claimRef.namespace.startsWith('shop-')))";
/// What it found of shops, classes, releases and rollouts; never what people said of them.
const STATUS: &str = "request.resource.group == 'longshore.dev' && variables.part == 'status'";
/// Events of resources that are in no namespace are in this one.
const EVENTS: &str = "variables.resource == 'events.k8s.io/events' && variables.space == 'default'";

pub(super) fn objects() -> Vec<Object> {
    let own = format!("variables.space == '{SYSTEM}' && variables.resource == 'coordination.k8s.io/leases'");
    let builds = format!("variables.space == '{BUILDS}' && variables.resource == 'batch/jobs'");
    let maps = format!(
        "variables.space == '{}' && variables.resource == '/configmaps' && variables.name.startsWith('edge-')",
        render::edge::NAMESPACE
    );
    let all = [SHOP, VOLUME, STATUS, EVENTS, &own, &builds, &maps].map(|rule| format!("({rule})")).join(" || ");
    let everything = NamedRuleWithOperations {
        api_groups: Some(vec!["*".to_owned()]),
        api_versions: Some(vec!["*".to_owned()]),
        operations: Some(vec!["*".to_owned()]),
        resources: Some(vec!["*/*".to_owned()]),
        scope: Some("*".to_owned()),
        ..NamedRuleWithOperations::default()
    };
    let variable = |name: &str, expression: &str| Variable { name: name.to_owned(), expression: expression.to_owned() };
    let spec = ValidatingAdmissionPolicySpec {
        failure_policy: Some("Fail".to_owned()),
        match_constraints: Some(MatchResources { resource_rules: Some(vec![everything]), ..MatchResources::default() }),
        match_conditions: Some(vec![MatchCondition {
            name: "by-the-scheduler".to_owned(),
            expression: format!("request.userInfo.username == 'system:serviceaccount:{SYSTEM}:{NAME}'"),
        }]),
        variables: Some(vec![
            variable("resource", "request.resource.group + '/' + request.resource.resource"),
            variable("part", "has(request.subResource) ? request.subResource : ''"),
            variable("name", "has(request.name) ? request.name : ''"),
            // Of a namespace the API server gives its own name; an object of the cluster has none.
            variable("space", "variables.resource == '/namespaces' ? variables.name : (has(request.namespace) ? request.namespace : '')"),
        ]),
        validations: Some(vec![Validation {
            expression: all,
            message_expression: Some(
                "'the rights of Longshore\\'s scheduler end at shops: ' + request.operation + ' of ' + variables.resource + ' ' + variables.space + '/' + variables.name".to_owned(),
            ),
            reason: Some("Forbidden".to_owned()),
            ..Validation::default()
        }]),
        ..ValidatingAdmissionPolicySpec::default()
    };
    let binding = ValidatingAdmissionPolicyBindingSpec {
        policy_name: NAME.to_owned(),
        validation_actions: vec!["Deny".to_owned(), "Audit".to_owned()],
        ..ValidatingAdmissionPolicyBindingSpec::default()
    };
    vec![
        Object::of(&ValidatingAdmissionPolicy { metadata: cluster_meta(NAME), spec: Some(spec), ..ValidatingAdmissionPolicy::default() }),
        Object::of(&ValidatingAdmissionPolicyBinding { metadata: cluster_meta(NAME), spec: binding }),
    ]
}
