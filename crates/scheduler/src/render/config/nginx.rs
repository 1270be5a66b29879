//! nginx.conf of a shop.

use crate::{
    crd::{Engine, ShopState},
    render::{frame::Frame, path},
};
use std::fmt::Write as _;

const CONF: &str = include_str!("template/nginx.conf");
const MAGENTO1: &str = include_str!("template/nginx-magento1.conf");
const MAGENTO2: &str = include_str!("template/nginx-magento2.conf");
const PHP: &str = include_str!("template/nginx-php.conf");

pub(super) fn conf(frame: &Frame<'_>) -> String {
    let (engine, below) = match frame.class.engine {
        Engine::Magento1 => (MAGENTO1, ""),
        Engine::Magento2 => (MAGENTO2, "/pub"),
        Engine::Php => (PHP, ""),
    };
    let closed = if frame.spec.state == ShopState::Maintenance { "1" } else { "0" };
    CONF.replace("@STORES@", &stores(frame))
        .replace("@REDIRECTS@", &redirects(frame))
        .replace("@LOCATIONS@", engine.trim_end())
        .replace("@ROOT@", &format!("/srv/shop/current{below}"))
        .replace("@BELOW@", below)
        .replace("@CLOSED@", closed)
        .replace("@CLOSED_FILE@", &format!("{}/{}", path::STATE, path::CLOSED_FILE))
}

/// Which store of the shop a host shows. The CRD's pattern leaves only letters, digits, '-' and '.' in a host.
fn stores(frame: &Frame<'_>) -> String {
    let mut lines = String::new();
    for domain in &frame.spec.domains {
        if let Some(store) = &domain.store_code {
            // Writing to a String never fails.
            write!(lines, "\n        {} {store};", domain.host).ok();
        }
    }
    lines
}

/// Redirects also where no edge has made them: behind an Ingress, or for who asks a pod directly.
fn redirects(frame: &Frame<'_>) -> String {
    let mut servers = String::new();
    for domain in &frame.spec.domains {
        if let Some(target) = &domain.redirect_to {
            // Writing to a String never fails.
            write!(
                servers,
                "\n    server {{\n        listen 8080;\n        server_name {};\n        return 301 https://{target}$request_uri;\n    }}\n",
                domain.host
            )
            .ok();
        }
    }
    servers
}
