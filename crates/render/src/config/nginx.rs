//! nginx.conf of a shop: the files of the shop's image as one, so that a pod serves by the same
//! rules with and without a scheduler, and depends on no file of the image. Where they include what
//! a volume may hold, this puts what the shop and its class say.

use crate::{path, shop_context::ShopContext};
use api::{Engine, ShopState};
use std::fmt::Write as _;

/// What the image's files include from each other.
const INCLUDE: &str = "include /etc/shop/nginx/";
const INCLUDED: [(&str, &str); 5] = [
    (
        "process.inc",
        include_str!("../../../../images/shop/nginx/process.inc"),
    ),
    (
        "http.inc",
        include_str!("../../../../images/shop/nginx/http.inc"),
    ),
    (
        "server.inc",
        include_str!("../../../../images/shop/nginx/server.inc"),
    ),
    (
        "magento.inc",
        include_str!("../../../../images/shop/nginx/magento.inc"),
    ),
    (
        "fastcgi.inc",
        include_str!("../../../../images/shop/nginx/fastcgi.inc"),
    ),
];
const MAGENTO1: &str = include_str!("../../../../images/shop/nginx/magento1.conf");
const MAGENTO2: &str = include_str!("../../../../images/shop/nginx/magento2.conf");
const PHP: &str = include_str!("../../../../images/shop/nginx/php.conf");
/// Where they include a volume's files.
const STORES: &str = "include /etc/shop/stores.d/*.map;";
const HTTP: &str = "include /etc/shop/http.d/*.conf;";
const SERVER: &str = "include /etc/shop/nginx.d/*.conf;";
/// Endings of what PHP, or a server that is set up for it, takes for a program; also with a path
/// behind it.
const PROGRAM: &str = r"\.(php\d*|phps|phtml|phar|pht|inc)(/|$)";

pub(super) fn conf(context: &ShopContext<'_>) -> String {
    let engine = match context.class.engine {
        Engine::Magento1 => MAGENTO1,
        Engine::Magento2 => MAGENTO2,
        Engine::Php => PHP,
    };
    let inlined = Inlined {
        stores: stores(context),
        http: requests() + &edge(context) + &redirects(context),
        server: shared(context),
    };
    let mut conf = String::with_capacity(16 << 10);
    inlined.write(&mut conf, engine, "");
    // The first one: the second is the probe's, which gets the shop all the time.
    let closed = if context.spec.state == ShopState::Maintenance {
        "set $closed 1;"
    } else {
        "set $closed 0;"
    };
    conf.replacen("set $closed 0;", closed, 1)
}

/// What stands in place of a volume's files.
struct Inlined {
    stores: String,
    http: String,
    server: String,
}

impl Inlined {
    /// `text` with its includes in their place, each line behind `indent`.
    fn write(&self, out: &mut String, text: &str, indent: &str) {
        for line in text.lines() {
            let code = line.trim_start();
            let indent = [indent, &line[..line.len() - code.len()]].concat();
            let inner = match code {
                STORES => Some(self.stores.as_str()),
                HTTP => Some(self.http.as_str()),
                SERVER => Some(self.server.as_str()),
                _ => code.strip_prefix(INCLUDE).and_then(included),
            };
            match inner {
                Some(inner) => self.write(out, inner, &indent),
                // Writing to a String never fails.
                None if code.is_empty() => out.push('\n'),
                None => writeln!(out, "{indent}{code}").unwrap_or_default(),
            }
        }
    }
}

/// A file of the image, by the end of the line that includes it.
fn included(rest: &str) -> Option<&'static str> {
    let name = rest.strip_suffix(';')?;
    INCLUDED
        .into_iter()
        .find(|(found, _)| *found == name)
        .map(|(_, text)| text)
}

/// Which store of the shop a host shows. The CRD's pattern leaves only letters, digits, '-' and '.'
/// in a host.
fn stores(context: &ShopContext<'_>) -> String {
    let coded = context
        .spec
        .domains
        .iter()
        .filter_map(|domain| Some((&domain.host, domain.store_code.as_ref()?)));
    coded
        .map(|(host, store)| format!("{host} {store};\n"))
        .collect::<Vec<_>>()
        .concat()
}

/// Each request of a visitor that PHP answered, and no question of the kubelet's, is told to the
/// agent, which counts them by release. nginx does not wait for it.
fn requests() -> String {
    format!(
        "log_format requests '$status $request_time $realpath_root';\n\
         map $visitor:$upstream_status:$request_uri $shop_counted {{\n    \
         default 0;\n    \
         \"~^1:[^:]+:(?!/readyz$)\" 1;\n\
         }}\n\
         access_log syslog:server=unix:{}/requests.sock,nohostname,tag=nginx requests \
         if=$shop_counted;\n",
        path::LOGS
    )
}

/// Whose word on a visitor's address counts: that of the class's edge, if the class says its
/// addresses.
fn edge(context: &ShopContext<'_>) -> String {
    let cidrs = &context.class.network.edge_cidrs;
    if cidrs.is_empty() {
        return String::new();
    }
    let mut text = String::new();
    for cidr in cidrs {
        // Writing to a String never fails.
        writeln!(text, "set_real_ip_from {cidr};").unwrap_or_default();
    }
    text + "real_ip_header X-Forwarded-For;\nreal_ip_recursive on;\n"
}

/// Redirects also if no edge has made them: behind an Ingress, or for who asks a pod directly.
fn redirects(context: &ShopContext<'_>) -> String {
    let leading = context
        .spec
        .domains
        .iter()
        .filter_map(|domain| Some((&domain.host, domain.redirect_to.as_ref()?)));
    let servers = leading.map(|(host, target)| {
        format!("server {{\n    listen 8080;\n    server_name {host};\n    return 301 https://{target}$request_uri;\n}}\n")
    });
    servers.collect::<Vec<_>>().concat()
}

/// What the shop can write to holds no program. php-fpm refuses it as well; so it is not even
/// asked, and the source is not shown.
fn shared(context: &ShopContext<'_>) -> String {
    let root = if context.class.engine == Engine::Magento2 {
        "pub/"
    } else {
        ""
    };
    let paths: Vec<_> = context
        .shared()
        .iter()
        .filter_map(|path| path.strip_prefix(root))
        .map(|path| path.replace('.', r"\."))
        .collect();
    if paths.is_empty() {
        return String::new();
    }
    format!(
        "location ~* ^/({})/.*{PROGRAM} {{ return 403; }}\n",
        paths.join("|")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_file_of_the_image_is_left_out() {
        let inlined = Inlined {
            stores: "a\n".to_owned(),
            http: "b\n".to_owned(),
            server: "c\n".to_owned(),
        };
        for engine in [MAGENTO1, MAGENTO2, PHP] {
            let mut conf = String::new();
            inlined.write(&mut conf, engine, "");
            assert!(!conf.contains("include /etc/shop/"), "{conf}");
            let closed = format!(
                "if (-f {}/{}) {{",
                crate::path::STATE,
                crate::path::CLOSED_FILE
            );
            for once in [
                "\n        a\n",
                "\n    b\n",
                "\n        c\n",
                closed.as_str(),
            ] {
                assert_eq!(conf.matches(once).count(), 1, "{once:?} in {conf}");
            }
        }
    }
}
