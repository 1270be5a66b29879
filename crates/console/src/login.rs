//! People log in at an OpenID Connect provider, by the authorization code flow with PKCE: what a
//! login needs on its way is in a sealed cookie, and what it ends in is another one.
//!
//! ```text
//!  browser ── /login ──────────► a cookie with state, nonce and verifier ──► provider
//!  provider ── /login/callback ► the code, for a token ► its claims ► the cookie of the session
//! ```

pub(crate) mod claims;
mod http;
mod limit;
pub(crate) mod provider;

use crate::{
    address::{Origin, local},
    session::{Keys, Purpose, SESSION, Session},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use claims::{Mapping, Refused};
use http::Http;
use jiff::{SignedDuration, Timestamp};
use limit::Limit;
use parking_lot::Mutex;
use provider::{Begin, Client, Provider};
use rand::RngExt as _;
use release::Reason;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::{net::IpAddr, path::Path, sync::Arc, time::Instant};

/// How long a person may take at the provider.
pub(crate) const UNDER_WAY: SignedDuration = SignedDuration::from_mins(10);
/// Characters of a sealed session at most: browsers drop a cookie of more than 4,096, its name and
/// attributes included.
const COOKIE: usize = 3800;
/// Where the provider sends people back.
pub(crate) const CALLBACK: &str = "/login/callback";
/// Where the provider sends people who logged out.
pub(crate) const LOGGED_OUT: &str = "/logged-out";

/// Why somebody is not logged in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoginError {
    /// The provider does not answer, or not as one.
    #[error("the provider cannot be asked: {url}: {why}")]
    Away {
        /// What was asked.
        url: String,
        /// Why not.
        why: String,
    },
    /// It is another provider.
    #[error(
        "the provider calls itself {found:?}, and LONGSHORE_CONSOLE_OIDC_ISSUER is {expected:?}"
    )]
    Issuer {
        /// What is set.
        expected: String,
        /// What it says.
        found: String,
    },
    /// The provider says that it does not do it.
    #[error("the provider refuses: {error} {description}")]
    Provider {
        /// Its code.
        error: String,
        /// What it says to it.
        description: String,
    },
    /// The provider does not take the code.
    #[error("the provider gives no token for its code (status {status}): {error} {description}")]
    Code {
        /// The status of the answer.
        status: u16,
        /// Its code.
        error: String,
        /// What it says to it.
        description: String,
    },
    /// No login of this browser is under way, or another one.
    #[error("this browser has no such login under way; it takes at most 10 minutes")]
    State,
    /// The token is not believed, or its person not let in.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// What is known of the person does not fit.
    #[error("the session of {user} with {groups} groups does not fit into a cookie")]
    Size {
        /// Who.
        user: String,
        /// How many.
        groups: usize,
    },
    /// Too many logins.
    #[error("there were too many logins from this address")]
    Often,
}

impl LoginError {
    /// The stable reason code.
    pub(crate) const fn reason(&self) -> Reason {
        match self {
            Self::Away { .. } | Self::Code { .. } => Reason::LoginProvider,
            Self::Issuer { .. } => Reason::Config,
            Self::Often => Reason::LoginOften,
            Self::Provider { .. } | Self::State | Self::Refused(_) | Self::Size { .. } => {
                Reason::LoginRefused
            }
        }
    }
}

/// What a login needs on its way.
#[derive(Debug, Serialize, Deserialize)]
struct UnderWay {
    state: String,
    nonce: String,
    verifier: String,
    /// Where the person wanted to go.
    to: String,
    until: Timestamp,
}

/// What the provider sends back with the browser.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Returned {
    code: String,
    state: String,
    /// Who answers, if the provider says it (RFC 9207).
    iss: String,
    error: String,
    error_description: String,
}

/// Logins.
#[derive(Debug)]
pub(crate) struct Login {
    origin: Origin,
    keys: Arc<Keys>,
    mapping: Mapping,
    provider: Provider,
    limit: Mutex<Limit>,
}

impl Login {
    /// # Errors
    ///
    /// Says why the file with further roots of certificates cannot be used.
    pub(crate) fn new(
        origin: Origin,
        keys: Arc<Keys>,
        mapping: Mapping,
        client: Client,
        authority: Option<&Path>,
    ) -> Result<Self, String> {
        Ok(Self {
            origin,
            keys,
            mapping,
            provider: Provider::new(client, Http::new(authority)?),
            limit: Mutex::new(Limit::new(Instant::now())),
        })
    }

    /// Counts a step of a login.
    ///
    /// # Errors
    ///
    /// If there were too many from this address.
    pub(crate) fn step(&self, address: IpAddr) -> Result<(), LoginError> {
        let may = self.limit.lock().take(address, Instant::now());
        may.then_some(()).ok_or(LoginError::Often)
    }

    /// Begins: the cookie for the way, and where the browser goes.
    ///
    /// # Errors
    ///
    /// If the provider cannot be asked.
    pub(crate) async fn begin(&self, to: &str) -> Result<(String, String), LoginError> {
        let way = UnderWay {
            state: made_up(),
            nonce: made_up(),
            verifier: made_up(),
            to: local(to).unwrap_or("/shops").to_owned(),
            until: Timestamp::now() + UNDER_WAY,
        };
        let begin = Begin {
            redirect: &self.origin.at(CALLBACK),
            state: &way.state,
            nonce: &way.nonce,
            challenge: &URL_SAFE_NO_PAD.encode(Sha256::digest(&way.verifier)),
        };
        let address = self.provider.login(begin).await?;
        let cookie = self.keys.seal(Purpose::Login, &way);
        Ok((cookie.unwrap_or_default(), address))
    }

    /// Ends: the person, the cookie of the session, and where the person wanted to go.
    ///
    /// # Errors
    ///
    /// If the provider or its token says no, or if the login is none of this browser.
    pub(crate) async fn end(
        &self,
        returned: &Returned,
        cookie: &str,
    ) -> Result<(Session, String, String), LoginError> {
        let way: Option<UnderWay> = self.keys.open(Purpose::Login, cookie);
        // Before anything that the address says is believed.
        let way = way
            .filter(|way| way.state == returned.state && Timestamp::now() < way.until)
            .ok_or(LoginError::State)?;
        self.provider.is_it(&returned.iss)?;
        if !returned.error.is_empty() {
            return Err(LoginError::Provider {
                error: returned.error.clone(),
                description: returned.error_description.clone(),
            });
        }
        let redirect = self.origin.at(CALLBACK);
        let claims = self
            .provider
            .claims(&returned.code, &way.verifier, &redirect, &way.nonce)
            .await?;
        let (user, groups) = claims::person(&claims, &self.mapping)?;
        let session = Session {
            user,
            groups,
            until: Timestamp::now() + SESSION,
        };
        let sealed = self.keys.seal(Purpose::Session, &session);
        match sealed.filter(|sealed| sealed.len() <= COOKIE) {
            Some(sealed) => Ok((session, sealed, way.to)),
            None => Err(LoginError::Size {
                user: session.user,
                groups: session.groups.len(),
            }),
        }
    }

    /// Where the browser goes to log out at the provider, if there is such a place.
    pub(crate) async fn end_session(&self) -> Option<String> {
        self.provider.logout(&self.origin.at(LOGGED_OUT)).await
    }
}

/// 256 bits that nobody can guess.
fn made_up() -> String {
    let bytes: [u8; 32] = rand::rng().random();
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
