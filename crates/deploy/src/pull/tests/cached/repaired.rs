//! A running tree is put right from the node cache, if the store is down.

use super::store_down::Says;
use super::*;

#[tokio::test]
async fn a_tree_is_repaired_from_the_cache_while_the_store_is_down() {
    for says in [Says::Unavailable, Says::Nothing] {
        for from_file in [false, true] {
            let mut lab = Lab::new().await;
            let manifest = lab.manifest(&shop(), &[]).await;
            let object = lab.sign(&manifest, 1, |_| ()).await;
            lab.offer(&object).await;
            let path = lab.directory.path().join("release.json");
            fs::write(&path, object).unwrap();
            lab.pull_with(|settings| {
                settings.cache = Some(cache::Settings {
                    directory: lab.cache(),
                    limit: cache::LIMIT,
                });
                if from_file {
                    settings.source = Source::File(path);
                }
            })
            .await
            .unwrap();
            lab.break_down(says);
            let (file, settings) = (lab.current().join("lib/7/7.php"), lab.settings());
            let whole = fs::read(&file).unwrap();
            fs::write(&file, "changed").unwrap();
            let cache = Some(cache::Settings {
                directory: lab.cache(),
                limit: cache::LIMIT,
            });
            let settings = Settings {
                cache,
                deadline: Duration::from_secs(8),
                ..settings
            };
            let follower = crate::pull::Follower::new(settings, Arc::clone(&lab.store));
            let damaged = std::collections::BTreeSet::from(["lib/7/7.php".parse().unwrap()]);
            follower
                .repair(damaged, at(NOW + 1), std::future::pending())
                .await
                .unwrap();
            assert_eq!(
                fs::read(&file).unwrap(),
                whole,
                "{says:?}, from a file: {from_file}"
            );
        }
    }
}
