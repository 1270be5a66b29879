//! Carries out a plan: each shop's objects in their order, and several shops at the same time.

use crate::{ApiError, Cluster, Conflicts};
use api::Deletion;
use api::{Identity, ObjectMetaSummary, Step};
use tracing::{info, warn};

/// What was done to a shop.
#[derive(Debug, Default)]
pub struct Done {
    /// Objects that were written, as they are now.
    pub written: Vec<(Identity, ObjectMetaSummary)>,
    /// Objects that were deleted.
    pub deleted: Vec<Identity>,
    /// Objects of which another manager owned fields that are ours now, with its name.
    pub taken: Vec<String>,
}

impl Done {
    /// Requests that changed the cluster.
    #[must_use]
    pub fn writes(&self) -> usize {
        self.written.len() + self.deleted.len()
    }
}

/// How another manager's fields are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ownership {
    /// Refused, so that a person decides.
    Ask,
    /// Taken, and reported.
    Take,
}

/// What stopped a shop, and what was done before.
#[derive(Debug)]
pub struct Stopped {
    /// What was done before.
    pub done: Done,
    /// Why it stopped.
    pub error: ApiError,
}

/// Takes these steps, in their order. It stops at the first object that is refused, because later
/// objects may need it.
///
/// # Errors
///
/// If the API server does not do it.
pub async fn steps(
    cluster: &Cluster,
    steps: Vec<Step<'_>>,
    ownership: Ownership,
) -> Result<Done, Stopped> {
    let mut done = Done::default();
    for step in steps {
        if let Err(error) = take(cluster, step, ownership, &mut done).await {
            return Err(Stopped { done, error });
        }
    }
    Ok(done)
}

async fn take(
    cluster: &Cluster,
    step: Step<'_>,
    ownership: Ownership,
    done: &mut Done,
) -> Result<(), ApiError> {
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
        Step::Delete(Deletion { identity, uid }) => {
            cluster.delete(&identity, &uid).await?;
            info!(object = %identity, "deleted");
            done.deleted.push(identity);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
