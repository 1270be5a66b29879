//! A manifest: no input may panic, and what is accepted is the same after it was written again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use release::Manifest;

fuzz_target!(|bytes: &[u8]| {
    let Ok(manifest) = Manifest::parse(bytes) else {
        return;
    };
    assert_eq!(
        Manifest::parse(&manifest.to_json()).expect("what we wrote can be read"),
        manifest
    );
});
