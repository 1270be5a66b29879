//! How EFS is told an access point: in a client certificate, which we make and sign ourselves, as efs-utils does.
//!
//! EFS believes no authority here. It reads two extensions under `1.3.6.1.4.1.4843.7`, an arc that AWS uses: `.1` is the access point's id
//! and `.3` the file system's, each a `UTF8String`. (A third, `.2`, would carry a signature by IAM credentials. Longshore sends none.)

use crate::nfs::AccessPoint;
use rcgen::{CertificateParams, CustomExtension, DnType, IsCa, KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use std::{
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
    access_point: AccessPoint,
    made: Mutex<Option<(SystemTime, Arc<CertifiedKey>)>>,
}

impl Identity {
    /// Makes a key: RSA with 3072 bits, as efs-utils does, since what else EFS takes is not documented.
    pub(super) fn new(access_point: &AccessPoint) -> Result<Self, String> {
        let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_3072).map_err(|error| error.to_string())?;
        let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let signing = any_supported_type(&der).map_err(|error| error.to_string())?;
        let identity = Self { key, signing, access_point: access_point.clone(), made: Mutex::new(None) };
        // What cannot be made now could not be made later, when there is nobody to tell.
        identity.certificate(SystemTime::now())?;
        Ok(identity)
    }

    fn certificate(&self, now: SystemTime) -> Result<Arc<CertifiedKey>, String> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((then, certificate)) = made.as_ref()
            && now.duration_since(*then).is_ok_and(|age| age < RENEW)
        {
            return Ok(Arc::clone(certificate));
        }
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name.push(DnType::CommonName, "longshore");
        (parameters.not_before, parameters.not_after) = ((now - EARLIER).into(), (now + VALID).into());
        parameters.is_ca = IsCa::ExplicitNoCa;
        parameters.custom_extensions =
            vec![extension(ACCESS_POINT, &self.access_point.id)?, extension(FILE_SYSTEM, &self.access_point.file_system)?];
        let signed = parameters.self_signed(&self.key).map_err(|error| error.to_string())?;
        let certificate = Arc::new(CertifiedKey::new(vec![signed.der().clone()], Arc::clone(&self.signing)));
        *made = Some((now, Arc::clone(&certificate)));
        Ok(certificate)
    }
}

impl ResolvesClientCert for Identity {
    fn resolve(&self, _authorities: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.certificate(SystemTime::now()).ok()
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// An extension whose value is `text` as a `UTF8String` in DER: tag, length, bytes.
fn extension(oid: &[u64], text: &str) -> Result<CustomExtension, String> {
    let length = u8::try_from(text.len()).ok().filter(|length| *length < 128).ok_or("an id of 128 bytes or more")?;
    let value = [&[0x0c, length], text.as_bytes()].concat();
    Ok(CustomExtension::from_oid_content(oid, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn the_certificate_names_the_access_point_and_is_renewed() {
        let access_point = AccessPoint { id: "fsap-0123456789abcdef0".to_owned(), file_system: "fs-0123456789abcdef0".to_owned() };
        let identity = Identity::new(&access_point).unwrap();
        let now = SystemTime::now();
        let first = identity.certificate(now).unwrap();
        assert!(Arc::ptr_eq(&first, &identity.certificate(now + RENEW / 2).unwrap()));
        assert!(!Arc::ptr_eq(&first, &identity.certificate(now + RENEW * 2).unwrap()));

        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("certificate.der");
        std::io::Write::write_all(&mut std::fs::File::create(&file).unwrap(), &first.cert[0]).unwrap();
        let mut openssl = Command::new("openssl");
        openssl.args(["x509", "-inform", "DER", "-noout", "-text", "-in"]).arg(&file);
        let text = String::from_utf8(openssl_output(&mut openssl)).unwrap();
        for expected in ["1.3.6.1.4.1.4843.7.1:", "..fsap-0123456789abcdef0", "1.3.6.1.4.1.4843.7.3:", "..fs-0123456789abcdef0", "3072 bit"]
        {
            assert!(text.contains(expected), "{expected}\n{text}");
        }
    }

    fn openssl_output(command: &mut Command) -> Vec<u8> {
        let output = command.stderr(Stdio::inherit()).output().expect("openssl: install the package openssl");
        assert!(output.status.success());
        output.stdout
    }
}
