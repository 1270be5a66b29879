//! Health and metrics.

use super::{Controller, metrics};
use runtime::{Page, Pages};
use std::sync::Arc;

pub(super) fn pages(controller: Arc<Controller>) -> Pages {
    Arc::new(move |path| match path {
        "/livez" => Page::Text("ok\n".to_owned()),
        "/readyz" if controller.complete() => Page::Text("ok\n".to_owned()),
        "/readyz" => {
            let unread: Vec<_> = controller.lock().unread.iter().copied().collect();
            Page::Unavailable(format!("not read yet: {}\n", unread.join(", ")))
        }
        "/metrics" => Page::Metrics(metrics::page(&controller)),
        _ => Page::Missing("there is /livez, /readyz and /metrics\n"),
    })
}
