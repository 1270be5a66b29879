//! Logins, from their begin to the cookie of the session.

use super::{testing::*, *};
use crate::session::tests::keys;
use release::Reason;
use serde_json::{Value, json};

/// A value of a query.
fn parameter(address: &str, name: &str) -> String {
    let query = address.split_once('?').unwrap().1;
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let found = pairs.find(|(found, _)| *found == name);
    found
        .unwrap_or_else(|| panic!("{name} in {address}"))
        .1
        .to_owned()
}

fn returned(state: &str) -> Returned {
    Returned {
        code: "a code".to_owned(),
        state: state.to_owned(),
        ..Returned::default()
    }
}

/// A login of a person of whom the provider says this.
async fn logged_in(stage: &Stage, claims: Value) -> Result<(Session, String, String), LoginError> {
    let login = stage.login(None);
    let (cookie, address) = login.begin("/shops?q=a").await?;
    {
        let mut plays = stage.plays.lock();
        (plays.nonce, plays.claims) = (parameter(&address, "nonce"), claims);
    }
    login
        .end(&returned(&parameter(&address, "state")), &cookie)
        .await
}

#[tokio::test]
async fn whom_the_provider_knows_is_logged_in_and_led_on() {
    let stage = Stage::new().await;
    let login = stage.login(Some("s&cret"));
    let (cookie, address) = login.begin("/shops?q=a").await.unwrap();
    let start = format!(
        "{}/auth?tenant=a&response_type=code&client_id=console",
        stage.issuer
    );
    assert!(address.starts_with(&start), "{address}");
    assert_eq!(
        parameter(&address, "redirect_uri"),
        "https%3A//console.example/login/callback"
    );
    assert_eq!(parameter(&address, "scope"), "openid%20groups");
    assert_eq!(parameter(&address, "code_challenge_method"), "S256");
    stage.plays.lock().nonce = parameter(&address, "nonce");

    let ended = login
        .end(&returned(&parameter(&address, "state")), &cookie)
        .await;
    let (session, sealed, to) = ended.unwrap();
    assert_eq!(
        (session.user.as_str(), to.as_str()),
        ("oidc:anna", "/shops?q=a")
    );
    assert_eq!(session.groups, ["oidc:shops"]);
    let lasts = session.until.duration_since(Timestamp::now());
    assert!(
        lasts <= SESSION && lasts > SESSION - SignedDuration::from_mins(1),
        "{lasts}"
    );
    assert_eq!(
        Session::open(&keys(&[1]), &sealed, Timestamp::now()),
        Some(session)
    );

    let (form, authorization) = stage.plays.lock().forms[0].clone();
    assert!(
        form.contains("grant_type=authorization_code&code=a%20code"),
        "{form}"
    );
    let verifier = parameter(&format!("?{form}"), "code_verifier");
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier));
    assert_eq!(parameter(&address, "code_challenge"), challenge);
    let basic = base64::engine::general_purpose::STANDARD.encode("console:s%26cret");
    assert_eq!(authorization, Some(format!("Basic {basic}")));
    let leave = login.end_session().await.unwrap();
    assert!(leave.starts_with(&format!(
        "{}/leave?client_id=console&post_logout",
        stage.issuer
    )));
}

#[tokio::test]
async fn a_login_of_another_browser_or_of_yesterday_does_not_end_here() {
    let provider = Stage::new().await;
    let login = provider.login(None);
    let (cookie, address) = login.begin("/").await.unwrap();
    let state = parameter(&address, "state");
    let (other, _) = login.begin("/").await.unwrap();
    let late = UnderWay {
        state: state.clone(),
        nonce: String::new(),
        verifier: String::new(),
        to: "/".to_owned(),
        until: Timestamp::now(),
    };
    let late = keys(&[1]).seal(Purpose::Login, &late).unwrap();
    let session = Session {
        user: "anna".to_owned(),
        groups: Vec::new(),
        until: Timestamp::now() + SESSION,
    };
    let session = keys(&[1]).seal(Purpose::Session, &session).unwrap();
    for (state, cookie) in [
        ("forged", &*cookie),
        ("", &*cookie),
        (&*state, ""),
        (&*state, &*other),
        (&*state, &*late),
        (&*state, &*session),
    ] {
        let error = refused(login.end(&returned(state), cookie).await);
        assert!(matches!(error, LoginError::State), "{error}");
    }
    assert!(provider.plays.lock().forms.is_empty(), "no code was tried");
}

#[tokio::test]
async fn a_token_that_is_not_for_us_now_is_not_believed() {
    let stage = Stage::new().await;
    let now = Timestamp::now().as_second();
    for (claims, said) in [
        (json!({ "aud": "grafana" }), "InvalidAudience"),
        (json!({ "aud": [] }), "InvalidAudience"),
        (json!({ "aud": ["console", "grafana"] }), "azp"),
        (json!({ "azp": "grafana" }), "azp"),
        (json!({ "iss": "https://evil.example" }), "InvalidIssuer"),
        (json!({ "exp": now - 120 }), "ExpiredSignature"),
        (json!({ "nbf": now + 120 }), "ImmatureSignature"),
        (json!({ "exp": null }), "Missing required claim"),
        (json!({ "nonce": "of another login" }), "nonce differs"),
        (json!({ "nonce": null }), "nonce differs"),
        (json!({ "sub": "system:admin" }), "begins with system:"),
        (
            json!({ "groups": ["a", "system:masters"] }),
            "begins with system:",
        ),
        (json!({ "groups": { "a": 1 } }), "a list of texts"),
        (json!({ "sub": "" }), "no claim"),
        (
            json!({ "sub": "anna\r\nimpersonate-group: x" }),
            "control characters",
        ),
    ] {
        let error = refused(logged_in(&stage, claims.clone()).await);
        let text = runtime::Chain(&error).to_string();
        let debug = format!("{text} {error:?}");
        assert!(debug.contains(said), "{claims}: {debug}");
        assert_eq!(error.reason(), Reason::LoginRefused, "{claims}");
    }
    for claims in [
        json!({ "aud": ["console"] }),
        json!({ "aud": ["console", "grafana"], "azp": "console" }),
        json!({ "groups": null }),
        json!({ "exp": now - 30 }),
    ] {
        logged_in(&stage, claims).await.unwrap();
    }
}

#[tokio::test]
async fn the_provider_changes_its_keys_and_nobody_notices() {
    let stage = Stage::new().await;
    let login = stage.login(None);
    let signed_by = async |key: &Key, published: &[&Key]| {
        let (cookie, address) = login.begin("/").await.unwrap();
        {
            let mut plays = stage.plays.lock();
            plays.nonce = parameter(&address, "nonce");
            plays.signs = key.clone();
            plays.keys = published.iter().map(|key| (*key).clone()).collect();
        }
        login
            .end(&returned(&parameter(&address, "state")), &cookie)
            .await
    };
    let (first, second, forged) = (
        stage.plays.lock().signs.clone(),
        Key::new("second"),
        Key::new("first"),
    );
    signed_by(&first, &[&first]).await.unwrap();
    assert_eq!(stage.plays.lock().asked, 1);
    // Its name is known, and it is another key.
    let error = refused(signed_by(&forged, &[&first]).await);
    assert!(
        format!("{error:?}").contains("InvalidSignature"),
        "{error:?}"
    );
    // The keys were just asked for, so they are not asked for again.
    let error = refused(signed_by(&second, &[&first, &second]).await);
    assert!(error.to_string().contains("no key \"second\""), "{error}");
    assert_eq!(stage.plays.lock().asked, 1);
    login.provider.age();
    signed_by(&second, &[&first, &second]).await.unwrap();
    signed_by(&first, &[&first, &second]).await.unwrap();
    assert_eq!(stage.plays.lock().asked, 2);
}

#[tokio::test]
async fn a_session_that_browsers_would_drop_is_refused() {
    let stage = Stage::new().await;
    let groups: Vec<_> = (0..200)
        .map(|number| format!("group-{number:020}"))
        .collect();
    let error = refused(logged_in(&stage, json!({ "groups": groups })).await);
    assert_eq!(
        error.to_string(),
        "the session of oidc:anna with 200 groups does not fit into a cookie"
    );
}

#[tokio::test]
async fn a_provider_that_is_away_or_another_is_named() {
    let stage = Stage::new().await;
    let begin = Begin {
        redirect: "",
        state: "",
        nonce: "",
        challenge: "",
    };
    let error = refused(stage.stranger().login(begin).await);
    assert!(error.to_string().contains("UnknownIssuer"), "{error}");
    assert_eq!(error.reason(), Reason::LoginProvider);
    // Another provider sends the browser back.
    let login = stage.login(None);
    let (cookie, address) = login.begin("/").await.unwrap();
    let other = Returned {
        iss: "https://evil.example".to_owned(),
        ..returned(&parameter(&address, "state"))
    };
    let error = refused(login.end(&other, &cookie).await);
    assert!(error.to_string().contains("calls itself"), "{error}");
}

#[tokio::test]
async fn what_the_provider_says_of_a_refusal_is_told() {
    let stage = Stage::new().await;
    let login = stage.login(None);
    let (cookie, address) = login.begin("/").await.unwrap();
    let refusal = Returned {
        error: "access_denied".to_owned(),
        error_description: "not your shift".to_owned(),
        ..returned(&parameter(&address, "state"))
    };
    let error = refused(login.end(&refusal, &cookie).await);
    assert_eq!(
        error.to_string(),
        "the provider refuses: access_denied not your shift"
    );
}
