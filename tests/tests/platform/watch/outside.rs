//! What visitors come by: the name of the shop's domain, and its certificate.

use super::{CERTIFICATE, HOST, LONG, NAME, NOTICED, told};
use e2e::{
    cluster::eventually,
    name_server::NameServer,
    platform::{Platform, edge::WATCH},
};
use jiff::{civil::date, tz::TimeZone};
use serde_json::Value;
use std::{
    net::{IpAddr, Ipv4Addr},
    time::Instant,
};

/// When the shop's certificate ends.
pub(super) const CERTIFICATE_END: (i32, u8, u8) = (2031, 2, 3);

/// The address of the edge, as a name server tells it.
pub(super) fn address(edge: IpAddr) -> Option<Ipv4Addr> {
    match edge {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    }
}

/// The last incident that began outside, if it has not ended.
fn incident(platform: &Platform<'_>) -> Option<Value> {
    let uptime = told(platform, &["uptime", NAME]);
    let mut all = uptime["incidents"].as_array().unwrap().iter();
    let open = |it: &&Value| it["vantage"] == "outside" && it.get("end").is_none();
    all.find(open).cloned()
}

/// When the certificate ends is known from the handshake, and alerts see it.
pub(super) fn certificate(platform: &Platform<'_>) {
    let path = format!("/api/v1/namespaces/{WATCH}/services/longshore-watch:api/proxy/metrics");
    let (year, month, day) = CERTIFICATE_END;
    let end = date(
        year.try_into().unwrap(),
        month.try_into().unwrap(),
        day.try_into().unwrap(),
    )
    .to_zoned(TimeZone::UTC)
    .unwrap();
    let name = "longshore_shop_certificate_end_timestamp_seconds";
    let line = format!("{name}{{shop=\"{NAME}\"}} {}", end.timestamp().as_second());
    eventually(CERTIFICATE, LONG, || {
        let page = platform
            .cluster
            .kubectl(["get", "--raw", &path])
            .run()
            .stdout;
        page.lines().any(|it| it == line).then_some(())
    });
}

/// The name is gone, and then back.
pub(super) fn vanishes(platform: &Platform<'_>, names: &NameServer, edge: IpAddr) {
    // From both: it was down a moment ago, and one of them may not have looked since.
    eventually("it is up", LONG, || {
        let uptime = told(platform, &["uptime", NAME]);
        let probes = uptime["hosts"][0]["probes"].as_array()?.clone();
        let is_up = |it: &Value| it.get("problem").is_none();
        let ended = |it: &Value| it.get("end").is_some();
        let over = uptime["incidents"].as_array()?.iter().all(ended);
        (over && probes.len() == 2 && probes.iter().all(is_up)).then_some(())
    });
    names.knows(HOST, None);
    let begin = Instant::now();
    let incident = eventually("an incident outside", LONG, || incident(platform));
    println!(
        "the name is gone: the incident is there after {:.0} s: {incident}",
        begin.elapsed().as_secs_f64()
    );
    assert!(begin.elapsed() < NOTICED);
    assert_eq!(incident["cause"], "dns", "{incident:#}");
    // Whoever knows the edge's address still gets the page: it is not the shop.
    let uptime = told(platform, &["uptime", NAME]);
    let inside = |it: &Value| it["vantage"] == "inside" && it.get("end").is_none();
    assert!(
        !uptime["incidents"].as_array().unwrap().iter().any(inside),
        "{uptime:#}"
    );
    names.knows(HOST, address(edge));
    eventually("its end", LONG, || {
        self::incident(platform).is_none().then_some(())
    });
}
