//! The pull's memory does not grow with the release.

use e2e::{
    s3::{Options, Server},
    shop::{Shop, last_event},
};

/// The ceiling of the whole process, in bytes: 96 MiB.
const CEILING: u64 = 96 << 20;

#[test]
fn ten_and_a_hundred_thousand_files_are_pulled_below_the_same_ceiling() {
    for (modules, files) in [(4, 2_500), (4, 25_000)] {
        let server = Server::start(Options::default()).unwrap();
        let shop = Shop::on(&server, modules, files);
        shop.longshore(["publish", "--sign", "ci.key", "--again", "--level", "1"])
            .expect(0);
        let pulled = last_event(&shop.init("pod").run().expect(0));
        assert_eq!(pulled["files"], modules * files);
        let peak = pulled["peak_memory_bytes"].as_u64().unwrap();
        println!("{} files: peak {} KiB", modules * files, peak / 1024);
        assert!(peak < CEILING, "{peak} bytes for {} files", modules * files);
    }
}
