//! What a pod starts with, by what the cluster says beside the release object.

use super::*;
use crate::pull::{Follower, ReleaseStatus};
use release::Reason;

/// A directory as the kubelet shows the ConfigMap: release 2 of this migration in force, release 1
/// before it.
struct Volume {
    lab: Lab,
    path: PathBuf,
    manifests: [Sha256; 2],
}

impl Volume {
    async fn new(migration: Migration) -> Self {
        let lab = Lab::new().await;
        let path = lab.directory.path().join("volume");
        fs::create_dir(&path).unwrap();
        let one = lab
            .manifest(&[("core", "", files([("index.php", "one")]))], &[])
            .await;
        let two = lab
            .manifest(&[("core", "", files([("index.php", "two")]))], &[])
            .await;
        let two = Manifest { migration, ..two };
        fs::write(path.join("previous.json"), lab.sign(&one, 1, |_| ()).await).unwrap();
        fs::write(
            path.join("release.json"),
            lab.sign(&two, 2, |release| release.migration = migration)
                .await,
        )
        .unwrap();
        Self {
            lab,
            path,
            manifests: [&one, &two].map(|manifest| Sha256::digest(&manifest.to_json())),
        }
    }

    fn say(&self, name: &str, text: &str) {
        fs::write(self.path.join(name), text).unwrap();
    }

    fn reject(&self) {
        self.say("rejected", &format!("{}\n", self.manifests[1]));
    }

    async fn start(&self) -> Result<u64, PullError> {
        let pulled = self
            .lab
            .pull_with(|settings| settings.source = Source::Start(self.path.clone()))
            .await?;
        assert_eq!(self.lab.running(), Some(pulled.sequence.get()));
        Ok(pulled.sequence.get())
    }

    async fn look(&self, follower: &mut Follower) -> ReleaseStatus {
        follower
            .follow(at(NOW + 1), &|_| (), std::future::pending())
            .await
            .unwrap()
    }

    fn follower(&self) -> Follower {
        let settings = Settings {
            source: Source::File(self.path.clone()),
            ..self.lab.settings()
        };
        Follower::new(settings, Arc::clone(&self.lab.store))
    }

    fn restart(&self) {
        fs::remove_dir_all(self.lab.settings().root).unwrap();
    }
}

#[tokio::test]
async fn a_pod_that_starts_while_a_migration_waits_gets_the_release_before_and_follows_later() {
    let volume = Volume::new(Migration::Additive).await;
    volume.say("migrated", "1");
    assert_eq!(volume.start().await.unwrap(), 1);
    // It starts again, while the store is away: what it runs is on its disk.
    assert_eq!(volume.start().await.unwrap(), 1);
    // Its agent has the new one ready, and the gate is its own.
    let mut follower = volume.follower();
    let ReleaseStatus::Staged(candidate) = volume.look(&mut follower).await else {
        panic!("not staged")
    };
    assert!(follower.try_out(&candidate, at(NOW + 1)).await.unwrap());
    assert_eq!(volume.lab.running(), Some(2));
    volume.restart();
    volume.say("migrated", "2");
    assert_eq!(volume.start().await.unwrap(), 2);
    // Who names the file wants that one: the Job that migrates.
    volume.restart();
    volume.say("migrated", "1");
    volume
        .lab
        .pull_with(|settings| settings.source = Source::File(volume.path.join("release.json")))
        .await
        .unwrap();
    assert_eq!(volume.lab.running(), Some(2));
}

#[tokio::test]
async fn a_pod_that_starts_does_not_pull_what_running_pods_rejected() {
    let volume = Volume::new(Migration::None).await;
    volume.reject();
    assert_eq!(volume.start().await.unwrap(), 1);
    // Neither does its agent, which finds it out without a byte of it.
    let mut follower = volume.follower();
    assert!(matches!(
        volume.look(&mut follower).await,
        ReleaseStatus::Rejected { .. }
    ));
    let requests = volume.lab.store.stats().requests();
    assert!(matches!(
        volume.look(&mut follower).await,
        ReleaseStatus::Rejected { .. }
    ));
    assert_eq!(volume.lab.store.stats().requests(), requests);
    // Somebody wants it tried again.
    volume.say("rejected", "");
    assert!(matches!(
        volume.look(&mut follower).await,
        ReleaseStatus::Staged(_)
    ));
    // It comes on the list while it is staged.
    let ReleaseStatus::Staged(candidate) = volume.look(&mut follower).await else {
        panic!("not staged")
    };
    volume.reject();
    assert!(!follower.try_out(&candidate, at(NOW + 2)).await.unwrap());
    assert_eq!(volume.lab.running(), Some(1));
}

#[tokio::test]
async fn a_pod_that_went_back_keeps_what_it_runs_when_it_starts_again() {
    let volume = Volume::new(Migration::None).await;
    let lab = &volume.lab;
    fs::rename(
        volume.path.join("previous.json"),
        lab.directory.path().join("one"),
    )
    .unwrap();
    lab.pull_with(|settings| settings.source = Source::File(lab.directory.path().join("one")))
        .await
        .unwrap();
    let mut follower = volume.follower();
    let ReleaseStatus::Staged(candidate) = volume.look(&mut follower).await else {
        panic!("not staged")
    };
    assert!(follower.try_out(&candidate, at(NOW + 1)).await.unwrap());
    follower.go_back(at(NOW + 1)).await.unwrap().unwrap();
    follower
        .reject(candidate.target.manifest, "502".to_owned(), at(NOW + 1))
        .await
        .unwrap();
    assert_eq!(volume.start().await.unwrap(), 1);
    assert_eq!(
        View::read(&lab.settings().root)
            .unwrap()
            .state
            .accepted
            .unwrap()
            .sequence
            .get(),
        2
    );
}

#[tokio::test]
async fn a_previous_release_that_cannot_be_used_leaves_the_one_in_force() {
    let volume = Volume::new(Migration::Additive).await;
    let stranger = SecretKey::generate(Algorithm::Ed25519).unwrap();
    let manifest = volume
        .lab
        .manifest(&[("core", "", files([("index.php", "three")]))], &[])
        .await;
    let forged = {
        let object = volume.lab.sign(&manifest, 3, |_| ()).await;
        let mut envelope =
            release::Release::unverified(&release::Envelope::parse(&object).unwrap())
                .unwrap()
                .to_envelope()
                .unwrap();
        envelope.sign(&stranger).unwrap();
        envelope.to_json()
    };
    let both = [&volume.manifests[0], &volume.manifests[1]]
        .map(|manifest| format!("{manifest}\n"))
        .concat();
    let needs = Manifest {
        migration: Migration::Additive,
        ..manifest.clone()
    };
    let needs = volume
        .lab
        .sign(&needs, 1, |release| release.migration = Migration::Additive)
        .await;
    let other = volume
        .lab
        .sign(&manifest, 1, |release| {
            release.channel = "shops/other".parse().unwrap();
        })
        .await;
    for (previous, rejected) in [
        (Some(forged), ""),
        (Some(b"{}".to_vec()), ""),
        (Some(needs), ""),
        (Some(other), ""),
        (None, both.as_str()),
    ] {
        let volume = Volume::new(Migration::Additive).await;
        if let Some(previous) = previous {
            fs::write(volume.path.join("previous.json"), previous).unwrap();
        }
        volume.say("rejected", rejected);
        assert_eq!(volume.start().await.unwrap(), 2);
    }
    fs::remove_file(volume.path.join("previous.json")).unwrap();
    assert_eq!(
        volume.start().await.unwrap(),
        2,
        "the first release of a shop"
    );
}

#[tokio::test]
async fn the_floor_counts_for_the_release_before_and_what_is_not_understood_is_an_error() {
    let volume = Volume::new(Migration::Additive).await;
    let floor = |settings: &mut Settings| {
        (settings.source, settings.floor) = (
            Source::Start(volume.path.clone()),
            Some(2.try_into().unwrap()),
        );
    };
    assert_eq!(volume.lab.pull_with(floor).await.unwrap().sequence.get(), 2);
    volume.say("migrated", "two");
    let error = volume.start().await.unwrap_err();
    assert_eq!(
        (
            error.reason(),
            error
                .to_string()
                .ends_with("migrated says \"two\", expected a sequence")
        ),
        (Reason::Config, true),
        "{error}"
    );
}

#[tokio::test]
async fn the_cluster_may_choose_an_older_release_which_stays_until_it_says_otherwise() {
    let volume = Volume::new(Migration::None).await;
    assert_eq!(volume.start().await.unwrap(), 2);
    let mut follower = volume.follower();
    fs::rename(
        volume.path.join("previous.json"),
        volume.path.join("release.json"),
    )
    .unwrap();
    let refused = follower
        .follow(at(NOW + 1), &|_| (), std::future::pending())
        .await;
    assert_eq!(refused.unwrap_err().reason(), Reason::Rollback);
    // Of another sequence it says nothing.
    volume.say("chosen", "3");
    let refused = follower
        .follow(at(NOW + 1), &|_| (), std::future::pending())
        .await;
    assert_eq!(refused.unwrap_err().reason(), Reason::Rollback);
    volume.say("chosen", "1");
    let ReleaseStatus::Staged(candidate) = volume.look(&mut follower).await else {
        panic!("not staged")
    };
    assert!(follower.try_out(&candidate, at(NOW + 1)).await.unwrap());
    follower.keep().await.unwrap();
    let state = View::read(&volume.lab.settings().root).unwrap().state;
    assert_eq!(
        (volume.lab.running(), state.accepted.unwrap().sequence.get()),
        (Some(1), 2)
    );
    // From then on nobody is asked, and a start changes nothing.
    assert!(matches!(
        volume.look(&mut follower).await,
        ReleaseStatus::Active { .. }
    ));
    let requests = volume.lab.store.stats().requests();
    assert!(matches!(
        volume.look(&mut follower).await,
        ReleaseStatus::Active { .. }
    ));
    assert_eq!(volume.start().await.unwrap(), 1);
    assert_eq!(volume.lab.store.stats().requests(), requests);
    // A floor counts all the same.
    let floor = volume.lab.pull_with(|settings| {
        (settings.source, settings.floor) = (
            Source::Start(volume.path.clone()),
            Some(2.try_into().unwrap()),
        );
    });
    assert_eq!(floor.await.unwrap_err().reason(), Reason::Rollback);
    fs::remove_file(volume.path.join("chosen")).unwrap();
    let refused = follower
        .follow(at(NOW + 1), &|_| (), std::future::pending())
        .await;
    assert_eq!(refused.unwrap_err().reason(), Reason::Rollback);
}
