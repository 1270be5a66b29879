//! `pull`: longshore-init, which puts the release in force on the disk before anything else starts.

use super::{environment, resources};
use crate::{path, pod, shop_context::ShopContext};
use k8s_openapi::api::core::v1::Container;
use runtime::variable;

/// In the pod of the Job that migrates: the release in force and no other, which is what the
/// database is migrated to.
pub(crate) fn pull_in_force(context: &ShopContext<'_>) -> Container {
    let mut pull = pull(context);
    for variable in pull
        .env
        .iter_mut()
        .flatten()
        .filter(|found| found.name == variable::RELEASE.name)
    {
        variable.value = Some(format!("{}/release.json", path::RELEASE));
    }
    pull
}

/// The release in force, or the one before where that has to wait.
pub(crate) fn pull(context: &ShopContext<'_>) -> Container {
    let disk = &context.class.disk;
    Container {
        name: "pull".to_owned(),
        image: Some(context.class.images.longshore.clone()),
        command: Some(vec!["longshore-init".to_owned()]),
        env: Some(environment::shared(context)),
        // The volume's size counts against the largest of what runs at once, so each of the two
        // that write there names it.
        resources: Some(resources(
            &context.class.sizes.pull,
            (&disk.sources, &disk.sources),
        )),
        security_context: Some(pod::ours(context)),
        volume_mounts: Some(pod::our_mounts(context)),
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        ..Container::default()
    }
}
