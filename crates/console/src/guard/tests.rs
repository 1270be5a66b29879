//! Who is let in.

use super::*;
use crate::session::{SESSION, tests::keys};
use http::HeaderName;

fn guarded() -> Guard {
    Guard::new("127.0.0.1:9000".parse().unwrap())
}

fn headers(all: &[(&'static str, &str)]) -> HeaderMap {
    let one = |(name, value): &(&'static str, &str)| {
        (HeaderName::from_static(name), value.parse().unwrap())
    };
    all.iter().map(one).collect()
}

#[test]
fn only_who_was_shown_the_secret_is_answered() {
    let guard = guarded();
    let cookie = format!("a=b; {}", guard.cookie().split(';').next().unwrap());
    let check = |cookie: &str, host: &str| {
        let headers = headers(&[("cookie", cookie), ("host", host)]);
        guard.check(&Method::GET, "/shops", &headers, Timestamp::now())
    };
    assert_eq!(check(&cookie, "127.0.0.1:9000"), Ok(None));
    assert_eq!(check(&cookie, "localhost:9000"), Ok(None));
    assert_eq!(check("", "127.0.0.1:9000"), Err(Refusal::Secret));
    let other = guarded().cookie();
    let other = other.split(';').next().unwrap();
    assert_eq!(check(other, "127.0.0.1:9000"), Err(Refusal::Secret));
    // A name of DNS that leads to 127.0.0.1.
    assert_eq!(check(&cookie, "rebind.example:9000"), Err(Refusal::Name));
    assert_eq!(check(&cookie, "127.0.0.1"), Err(Refusal::Name));
}

#[test]
fn what_is_sent_comes_from_a_page_of_ours() {
    let guard = guarded();
    let cookie = guard.cookie();
    let send = |more: &[(&'static str, &str)]| {
        let mut all = vec![("cookie", cookie.as_str()), ("host", "127.0.0.1:9000")];
        all.extend(more);
        guard.check(&Method::POST, "/halt", &headers(&all), Timestamp::now())
    };
    let own = ("origin", "http://127.0.0.1:9000");
    assert_eq!(send(&[own]), Ok(None));
    assert_eq!(send(&[own, ("sec-fetch-site", "same-origin")]), Ok(None));
    assert_eq!(send(&[]), Err(Refusal::Origin));
    assert_eq!(send(&[("origin", "null")]), Err(Refusal::Origin));
    assert_eq!(
        send(&[("origin", "http://127.0.0.1:9001")]),
        Err(Refusal::Origin)
    );
    assert_eq!(
        send(&[own, ("sec-fetch-site", "same-site")]),
        Err(Refusal::Origin)
    );
}

#[test]
fn the_token_of_a_form_is_not_the_secret() {
    let guard = guarded();
    let token = guard.form_token("anna");
    assert!(!guard.knows(&token));
    assert!(guard.is_form_token(&token, "anna"));
    assert!(!guard.is_form_token(&guarded().form_token("anna"), "anna"));
    assert!(!guard.is_form_token("", "anna"));
}

fn door(bytes: &[u8]) -> Guard {
    let origin = "https://console.example".parse().unwrap();
    Guard::of_login(origin, Arc::new(keys(bytes)))
}

fn session(until: Timestamp) -> String {
    let session = Session {
        user: "oidc:anna".to_owned(),
        groups: Vec::new(),
        until,
    };
    let sealed = keys(&[1]).seal(Purpose::Session, &session).unwrap();
    format!("{COOKIE}={sealed}")
}

#[test]
fn only_who_is_logged_in_is_answered_and_only_at_the_consoles_name() {
    let (guard, now) = (door(&[1]), Timestamp::now());
    let check = |method: &Method, path: &str, cookie: &str, host: &str| {
        let origin = ("origin", "https://console.example");
        let headers = headers(&[("cookie", cookie), ("host", host), origin]);
        let checked = guard.check(method, path, &headers, now);
        checked.map(|session| session.map(|session| session.user))
    };
    let (good, name) = (session(now + SESSION), "console.example");
    let anna = Ok(Some("oidc:anna".to_owned()));
    assert_eq!(check(&Method::GET, "/shops", &good, name), anna);
    assert_eq!(check(&Method::POST, "/halt", &good, name), anna);
    for host in ["evil.example", "127.0.0.1:9813", "", "console.example.evil"] {
        let refused = check(&Method::GET, "/shops", &good, host);
        assert_eq!(refused, Err(Refusal::Name), "{host}");
    }
    let forged = format!("{good}A");
    for cookie in ["", "longshore=", &forged, &session(now)] {
        for (method, path) in [
            (Method::GET, "/shops"),
            (Method::POST, "/halt"),
            (Method::POST, "/login"),
        ] {
            let refused = check(&method, path, cookie, name);
            assert_eq!(refused, Err(Refusal::Session), "{path} {cookie}");
        }
        for path in [
            "/login",
            "/login/callback",
            "/logged-out",
            "/assets/console.css",
        ] {
            assert_eq!(check(&Method::GET, path, cookie, name), Ok(None), "{path}");
        }
    }
}

#[test]
fn a_form_counts_for_its_person_in_each_replica_and_after_the_next_login() {
    let token = door(&[1]).form_token("oidc:anna");
    assert!(door(&[2, 1]).is_form_token(&token, "oidc:anna"));
    assert!(!door(&[1]).is_form_token(&token, "oidc:boris"));
    assert!(!door(&[2]).is_form_token(&token, "oidc:anna"));
    for bad in ["", "AAAA"] {
        assert!(!door(&[1]).is_form_token(bad, "oidc:anna"));
    }
    // Nobody's session is a token of a form.
    let session = session(Timestamp::now() + SESSION);
    let sealed = session.split_once('=').unwrap().1;
    assert!(!door(&[1]).is_form_token(sealed, "oidc:anna"));
}

#[test]
fn only_a_browser_that_opens_a_page_is_led_to_the_login() {
    let none = HeaderMap::new();
    assert!(leads_to_login(&Method::GET, "/shops", &none));
    assert!(!leads_to_login(&Method::GET, "/live", &none));
    assert!(!leads_to_login(&Method::POST, "/halt", &none));
    assert!(!leads_to_login(
        &Method::GET,
        "/shops",
        &headers(&[("hx-request", "true")])
    ));
    let response = login(&"/shops?q=a&page=2".parse().unwrap());
    assert_eq!(
        response.headers()["location"],
        "/login?to=/shops%3Fq%3Da%26page%3D2"
    );
}

#[test]
fn behind_tls_cookies_are_of_this_host_alone() {
    let mut sent = headers(&[("cookie", "longshore=evil; __Host-longshore=a; __Host-b=c")]);
    sent.append("cookie", "__Host-d=e".parse().unwrap());
    headers::plain_cookies(&mut sent);
    assert_eq!(cookie(&sent, "longshore"), Some("a"));
    assert_eq!(cookie(&sent, "d"), Some("e"));
    let mut answer = HeaderMap::new();
    set_cookie(&mut answer, COOKIE, "a", 60);
    set_cookie(&mut answer, "b", "", 0);
    headers::add(&mut answer);
    headers::bind_to_tls(&mut answer);
    let cookies: Vec<_> = answer.get_all("set-cookie").iter().collect();
    assert_eq!(
        cookies,
        [
            "__Host-longshore=a; Path=/; Max-Age=60; HttpOnly; SameSite=Lax; Secure",
            "__Host-b=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax; Secure",
        ]
    );
    assert!(answer.contains_key("strict-transport-security"));
    let mut laptop = HeaderMap::new();
    headers::add(&mut laptop);
    assert!(!laptop.contains_key("strict-transport-security"));
}
