//! Whether the shop answers, asked as its proxy would.

use crate::{Expect, Parameters, Scheme};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::{Request, Uri, body::Bytes, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use std::{
    fmt, io,
    str::FromStr,
    time::{Duration, Instant},
};
use tokio::{
    net::TcpStream,
    time::{sleep, timeout},
};

/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(100);
/// Bytes of a page that are read.
const BODY_LIMIT: usize = 1 << 20;

/// An `http://` URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url(Uri);

impl FromStr for Url {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let uri: Uri = text.parse().map_err(|_| ())?;
        let plain = uri.scheme_str() == Some("http")
            && uri.host().is_some_and(|host| !host.is_empty())
            && !text.contains('@');
        if plain { Ok(Self(uri)) } else { Err(()) }
    }
}

impl Url {
    /// The path and the query.
    #[must_use]
    pub fn path(&self) -> &str {
        self.0.path_and_query().map_or("/", |path| path.as_str())
    }

    /// The host, without a port.
    #[must_use]
    pub fn host(&self) -> &str {
        self.0.host().unwrap_or_default()
    }

    /// The port.
    pub(crate) fn port(&self) -> u16 {
        self.0.port_u16().unwrap_or(80)
    }

    /// The host, with a port where it has one.
    pub(crate) fn authority(&self) -> &str {
        self.0
            .authority()
            .map_or("", |authority| authority.as_str())
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How to ask whether the shop works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// Which page.
    pub url: Url,
    /// The `Host` header, if it is not the URL's.
    pub host: Option<String>,
    /// How visitors speak to the edge before it.
    pub scheme: Scheme,
    /// What the web server tells php-fpm besides.
    pub params: Parameters,
    /// What a good page is.
    pub expect: Expect,
    /// How many answers in a row decide.
    pub times: u32,
    /// How long one may take.
    pub timeout: Duration,
    /// How long all of it may take.
    pub within: Duration,
}

/// Why the shop does not work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// It answered, and not as it should.
    #[error("{0}")]
    Bad(String),
    /// Nobody answers at all: that says nothing of what is served.
    #[error("{0}")]
    Silent(String),
}

impl Probe {
    /// Asks until [`Self::times`] answers in a row were good, or as many bad, or the time is over.
    ///
    /// # Errors
    ///
    /// [`Problem`], with the last answer; [`Problem::Silent`] only where there was no answer at
    /// all.
    pub async fn check(&self) -> Result<(), Problem> {
        let (start, mut good, mut bad, mut attempts) = (Instant::now(), 0, 0, 0);
        let mut last = Problem::Silent(format!("{}: not asked", self.url));
        while start.elapsed() < self.within {
            attempts += 1;
            match self.ask().await {
                Ok(()) => (good, bad) = (good + 1, 0),
                Err(problem) => {
                    good = 0;
                    bad += u32::from(matches!(problem, Problem::Bad(_)));
                    if matches!(problem, Problem::Bad(_)) || matches!(last, Problem::Silent(_)) {
                        last = problem;
                    }
                }
            }
            if good >= self.times {
                return Ok(());
            }
            if bad >= self.times {
                break;
            }
            sleep(PAUSE).await;
        }
        Err(match last {
            Problem::Bad(text) => Problem::Bad(format!("{}: attempt {attempts}: {text}", self.url)),
            Problem::Silent(text) => {
                Problem::Silent(format!("{}: {attempts} attempts: {text}", self.url))
            }
        })
    }

    async fn ask(&self) -> Result<(), Problem> {
        match timeout(self.timeout, self.page()).await {
            Ok(Ok(None)) => Ok(()),
            Ok(Ok(Some(problem))) => Err(Problem::Bad(problem)),
            Ok(Err(error)) => Err(error),
            Err(_elapsed) => Err(Problem::Bad(format!("no answer within {:?}", self.timeout))),
        }
    }

    /// One page; what is wrong with it, if anything is.
    async fn page(&self) -> Result<Option<String>, Problem> {
        let address = (self.url.host().trim_matches(['[', ']']), self.url.port());
        let stream = TcpStream::connect(address)
            .await
            .map_err(|error: io::Error| Problem::Silent(format!("cannot connect: {error}")))?;
        let broken = |error: hyper::Error| Problem::Bad(format!("the answer broke off: {error}"));
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(broken)?;
        let request = Request::get(self.url.path()).header(header::CONNECTION, "close");
        let request = self
            .headers()
            .into_iter()
            .fold(request, |request, (name, value)| {
                request.header(name, value)
            });
        let request = request
            .body(Empty::<Bytes>::new())
            .map_err(|error| Problem::Bad(error.to_string()))?;
        let answer = async {
            let answer = sender.send_request(request).await.map_err(broken)?;
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, BODY_LIMIT)
                .collect()
                .await
                .map_err(|error| Problem::Bad(error.to_string()))?
                .to_bytes();
            let headers = head
                .headers
                .iter()
                .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
                .collect::<Vec<_>>();
            Ok(self.expect.problem(head.status.as_u16(), &headers, &body))
        };
        let mut answer = std::pin::pin!(answer);
        tokio::select! {
            answer = &mut answer => answer,
            // The connection may be over before its last answer was looked at.
            ended = connection => match ended {
                Ok(()) => answer.await,
                Err(error) => Err(broken(error)),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
        task::JoinSet,
    };

    // Answers each connection with the next of these, and the last one from then on.
    async fn server(answers: &'static [&'static str]) -> (Url, JoinSet<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/page?x=1", listener.local_addr().unwrap())
            .parse()
            .unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            for number in 0.. {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = [0; 4096];
                let length = stream.read(&mut request).await.unwrap();
                let request = String::from_utf8_lossy(&request[..length]);
                assert!(
                    request.starts_with("GET /page?x=1 HTTP/1.1\r\n")
                        && request.contains("x-forwarded-proto: https\r\n"),
                    "{request}"
                );
                match answers[number.min(answers.len() - 1)] {
                    "" => sleep(Duration::from_mins(1)).await,
                    answer => stream.write_all(answer.as_bytes()).await.unwrap(),
                }
            }
        });
        (url, tasks)
    }

    fn probe(url: Url) -> Probe {
        let expect = Expect {
            status: "200".parse().unwrap(),
            header: None,
            contains: None,
        };
        let (scheme, params) = (Scheme::Https, Parameters::default());
        Probe {
            url,
            host: None,
            scheme,
            params,
            expect,
            times: 3,
            timeout: Duration::from_millis(300),
            within: Duration::from_secs(3),
        }
    }

    const GOOD: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    const BAD: &str = "HTTP/1.1 500 Oops\r\nContent-Length: 5\r\n\r\nFatal";

    #[tokio::test]
    async fn good_answers_in_a_row_are_needed() {
        let (url, _tasks) = server(&[GOOD, BAD, GOOD, BAD, GOOD]).await;
        probe(url).check().await.unwrap();
    }

    #[tokio::test]
    async fn as_many_bad_ones_in_a_row_decide_at_once() {
        let (url, _tasks) = server(&[GOOD, BAD]).await;
        let start = Instant::now();
        let problem = probe(url).check().await.unwrap_err();
        assert!(
            matches!(&problem, Problem::Bad(text) if text.contains("attempt 4: status 500") && text.contains("Fatal")),
            "{problem}"
        );
        assert!(start.elapsed() < Duration::from_secs(2));
    }

    #[tokio::test]
    async fn no_answer_in_time_is_bad_and_nobody_there_says_nothing() {
        let (url, _tasks) = server(&[""]).await;
        assert!(
            matches!(probe(url).check().await, Err(Problem::Bad(text)) if text.contains("no answer within 300ms"))
        );
        let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", nobody.local_addr().unwrap())
            .parse()
            .unwrap();
        drop(nobody);
        let quick = Probe {
            within: Duration::from_millis(500),
            ..probe(url)
        };
        assert!(
            matches!(quick.check().await, Err(Problem::Silent(text)) if text.contains("cannot connect"))
        );
    }

    #[test]
    fn only_plain_urls_are_probed() {
        assert_eq!(
            "http://127.0.0.1:8080/a?b".parse::<Url>().unwrap().path(),
            "/a?b"
        );
        for bad in [
            "",
            "/path",
            "https://shop.example/",
            "http://",
            "http://user:hush@host/",
        ] {
            assert!(bad.parse::<Url>().is_err(), "{bad}");
        }
    }
}
