//! What a good page is. Pure.

use std::{ops::RangeInclusive, str::FromStr};

/// Bytes of a page's body that an error shows.
const SHOWN: usize = 200;
/// Answers whose page matters to nobody.
const REDIRECTS: RangeInclusive<u16> = 300..=399;
const NO_CONTENT: u16 = 204;

/// A status, or a range of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statuses(RangeInclusive<u16>);

impl FromStr for Statuses {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (from, to) = text.split_once('-').unwrap_or((text, text));
        let status = |text: &str| {
            text.parse()
                .ok()
                .filter(|status| (100..=599).contains(status))
        };
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
    /// Text that is in it.
    pub contains: Option<String>,
}

impl Expect {
    /// What is wrong with a page, if anything is.
    pub(crate) fn problem(
        &self,
        status: u16,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Option<String> {
        let header = |name: &str| {
            headers
                .iter()
                .find(|(found, _)| found.eq_ignore_ascii_case(name))
                .map(|(_, value)| *value)
        };
        let begins = || {
            String::from_utf8_lossy(&body[..body.len().min(SHOWN)])
                .escape_debug()
                .to_string()
        };
        if !self.status.0.contains(&status) {
            let (from, to) = (self.status.0.start(), self.status.0.end());
            let leads = header("location")
                .filter(|_| REDIRECTS.contains(&status))
                .map(|to| to.chars().take(SHOWN).collect::<String>());
            let leads = leads.map_or_else(String::new, |to| format!(" to {to:?}"));
            return Some(format!(
                "status {status}{leads}, expected {from} to {to}; the page begins with \"{}\"",
                begins()
            ));
        }
        if body.trim_ascii().is_empty() && status != NO_CONTENT && !REDIRECTS.contains(&status) {
            return Some(format!(
                "status {status} and an empty page, as PHP leaves it where an application \
                 swallows a fatal error"
            ));
        }
        if let Some((name, value)) = &self.header {
            match header(name) {
                Some(found) if found == value => {}
                Some(found) => {
                    return Some(format!("header {name} is {found:?}, expected {value:?}"));
                }
                None => return Some(format!("no header {name}, expected {value:?}")),
            }
        }
        let wanted = self.contains.as_ref()?;
        let found = body
            .windows(wanted.len().max(1))
            .any(|window| window == wanted.as_bytes());
        (!found && !wanted.is_empty()).then(|| {
            format!(
                "the page does not contain {wanted:?}; it begins with \"{}\"",
                begins()
            )
        })
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
        let expect = Expect {
            status: "200-299".parse().unwrap(),
            header: Some(("X-Shop".into(), "acme".into())),
            contains: Some("</html>".into()),
        };
        let problem = |status, headers: &[(&'static str, &'static str)], page: &str| {
            expect.problem(status, headers, page.as_bytes())
        };
        let ours = [("x-shop", "acme")];
        assert_eq!(problem(200, &ours, "<html></html>\n"), None);
        assert_eq!(
            problem(500, &[], "Fatal\n").unwrap(),
            r#"status 500, expected 200 to 299; the page begins with "Fatal\n""#
        );
        let to = [("Location", "https://shop.example/")];
        assert_eq!(
            problem(302, &to, "").unwrap(),
            r#"status 302 to "https://shop.example/", expected 200 to 299; the page begins with """#
        );
        assert!(
            problem(200, &ours, " \r\n")
                .unwrap()
                .starts_with("status 200 and an empty page")
        );
        assert_eq!(
            problem(200, &[("X-Shop", "x")], "x").unwrap(),
            r#"header X-Shop is "x", expected "acme""#
        );
        assert_eq!(
            problem(200, &[], "x").unwrap(),
            r#"no header X-Shop, expected "acme""#
        );
        assert_eq!(
            problem(200, &ours, "<h").unwrap(),
            r#"the page does not contain "</html>"; it begins with "<h""#
        );
    }

    #[test]
    fn a_redirect_is_good_where_it_is_expected() {
        let expect = Expect {
            status: "200-399".parse().unwrap(),
            header: None,
            contains: None,
        };
        assert_eq!(expect.problem(302, &[("location", "/en/")], b""), None);
        assert_eq!(expect.problem(204, &[], b""), None);
        assert!(expect.problem(200, &[], b"").is_some());
    }
}
