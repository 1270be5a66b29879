//! Who is whom, and which tokens are none.

use super::{super::testing::*, *};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;

const ISSUER: &str = "https://login.example";

fn read(token: &str, keys: &[Key]) -> Result<Map<String, Value>, Refused> {
    let keys = JwkSet {
        keys: keys.iter().map(Key::public).collect(),
    };
    let expected = Expected {
        issuer: ISSUER,
        client: CLIENT,
        nonce: "n",
    };
    claims(token, &keys, expected)
}

#[test]
fn nobody_signs_but_the_provider() {
    let key = Key::new("first");
    let good = good(ISSUER, "n");
    let token = key.token(&good);
    read(&token, std::slice::from_ref(&key)).unwrap();
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let (header, _) = token.split_once('.').unwrap();
    let signature = token.rsplit('.').next().unwrap();
    let mut other = good.clone();
    other["sub"] = "boris".into();
    let symmetric = jsonwebtoken::EncodingKey::from_secret(key.public_point().as_bytes()).unwrap();
    let mut by_secret = jsonwebtoken::Header::new(Algorithm::HS256);
    by_secret.kid = Some("first".to_owned());
    for forged in [
        // Its claims are changed, it is signed by nothing, by what everybody knows, by another key.
        format!("{header}.{}.{signature}", part(&other)),
        format!(
            "{}.{}.",
            part(&json!({ "alg": "none", "kid": "first" })),
            part(&good)
        ),
        jsonwebtoken::encode(&by_secret, &good, &symmetric).unwrap(),
        Key::new("first").token(&good),
        String::new(),
        "a.b.c".to_owned(),
    ] {
        read(&forged, std::slice::from_ref(&key)).unwrap_err();
    }
    let error = read(&token, &[Key::new("second")]).unwrap_err();
    assert!(matches!(error, Refused::UnknownKey(name) if name == "first"));
}

fn who(claims: &Value, mapping: &Mapping) -> Result<(String, Vec<String>), Refused> {
    person(claims.as_object().unwrap(), mapping)
}

#[test]
fn a_person_is_called_as_the_api_server_would_call_them() {
    let mapping = mapping();
    let found = who(
        &json!({ "sub": "anna", "groups": ["b", "a", "b"] }),
        &mapping,
    )
    .unwrap();
    assert_eq!(
        found,
        (
            "oidc:anna".to_owned(),
            vec!["oidc:a".to_owned(), "oidc:b".to_owned()]
        )
    );
    let one = who(&json!({ "sub": "anna", "groups": "a" }), &mapping).unwrap();
    assert_eq!(one.1, ["oidc:a"]);
    assert!(
        who(&json!({ "sub": "anna" }), &mapping)
            .unwrap()
            .1
            .is_empty()
    );
}

#[test]
fn an_address_counts_only_if_it_is_verified() {
    let mapping = Mapping {
        user: "email".to_owned(),
        ..mapping()
    };
    let claims = |verified: Value| json!({ "sub": "1", "email": "anna@example.org", "email_verified": verified });
    assert_eq!(
        who(&claims(json!(true)), &mapping).unwrap().0,
        "oidc:anna@example.org"
    );
    for bad in [json!(false), json!("true"), Value::Null] {
        let error = who(&claims(bad), &mapping).unwrap_err();
        assert!(matches!(error, Refused::Unverified(_)), "{error}");
    }
}

#[test]
fn no_prefix_and_no_lack_of_one_makes_an_account_of_kubernetes() {
    let plain = Mapping {
        user_prefix: String::new(),
        groups_prefix: String::new(),
        ..mapping()
    };
    let odd = Mapping {
        user_prefix: "system:".to_owned(),
        ..mapping()
    };
    for (mapping, claims) in [
        (&plain, json!({ "sub": "system:admin" })),
        (
            &plain,
            json!({ "sub": "anna", "groups": ["system:masters"] }),
        ),
        (&mapping(), json!({ "sub": "system:admin" })),
        (
            &mapping(),
            json!({ "sub": "anna", "groups": ["system:masters"] }),
        ),
        (&odd, json!({ "sub": "admin" })),
    ] {
        let error = who(&claims, mapping).unwrap_err();
        assert!(
            matches!(error, Refused::Name(SomebodyError::Reserved { .. })),
            "{error}"
        );
    }
    who(&json!({ "sub": "anna", "groups": ["shops"] }), &plain).unwrap();
}
