//! The CA, by ACME (RFC 8555): an account, orders, and when a certificate is to be renewed.

mod account;
mod order;
mod refusal;

pub(super) use account::Kept;
pub(super) use order::Pending;

use super::problem::Problem;
use instant_acme::{Account, CertificateIdentifier, Error};
use jiff::Timestamp;
use std::{borrow::Cow, fmt};

/// The CA, with our account.
pub(super) struct Ca {
    account: Account,
    /// The names by which CAA records allow it.
    pub(super) identities: Vec<String>,
}

impl fmt::Debug for Ca {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ca")
            .field("account", &self.account.id())
            .field("identities", &self.identities)
            .finish()
    }
}

/// What the CA says of when to renew a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RenewalWindow {
    /// Between these.
    Between(Timestamp, Timestamp),
    /// Nothing, of any certificate.
    Unsupported,
    /// Nothing, of this one.
    Unknown,
}

impl Ca {
    /// The account's URL.
    pub(super) fn account(&self) -> &str {
        self.account.id()
    }

    /// What answers to challenges end with.
    pub(super) fn thumbprint(&self) -> &str {
        self.account.key_thumbprint()
    }

    /// When the CA wants a certificate to be renewed (RFC 9773).
    ///
    /// # Errors
    ///
    /// Where the CA does not answer.
    pub(super) async fn window(&self, id: &str) -> Result<RenewalWindow, Problem> {
        let Some(id) = identifier(id) else {
            return Ok(RenewalWindow::Unknown);
        };
        let said = match self.account.renewal_info(&id).await {
            Ok((said, _)) => said.suggested_window,
            Err(Error::Unsupported(_)) => return Ok(RenewalWindow::Unsupported),
            // It is of another CA, or too old.
            Err(Error::Api(_)) => return Ok(RenewalWindow::Unknown),
            Err(error) => return Err(refusal::problem("", &error, Timestamp::now())),
        };
        let time = |seconds: i64| Timestamp::from_second(seconds).ok();
        let (start, end) = (said.start.unix_timestamp(), said.end.unix_timestamp());
        Ok(time(start)
            .zip(time(end))
            .map_or(RenewalWindow::Unknown, |(start, end)| {
                RenewalWindow::Between(start, end)
            }))
    }
}

/// The identifier of a certificate, from our record of it.
fn identifier(text: &str) -> Option<CertificateIdentifier<'_>> {
    let (issuer, serial) = text.split_once('.')?;
    let encoded = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    (encoded(issuer) && encoded(serial)).then_some(CertificateIdentifier {
        authority_key_identifier: Cow::Borrowed(issuer),
        serial: Cow::Borrowed(serial),
    })
}
