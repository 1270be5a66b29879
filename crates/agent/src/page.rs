//! Asks for the shop's page after a start, until it was good once: a shop that has never worked, as
//! its database is empty, is told from one that serves. From then on each switch asks.

use crate::{board::Board, serve::Heartbeat, status::PageState};
use jiff::Timestamp;
use php::{Probe, Problem};
use std::{future::Future, time::Duration};
use tokio_util::sync::CancellationToken;

/// How soon it is asked again first: php-fpm and nginx start after the agent.
const FIRST: Duration = Duration::from_secs(2);
/// How rarely at last: one request a minute is no load for a shop that does not work anyway.
const LAST: Duration = Duration::from_mins(1);
/// Within what time a round ends: the longest wait and the longest probe.
pub(crate) const ROUND: Duration = Duration::from_mins(10);

/// Asks until the page was good, and then waits for `stop`.
pub async fn ask(probe: Probe, board: Board, heartbeat: Heartbeat, stop: CancellationToken) {
    // One answer counts here; that a release is kept asks for more.
    let probe = Probe { times: 1, ..probe };
    until_good(|| probe.check(), &board, &heartbeat, &stop).await;
    // A task that ends stops its siblings.
    while stop
        .run_until_cancelled(tokio::time::sleep(LAST))
        .await
        .is_some()
    {
        heartbeat.beat();
    }
}

async fn until_good<F>(
    check: impl Fn() -> F,
    board: &Board,
    heartbeat: &Heartbeat,
    stop: &CancellationToken,
) where
    F: Future<Output = Result<(), Problem>>,
{
    board.asks_page();
    let mut wait = FIRST;
    loop {
        if stop
            .run_until_cancelled(tokio::time::sleep(wait))
            .await
            .is_none()
        {
            return;
        }
        heartbeat.beat();
        wait = (wait * 2).min(LAST);
        let snapshot = board.now();
        // Switches ask by themselves, and what is on trial is theirs to judge.
        if snapshot
            .page
            .as_ref()
            .is_some_and(|page| page.state == PageState::Good)
        {
            return;
        }
        if snapshot
            .running
            .as_ref()
            .is_none_or(|running| running.on_trial)
        {
            wait = FIRST;
            continue;
        }
        let Some(answer) = stop.run_until_cancelled(check()).await else {
            return;
        };
        board.page(Timestamp::now(), &answer);
        // Nobody listens yet, most likely.
        if matches!(answer, Err(Problem::Silent(_))) {
            wait = wait.min(FIRST * 2);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{serve::Heartbeats, status::Running};
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    fn board() -> Board {
        let board = Board::for_tests();
        board.runs_for_tests(Running {
            sequence: 1.try_into().unwrap(),
            manifest: release::Sha256::digest(b"m"),
            since: Timestamp::now(),
            on_trial: false,
        });
        board
    }

    fn heartbeat() -> Heartbeat {
        Heartbeats::new().task("page", ROUND)
    }

    #[tokio::test(start_paused = true)]
    async fn a_page_is_asked_for_until_it_is_good_and_ever_more_rarely() {
        let (board, asked, start) = (board(), AtomicUsize::new(0), tokio::time::Instant::now());
        let check = || async {
            match asked.fetch_add(1, SeqCst) {
                0 => Err(Problem::Silent("nobody listens".into())),
                number if number < 20 => Err(Problem::Bad("status 503".into())),
                _ => Ok(()),
            }
        };
        let seen = board.clone();
        let watch = async {
            tokio::time::sleep(Duration::from_mins(1)).await;
            let page = seen.now().page.clone().unwrap();
            assert_eq!(
                (page.state, page.problem.as_deref()),
                (PageState::Bad, Some("status 503"))
            );
        };
        let (heartbeat, stop) = (heartbeat(), CancellationToken::new());
        tokio::join!(until_good(check, &board, &heartbeat, &stop), watch);
        assert_eq!(
            board.now().page.as_ref().map(|page| page.state),
            Some(PageState::Good)
        );
        assert!(start.elapsed() > LAST * 14, "{:?}", start.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_switch_has_seen_is_not_asked_again_and_silence_takes_nothing_back() {
        let board = board();
        board.asks_page();
        board.page(Timestamp::now(), &Ok(()));
        board.page(
            Timestamp::now(),
            &Err(Problem::Silent("php-fpm restarts".into())),
        );
        assert_eq!(
            board.now().page.as_ref().map(|page| page.state),
            Some(PageState::Good)
        );
        let board = self::board();
        let (heartbeat, stop) = (heartbeat(), CancellationToken::new());
        let switch = async {
            tokio::time::sleep(FIRST / 2).await;
            board.page(Timestamp::now(), &Ok(()));
        };
        let check = || async { panic!("asked again") };
        tokio::join!(until_good(check, &board, &heartbeat, &stop), switch);
    }
}
