//! An envelope, and the release in it: no input may panic, and what is accepted says the same after
//! it was written again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use release::{Envelope, Release};

fuzz_target!(|bytes: &[u8]| {
    let Ok(envelope) = Envelope::parse(bytes) else {
        return;
    };
    let again = Envelope::parse(&envelope.to_json()).expect("what we wrote can be read");
    assert_eq!(envelope.pae(), again.pae());
    assert_eq!(envelope.signatures().len(), again.signatures().len());
    let Ok(release) = Release::unverified(&envelope) else {
        return;
    };
    let Ok(written) = release.to_envelope() else {
        return;
    };
    assert_eq!(
        Release::unverified(&written).expect("a release that we wrote can be read"),
        release
    );
});
