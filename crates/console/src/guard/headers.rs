//! The headers of answers, and the names of cookies.

use http::{HeaderMap, HeaderName, HeaderValue, header};

/// Nothing from elsewhere, nothing inline, no frame. Of referrers, `same-origin`: with
/// `no-referrer` browsers would say that forms come from the origin `null`.
const POLICY: &str = "default-src 'none'; base-uri 'none'; connect-src 'self'; form-action 'self'; \
                      frame-ancestors 'none'; img-src 'self'; script-src 'self'; style-src 'self'";
/// Devices of the reader's that no page of ours needs.
const DEVICES: &str = "accelerometer=(), camera=(), display-capture=(), geolocation=(), \
                       gyroscope=(), magnetometer=(), microphone=(), midi=(), payment=(), \
                       publickey-credentials-get=(), screen-wake-lock=(), usb=(), \
                       xr-spatial-tracking=()";
const HEADERS: [(HeaderName, HeaderValue); 8] = [
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(POLICY),
    ),
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
    (
        header::REFERRER_POLICY,
        HeaderValue::from_static("same-origin"),
    ),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    (
        HeaderName::from_static("cross-origin-embedder-policy"),
        HeaderValue::from_static("require-corp"),
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    (
        HeaderName::from_static("permissions-policy"),
        HeaderValue::from_static(DEVICES),
    ),
];
/// A year, for this host alone: what else is under its name is not ours to decide.
const TLS: HeaderValue = HeaderValue::from_static("max-age=31536000");
/// What browsers take from this host alone, over TLS alone: no other host of the domain can set it.
const HOST: &str = "__Host-";

/// Adds the headers that each answer has.
pub(super) fn add(headers: &mut HeaderMap) {
    for (name, value) in HEADERS {
        headers.insert(name, value);
    }
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
}

/// Binds the browser to TLS, and the answer's cookies to TLS and this host.
pub(super) fn bind_to_tls(headers: &mut HeaderMap) {
    headers.insert(header::STRICT_TRANSPORT_SECURITY, TLS);
    let set: Vec<_> = headers.get_all(header::SET_COOKIE).iter().collect();
    let bound: Vec<_> = set.into_iter().filter_map(bound).collect();
    headers.remove(header::SET_COOKIE);
    for value in bound {
        headers.append(header::SET_COOKIE, value);
    }
}

fn bound(cookie: &HeaderValue) -> Option<HeaderValue> {
    let cookie = cookie.to_str().ok()?;
    HeaderValue::from_str(&format!("{HOST}{cookie}; Secure")).ok()
}

/// Leaves the cookies that only this host can have set, under their plain names.
pub(super) fn plain_cookies(headers: &mut HeaderMap) {
    let sent = headers.get_all(header::COOKIE).iter();
    let sent = sent.filter_map(|value| value.to_str().ok());
    let own = sent
        .flat_map(|all| all.split(';'))
        .filter_map(|one| one.trim().strip_prefix(HOST));
    let own = own.collect::<Vec<_>>().join("; ");
    headers.remove(header::COOKIE);
    if let Ok(value) = HeaderValue::from_str(&own) {
        headers.insert(header::COOKIE, value);
    }
}

/// The value of a cookie.
pub(crate) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let all = headers.get(header::COOKIE)?.to_str().ok()?;
    let mut pairs = all.split(';').filter_map(|one| one.trim().split_once('='));
    pairs.find(|(found, _)| *found == name).map(|it| it.1)
}

/// Sets a cookie, which lives for as many seconds; 0 takes it away. `SameSite=Lax`: a browser that
/// comes back from the provider is led on to the page, and a cookie that is `Strict` would not be
/// sent there, since the way began at another site. Nothing is changed by what is sent with it: a
/// form needs its own site and its token besides.
pub(crate) fn set_cookie(headers: &mut HeaderMap, name: &str, value: &str, seconds: i64) {
    let cookie = format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax");
    if let Ok(value) = HeaderValue::from_str(&cookie) {
        headers.append(header::SET_COOKIE, value);
    }
}
