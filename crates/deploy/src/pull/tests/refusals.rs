use super::*;
use release::Reason;

// Publishes 1, pulls it, lets `break_it` do something, and expects the next pull to fail for
// `reason` while 1 runs on.
pub(super) async fn refused(
    lab: &Lab,
    change: impl FnOnce(&mut Settings),
    reason: Reason,
) -> PullError {
    let error = lab.pull_with(change).await.unwrap_err();
    assert_eq!(error.reason(), reason, "{error}");
    assert_eq!((lab.running(), lab.staging()), (Some(1), 0), "{error}");
    assert_eq!(lab.read("index.php"), "one");
    error
}

pub(super) async fn running() -> Lab {
    let lab = Lab::new().await;
    lab.publish(1, &[("core", "", files([("index.php", "one")]))])
        .await;
    lab.pull().await.unwrap();
    lab
}

#[tokio::test]
async fn a_flipped_bit_in_a_tarball_is_refused() {
    let lab = running().await;
    let manifest = lab.publish(2, &[("core", "", many(600, "core"))]).await;
    let module = &manifest.modules[0];
    overwrite(&lab.blob(&module.sha256), |bytes| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
    });
    refused(&lab, |_| (), Reason::Digest).await;
}

#[tokio::test]
async fn as_many_trust_roots_as_the_formats_say_are_walked() {
    let lab = running().await;
    let trust = lab.directory.path().join("store/trust");
    fs::create_dir_all(&trust).unwrap();
    // From the pod's root 1, as many steps as there may be.
    let last = release::limits::ROOT_CHAIN_LIMIT + 1;
    for version in 2..=last {
        fs::write(
            trust.join(format!("{version}.root.json")),
            root(version, &lab.key, &[&lab.key]),
        )
        .unwrap();
    }
    lab.publish(
        2,
        &[(
            "core",
            "",
            files([("index.php", "one"), ("two.php", "two")]),
        )],
    )
    .await;
    lab.pull().await.unwrap();
    fs::write(
        trust.join(format!("{}.root.json", last + 1)),
        root(last + 1, &lab.key, &[&lab.key]),
    )
    .unwrap();
    lab.publish(
        3,
        &[(
            "core",
            "",
            files([("index.php", "one"), ("three.php", "three")]),
        )],
    )
    .await;
    assert_eq!(lab.pull().await.unwrap_err().reason(), Reason::RootChain);
}

type Change<'a> = Box<dyn Fn(&mut Settings) + 'a>;

#[tokio::test]
async fn places_within_one_another_are_refused_before_anything_is_made() {
    let lab = Lab::new().await;
    lab.publish(1, &[("core", "", files([("index.php", "one")]))])
        .await;
    let at = |path: &str| lab.directory.path().join(path);
    for directory in ["root/staging/media", "real/media"] {
        fs::create_dir_all(at(directory)).unwrap();
        fs::write(at(directory).join("photo.jpg"), "precious").unwrap();
    }
    std::os::unix::fs::symlink(at("root"), at("alias")).unwrap();
    let cache = |path: &str| {
        Some(cache::Settings {
            directory: at(path),
            limit: 1 << 30,
        })
    };
    let rows: [(&str, Change<'_>); 8] = [
        (
            "storage is the root",
            Box::new(|it| it.places.storage = Some(at("root"))),
        ),
        (
            "storage in staging",
            Box::new(|it| it.places.storage = Some(at("root/staging"))),
        ),
        (
            "the same by a link",
            Box::new(|it| it.places.storage = Some(at("alias/staging"))),
        ),
        (
            "the root in the storage",
            Box::new(|it| (it.root, it.places.storage) = (at("real/pod"), Some(at("real")))),
        ),
        (
            "cache in the root",
            Box::new(|it| it.cache = cache("root/cache")),
        ),
        (
            "cache in the storage",
            Box::new(|it| (it.cache, it.places.storage) = (cache("real/cache"), Some(at("real")))),
        ),
        (
            "the root is the store",
            Box::new(|it| it.root = at("store")),
        ),
        (
            "writable in the storage",
            Box::new(|it| {
                (it.places.writable, it.places.storage) =
                    (Some(at("real/writable")), Some(at("real")));
            }),
        ),
    ];
    for (case, change) in rows {
        let error = lab.pull_with(change).await.unwrap_err();
        assert_eq!(error.reason(), Reason::Workspace, "{case}: {error}");
        assert!(
            error.to_string().contains("are within one another"),
            "{case}: {error}"
        );
        assert!(
            at("root/staging/media/photo.jpg").exists()
                && at("real/media/photo.jpg").exists()
                && at("store/blobs").exists(),
            "{case}"
        );
    }
}

#[tokio::test]
async fn a_tarball_cut_short_or_grown_or_gone_is_refused() {
    let lab = running().await;
    let manifest = lab
        .publish(2, &[("core", "", files([("index.php", "two")]))])
        .await;
    let blob = lab.blob(&manifest.modules[0].sha256);
    overwrite(&blob, |bytes| bytes.truncate(bytes.len() - 1));
    refused(&lab, |_| (), Reason::Truncated).await;
    fs::remove_file(&blob).unwrap();
    let error = refused(&lab, |_| (), Reason::ObjectMissing).await;
    assert!(error.to_string().contains("module core"), "{error}");
}

#[tokio::test]
async fn a_large_file_that_is_cut_off_or_changed_is_refused_with_the_least_memory() {
    let lab = running().await;
    let mut noise = Vec::new();
    while noise.len() < 9 << 20 {
        noise.extend_from_slice(Sha256::digest(&noise.len().to_be_bytes()).as_bytes());
    }
    let manifest = lab
        .publish(2, &[("core", "", [("noise".to_owned(), noise)].into())])
        .await;
    let blob = lab.blob(&manifest.modules[0].sha256);
    overwrite(&blob, |bytes| *bytes.last_mut().unwrap() ^= 1);
    refused(&lab, |it| it.memory = MEMORY_FLOOR, Reason::Digest).await;
    overwrite(&blob, |bytes| bytes.truncate(bytes.len() - 1));
    refused(&lab, |it| it.memory = MEMORY_FLOOR, Reason::Truncated).await;
}

#[tokio::test]
async fn a_manifest_that_is_not_the_signed_one_is_refused() {
    let lab = running().await;
    let manifest = lab
        .publish(2, &[("core", "", files([("index.php", "two")]))])
        .await;
    let digest = Sha256::digest(&manifest.to_json());
    overwrite(&lab.blob(&digest), |bytes| bytes[10] ^= 1);
    refused(&lab, |_| (), Reason::Digest).await;
    overwrite(&lab.blob(&digest), |bytes| bytes.extend_from_slice(b" "));
    refused(&lab, |_| (), Reason::TooLarge).await;
}

#[tokio::test]
async fn rotated_trust_roots_are_walked_to_the_newest() {
    let mut lab = running().await;
    let next = SecretKey::generate(Algorithm::EcdsaP256).unwrap();
    lab.put(&key::trust_root(2), &root(2, &next, &[&lab.key, &next]))
        .await;
    let manifest = lab
        .manifest(&[("core", "", files([("index.php", "two")]))], &[])
        .await;
    // Signed with the old key, which the newest root does not list.
    lab.offer(&lab.sign(&manifest, 2, |_| ()).await).await;
    refused(&lab, |_| (), Reason::Signature).await;
    lab.key = next;
    lab.offer(
        &lab.sign(&manifest, 2, |release| release.root_version = 2)
            .await,
    )
    .await;
    lab.pull().await.unwrap();
    assert_eq!(
        View::read(&lab.settings().root)
            .unwrap()
            .state
            .accepted
            .unwrap()
            .root_version,
        2
    );
    // A fresh node that is told so takes no older root, if somebody hides the newer one with a
    // release of the withdrawn key.
    let fresh = |name: &str, floor: u64| {
        let root = lab.directory.path().join(name);
        lab.pull_with(move |settings| (settings.root, settings.trust_floor) = (root, floor))
    };
    assert_eq!(fresh("enough", 2).await.unwrap().sequence.get(), 2);
    assert_eq!(
        fresh("few", 3).await.unwrap_err().reason(),
        Reason::RootVersion
    );
    assert!(!lab.directory.path().join("few/current").is_symlink());
    // A root that skips a version is not a successor; whoever looks at another release sees it.
    lab.put(&key::trust_root(3), &root(4, &lab.key, &[&lab.key]))
        .await;
    lab.offer(
        &lab.sign(&manifest, 3, |release| release.root_version = 2)
            .await,
    )
    .await;
    assert_eq!(lab.pull().await.unwrap_err().reason(), Reason::RootChain);
}

#[tokio::test]
async fn a_channel_without_releases_says_so() {
    let lab = Lab::new().await;
    let error = lab.pull().await.unwrap_err();
    assert_eq!(error.reason(), Reason::ChannelMissing);
    assert_eq!(
        error.to_string(),
        "channel shops/acme has no release in force"
    );
}

#[tokio::test]
async fn a_release_object_may_come_from_a_file_or_a_directory() {
    let lab = running().await;
    let manifest = lab
        .manifest(&[("core", "", files([("index.php", "two")]))], &[])
        .await;
    let object = lab.sign(&manifest, 2, |_| ()).await;
    let volume = lab.directory.path().join("volume");
    fs::create_dir(&volume).unwrap();
    refused(
        &lab,
        |settings| settings.source = Source::File(volume.clone()),
        Reason::Config,
    )
    .await;
    fs::write(volume.join("release.json"), vec![b' '; 70_000]).unwrap();
    refused(
        &lab,
        |settings| settings.source = Source::File(volume.clone()),
        Reason::TooLarge,
    )
    .await;
    fs::write(volume.join("release.json"), object).unwrap();
    lab.pull_with(|settings| settings.source = Source::File(volume.join("release.json")))
        .await
        .unwrap();
    assert_eq!(lab.running(), Some(2));
}

#[tokio::test]
async fn two_modules_with_one_file_are_a_duplicate_also_where_one_is_linked() {
    let lab = running().await;
    let same = files([("index.php", "one")]);
    lab.publish(
        2,
        &[
            ("core", "", same),
            ("other", "", files([("index.php", "two")])),
        ],
    )
    .await;
    refused(&lab, |_| (), Reason::Duplicate).await;
}

#[tokio::test]
async fn totals_that_were_not_signed_are_refused() {
    let lab = running().await;
    let mut manifest = lab
        .manifest(&[("core", "", files([("index.php", "two")]))], &[])
        .await;
    manifest.bytes += 1;
    lab.offer(&lab.sign(&manifest, 2, |_| ()).await).await;
    refused(&lab, |_| (), Reason::Manifest).await;
}

#[tokio::test]
async fn a_stop_or_a_deadline_ends_the_pull_and_removes_what_was_staged() {
    let lab = running().await;
    lab.publish(2, &[("core", "", many(600, "core"))]).await;
    let settings = lab.settings();
    let error = pull(&settings, &lab.store, &log_progress, async {})
        .await
        .unwrap_err();
    assert!(matches!(error, PullError::Interrupted) && error.is_transient());
    refused(
        &lab,
        |settings| settings.deadline = Duration::ZERO,
        Reason::Deadline,
    )
    .await;
    lab.pull().await.unwrap();
    assert_eq!(lab.running(), Some(2));
}

#[tokio::test]
async fn two_pulls_at_once_are_one_and_a_busy() {
    let lab = running().await;
    lab.publish(2, &[("core", "", many(100, "core"))]).await;
    let (one, other) = tokio::join!(lab.pull(), lab.pull());
    let reasons: Vec<_> = [&one, &other]
        .into_iter()
        .filter_map(|result| result.as_ref().err())
        .map(PullError::reason)
        .collect();
    assert_eq!(reasons, [Reason::Busy]);
    assert_eq!(lab.running(), Some(2));
}
