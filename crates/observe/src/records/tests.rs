use super::*;
use proptest::prelude::*;

fn all(source: Source, parts: &[&[u8]]) -> Vec<(String, bool)> {
    let (mut records, mut found) = (Records::new(source), Vec::new());
    let mut each = |record: Record| {
        found.push((
            String::from_utf8_lossy(&record.bytes).into_owned(),
            record.cut,
        ));
    };
    for part in parts {
        records.take(part, &mut each);
        assert!(records.waiting() <= 2 * RECORD);
    }
    records.end(&mut each);
    found
}

fn texts(source: Source, text: &str) -> Vec<String> {
    all(source, &[text.as_bytes()])
        .into_iter()
        .map(|(text, _)| text)
        .collect()
}

#[test]
fn a_trace_belongs_to_its_error() {
    let fatal = "[01-Dec-2026 03:00:00 UTC] PHP Fatal error:  Uncaught Exception: a\n\nb in \
                 /a.php:3\nStack trace:\n#0 {main}\n  thrown in /a.php on line 3";
    let warning = "[01-Dec-2026 03:00:00 UTC] PHP Warning:  x in /a.php on line 4";
    let xdebug = "[01-Dec-2026 03:00:00 UTC] PHP Warning:  y in /a.php on line 4\n[01-Dec-2026 \
                  03:00:00 UTC] PHP Stack trace:\n[01-Dec-2026 03:00:00 UTC] PHP   1. {main}() \
                  /a.php:0";
    assert_eq!(
        texts(Source::Php, &[fatal, warning, xdebug, ""].join("\n")),
        [fatal, warning, xdebug]
    );
    let slow = "[01-Dec-2026 03:00:00]  [pool shop] pid 7\nscript_filename = /a.php\n[0x00007f] \
                sleep() /a.php:3";
    assert_eq!(
        texts(Source::Slow, &format!("\n{slow}\n\n{slow}\n")),
        [slow, slow]
    );
}

#[test]
fn lines_without_a_time_are_records() {
    assert_eq!(
        texts(
            Source::Log,
            "first\r\n\nsecond\n#0 its trace\nthird\n2026-12-01T03:00:00+00:00 ERR (3): \nits \
             text\nhalf"
        ),
        [
            "first",
            "second\n#0 its trace",
            "third",
            "2026-12-01T03:00:00+00:00 ERR (3): \nits text\nhalf"
        ]
    );
}

#[test]
fn a_long_record_is_cut_once_and_its_rest_is_left_out() {
    let long = "x".repeat(1 << 20);
    let header = "[01-Dec-2026 03:00:00 UTC] PHP Warning:  ";
    let text = format!("{header}{long}\n#0 trace\n  thrown\n{header}next\n");
    let found = all(Source::Php, &[text.as_bytes()]);
    assert_eq!(
        found
            .iter()
            .map(|(text, cut)| (text.len(), *cut))
            .collect::<Vec<_>>(),
        [(RECORD, true), (header.len() + 4, false)]
    );
    let many = format!(
        "{header}\n{}{header}next\n",
        "line of 16 bytes\n".repeat(5000)
    );
    let found = all(Source::Php, &[many.as_bytes()]);
    assert!(found[0].1 && found[0].0.len() <= RECORD);
    assert_eq!(found.len(), 2);
}

#[test]
fn after_a_while_what_has_an_end_is_given() {
    let mut records = Records::new(Source::Php);
    let mut found = Vec::new();
    records.take(
        b"[01-Dec-2026 03:00:00 UTC] PHP Warning:  a\nha",
        |_| panic!(),
    );
    records.pause(|_| panic!());
    records.take(b"lf\n", |_| panic!());
    records.pause(|record| found.push(record.bytes));
    assert!(found[0].ends_with(b"a\nhalf") && records.waiting() == 0);
    records.take(b"next\n", |record| found.push(record.bytes));
    records.pause(|record| found.push(record.bytes));
    assert_eq!(found[1], b"next");
    records.take(b"one\ntw", |_| panic!());
    records.pause(|record| found.push(record.bytes));
    assert_eq!(found[2], b"one");
}

#[test]
fn after_a_gap_it_begins_with_a_whole_record() {
    let mut records = Records::new(Source::Php);
    let mut found = Vec::new();
    records.take(
        b"[01-Dec-2026 03:00:00 UTC] PHP Warning:  lost",
        |_| panic!(),
    );
    records.restart_in_the_middle();
    records.take(b" middle\n#7 trace\n  thrown\nplain\n", |record| {
        found.push(record.bytes);
    });
    records.end(|record| found.push(record.bytes));
    assert_eq!(found, [b"plain"]);
}

fn like_a_log() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"\n".to_vec()),
        Just(b"\n[01-Dec-2026 03:00:00 UTC] PHP Fatal error:  x".to_vec()),
        Just(b"\n[2026-12-01T03:00:00+00:00] main.CRITICAL: x".to_vec()),
        Just(b"\n2026-12-01T03:00:00+00:00 ERR (3): x".to_vec()),
        Just(b"\n2026/12/01 03:00:00 [error] x".to_vec()),
        Just(b"\n#0 /a.php(3): x()\n".to_vec()),
        Just(vec![b'y'; RECORD - 20]),
        prop::collection::vec(any::<u8>(), 0..40),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn how_a_file_is_read_changes_nothing(
        bytes in like_a_log(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..5),
        source in prop::sample::select(Source::ALL),
    ) {
        let mut at: Vec<usize> = cuts.into_iter().map(|cut| cut.index(bytes.len() + 1)).chain([0, bytes.len()]).collect();
        at.sort_unstable();
        let parts = at.array_windows::<2>().map(|&[from, to]| &bytes[from..to]);
        let parts: Vec<&[u8]> = parts.collect();
        let found = all(source, &parts);
        prop_assert_eq!(&found, &all(source, &[&bytes]));
        prop_assert!(found.iter().all(|(text, _)| !text.is_empty()));
    }
}
