//! What is believed of the first probes of a process: its own network may not be there yet. Pure.

use super::verdict::Verdict;
use observe::v1::{Cause, Vantage};
use std::{collections::BTreeSet, time::Duration};
use tokio::time::Instant;

/// From then on it is believed that nobody can be reached.
const PATIENCE: Duration = Duration::from_mins(2);

/// From where somebody was reached since the process began.
#[derive(Debug)]
pub(super) struct First {
    began: Instant,
    reached: BTreeSet<Vantage>,
}

impl First {
    /// Nobody was reached yet.
    pub(super) const fn new(began: Instant) -> Self {
        Self {
            began,
            reached: BTreeSet::new(),
        }
    }

    /// What a probe says that ended now. That nobody answers says nothing of a host before anybody
    /// at all did, unless that lasts.
    pub(super) fn believe(&mut self, vantage: Vantage, verdict: Verdict, now: Instant) -> Verdict {
        let Verdict::Down(cause, why) = verdict else {
            if verdict == Verdict::Up {
                self.reached.insert(vantage);
            }
            return verdict;
        };
        match cause {
            // Somebody answered, or ended a connection that was there.
            Cause::Status | Cause::Certificate | Cause::Broken => {
                self.reached.insert(vantage);
            }
            Cause::Dns | Cause::Connect | Cause::Timeout => {
                let waits = now.duration_since(self.began) < PATIENCE;
                if waits && !self.reached.contains(&vantage) {
                    return Verdict::Unknown(format!("nobody was reached yet: {why}"));
                }
            }
        }
        Verdict::Down(cause, why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn down(cause: Cause) -> Verdict {
        Verdict::Down(cause, "why".to_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_down_before_somebody_was_reached_from_there() {
        let mut first = First::new(Instant::now());
        let mut is_down = |vantage, verdict| {
            let believed = first.believe(vantage, verdict, Instant::now());
            matches!(believed, Verdict::Down(..))
        };
        for cause in [Cause::Dns, Cause::Connect, Cause::Timeout] {
            assert!(!is_down(Vantage::Outside, down(cause)), "{cause:?}");
        }
        assert!(!is_down(Vantage::Inside, Verdict::Up));
        assert!(is_down(Vantage::Inside, down(Cause::Connect)));
        assert!(!is_down(Vantage::Outside, down(Cause::Dns)));
        assert!(is_down(Vantage::Outside, down(Cause::Status)));
        assert!(is_down(Vantage::Outside, down(Cause::Dns)));
    }

    #[tokio::test(start_paused = true)]
    async fn that_nobody_is_reached_is_believed_once_it_lasts() {
        let mut first = First::new(Instant::now());
        let verdict = down(Cause::Connect);
        let second = Duration::from_secs(1);
        tokio::time::advance(PATIENCE.saturating_sub(second)).await;
        let believed = first.believe(Vantage::Inside, verdict.clone(), Instant::now());
        assert_eq!(
            believed,
            Verdict::Unknown("nobody was reached yet: why".to_owned())
        );
        tokio::time::advance(second).await;
        let believed = first.believe(Vantage::Inside, verdict.clone(), Instant::now());
        assert_eq!(believed, verdict);
    }
}
