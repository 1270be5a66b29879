//! A trust root: as the one that a pod is given, as the successor of one that it has, and what its
//! parser makes of it unsigned.
#![no_main]

use libfuzzer_sys::fuzz_target;
use release::{Envelope, TrustRoot};

fuzz_target!(|bytes: &[u8]| {
    let first = TrustRoot::from_trusted(include_bytes!("../../tests/golden/v1/1.root.json"))
        .expect("the golden root is signed");
    if let Ok(next) = first.successor(bytes) {
        // Nobody but the holder of the golden key can make another.
        assert_eq!(next.version(), first.version() + 1);
    }
    if let Ok(trusted) = TrustRoot::from_trusted(bytes) {
        drop(trusted.verify_release(&Envelope::parse(bytes).expect("it was read already")));
    }
    let Ok(envelope) = Envelope::parse(bytes) else {
        return;
    };
    let Ok(root) = TrustRoot::unverified(&envelope) else {
        return;
    };
    assert_eq!(
        TrustRoot::unverified(&root.to_envelope()).expect("a root that we wrote can be read"),
        root
    );
});
