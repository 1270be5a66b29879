//! php-fpm over FastCGI.

use crate::{
    answer::Page,
    call::{Answer, Call},
    said,
};
use fastcgi_client::{Client, Params, Request, response::Content};
use rustix::fs::{FileType, Mode, OFlags};
use std::{
    fmt,
    io::{self, Write as _},
    os::fd::AsRawFd as _,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    time::timeout,
};

/// Bytes of a page that are taken; whoever sends more is not listened to.
const PAGE_LIMIT: usize = 4 << 20;
/// How long one call of the helper may take besides the time that it is given.
const CALL: Duration = Duration::from_secs(5);
const HELPER: &str = include_str!("opcache.php");

/// Where php-fpm listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// `127.0.0.1:9000`
    Tcp(String),
    /// `/run/php.sock`
    Unix(PathBuf),
}

impl FromStr for Address {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if text.starts_with('/') {
            return Ok(Self::Unix(text.into()));
        }
        let port = text
            .rsplit_once(':')
            .filter(|(host, _)| !host.is_empty())
            .and_then(|(_, port)| port.parse::<u16>().ok());
        port.filter(|port| *port > 0)
            .map(|_| Self::Tcp(text.to_owned()))
            .ok_or(())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => f.write_str(address),
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}

/// Why php-fpm did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum PhpError {
    /// Nobody listens.
    #[error("cannot connect to php-fpm at {0}")]
    Connect(Address, #[source] io::Error),
    /// It does not speak FastCGI, or ended in the middle.
    #[error("php-fpm at {0} broke off")]
    Broken(Address, #[source] fastcgi_client::ClientError),
    /// It took too long.
    #[error("php-fpm at {0} did not answer within {1:?}")]
    Slow(Address, Duration),
    /// It sent something else than what was asked for.
    #[error("php-fpm at {address} answered {answer:?}")]
    Answer {
        /// Who.
        address: Address,
        /// The first bytes of it.
        answer: String,
    },
    /// The helper script cannot be written.
    #[error("cannot write {}", .0.display())]
    Helper(PathBuf, #[source] io::Error),
}

/// A php-fpm pool.
#[derive(Debug, Clone)]
pub struct Pool {
    pub(crate) address: Address,
    helper: PathBuf,
}

impl Pool {
    /// The pool at `address`, with the helper script in `helpers`: a directory that php-fpm sees
    /// under the same path, that it may read and that no web server serves. The file is named by
    /// its contents, as `OPcache` may never look at a file again.
    ///
    /// # Errors
    ///
    /// If the disk refuses.
    pub fn install(address: Address, helpers: &Path) -> Result<Self, PhpError> {
        let helper = helpers.join(concat!("opcache-", env!("CARGO_PKG_VERSION"), ".php"));
        let write = || -> io::Result<()> {
            if std::fs::read(&helper).is_ok_and(|text| text == HELPER.as_bytes()) {
                return Ok(());
            }
            let temporary = helpers.join(format!(".opcache-{}", std::process::id()));
            // A file of ours in a directory of ours, which is as good as new after a crash.
            #[allow(
                clippy::disallowed_methods,
                reason = "no state: a helper that is not there is written again at the next start"
            )]
            {
                std::fs::create_dir_all(helpers)?;
                let mut file = std::fs::File::create(&temporary)?;
                file.write_all(HELPER.as_bytes())?;
                std::fs::rename(&temporary, &helper)
            }
        };
        write().map_err(|error| PhpError::Helper(helper.clone(), error))?;
        Ok(Self { address, helper })
    }

    /// Asks the helper.
    pub(crate) async fn call(&self, call: &Call<'_>, within: Duration) -> Result<Answer, PhpError> {
        let text = serde_json::to_string(call).unwrap_or_default();
        let params = Params::default()
            .request_method("GET")
            .script_filename(self.helper.to_string_lossy().into_owned())
            .script_name("/longshore")
            .custom("LONGSHORE_CALL", text);
        let page = self.page(params, within + CALL, &mut Vec::new()).await?;
        serde_json::from_slice(&page.body).map_err(|_| self.unexpected(&page.body))
    }

    /// Asks for a page. `heard` gets the end of what PHP says about it, also if there is no
    /// page.
    pub(crate) async fn page(
        &self,
        params: Params<'_>,
        within: Duration,
        heard: &mut Vec<u8>,
    ) -> Result<Page, PhpError> {
        let connect = |error| PhpError::Connect(self.address.clone(), error);
        let exchange = async {
            match &self.address {
                Address::Tcp(address) => {
                    self.exchange(
                        TcpStream::connect(address).await.map_err(connect)?,
                        params,
                        heard,
                    )
                    .await
                }
                Address::Unix(path) => {
                    self.exchange(connect_to(path).await.map_err(connect)?, params, heard)
                        .await
                }
            }
        };
        let output = timeout(within, exchange)
            .await
            .map_err(|_elapsed| PhpError::Slow(self.address.clone(), within))??;
        Page::parse(&output).ok_or_else(|| self.unexpected(&output))
    }

    async fn exchange(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin,
        params: Params<'_>,
        heard: &mut Vec<u8>,
    ) -> Result<Vec<u8>, PhpError> {
        use fastcgi_client::StreamExt as _;
        let broken = |error| PhpError::Broken(self.address.clone(), error);
        // guard.php of the shop's image then lets PHP answer what is wrong, and not log it.
        let params = params.custom("LONGSHORE_ASKS", "1");
        let request = Request::new(params, fastcgi_client::io::empty());
        let mut stream = Client::new_tokio(stream)
            .execute_once_stream(request)
            .await
            .map_err(broken)?;
        let mut output = Vec::new();
        while let Some(content) = stream.next().await {
            match content.map_err(broken)? {
                Content::Stdout(bytes) => output.extend_from_slice(&bytes),
                Content::Stderr(bytes) => {
                    // Not what: it may have a customer's data in it, which nobody has masked.
                    tracing::debug!(bytes = bytes.len(), "php wrote to its error log");
                    said::hear(heard, &bytes);
                }
            }
            if output.len() > PAGE_LIMIT {
                return Err(self.unexpected(&output));
            }
        }
        Ok(output)
    }

    pub(crate) fn unexpected(&self, bytes: &[u8]) -> PhpError {
        let answer = String::from_utf8_lossy(&bytes[..bytes.len().min(200)]).into_owned();
        PhpError::Answer {
            address: self.address.clone(),
            answer,
        }
    }
}

/// Connects to the socket at `path`, and not to what a link there names: the shop's code can write
/// where its php-fpm listens, and we may be a user that reaches more.
async fn connect_to(path: &Path) -> io::Result<UnixStream> {
    let socket = rustix::fs::open(
        path,
        OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    if FileType::from_raw_mode(rustix::fs::fstat(&socket)?.st_mode) != FileType::Socket {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is no socket",
        ));
    }
    UnixStream::connect(format!("/proc/self/fd/{}", socket.as_raw_fd())).await
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::disallowed_methods,
        reason = "a test prepares what is on the disk"
    )]

    use super::*;

    #[test]
    fn an_address_is_a_port_or_a_path() {
        assert_eq!(
            "127.0.0.1:9000".parse(),
            Ok(Address::Tcp("127.0.0.1:9000".into()))
        );
        assert_eq!(
            "/run/php.sock".parse(),
            Ok(Address::Unix("/run/php.sock".into()))
        );
        for bad in [
            "",
            "9000",
            ":9000",
            "localhost",
            "localhost:0",
            "localhost:99999",
        ] {
            assert!(bad.parse::<Address>().is_err(), "{bad}");
        }
    }

    #[tokio::test]
    async fn a_socket_is_connected_to_and_no_link_to_one() {
        let directory = tempfile::tempdir().unwrap();
        let [socket, link, file] =
            ["php.sock", "link", "file"].map(|name| directory.path().join(name));
        let _listens = tokio::net::UnixListener::bind(&socket).unwrap();
        std::os::unix::fs::symlink(&socket, &link).unwrap();
        std::fs::write(&file, "").unwrap();
        connect_to(&socket).await.unwrap();
        for other in [link, file, directory.path().into()] {
            assert_eq!(
                connect_to(&other).await.unwrap_err().to_string(),
                "it is no socket"
            );
        }
    }

    #[test]
    fn the_helper_is_written_once() {
        let directory = tempfile::tempdir().unwrap();
        let helpers = directory.path().join("agent");
        let install = || {
            Pool::install(Address::Unix("/run/php.sock".into()), &helpers)
                .unwrap()
                .helper
        };
        let helper = install();
        let written = helper.metadata().unwrap().modified().unwrap();
        assert_eq!(
            (install(), helper.metadata().unwrap().modified().unwrap()),
            (helper, written)
        );
    }
}
