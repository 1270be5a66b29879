//! Who a person is: what the token of the provider says, as Kubernetes calls it.

use client::{Somebody, SomebodyError};
use jsonwebtoken::{
    Algorithm, DecodingKey, Validation, decode, decode_header,
    jwk::{Jwk, JwkSet},
};
use serde_json::{Map, Value};

/// Signatures that count: by keys of which the provider publishes one half.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];
/// Seconds by which clocks may differ.
const LEEWAY: u64 = 60;

/// Which claims of a token are what in Kubernetes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mapping {
    /// The claim that is the user's name.
    pub(crate) user: String,
    /// The claim that has the groups.
    pub(crate) groups: String,
    /// What stands before the name.
    pub(crate) user_prefix: String,
    /// What stands before each group.
    pub(crate) groups_prefix: String,
}

/// For whom a token has to be, and by whom.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected<'a> {
    pub(super) issuer: &'a str,
    pub(super) client: &'a str,
    pub(super) nonce: &'a str,
}

/// Why a token is not believed, or its person not let in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    /// No key of the provider has the token's name of a key: it may have changed its keys.
    #[error("the provider has no key {0:?}")]
    UnknownKey(String),
    /// It is not what the provider signed for us, now.
    #[error("the ID token is not accepted")]
    Token(#[source] jsonwebtoken::errors::Error),
    /// It is signed in a way that anybody could.
    #[error("the ID token is signed by {0:?}, which is not accepted")]
    Algorithm(Algorithm),
    /// It was made for another login.
    #[error("the ID token is of another login: its nonce differs")]
    Nonce,
    /// It was made for another client.
    #[error("the ID token was issued to {0:?}, as azp says")]
    Party(String),
    /// A claim is missing, or not of its type.
    #[error("the ID token has no claim {claim:?} that is {expected}")]
    Claim {
        /// Which one.
        claim: String,
        /// What it should be.
        expected: &'static str,
    },
    /// Anybody may have written this address.
    #[error("the provider has not verified the e-mail address {0:?}")]
    Unverified(String),
    /// Nobody can act under this name.
    #[error(transparent)]
    Name(#[from] SomebodyError),
}

/// The claims of a token, if it is believed: OpenID Connect Core, section 3.1.3.7.
///
/// # Errors
///
/// Says why it is not.
pub(super) fn claims(
    token: &str,
    keys: &JwkSet,
    expected: Expected<'_>,
) -> Result<Map<String, Value>, Refused> {
    let header = decode_header(token).map_err(Refused::Token)?;
    if !ALGORITHMS.contains(&header.alg) {
        return Err(Refused::Algorithm(header.alg));
    }
    let key = key(keys, header.kid.as_deref())?;
    let key = DecodingKey::from_jwk(key).map_err(Refused::Token)?;
    let mut validation = Validation::new(header.alg);
    validation.leeway = LEEWAY;
    validation.validate_nbf = true;
    validation.set_issuer(&[expected.issuer]);
    validation.set_audience(&[expected.client]);
    validation.set_required_spec_claims(&["iss", "sub", "aud", "exp"]);
    let decoded = decode::<Map<String, Value>>(token, &key, &validation);
    let claims = decoded.map_err(Refused::Token)?.claims;
    if claims.get("nonce").and_then(Value::as_str) != Some(expected.nonce) {
        return Err(Refused::Nonce);
    }
    let several = claims.get("aud").and_then(Value::as_array);
    let several = several.is_some_and(|all| all.len() > 1);
    let party = claims.get("azp").and_then(Value::as_str);
    match party {
        Some(party) if party != expected.client => Err(Refused::Party(party.to_owned())),
        None if several => Err(Refused::Party(String::new())),
        _ => Ok(claims),
    }
}

/// The key of this name; a token that names none is of the only key.
fn key<'a>(keys: &'a JwkSet, name: Option<&str>) -> Result<&'a Jwk, Refused> {
    let found = match (name, &keys.keys[..]) {
        (Some(name), _) => keys.find(name),
        (None, [only]) => Some(only),
        (None, _) => None,
    };
    found.ok_or_else(|| Refused::UnknownKey(name.unwrap_or_default().to_owned()))
}

/// The user and the groups, as Kubernetes calls them.
///
/// # Errors
///
/// If a claim is missing, or if nobody can act under a name.
pub(super) fn person(
    claims: &Map<String, Value>,
    mapping: &Mapping,
) -> Result<(String, Vec<String>), Refused> {
    let name = text(claims, &mapping.user)?;
    // As the API server does: whoever may write an address into a profile is not its owner.
    let verified = claims.get("email_verified");
    if mapping.user == "email" && verified != Some(&Value::Bool(true)) {
        return Err(Refused::Unverified(name.to_owned()));
    }
    let groups: Vec<&str> = match claims.get(&mapping.groups) {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::String(group)) => vec![group],
        Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect(),
        Some(_) => {
            return Err(Refused::Claim {
                claim: mapping.groups.clone(),
                expected: "a list of texts",
            });
        }
    };
    // As the provider has them: one that looks like Kubernetes' own is no person's, with a prefix
    // or without.
    let plain: Vec<_> = groups.iter().map(|group| (*group).to_owned()).collect();
    Somebody::new(name, &plain)?;
    let user = format!("{}{name}", mapping.user_prefix);
    let mut groups: Vec<_> = plain
        .iter()
        .map(|group| format!("{}{group}", mapping.groups_prefix))
        .collect();
    groups.sort();
    groups.dedup();
    Somebody::new(&user, &groups)?;
    Ok((user, groups))
}

fn text<'a>(claims: &'a Map<String, Value>, claim: &str) -> Result<&'a str, Refused> {
    let found = claims.get(claim).and_then(Value::as_str);
    found
        .filter(|text| !text.is_empty())
        .ok_or_else(|| Refused::Claim {
            claim: claim.to_owned(),
            expected: "a text",
        })
}

#[cfg(test)]
mod tests;
