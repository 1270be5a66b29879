//! What an agent answers, read no further than its bounds.

use crate::exchange::exchange;
use http::{Request, StatusCode, header::HOST};
use http_body_util::{BodyExt as _, Empty, LengthLimitError, Limited};
use hyper::body::Bytes;
use std::{io, net::SocketAddr, time::Duration};
use tokio::{net::TcpStream, time::timeout};

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AskError {
    /// Nobody takes the connection.
    #[error("no connection")]
    Connect(#[source] io::Error),
    /// The connection ended, or what came is no HTTP.
    #[error("no answer")]
    Broken(#[source] hyper::Error),
    /// It took too long.
    #[error("no answer in time")]
    Slow,
    /// The agent is of a version that has no such page.
    #[error("the agent has no such page")]
    None,
    /// Another answer.
    #[error("the answer is {0}")]
    Status(u16),
    /// The page has no end.
    #[error("the page is too large")]
    Large,
    /// The page could not be read to its end.
    #[error("the page ends before its end")]
    Cut,
}

/// Asks an agent for a page of at most `limit` bytes.
///
/// # Errors
///
/// [`AskError`].
pub(crate) async fn ask(
    agent: SocketAddr,
    page: &str,
    limit: usize,
    deadline: Duration,
) -> Result<Bytes, AskError> {
    let request = Request::get(page)
        .header(HOST, agent.to_string())
        .body(Empty::new())
        // A number and an address always make a request.
        .map_err(|_| AskError::Cut)?;
    let asked = async {
        let stream = TcpStream::connect(agent).await.map_err(AskError::Connect)?;
        let read = async |response: http::Response<hyper::body::Incoming>| match response.status() {
            StatusCode::OK => {
                let body = Limited::new(response.into_body(), limit).collect().await;
                body.map(http_body_util::Collected::to_bytes)
                    .map_err(|error| {
                        if error.is::<LengthLimitError>() {
                            AskError::Large
                        } else {
                            AskError::Cut
                        }
                    })
            }
            StatusCode::NOT_FOUND => Err(AskError::None),
            other => Err(AskError::Status(other.as_u16())),
        };
        let answer = exchange(stream, request, read).await;
        answer.map_err(AskError::Broken)?
    };
    timeout(deadline, asked)
        .await
        .unwrap_or(Err(AskError::Slow))
}
