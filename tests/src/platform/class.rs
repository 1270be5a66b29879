//! The class of the platform's tenants, sized for two nodes that are one machine.

use super::{BACKUPS, RELEASES, edge, minio};
use crate::cluster::{HOST, Image};
use serde_json::{Value, json};
use std::path::Path;

/// The Secret of builds.
pub(super) const BUILD_SECRET: &str = "builds";

/// What of a class differs from tenant to tenant.
#[derive(Debug, Clone)]
pub struct Class {
    /// Its name.
    pub name: String,
    /// `Php`, `Magento1` or `Magento2`.
    pub engine: &'static str,
    /// `Agent` or `Csi`.
    pub storage: &'static str,
    /// Directories of the release on the shared file system; the engine's own, where there are
    /// none.
    pub shared: Vec<&'static str>,
    /// Whether its shops may scale by busy workers.
    pub busy_workers: bool,
    /// Processor time that php-fpm asks for, which the autoscaler measures against.
    pub cpu: &'static str,
    /// The port of a database server beside the API server.
    pub database: Option<u16>,
    /// The port of a Redis server there.
    pub cache: Option<u16>,
    /// The port of a search server there.
    pub search: Option<u16>,
    /// The edge, where pods reach their shop by its own name.
    pub edge: Option<edge::Place>,
    /// Whether releases are built in the cluster.
    pub builds: bool,
    /// Whether it is for whole shops, which take memory and disk.
    pub whole: bool,
    /// The image of backups, by digest.
    pub backup: Option<String>,
    /// The image of `longshore-init` and `longshore-agent`, by its name in `make images`; that of
    /// a shop has them, too.
    pub longshore: &'static str,
    /// The image of the tenant's own containers.
    pub shop: &'static str,
}

impl Class {
    /// Any PHP application, whose `media` an agent mounts.
    #[must_use]
    pub fn php(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            engine: "Php",
            storage: "Agent",
            shared: vec!["media"],
            busy_workers: false,
            cpu: "100m",
            database: None,
            cache: None,
            search: None,
            edge: None,
            builds: false,
            whole: false,
            backup: None,
            longshore: "longshore-agent",
            shop: "longshore-shop-php8.2",
        }
    }

    /// As its image's name has it; programs of PHP are called by it.
    fn php_version(&self) -> &str {
        self.shop
            .strip_prefix("longshore-shop-php")
            .unwrap_or_default()
    }

    pub(super) fn object(
        &self,
        trust: &str,
        longshore: &Image,
        shop: &Image,
        shared: &Path,
    ) -> Value {
        let host = format!("{HOST}/32");
        let size = |cpu: &str, memory: &str, limit: &str| {
            json!({
                "cpu": cpu, "memory": memory, "memoryLimit": limit,
            })
        };
        let mut class = json!({
            "apiVersion": "longshore.dev/v1alpha1", "kind": "ShopClass", "metadata": { "name": self.name },
            "spec": {
                "engine": self.engine,
                "images": { "longshore": longshore.pinned(), "shop": shop.pinned() },
                "storage": { "mode": self.storage, "shared": self.shared },
                "backends": { "media": [{ "name": "disk", "directory": { "path": shared } }] },
                "identity": { "secret": { "name": "store" } },
                "php": { "version": self.php_version(), "workers": 8, "memoryMib": 128, "opcacheMib": 64 },
                "sizes": {
                    "pull": size("50m", "96Mi", "192Mi"), "agent": size("10m", "32Mi", "192Mi"), "phpFpm": size(self.cpu, "64Mi", "1Gi"),
                    "nginx": size("20m", "16Mi", "128Mi"), "cron": size("20m", "32Mi", "512Mi"), "job": size("20m", "64Mi", "512Mi"),
                },
                "disk": { "sources": "1Gi", "temporary": "256Mi", "writable": "512Mi" },
                // Where policies are enforced a Service's address has become that of a pod, here of
                // the first node.
                "network": { "store": [minio::SERVICES, minio::PODS_OF_ITS_NODE], "apiServer": [host] },
                "store": { "location": format!("s3://{RELEASES}"), "region": minio::REGION, "endpoint": minio::ENDPOINT, "trust": trust },
            },
        });
        let spec = &mut class["spec"];
        if self.whole {
            spec["php"] = json!({
                "version": self.php_version(), "workers": 4, "memoryMib": 756, "opcacheMib": 256,
            });
            spec["disk"] = json!({ "sources": "2Gi", "writable": "1Gi", "temporary": "512Mi" });
            // The nodes' disks are memory here, and count as that of who writes them.
            for part in ["pull", "agent", "phpFpm", "cron", "job"] {
                spec["sizes"][part] = size("100m", "256Mi", "3Gi");
            }
        }
        if self.storage == "Agent" {
            spec["nodeCache"] = json!({ "directory": "/var/lib/longshore/cache", "limit": "2GiB" });
        }
        if self.busy_workers {
            spec["busyWorkersMetric"] = json!("longshore_busy_workers_ratio");
        }
        if let Some(port) = self.database {
            let server = json!({ "name": "db", "host": HOST, "port": port, "cidrs": [host] });
            spec["backends"]["databases"] = json!([server]);
        }
        if let Some(port) = self.cache {
            spec["backends"]["caches"] = json!([
                {
                    "name": "redis", "host": HOST, "port": port, "tenants": "Trusted",
                    "cidrs": [host],
                },
            ]);
        }
        if let Some(port) = self.search {
            spec["backends"]["search"] =
                json!([{ "name": "search", "host": HOST, "port": port, "cidrs": [host] }]);
        }
        if let Some(edge) = &self.edge {
            spec["network"]["own"] = json!({ "address": edge.address });
            spec["php"]["authorities"] = json!(edge.authority);
        }
        if self.builds {
            spec["build"] = json!({ "secret": { "name": BUILD_SECRET } });
        }
        if let Some(image) = &self.backup {
            spec["backup"] =
                json!({ "image": image, "bucket": format!("s3://{BACKUPS}"), "hour": 3 });
        }
        class
    }
}
