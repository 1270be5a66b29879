#![allow(
    clippy::disallowed_methods,
    reason = "a test prepares what is on the disk"
)]

mod claims;

use super::*;
use release::Sha256;
use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
    time::{Duration, SystemTime},
};
use store::Etag;
use tempfile::TempDir;

struct Lab {
    directory: TempDir,
    limit: u64,
}

impl Lab {
    fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            limit: LIMIT,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join("cache").join(name)
    }

    fn chunk(&self, bytes: &[u8]) -> PathBuf {
        self.path("v1/chunks")
            .join(Sha256::digest(bytes).to_string())
    }

    fn try_open(&self) -> Result<Option<Arc<Cache>>, CacheError> {
        Cache::open(&Settings {
            directory: self.path(""),
            limit: self.limit,
        })
    }

    fn open(&self) -> Arc<Cache> {
        self.try_open().unwrap().unwrap()
    }

    fn incoming(&self) -> usize {
        fs::read_dir(self.path("v1/incoming")).unwrap().count()
    }

    fn age(&self, bytes: &[u8], seconds: u64) {
        let time = SystemTime::now() - Duration::from_secs(seconds);
        fs::File::open(self.chunk(bytes))
            .unwrap()
            .set_modified(time)
            .unwrap();
    }
}

fn ours(cache: &Arc<Cache>, bytes: &[u8]) -> Claim {
    match cache.claim(&Sha256::digest(bytes), bytes.len() as u64) {
        Claimed::Ours(claim) => claim,
        other => panic!("{other:?}"),
    }
}

fn find(cache: &Arc<Cache>, bytes: &[u8]) -> Option<Vec<u8>> {
    let held = cache.find(&Sha256::digest(bytes), bytes.len() as u64)?;
    let mut found = Vec::new();
    held.read(&mut found).unwrap();
    Some(found)
}

#[test]
fn what_is_published_is_found_by_every_process() {
    let lab = Lab::new();
    let (one, other) = (lab.open(), lab.open());
    assert!(find(&one, b"chunk").is_none());
    ours(&one, b"chunk").publish(b"chunk");
    assert_eq!(find(&other, b"chunk").unwrap(), b"chunk");
    assert_eq!(lab.incoming(), 0);
    let spool = lab.directory.path().join("spool");
    fs::write(&spool, vec![7; 1 << 20]).unwrap();
    ours(&one, &vec![7; 1 << 20]).publish_file(&fs::File::open(spool).unwrap());
    assert_eq!(find(&other, &vec![7; 1 << 20]).unwrap(), vec![7; 1 << 20]);
}

#[test]
fn everything_in_it_is_ours_alone() {
    let lab = Lab::new();
    let cache = lab.open();
    ours(&cache, b"chunk").publish(b"chunk");
    cache.remember(
        "s3://a",
        "trust/2.root.json",
        &Remembered {
            bytes: b"x".to_vec(),
            etag: Etag::new("\"1\""),
        },
    );
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
    for directory in ["", "v1", "v1/chunks", "v1/incoming", "v1/objects"] {
        assert_eq!(mode(&lab.path(directory)), 0o700, "{directory}");
    }
    let object = fs::read_dir(lab.path("v1/objects"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    assert_eq!((mode(&lab.chunk(b"chunk")), mode(&object)), (0o600, 0o600));
}

fn refused(prepare: &dyn Fn(&Path), says: &str) {
    let lab = Lab::new();
    prepare(&lab.directory.path().join("cache"));
    let error = lab.try_open().unwrap_err();
    assert_eq!(error.reason(), release::Reason::Cache);
    assert!(error.to_string().contains(says), "{error}");
}

#[test]
fn a_directory_that_others_can_enter_or_that_is_no_directory_is_refused() {
    for mode in [0o755, 0o770, 0o701, 0o710] {
        let prepare = move |path: &Path| {
            fs::create_dir(path).unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        refused(&prepare, &format!("has mode {mode:04o}"));
    }
    refused(&|path| fs::write(path, "").unwrap(), "is not a directory");
    refused(&|path| symlink("/tmp", path).unwrap(), "is a link");
    let below = |path: &Path| {
        fs::create_dir(path).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o700)).unwrap();
        symlink("/tmp", path.join("v1")).unwrap();
    };
    refused(&below, "v1 is not a directory");
}

#[test]
#[ignore = "needs root: make test-root"]
fn a_directory_of_another_user_is_refused() {
    let other = |path: &Path| {
        fs::create_dir(path).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o700)).unwrap();
        std::os::unix::fs::chown(path, Some(12_345), None).unwrap();
    };
    refused(&other, "belongs to user 12345");
}

#[test]
fn a_cache_that_cannot_be_made_is_none() {
    let settings = Settings {
        directory: "/proc/none".into(),
        limit: LIMIT,
    };
    assert!(Cache::open(&settings).unwrap().is_none());
}

#[test]
fn what_is_not_a_file_of_the_signed_size_is_evicted() {
    type Damage = fn(&Path);
    let damages: [Damage; 6] = [
        |path| fs::write(path, "chun").unwrap(),
        |path| fs::write(path, "chunks").unwrap(),
        |path| {
            fs::remove_file(path).unwrap();
            symlink("/etc/passwd", path).unwrap();
        },
        |path| {
            fs::remove_file(path).unwrap();
            fs::create_dir_all(path.join("deep/er")).unwrap();
        },
        |path| {
            fs::remove_file(path).unwrap();
            rustix::fs::mknodat(
                rustix::fs::CWD,
                path,
                rustix::fs::FileType::Fifo,
                0o600.into(),
                0,
            )
            .unwrap();
        },
        |path| {
            fs::remove_file(path).unwrap();
            symlink("nowhere", path).unwrap();
        },
    ];
    for damage in damages {
        let lab = Lab::new();
        let cache = lab.open();
        ours(&cache, b"chunk").publish(b"chunk");
        damage(&lab.chunk(b"chunk"));
        assert!(find(&cache, b"chunk").is_none());
        assert!(lab.chunk(b"chunk").symlink_metadata().is_err());
        assert_eq!(cache.damaged(), 1);
        ours(&cache, b"chunk").publish(b"chunk");
        assert!(find(&cache, b"chunk").is_some());
    }
}

#[test]
fn a_damaged_chunk_is_evicted_unless_somebody_replaced_it() {
    let lab = Lab::new();
    let cache = lab.open();
    ours(&cache, b"chunk").publish(b"chunk");
    fs::write(lab.chunk(b"chunk"), "kunch").unwrap();
    let held = [(); 2].map(|()| cache.find(&Sha256::digest(b"chunk"), 5).unwrap());
    assert_eq!(held[0].evict("its digest is another"), Eviction::Gone);
    ours(&cache, b"chunk").publish(b"chunk");
    assert_eq!(held[1].evict("its digest is another"), Eviction::Gone);
    assert_eq!(find(&cache, b"chunk").unwrap(), b"chunk");
    assert_eq!(cache.damaged(), 1);
}

#[test]
fn what_was_used_longest_ago_is_evicted_first() {
    let mut lab = Lab::new();
    lab.limit = 250;
    let cache = lab.open();
    let chunks: Vec<Vec<u8>> = (0..4).map(|number| vec![number; 100]).collect();
    for (number, chunk) in chunks.iter().enumerate() {
        ours(&cache, chunk).publish(chunk);
        lab.age(chunk, 1000 - number as u64);
    }
    // The oldest is used once more.
    cache
        .find(&Sha256::digest(&chunks[0]), 100)
        .unwrap()
        .served();
    cache.sweep();
    let left: Vec<_> = chunks
        .iter()
        .map(|chunk| find(&cache, chunk).is_some())
        .collect();
    assert_eq!(left, [true, false, false, true]);
    // Nothing was added, so nobody looks.
    lab.limit = 0;
    lab.open().sweep();
    assert!(find(&cache, &chunks[0]).is_some());
}

#[test]
fn more_files_than_are_remembered_at_once_are_evicted() {
    let mut lab = Lab::new();
    lab.limit = 100;
    let cache = lab.open();
    for number in 0..5000 {
        fs::write(lab.path("v1/chunks").join(format!("{number:064x}")), "x").unwrap();
    }
    ours(&cache, b"chunk").publish(b"chunk");
    cache.sweep();
    assert_eq!(fs::read_dir(lab.path("v1/chunks")).unwrap().count(), 96);
    assert!(find(&cache, b"chunk").is_some());
}

#[test]
fn leftovers_are_swept_and_claims_are_not() {
    let lab = Lab::new();
    let (one, other) = (lab.open(), lab.open());
    fs::write(lab.path("v1/incoming/0123456789abcdef"), "half").unwrap();
    let claim = ours(&one, b"chunk");
    other.sweep();
    assert_eq!(lab.incoming(), 1);
    claim.publish(b"chunk");
    assert!(find(&other, b"chunk").is_some());
}

#[test]
fn objects_come_back_as_the_store_sent_them_and_damaged_ones_do_not() {
    let lab = Lab::new();
    let cache = lab.open();
    let key = "channels/shops/acme/release.json";
    let object = Remembered {
        bytes: b"{\n}".to_vec(),
        etag: Etag::new("\"a tag with spaces\""),
    };
    assert_eq!(cache.recall("s3://a", key), None);
    cache.remember("s3://a", key, &object);
    assert_eq!(cache.recall("s3://a", key), Some(object.clone()));
    assert_eq!(cache.recall("s3://b", key), None);
    cache.remember(
        "s3://a",
        key,
        &Remembered {
            etag: Etag::new("\n"),
            ..object.clone()
        },
    );
    assert_eq!(cache.recall("s3://a", key), Some(object.clone()));
    let path = fs::read_dir(lab.path("v1/objects"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let good = fs::read(&path).unwrap();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        fs::write(&path, bad).unwrap();
        // The tag is the store's word; with another one the store sends the object again.
        if let Some(found) = cache.recall("s3://a", key) {
            assert_eq!(found.bytes, object.bytes);
        } else {
            assert!(!path.exists(), "byte {at}");
        }
    }
    fs::write(&path, [&good[..], &vec![b'x'; 70 << 10]].concat()).unwrap();
    assert_eq!(cache.recall("s3://a", key), None);
    symlink("/dev/zero", &path).unwrap();
    assert_eq!(cache.recall("s3://a", key), None);
    assert!(path.symlink_metadata().is_err());
}
