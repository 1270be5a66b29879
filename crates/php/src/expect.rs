//! What a good page is. Pure.

use std::{ops::RangeInclusive, str::FromStr};

/// Bytes of a page's body that an error shows.
const SHOWN: usize = 200;

/// A status, or a range of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statuses(RangeInclusive<u16>);

impl FromStr for Statuses {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (from, to) = text.split_once('-').unwrap_or((text, text));
        let status = |text: &str| text.parse().ok().filter(|status| (100..=599).contains(status));
        match (status(from), status(to)) {
            (Some(from), Some(to)) if from <= to => Ok(Self(from..=to)),
            _ => Err(()),
        }
    }
}

/// What a good page is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expect {
    /// Its status.
    pub status: Statuses,
    /// A header that it has, with this value.
    pub header: Option<(String, String)>,
}

impl Expect {
    /// What is wrong with a page, if anything is.
    pub(crate) fn problem<'a>(&self, status: u16, mut headers: impl Iterator<Item = (&'a str, &'a str)>, body: &[u8]) -> Option<String> {
        if !self.status.0.contains(&status) {
            let (from, to) = (self.status.0.start(), self.status.0.end());
            let body = String::from_utf8_lossy(&body[..body.len().min(SHOWN)]).escape_debug().to_string();
            return Some(format!("status {status}, expected {from} to {to}; the page begins with \"{body}\""));
        }
        let (name, value) = self.header.as_ref()?;
        let found = headers.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value);
        match found {
            Some(found) if found == value => None,
            Some(found) => Some(format!("header {name} is {found:?}, expected {value:?}")),
            None => Some(format!("no header {name}, expected {value:?}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_one_or_a_range() {
        for (text, good, bad) in [("200", 200, 201), ("200-399", 302, 404)] {
            let statuses: Statuses = text.parse().unwrap();
            assert!(statuses.0.contains(&good) && !statuses.0.contains(&bad));
        }
        for bad in ["", "2xx", "399-200", "99", "200-600", "200-"] {
            assert!(bad.parse::<Statuses>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_problem_says_what_came_and_what_was_expected() {
        let expect = Expect { status: "200".parse().unwrap(), header: Some(("X-Shop".into(), "acme".into())) };
        let problem = |status, headers: &[(&'static str, &'static str)]| expect.problem(status, headers.iter().copied(), b"Fatal\n");
        assert_eq!(problem(200, &[("x-shop", "acme")]), None);
        assert_eq!(problem(500, &[]).unwrap(), r#"status 500, expected 200 to 200; the page begins with "Fatal\n""#);
        assert_eq!(problem(200, &[("X-Shop", "x")]).unwrap(), r#"header X-Shop is "x", expected "acme""#);
        assert_eq!(problem(200, &[]).unwrap(), r#"no header X-Shop, expected "acme""#);
    }
}
