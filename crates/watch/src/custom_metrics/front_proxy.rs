//! By what the API server is recognized when it passes a request on: the certificates of its front
//! proxy, as the ConfigMap `extension-apiserver-authentication` has them. Pure.

use k8s_openapi::api::core::v1::ConfigMap;
use std::{collections::BTreeSet, sync::Arc};
use tokio_rustls::rustls::{
    RootCertStore, ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer},
    server::WebPkiClientVerifier,
};
use x509_parser::{certificate::X509Certificate, prelude::FromDer as _};

const AUTHORITIES: &str = "requestheader-client-ca-file";
const NAMES: &str = "requestheader-allowed-names";

/// Who signs its certificate, and how it is called there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FrontProxy {
    authorities: Vec<CertificateDer<'static>>,
    /// Common names; any, where there are none.
    names: BTreeSet<String>,
}

/// Why it is not known.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unknown {
    /// The cluster has no front proxy, and so nobody passes requests on.
    #[error("the ConfigMap has no {AUTHORITIES}: the API server has no aggregation layer")]
    Missing,
    /// It is no certificate.
    #[error("{AUTHORITIES} is not usable: {0}")]
    Authorities(String),
    /// These are no names.
    #[error("{NAMES} is not a list of names")]
    Names(#[source] serde_json::Error),
    /// The certificate that is shown to the API server is not usable with its key.
    #[error("the certificate is not usable: {0}")]
    Own(String),
}

impl FrontProxy {
    /// Reads the ConfigMap.
    pub(super) fn read(map: ConfigMap) -> Result<Self, Unknown> {
        let data = map.data.unwrap_or_default();
        let authorities = data.get(AUTHORITIES).ok_or(Unknown::Missing)?;
        let parts = pem::parse_many(authorities)
            .map_err(|error| Unknown::Authorities(error.to_string()))?;
        let authorities: Vec<_> = parts
            .into_iter()
            .filter(|part| part.tag() == "CERTIFICATE")
            .map(|part| CertificateDer::from(part.into_contents()))
            .collect();
        if authorities.is_empty() {
            return Err(Unknown::Authorities("it has no certificate".to_owned()));
        }
        let names = data.get(NAMES).map_or("[]", String::as_str);
        let names = serde_json::from_str(names).map_err(Unknown::Names)?;
        Ok(Self { authorities, names })
    }

    /// How hands are shaken with it, and with nobody else.
    pub(super) fn config(
        &self,
        (chain, key): (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>),
    ) -> Result<ServerConfig, Unknown> {
        let mut roots = RootCertStore::empty();
        for authority in &self.authorities {
            roots
                .add(authority.clone())
                .map_err(|error| Unknown::Authorities(error.to_string()))?;
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
                .build()
                .map_err(|error| Unknown::Authorities(error.to_string()))?;
        ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|config| {
                let config = config.with_client_cert_verifier(verifier);
                config.with_single_cert(chain, key)
            })
            .map_err(|error| Unknown::Own(error.to_string()))
    }

    /// Whether it is called by one of its names, once its certificate is verified.
    pub(super) fn is_called(&self, chain: &[CertificateDer<'_>]) -> bool {
        let Some((_, leaf)) = chain
            .first()
            .and_then(|leaf| X509Certificate::from_der(leaf).ok())
        else {
            return false;
        };
        let mut called = leaf.subject().iter_common_name();
        self.names.is_empty()
            || called.any(|name| name.as_str().is_ok_and(|name| self.names.contains(name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DnType, KeyPair};
    use serde_json::json;

    fn certificate(name: &str) -> rcgen::Certificate {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap()
    }

    fn read(data: &serde_json::Value) -> Result<FrontProxy, Unknown> {
        let map = json!({ "metadata": {}, "data": data });
        FrontProxy::read(serde_json::from_value(map).unwrap())
    }

    #[test]
    fn who_is_called_otherwise_is_not_the_front_proxy() {
        let authority = certificate("authority").pem();
        let of = |names: &str| {
            read(&json!({ "requestheader-client-ca-file": authority, NAMES: names })).unwrap()
        };
        let (front, other) = (certificate("front-proxy-client"), certificate("other"));
        for (names, expected) in [
            ("[\"front-proxy-client\"]", (true, false)),
            ("[\"aggregator\", \"other\"]", (false, true)),
            ("[]", (true, true)),
        ] {
            let is = |leaf: &rcgen::Certificate| of(names).is_called(&[leaf.der().clone()]);
            assert_eq!((is(&front), is(&other)), expected, "{names}");
        }
        assert!(!of("[]").is_called(&[]));
    }

    #[test]
    fn a_map_that_says_nothing_lets_nobody_in() {
        assert!(matches!(read(&json!({})), Err(Unknown::Missing)));
        let none = read(&json!({ AUTHORITIES: "" }));
        assert!(matches!(none, Err(Unknown::Authorities(_))));
        let authority = certificate("authority").pem();
        let bad = read(&json!({ AUTHORITIES: authority, NAMES: "front" }));
        assert!(matches!(bad, Err(Unknown::Names(_))));
    }
}
