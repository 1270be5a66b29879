//! How large the containers of a class are.

use crate::crd::pattern;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Resources that each container requests.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sizes {
    /// Puts the first release on the disk.
    #[serde(default = "pull")]
    pub pull: Size,
    /// Keeps it current.
    #[serde(default = "agent")]
    pub agent: Size,
    /// Runs the shop.
    #[serde(default = "php_fpm")]
    pub php_fpm: Size,
    /// Answers visitors.
    #[serde(default = "nginx")]
    pub nginx: Size,
    /// Runs what is due, beside visitors.
    #[serde(default = "cron")]
    pub cron: Size,
    /// Runs migrations, builds and backups.
    #[serde(default = "job")]
    pub job: Size,
}

impl Default for Sizes {
    fn default() -> Self {
        Self {
            pull: pull(),
            agent: agent(),
            php_fpm: php_fpm(),
            nginx: nginx(),
            cron: cron(),
            job: job(),
        }
    }
}

/// Resources that one container requests, and its limits.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Size {
    /// CPU that is reserved for it, such as 250m.
    #[schemars(length(max = 16), regex(pattern = pattern::QUANTITY))]
    pub cpu: String,
    /// Memory that is reserved for it, such as 512Mi.
    #[schemars(length(max = 16), regex(pattern = pattern::QUANTITY))]
    pub memory: String,
    /// Memory limit: a container that exceeds it is killed. If unset, the reserved memory.
    #[schemars(length(max = 16), regex(pattern = pattern::QUANTITY))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_limit: Option<String>,
    /// CPU limit. If unset, there is none: a limit throttles a shop even while its node is idle.
    #[schemars(length(max = 16), regex(pattern = pattern::QUANTITY))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_limit: Option<String>,
}

impl Size {
    fn new(cpu: &str, memory: &str, memory_limit: &str) -> Self {
        Self {
            cpu: cpu.to_owned(),
            memory: memory.to_owned(),
            memory_limit: Some(memory_limit.to_owned()),
            cpu_limit: None,
        }
    }
}

/// What a pod may use of its node's disk.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Disk {
    /// The release root: the release in force, the one before it, and one being staged.
    #[schemars(length(max = 16), regex(pattern = pattern::QUANTITY))]
    #[serde(default = "sources")]
    pub sources: String,
    /// Uploads and other temporary files of a pod.
    #[schemars(length(max = 16), regex(pattern = pattern::QUANTITY))]
    #[serde(default = "temporary")]
    pub temporary: String,
    /// Space for what the shop writes into directories that its releases list as `writable`,
    /// whether each release has its own or they are kept. The kubelet evicts a pod that needs more.
    #[schemars(length(max = 16), regex(pattern = pattern::QUANTITY))]
    #[serde(default = "writable")]
    pub writable: String,
    /// Directories of the release whose `*.log` files and reports the agent copies to its log. If
    /// empty, var/log and var/report for Magento, and none for PHP.
    #[schemars(
        length(max = 16),
        inner(length(min = 1, max = 200), regex(pattern = pattern::RELATIVE_PATH))
    )]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logs: Vec<String>,
}

impl Default for Disk {
    fn default() -> Self {
        Self {
            sources: sources(),
            temporary: temporary(),
            writable: writable(),
            logs: Vec::new(),
        }
    }
}

/// Settings of PHP.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Php {
    /// Version of the image's php-fpm, such as 8.2.
    #[schemars(length(max = 8), regex(pattern = r"^[0-9]+\.[0-9]+$"))]
    #[serde(default = "version")]
    pub version: String,
    /// Workers of a pod: requests that it answers at the same time.
    #[schemars(range(min = 1, max = 512))]
    #[serde(default = "workers")]
    pub workers: u32,
    /// Memory of one request, in MiB.
    #[schemars(range(min = 32, max = 8192))]
    #[serde(default = "memory_mib")]
    pub memory_mib: u32,
    /// Memory of compiled code that all workers share, in MiB.
    #[schemars(range(min = 32, max = 4096))]
    #[serde(default = "opcache_mib")]
    pub opcache_mib: u32,
    /// Certificate authorities that PHP trusts besides those of the image, as PEM, such as the one
    /// that signs for a staging edge or an inventory system.
    #[schemars(length(max = 65536), regex(pattern = pattern::CERTIFICATES))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorities: Option<String>,
    /// More settings of php.ini.
    #[schemars(extend("maxProperties" = 50, "additionalProperties" = { "type": "string", "maxLength": 256, "pattern": "^[^\\n\\r]*$" }))]
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, String>,
}

impl Default for Php {
    fn default() -> Self {
        Self {
            version: version(),
            workers: workers(),
            memory_mib: memory_mib(),
            opcache_mib: opcache_mib(),
            authorities: None,
            settings: BTreeMap::new(),
        }
    }
}

fn pull() -> Size {
    Size::new("500m", "96Mi", "128Mi")
}

fn agent() -> Size {
    Size::new("10m", "32Mi", "160Mi")
}

fn php_fpm() -> Size {
    Size::new("250m", "512Mi", "1Gi")
}

fn nginx() -> Size {
    Size::new("50m", "32Mi", "128Mi")
}

fn cron() -> Size {
    Size::new("100m", "256Mi", "1Gi")
}

fn job() -> Size {
    Size::new("250m", "512Mi", "2Gi")
}

fn sources() -> String {
    "4Gi".to_owned()
}

fn temporary() -> String {
    "1Gi".to_owned()
}

fn writable() -> String {
    "2Gi".to_owned()
}

fn version() -> String {
    "8.2".to_owned()
}

fn workers() -> u32 {
    16
}

fn memory_mib() -> u32 {
    512
}

fn opcache_mib() -> u32 {
    256
}
