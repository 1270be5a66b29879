//! Where things are in a shop's containers. The images, the templates of `config/` and the
//! release's manifest rely on these.

/// The release root.
pub(crate) const ROOT: &str = "/srv/shop";
/// What the shop writes besides [`SHARED`]: a volume of the pod, with a directory for each release
/// and one for all.
pub(crate) const WRITABLE: &str = "/srv/writable";
/// The shop's configuration as each release reads it, with its secrets. In memory.
pub(crate) const CONFIGURED: &str = "/srv/configured";
/// The node's directory in which agents mount, each at its pod's uid. Never by a subPath, which the
/// kubelet binds without the mounts below: an agent that starts again would not see its own.
pub(crate) const MOUNTED: &str = "/mnt/pods";
/// The shop's directory on the shared file system, to which the release's shared paths lead, in the
/// tenants' containers: a subPath, which shows what is mounted at that very directory.
pub(crate) const SHARED: &str = "/mnt/shop";
/// A directory of the node that stands in for a file server. Not below [`MOUNTED`]: what is mounted
/// there appears on the node.
pub(crate) const DIRECTORY: &str = "/srv/directory";
/// What `longshore-init` and `longshore-agent` are told.
pub(crate) const TRUST: &str = "/etc/longshore/trust";
pub(crate) const TRUST_FILE: &str = "root.json";
pub(crate) const RELEASE: &str = "/etc/longshore/release";
/// In [`RELEASE`], while visitors are kept out. It appears and goes without a pod being made anew.
pub(crate) const CLOSED_FILE: &str = "closed";
/// Where nginx sees that file, and nothing else of the release.
pub(crate) const STATE: &str = "/etc/shop/state";
pub(crate) const MOUNTS: &str = "/etc/longshore/mounts";
pub(crate) const MOUNTS_FILE: &str = "mounts.json";
/// The token that the store takes for a role.
pub(crate) const IDENTITY: &str = "/var/run/longshore/identity";
/// A directory of the node that its pods share, in which the cache is.
pub(crate) const NODE: &str = "/node";
/// The shop's own configuration.
pub(crate) const APP: &str = "/etc/shop/app";
pub(crate) const SECRET: &str = "/etc/shop/secret";
pub(crate) const PHP: &str = "/etc/shop/php";
pub(crate) const NGINX: &str = "/etc/shop/nginx";
pub(crate) const SCRIPTS: &str = "/etc/shop/scripts";
pub(crate) const TEMPORARY: &str = "/tmp";
/// Where PHP, php-fpm and nginx log: whoever writes errors, and the agent, which reads and empties
/// them.
pub(crate) const LOGS: &str = "/var/log/shop";
/// Where php-fpm makes its socket. Only the containers of php-fpm, nginx and the agent of a pod
/// have it, and the last two cannot write there.
pub(crate) const SOCKET: &str = "/run/shop";
