//! Work on many Shops: a page that tells how far it is, and what became of each in the end. It
//! grows while the work goes on, so that no browser waits in vain, and needs no script.

use super::{Answer, Desk};
use crate::{
    page::{Asked, Frame},
    text,
};
use askama::Template;
use axum::body::Body;
use futures_util::{
    Stream, StreamExt as _,
    stream::{self, BoxStream},
};
use operations::OperationError;
use std::{convert::Infallible, time::Duration};
use tokio::{sync::mpsc, time::Instant};
use tokio_util::sync::CancellationToken;

/// Where the page goes on later.
const MORE: &str = "<!-- more -->";
/// How often it tells how far it is.
const EVERY: Duration = Duration::from_secs(1);
/// How many must fail in a row because the API server does not answer, until none is begun any
/// more: all that are on their way, and each has waited long.
const AWAY: usize = 16;
/// Shops that are told with what is wrong; of a trouble that all have, a few say it.
const TOLD: usize = 100;

/// What became of a Shop.
pub(super) type Ended = (String, Result<(), OperationError>);

/// The work.
pub(super) struct Work {
    /// What the page is called.
    pub(super) title: String,
    /// How many Shops there are.
    pub(super) all: usize,
    /// What became of each, as it is done.
    pub(super) each: BoxStream<'static, Ended>,
    /// After it, `each` begins no further one.
    pub(super) stop: CancellationToken,
    /// What is said in the end, of how many it is true and how many there are.
    pub(super) said: fn(usize, usize) -> String,
}

#[derive(Template)]
#[template(path = "work.html")]
struct Page {
    frame: Frame,
    title: String,
}

#[derive(Template)]
#[template(path = "work-end.html")]
struct End {
    said: String,
    /// Why it ended before all were done.
    stopped: Option<&'static str>,
    failed: Vec<(String, String)>,
    untold: usize,
}

/// Does the work to its end, and answers with the page of it.
pub(super) async fn answer(desk: &Desk, asked: &Asked, work: Work) -> Answer {
    let page = Page {
        frame: asked.frame(&desk.registry, &desk.guard).await,
        title: work.title.clone(),
    };
    let Ok(text) = page.render() else {
        return Ok(asked.answer(&page));
    };
    // It holds a line a second, and nobody waits for whoever does not read.
    let (tell, told) = mpsc::unbounded_channel();
    desk.begun.spawn(run(work, text, tell));
    Ok(asked.grows(Body::from_stream(pieces(told))))
}

/// What is told, piece by piece.
fn pieces(
    told: mpsc::UnboundedReceiver<String>,
) -> impl Stream<Item = Result<String, Infallible>> + Send {
    stream::unfold(told, |mut told| async {
        let piece = told.recv().await?;
        Some((Ok(piece), told))
    })
}

async fn run(mut work: Work, page: String, tell: mpsc::UnboundedSender<String>) {
    // Whoever left is told nothing.
    let tell = |piece: String| drop(tell.send(piece));
    let mut parts = page.splitn(3, MORE).map(str::to_owned);
    let mut part = || parts.next().unwrap_or_default();
    tell(part());
    tell(so_far(0, work.all));
    let (mut ended, mut away, mut failed) = (0, 0, Vec::new());
    let mut last = Instant::now();
    while let Some((shop, result)) = work.each.next().await {
        ended += 1;
        away = match &result {
            Err(OperationError::Api(error)) if error.is_transient() => away + 1,
            _ => 0,
        };
        if away >= AWAY {
            work.stop.cancel();
        }
        if let Err(error) = result {
            failed.push((shop, runtime::Chain(&error).to_string()));
        }
        if last.elapsed() >= EVERY {
            last = Instant::now();
            tell(so_far(ended, work.all));
        }
    }
    tell(so_far(ended, work.all));
    tell(part());
    let end = End {
        said: (work.said)(ended - failed.len(), work.all),
        stopped: match work.all - ended {
            0 => None,
            _ if away >= AWAY => Some(text::API_AWAY),
            _ => Some(text::CONSOLE_STOPS),
        },
        untold: failed.len().saturating_sub(TOLD),
        failed: {
            failed.truncate(TOLD);
            failed
        },
    };
    tell(end.render().unwrap_or_else(|_| text::BUG.to_owned()));
    tell(part());
}

fn so_far(ended: usize, all: usize) -> String {
    format!("<p>{}</p>\n", text::so_far(ended, all))
}
