//! Liveness: the agent's loop, and each task that waits for nothing but time and the kernel, says
//! in time that it still goes round.
//!
//! Those that wait for S3, NFS or PHP (activate, storage, guard) do not: a restart would help none
//! of these. Each of their waits has a deadline of its own, what they found is in `/status`, and
//! the first task to end ends the agent.

use crate::status::Check;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::time::Instant;

/// The heartbeats of tasks. A task is dead when its last beat is too long ago, whatever it waits
/// for; so one that waits for S3, NFS or PHP must have none, or beat meanwhile.
#[derive(Debug, Clone, Default)]
pub struct Heartbeats(Vec<Heartbeat>);

impl Heartbeats {
    /// No tasks yet; without any, the process is alive as long as it answers.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// A heartbeat for the task `name`, which beats now and then must beat again within every
    /// `limit`.
    pub fn task(&mut self, name: &'static str, limit: Duration) -> Heartbeat {
        let beat = Heartbeat {
            name,
            limit,
            origin: Instant::now(),
            last: Arc::default(),
        };
        self.0.push(beat.clone());
        beat
    }
}

/// The heartbeat of one task. By the monotonic clock: a node's clock that is set forward kills
/// nobody.
#[derive(Debug, Clone)]
pub struct Heartbeat {
    name: &'static str,
    limit: Duration,
    origin: Instant,
    /// Milliseconds from `origin` to the last beat.
    last: Arc<AtomicU64>,
}

impl Heartbeat {
    /// The task goes round.
    pub fn beat(&self) {
        self.last.store(
            u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX),
            Relaxed,
        );
    }

    fn age(&self) -> Duration {
        self.origin
            .elapsed()
            .saturating_sub(Duration::from_millis(self.last.load(Relaxed)))
    }
}

/// What decides whether Kubernetes restarts the container: nothing but the agent's own tasks.
#[must_use]
pub fn livez(heartbeats: &Heartbeats) -> Vec<Check> {
    let check = |beat: &Heartbeat| {
        let (age, limit) = (beat.age(), beat.limit);
        Check::new(
            format!("task:{}", beat.name),
            age <= limit,
            format!(
                "went round {} s ago; the limit is {} s",
                age.as_secs(),
                limit.as_secs()
            ),
        )
    };
    heartbeats.0.iter().map(check).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_task_that_no_longer_goes_round_is_dead() {
        let mut heartbeats = Heartbeats::new();
        let watch = heartbeats.task("watch", Duration::from_mins(1));
        let alive = |heartbeats: &Heartbeats| livez(heartbeats).iter().all(|check| check.ok);
        tokio::time::advance(Duration::from_mins(1)).await;
        assert!(alive(&heartbeats));
        watch.beat();
        let _mounts = heartbeats.task("mounts", Duration::from_secs(90));
        tokio::time::advance(Duration::from_secs(61)).await;
        let checks = livez(&heartbeats);
        assert_eq!(
            checks
                .iter()
                .map(|check| (check.name.as_str(), check.ok))
                .collect::<Vec<_>>(),
            [("task:watch", false), ("task:mounts", true)]
        );
        watch.beat();
        assert!(alive(&heartbeats));
    }
}
