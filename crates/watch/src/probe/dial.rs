//! One probe: a fresh connection, a handshake, a request.

use super::{
    trust::Trust,
    verdict::{Certificate, Failure, Measurement},
};
use crate::exchange::exchange;
use http::{
    Request,
    header::{HOST, USER_AGENT},
};
use http_body_util::Empty;
use std::{io, net::SocketAddr, time::Duration};
use tokio::{
    net::TcpStream,
    time::{Instant, timeout_at},
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{AlertDescription, Error as TlsError, pki_types::ServerName},
};

/// How we call ourselves.
const AGENT: &str = concat!("longshore-watch/", env!("CARGO_PKG_VERSION"));
/// Addresses of one host that are tried at most.
const ADDRESSES: usize = 3;

/// Asks a host, at one of these addresses, for a path, if one is given.
pub(crate) async fn dial(
    trust: &Trust,
    addresses: &[SocketAddr],
    host: &str,
    path: Option<&str>,
    deadline: Duration,
) -> Measurement {
    let began = Instant::now();
    let mut certificate = None;
    let answer = attempt(
        trust,
        addresses,
        (host, path),
        (began, deadline),
        &mut certificate,
    );
    let answer = answer.await;
    Measurement {
        certificate,
        answer,
        took: began.elapsed(),
    }
}

async fn attempt(
    trust: &Trust,
    addresses: &[SocketAddr],
    (host, path): (&str, Option<&str>),
    (began, deadline): (Instant, Duration),
    certificate: &mut Option<Certificate>,
) -> Result<Option<u16>, Failure> {
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| Failure::Dns(format!("{host} is no name of a host")))?;
    let until = began + deadline;
    // Half of the time for the network, so that an address that is dead leaves some for another.
    let stream = connect(addresses, (began, deadline / 2)).await?;
    let shake = TlsConnector::from(trust.client()).connect(name.clone(), stream);
    let stream = timeout_at(until, shake)
        .await
        .map_err(|_elapsed| Failure::Timeout("TLS handshake"))?
        .map_err(|error| refused(&error))?;
    let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
    *certificate = Some(trust.judge(&name, chain));
    let Some(path) = path else {
        return Ok(None);
    };
    let answer = timeout_at(until, ask(stream, host, path)).await;
    answer
        .map_err(|_elapsed| Failure::Timeout("answer"))?
        .map(Some)
}

async fn connect(
    addresses: &[SocketAddr],
    (began, patience): (Instant, Duration),
) -> Result<TcpStream, Failure> {
    let mut failure = Failure::Connect("there is no address to connect to".to_owned());
    let tried = addresses.len().clamp(1, ADDRESSES);
    for (place, address) in (1_u32..).zip(addresses.iter().take(tried)) {
        let share = patience.mul_f64(f64::from(place)) / u32::try_from(tried).unwrap_or(1);
        match timeout_at(began + share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => failure = unreachable(*address, &error),
            Err(_elapsed) => {
                failure = Failure::Connect(format!("{} does not answer", address.ip()));
            }
        }
    }
    Err(failure)
}

fn unreachable(address: SocketAddr, error: &io::Error) -> Failure {
    // EMFILE, ENFILE, and no port or memory of ours.
    let ours = matches!(error.raw_os_error(), Some(23 | 24))
        || matches!(
            error.kind(),
            io::ErrorKind::AddrNotAvailable | io::ErrorKind::OutOfMemory
        );
    if ours {
        return Failure::Ours(format!("this process cannot connect: {error}"));
    }
    let address = address.ip();
    Failure::Connect(match error.kind() {
        io::ErrorKind::ConnectionRefused => format!("{address} refuses the connection"),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            format!("there is no way to {address}")
        }
        _ => format!("{address} takes no connection: {error}"),
    })
}

fn refused(error: &io::Error) -> Failure {
    let tls = error.get_ref().and_then(|it| it.downcast_ref::<TlsError>());
    match tls {
        Some(TlsError::AlertReceived(
            AlertDescription::UnrecognisedName | AlertDescription::HandshakeFailure,
        )) => Failure::NoCertificate,
        Some(other) => Failure::Broken(format!("there is no TLS handshake: {other}")),
        None => Failure::Broken("the connection ended in its TLS handshake".to_owned()),
    }
}

async fn ask(stream: TlsStream<TcpStream>, host: &str, path: &str) -> Result<u16, Failure> {
    let request = Request::get(path)
        .header(HOST, host)
        .header(USER_AGENT, AGENT)
        .body(Empty::new())
        .map_err(|error| Failure::Dns(format!("{host} is no name of a host: {error}")))?;
    // The status is enough: the rest of the page is not read.
    let status = exchange(stream, request, async |it| it.status().as_u16()).await;
    status.map_err(|error| {
        Failure::Broken(if error.is_parse() {
            "the answer is no HTTP".to_owned()
        } else {
            "the connection ended before the answer".to_owned()
        })
    })
}
