//! The Redis user of a shop: what keeps the shops of one server apart. No IO.

use api::{Cache, Shop, ShopClass, Tenants};
use release::Sha256;
use std::fmt::Write as _;

/// What both engines' cache backend asks for, and `clean-caches.php`: nothing that looks into,
/// changes or empties a whole database or server. `SCAN` tells the names of others' keys, and no
/// value.
const COMMANDS: [&str; 36] = [
    "ping",
    "select",
    "echo",
    "client|setname",
    "multi",
    "exec",
    "discard",
    "eval",
    "evalsha",
    "script|exists",
    "script|load",
    "exists",
    "del",
    "unlink",
    "expire",
    "expireat",
    "pexpire",
    "persist",
    "ttl",
    "pttl",
    "hget",
    "hmget",
    "hgetall",
    "hexists",
    "hset",
    "hmset",
    "hdel",
    "sadd",
    "srem",
    "smembers",
    "sismember",
    "sscan",
    "sunion",
    "sinter",
    "sdiff",
    "scan",
];

/// The password of a Redis user, as an ACL has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Password {
    /// Its SHA-256, from which nobody gets the password.
    Hash(String),
    /// A person fills it in.
    Unknown,
}

impl Password {
    /// The hash of a password.
    #[must_use]
    pub fn hashed(password: &str) -> Self {
        Self::Hash(Sha256::digest(password.as_bytes()).to_string())
    }
}

/// The cache of a shop, if its server keeps shops apart.
#[must_use]
pub fn separate<'a>(shop: &Shop, class: &'a ShopClass) -> Option<&'a Cache> {
    let wanted = shop.spec.services.cache.as_ref()?;
    class
        .spec
        .backends
        .caches
        .iter()
        .find(|cache| cache.name == wanted.server)
        .filter(|cache| cache.tenants == Tenants::Separate)
}

/// The line that makes the user of a shop whose keys begin with `prefix`, or makes it anew; on a
/// server of version 7.
///
/// The list of all tags is one for all shops: each may add to it and take away from it, and neither
/// read nor replace it.
///
/// ```
/// use render::redis::{Password, acl};
///
/// let line = acl("acme", "acme_", &Password::hashed("secret"));
/// let hash = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";
/// let user = format!("ACL SETUSER acme reset on #{hash} ~acme_* ~zc:k:acme_* ");
/// assert!(line.starts_with(&user));
/// assert!(line.ends_with("(+sadd +srem %W~zc:tags) (+srem %W~zc:ti:)"));
/// ```
#[must_use]
pub fn acl(user: &str, prefix: &str, password: &Password) -> String {
    let password = match password {
        Password::Hash(hash) => format!("#{hash}"),
        Password::Unknown => ">REPLACE-ME".to_owned(),
    };
    // Scripts of the backend name tags as their keys, without what tags' sets begin with.
    let mut line = format!(
        "ACL SETUSER {user} reset on {password} ~{prefix}* ~zc:k:{prefix}* ~zc:ti:{prefix}* \
         ~longshore:{prefix}"
    );
    for command in COMMANDS {
        // Writing to a String never fails.
        write!(line, " +{command}").ok();
    }
    // An entry without tags is taken from the set of the empty tag, in one transaction with the
    // rest: a refusal would keep the entry.
    line + " (+sadd +srem %W~zc:tags) (+srem %W~zc:ti:)"
}
