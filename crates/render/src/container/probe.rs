//! How the agent asks the shop whether a release works: the shop's word before its class's, and
//! what suits the engine where neither has one.

use super::environment::setting;
use crate::{pod, shop_context::ShopContext};
use api::{Engine, Scheme};
use k8s_openapi::api::core::v1::EnvVar;
use runtime::variable;

pub(super) fn settings(context: &ShopContext<'_>) -> Vec<EnvVar> {
    let (own, class) = (&context.spec.probe, &context.class.probe);
    let path = own
        .path
        .as_ref()
        .or(class.path.as_ref())
        .map_or("/", String::as_str);
    let mut settings = vec![
        setting(
            &variable::PROBE,
            literal(&format!("http://127.0.0.1:{}{path}", pod::HTTP_PORT)),
        ),
        setting(&variable::PROBE_HOST, context.primary()),
        setting(
            &variable::PROBE_SCHEME,
            match own
                .scheme
                .or(class.scheme)
                .unwrap_or_else(|| scheme(context))
            {
                Scheme::Http => "http",
                Scheme::Https => "https",
            },
        ),
    ];
    if context.class.engine != Engine::Php {
        let store = store(context)
            .map(|code| format!("MAGE_RUN_CODE={code},"))
            .unwrap_or_default();
        settings.push(setting(
            &variable::PROBE_PARAMS,
            format!("{store}MAGE_RUN_TYPE=store"),
        ));
    }
    if let Some(status) = own.status.as_ref().or(class.status.as_ref()) {
        settings.push(setting(&variable::PROBE_STATUS, status));
    }
    if let Some(text) = own.contains.as_ref().or(class.contains.as_ref()) {
        settings.push(setting(&variable::PROBE_CONTAINS, literal(text)));
    }
    settings
}

/// As a container gets it: Kubernetes would put other variables of the agent, its credentials too,
/// in the place of `$(NAME)`.
fn literal(text: &str) -> String {
    text.replace('$', "$$")
}

/// The store that the primary domain shows.
fn store<'a>(context: &ShopContext<'a>) -> Option<&'a str> {
    context
        .spec
        .domains
        .iter()
        .find(|domain| domain.primary)?
        .store_code
        .as_deref()
}

/// If nobody says it: an edge ends TLS for a shop of Magento, unless the shop's own base URL is
/// in the clear.
fn scheme(context: &ShopContext<'_>) -> Scheme {
    if context.class.engine == Engine::Php {
        return Scheme::Http;
    }
    let values = &context.spec.config.values;
    let of_store = store(context).map(|code| format!("stores/{code}"));
    let value = |path: &str| {
        let of_store = of_store
            .as_ref()
            .and_then(|scope| values.get(&format!("{scope}/{path}")));
        of_store.or_else(|| values.get(&format!("default/{path}")))
    };
    let begins = |path, with| value(path).is_some_and(|url| url.starts_with(with));
    let clear =
        begins("web/secure/base_url", "http://") && !begins("web/unsecure/base_url", "https://");
    if clear { Scheme::Http } else { Scheme::Https }
}
