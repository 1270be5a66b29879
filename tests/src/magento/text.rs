//! Finding one's way in pages: what stands between two texts, and addresses as they stand in HTML,
//! JSON and headers.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use std::collections::BTreeMap;

/// What stands after `before` and ahead of the next `after`, as plain text: without the escapes of
/// HTML and JSON.
#[must_use]
pub fn between(page: &str, before: &str, after: &str) -> Option<String> {
    let start = page.find(before)? + before.len();
    let length = page[start..].find(after)?;
    Some(
        page[start..start + length]
            .replace("\\/", "/")
            .replace("&amp;", "&")
            .replace("&quot;", "\""),
    )
}

/// The path of an address, which may have a scheme and a host.
#[must_use]
pub fn path_of(address: &str) -> &str {
    let Some((_, rest)) = address
        .split_once("://")
        .filter(|(scheme, _)| ["http", "https"].contains(scheme))
    else {
        return address;
    };
    rest.find('/').map_or("/", |start| &rest[start..])
}

/// A text with `{name}` replaced by what that is.
#[must_use]
pub fn filled(template: &str, variables: &BTreeMap<String, String>) -> String {
    let mut text = template.to_owned();
    for (name, value) in variables {
        text = text.replace(&format!("{{{name}}}"), value);
    }
    text
}

/// A form with `{name}` replaced by what that is, percent-encoded.
#[must_use]
pub fn filled_form(template: &str, variables: &BTreeMap<String, String>) -> String {
    let encode = |value: &str| utf8_percent_encode(value, NON_ALPHANUMERIC).to_string();
    let encoded: BTreeMap<_, _> = variables
        .iter()
        .map(|(name, value)| (name.clone(), encode(value)))
        .collect();
    filled(template, &encoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_found_whatever_it_is_written_in() {
        let page = r#"<a href="https://shop.example/a?b=1&amp;c=2">…{"target":"https:\/\/shop.example\/up\/key\/9\/"}"#;
        assert_eq!(
            path_of(&between(page, "href=\"", "\"").unwrap()),
            "/a?b=1&c=2"
        );
        assert_eq!(
            path_of(&between(page, "\"target\":\"", "\"").unwrap()),
            "/up/key/9/"
        );
        assert_eq!(between(page, "nothing", "\""), None);
        assert_eq!(path_of("https://shop.example"), "/");
        assert_eq!(
            path_of("/x?to=https://shop.example/y"),
            "/x?to=https://shop.example/y"
        );
    }

    #[test]
    fn a_form_is_encoded_and_a_path_is_not() {
        let variables = BTreeMap::from([("key".to_owned(), "a/b c".to_owned())]);
        assert_eq!(filled("/x/{key}", &variables), "/x/a/b c");
        assert_eq!(
            filled_form("k={key}&{other}", &variables),
            "k=a%2Fb%20c&{other}"
        );
    }
}
