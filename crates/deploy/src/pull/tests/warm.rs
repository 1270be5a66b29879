use super::*;
use crate::ReleaseRoot;

// A pod that runs sequence 2 of two, and starts again.
async fn running() -> Lab {
    let lab = Lab::new().await;
    for sequence in [1, 2] {
        lab.publish(
            sequence,
            &[("core", "", files([("index.php", &sequence.to_string())]))],
        )
        .await;
        lab.pull().await.unwrap();
    }
    lab
}

fn head() -> String {
    key::channel_head(&"shops/acme".parse().unwrap())
}

impl Lab {
    fn on_disk(&self, name: &str) -> PathBuf {
        self.directory.path().join("root").join(name)
    }
}

#[tokio::test]
async fn a_start_at_which_nothing_changed_asks_one_question_and_writes_nothing() {
    let lab = running().await;
    let before = ["state.json", "seen.json"]
        .map(|name| fs::metadata(lab.on_disk(name)).unwrap().modified().unwrap());
    // Whoever asked for it would fail.
    lab.put(&key::trust_root(2), b"no trust root").await;
    let pulled = lab
        .pull_with(|settings| settings.now = at(NOW + 3600))
        .await
        .unwrap();
    assert_eq!(
        (
            pulled.outcome,
            pulled.sequence.get(),
            pulled.figures.requests
        ),
        (PullOutcome::AlreadyActive, 2, 1)
    );
    assert_eq!(
        ["state.json", "seen.json"]
            .map(|name| fs::metadata(lab.on_disk(name)).unwrap().modified().unwrap()),
        before
    );
    assert_eq!((lab.running(), lab.staging()), (Some(2), 0));
}

#[tokio::test]
async fn another_head_goes_the_usual_way_with_the_bytes_that_came() {
    let lab = running().await;
    let manifest = lab
        .publish(3, &[("core", "", files([("index.php", "three")]))])
        .await;
    let pulled = lab.pull().await.unwrap();
    // Head, trust root 2, manifest, and one part of one tarball.
    assert_eq!(
        (
            pulled.outcome,
            pulled.figures.requests,
            manifest.modules.len()
        ),
        (PullOutcome::Fresh, 4, 1)
    );
    assert_eq!(lab.pull().await.unwrap().figures.requests, 1);

    // The same bytes written again are another state of the object.
    let again = lab
        .store
        .get(&head(), 1 << 16, None)
        .await
        .unwrap()
        .unwrap();
    lab.put(&head(), &again.bytes).await;
    assert_eq!(lab.pull().await.unwrap().figures.requests, 2);
    assert_eq!(lab.pull().await.unwrap().figures.requests, 1);
}

#[tokio::test]
async fn a_head_that_somebody_moved_back_is_refused() {
    let lab = running().await;
    let first = lab
        .store
        .get(
            &key::release(&"shops/acme".parse().unwrap(), Sequence::FIRST),
            1 << 16,
            None,
        )
        .await
        .unwrap()
        .unwrap();
    lab.offer(&first.bytes).await;
    assert_eq!(
        lab.pull().await.unwrap_err().reason(),
        release::Reason::Rollback
    );
    assert_eq!(lab.running(), Some(2));
}

type Change<'a> = &'a dyn Fn(&mut Settings);

#[tokio::test]
async fn whatever_differs_goes_the_usual_way() {
    let lab = running().await;
    let rotated = SecretKey::generate(Algorithm::Ed25519).unwrap();
    let other = TrustRoot::from_trusted(&root(1, &rotated, &[&rotated])).unwrap();
    let refused: [(&str, Change<'_>); 3] = [
        ("signature", &|settings| settings.trust = other.clone()),
        ("rollback", &|settings| {
            settings.floor = Some(3.try_into().unwrap());
        }),
        ("clock", &|settings| settings.now = at(NOW - 3600)),
    ];
    for (reason, change) in refused {
        assert_eq!(
            lab.pull_with(change).await.unwrap_err().reason().code(),
            reason
        );
        assert_eq!(lab.running(), Some(2));
    }
    let seen = fs::read_to_string(lab.on_disk("seen.json")).unwrap();
    let texts = [
        String::new(),
        "{}".to_owned(),
        seen[..seen.len() / 2].to_owned(),
        seen.replace("\"schema\": 1", "\"schema\": 2"),
        seen.replace("\"schema\": 1", "\"schema\": 1, \"more\": 1"),
        seen.replace("\"sequence\": 2", "\"sequence\": 3"),
        seen.replace("/store\"", "/other\""),
        seen.replace("shops/acme", "shops/other"),
    ];
    for text in texts {
        assert_ne!(text, seen);
        fs::write(lab.on_disk("seen.json"), &text).unwrap();
        assert_eq!(lab.pull().await.unwrap().figures.requests, 2, "{text}");
        assert_eq!(
            fs::read_to_string(lab.on_disk("seen.json")).unwrap(),
            seen,
            "it is remembered again"
        );
    }
    fs::remove_file(lab.on_disk("seen.json")).unwrap();
    assert_eq!(lab.pull().await.unwrap().figures.requests, 2);
    // What one channel is remembered by says nothing of another.
    let error = lab
        .pull_with(|settings| settings.channel = "shops/other".parse().unwrap())
        .await
        .unwrap_err();
    assert_eq!(error.reason(), release::Reason::ChannelMissing);
}

#[tokio::test]
async fn an_operators_choice_lasts_for_one_run() {
    let lab = running().await;
    lab.pull_with(|settings| settings.source = Source::Chosen(Sequence::FIRST))
        .await
        .unwrap();
    assert_eq!(lab.running(), Some(1));
    assert_eq!(
        (lab.pull().await.unwrap().outcome, lab.running()),
        (PullOutcome::AlreadyComplete, Some(2))
    );
    lab.pull_with(|settings| settings.source = Source::Chosen(2.try_into().unwrap()))
        .await
        .unwrap();
    assert_eq!(lab.pull().await.unwrap().figures.requests, 1);
}

#[tokio::test]
async fn a_release_that_was_rejected_is_looked_at_again() {
    let lab = running().await;
    let active = View::read(&lab.on_disk(""))
        .unwrap()
        .state
        .active
        .unwrap()
        .manifest;
    ReleaseRoot::open(&lab.on_disk(""))
        .unwrap()
        .reject(active, "the shop's probe failed", at(NOW))
        .unwrap();
    assert_eq!(lab.pull().await.unwrap().figures.requests, 2);
}

#[tokio::test]
async fn a_tree_that_is_gone_is_pulled_again() {
    let lab = running().await;
    fs::remove_dir_all(lab.current().canonicalize().unwrap()).unwrap();
    assert_eq!(lab.pull().await.unwrap().outcome, PullOutcome::Fresh);
    assert_eq!(
        (
            lab.read("index.php").as_str(),
            lab.pull().await.unwrap().figures.requests
        ),
        ("2", 1)
    );
}

#[tokio::test]
async fn a_release_object_in_a_file_asks_the_store_nothing() {
    let lab = running().await;
    let file = lab.directory.path().join("release.json");
    let object = lab
        .store
        .get(&head(), 1 << 16, None)
        .await
        .unwrap()
        .unwrap();
    fs::write(&file, &object.bytes).unwrap();
    let from_file = |settings: &mut Settings| settings.source = Source::File(file.clone());
    // The same bytes as in the store, whoever hands them over.
    assert_eq!(lab.pull_with(from_file).await.unwrap().figures.requests, 0);
    lab.offer(
        &lab.sign(
            &lab.manifest(&[("core", "", files([("index.php", "3")]))], &[])
                .await,
            3,
            |_| (),
        )
        .await,
    )
    .await;
    let next = lab
        .store
        .get(&head(), 1 << 16, None)
        .await
        .unwrap()
        .unwrap();
    fs::write(&file, &next.bytes).unwrap();
    assert_eq!(
        lab.pull_with(from_file).await.unwrap().outcome,
        PullOutcome::Fresh
    );
    // Everything is gone, and the pod starts again.
    fs::remove_dir_all(lab.directory.path().join("store")).unwrap();
    let pulled = lab.pull_with(from_file).await.unwrap();
    assert_eq!((pulled.sequence.get(), pulled.figures.requests), (3, 0));
    // One that was written otherwise was not seen.
    fs::write(&file, [&next.bytes[..], b"\n"].concat()).unwrap();
    assert!(lab.pull_with(from_file).await.is_err());
}

#[tokio::test]
async fn neither_expiry_nor_a_rotation_stops_what_runs() {
    let lab = Lab::new().await;
    let manifest = lab
        .manifest(&[("core", "", files([("index.php", "one")]))], &[])
        .await;
    lab.offer(
        &lab.sign(&manifest, 1, |release| release.expires = Some(at(NOW + 60)))
            .await,
    )
    .await;
    lab.pull().await.unwrap();
    let next = SecretKey::generate(Algorithm::Ed25519).unwrap();
    lab.put(&key::trust_root(2), &root(2, &next, &[&lab.key, &next]))
        .await;
    let later = |settings: &mut Settings| settings.now = at(NOW + 2_000_000);
    assert_eq!(lab.pull_with(later).await.unwrap().figures.requests, 1);
    // Whoever is given the new root looks at everything again.
    let trust = TrustRoot::from_trusted(&root(2, &next, &[&next])).unwrap();
    assert_eq!(
        lab.pull_with(|settings| settings.trust = trust)
            .await
            .unwrap_err()
            .reason(),
        release::Reason::Signature
    );
    assert_eq!(lab.running(), Some(1));
}
