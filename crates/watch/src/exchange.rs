//! One request over one connection, which is nobody's afterwards.

use http::{Request, Response};
use http_body_util::Empty;
use hyper::{
    body::{Bytes, Incoming},
    client::conn::http1,
};
use hyper_util::rt::TokioIo;
use std::pin::pin;
use tokio::io::{AsyncRead, AsyncWrite};

/// Bytes of an answer's header at most.
const HEADER: usize = 64 << 10;

/// Sends a request, and gives what `read` makes of the answer.
///
/// # Errors
///
/// The other side does not speak HTTP, or ends before its answer.
pub(crate) async fn exchange<T>(
    io: impl AsyncRead + AsyncWrite + Unpin,
    request: Request<Empty<Bytes>>,
    read: impl AsyncFnOnce(Response<Incoming>) -> T,
) -> Result<T, hyper::Error> {
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(HEADER)
        .handshake(TokioIo::new(io))
        .await?;
    let mut connection = pin!(connection);
    let mut answer = pin!(async {
        let response = sender.send_request(request).await?;
        Ok(read(response).await)
    });
    let mut ended = false;
    loop {
        tokio::select! {
            biased;
            answer = &mut answer => return answer,
            // What it says is what the answer says, too.
            _end = &mut connection, if !ended => ended = true,
        }
    }
}
