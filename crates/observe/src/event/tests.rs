use super::*;
use crate::Records;
use proptest::prelude::*;

fn only(source: Source, text: &str) -> Event {
    let (mut records, mut found) = (Records::new(source), Vec::new());
    records.take(text.as_bytes(), |record| found.push(record));
    records.end(|record| found.push(record));
    assert_eq!(found.len(), 1, "{text}");
    Event::from_record(source, &found[0]).unwrap()
}

#[test]
fn an_error_is_one_group_whatever_its_release_its_values_and_its_lines() {
    let fatal = |root: &str, line: u32, id: u32, class: &str| {
        only(
            Source::Php,
            &format!(
                "[01-Dec-2026 03:00:00 UTC] PHP Fatal error:  Uncaught Shop\\Oops: No order {id} of \
                 'jane@shop.example' in {root}/vendor/shop/Order.php:{line}\nStack trace:\n#0 \
                 {root}/generated/code/Shop/Order/Interceptor.php({line}): {class}->load({id})\n#1 \
                 {root}/index.php(3): Shop\\App->run('jane')\n#2 {{main}}\n  thrown in \
                 {root}/vendor/shop/Order.php on line {line}"
            ),
        )
    };
    let one = fatal("/srv/shop/releases/0123456789abcdef", 12, 7, "Shop\\Order");
    let two = fatal(
        "/srv/shop/releases/fedcba9876543210",
        13,
        123_456,
        "Shop\\Order\\Interceptor",
    );
    assert_eq!(one.fingerprint, two.fingerprint);
    assert_eq!(
        (one.severity, one.class.as_str(), one.message.as_str()),
        (Severity::Fatal, "Shop\\Oops", "No order * of '*'")
    );
    assert_eq!(one.frames, ["Shop\\Order::load", "Shop\\App::run"]);
    assert!(
        one.text.contains("<email>") && !one.text.contains("jane"),
        "{}",
        one.text
    );
    assert_eq!(one.time, Some("2026-12-01T03:00:00Z".parse().unwrap()));
    let other = fatal(
        "/srv/shop/releases/0123456789abcdef",
        12,
        7,
        "Shop\\Invoice",
    );
    assert_ne!(one.fingerprint, other.fingerprint);
}

/// Version 1 is what other programs keep: it never changes.
#[test]
fn fingerprints_stay_what_they_are() {
    let warning = only(
        Source::Php,
        "[01-Dec-2026 03:00:00 UTC] PHP Warning:  Undefined variable $x in /r/a.php on line 3",
    );
    assert_eq!(warning.fingerprint.to_string(), "ce094f3a6a2111f6");
}

const PIECES: &[&[u8]] = &[
    b"[01-Dec-2026 03:00:00 UTC] ",
    b"PHP Fatal error:  Uncaught ",
    b"class@anonymous",
    b"$0: ",
    b"exception 'X' with message '",
    b"' in /a.php:3",
    b"\nStack trace:\n#0 ",
    b"{\"0\":\"",
    b"a:5:{i:0;s:7:\"",
    b"[object] (",
    b"(code: 0): ",
    b" at /a.php:3)",
    b"[2026-12-01T03:00:00+00:00] main.CRITICAL: ",
    b" exited on signal ",
    b"WARNING: ",
    b"incident=",
    b"PHP message: ",
    b"script '",
    b"\\n#1 ",
    b"\\\"",
];

proptest! {
    #[test]
    fn any_bytes_are_an_event_within_bounds(
        source in prop::sample::select(Source::ALL),
        bytes in prop::collection::vec(prop_oneof![
            any::<u8>().prop_map(|byte| vec![byte]),
            prop::sample::select(PIECES).prop_map(<[u8]>::to_vec),
        ], 0..60),
    ) {
        let record = Record { bytes: bytes.concat(), cut: false };
        if let Some(event) = Event::from_record(source, &record) {
            prop_assert!(event.class.len() <= page::CLASS && event.message.len() <= page::MESSAGE);
            prop_assert!(event.frames.len() <= 5);
            prop_assert!(event.text.chars().all(|sign| matches!(sign, '\n' | '\t') || !sign.is_control()));
        }
    }
}
