//! A person's browser, as far as a figure needs one: pages, forms and the stream of changes, with
//! the cookie of the address that the console printed.

use e2e::web::{self, Page};
use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_mins(2);

/// Somebody who is logged in.
#[derive(Debug, Clone)]
pub(crate) struct Browser {
    address: SocketAddr,
    cookie: String,
}

impl Browser {
    /// Opens the address that the console printed.
    pub(crate) fn open(printed: &str) -> Self {
        let (base, login) = printed
            .strip_prefix("http://")
            .and_then(|rest| rest.split_once('/'))
            .unwrap_or_else(|| panic!("{printed} is no address"));
        let address = base.parse().unwrap_or_else(|_| panic!("{base}"));
        let mut browser = Self {
            address,
            cookie: String::new(),
        };
        let page = browser.get(&format!("/{login}"));
        let cookie = page.headers.get("set-cookie").map(String::as_str);
        let cookie = cookie.and_then(|it| it.split(';').next());
        cookie
            .unwrap_or_else(|| panic!("no cookie: {page:?}"))
            .clone_into(&mut browser.cookie);
        browser
    }

    fn headers(&self) -> String {
        let Self { address, cookie } = self;
        format!("Host: {address}\r\nCookie: {cookie}\r\n")
    }

    /// A page.
    pub(crate) fn get(&self, path: &str) -> Page {
        let page = self.asks(path);
        page.unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// A page, if somebody answers.
    pub(crate) fn asks(&self, path: &str) -> io::Result<Page> {
        self.asks_for(path, "")
    }

    /// A page, of which only this part is shown.
    pub(crate) fn part(&self, path: &str, part: &str) -> Page {
        let page = self.asks_for(path, &format!("HX-Request: true\r\nHX-Target: {part}\r\n"));
        page.unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    fn asks_for(&self, path: &str, more: &str) -> io::Result<Page> {
        let request = format!("GET {path} HTTP/1.0\r\n{}{more}\r\n", self.headers());
        web::ask(self.address, &request, PATIENCE)
    }

    /// A page that is there, and how long it took.
    pub(crate) fn timed(&self, path: &str) -> (Duration, Page) {
        let begin = Instant::now();
        let page = self.get(path);
        let took = begin.elapsed();
        assert_eq!(page.status, 200, "{path}: {}", page.body);
        (took, page)
    }

    /// Sends a form.
    pub(crate) fn post(&self, path: &str, form: &str) -> (Duration, Page) {
        let (headers, address, length) = (self.headers(), self.address, form.len());
        let kind = "Content-Type: application/x-www-form-urlencoded";
        let request = format!(
            "POST {path} HTTP/1.0\r\n{headers}Origin: http://{address}\r\n{kind}\r\n\
             Content-Length: {length}\r\n\r\n{form}"
        );
        let begin = Instant::now();
        let page = web::ask(self.address, &request, PATIENCE);
        let page = page.unwrap_or_else(|error| panic!("{path}: {error}"));
        assert_eq!(page.status, 200, "{path}: {}", page.body);
        (begin.elapsed(), page)
    }

    /// The stream of changes of a key; each call of the result waits for one.
    pub(crate) fn follow(
        &self,
        key: &str,
    ) -> io::Result<impl FnMut() -> io::Result<String> + use<>> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        write!(
            stream,
            "GET /live?key={key} HTTP/1.1\r\n{}\r\n",
            self.headers()
        )?;
        let mut lines = BufReader::with_capacity(1 << 10, stream);
        let mut line = Vec::new();
        Ok(move || {
            loop {
                if lines.by_ref().take(1 << 10).read_until(b'\n', &mut line)? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                let text = String::from_utf8_lossy(&line).trim().to_owned();
                line.clear();
                if let Some(name) = text.strip_prefix("data: ") {
                    return Ok(name.to_owned());
                }
            }
        })
    }
}
