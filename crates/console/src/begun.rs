//! What a person sent is done to its end. The browser may leave meanwhile, the answer may take too
//! long, a connection may be cut: none of it leaves half of a change behind, or a change that no
//! line of the log tells.

use crate::text;
use axum::{
    extract::{Request, State},
    http::{Method, StatusCode},
    middleware::Next,
    response::{IntoResponse, Response},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{Instrument as _, error};

/// What has begun.
#[derive(Debug, Clone, Default)]
pub(crate) struct Begun(TaskTracker);

impl Begun {
    /// Does this, whoever still waits for it.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.0.spawn(work.in_current_span());
    }

    /// Waits until all is done, once the program is to stop.
    pub(crate) async fn ended(self, stop: CancellationToken) {
        stop.cancelled().await;
        self.0.close();
        self.0.wait().await;
    }
}

/// Answers what changes something in a task of its own.
pub(crate) async fn to_its_end(
    State(begun): State<Begun>,
    request: Request,
    next: Next,
) -> Response {
    if *request.method() != Method::POST {
        return next.run(request).await;
    }
    let answered = begun.0.spawn(next.run(request).in_current_span()).await;
    answered.unwrap_or_else(|error| {
        error!(%error, "no answer");
        (StatusCode::INTERNAL_SERVER_ERROR, text::BUG).into_response()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::{Router, body::Body, middleware, routing::post};
    use std::{
        sync::{
            Arc,
            atomic::{AtomicBool, Ordering::Relaxed},
        },
        time::Duration,
    };
    use tokio::time::{sleep, timeout};
    use tower::ServiceExt as _;

    #[tokio::test(start_paused = true)]
    async fn who_leaves_takes_nothing_back_and_the_stop_waits() {
        let (begun, stored) = (Begun::default(), Arc::<AtomicBool>::default());
        let of_page = Arc::clone(&stored);
        let page = post(move || async move {
            sleep(Duration::from_secs(2)).await;
            of_page.store(true, Relaxed);
        });
        let routes = Router::new()
            .route("/", page)
            .layer(middleware::from_fn_with_state(begun.clone(), to_its_end));
        let sent = Request::post("/").body(Body::empty()).unwrap();
        let left = timeout(Duration::from_secs(1), routes.oneshot(sent)).await;
        assert!(left.is_err() && !stored.load(Relaxed));
        let stop = CancellationToken::new();
        stop.cancel();
        begun.ended(stop).await;
        assert!(stored.load(Relaxed));
    }
}
