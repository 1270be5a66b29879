//! The edge answers for the host: what the CA will ask is asked by ourselves, with a token of ours.

use super::Problem;
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use futures_util::future::join_all;
use http::{Request, StatusCode, header::HOST};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::{body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    time::Duration,
};
use tokio::{net::TcpStream, time::timeout};

/// How long an answer takes at most; the CA waits 10 s (Boulder).
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of an answer that are read: a token, a dot and a thumbprint are 87.
const ANSWER: usize = 256;
/// Addresses that are asked at most.
const ADDRESSES: usize = 4;

/// Asks the host at each of its addresses.
pub(super) async fn check(
    host: &str,
    addresses: &[IpAddr],
    port: u16,
    thumbprint: &str,
) -> Result<(), Problem> {
    // 32 bytes are the 43 characters of a token of Let's Encrypt.
    let token = BASE64_URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
    let ask = |address: &IpAddr| {
        let address = SocketAddr::new(*address, port);
        let token = token.as_str();
        async move {
            let asked = timeout(PATIENCE, ask(host, address, token)).await;
            let answer = asked.unwrap_or(Err(Silence::Timeout));
            judge(host, address, &format!("{token}.{thumbprint}"), &answer)
        }
    };
    let answers = join_all(addresses.iter().take(ADDRESSES).map(ask)).await;
    answers.into_iter().collect()
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Silence {
    Timeout,
    Connect(String),
    Http(String),
}

impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timeout => write!(f, "nothing within {} s", PATIENCE.as_secs()),
            Self::Connect(why) | Self::Http(why) => f.write_str(why),
        }
    }
}

/// An answer. What it says is not told to anybody: it is a stranger's, who may lead us to a server
/// that only we can reach.
struct NonceAnswer {
    code: StatusCode,
    body: Option<Bytes>,
}

async fn ask(host: &str, address: SocketAddr, token: &str) -> Result<NonceAnswer, Silence> {
    let stream = TcpStream::connect(address)
        .await
        .map_err(|error| Silence::Connect(error.to_string()))?;
    let failed = |error: hyper::Error| Silence::Http(error.to_string());
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(failed)?;
    // The port that visitors use is not said, as no browser says it.
    let request = Request::get(format!("/.well-known/acme-challenge/{token}"))
        .header(HOST, host)
        .header("user-agent", "longshore-edge")
        .header("connection", "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| Silence::Http(error.to_string()))?;
    let answer = async {
        let response = sender.send_request(request).await.map_err(failed)?;
        let code = response.status();
        let body = Limited::new(response.into_body(), ANSWER).collect().await;
        Ok(NonceAnswer {
            code,
            body: body.ok().map(http_body_util::Collected::to_bytes),
        })
    };
    tokio::pin!(answer);
    // The connection moves with the request, and ends with it.
    tokio::select! {
        answer = &mut answer => answer,
        ended = connection => match ended {
            Ok(()) => answer.await,
            Err(error) => Err(failed(error)),
        },
    }
}

fn judge(
    host: &str,
    address: SocketAddr,
    expected: &str,
    answer: &Result<NonceAnswer, Silence>,
) -> Result<(), Problem> {
    let what = match answer {
        Ok(NonceAnswer { code, body }) if *code == StatusCode::OK => {
            let right = body
                .as_ref()
                .is_some_and(|body| body.trim_ascii() == expected.as_bytes());
            if right {
                return Ok(());
            }
            "a page of its own".to_owned()
        }
        Ok(NonceAnswer { code, .. }) if code.is_redirection() => {
            format!("a redirect ({})", code.as_u16())
        }
        Ok(NonceAnswer { code, .. }) => format!("code {}", code.as_u16()),
        Err(silence) => {
            return Err(Problem::host(
                "not-reachable",
                format!(
                    "{host} does not answer over HTTP at {address}: {silence}; check its address \
                     in DNS, and firewalls"
                ),
            ));
        }
    };
    Err(Problem::host(
        "not-answered-by-the-edge",
        format!(
            "{host} answers over HTTP at {address} with {what}, and not as the edge does; check \
             its address in DNS, and proxies in front of the edge"
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
        task::JoinSet,
    };

    /// A server that says this to everybody, with the token where it says so.
    async fn server(says: &'static str) -> (u16, JoinSet<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = vec![0; 1024];
                let read = stream.read(&mut request).await.unwrap_or(0);
                let request = String::from_utf8_lossy(&request[..read]).into_owned();
                let path = request.split(' ').nth(1).unwrap_or_default();
                let token = path.rsplit('/').next().unwrap_or_default();
                stream
                    .write_all(says.replace("TOKEN", token).as_bytes())
                    .await
                    .ok();
            }
        });
        (port, tasks)
    }

    async fn code(says: &'static str) -> Option<&'static str> {
        let (port, _tasks) = server(says).await;
        let here = [IpAddr::from([127, 0, 0, 1])];
        check("a.example", &here, port, "print")
            .await
            .err()
            .map(|it| it.code)
    }

    #[tokio::test]
    async fn only_the_answer_of_the_edge_is_taken() {
        for (says, expected) in [
            ("HTTP/1.1 200 OK\r\n\r\nTOKEN.print", None),
            ("HTTP/1.1 200 OK\r\n\r\nTOKEN.print\n", None),
            (
                "HTTP/1.1 200 OK\r\n\r\nTOKEN.other",
                Some("not-answered-by-the-edge"),
            ),
            (
                "HTTP/1.1 404 Not Found\r\n\r\n",
                Some("not-answered-by-the-edge"),
            ),
            (
                "HTTP/1.1 301 Moved\r\nlocation: https://a.example/\r\n\r\n",
                Some("not-answered-by-the-edge"),
            ),
            ("nonsense\r\n\r\n", Some("not-reachable")),
            ("", Some("not-reachable")),
        ] {
            assert_eq!(code(says).await, expected, "{says}");
        }
    }

    #[tokio::test]
    async fn a_page_without_an_end_is_not_read() {
        let head = "HTTP/1.1 200 OK\r\ncontent-length: 100000000\r\n\r\n";
        let page = Box::leak(format!("{head}{}", "x".repeat(100_000)).into_boxed_str());
        assert_eq!(code(page).await, Some("not-answered-by-the-edge"));
    }

    #[tokio::test]
    async fn nobody_there_names_the_address() {
        let here = [IpAddr::from([127, 0, 0, 1])];
        let problem = check("a.example", &here, 1, "print").await.unwrap_err();
        assert_eq!(problem.code, "not-reachable");
        assert!(problem.text.contains("127.0.0.1:1"), "{}", problem.text);
    }
}
