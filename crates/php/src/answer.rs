//! A page as CGI gives it: headers, an empty line, a body.

/// A page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Page {
    /// Takes CGI output apart; without a `Status` it is 200. `None` if there is no empty line
    /// after headers.
    pub(crate) fn parse(output: &[u8]) -> Option<Self> {
        let (head, body) = split(output)?;
        let head = String::from_utf8_lossy(head);
        let headers = head.lines().filter_map(|line| line.split_once(':'));
        let headers: Vec<_> = headers
            .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
            .collect();
        let status = headers
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case("status"));
        let status = match status {
            Some((_, value)) => value.split(' ').next()?.parse().ok()?,
            None => 200,
        };
        Some(Self {
            status,
            headers,
            body: body.to_vec(),
        })
    }
}

fn split(output: &[u8]) -> Option<(&[u8], &[u8])> {
    let crlf = output
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .map(|at| (at, at + 4));
    let lf = output
        .windows(2)
        .position(|window| window == b"\n\n")
        .map(|at| (at, at + 2));
    let (head, body) = [crlf, lf].into_iter().flatten().min()?;
    Some((&output[..head], &output[body..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_its_status_and_headers() {
        let page = Page::parse(b"Status: 503 Service Unavailable\r\nX-Shop: acme\r\n\r\nsorry\n\n")
            .unwrap();
        assert_eq!(
            (page.status, page.body.as_slice()),
            (503, b"sorry\n\n".as_slice())
        );
        assert_eq!(page.headers[1], ("X-Shop".into(), "acme".into()));
        assert_eq!(
            Page::parse(b"Content-type: text/html\n\nhello")
                .unwrap()
                .status,
            200
        );
        assert_eq!(Page::parse(b"no headers at all"), None);
        assert_eq!(Page::parse(b"Status: good\r\n\r\n"), None);
    }
}
