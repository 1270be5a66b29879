//! The page `/status` as the scheduler reads it: one committed sample, written by this crate's
//! types and read by the scheduler's tests.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

use agent::status::{Page, PageState, Rejected, Running, Snapshot};
use jiff::Timestamp;
use release::{Sequence, Sha256};

const SAMPLE: &str = include_str!("../../../docs/formats/status.json");

#[test]
fn the_page_is_the_committed_sample() {
    let now = Timestamp::from_second(1_800_000_000).unwrap();
    let mut snapshot = Snapshot::new("shops/acme".parse().unwrap(), now);
    snapshot.version = "1.2.3";
    let sequence = Sequence::try_from(43_u64).unwrap();
    snapshot.running = Some(Running {
        sequence,
        manifest: Sha256::digest(b"43"),
        since: now,
        on_trial: false,
    });
    snapshot.rejected = vec![Rejected {
        manifest: Sha256::digest(b"44"),
        reason: "the shop answered 502".to_owned(),
        at: now,
    }];
    snapshot.page = Some(Page {
        state: PageState::Good,
        problem: None,
        at: Some(now),
    });
    let page = serde_json::to_string_pretty(&snapshot).unwrap() + "\n";
    assert_eq!(
        page, SAMPLE,
        "the scheduler's `evidence` reads this page: change both\n{page}"
    );
}
