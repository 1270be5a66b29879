//! What a visitor's request looks like behind the edge, over HTTP and as nginx hands it to php-fpm.
//! Pure.

use crate::{Probe, Scheme};
use fastcgi_client::Params;
use std::path::{Component, Path};

const USER_AGENT: &str = concat!("longshore/", env!("CARGO_PKG_VERSION"));
/// Where the agent asks from, which nginx tells from a visitor's address.
const OURSELVES: &str = "127.0.0.1";

impl Probe {
    /// The `Host` header.
    pub(crate) fn visited(&self) -> &str {
        self.host.as_deref().unwrap_or_else(|| self.url.authority())
    }

    /// The headers of a request, as an edge hands it on.
    pub(crate) fn headers(&self) -> [(&'static str, &str); 6] {
        [
            ("host", self.visited()),
            ("user-agent", USER_AGENT),
            ("x-forwarded-for", OURSELVES),
            ("x-forwarded-host", self.visited()),
            ("x-forwarded-proto", self.scheme.word()),
            ("x-forwarded-port", self.scheme.port()),
        ]
    }

    /// The same request, as nginx hands it to php-fpm, of the tree whose web root is `root`.
    pub(crate) fn params(&self, root: &Path) -> Params<'static> {
        let (uri, query) = (
            self.url.path(),
            self.url
                .path()
                .split_once('?')
                .map_or("", |(_, query)| query),
        );
        let script = self.script(root);
        let root = root.to_string_lossy();
        let port = match self.scheme {
            Scheme::Http => self.url.port(),
            Scheme::Https => 443,
        };
        let host = self
            .visited()
            .rsplit_once(':')
            .filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
        let host = host.map_or_else(|| self.visited(), |(host, _)| host);
        let params = Params::default()
            .gateway_interface("CGI/1.1")
            .server_software(USER_AGENT)
            .server_protocol("HTTP/1.1")
            .request_method("GET")
            .script_filename(format!("{root}{script}"))
            .script_name(script.clone())
            .document_uri(script)
            .document_root(root.into_owned())
            .request_uri(uri.to_owned())
            .query_string(query.to_owned())
            .remote_addr(OURSELVES)
            .remote_port(0)
            .server_addr(OURSELVES)
            .server_port(port)
            .server_name(host.to_owned())
            .content_type("")
            .custom("REQUEST_SCHEME", self.scheme.word())
            .custom("REDIRECT_STATUS", "200");
        let params = match self.scheme {
            Scheme::Http => params,
            Scheme::Https => params.custom("HTTPS", "on"),
        };
        let params = self
            .headers()
            .into_iter()
            .fold(params, |params, (name, value)| {
                params.custom(
                    format!("HTTP_{}", name.to_uppercase().replace('-', "_")),
                    value.to_owned(),
                )
            });
        self.params.0.iter().fold(params, |params, (name, value)| {
            params.custom(name.clone(), value.clone())
        })
    }

    /// The script that nginx runs for the page: the front controller, unless the page is a script
    /// of its own.
    fn script(&self, root: &Path) -> String {
        const FRONT: &str = "/index.php";
        let path = self.url.path().split('?').next().unwrap_or_default();
        let inside = Path::new(path)
            .components()
            .all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
        let is_script = inside
            && Path::new(path)
                .extension()
                .is_some_and(|ending| ending == "php");
        if is_script && root.join(path.trim_start_matches('/')).is_file() {
            path.to_owned()
        } else {
            FRONT.to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::disallowed_methods,
        reason = "a test prepares what is on the disk"
    )]

    use super::*;
    use crate::{Expect, Parameters};
    use std::{collections::HashMap, time::Duration};

    fn probe(url: &str, scheme: Scheme) -> Probe {
        Probe {
            url: url.parse().unwrap(),
            host: Some("shop.example".to_owned()),
            scheme,
            params: "MAGE_RUN_CODE=ro,MAGE_RUN_TYPE=store".parse().unwrap(),
            expect: Expect {
                status: "200".parse().unwrap(),
                header: None,
                contains: None,
            },
            times: 1,
            timeout: Duration::from_secs(1),
            within: Duration::from_secs(1),
        }
    }

    #[test]
    fn php_gets_what_nginx_gives_it_behind_an_edge_that_ends_tls() {
        let params = probe("http://127.0.0.1:8080/page?a=b", Scheme::Https)
            .params(Path::new("/srv/tree/pub"));
        let params: HashMap<_, _> = params
            .iter()
            .map(|(name, value)| (name.as_ref(), value.as_ref()))
            .collect();
        for (name, value) in [
            ("SCRIPT_FILENAME", "/srv/tree/pub/index.php"),
            ("SCRIPT_NAME", "/index.php"),
            ("DOCUMENT_URI", "/index.php"),
            ("DOCUMENT_ROOT", "/srv/tree/pub"),
            ("REQUEST_URI", "/page?a=b"),
            ("QUERY_STRING", "a=b"),
            ("HTTPS", "on"),
            ("SERVER_PORT", "443"),
            ("REQUEST_SCHEME", "https"),
            ("HTTP_X_FORWARDED_PROTO", "https"),
            ("HTTP_X_FORWARDED_PORT", "443"),
            ("HTTP_X_FORWARDED_HOST", "shop.example"),
            ("HTTP_HOST", "shop.example"),
            ("GATEWAY_INTERFACE", "CGI/1.1"),
            ("MAGE_RUN_CODE", "ro"),
            ("MAGE_RUN_TYPE", "store"),
        ] {
            assert_eq!(params.get(name), Some(&value), "{name}");
        }
        let clear = probe("http://127.0.0.1:8080/", Scheme::Http).params(Path::new("/srv/tree"));
        let clear: HashMap<_, _> = clear
            .iter()
            .map(|(name, value)| (name.as_ref(), value.as_ref()))
            .collect();
        assert_eq!(
            (
                clear.get("HTTPS"),
                clear["SERVER_PORT"],
                clear["HTTP_X_FORWARDED_PROTO"]
            ),
            (None, "8080", "http")
        );
    }

    #[test]
    fn a_page_that_is_a_script_of_its_own_is_run_and_nothing_outside_is() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("health.php"), "<?php").unwrap();
        let script = |path: &str| {
            probe(&format!("http://127.0.0.1{path}"), Scheme::Http).script(root.path())
        };
        assert_eq!(script("/health.php?x"), "/health.php");
        for front in [
            "/",
            "/missing.php",
            "/page",
            "/../health.php",
            "/x/../health.php",
        ] {
            assert_eq!(script(front), "/index.php", "{front}");
        }
    }

    #[test]
    fn parameters_are_names_and_values() {
        assert_eq!(
            "A=".parse::<Parameters>().unwrap().0,
            [("A".to_owned(), String::new())]
        );
        for bad in [
            "",
            "a=b",
            "A",
            "A=b c",
            "=x",
            "A=b,",
            "PHP_VALUE=x",
            "PHP_ADMIN_VALUE=x",
        ] {
            assert!(bad.parse::<Parameters>().is_err(), "{bad}");
        }
    }
}
