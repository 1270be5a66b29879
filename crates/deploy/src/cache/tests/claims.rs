//! Who fetches a chunk: one process, whatever happens to it.

use super::*;
use release::Sha256;
use std::{fs, os::unix::fs::symlink, thread, time::Duration};

#[test]
fn a_claim_is_one_processs_until_it_publishes_or_gives_up() {
    let lab = Lab::new();
    let (one, other) = (lab.open(), lab.open());
    let (digest, size) = (Sha256::digest(b"chunk"), 5);
    let claim = ours(&one, b"chunk");
    assert!(matches!(other.claim(&digest, size), Claimed::Busy));
    drop(claim);
    assert_eq!(lab.incoming(), 0);
    let claim = ours(&other, b"chunk");
    assert!(matches!(one.claim(&digest, size), Claimed::Busy));
    claim.publish(b"chunk");
    assert!(matches!(one.claim(&digest, size), Claimed::Found(_)));
    assert_eq!(lab.incoming(), 0);
}

#[test]
fn whoever_opened_a_file_before_it_was_published_never_writes_to_it() {
    let lab = Lab::new();
    let (one, other) = (lab.open(), lab.open());
    let claim = ours(&one, b"chunk");
    // The other process is between opening the file and asking for its lock.
    let name = Sha256::digest(b"chunk").to_string();
    let early = other.incoming.create(&name).unwrap();
    claim.publish(b"chunk");
    assert!(other.incoming.try_lock(&early, &name).unwrap());
    assert!(!other.incoming.is(&name, &early));
    assert!(matches!(
        other.claim(&Sha256::digest(b"chunk"), 5),
        Claimed::Found(_)
    ));
}

#[test]
fn what_a_killed_process_left_is_overwritten_by_the_next() {
    let lab = Lab::new();
    let cache = lab.open();
    fs::write(
        lab.path("v1/incoming")
            .join(Sha256::digest(b"chunk").to_string()),
        vec![1; 1000],
    )
    .unwrap();
    ours(&cache, b"chunk").publish(b"chunk");
    assert_eq!(find(&cache, b"chunk").unwrap(), b"chunk");
    for (name, make) in [("b", true), ("c", false)] {
        let path = lab
            .path("v1/incoming")
            .join(Sha256::digest(name.as_bytes()).to_string());
        let made = if make {
            fs::create_dir_all(path.join("deep"))
        } else {
            symlink("/etc/passwd", path)
        };
        made.unwrap();
        ours(&cache, name.as_bytes()).publish(name.as_bytes());
        assert_eq!(find(&cache, name.as_bytes()).unwrap(), name.as_bytes());
    }
}

#[test]
fn no_two_ever_have_the_same_claim() {
    let lab = Lab::new();
    let taken = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let cache = lab.open();
                let mut had = 0;
                while had < 50 {
                    match cache.claim(&Sha256::digest(b"chunk"), 5) {
                        // Given up each time, so that the file goes and comes while others are
                        // opening and locking it.
                        Claimed::Ours(claim) => {
                            assert!(!taken.swap(true, Relaxed), "two have it");
                            had += 1;
                            thread::sleep(Duration::from_micros(20));
                            taken.store(false, Relaxed);
                            drop(claim);
                        }
                        Claimed::Busy => thread::yield_now(),
                        other => panic!("{other:?}"),
                    }
                }
            });
        }
    });
}

#[test]
fn many_threads_fetch_each_chunk_once() {
    let lab = Lab::new();
    let fetched = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let cache = lab.open();
                for number in 0..200_u32 {
                    let bytes = number.to_be_bytes();
                    loop {
                        match cache.claim(&Sha256::digest(&bytes), 4) {
                            Claimed::Found(held) => {
                                let mut found = Vec::new();
                                held.read(&mut found).unwrap();
                                assert_eq!(found, bytes);
                                break;
                            }
                            Claimed::Ours(claim) => {
                                fetched.fetch_add(1, Relaxed);
                                claim.publish(&bytes);
                            }
                            Claimed::Busy => thread::yield_now(),
                            Claimed::Off => panic!("the cache can be written"),
                        }
                    }
                }
            });
        }
    });
    assert_eq!(fetched.into_inner(), 200);
    assert_eq!(lab.incoming(), 0);
}
