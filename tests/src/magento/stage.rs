//! A shop of the platform that runs a tree: its servers, its class, its pods, and what they answer.

mod opening;

use super::{
    Kind, Table,
    browser::{Body, Browser},
    text::filled,
    tree::{Version, write_probe},
    walk::{Place, Walk},
};
use crate::{
    cluster::Cluster,
    platform::{
        Class, Platform, Pod, Tenant,
        edge::Edge,
        server::{self, Database, Redis, Search},
    },
    process::{Outcome, Running},
};
use serde_json::json;
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

/// How long anything may take that has no limit of its own.
pub(super) const LONG: Duration = Duration::from_mins(5);
/// How long a real one may be compiled, on a machine that does much else.
const BUILD: Duration = Duration::from_mins(30);
const PASSWORD: &str = "not-for-others";
/// What the shop begins with.
pub(super) const FIRST: Version = Version {
    name: "r1",
    module: "1.0.0",
    fault: "",
};

/// What the shop rests on, beside the cluster.
#[derive(Debug)]
pub(super) struct Servers {
    database: Database,
    redis: Redis,
    _search: Search,
}

impl Servers {
    pub(super) fn start(cluster: &Cluster) -> Self {
        Self {
            database: Database::start(cluster),
            redis: Redis::start(cluster, PASSWORD),
            _search: Search::start(cluster),
        }
    }
}

/// The shop.
#[derive(Debug)]
pub(super) struct Stage<'a> {
    pub(super) platform: &'a Platform<'a>,
    servers: &'a Servers,
    pub(super) kind: &'static Kind,
    pub(super) tenant: Tenant<'a>,
    modules: Vec<(&'static str, &'static str)>,
    /// Whether it is a real one, and not the stand-in.
    real: bool,
    /// The sequence that it begins with.
    pub(super) first: u64,
    edge: Edge,
    /// What answers there, once there is a Service to lead to.
    served: Option<Running>,
    variables: BTreeMap<String, String>,
}

impl<'a> Stage<'a> {
    pub(super) fn new(
        platform: &'a Platform<'a>,
        servers: &'a Servers,
        kind: &'static Kind,
    ) -> Self {
        let name = kind.engine.to_lowercase();
        let variables = super::variables(&name, (crate::cluster::HOST, server::PORT), PASSWORD);
        let edge = Edge::for_host(&variables["host"]);
        Self {
            platform,
            servers,
            kind,
            tenant: platform.tenant(&name),
            modules: Vec::new(),
            real: false,
            first: 0,
            edge,
            served: None,
            variables,
        }
    }

    /// What the shop's class is like.
    fn class(&self) -> Class {
        Class {
            engine: self.kind.engine,
            shared: self.kind.shared.to_vec(),
            database: Some(server::PORT),
            cache: Some(server::CACHE_PORT),
            search: (self.kind.engine == "Magento2").then_some(server::SEARCH_PORT),
            edge: Some(self.edge.place.clone()),
            whole: self.real,
            ..Class::php(&self.tenant.name)
        }
    }

    /// The class, the Shop and its Secret.
    fn start(&self) {
        let name = &self.tenant.name;
        self.platform.class(&self.class());
        // No other shop's on this server: both would be refused.
        let sessions = if self.kind.engine == "Magento1" {
            "2"
        } else {
            "3"
        };
        let (database, cache, media) = (
            format!("db/{name}"),
            format!("redis/{name}_"),
            format!("disk/{name}"),
        );
        let secret = [
            ("database-user", name.as_str()),
            ("database-password", PASSWORD),
            ("cache-password", PASSWORD),
            ("crypt-key", &self.variables["crypt_key"]),
        ];
        let services = [
            "--database",
            &database,
            "--cache",
            &cache,
            "--sessions",
            sessions,
            "--media",
            &media,
        ];
        self.tenant.create(
            name,
            &[&services[..], &["--min", "2", "--max", "2"]].concat(),
            &secret,
        );
        self.tenant.change(
            &json!({ "config": { "values": { "default/design/head/title_prefix": "Locked" } } }),
        );
    }

    /// Publishes a version of it. Gives the sequence.
    pub(super) fn publish(&self, version: Version, migration: &str) -> Result<u64, String> {
        write_probe(self.kind, version, |module| self.tenant.module(module))
            .map_err(|error| error.to_string())?;
        let wanted = |line: &&str| {
            ["case_sensitive", "shared", "writable"]
                .iter()
                .any(|key| line.starts_with(key))
        };
        let spec: Vec<_> = self.kind.spec.lines().filter(wanted).collect();
        Ok(self.tenant.publish(
            &self.modules,
            &format!("{}\nmigration = \"{migration}\"", spec.join("\n")),
        ))
    }

    /// All rows of the engine.
    pub(super) fn walk(&self, table: &mut Table) {
        let mut walk = Walk::new(self, self.variables.clone(), self.real);
        for row in self.kind.rows.iter().copied().flatten() {
            table.row(row.name, row.expected, || walk.row(row));
        }
    }

    /// A visitor of one pod.
    pub(super) fn browser(&self, pod: &Pod) -> Browser {
        Browser::new(&self.variables["host"], &[(pod.address, 8080).into()])
    }

    /// A visitor of the Service.
    pub(super) fn visitor(&self) -> Browser {
        Browser::new(&filled("{host}", &self.variables), &[self.tenant.service()])
    }

    /// Waits until every pod serves this release: code, configuration and blocks.
    pub(super) fn serve(&self, release: &str) -> Result<Duration, String> {
        let begin = Instant::now();
        loop {
            let pods = self.tenant.pods();
            let answers: Vec<_> = pods
                .iter()
                .filter(|pod| !pod.leaving)
                .map(|pod| facts(&mut self.browser(pod), "/"))
                .collect();
            if !answers.is_empty()
                && answers
                    .iter()
                    .all(|facts| facts.as_ref().is_ok_and(|facts| facts["code"] == release))
            {
                return Ok(begin.elapsed());
            }
            if begin.elapsed() > LONG {
                return Err(format!("not every pod serves {release}: {answers:#?}"));
            }
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// How many pages, blocks and configurations of the shop are in its cache.
    pub(super) fn cached(&self) -> usize {
        let pattern = format!("*{}_*", self.tenant.name);
        self.servers
            .redis
            .ask(&["--scan", "--pattern", &pattern])
            .lines()
            .filter(|key| key.starts_with("zc:k:"))
            .count()
    }

    /// What goes on there, for who looks for the reason.
    pub(super) fn tell(&self) -> String {
        let there = self
            .platform
            .cluster
            .kubectl(["get", "shop", &self.tenant.name])
            .run()
            .code()
            == Some(0);
        let why = if there {
            self.tenant.why()
        } else {
            "there is no Shop yet".to_owned()
        };
        let edge = self
            .served
            .as_ref()
            .map_or_else(String::new, Running::complained);
        format!(
            "{}\n--- why\n{why}\n--- the edge\n{edge}",
            self.platform.tell(&self.tenant.namespace)
        )
    }
}

impl Place for Stage<'_> {
    fn addresses(&self) -> Vec<SocketAddr> {
        serving(&self.tenant)
            .iter()
            .map(|pod| (pod.address, 8080).into())
            .collect()
    }

    fn run(&self, pod: usize, program: &[&str]) -> Result<Outcome, String> {
        let pods = serving(&self.tenant);
        let pod = pods
            .get(pod)
            .ok_or_else(|| format!("there are {} pods", pods.len()))?;
        let words = [
            "sh",
            "-c",
            "cd \"$(readlink -f /srv/shop/current)\" && exec \"$@\"",
            "sh",
        ];
        Ok(self
            .tenant
            .exec(&pod.name, "php-fpm", &[&words, program].concat()))
    }

    fn logs(&self) -> String {
        self.tenant
            .pods()
            .iter()
            .map(|pod| self.tenant.logs(&pod.name))
            .collect()
    }

    fn ask(&self, statement: &str) -> Result<String, String> {
        self.servers.database.try_ask(&self.tenant.name, statement)
    }
}

fn serving(tenant: &Tenant<'_>) -> Vec<Pod> {
    let mut pods = tenant.pods();
    pods.retain(|pod| pod.ready && !pod.leaving);
    pods
}

/// What a page says of itself.
///
/// # Errors
///
/// It is no page, an empty one, or one whose parts are of different releases.
pub(super) fn facts(browser: &mut Browser, path: &str) -> Result<BTreeMap<String, String>, String> {
    let answer = browser
        .ask(path, "", &Body::None)
        .map_err(|error| error.to_string())?;
    let text = answer
        .headers
        .get("x-longshore-facts")
        .cloned()
        .unwrap_or_default();
    let facts: BTreeMap<_, _> = text
        .split(' ')
        .filter_map(|fact| fact.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let of = |name: &str| facts.get(name).map_or("", String::as_str);
    let whole = ["config", "block"]
        .iter()
        .all(|part| !of(part).is_empty() && of(part) == of("code"));
    if answer.status == 200 && !answer.body.is_empty() && whole {
        return Ok(facts);
    }
    Err(format!(
        "{path}: {} with {} bytes, {text:?}: {}",
        answer.status,
        answer.body.len(),
        answer.text().chars().take(200).collect::<String>()
    ))
}
