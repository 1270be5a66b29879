//! The shapes of text in our resources, as regular expressions that the API server checks (RE2).

/// A DNS label: what a namespace, a Service and most other names have to be.
pub(crate) const LABEL: &str = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$";
/// A DNS subdomain: what most objects may be called.
pub(crate) const SUBDOMAIN: &str = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$";
/// A host name with at least one dot, in lower case; what a browser asks for.
pub(crate) const HOST: &str = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+$";
/// A channel, as `release::ChannelName` reads it.
pub(crate) const CHANNEL: &str = "^[a-z0-9][a-z0-9._-]*(/[a-z0-9][a-z0-9._-]*)*$";
/// An image by digest: a tag can move under a running fleet.
pub(crate) const IMAGE: &str = r"^[a-z0-9][a-zA-Z0-9._:/-]*@sha256:[0-9a-f]{64}$";
/// An amount of Kubernetes, such as 250m, 64Mi or 2.
pub(crate) const QUANTITY: &str = r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$";
/// A duration, as Longshore's settings have it.
pub(crate) const DURATION: &str = "^[1-9][0-9]{0,5}(s|m|h)$";
/// Five fields of cron, each with numbers that it can have; `croner` decides what they mean.
pub(crate) const CRON: &str = "^([*]|[0-5]?[0-9])((-|,|/|,[*]/)[0-5]?[0-9])* ([*]|[01]?[0-9]|2[0-3])((-|,|/|,[*]/)([01]?[0-9]|2[0-3]))* ([*?L]|0?[1-9]|[12][0-9]|3[01])((-|,|/|,[*]/)(0?[1-9]|[12][0-9]|3[01]))* ([*]|0?[1-9]|1[0-2]|[A-Za-z]{3})((-|,|/|,[*]/)(0?[1-9]|1[0-2]|[A-Za-z]{3}))* ([*?]|[0-7]|[A-Za-z]{3})((-|,|/|#|L)([0-7]|[A-Za-z]{3})?)*$";
/// A time zone of the IANA database.
pub(crate) const TIME_ZONE: &str = "^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+){0,2}$";
/// An absolute path without `..`.
pub(crate) const ABSOLUTE_PATH: &str = r"^(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+$";
/// A path below something, without `..`.
pub(crate) const RELATIVE_PATH: &str = r"^[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$";
/// A range of addresses, IPv4 or IPv6.
pub(crate) const CIDR: &str = r"^([0-9]{1,3}(\.[0-9]{1,3}){3}|[0-9a-fA-F:]+:[0-9a-fA-F:]*)/[0-9]{1,3}$";
/// A host name or an address, of a server.
pub(crate) const SERVER: &str = r"^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$";
/// A name of an environment variable.
pub(crate) const VARIABLE: &str = "^[A-Z_][A-Z0-9_]*$";
/// A Magento module, such as Acme_Loyalty.
pub(crate) const MODULE: &str = "^[A-Z][A-Za-z0-9]*_[A-Z][A-Za-z0-9]*$";
/// A time of day and another one, such as 22:00-05:00.
pub(crate) const WINDOW: &str = "^([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]$";
/// A label's or an annotation's key.
pub(crate) const KEY: &str = r"^([a-z0-9]([a-z0-9.-]*[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$";
/// A store of Longshore, as `LONGSHORE_STORE` has it.
pub(crate) const STORE: &str = r"^(s3://[a-z0-9][a-z0-9.-]+[a-z0-9](/.*)?|file:///.*)$";
/// A page of a site: a path without `..`, and perhaps a query.
pub(crate) const PAGE: &str = r"^/([A-Za-z0-9_~!'()*,;:@%+=-][A-Za-z0-9._~!'()*,;:@%+=-]*/?)*(\?[A-Za-z0-9._~!'()*,;:@%/?&+=\[\]-]*)?$";
/// A status of HTTP, or a range that ends with 99 and is not empty.
pub(crate) const STATUSES: &str = "^([1-5][0-9]{2}|1[0-9]{2}-[1-5]99|2[0-9]{2}-[2-5]99|3[0-9]{2}-[3-5]99|4[0-9]{2}-[45]99|5[0-9]{2}-599)$";
/// One line, without control characters.
pub(crate) const PRINTABLE: &str = "^[^\\x00-\\x1f\\x7f]+$";
