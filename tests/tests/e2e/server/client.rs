//! Two clients: AWS's own, and one that sees every byte and how the connection ended.

use aws_sdk_s3::{
    Client,
    config::{BehaviorVersion, Credentials, Region, retry::RetryConfig, timeout::TimeoutConfig},
    error::{ProvideErrorMetadata, SdkError},
    presigning::PresigningConfig,
};
use e2e::s3::{Options, Server};
use std::{collections::BTreeMap, io::ErrorKind, time::Duration};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

/// The longest that a test waits for bytes that never come.
const PATIENCE: Duration = Duration::from_millis(500);

pub(super) fn start() -> Server {
    Server::start(Options::default()).unwrap()
}

/// A client that never retries.
pub(super) fn client(server: &Server) -> Client {
    let options = server.options();
    client_with(
        server,
        &options.access_key,
        &options.secret_key,
        &options.region,
    )
}

pub(super) fn client_with(
    server: &Server,
    access_key: &str,
    secret_key: &str,
    region: &str,
) -> Client {
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region.to_owned()))
        .credentials_provider(Credentials::new(access_key, secret_key, None, None, "test"))
        .endpoint_url(server.endpoint())
        .force_path_style(true)
        .retry_config(RetryConfig::disabled())
        .timeout_config(
            TimeoutConfig::builder()
                .operation_timeout(Duration::from_secs(10))
                .build(),
        )
        .build();
    Client::from_conf(config)
}

/// HTTP status and S3 code of a failure; no status if no answer came.
pub(super) fn failure<T: std::fmt::Debug, E: ProvideErrorMetadata>(
    result: Result<T, SdkError<E, aws_sdk_s3::config::http::HttpResponse>>,
) -> (Option<u16>, String) {
    let error = result.expect_err("this request must fail");
    let status = error
        .raw_response()
        .map(|response| response.status().as_u16());
    (status, error.code().unwrap_or_default().to_owned())
}

/// How an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Complete,
    Closed,
    Reset,
    Stalled,
}

/// An answer as it came over the wire.
#[derive(Debug)]
pub(super) struct Raw {
    pub(super) status: u16,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Vec<u8>,
    pub(super) end: End,
}

/// Sends a presigned GET over a connection of its own.
pub(super) async fn raw_get(server: &Server, key: &str, headers: &str) -> Raw {
    let expiry = PresigningConfig::expires_in(Duration::from_mins(1)).unwrap();
    let request = client(server)
        .get_object()
        .bucket(&server.options().bucket)
        .key(key)
        .presigned(expiry)
        .await
        .unwrap();
    let target = request.uri().strip_prefix(&server.endpoint()).unwrap();
    raw(
        server,
        &format!(
            "GET {target} HTTP/1.1\r\nhost: {}\r\n{headers}\r\n",
            server.address()
        ),
    )
    .await
}

/// Sends a request and reads until its answer ends, in whatever way.
pub(super) async fn raw(server: &Server, request: &str) -> Raw {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let (mut bytes, mut buffer) = (Vec::new(), vec![0; 64 << 10]);
    loop {
        let end = match timeout(PATIENCE, stream.read(&mut buffer)).await {
            Ok(Ok(0)) => Some(End::Closed),
            Ok(Ok(count)) => {
                bytes.extend_from_slice(&buffer[..count]);
                None
            }
            Ok(Err(error)) if error.kind() == ErrorKind::ConnectionReset => Some(End::Reset),
            Ok(Err(error)) => panic!("{error}"),
            Err(_) => Some(End::Stalled),
        };
        if let Some(answer) = parse(&bytes, end) {
            return answer;
        }
    }
}

fn parse(bytes: &[u8], end: Option<End>) -> Option<Raw> {
    let Some(head) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        return end.map(|end| Raw {
            status: 0,
            headers: BTreeMap::new(),
            body: Vec::new(),
            end,
        });
    };
    let text = std::str::from_utf8(&bytes[..head]).unwrap();
    let mut lines = text.split("\r\n");
    let status = lines
        .next()
        .unwrap()
        .split(' ')
        .nth(1)
        .unwrap()
        .parse()
        .unwrap();
    let headers: BTreeMap<_, _> = lines
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let body = bytes[head + 4..].to_vec();
    let length: usize = headers
        .get("content-length")
        .map_or(0, |length| length.parse().unwrap());
    let end = if body.len() >= length {
        Some(End::Complete)
    } else {
        end
    };
    end.map(|end| Raw {
        status,
        headers,
        body,
        end,
    })
}
