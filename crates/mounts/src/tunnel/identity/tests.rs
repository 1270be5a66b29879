use super::*;
use std::{
    future::Future,
    pin::Pin,
    process::{Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

/// A role, or nobody; with how often it was asked.
#[derive(Debug)]
struct Role {
    asked: AtomicUsize,
    key: Mutex<Option<AccessKey>>,
}

impl Role {
    fn new(lasts: Option<Duration>) -> Arc<Self> {
        let expires = lasts.map(|lasts| SystemTime::now() + lasts);
        let key = AccessKey {
            id: "AKIDROLE".to_owned(),
            secret: "secret".to_owned(),
            session_token: Some("token".repeat(60)),
            expires,
        };
        Arc::new(Self {
            asked: AtomicUsize::new(0),
            key: Mutex::new(Some(key)),
        })
    }
}

impl Credentials for Role {
    fn now(&self) -> Pin<Box<dyn Future<Output = Result<AccessKey, String>> + Send + '_>> {
        self.asked.fetch_add(1, Relaxed);
        let key = self
            .key
            .lock()
            .clone()
            .ok_or_else(|| "nobody is there".to_owned());
        Box::pin(std::future::ready(key))
    }
}

/// An identity whose certificate was made so long ago.
async fn made_before(role: &Arc<Role>, age: Duration) -> Identity {
    let identity =
        Identity::new(&client(), Some(Arc::clone(role) as Arc<dyn Credentials>)).unwrap();
    identity.refresh().await.unwrap();
    let made = identity.made().unwrap();
    let expires = role
        .key
        .lock()
        .as_ref()
        .and_then(|key| key.expires)
        .map(|expires| expires - age);
    *identity.made.lock() = Some(Made::new(made.certificate, made.from - age, expires));
    identity
}

#[tokio::test]
async fn credentials_are_asked_for_before_theirs_or_the_hour_is_over_and_once_for_all_that_connect()
{
    let (minutes, hour) = (Duration::from_mins(1), RENEW);
    for (lasts, age, asks) in [
        (None, 59 * minutes, 1),
        (None, 61 * minutes, 2),
        (Some(6 * hour), 59 * minutes, 1),
        (Some(6 * hour), 61 * minutes, 2),
        // A session of a quarter of an hour.
        (Some(15 * minutes), 9 * minutes, 1),
        (Some(15 * minutes), 11 * minutes, 2),
        // What ends within the minutes that others are asked for before: not at each
        // connection.
        (Some(minutes), Duration::from_secs(5), 1),
        (Some(minutes), Duration::from_secs(15), 2),
    ] {
        let role = Role::new(lasts);
        let identity = made_before(&role, age).await;
        let all = tokio::join!(identity.refresh(), identity.refresh(), identity.refresh());
        assert!(all.0.is_ok() && all.1.is_ok() && all.2.is_ok());
        assert_eq!(role.asked.load(Relaxed), asks, "{lasts:?} {age:?}");
    }
}

#[tokio::test]
async fn while_nobody_gives_credentials_those_of_before_go_on_as_long_as_they_are_taken() {
    for (lasts, age, goes_on) in [
        (None, RENEW * 2, true),
        (None, VALID + AHEAD, false),
        (Some(AHEAD * 3), AHEAD * 5 / 2, true),
        (Some(AHEAD * 3), AHEAD * 3, false),
    ] {
        let role = Role::new(lasts);
        let identity = made_before(&role, age).await;
        *role.key.lock() = None;
        assert_eq!(
            identity.refresh().await.map_err(|error| error.to_string()),
            if goes_on {
                Ok(())
            } else {
                Err("no credentials for EFS: nobody is there".to_owned())
            },
            "{lasts:?} {age:?}"
        );
        assert!(identity.resolve(&[], &[]).is_some());
    }
    let role = Role::new(None);
    *role.key.lock() = None;
    let identity = Identity::new(&client(), Some(role)).unwrap();
    assert!(
        identity.refresh().await.is_err() && identity.resolve(&[], &[]).is_none(),
        "nothing that is not signed is shown"
    );
}

fn client() -> EfsClient {
    EfsClient {
        file_system: "fs-0123456789abcdef0".to_owned(),
        region: "eu-central-1".to_owned(),
        access_point: Some("fsap-0123456789abcdef0".to_owned()),
        iam: true,
    }
}

#[tokio::test]
async fn the_certificate_names_the_access_point_and_who_asks_and_its_key_as_openssl_does() {
    assert!(Identity::new(&client(), None).is_err());
    let identity = made_before(&Role::new(None), RENEW * 2).await;
    let before = identity.resolve(&[], &[]).unwrap();
    identity.refresh().await.unwrap();
    let first = identity.resolve(&[], &[]).unwrap();
    assert!(!Arc::ptr_eq(&first, &before));
    identity.refresh().await.unwrap();
    assert!(Arc::ptr_eq(&first, &identity.resolve(&[], &[]).unwrap()));

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("certificate.der");
    std::io::Write::write_all(&mut std::fs::File::create(&file).unwrap(), &first.cert[0]).unwrap();
    let shell = |script: &str| {
        let mut shell = Command::new("sh");
        shell.args(["-euc", script, "sh"]).arg(&file);
        let output = shell
            .stderr(Stdio::inherit())
            .output()
            .expect("openssl: install the package openssl");
        assert!(output.status.success());
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let text = shell("openssl x509 -inform DER -noout -text -in \"$1\"");
    for expected in [
        "1.3.6.1.4.1.4843.7.1:",
        "..fsap-0123456789abcdef0",
        "1.3.6.1.4.1.4843.7.3:",
        "..fs-0123456789abcdef0",
        "3072 bit",
    ] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
    assert!(
        text.contains("1.3.6.1.4.1.4843.7.2:")
            && text.contains("AKIDROLE")
            && text.contains("tokentoken"),
        "{text}"
    );
    let hash = shell(
        "openssl x509 -inform DER -in \"$1\" -pubkey -noout | openssl rsa -pubin \
         -RSAPublicKey_out -outform DER 2>/dev/null | openssl dgst -sha1 -r",
    );
    let hash: Vec<_> = hash.as_bytes()[..40]
        .chunks(2)
        .map(|pair| std::str::from_utf8(pair).unwrap().to_uppercase())
        .collect();
    assert!(text.contains(&hash.join(":")), "{hash:?}\n{text}");
}
