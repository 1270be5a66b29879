//! A log that a shop writes as it likes: no input may panic, take more than its bound, or be read
//! otherwise in pieces than as a whole. The first byte says which log it is, and how it is cut.
#![no_main]

use libfuzzer_sys::fuzz_target;
use observe::{Event, RECORD, Record, Records, Source};

fuzz_target!(|input: &[u8]| {
    let Some((&how, log)) = input.split_first() else {
        return;
    };
    let source = Source::ALL[usize::from(how) % Source::ALL.len()];
    let whole = read(source, log, usize::MAX);
    assert_eq!(whole, read(source, log, usize::from(how) + 1));
    for record in &whole {
        assert!(record.bytes.len() <= RECORD);
        if let Some(event) = Event::from_record(source, record) {
            assert!(event.frames.len() <= 5 && event.message.len() <= observe::page::MESSAGE);
            assert!(
                event
                    .text
                    .chars()
                    .all(|sign| matches!(sign, '\n' | '\t') || !sign.is_control())
            );
        }
    }
});

fn read(source: Source, log: &[u8], piece: usize) -> Vec<Record> {
    let (mut records, mut found) = (Records::new(source), Vec::new());
    for piece in log.chunks(piece) {
        records.take(piece, |record| found.push(record));
        assert!(records.waiting() <= 2 * RECORD);
    }
    records.end(|record| found.push(record));
    found
}
