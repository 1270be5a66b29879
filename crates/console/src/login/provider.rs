//! The provider: what it says of itself, where a login begins, and what a code is worth.

use super::{
    LoginError,
    claims::{Expected, Refused, claims},
    http::Http,
};
use crate::address::encode;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::StatusCode;
use jsonwebtoken::jwk::{Jwk, JwkSet};
use parking_lot::Mutex;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// How long what the provider says of itself counts.
const FRESH: Duration = Duration::from_hours(1);
/// Its keys are not asked for more often, however many tokens name keys that it has not.
const KEYS_AGAIN: Duration = Duration::from_secs(5);

/// The client that this program is, as the provider knows it.
#[derive(Clone)]
pub(crate) struct Client {
    /// The provider, as its tokens name it.
    pub(crate) issuer: String,
    /// Our name there.
    pub(crate) id: String,
    /// Our secret there, if we have one.
    pub(crate) secret: Option<String>,
    /// What is asked for.
    pub(crate) scopes: Vec<String>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("issuer", &self.issuer)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// What it says of itself (OpenID Connect Discovery, section 3).
#[derive(Debug, Clone, Deserialize)]
struct Metadata {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    end_session_endpoint: Option<String>,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Vec<String>,
}

#[derive(Debug)]
struct Discovery {
    metadata: Metadata,
    keys: JwkSet,
    at: Instant,
    keys_at: Instant,
}

/// A login that begins: what the provider gets, and what comes back.
#[derive(Debug, Clone, Copy)]
pub(super) struct Begin<'a> {
    pub(super) redirect: &'a str,
    pub(super) state: &'a str,
    pub(super) nonce: &'a str,
    /// The digest of the verifier (RFC 7636).
    pub(super) challenge: &'a str,
}

/// The provider.
#[derive(Debug)]
pub(super) struct Provider {
    client: Client,
    http: Http,
    found: Mutex<Option<Arc<Discovery>>>,
}

impl Provider {
    pub(super) fn new(client: Client, http: Http) -> Self {
        Self {
            client,
            http,
            found: Mutex::default(),
        }
    }

    /// Where the person's browser goes.
    ///
    /// # Errors
    ///
    /// If the provider does not say it.
    pub(super) async fn login(&self, begin: Begin<'_>) -> Result<String, LoginError> {
        let found = self.found().await?;
        let scopes = self.client.scopes.join(" ");
        let query = query(&[
            ("response_type", "code"),
            ("client_id", &self.client.id),
            ("redirect_uri", begin.redirect),
            ("scope", &scopes),
            ("state", begin.state),
            ("nonce", begin.nonce),
            ("code_challenge", begin.challenge),
            ("code_challenge_method", "S256"),
        ]);
        Ok(with(&found.metadata.authorization_endpoint, &query))
    }

    /// Whether it is the provider that sent the browser back, if somebody says who did.
    ///
    /// # Errors
    ///
    /// If it is another.
    pub(super) fn is_it(&self, issuer: &str) -> Result<(), LoginError> {
        if issuer.is_empty() || issuer == self.client.issuer {
            Ok(())
        } else {
            Err(self.another(issuer))
        }
    }

    fn another(&self, found: &str) -> LoginError {
        LoginError::Issuer {
            expected: self.client.issuer.clone(),
            found: found.to_owned(),
        }
    }

    /// Where the browser goes to log out there, if the provider has such a place.
    pub(super) async fn logout(&self, then: &str) -> Option<String> {
        let found = self.found().await.ok()?;
        let place = found.metadata.end_session_endpoint.as_deref()?;
        let query = query(&[
            ("client_id", &self.client.id),
            ("post_logout_redirect_uri", then),
        ]);
        Some(with(place, &query))
    }

    /// The claims of the person for whom the provider gave the code.
    ///
    /// # Errors
    ///
    /// If the provider does not take the code, or if its token is not believed.
    pub(super) async fn claims(
        &self,
        code: &str,
        verifier: &str,
        redirect: &str,
        nonce: &str,
    ) -> Result<Map<String, Value>, LoginError> {
        let found = self.found().await?;
        let token = self.token(&found.metadata, code, verifier, redirect);
        let token = token.await?;
        let expected = Expected {
            issuer: &self.client.issuer,
            client: &self.client.id,
            nonce,
        };
        match claims(&token, &found.keys, expected) {
            Err(Refused::UnknownKey(_)) => {
                let again = self.keys_again(&found).await?;
                Ok(claims(&token, &again.keys, expected)?)
            }
            other => Ok(other?),
        }
    }

    async fn token(
        &self,
        metadata: &Metadata,
        code: &str,
        verifier: &str,
        redirect: &str,
    ) -> Result<String, LoginError> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct TokenResponse {
            id_token: String,
            error: String,
            error_description: String,
        }
        let Client { id, secret, .. } = &self.client;
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect),
            ("code_verifier", verifier),
            ("client_id", id),
        ];
        let methods = &metadata.token_endpoint_auth_methods_supported;
        let basic = methods.is_empty() || methods.iter().any(|it| it == "client_secret_basic");
        let mut authorization = None;
        match secret {
            // RFC 6749, section 2.3.1: each part is encoded before they are joined.
            Some(secret) if basic => {
                let both = STANDARD.encode(format!("{}:{}", encode(id), encode(secret)));
                authorization = Some(format!("Basic {both}"));
            }
            Some(secret) => fields.push(("client_secret", secret)),
            None => {}
        }
        let url = &metadata.token_endpoint;
        let answer = self
            .http
            .post(url, query(&fields), authorization.as_deref());
        let (status, body) = answer.await?;
        let answer: TokenResponse = serde_json::from_slice(&body).unwrap_or_default();
        if status == StatusCode::OK && !answer.id_token.is_empty() {
            return Ok(answer.id_token);
        }
        Err(LoginError::Code {
            status: status.as_u16(),
            error: answer.error,
            description: answer.error_description,
        })
    }

    async fn found(&self) -> Result<Arc<Discovery>, LoginError> {
        let known = self.found.lock().clone();
        match known {
            Some(known) if known.at.elapsed() < FRESH => Ok(known),
            known => match self.discover().await {
                Ok(found) => Ok(self.keep(found)),
                // It was right an hour ago; what has changed fails by itself.
                Err(error) => known.ok_or(error),
            },
        }
    }

    fn keep(&self, found: Discovery) -> Arc<Discovery> {
        let found = Arc::new(found);
        *self.found.lock() = Some(Arc::clone(&found));
        found
    }

    async fn discover(&self) -> Result<Discovery, LoginError> {
        let issuer = &self.client.issuer;
        let place = format!(
            "{}/.well-known/openid-configuration",
            issuer.trim_end_matches('/')
        );
        let metadata: Metadata = self.document(&place).await?;
        if metadata.issuer != *issuer {
            return Err(self.another(&metadata.issuer));
        }
        let now = Instant::now();
        Ok(Discovery {
            keys: self.keys(&metadata.jwks_uri).await?,
            metadata,
            at: now,
            keys_at: now,
        })
    }

    /// What is known, with keys that are asked for again, unless they just were.
    async fn keys_again(&self, known: &Discovery) -> Result<Arc<Discovery>, LoginError> {
        let latest = self.found.lock().clone();
        if let Some(latest) = latest
            && latest.keys_at.elapsed() < KEYS_AGAIN
        {
            return Ok(latest);
        }
        Ok(self.keep(Discovery {
            keys: self.keys(&known.metadata.jwks_uri).await?,
            metadata: known.metadata.clone(),
            at: known.at,
            keys_at: Instant::now(),
        }))
    }

    /// The keys that can be read: one of a kind that is new is no reason to refuse the others.
    async fn keys(&self, url: &str) -> Result<JwkSet, LoginError> {
        #[derive(Deserialize)]
        struct Keys {
            keys: Vec<Value>,
        }
        let Keys { keys } = self.document(url).await?;
        let keys = keys.into_iter();
        let keys = keys.filter_map(|key| serde_json::from_value::<Jwk>(key).ok());
        Ok(JwkSet {
            keys: keys.collect(),
        })
    }

    /// As if the keys were asked for long ago.
    #[cfg(test)]
    pub(super) fn age(&self) {
        let mut found = self.found.lock();
        let known = found.take().unwrap();
        *found = Some(Arc::new(Discovery {
            keys: known.keys.clone(),
            metadata: known.metadata.clone(),
            at: known.at,
            keys_at: known.keys_at.checked_sub(KEYS_AGAIN).unwrap(),
        }));
    }

    async fn document<T: DeserializeOwned>(&self, url: &str) -> Result<T, LoginError> {
        let body = self.http.get(url).await?;
        serde_json::from_slice(&body).map_err(|error| LoginError::Away {
            url: url.to_owned(),
            why: error.to_string(),
        })
    }
}

fn query(fields: &[(&str, &str)]) -> String {
    let pairs = fields
        .iter()
        .map(|(name, value)| format!("{name}={}", encode(value)));
    pairs.collect::<Vec<_>>().join("&")
}

/// The address with this query, which may have one already.
fn with(address: &str, query: &str) -> String {
    let joint = if address.contains('?') { '&' } else { '?' };
    format!("{address}{joint}{query}")
}
