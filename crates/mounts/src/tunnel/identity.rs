//! What EFS is told about us: in a client certificate, which we make and sign ourselves, as
//! efs-utils does.
//!
//! EFS believes no authority here. It reads extensions under `1.3.6.1.4.1.4843.7`, an arc that AWS
//! uses: `.1` is the access point's id and `.3` the file system's, each a `UTF8String`; `.2` is a
//! request signed by IAM credentials ([`super::iam`]), by which the server decides who may use
//! which access point.

use super::{
    der::{self, Tag},
    iam::{AccessKey, Credentials, Request, key_hash},
};
use crate::nfs::EfsClient;
use jiff::Timestamp;
use parking_lot::Mutex;
use rcgen::{
    CertificateParams, CustomExtension, DnType, IsCa, KeyIdMethod, KeyPair, PKCS_RSA_SHA256,
    RsaKeySize,
};
use std::{
    io,
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio_rustls::rustls::{
    SignatureScheme,
    client::ResolvesClientCert,
    crypto::aws_lc_rs::sign::any_supported_type,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    sign::{CertifiedKey, SigningKey},
};
use tracing::warn;

const ACCESS_POINT: &[u64] = &[1, 3, 6, 1, 4, 1, 4843, 7, 1];
const CLIENT_AUTH: &[u64] = &[1, 3, 6, 1, 4, 1, 4843, 7, 2];
const FILE_SYSTEM: &[u64] = &[1, 3, 6, 1, 4, 1, 4843, 7, 3];
/// How long a certificate is valid, how much earlier than now it starts, for clocks that differ,
/// and when a new one is made. The first two are those of efs-utils.
const VALID: Duration = Duration::from_hours(3);
const EARLIER: Duration = Duration::from_mins(15);
const RENEW: Duration = Duration::from_hours(1);
/// How long before the end of credentials others are asked for, and how long where these end as
/// soon.
const AHEAD: Duration = Duration::from_mins(5);
const SOON: Duration = Duration::from_secs(10);

/// A key, and the certificate of the hour.
#[derive(Debug)]
pub(super) struct Identity {
    key: KeyPair,
    signing: Arc<dyn SigningKey>,
    client: EfsClient,
    /// Those that sign, if the client is known to IAM.
    credentials: Option<Arc<dyn Credentials>>,
    made: Mutex<Option<Made>>,
    /// Held by who makes the next one.
    turn: tokio::sync::Mutex<()>,
}

/// A certificate, and its times.
#[derive(Debug, Clone)]
struct Made {
    certificate: Arc<CertifiedKey>,
    from: SystemTime,
    /// When another one is to be made.
    renew: SystemTime,
    /// When the server no longer takes it.
    end: SystemTime,
}

impl Made {
    fn new(certificate: Arc<CertifiedKey>, from: SystemTime, expires: Option<SystemTime>) -> Self {
        let end = expires.map_or(from + VALID, |expires| expires.min(from + VALID));
        let renew = (end - AHEAD).min(from + RENEW).max(from + SOON);
        Self {
            certificate,
            from,
            renew,
            end,
        }
    }

    /// Not so where the clock was set back, either.
    fn is_fresh(&self, now: SystemTime) -> bool {
        (self.from..self.renew).contains(&now)
    }

    fn is_taken(&self, now: SystemTime) -> bool {
        (self.from..self.end).contains(&now)
    }
}

impl Identity {
    /// Makes a key: RSA with 3072 bits, as efs-utils does, since what else EFS takes is not
    /// documented.
    pub(super) fn new(
        client: &EfsClient,
        credentials: Option<Arc<dyn Credentials>>,
    ) -> Result<Self, String> {
        let credentials = match (client.iam, credentials) {
            (true, None) => return Err("there is nobody to ask for credentials".to_owned()),
            (iam, credentials) => credentials.filter(|_| iam),
        };
        let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_3072)
            .map_err(|error| error.to_string())?;
        let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let signing = any_supported_type(&der).map_err(|error| error.to_string())?;
        let (made, turn) = (Mutex::new(None), tokio::sync::Mutex::new(()));
        let identity = Self {
            key,
            signing,
            client: client.clone(),
            credentials,
            made,
            turn,
        };
        // What cannot be made now could not be made later, when there is nobody to tell.
        let sample = AccessKey {
            id: String::new(),
            secret: String::new(),
            session_token: None,
            expires: None,
        };
        identity.certificate(
            SystemTime::now(),
            identity.credentials.as_ref().map(|_| &sample),
        )?;
        Ok(identity)
    }

    /// Makes the certificate for new connections, if there is none, an hour has passed since, or
    /// its credentials are about to end. While whoever gives credentials does not answer, the one
    /// that there is goes on as long as it is taken.
    ///
    /// # Errors
    ///
    /// There are no credentials, or no certificate can be made.
    pub(super) async fn refresh(&self) -> io::Result<()> {
        // One asks for all that connect at once.
        let _turn = self.turn.lock().await;
        let (now, before) = (SystemTime::now(), self.made());
        if before.as_ref().is_some_and(|made| made.is_fresh(now)) {
            return Ok(());
        }
        let key = match &self.credentials {
            Some(credentials) => match credentials.now().await {
                Ok(key) => Some(key),
                Err(why) if before.is_some_and(|made| made.is_taken(now)) => {
                    warn!(
                        file_system = %self.client.file_system,
                        %why,
                        "no new credentials for EFS; those of before are used"
                    );
                    return Ok(());
                }
                Err(why) => return Err(io::Error::other(format!("no credentials for EFS: {why}"))),
            },
            None => None,
        };
        let certificate = self
            .certificate(now, key.as_ref())
            .map_err(io::Error::other)?;
        *self.made.lock() = Some(Made::new(certificate, now, key.and_then(|key| key.expires)));
        Ok(())
    }

    fn made(&self) -> Option<Made> {
        self.made.lock().clone()
    }

    fn certificate(
        &self,
        now: SystemTime,
        key: Option<&AccessKey>,
    ) -> Result<Arc<CertifiedKey>, String> {
        let hash = key_hash(self.key.public_key_raw());
        let mut parameters = CertificateParams::default();
        parameters
            .distinguished_name
            .push(DnType::CommonName, "longshore");
        (parameters.not_before, parameters.not_after) =
            ((now - EARLIER).into(), (now + VALID).into());
        parameters.is_ca = IsCa::ExplicitNoCa;
        parameters.key_identifier_method = KeyIdMethod::PreSpecified(hash.clone());
        let EfsClient {
            file_system,
            region,
            access_point,
            iam: _,
        } = &self.client;
        let text = |oid, text: &str| {
            CustomExtension::from_oid_content(oid, der::value(Tag::Utf8String, text.as_bytes()))
        };
        parameters
            .custom_extensions
            .extend(access_point.as_ref().map(|id| text(ACCESS_POINT, id)));
        if let Some(key) = key {
            let at = Timestamp::try_from(now).map_err(|error| error.to_string())?;
            let request = Request {
                file_system,
                region,
                key_hash: &hash,
                at,
            };
            parameters
                .custom_extensions
                .push(CustomExtension::from_oid_content(
                    CLIENT_AUTH,
                    request.signed_by(key),
                ));
        }
        parameters
            .custom_extensions
            .push(text(FILE_SYSTEM, file_system));
        let signed = parameters
            .self_signed(&self.key)
            .map_err(|error| error.to_string())?;
        Ok(Arc::new(CertifiedKey::new(
            vec![signed.der().clone()],
            Arc::clone(&self.signing),
        )))
    }
}

impl ResolvesClientCert for Identity {
    fn resolve(
        &self,
        _authorities: &[&[u8]],
        _schemes: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        // Made before the connection, as credentials have to be waited for.
        self.made().map(|made| made.certificate)
    }

    fn has_certs(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests;
