//! What the environment or a profile says, looked at before a request is signed with it: a Secret's
//! newline at the end of a key would make a header that cannot be, and an endpoint without its
//! scheme a host that nobody reaches.

use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, SharedCredentialsProvider, error::CredentialsError, future},
};

/// Refuses what cannot be a region or an endpoint, with the variable that usually has it and the
/// rest of a sentence.
pub(super) fn check(
    region: Option<&str>,
    endpoint: Option<&str>,
) -> Result<(), (&'static str, String)> {
    let plain = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    if let Some(region) = region.filter(|region| !plain(region)) {
        return Err((
            "AWS_REGION",
            format!(
                "is {region:?}, or the profile's region is: expected letters, digits and dashes, \
                 without a space or a newline"
            ),
        ));
    }
    let Some(endpoint) = endpoint else {
        return Ok(());
    };
    let host = endpoint
        .strip_prefix("http://")
        .or_else(|| endpoint.strip_prefix("https://"))
        .map(|rest| rest.split('/').next().unwrap_or(rest));
    let good = host.is_some_and(|host| !host.is_empty())
        && endpoint.bytes().all(|byte| byte.is_ascii_graphic());
    if good {
        return Ok(());
    }
    let shown = without_user(endpoint);
    Err((
        "AWS_ENDPOINT_URL_S3",
        format!(
            "(or AWS_ENDPOINT_URL, or the profile's endpoint_url) is {shown:?}: expected a URL such as https://s3.example.org, without a space or a newline"
        ),
    ))
}

/// The proxy that the HTTP client takes from the environment for `endpoint`, for messages only.
pub(super) fn proxy(endpoint: Option<&str>) -> Option<String> {
    let endpoint = endpoint.unwrap_or("https://s3.amazonaws.com");
    let names: &[&str] = if endpoint.starts_with("https:") {
        &["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]
    } else {
        &["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"]
    };
    let host = endpoint
        .split_once("://")
        .map_or(endpoint, |(_, rest)| rest);
    let spared = ["no_proxy", "NO_PROXY"]
        .iter()
        .find_map(|name| variable(name))
        .unwrap_or_default();
    if spared.split(',').map(str::trim).any(|name| {
        !name.is_empty() && (name == "*" || host.contains(name.trim_start_matches('.')))
    }) {
        return None;
    }
    names
        .iter()
        .find_map(|name| variable(name))
        .map(|proxy| without_user(&proxy))
}

#[allow(
    clippy::disallowed_methods,
    reason = "the proxy is no setting of ours: the HTTP client reads it from the environment, and \
              messages name it"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Credentials that can be sent: others are an error that names them, where the SDK would panic or
/// be refused.
#[derive(Debug)]
pub(super) struct Proper(SharedCredentialsProvider);

impl Proper {
    pub(super) fn shared(inner: SharedCredentialsProvider) -> SharedCredentialsProvider {
        SharedCredentialsProvider::new(Self(inner))
    }
}

impl ProvideCredentials for Proper {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            let found = self.0.provide_credentials().await?;
            proper(&found).map_err(CredentialsError::invalid_configuration)?;
            Ok(found)
        })
    }
}

fn proper(found: &Credentials) -> Result<(), String> {
    for (name, text) in [
        ("AWS_ACCESS_KEY_ID", found.access_key_id()),
        ("AWS_SECRET_ACCESS_KEY", found.secret_access_key()),
        ("AWS_SESSION_TOKEN", found.session_token().unwrap_or("-")),
    ] {
        // Within a secret, which is sent to nobody, some stores allow what they like.
        let foreign = |letter: char| {
            letter.is_control() || (!letter.is_ascii() && name != "AWS_SECRET_ACCESS_KEY")
        };
        let around = |letter: char| letter.is_whitespace();
        let odd = text
            .chars()
            .find(|letter| foreign(*letter))
            .or_else(|| text.chars().next().filter(|letter| around(*letter)));
        if let Some(odd) = odd.or_else(|| text.chars().next_back().filter(|letter| around(*letter)))
        {
            let which = match odd {
                '\n' | '\r' => "a newline".to_owned(),
                ' ' | '\t' => "a space or tab at an end".to_owned(),
                odd => format!("the character U+{:04X}", u32::from(odd)),
            };
            return Err(format!(
                "{name}, or what the profile has for it, holds {which}: write it again without"
            ));
        }
        if text.is_empty() {
            return Err(format!("{name}, or what the profile has for it, is empty"));
        }
    }
    Ok(())
}

/// The endpoint without a user and password that somebody wrote into it.
pub(super) fn without_user(endpoint: &str) -> String {
    match endpoint.split_once("://") {
        Some((scheme, rest)) => {
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let host = authority
                .rsplit_once('@')
                .map_or(authority, |(_, host)| host);
            format!("{scheme}://{host}{}", path.trim_end_matches('/'))
        }
        None => endpoint
            .rsplit_once('@')
            .map_or(endpoint, |(_, host)| host)
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_a_key_is_named_by_its_variable_and_never_shown() {
        let keys = |id: &str, secret: &str, token: Option<&str>| {
            proper(&Credentials::new(
                id,
                secret,
                token.map(str::to_owned),
                None,
                "test",
            ))
        };
        assert_eq!(keys("AKIA", "s/+=", Some("IQoJb3JpZ2luX2VjE/+==")), Ok(()));
        assert_eq!(keys("AKIA", "a secret, ümlaut", None), Ok(()));
        for (id, secret, token, says) in [
            (
                "AKIA\n",
                "hush",
                None,
                "AWS_ACCESS_KEY_ID, or what the profile has for it, holds a newline",
            ),
            (
                "AKIA",
                "hush\r\n",
                None,
                "AWS_SECRET_ACCESS_KEY, or what the profile has for it, holds a newline",
            ),
            (
                "AKIA",
                "hush ",
                None,
                "AWS_SECRET_ACCESS_KEY, or what the profile has for it, holds a space",
            ),
            (
                "AKIA",
                "hush",
                Some("t\u{feff}"),
                "AWS_SESSION_TOKEN, or what the profile has for it, holds the character U+FEFF",
            ),
            (
                "",
                "hush",
                None,
                "AWS_ACCESS_KEY_ID, or what the profile has for it, is empty",
            ),
        ] {
            let error = keys(id, secret, token).unwrap_err();
            assert!(
                error.starts_with(says) && !error.contains("hush"),
                "{error}"
            );
        }
    }

    #[test]
    fn regions_and_endpoints_that_cannot_be() {
        for endpoint in [
            "http://[::1]:9000",
            "https://s3.example.org/path/",
            "http://user:hush@host:9000",
        ] {
            assert_eq!(
                check(Some("eu-central-1"), Some(endpoint)),
                Ok(()),
                "{endpoint}"
            );
        }
        for endpoint in [
            "127.0.0.1:9000",
            "s3.example.org",
            "https://",
            "http:///x",
            "https://s3.example.org\n",
            "ftp://host",
        ] {
            assert_eq!(
                check(None, Some(endpoint)).unwrap_err().0,
                "AWS_ENDPOINT_URL_S3",
                "{endpoint:?}"
            );
        }
        for region in ["us-east-1\n", "eu central"] {
            assert_eq!(
                check(Some(region), None).unwrap_err().0,
                "AWS_REGION",
                "{region:?}"
            );
        }
        assert!(
            !check(None, Some("user:hush@host"))
                .unwrap_err()
                .1
                .contains("hush")
        );
    }

    #[test]
    fn passwords_in_an_endpoint_are_not_shown() {
        assert_eq!(
            without_user("http://user:hush@host:9000/path/"),
            "http://host:9000/path"
        );
        assert_eq!(
            without_user("https://s3.example.org"),
            "https://s3.example.org"
        );
        assert_eq!(without_user("user:hush@host"), "host");
    }
}
