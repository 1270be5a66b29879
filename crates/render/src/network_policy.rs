//! Who may speak to a shop's pods, and to whom they may. Everything else is denied, both ways.

use super::{
    container::AGENT_PORT,
    pod::HTTP_PORT,
    shop_context::{COMPONENT, ShopContext},
};
use api::Object;
use api::{Engine, Peer, StorageMode, WATCH};
use k8s_openapi::{
    api::networking::v1::{
        IPBlock, NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule,
        NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec,
    },
    apimachinery::pkg::{
        apis::meta::v1::{LabelSelector, LabelSelectorRequirement},
        util::intstr::IntOrString,
    },
};
use std::collections::BTreeMap;

/// Port of NFS, also of EFS.
const NFS_PORT: u32 = 2049;
/// What "everywhere" leaves out: metadata services, which hand out the node's identity, and private
/// networks, where other shops and the cluster itself are.
/// Carriers' and clouds' shared networks are in 100.64.0.0/10: pods of EKS and GKE, and metadata
/// services of other clouds.
const NOT_OUTSIDE: [&str; 5] = [
    "10.0.0.0/8",
    "100.64.0.0/10",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.168.0.0/16",
];
/// All of IPv4.
const EVERYWHERE: &str = "0.0.0.0/0";
/// Where EKS Pod Identity hands out credentials.
const POD_IDENTITY: &str = "169.254.170.23/32";

/// The part of a shop that the pod of `longshore shop clean-cache` is.
pub const CLEAN_CACHE: &str = "clean-cache";

/// Every pod of the namespace: nothing in, nothing out.
pub(crate) fn deny(context: &ShopContext<'_>) -> Object {
    let spec = NetworkPolicySpec {
        pod_selector: Some(LabelSelector::default()),
        policy_types: Some(vec!["Ingress".to_owned(), "Egress".to_owned()]),
        ..NetworkPolicySpec::default()
    };
    Object::new(&NetworkPolicy {
        metadata: context.meta("deny"),
        spec: Some(spec),
    })
}

/// What the shop's pods need, and no more.
pub(crate) fn allow(context: &ShopContext<'_>) -> Object {
    let network = &context.class.network;
    let mut ingress = vec![
        NetworkPolicyIngressRule {
            from: Some(vec![peer(&network.edge)]),
            ports: Some(vec![tcp(HTTP_PORT.cast_unsigned())]),
        },
        NetworkPolicyIngressRule {
            from: Some(vec![peer(&network.monitoring), watch()]),
            ports: Some(vec![tcp(AGENT_PORT.cast_unsigned())]),
        },
    ];
    if !network.api_server.is_empty() {
        // `pods/proxy`: what agents say of their release comes to the scheduler this way.
        let agent = Some(vec![tcp(AGENT_PORT.cast_unsigned())]);
        ingress.push(NetworkPolicyIngressRule {
            from: Some(blocks(&network.api_server)),
            ports: agent,
        });
    }
    let mut egress = vec![
        NetworkPolicyEgressRule {
            to: Some(vec![peer(&network.dns)]),
            ports: Some(vec![udp(53), tcp(53)]),
        },
        NetworkPolicyEgressRule {
            to: Some(blocks(&network.store)),
            ports: Some(vec![tcp(store_port(context))]),
        },
    ];
    if let Some(own) = &network.own {
        // Of a Service's address some CNIs see what is behind it: the edge's pods.
        let to = [
            blocks(&[format!("{}/32", own.address)]),
            vec![peer(&network.edge)],
        ]
        .concat();
        let ports = own.ports.iter().map(|&port| tcp(port)).collect();
        egress.push(NetworkPolicyEgressRule {
            to: Some(to),
            ports: Some(ports),
        });
    }
    let mut reach = |cidrs: &[String], port: u32| {
        if !cidrs.is_empty() {
            egress.push(NetworkPolicyEgressRule {
                to: Some(blocks(cidrs)),
                ports: Some(vec![tcp(port)]),
            });
        }
    };
    services(context, &mut reach);
    reach(&network.outside, 443);
    for outgoing in &network.outgoing {
        outgoing
            .ports
            .iter()
            .for_each(|&port| reach(&outgoing.cidrs, port));
    }
    if context.class.identity.pod_identity.is_some() {
        reach(&[POD_IDENTITY.to_owned()], 80);
    }
    let spec = NetworkPolicySpec {
        pod_selector: Some(LabelSelector {
            match_expressions: Some(vec![LabelSelectorRequirement {
                key: COMPONENT.to_owned(),
                operator: "In".to_owned(),
                values: Some(
                    ["web", "cron", "backup", "migration", CLEAN_CACHE]
                        .map(str::to_owned)
                        .into(),
                ),
            }]),
            ..LabelSelector::default()
        }),
        policy_types: Some(vec!["Ingress".to_owned(), "Egress".to_owned()]),
        ingress: Some(ingress),
        egress: Some(egress),
    };
    Object::new(&NetworkPolicy {
        metadata: context.meta("shop"),
        spec: Some(spec),
    })
}

/// Servers that the class and the shop name.
fn services(context: &ShopContext<'_>, reach: &mut impl FnMut(&[String], u32)) {
    if let Some((server, _)) = context.database {
        reach(&server.cidrs, server.port);
    }
    if let Some((server, _)) = context.cache {
        reach(&server.cidrs, server.port);
    }
    // With csi the node mounts, and no pod has to reach the file server.
    if let (Some((media, _)), StorageMode::Agent) = (context.media, context.class.storage.mode) {
        reach(&media.cidrs, NFS_PORT);
    }
    if let Some(mail) = &context.class.mail {
        reach(&mail.relay.cidrs, mail.relay.port);
    }
    if let Some((server, _)) = context.search {
        reach(&server.cidrs, server.port);
    }
    if let Some((server, _)) = context.queue {
        reach(&server.cidrs, server.port);
    }
    if context.class.engine == Engine::Magento2 {
        context
            .class
            .backends
            .http_caches
            .iter()
            .for_each(|server| reach(&server.cidrs, server.port));
    }
}

/// Where the store listens: on 443, unless its endpoint names another port, or is without TLS.
fn store_port(context: &ShopContext<'_>) -> u32 {
    let Some(endpoint) = context.class.store.endpoint.as_deref() else {
        return 443;
    };
    let (usual, rest) = endpoint
        .strip_prefix("http://")
        .map_or((443, endpoint.trim_start_matches("https://")), |rest| {
            (80, rest)
        });
    let authority = rest.split('/').next().unwrap_or(rest);
    authority
        .rsplit_once(':')
        .and_then(|(_, port)| port.parse().ok())
        .unwrap_or(usual)
}

/// Who says "everywhere" means the world outside.
fn blocks(cidrs: &[String]) -> Vec<NetworkPolicyPeer> {
    let except =
        |cidr: &String| (cidr == EVERYWHERE).then(|| NOT_OUTSIDE.map(str::to_owned).into());
    let block = |cidr: &String| IPBlock {
        cidr: cidr.clone(),
        except: except(cidr),
    };
    cidrs
        .iter()
        .map(|cidr| NetworkPolicyPeer {
            ip_block: Some(block(cidr)),
            ..NetworkPolicyPeer::default()
        })
        .collect()
}

/// `longshore-watch`, which asks agents for errors. Nobody else's pod gets into its namespace.
fn watch() -> NetworkPolicyPeer {
    peer(&Peer {
        namespace: WATCH.to_owned(),
        labels: BTreeMap::new(),
    })
}

fn peer(peer: &Peer) -> NetworkPolicyPeer {
    let matching = |labels: &BTreeMap<String, String>| LabelSelector {
        match_labels: Some(labels.clone()),
        ..LabelSelector::default()
    };
    NetworkPolicyPeer {
        // The API server sets this label on every namespace, and nobody else can.
        namespace_selector: Some(matching(&BTreeMap::from([(
            "kubernetes.io/metadata.name".to_owned(),
            peer.namespace.clone(),
        )]))),
        pod_selector: (!peer.labels.is_empty()).then(|| matching(&peer.labels)),
        ip_block: None,
    }
}

fn tcp(port: u32) -> NetworkPolicyPort {
    on("TCP", port)
}

fn udp(port: u32) -> NetworkPolicyPort {
    on("UDP", port)
}

fn on(protocol: &str, port: u32) -> NetworkPolicyPort {
    NetworkPolicyPort {
        protocol: Some(protocol.to_owned()),
        port: Some(IntOrString::Int(port.cast_signed())),
        end_port: None,
    }
}
