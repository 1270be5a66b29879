//! The shapes of text in our resources, as regular expressions that the API server checks (RE2).

/// A DNS label: what a namespace, a Service and most other names have to be.
pub(crate) const LABEL: &str = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$";
/// A DNS subdomain: what most objects may be called.
pub(crate) const SUBDOMAIN: &str =
    r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$";
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
pub(crate) const CRON: &str = "^([*]|[0-5]?[0-9])((-|,|/|,[*]/)[0-5]?[0-9])* \
     ([*]|[01]?[0-9]|2[0-3])((-|,|/|,[*]/)([01]?[0-9]|2[0-3]))* \
     ([*?L]|0?[1-9]|[12][0-9]|3[01])((-|,|/|,[*]/)(0?[1-9]|[12][0-9]|3[01]))* \
     ([*]|0?[1-9]|1[0-2]|[A-Za-z]{3})((-|,|/|,[*]/)(0?[1-9]|1[0-2]|[A-Za-z]{3}))* \
     ([*?]|[0-7]|[A-Za-z]{3})((-|,|/|#|L)([0-7]|[A-Za-z]{3})?)*$";
/// A time zone of the IANA database.
pub(crate) const TIME_ZONE: &str = "^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+){0,2}$";
/// An absolute path without `..`.
pub(crate) const ABSOLUTE_PATH: &str = r"^(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+$";
/// A path below something, without `..`.
pub(crate) const RELATIVE_PATH: &str =
    r"^[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$";
/// A range of addresses, IPv4 or IPv6.
pub(crate) const CIDR: &str =
    r"^([0-9]{1,3}(\.[0-9]{1,3}){3}|[0-9a-fA-F:]+:[0-9a-fA-F:]*)/[0-9]{1,3}$";
/// An address of IPv4.
pub(crate) const ADDRESS: &str = r"^(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])(\.(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])){3}$";
/// Certificates as PEM, one after the other, and nothing else.
pub(crate) const CERTIFICATES: &str =
    r"^(-----BEGIN CERTIFICATE-----\n([A-Za-z0-9+/=]{1,76}\n)+-----END CERTIFICATE-----\n*)+$";
/// A host name or an address, of a server.
pub(crate) const SERVER: &str = r"^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$";
/// A name of an environment variable.
pub(crate) const VARIABLE: &str = "^[A-Z_][A-Z0-9_]*$";
/// A Magento module, such as Acme_Loyalty.
pub(crate) const MODULE: &str = "^[A-Z][A-Za-z0-9]*_[A-Z][A-Za-z0-9]*$";
/// A time of day and another one, such as 22:00-05:00.
pub(crate) const WINDOW: &str = "^([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]$";
/// A label's or an annotation's key.
pub(crate) const KEY: &str =
    r"^([a-z0-9]([a-z0-9.-]*[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$";
/// A store of Longshore, as `LONGSHORE_STORE` has it.
pub(crate) const STORE: &str = r"^(s3://[a-z0-9][a-z0-9.-]+[a-z0-9](/.*)?|file:///.*)$";
/// A page of a site: a path without `..`, and perhaps a query.
pub(crate) const PAGE: &str = r"^/([A-Za-z0-9_~!'()*,;:@%+=-][A-Za-z0-9._~!'()*,;:@%+=-]*/?)*(\?[A-Za-z0-9._~!'()*,;:@%/?&+=\[\]-]*)?$";
/// A status of HTTP, or a range that ends with 99 and is not empty.
pub(crate) const STATUSES: &str = "^([1-5][0-9]{2}|1[0-9]{2}-[1-5]99|2[0-9]{2}-[2-5]99|3[0-9]{2}-[3-5]99|4[0-9]{2}-[45]99|5[0-9]{2}-599)$";
/// One line, without control characters.
pub(crate) const PRINTABLE: &str = "^[^\\x00-\\x1f\\x7f]+$";

/// What a text has to be, in words: a person reads no regular expression.
#[must_use]
pub fn words(pattern: &str) -> &'static str {
    match pattern {
        LABEL => "a name of a-z, 0-9 and '-', with a letter or a digit at both ends",
        SUBDOMAIN => {
            "a name of a-z, 0-9, '-' and '.', with a letter or a digit at both ends of each part"
        }
        HOST => {
            "a host name in lower case with a dot in it, such as www.acme.example: letters, \
             digits, '-' and '.' of ASCII, an international name in its form xn--…; no wildcard, \
             scheme, port or path"
        }
        CHANNEL => {
            "a channel: parts of a-z, 0-9, '.', '_' and '-', joined by '/', such as shops/acme"
        }
        IMAGE => "an image by its digest: NAME@sha256: and 64 hexadecimal digits",
        QUANTITY => {
            "an amount of Kubernetes: a number, and m, k, M, G, T, Ki, Mi, Gi or Ti, such as 250m \
             or 512Mi"
        }
        DURATION => "a whole number and a unit, such as 90s, 30m or 1h",
        CRON => "five fields of cron, such as 0 8 27 11 *",
        ADDRESS => "an address of IPv4, such as 10.0.12.7",
        CERTIFICATES => {
            "certificates as PEM, one after the other, from -----BEGIN CERTIFICATE----- to \
             -----END CERTIFICATE-----, without text between them"
        }
        TIME_ZONE => "a time zone, such as Europe/Berlin",
        ABSOLUTE_PATH => {
            "an absolute path without a / at its end, of letters, digits, '.', '_' and '-', no \
             part of which begins with a dot"
        }
        RELATIVE_PATH => {
            "a path without a / at its ends, of letters, digits, '.', '_' and '-', no part of \
             which begins with a dot"
        }
        CIDR => "a range of addresses, such as 10.0.0.0/8 or 2001:db8::/32",
        SERVER => "a host name or an address of a server, without a scheme or a port",
        VARIABLE => "the name of a variable: A-Z, 0-9 and '_', without a digit at the beginning",
        MODULE => "a module of Magento, such as Acme_Loyalty",
        WINDOW => {
            "two times of a day with '-' between them, such as 22:00-05:00; the last one is 23:59"
        }
        KEY => "a key of Kubernetes, such as team or example.com/team",
        STORE => "a store: s3://BUCKET, perhaps with /PREFIX, or file:///DIRECTORY",
        PAGE => "a page: a path from / on, without .., and perhaps a query",
        STATUSES => "a status of HTTP such as 200, or a range that ends with 99, such as 200-399",
        PRINTABLE => "one line without control characters",
        "^[A-Z][A-Za-z0-9]*$" => "a word of letters and digits that begins with a capital",
        r"^[A-Za-z0-9+=,.@:/_-]+$" => "an ARN, such as arn:aws:iam::111122223333:role/shops",
        r"^[^\s]+$" => "a text without spaces",
        "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$" => {
            "an id of Azure: 32 hexadecimal digits in lower case, in groups of 8, 4, 4, 4 and 12"
        }
        r"^[a-z0-9-]+@[a-z0-9.-]+$" => {
            "a service account of Google, such as shops@project.iam.gserviceaccount.com"
        }
        "^[a-z0-9-]+$" => "a region, such as eu-central-1",
        r"^https?://[^\s]+$" => "an address that begins with https:// or http://",
        "^[1-9][0-9]{0,6}(MiB|GiB|TiB|MB|GB|TB)$" => "a whole number and a unit, such as 20GiB",
        r"^[0-9]+\.[0-9]+$" => "a version of PHP, such as 8.2",
        "^[^\\n\\r]*$" => "one line",
        "^[A-Za-z_:][A-Za-z0-9_:./-]*$" => {
            "a name of letters, digits and '_', ':', '.', '/' or '-', without a digit at the \
             beginning"
        }
        "^fs-[0-9a-f]{8,40}$" => "an id of EFS, such as fs-0123456789abcdef0",
        "^/[A-Za-z0-9._/-]*$" => "an absolute path of letters, digits, '.', '_' and '-'",
        DATABASE => {
            "a database of letters, digits, '_', '$' and '-', which does not begin with '-'"
        }
        "^[a-z][a-z0-9_]*$" => "a name of a-z, 0-9 and '_' that begins with a letter",
        "^[a-z0-9][a-z0-9_-]*$" => {
            "a prefix of a-z, 0-9, '_' and '-' that begins with a letter or a digit"
        }
        "^[A-Za-z0-9/._-]+$" => "a virtual host of letters, digits, '/', '.', '_' and '-'",
        "^[A-Za-z0-9_]+$" => "a name of letters, digits and '_'",
        "^fsap-[0-9a-f]{8,40}$" => "an access point of EFS, such as fsap-0123456789abcdef0",
        _ => "another text",
    }
}

/// A database of MySQL: programs would take a dash at its beginning for an option.
pub(crate) const DATABASE: &str = "^[A-Za-z0-9_$][A-Za-z0-9_$-]*$";
