//! Publishing the release in force again: what the store has lost of it, or holds damaged, is
//! uploaded, and no new sequence is made.

use e2e::{
    s3::{Options, Server},
    shop::{Shop, json},
};
use std::{collections::BTreeMap, fs, path::PathBuf};

/// Where blobs are below a store's location.
const BLOBS: &str = "blobs/sha256/";

/// The objects of a store, past the programs that use it.
enum Objects<'a> {
    Directory(PathBuf),
    Server(&'a Server),
}

impl Objects<'_> {
    /// Every blob, by its key.
    fn blobs(&self) -> BTreeMap<String, Vec<u8>> {
        match self {
            Self::Directory(store) => fs::read_dir(store.join(BLOBS))
                .unwrap()
                .map(|entry| {
                    let entry = entry.unwrap();
                    let name = entry.file_name().into_string().unwrap();
                    (format!("{BLOBS}{name}"), fs::read(entry.path()).unwrap())
                })
                .collect(),
            Self::Server(server) => server
                .keys()
                .iter()
                .filter_map(|key| key.strip_prefix("prod/"))
                .filter(|key| key.starts_with(BLOBS))
                .map(|key| {
                    let bytes = server.get(&format!("prod/{key}")).unwrap();
                    (key.to_owned(), bytes.to_vec())
                })
                .collect(),
        }
    }

    fn put(&self, key: &str, bytes: Vec<u8>) {
        match self {
            Self::Directory(store) => fs::write(store.join(key), bytes).unwrap(),
            Self::Server(server) => server.put(&format!("prod/{key}"), bytes),
        }
    }

    fn remove(&self, key: &str) {
        match self {
            Self::Directory(store) => fs::remove_file(store.join(key)).unwrap(),
            Self::Server(server) => assert!(server.remove(&format!("prod/{key}")), "{key}"),
        }
    }
}

fn publishing_again_heals(shop: &Shop, store: &Objects<'_>) {
    let sequence = shop.publish()["sequence"].clone();
    let whole = store.blobs();
    // A manifest is JSON, and a tarball begins with zstd's magic number.
    let (manifests, tarballs): (Vec<_>, Vec<_>) =
        whole.iter().partition(|(_, bytes)| bytes.starts_with(b"{"));
    let keys = |blobs: &[(&String, &Vec<u8>)]| -> Vec<String> {
        blobs.iter().map(|(key, _)| (*key).clone()).collect()
    };
    let (manifests, tarballs) = (keys(&manifests), keys(&tarballs));
    let ([manifest], [gone, flipped, short, _, _]) = (&manifests[..], &tarballs[..]) else {
        panic!("{manifests:?} {tarballs:?}");
    };
    let mut bytes = whole[flipped].clone();
    *bytes.last_mut().unwrap() ^= 1;
    store.put(flipped, bytes);
    store.put(short, whole[short][1..].to_vec());
    store.remove(gone);
    store.remove(manifest);
    let broken = shop.init("early").run();
    assert_ne!(broken.code(), Some(0), "{broken:#?}");

    let outcome = shop.publisher().run().expect(0);
    let healed = json(&outcome);
    let size = |key: &String| whole[key].len();
    let lost = [gone, flipped, short, manifest].map(size);
    let lost: usize = lost.iter().sum();
    let all: usize = whole.keys().map(size).sum();
    assert_eq!(healed["outcome"], "healed", "{outcome:#?}");
    assert_eq!(healed["sequence"], sequence);
    assert_eq!(healed["uploadedBytes"], lost);
    assert_eq!(healed["reusedBytes"], all - lost);
    // Damage is more than loss: somebody changed the bucket.
    for (key, damaged) in [(flipped, true), (short, true), (gone, false)] {
        let says = format!("{key} was damaged in the store, and is uploaded again");
        assert_eq!(outcome.stderr.contains(&says), damaged, "{outcome:#?}");
    }
    assert!(store.blobs() == whole, "other bytes than at first");
    shop.longshore(["verify", "--deep"]).expect(0);
    shop.init("fresh").run().expect(0);

    let third = shop.publish();
    assert_eq!(third["outcome"], "unchanged");
    assert_eq!(third["sequence"], sequence);
    assert_eq!(third["uploadedBytes"], 0);
}

#[test]
fn publishing_again_puts_back_what_a_directory_lost_or_holds_damaged() {
    let shop = Shop::on_disk(5, 5);
    publishing_again_heals(&shop, &Objects::Directory(shop.path("store")));
}

#[test]
fn publishing_again_puts_back_what_a_bucket_lost_or_holds_damaged() {
    let server = Server::start(Options::default()).unwrap();
    let shop = Shop::on(&server, 5, 5);
    publishing_again_heals(&shop, &Objects::Server(&server));
}
