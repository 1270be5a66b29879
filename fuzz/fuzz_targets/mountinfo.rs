//! The kernel's table of mounts, in which other programs choose names: no input may panic, and
//! walking it ends.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mounts::MountTable;
use std::path::Path;

fuzz_target!(|bytes: &[u8]| {
    let Ok(table) = MountTable::parse(bytes) else {
        return;
    };
    for path in ["/", "/srv/shop/media"] {
        if let Some(entry) = table.at(Path::new(path)) {
            assert_eq!(entry.point, Path::new(path));
            assert_eq!(table.covering(Path::new(path)), Some(entry));
        }
    }
});
