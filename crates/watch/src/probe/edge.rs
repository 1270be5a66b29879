//! Where the edge is.

use std::{net::SocketAddr, time::Duration};
use tokio::{
    net::lookup_host,
    sync::watch as latest,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// How often its address is looked up.
const EVERY: Duration = Duration::from_secs(30);
/// How long that may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Its addresses, or why there are none.
pub(crate) type Addresses = Result<Vec<SocketAddr>, String>;

/// Looks the edge's addresses up, again and again, until `stop`. What was known stays where nobody
/// answers.
pub(crate) async fn follow(
    place: String,
    tell: latest::Sender<Addresses>,
    stop: CancellationToken,
) {
    let look = async {
        loop {
            let found = timeout(PATIENCE, lookup_host(&place)).await;
            let found: Addresses = match found {
                Err(_elapsed) => Err("nobody answers in time".to_owned()),
                Ok(Err(error)) => Err(error.to_string()),
                Ok(Ok(addresses)) => Ok(addresses.collect()),
            };
            match found {
                Ok(addresses) => {
                    let changed = tell.send_if_modified(|known| {
                        let new = known.as_ref() != Ok(&addresses);
                        *known = Ok(addresses);
                        new
                    });
                    if changed {
                        info!(place, "edge found");
                    }
                }
                Err(error) => {
                    warn!(place, error, "edge not found");
                    tell.send_if_modified(|known| {
                        let new = known.is_err();
                        if new {
                            *known = Err(format!("the edge is not found at {place}: {error}"));
                        }
                        new
                    });
                }
            }
            sleep(EVERY).await;
        }
    };
    stop.run_until_cancelled(look).await;
}
