//! What is done with what came of a task.

use super::{Done, Session, every};
use crate::issue::{
    acme::RenewalWindow,
    figures,
    host::{AccountChoice, End, IssueOutcome},
    limits::Scope,
    plan,
    problem::{Blame, Problem},
};
use client::ApiError;
use jiff::{SignedDuration, Timestamp};
use std::{sync::Arc, time::Duration};
use tokio::task::{Id, JoinError};
use tracing::{error, info, warn};

/// The longest wait for a CA that does not answer.
const CA_LONGEST: Duration = Duration::from_mins(5);
/// A window that moves by less is the same one: a record is not written for it.
const SAME: SignedDuration = SignedDuration::from_mins(1);

impl Session<'_> {
    pub(super) fn ended(&mut self, ended: Result<(Id, Done), JoinError>) {
        let now = Timestamp::now();
        let (id, done) = match ended {
            Ok((id, done)) => (id, Some(done)),
            Err(failed) => {
                error!(error = %failed, "a task of a host ended early");
                (failed.id(), None)
            }
        };
        let host = self.about.remove(&id).unwrap_or_default();
        match done {
            Some(Done::Opened(opened)) => self.opened(opened, now),
            Some(Done::Host(outcome)) => {
                self.busy.remove(&host);
                self.outcome(&host, outcome, now);
            }
            Some(Done::Window(id, window)) => {
                self.polling.remove(&host);
                self.polls.insert(
                    host.clone(),
                    plan::next_poll(&host, every(self.shared), now),
                );
                self.window(&host, &id, window, now);
            }
            Some(Done::Forgotten) => {
                self.busy.remove(&host);
            }
            Some(Done::Kept(kept)) => {
                self.busy.remove(&host);
                self.kept(host, kept, now);
            }
            None if host.is_empty() => self.wait_for_ca(now),
            None => {
                self.polling.remove(&host);
                if self.busy.remove(&host) {
                    let text = format!("a bug of Longshore keeps {host} from its certificate");
                    self.failed(&host, &Problem::host("bug", text), now);
                }
            }
        }
    }

    fn kept(&mut self, host: String, kept: Result<bool, ApiError>, now: Timestamp) {
        match (kept, self.records.get_mut(&host)) {
            (Ok(false), Some(record)) => {
                warn!(host, "certificate was deleted");
                plan::lost(record);
                self.dirty.insert(host);
            }
            (Err(error), _) => {
                warn!(host, %error, "certificate cannot be looked for");
                self.found.insert(host, now);
            }
            (Ok(_), _) => {
                self.found.insert(host, now);
            }
        }
    }

    fn opened(&mut self, opened: Result<crate::issue::acme::Ca, Problem>, now: Timestamp) {
        match opened {
            Ok(ca) => {
                info!(account = ca.account(), identities = ?ca.identities, "the CA is open");
                self.ca = Some(Arc::new(ca));
                (self.account, self.ca_failures) = (AccountChoice::Kept, 0);
            }
            Err(problem) => {
                warn!(
                    code = problem.code,
                    problem = problem.text,
                    "the CA is not open"
                );
                match problem.blame {
                    Blame::Limit(_, until) => {
                        self.shared.limits.lock().refused("", Scope::Account, until);
                    }
                    Blame::Account => self.account = AccountChoice::New,
                    _ => {}
                }
                self.wait_for_ca(now);
            }
        }
    }

    /// Everybody waits for the CA, longer each time.
    fn wait_for_ca(&mut self, now: Timestamp) {
        let first = self.shared.settings.pace.ca_wait;
        let wait = release::backoff(first, self.ca_failures, CA_LONGEST);
        self.ca_failures = self.ca_failures.saturating_add(1);
        self.shared
            .limits
            .lock()
            .refused("", Scope::Account, now + wait);
    }

    fn outcome(&mut self, host: &str, outcome: IssueOutcome, now: Timestamp) {
        self.shared.figures.turn(match &outcome.end {
            End::Issued(_) => figures::ISSUED,
            End::Waits(_) => figures::LIMITED,
            End::Failed(problem) => figures::result(problem.blame),
        });
        let record = self.records.entry(host.to_owned()).or_default();
        if outcome.counts {
            plan::ordered(record, now);
        }
        if outcome.counts && !matches!(outcome.end, End::Issued(_)) {
            self.shared.limits.lock().came_to_nothing(host);
        }
        match outcome.end {
            End::Issued(checked) => {
                info!(host, issuer = checked.issuer, until = %checked.not_after, "issued");
                if outcome.counts {
                    plan::certified(record, now);
                }
                plan::issued(record, host, &checked);
                self.ca_failures = 0;
                self.ca_failed.clear();
                // The CA may have another opinion on when to renew it than we have.
                self.polls.insert(host.to_owned(), now);
            }
            End::Waits(wait) => plan::waits(record, &wait, now),
            End::Failed(problem) => self.failed(host, &problem, now),
        }
        self.dirty.insert(host.to_owned());
    }

    fn failed(&mut self, host: &str, problem: &Problem, now: Timestamp) {
        warn!(
            host,
            code = problem.code,
            problem = problem.text,
            "no certificate"
        );
        match problem.blame {
            Blame::Validation => self.shared.limits.lock().failed(host, now),
            Blame::Limit(scope, until) => self.shared.limits.lock().refused(host, scope, until),
            Blame::Ca => {
                self.ca_failed.insert(host.to_owned());
                // One that it always fails at must not hold the others. Those that were on their
                // way together count once.
                let held = self.shared.limits.lock().held(now).is_some();
                if self.ca_failed.len() > 1 && !held {
                    self.wait_for_ca(now);
                }
            }
            Blame::Account => {
                (self.ca, self.account) = (None, AccountChoice::New);
                self.shared.begun.lock().clear();
            }
            Blame::Host | Blame::Renewal | Blame::Us => {}
        }
        let first = SignedDuration::try_from(self.shared.settings.pace.first_wait);
        let first = first.unwrap_or(SignedDuration::from_mins(1));
        let record = self.records.entry(host.to_owned()).or_default();
        plan::failed(record, host, problem, first, now);
        self.dirty.insert(host.to_owned());
    }

    fn window(
        &mut self,
        host: &str,
        id: &str,
        window: Result<RenewalWindow, Problem>,
        now: Timestamp,
    ) {
        let (start, end) = match window {
            Ok(RenewalWindow::Between(start, end)) => (start, end),
            Ok(RenewalWindow::Unknown) => return,
            Ok(RenewalWindow::Unsupported) => {
                info!("the CA does not say when to renew");
                self.windows = false;
                return;
            }
            Err(problem) => {
                warn!(
                    host,
                    code = problem.code,
                    problem = problem.text,
                    "no window of renewal"
                );
                return;
            }
        };
        let at = plan::in_window(host, start, end);
        let Some(record) = self.records.get_mut(host) else {
            return;
        };
        // It may have been renewed meanwhile.
        let same = record.id.as_deref() == Some(id);
        let known = record.renew_at.unwrap_or(Timestamp::UNIX_EPOCH);
        if same && at.duration_since(known).abs() >= SAME {
            info!(host, %at, early = at <= now, "the CA says when to renew");
            record.renew_at = Some(at);
            self.dirty.insert(host.to_owned());
        }
    }
}
