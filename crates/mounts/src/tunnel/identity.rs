//! What EFS is told about us: in a client certificate, which we make and sign ourselves, as efs-utils does.
//!
//! EFS believes no authority here. It reads extensions under `1.3.6.1.4.1.4843.7`, an arc that AWS uses: `.1` is the access point's id and `.3` the
//! file system's, each a `UTF8String`; `.2` is a request signed by IAM credentials ([`super::iam`]), by which the server decides who may use which
//! access point.

use super::{
    der::{self, Tag},
    iam::{AccessKey, Credentials, Request, key_hash},
};
use crate::nfs::EfsClient;
use jiff::Timestamp;
use rcgen::{CertificateParams, CustomExtension, DnType, IsCa, KeyIdMethod, KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};
use tokio_rustls::rustls::{
    SignatureScheme,
    client::ResolvesClientCert,
    crypto::aws_lc_rs::sign::any_supported_type,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    sign::{CertifiedKey, SigningKey},
};

const ACCESS_POINT: &[u64] = &[1, 3, 6, 1, 4, 1, 4843, 7, 1];
const CLIENT_AUTH: &[u64] = &[1, 3, 6, 1, 4, 1, 4843, 7, 2];
const FILE_SYSTEM: &[u64] = &[1, 3, 6, 1, 4, 1, 4843, 7, 3];
/// How long a certificate is valid, how much earlier than now it starts, for clocks that differ, and when a new one is made.
/// The first two are those of efs-utils.
const VALID: Duration = Duration::from_hours(3);
const EARLIER: Duration = Duration::from_mins(15);
const RENEW: Duration = Duration::from_hours(1);

/// A key, and the certificate of the hour.
#[derive(Debug)]
pub(super) struct Identity {
    key: KeyPair,
    signing: Arc<dyn SigningKey>,
    client: EfsClient,
    /// Those that sign, where the client is known to IAM.
    credentials: Option<Arc<dyn Credentials>>,
    made: Mutex<Option<(SystemTime, Arc<CertifiedKey>)>>,
}

impl Identity {
    /// Makes a key: RSA with 3072 bits, as efs-utils does, since what else EFS takes is not documented.
    pub(super) fn new(client: &EfsClient, credentials: Option<Arc<dyn Credentials>>) -> Result<Self, String> {
        let credentials = match (client.iam, credentials) {
            (true, None) => return Err("there is nobody to ask for credentials".to_owned()),
            (iam, credentials) => credentials.filter(|_| iam),
        };
        let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_3072).map_err(|error| error.to_string())?;
        let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let signing = any_supported_type(&der).map_err(|error| error.to_string())?;
        let identity = Self { key, signing, client: client.clone(), credentials, made: Mutex::new(None) };
        // What cannot be made now could not be made later, when there is nobody to tell.
        let sample = AccessKey { id: String::new(), secret: String::new(), session_token: None };
        identity.certificate(SystemTime::now(), identity.credentials.as_ref().map(|_| &sample))?;
        Ok(identity)
    }

    /// Makes the certificate for new connections, where there is none or an hour has passed since: credentials of a role change by then.
    ///
    /// # Errors
    ///
    /// There are no credentials, or no certificate can be made.
    pub(super) async fn refresh(&self) -> io::Result<()> {
        let now = SystemTime::now();
        let fresh = |then: &SystemTime| now.duration_since(*then).is_ok_and(|age| age < RENEW);
        if self.made.lock().unwrap_or_else(PoisonError::into_inner).as_ref().is_some_and(|(then, _)| fresh(then)) {
            return Ok(());
        }
        let key = match &self.credentials {
            Some(credentials) => Some(credentials.now().await.map_err(|why| io::Error::other(format!("no credentials for EFS: {why}")))?),
            None => None,
        };
        let made = self.certificate(now, key.as_ref()).map_err(io::Error::other)?;
        *self.made.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, made));
        Ok(())
    }

    fn certificate(&self, now: SystemTime, key: Option<&AccessKey>) -> Result<Arc<CertifiedKey>, String> {
        let hash = key_hash(self.key.public_key_raw());
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name.push(DnType::CommonName, "longshore");
        (parameters.not_before, parameters.not_after) = ((now - EARLIER).into(), (now + VALID).into());
        parameters.is_ca = IsCa::ExplicitNoCa;
        parameters.key_identifier_method = KeyIdMethod::PreSpecified(hash.clone());
        let EfsClient { file_system, region, access_point, iam: _ } = &self.client;
        let text = |oid, text: &str| CustomExtension::from_oid_content(oid, der::value(Tag::Utf8String, text.as_bytes()));
        parameters.custom_extensions.extend(access_point.as_ref().map(|id| text(ACCESS_POINT, id)));
        if let Some(key) = key {
            let at = Timestamp::try_from(now).map_err(|error| error.to_string())?;
            let request = Request { file_system, region, key_hash: &hash, at };
            parameters.custom_extensions.push(CustomExtension::from_oid_content(CLIENT_AUTH, request.signed_by(key)));
        }
        parameters.custom_extensions.push(text(FILE_SYSTEM, file_system));
        let signed = parameters.self_signed(&self.key).map_err(|error| error.to_string())?;
        Ok(Arc::new(CertifiedKey::new(vec![signed.der().clone()], Arc::clone(&self.signing))))
    }
}

impl ResolvesClientCert for Identity {
    fn resolve(&self, _authorities: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        // Made before the connection, as credentials have to be waited for.
        self.made.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|(_, made)| Arc::clone(made))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        future::Future,
        pin::Pin,
        process::{Command, Stdio},
    };

    #[derive(Debug)]
    struct Role;

    impl Credentials for Role {
        fn now(&self) -> Pin<Box<dyn Future<Output = Result<AccessKey, String>> + Send + '_>> {
            let key = AccessKey { id: "AKIDROLE".to_owned(), secret: "secret".to_owned(), session_token: Some("token".repeat(60)) };
            Box::pin(std::future::ready(Ok(key)))
        }
    }

    fn client(iam: bool) -> EfsClient {
        EfsClient {
            file_system: "fs-0123456789abcdef0".to_owned(),
            region: "eu-central-1".to_owned(),
            access_point: Some("fsap-0123456789abcdef0".to_owned()),
            iam,
        }
    }

    #[tokio::test]
    async fn the_certificate_names_the_access_point_and_who_asks_and_its_key_as_openssl_does() {
        assert!(Identity::new(&client(true), None).is_err());
        let identity = Identity::new(&client(true), Some(Arc::new(Role))).unwrap();
        assert!(identity.resolve(&[], &[]).is_none(), "nothing that is not signed is shown");
        identity.refresh().await.unwrap();
        let first = identity.resolve(&[], &[]).unwrap();
        identity.refresh().await.unwrap();
        assert!(Arc::ptr_eq(&first, &identity.resolve(&[], &[]).unwrap()));
        let long_ago = SystemTime::now() - RENEW * 2;
        *identity.made.lock().unwrap() = Some((long_ago, Arc::clone(&first)));
        identity.refresh().await.unwrap();
        assert!(!Arc::ptr_eq(&first, &identity.resolve(&[], &[]).unwrap()));

        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("certificate.der");
        std::io::Write::write_all(&mut std::fs::File::create(&file).unwrap(), &first.cert[0]).unwrap();
        let shell = |script: &str| {
            let mut shell = Command::new("sh");
            shell.args(["-euc", script, "sh"]).arg(&file);
            let output = shell.stderr(Stdio::inherit()).output().expect("openssl: install the package openssl");
            assert!(output.status.success());
            String::from_utf8_lossy(&output.stdout).into_owned()
        };
        let text = shell("openssl x509 -inform DER -noout -text -in \"$1\"");
        for expected in ["1.3.6.1.4.1.4843.7.1:", "..fsap-0123456789abcdef0", "1.3.6.1.4.1.4843.7.3:", "..fs-0123456789abcdef0", "3072 bit"]
        {
            assert!(text.contains(expected), "{expected}\n{text}");
        }
        assert!(text.contains("1.3.6.1.4.1.4843.7.2:") && text.contains("AKIDROLE") && text.contains("tokentoken"), "{text}");
        let hash = shell(
            "openssl x509 -inform DER -in \"$1\" -pubkey -noout | openssl rsa -pubin -RSAPublicKey_out -outform DER 2>/dev/null | openssl dgst -sha1 -r",
        );
        let hash: Vec<_> = hash.as_bytes()[..40].chunks(2).map(|pair| std::str::from_utf8(pair).unwrap().to_uppercase()).collect();
        assert!(text.contains(&hash.join(":")), "{hash:?}\n{text}");
    }
}
