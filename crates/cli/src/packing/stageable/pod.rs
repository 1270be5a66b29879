//! A publisher that checks nothing, and a pod that takes what it published.

use crate::{
    compose::Share,
    packing::describe,
    spec::{ModuleSpec, Spec},
};
use deploy::{
    Places,
    pull::{self, MEMORY, PullError, Settings},
};
use jiff::Timestamp;
use release::{
    Algorithm, Manifest, RelativePath, Release, SecretKey, Sha256, TrustRoot, Verified, key,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    num::NonZeroUsize,
    path::Path,
    sync::Arc,
    time::Duration,
};
use store::{Condition, Location, ObjectStore, Options};
use tarball::{Kind, PackOptions, Source};

const NOW: i64 = 1_800_000_000;

/// What an honest publisher that checks nothing would say of the packed `sources`.
pub(super) fn unchecked(spec: &Spec, sources: &[Source], store: &Path) -> Manifest {
    let full = |module: &ModuleSpec, path: &RelativePath| {
        module
            .target
            .as_ref()
            .map_or(path.clone(), |target| target.join(path).unwrap())
    };
    let owned = |number: usize| -> BTreeMap<RelativePath, &tarball::Entry> {
        let entries = sources[number]
            .entries()
            .iter()
            .filter(|entry| entry.kind != Kind::Directory);
        entries
            .map(|entry| (full(&spec.modules[number], &entry.path), entry))
            .collect()
    };
    let (mut modules, mut files, mut bytes) = (Vec::new(), 0, 0);
    for (number, (module, source)) in spec.modules.iter().zip(sources).enumerate() {
        let beaten = number == 0
            && spec
                .modules
                .get(1)
                .is_some_and(|second| !second.overrides.is_empty());
        let winners = if beaten { owned(1) } else { BTreeMap::new() };
        let lost: BTreeSet<_> = owned(number)
            .into_iter()
            .filter(|(path, _)| winners.contains_key(path))
            .map(|(_, entry)| entry.path.clone())
            .collect();
        let mut tarball = Vec::new();
        let packed = tarball::pack(
            source,
            &mut tarball,
            PackOptions {
                threads: NonZeroUsize::MIN,
                level: 1,
                progress: None,
            },
        )
        .unwrap();
        let blob = store.join(key::blob(&packed.sha256));
        fs::create_dir_all(blob.parent().unwrap()).unwrap();
        fs::write(blob, tarball).unwrap();
        for entry in source
            .entries()
            .iter()
            .filter(|entry| !lost.contains(&entry.path))
        {
            if let Kind::File { size, .. } = entry.kind {
                (files, bytes) = (files + 1, bytes + size);
            }
        }
        modules.push(describe(
            module,
            packed,
            &Share {
                replaced: lost,
                ..Share::default()
            },
        ));
    }
    let Spec {
        shared, writable, ..
    } = spec.clone();
    Manifest {
        schema: 1,
        modules,
        files,
        bytes,
        shared,
        writable,
        php: None,
        migration: spec.migration,
        case_sensitive: false,
    }
}

pub(super) struct Pod {
    key: SecretKey,
    trust: Verified<TrustRoot>,
    runtime: tokio::runtime::Runtime,
}

impl Pod {
    pub(super) fn new() -> Self {
        let key = SecretKey::generate(Algorithm::Ed25519).unwrap();
        let root = TrustRoot::new(
            1,
            Timestamp::from_second(NOW + 1_000_000).unwrap(),
            [key.public().clone()].into(),
            1,
        )
        .unwrap();
        let mut envelope = root.to_envelope();
        envelope.sign(&key).unwrap();
        let trust = TrustRoot::from_trusted(&envelope.to_json()).unwrap();
        Self {
            key,
            trust,
            runtime: tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .unwrap(),
        }
    }

    pub(super) fn start(
        &self,
        scratch: &Path,
        manifest: &Manifest,
        places: Places,
    ) -> Result<(), PullError> {
        let bytes = manifest.to_json();
        let release = Release {
            channel: "shops/acme".parse().unwrap(),
            sequence: 1.try_into().unwrap(),
            created: Timestamp::from_second(NOW - 60).unwrap(),
            expires: None,
            root_version: 1,
            migration: manifest.migration,
            manifest: Sha256::digest(&bytes),
            manifest_size: bytes.len() as u64,
        };
        let mut envelope = release.to_envelope().unwrap();
        envelope.sign(&self.key).unwrap();
        let root = scratch.join(if places == Places::default() {
            "root"
        } else {
            "root-with-places"
        });
        self.runtime.block_on(async {
            let location = Location::Directory(scratch.join("store"));
            let store: Arc<dyn ObjectStore> =
                store::open(&location, &Options::default()).await.unwrap();
            store
                .put(
                    &key::blob(&release.manifest),
                    bytes.into(),
                    Condition::Always,
                )
                .await
                .unwrap();
            store
                .put(
                    &key::channel_head(&release.channel),
                    envelope.to_json().into(),
                    Condition::Always,
                )
                .await
                .unwrap();
            let settings = Settings {
                channel: release.channel.clone(),
                root,
                trust: self.trust.clone(),
                source: pull::Source::Channel,
                floor: None,
                trust_floor: 0,
                places,
                cache: None,
                memory: MEMORY,
                deadline: Duration::from_mins(1),
                now: Timestamp::from_second(NOW).unwrap(),
            };
            pull::pull(&settings, &store, &|_| (), std::future::pending())
                .await
                .map(drop)
        })
    }
}
