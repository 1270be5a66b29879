//! A visitor with cookies, who comes through an edge that ends TLS, to each of a shop's pods in
//! turn.

use super::text;
use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// How long one answer may take: a cold page of a real shop, with its configuration to be merged,
/// on two busy cores.
const PATIENCE: Duration = Duration::from_mins(1);

/// What stands in a request's body.
#[derive(Debug, Clone)]
pub enum Body {
    /// Nothing: it is a GET.
    None,
    /// Text of this type.
    Text(&'static str, String),
    /// A form with a file: the field of the key of forms, the file's field, its name, and its
    /// bytes.
    File(String, &'static str, &'static str, Vec<u8>),
}

/// An answer.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its headers, in lower case, without cookies.
    pub headers: BTreeMap<String, String>,
    /// Its body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body, as far as it is text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A visitor.
#[derive(Debug, Clone)]
pub struct Browser {
    addresses: Vec<SocketAddr>,
    host: String,
    cookies: BTreeMap<String, String>,
    turn: usize,
}

impl Browser {
    /// Of a shop with this host, whose pods are at these addresses.
    #[must_use]
    pub fn new(host: &str, addresses: &[SocketAddr]) -> Self {
        Self {
            addresses: addresses.to_vec(),
            host: host.to_owned(),
            cookies: BTreeMap::new(),
            turn: 0,
        }
    }

    /// Keeps a cookie that a script of the page sets.
    pub fn keep(&mut self, name: &str, value: &str) {
        self.cookies.insert(name.to_owned(), value.to_owned());
    }

    /// Asks the next pod, as an edge forwards it: of a visitor who came by https, unless `headers`
    /// say something else.
    ///
    /// # Errors
    ///
    /// If nobody answers, or not to the end.
    pub fn ask(&mut self, path: &str, headers: &str, body: &Body) -> io::Result<Answer> {
        self.turn += 1;
        let address = self.addresses[self.turn % self.addresses.len()];
        let mut request = format!(
            "{} {} HTTP/1.0\r\nHost: {}\r\n",
            method(body),
            text::path_of(path),
            self.host
        );
        if !headers.contains("X-Forwarded-Proto") {
            request.push_str("X-Forwarded-Proto: https\r\n");
        }
        request.push_str(headers);
        if !self.cookies.is_empty() {
            let cookies: Vec<_> = self
                .cookies
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            request += "Cookie: ";
            request += &cookies.join("; ");
            request += "\r\n";
        }
        let (kind, bytes) = encoded(body);
        if !matches!(body, Body::None) {
            // Writing to a String never fails.
            write!(
                request,
                "Content-Type: {kind}\r\nContent-Length: {}\r\n",
                bytes.len()
            )
            .unwrap_or_default();
        }
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.write_all(format!("{request}\r\n").as_bytes())?;
        stream.write_all(&bytes)?;
        let mut all = Vec::new();
        stream.read_to_end(&mut all)?;
        self.read(&all)
    }

    fn read(&mut self, all: &[u8]) -> io::Result<Answer> {
        let broken = || {
            io::Error::other(format!(
                "not an answer: {:?}",
                String::from_utf8_lossy(&all[..all.len().min(300)])
            ))
        };
        let end = all
            .windows(4)
            .position(|bytes| bytes == b"\r\n\r\n")
            .ok_or_else(broken)?;
        let head = String::from_utf8_lossy(&all[..end]).into_owned();
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .ok_or_else(broken)?;
        let mut answer = Answer {
            status,
            headers: BTreeMap::new(),
            body: all[end + 4..].to_vec(),
        };
        for (name, value) in head.lines().skip(1).filter_map(|line| line.split_once(':')) {
            let (name, value) = (name.to_lowercase(), value.trim());
            if name == "set-cookie" {
                let (name, value) = value
                    .split(';')
                    .next()
                    .and_then(|cookie| cookie.split_once('='))
                    .ok_or_else(broken)?;
                if ["", "deleted"].contains(&value) {
                    self.cookies.remove(name)
                } else {
                    self.cookies.insert(name.to_owned(), value.to_owned())
                };
            } else {
                answer.headers.insert(name, value.to_owned());
            }
        }
        let complete = answer
            .headers
            .get("content-length")
            .is_none_or(|length| length.parse() == Ok(answer.body.len()));
        if complete { Ok(answer) } else { Err(broken()) }
    }
}

const fn method(body: &Body) -> &'static str {
    if matches!(body, Body::None) {
        "GET"
    } else {
        "POST"
    }
}

fn encoded(body: &Body) -> (String, Vec<u8>) {
    match body {
        Body::None => (String::new(), Vec::new()),
        Body::Text(kind, text) => ((*kind).to_owned(), text.clone().into_bytes()),
        Body::File(key, field, name, content) => {
            let boundary = "a-boundary-that-no-picture-has";
            let mut bytes = format!(
                "--{boundary}\r\nContent-Disposition: form-data; \
                 name=\"form_key\"\r\n\r\n{key}\r\n--{boundary}\r\nContent-Disposition: \
                 form-data; name=\"{field}\"; filename=\"{name}\"\r\nContent-Type: \
                 image/png\r\n\r\n"
            )
            .into_bytes();
            bytes.extend_from_slice(content);
            bytes.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
            (format!("multipart/form-data; boundary={boundary}"), bytes)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_kept_until_they_are_deleted_and_half_an_answer_is_none() {
        let mut browser = Browser::new("shop.example", &[]);
        let answer =
            browser.read(b"HTTP/1.1 302 Found\r\nSet-Cookie: a=1; path=/; secure\r\nSet-Cookie: b=2\r\nLocation: /x\r\n\r\nbody").unwrap();
        assert_eq!(
            (
                answer.status,
                answer.headers["location"].as_str(),
                answer.text().as_str()
            ),
            (302, "/x", "body")
        );
        browser
            .read(b"HTTP/1.1 200 OK\r\nSet-Cookie: a=deleted\r\nContent-Length: 0\r\n\r\n")
            .unwrap();
        assert_eq!(
            browser.cookies,
            BTreeMap::from([("b".to_owned(), "2".to_owned())])
        );
        browser
            .read(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhalf")
            .unwrap_err();
    }
}
