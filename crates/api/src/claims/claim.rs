//! One claim, one collision of two, and their words.

use std::fmt;

/// What a claim is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Host,
    /// Tables of a database: all, or those whose names begin alike.
    Tables,
    /// A directory, and all that is in it.
    Directory,
    /// A part of EFS.
    AccessPoint,
    /// Keys that begin alike.
    Keys,
    /// A Redis database.
    Sessions,
    /// Indexes whose names begin alike.
    Indexes,
    VirtualHost,
    /// What the shops of a Redis server are to each other: shops may say the same of it, and none
    /// another thing.
    Tenants,
}

/// Something that a shop claims.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Claim {
    pub(super) kind: Kind,
    /// Where it is: the server's address, whatever classes call it.
    pub(super) place: String,
    /// What it is. Of what contains others: what the names of those begin with.
    pub(super) name: String,
}

impl Claim {
    pub(super) fn new(kind: Kind, place: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            kind,
            place: place.into(),
            name: name.into(),
        }
    }

    pub(super) fn host(name: &str) -> Self {
        Self::new(Kind::Host, "", name)
    }

    /// Whether other things can be within it.
    pub(super) const fn contains(&self) -> bool {
        matches!(
            self.kind,
            Kind::Tables | Kind::Directory | Kind::Keys | Kind::Indexes
        )
    }
}

/// Also how a shop's status says what it has: the text is the same for the same claim, and no
/// other.
impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, place, name } = self;
        match kind {
            Kind::Host => write!(f, "host {name}"),
            Kind::Tables if name.is_empty() => write!(f, "database {place}"),
            Kind::Tables => write!(f, "tables {name}* of database {place}"),
            Kind::Directory => write!(f, "directory {place}{}", name.trim_end_matches('/')),
            Kind::AccessPoint => write!(f, "access point {name}"),
            Kind::Keys => write!(f, "cache prefix {name} of {place}"),
            Kind::Sessions => write!(f, "database {name} for sessions of {place}"),
            Kind::Indexes => write!(f, "search prefix {} of {place}", name.trim_end_matches('_')),
            Kind::VirtualHost => write!(f, "virtual host {name} of {place}"),
            Kind::Tenants => write!(f, "tenants {name} of {place}"),
        }
    }
}

/// What another shop has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collision {
    pub(super) ours: Claim,
    pub(super) theirs: Claim,
    /// The other shop; none if it is the platform's own.
    pub shop: Option<String>,
}

impl fmt::Display for Collision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ours, theirs, shop } = self;
        let Some(shop) = shop else {
            return write!(f, "{ours} is one of the platform's own hosts");
        };
        if ours == theirs {
            return write!(f, "{ours} belongs to shop {shop}");
        }
        if ours.kind == Kind::Tenants {
            return write!(
                f,
                "the class says {} of the Redis server {}, and the class of shop {shop} says {}: \
                 all classes have to say the same of one server",
                ours.name, ours.place, theirs.name
            );
        }
        let why = match ours.kind {
            Kind::Directory => "which is in it or around it",
            _ => "with which it would be mixed up",
        };
        write!(f, "{ours}: {theirs}, {why}, belongs to shop {shop}")
    }
}
