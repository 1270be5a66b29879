//! What a process in a pod answers, through the API server: whoever owns the pod's network may
//! answer in its place, for ever.

use crate::{ApiError, Cluster};
use http_body_util::{BodyExt as _, Limited};
use kube::{client::Body, core::Status};

impl Cluster {
    /// The body of what `path` answers with 200, read no further than `limit` bytes and no longer
    /// than [`Cluster::once`] waits. The body of any other answer is not read at all: a client that
    /// wants to know what an error says would read that without an end.
    ///
    /// # Errors
    ///
    /// If the API server does not do it.
    pub async fn answer(&self, what: &str, path: &str, limit: usize) -> Result<Vec<u8>, ApiError> {
        let client = self.client();
        let call = || async move {
            let request = http::Request::get(path)
                .body(Body::empty())
                .map_err(kube::Error::HttpError)?;
            let response = client.send(request).await?;
            if response.status() != http::StatusCode::OK {
                let code = response.status().as_u16();
                return Err(kube::Error::Api(
                    Status {
                        code,
                        ..Status::default()
                    }
                    .boxed(),
                ));
            }
            let body = Limited::new(response.into_body(), limit)
                .collect()
                .await
                .map_err(kube::Error::Service)?;
            Ok(body.to_bytes().into())
        };
        self.once(what, call).await
    }

    /// What a Service of ours answers to `request`, whatever its code: the body is read no further
    /// than `limit` bytes. If the API server itself refuses, the body is a [`Status`] of its own.
    ///
    /// # Errors
    ///
    /// If nobody answers.
    pub async fn answer_of_service(
        &self,
        what: &str,
        request: http::Request<Body>,
        limit: usize,
    ) -> Result<(http::StatusCode, Vec<u8>), ApiError> {
        let client = self.client();
        let call = || async move {
            let response = client.send(request).await?;
            let code = response.status();
            let body = Limited::new(response.into_body(), limit)
                .collect()
                .await
                .map_err(kube::Error::Service)?;
            Ok((code, body.to_bytes().into()))
        };
        self.once(what, call).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::{Client, Config};
    use std::{
        io,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering::Relaxed},
        },
    };
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::{TcpListener, TcpStream},
        task::JoinSet,
        time::{Duration, Instant, sleep},
    };

    const LIMIT: usize = 256 << 10;

    /// A server, while it is held.
    struct Server {
        cluster: Cluster,
        sent: Arc<AtomicUsize>,
        _tasks: JoinSet<()>,
    }

    /// Answers with this head, and then with this piece again and again, `pause` apart, until
    /// nobody listens.
    async fn endless(
        stream: &mut TcpStream,
        head: &str,
        piece: &[u8],
        pause: Duration,
        sent: &AtomicUsize,
    ) -> io::Result<()> {
        stream.read_u8().await?;
        stream.write_all(head.as_bytes()).await?;
        loop {
            stream.write_all(piece).await?;
            sent.fetch_add(piece.len(), Relaxed);
            sleep(pause).await;
        }
    }

    async fn server(head: &'static str, piece: Vec<u8>, pause: Duration) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let sent = Arc::new(AtomicUsize::new(0));
        let (count, mut tasks) = (Arc::clone(&sent), JoinSet::new());
        tasks.spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                // It ends when the client goes away.
                endless(&mut stream, head, &piece, pause, &count).await.ok();
            }
        });
        let client =
            Client::try_from(Config::new(format!("http://{address}").parse().unwrap())).unwrap();
        Server {
            cluster: Cluster::over(client),
            sent,
            _tasks: tasks,
        }
    }

    #[tokio::test]
    async fn an_answer_without_an_end_is_read_to_its_bound_whatever_its_code() {
        let chunk = [
            b"10000\r\n".to_vec(),
            vec![b'x'; 0x1_0000],
            b"\r\n".to_vec(),
        ]
        .concat();
        for head in [
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
            "HTTP/1.1 500 Internal Server Error\r\ntransfer-encoding: chunked\r\n\r\n",
            "HTTP/1.1 404 Not Found\r\ntransfer-encoding: chunked\r\n\r\n",
            "HTTP/1.1 302 Found\r\nlocation: /\r\ntransfer-encoding: chunked\r\n\r\n",
        ] {
            let Server {
                cluster,
                sent,
                _tasks,
            } = server(head, chunk.clone(), Duration::ZERO).await;
            let began = Instant::now();
            assert!(
                cluster.answer("status", "/status", LIMIT).await.is_err(),
                "{head}"
            );
            sleep(Duration::from_millis(200)).await;
            // What the kernel holds for a reader that went away is not ours.
            assert!(
                sent.load(Relaxed) < 32 << 20 && began.elapsed() < Duration::from_secs(3),
                "{head}: {} bytes",
                sent.load(Relaxed)
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_drips_ends_with_the_deadline() {
        let server = server(
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
            b"1\r\nx\r\n".to_vec(),
            Duration::from_millis(100),
        )
        .await;
        let error = server
            .cluster
            .answer("status", "/status", LIMIT)
            .await
            .unwrap_err();
        assert!(matches!(error, ApiError::Slow { .. }), "{error:?}");
    }

    #[tokio::test]
    async fn an_answer_within_the_bound_is_given_whole() {
        for (limit, whole) in [(2, true), (1, false)] {
            let server = server(
                "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n",
                b"{}".to_vec(),
                Duration::from_hours(1),
            )
            .await;
            let answer = server.cluster.answer("status", "/status", limit).await;
            assert!(
                if whole {
                    answer.as_ref().is_ok_and(|body| body == b"{}")
                } else {
                    matches!(answer, Err(ApiError::Unreachable { .. }))
                },
                "{answer:?}"
            );
        }
    }
}
