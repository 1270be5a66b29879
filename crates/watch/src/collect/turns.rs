//! Whose turn it is to be asked: pods spread over the time between two questions, and those that do
//! not answer are asked less often. Pure.

use super::pods::RunningPod;
use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    time::Duration,
};
use tokio::time::Instant;

/// Between two looks at whose turn it is.
pub(crate) const TICK: Duration = Duration::from_millis(100);
/// How long a pod waits at most that does not answer.
const LONGEST: Duration = Duration::from_mins(1);

/// What is known of a pod's agent.
#[derive(Debug)]
struct AgentState {
    place: RunningPod,
    /// What it is asked with, and in which of its runs that is a cursor.
    cursor: u64,
    run: String,
    /// Failures since its last answer.
    failures: u32,
    next: Instant,
    asked: bool,
}

/// A question that is to be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DuePoll {
    pub(crate) uid: String,
    pub(crate) place: RunningPod,
    pub(crate) since: u64,
    pub(crate) run: String,
}

/// How a question ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PollOutcome {
    /// What it said is committed: its run, and its cursor.
    Taken(String, u64),
    /// Its agent was started anew: it is asked for everything.
    Anew(String),
    /// Nothing came of it.
    Failed,
}

/// All pods.
#[derive(Debug)]
pub(crate) struct Turns {
    every: Duration,
    pods: HashMap<String, AgentState>,
    due: VecDeque<String>,
}

impl Turns {
    /// Nobody, each of whom is asked that often.
    pub(crate) fn new(every: Duration) -> Self {
        Self {
            every,
            pods: HashMap::new(),
            due: VecDeque::new(),
        }
    }

    /// These run, and no others. New ones have their first turn within the time between two.
    pub(crate) fn set(&mut self, running: &BTreeMap<String, RunningPod>, now: Instant) {
        self.pods.retain(|uid, _| running.contains_key(uid));
        for (uid, place) in running {
            let first = self
                .every
                .mul_f64(f64::from(api::name::spread(uid, 1000)) / 1000.0);
            let agent = self.pods.entry(uid.clone()).or_insert_with(|| AgentState {
                place: place.clone(),
                cursor: 0,
                run: String::new(),
                failures: 0,
                next: now + first,
                asked: false,
            });
            if agent.place != *place {
                agent.place = place.clone();
            }
        }
    }

    /// Up to `room` questions whose turn it is.
    pub(crate) fn take(&mut self, room: usize, now: Instant) -> Vec<DuePoll> {
        for (uid, agent) in &mut self.pods {
            if !agent.asked && agent.next <= now {
                agent.asked = true;
                self.due.push_back(uid.clone());
            }
        }
        let mut questions = Vec::new();
        while questions.len() < room
            && let Some(uid) = self.due.pop_front()
        {
            if let Some(agent) = self.pods.get(&uid) {
                questions.push(DuePoll {
                    uid,
                    place: agent.place.clone(),
                    since: agent.cursor,
                    run: agent.run.clone(),
                });
            }
        }
        questions
    }

    /// A question has ended.
    pub(crate) fn ended(&mut self, uid: &str, ended: PollOutcome, now: Instant) {
        let Some(agent) = self.pods.get_mut(uid) else {
            return;
        };
        agent.asked = false;
        agent.failures = match ended {
            PollOutcome::Failed => agent.failures.saturating_add(1),
            _ => 0,
        };
        let wait = self.every * 2_u32.saturating_pow(agent.failures.min(10));
        // The rhythm is that of its turns, and not of its answers.
        agent.next = match ended {
            PollOutcome::Failed => now + wait.min(LONGEST.max(self.every)),
            PollOutcome::Anew(_) => now,
            PollOutcome::Taken(..) => (agent.next + self.every).max(now),
        };
        match ended {
            PollOutcome::Taken(run, cursor) => (agent.run, agent.cursor) = (run, cursor),
            PollOutcome::Anew(run) => (agent.run, agent.cursor) = (run, 0),
            PollOutcome::Failed => {}
        }
    }

    /// How many pods there are.
    pub(crate) fn len(&self) -> usize {
        self.pods.len()
    }

    /// How late the first of those is that wait.
    pub(crate) fn late(&self, now: Instant) -> Duration {
        let waiting = self.due.iter().filter_map(|uid| self.pods.get(uid));
        let oldest = waiting.map(|agent| agent.next).min();
        oldest.map_or(Duration::ZERO, |next| now.saturating_duration_since(next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{net::Ipv4Addr, sync::Arc};

    const EVERY: Duration = Duration::from_secs(5);

    fn running(pods: u32) -> BTreeMap<String, RunningPod> {
        let place = |index: u32| RunningPod {
            namespace: format!("shop-{index}"),
            name: "web".into(),
            labels: Arc::default(),
            address: Ipv4Addr::from(index).into(),
        };
        (0..pods)
            .map(|it| (format!("uid-{it}"), place(it)))
            .collect()
    }

    #[test]
    fn pods_have_their_turns_spread_and_no_more_than_there_is_room() {
        let (mut turns, start) = (Turns::new(EVERY), Instant::now());
        turns.set(&running(1000), start);
        let mut most = 0;
        let mut all = 0;
        for tick in 0..50 {
            let now = start + TICK * tick;
            let questions = turns.take(usize::MAX, now);
            most = most.max(questions.len());
            all += questions.len();
            for it in questions {
                turns.ended(&it.uid, PollOutcome::Taken("r".to_owned(), 1), now);
            }
        }
        assert!((950..=1000).contains(&all) && most < 60, "{all} {most}");
        let late = start + EVERY * 3;
        assert_eq!(turns.take(10, late).len(), 10);
        assert!(turns.late(late) > Duration::from_secs(4));
        assert_eq!(turns.take(usize::MAX, late).len(), 990);
        assert_eq!(
            turns.take(usize::MAX, late + EVERY).len(),
            0,
            "they are being asked"
        );
    }

    #[test]
    fn one_that_does_not_answer_is_asked_less_often_and_forgets_nothing() {
        let (mut turns, mut now) = (Turns::new(EVERY), Instant::now());
        turns.set(&running(1), now);
        now += EVERY;
        turns.take(1, now);
        turns.ended("uid-0", PollOutcome::Taken("r".to_owned(), 7), now);
        for seconds in [10, 20, 40, 60, 60] {
            now += EVERY.max(Duration::from_secs(seconds / 2 + 1).min(LONGEST));
            now += LONGEST;
            let asked = turns.take(1, now);
            assert_eq!((asked[0].since, asked[0].run.as_str()), (7, "r"));
            turns.ended("uid-0", PollOutcome::Failed, now);
            let before = now + Duration::from_secs(seconds - 1);
            assert_eq!(turns.take(1, before), [], "after {seconds} s");
        }
        now += LONGEST;
        turns.take(1, now);
        turns.ended("uid-0", PollOutcome::Anew("s".to_owned()), now);
        let again = turns.take(1, now);
        assert_eq!((again[0].since, again[0].run.as_str()), (0, "s"));
        turns.set(&running(0), now);
        turns.ended("uid-0", PollOutcome::Failed, now);
        assert_eq!(turns.len(), 0);
    }
}
