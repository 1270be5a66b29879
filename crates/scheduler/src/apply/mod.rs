//! What a plan says is done: each shop's objects in their order, shops side by side.

use crate::{
    api::{ApiError, Cluster, Conflicts},
    guard::Doomed,
    plan::{Live, Step},
    render::Identity,
};
use tracing::{info, warn};

/// What was done to a shop.
#[derive(Debug, Default)]
pub(crate) struct Done {
    /// Objects that were written, as they are now.
    pub(crate) written: Vec<(Identity, Live)>,
    /// Objects that were deleted.
    pub(crate) deleted: Vec<Identity>,
    /// Objects of which another manager owned fields that are ours now, with its name.
    pub(crate) taken: Vec<String>,
}

impl Done {
    /// Requests that changed the cluster.
    pub(crate) fn writes(&self) -> usize {
        self.written.len() + self.deleted.len()
    }
}

/// How another manager's fields are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ownership {
    /// Refused, so that a person decides.
    Ask,
    /// Taken, and told.
    Take,
}

/// What stopped a shop, and what was done before.
#[derive(Debug)]
pub(crate) struct Stopped {
    pub(crate) done: Done,
    pub(crate) error: ApiError,
}

/// Takes these steps, in their order. It stops at the first object that is refused: what comes after may need it.
pub(crate) async fn steps(cluster: &Cluster, steps: Vec<Step<'_>>, ownership: Ownership) -> Result<Done, Stopped> {
    let mut done = Done::default();
    for step in steps {
        if let Err(error) = take(cluster, step, ownership, &mut done).await {
            return Err(Stopped { done, error });
        }
    }
    Ok(done)
}

async fn take(cluster: &Cluster, step: Step<'_>, ownership: Ownership, done: &mut Done) -> Result<(), ApiError> {
    match step {
        Step::Create(object) | Step::Write(object) => {
            let live = match cluster.apply(object, Conflicts::Refuse).await {
                Err(ApiError::Owned { owners, .. }) if ownership == Ownership::Take => {
                    let owners = owners.join("; ");
                    warn!(object = %object.identity(), owners, "fields are taken from another manager");
                    done.taken.push(format!("{}: {owners}", object.identity()));
                    cluster.apply(object, Conflicts::Take).await?
                }
                other => other?,
            };
            done.written.push((object.identity().clone(), live));
        }
        Step::Delete(Doomed { identity, uid }) => {
            cluster.delete(&identity, &uid).await?;
            info!(object = %identity, "deleted");
            done.deleted.push(identity);
        }
    }
    Ok(())
}
