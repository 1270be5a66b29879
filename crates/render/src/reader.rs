//! What the readers of generated objects would refuse, or wait for without an end, in the words of
//! the resource that a person wrote: Kubernetes' validation of labels, amounts, addresses and
//! hosts, and names of time zones, which the API server takes in their exact spelling.

use super::amount::thousandths;
use api::name::LABEL_LIMIT;
use api::{
    Shop, ShopClass, Size,
    schedule::{possible, time_zone},
};
use std::{collections::BTreeMap, net::IpAddr};

/// Everything that is wrong with a shop, a line each, by the field.
pub(super) fn shop(shop: &Shop, class: &ShopClass) -> Vec<String> {
    let spec = &shop.spec;
    let mut problems = Vec::new();
    let zones = [
        ("spec.backup.timeZone", Some(&spec.backup.time_zone)),
        (
            "spec.window.timeZone",
            spec.window.as_ref().map(|it| &it.time_zone),
        ),
    ];
    for (field, zone) in zones
        .into_iter()
        .filter_map(|(field, zone)| Some((field, zone?)))
    {
        problems.extend(
            time_zone(zone)
                .err()
                .map(|error| format!("{field}: {error}")),
        );
    }
    problems.extend(
        possible(&spec.scale)
            .err()
            .map(|error| format!("spec.scale.schedule: {error}")),
    );
    if spec.scale.to_zero_after().is_some() && class.spec.route.map.is_none() {
        problems.push(
            "spec.scale.idle.mode: Zero needs a class with route.map: only the edge of Longshore \
             holds a visitor's request until a pod is there"
                .to_owned(),
        );
    }
    if let Some(database) = spec
        .services
        .database
        .as_ref()
        .filter(|it| it.name.starts_with('-'))
    {
        problems.push(format!(
            "spec.services.database.name: {:?} begins with '-', which programs take for an option",
            database.name
        ));
    }
    for domain in &spec.domains {
        let host = &domain.host;
        let field = format!("spec.domains: host {host:?}");
        if host.split('.').any(|label| label.len() > LABEL_LIMIT) {
            problems.push(format!(
                "{field}: a part between two dots has more than {LABEL_LIMIT} characters, which \
                 no DNS server answers for"
            ));
        }
        let numeric = host
            .rsplit('.')
            .next()
            .is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
        if numeric && class.spec.route.map.is_none() {
            problems.push(format!(
                "{field}: an address, or what looks like one; an Ingress and a Gateway take host \
                 names alone"
            ));
        }
    }
    problems
}

/// Everything that is wrong with a class.
pub(super) fn class(class: &ShopClass) -> Vec<String> {
    let spec = &class.spec;
    let mut problems = Vec::new();
    let sizes = &spec.sizes;
    for (name, size) in [
        ("pull", &sizes.pull),
        ("agent", &sizes.agent),
        ("phpFpm", &sizes.php_fpm),
        ("nginx", &sizes.nginx),
        ("cron", &sizes.cron),
        ("job", &sizes.job),
    ] {
        problems.extend(self::size(&format!("spec.sizes.{name}"), size));
    }
    for container in &spec.overlay.extra_containers {
        problems.extend(size(
            &format!("spec.overlay.extraContainers: {}: size", container.name),
            &container.size,
        ));
    }
    let disk = &spec.disk;
    for (field, amount) in [
        ("disk.sources", &disk.sources),
        ("disk.temporary", &disk.temporary),
        ("disk.writable", &disk.writable),
        ("storage.claim", &spec.storage.claim),
    ] {
        problems.extend(bytes(amount).map(|problem| format!("spec.{field}: {amount:?} {problem}")));
    }
    for (field, cidrs) in addresses(class) {
        let wrong = cidrs.iter().filter(|cidr| !is_cidr(cidr));
        problems.extend(wrong.map(|cidr| {
            format!(
                "spec.{field}: {cidr:?} is no range of addresses, such as 10.0.0.0/8 or \
                 2001:db8::/32"
            )
        }));
    }
    if spec.network.store.is_empty() {
        problems.push(
            "spec.network.store: lists no addresses, so that no pod could reach the store; list \
             those of the store, or 0.0.0.0/0 where it may be anywhere outside: on its port pods \
             of shops may then speak to the whole world"
                .to_owned(),
        );
    }
    let overlay = &spec.overlay;
    for (field, labels) in [
        ("labels", &overlay.labels),
        ("podLabels", &overlay.pod_labels),
        ("nodeSelector", &overlay.node_selector),
    ]
    .into_iter()
    .chain(
        [
            ("network.edge.labels", &spec.network.edge),
            ("network.monitoring.labels", &spec.network.monitoring),
            ("network.dns.labels", &spec.network.dns),
        ]
        .map(|(field, peer)| (field, &peer.labels)),
    ) {
        let field = if field.contains('.') {
            format!("spec.{field}")
        } else {
            format!("spec.overlay.{field}")
        };
        problems.extend(keys(&field, labels));
        let wrong = labels.iter().filter(|(_, value)| !is_label(value));
        problems.extend(wrong.map(|(key, value)| {
            format!(
                "{field}[{key:?}]: {value:?} is no value of a label: at most 63 letters, digits, \
                 '-', '_' and '.', with a letter or a digit at both ends"
            )
        }));
    }
    for (field, annotations) in [
        ("annotations", &overlay.annotations),
        ("podAnnotations", &overlay.pod_annotations),
    ] {
        problems.extend(keys(&format!("spec.overlay.{field}"), annotations));
    }
    let wrong = overlay
        .tolerations
        .iter()
        .filter_map(|it| it.value.as_ref())
        .filter(|value| !is_label(value));
    problems.extend(
        wrong.map(|value| format!("spec.overlay.tolerations: {value:?} is no value of a taint")),
    );
    problems
}

fn size(field: &str, size: &Size) -> Vec<String> {
    let mut problems = Vec::new();
    if thousandths(&size.cpu).is_none_or(|cpu| cpu == 0)
        || size
            .cpu
            .split_once('.')
            .is_some_and(|(_, part)| part.trim_end_matches('m').len() > 3)
    {
        problems.push(format!(
            "{field}.cpu: {:?} is not a number of processors of at least 1m, in whole thousandths",
            size.cpu
        ));
    }
    problems.extend(
        bytes(&size.memory).map(|problem| format!("{field}.memory: {:?} {problem}", size.memory)),
    );
    let pairs = [
        ("memoryLimit", &size.memory_limit, "memory", &size.memory),
        ("cpuLimit", &size.cpu_limit, "cpu", &size.cpu),
    ];
    for (limited, limit, kept, request) in pairs {
        let Some(limit) = limit else { continue };
        if limited == "memoryLimit" {
            problems.extend(
                bytes(limit).map(|problem| format!("{field}.{limited}: {limit:?} {problem}")),
            );
        }
        if thousandths(limit)
            .zip(thousandths(request))
            .is_some_and(|(limit, request)| limit < request)
        {
            problems.push(format!(
                "{field}.{limited}: {limit:?} is below {kept}, which is {request:?}"
            ));
        }
    }
    problems
}

/// What is wrong with an amount of bytes.
fn bytes(text: &str) -> Option<&'static str> {
    match thousandths(text) {
        None | Some(0) => Some("is no amount of bytes, such as 512Mi"),
        Some(_) if text.ends_with('m') => Some("is in thousandths of a byte; say Mi for mebibytes"),
        Some(amount) if !amount.is_multiple_of(1000) => Some("is no whole number of bytes"),
        Some(_) => None,
    }
}

/// Every list of addresses.
fn addresses(class: &ShopClass) -> Vec<(String, &[String])> {
    let (network, backends) = (&class.spec.network, &class.spec.backends);
    let mut all = vec![
        ("network.edgeCidrs".to_owned(), &network.edge_cidrs[..]),
        ("network.store".to_owned(), &network.store),
        ("network.apiServer".to_owned(), &network.api_server),
        ("network.outside".to_owned(), &network.outside),
    ];
    all.extend(network.outgoing.iter().map(|it| {
        (
            format!("network.outgoing: {}: cidrs", it.name),
            &it.cidrs[..],
        )
    }));
    let of = |kind: &str, name: &str| format!("backends.{kind}: {name}: cidrs");
    all.extend(
        backends
            .databases
            .iter()
            .map(|it| (of("databases", &it.name), &it.cidrs[..])),
    );
    all.extend(
        backends
            .caches
            .iter()
            .map(|it| (of("caches", &it.name), &it.cidrs[..])),
    );
    all.extend(
        backends
            .media
            .iter()
            .map(|it| (of("media", &it.name), &it.cidrs[..])),
    );
    all.extend(
        backends
            .search
            .iter()
            .map(|it| (of("search", &it.name), &it.cidrs[..])),
    );
    all.extend(
        backends
            .queues
            .iter()
            .map(|it| (of("queues", &it.name), &it.cidrs[..])),
    );
    all.extend(
        backends
            .http_caches
            .iter()
            .map(|it| (of("httpCaches", &it.host), &it.cidrs[..])),
    );
    all.extend(
        class
            .spec
            .mail
            .iter()
            .map(|it| ("mail.relay.cidrs".to_owned(), &it.relay.cidrs[..])),
    );
    all
}

/// As Go's `ParseCIDR` and nginx take it.
pub(super) fn is_cidr(text: &str) -> bool {
    let Some((address, length)) = text.split_once('/') else {
        return false;
    };
    let most = match address.parse() {
        Ok(IpAddr::V4(_)) => 32,
        Ok(IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    let plain = length.bytes().all(|byte| byte.is_ascii_digit())
        && (length == "0" || !length.starts_with('0'));
    plain && length.parse::<u8>().is_ok_and(|length| length <= most)
}

fn keys(field: &str, labels: &BTreeMap<String, String>) -> Vec<String> {
    let wrong = labels.keys().filter(|key| !is_key(key));
    wrong
        .map(|key| {
            format!(
                "{field}: {key:?} is no key: at most 63 letters, digits, '-', '_' and '.', where \
                 need be behind a domain and '/'"
            )
        })
        .collect()
}

/// A qualified name: `team`, or `example.com/team`.
fn is_key(key: &str) -> bool {
    let (domain, name) = key
        .split_once('/')
        .map_or((None, key), |(domain, name)| (Some(domain), name));
    let lower = |label: &str| {
        !label
            .bytes()
            .any(|byte| byte.is_ascii_uppercase() || byte == b'_')
            && !label.is_empty()
            && is_label(label)
    };
    !name.is_empty()
        && is_label(name)
        && domain.is_none_or(|domain| domain.len() <= 253 && domain.split('.').all(lower))
}

/// A value of a label, which may be empty.
fn is_label(value: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let end = |byte: Option<&u8>| byte.is_none_or(u8::is_ascii_alphanumeric);
    let bytes = value.as_bytes();
    bytes.len() <= LABEL_LIMIT && value.bytes().all(good) && end(bytes.first()) && end(bytes.last())
}

#[cfg(test)]
mod tests;
