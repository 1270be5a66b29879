//! The account: found in the cluster, or made. One is made for each directory, so that a change
//! from staging to production needs nothing but the setting.

use super::{Ca, refusal};
use crate::issue::{Settings, http::Http, problem::Problem};
use base64::{
    Engine as _,
    prelude::{BASE64_URL_SAFE, BASE64_URL_SAFE_NO_PAD},
};
use instant_acme::{Account, AccountCredentials, Error, ExternalAccountKey, NewAccount};
use jiff::Timestamp;
use serde::Deserialize;
use tracing::info;

/// An account as it is kept: the JSON of its credentials.
#[derive(Clone, PartialEq, Eq)]
pub(in crate::issue) struct Kept(pub(in crate::issue) String);

impl std::fmt::Debug for Kept {
    // Its key is in it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Kept(…)")
    }
}

#[derive(Debug, Default, Deserialize)]
struct Directory {
    #[serde(default)]
    meta: Meta,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Meta {
    #[serde(default)]
    caa_identities: Vec<String>,
}

impl Ca {
    /// The CA with the account that is kept; with a new one, which has to be kept, where that is of
    /// another directory, or there is none.
    ///
    /// # Errors
    ///
    /// Where the CA does not answer, or refuses.
    pub(in crate::issue) async fn open(
        http: &Http,
        settings: &Settings,
        kept: Option<&Kept>,
    ) -> Result<(Self, Option<Kept>), Problem> {
        let failed = |error: &Error| refusal::problem("", error, Timestamp::now());
        let identities = identities(http, settings).await.map_err(|it| failed(&it))?;
        let builder = Account::builder_with_http(Box::new(http.clone()));
        if let Some(credentials) = kept.and_then(|kept| usable(kept, &settings.directory)) {
            let account = builder
                .from_credentials(credentials)
                .await
                .map_err(|it| failed(&it))?;
            return Ok((
                Self {
                    account,
                    identities,
                },
                None,
            ));
        }
        let contact: Vec<String> = settings
            .contact
            .iter()
            .map(|it| match it.split_once(':') {
                Some(_) => it.clone(),
                None => format!("mailto:{it}"),
            })
            .collect();
        let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
        let new = NewAccount {
            contact: &contact,
            terms_of_service_agreed: true,
            only_return_existing: false,
        };
        let external = external(settings)?;
        let (account, credentials) = builder
            .create(&new, settings.directory.clone(), external.as_ref())
            .await
            .map_err(|it| failed(&it))?;
        info!(
            account = account.id(),
            directory = settings.directory,
            "account made"
        );
        let json = serde_json::to_string(&credentials)
            .map_err(|it| Problem::us("account-not-kept", it.to_string()))?;
        Ok((
            Self {
                account,
                identities,
            },
            Some(Kept(json)),
        ))
    }
}

/// What is kept, where it is of this directory.
fn usable(kept: &Kept, directory: &str) -> Option<AccountCredentials> {
    let value: serde_json::Value = serde_json::from_str(&kept.0).ok()?;
    if value["directory"] != directory {
        return None;
    }
    serde_json::from_str(&kept.0).ok()
}

/// The names of CAA records: those of the settings, or those that the CA gives.
async fn identities(http: &Http, settings: &Settings) -> Result<Vec<String>, Error> {
    if !settings.caa.is_empty() {
        return Ok(settings.caa.clone());
    }
    let directory = http.get(&settings.directory).await?;
    Ok(serde_json::from_slice::<Directory>(&directory)?
        .meta
        .caa_identities)
}

fn external(settings: &Settings) -> Result<Option<ExternalAccountKey>, Problem> {
    let Some(external) = &settings.external_account else {
        return Ok(None);
    };
    // CAs give the key with padding and without.
    let key = BASE64_URL_SAFE_NO_PAD
        .decode(&external.hmac_key)
        .or_else(|_| BASE64_URL_SAFE.decode(&external.hmac_key))
        .map_err(|_| {
            Problem::ca(
                "external-account-key",
                "the key of the external account is not base64url",
            )
        })?;
    Ok(Some(ExternalAccountKey::new(external.key_id.clone(), &key)))
}
