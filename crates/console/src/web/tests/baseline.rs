//! What ZAP's baseline scan looks for in answers, by the numbers of its passive rules: those that
//! apply to a program that renders pages. Registries have ZAP without its rules. A scanner that
//! they have whole, Wapiti, is run by `make test-console`.

use super::cloud::headers;
use http::{HeaderMap, StatusCode};

/// An answer.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) path: String,
    pub(super) code: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }

    /// Whether it is a page of HTML.
    pub(super) fn is_page(&self) -> bool {
        self.header("content-type").starts_with("text/html")
    }

    /// The values of an attribute, wherever it is.
    fn all<'a>(&'a self, attribute: &'a str) -> impl Iterator<Item = &'a str> {
        let parts = self.text.split(attribute).skip(1);
        parts.filter_map(|rest| rest.strip_prefix("=\"")?.split('"').next())
    }

    /// The pages of ours to which it leads.
    pub(super) fn leads_to(&self) -> Vec<String> {
        let links = ["href", "src", "hx-get", "action"].map(|it| self.all(it).collect::<Vec<_>>());
        let location = Some(self.header("location")).filter(|it| it.starts_with('/'));
        let all = links.concat().into_iter().chain(location);
        let own = all.filter(|link| link.starts_with('/') && *link != "/logout");
        own.map(|link| {
            link.split('#')
                .next()
                .unwrap()
                .replace("&#38;", "&")
                .replace("&#39;", "'")
        })
        .collect()
    }

    fn cookies(&self) -> impl Iterator<Item = &str> {
        let all = self.headers.get_all("set-cookie").iter();
        all.map(|value| value.to_str().unwrap())
    }

    fn directive(&self, name: &str) -> &str {
        let policy = self.header("content-security-policy");
        let mut all = policy.split(';').map(str::trim);
        all.find_map(|it| it.strip_prefix(name))
            .unwrap_or("missing")
    }
}

/// A rule of ZAP: its number, its name, and whether an answer breaks it.
type Rule = (u32, &'static str, fn(&Answer) -> bool);

fn any(answer: &Answer, words: &[&str]) -> bool {
    words.iter().any(|word| answer.text.contains(word))
}

fn external(answer: &Answer, attribute: &str) -> bool {
    let mut all = answer.all(attribute);
    all.any(|it| it.contains("://") || it.starts_with("//"))
}

const RULES: &[Rule] = &[
    (2, "private IP disclosure", |it| {
        any(it, &["10.0.", "10.96.", "10.244.", "192.168.", "172.16."])
    }),
    (3, "session ID in URL", |it| {
        ["href", "action", "src"].iter().any(|of| {
            it.all(of)
                .any(|url| url.contains("session=") || url.contains("longshore="))
        })
    }),
    (10010, "cookie without HttpOnly", |it| {
        it.cookies().any(|cookie| !cookie.contains("; HttpOnly"))
    }),
    (10011, "cookie without Secure", |it| {
        it.cookies().any(|cookie| !cookie.contains("; Secure"))
    }),
    (10015, "cache-control", |it| {
        it.is_page() && it.header("cache-control") != "no-store"
    }),
    (10017, "script of another origin", |it| external(it, "src")),
    (10019, "content-type missing", |it| {
        !it.text.is_empty() && it.header("content-type").is_empty()
    }),
    (10020, "anti-clickjacking header", |it| {
        it.header("x-frame-options") != "DENY" || it.directive("frame-ancestors") != " 'none'"
    }),
    (10021, "x-content-type-options", |it| {
        it.header("x-content-type-options") != "nosniff"
    }),
    (10023, "debug errors", |it| {
        any(it, &["panicked at", "RUST_BACKTRACE", "stack backtrace"])
    }),
    (10024, "sensitive information in URL", |it| {
        ["token=", "password=", "secret="]
            .iter()
            .any(|word| it.path.contains(word) || it.all("href").any(|url| url.contains(word)))
    }),
    (10027, "suspicious comments", |it| {
        it.is_page() && any(it, &["<!-- ", "TODO", "FIXME"])
    }),
    (10035, "strict-transport-security", |it| {
        it.header("strict-transport-security").is_empty()
    }),
    (10036, "server header", |it| {
        it.headers.contains_key("server") || it.headers.contains_key("x-powered-by")
    }),
    (10038, "content security policy missing", |it| {
        it.header("content-security-policy").is_empty()
    }),
    (10040, "mixed content", |it| {
        any(it, &["src=\"http:", "href=\"http:"])
    }),
    (10041, "form to HTTP", |it| {
        any(it, &["action=\"http:", "formaction=\"http:"])
    }),
    (10044, "big redirect", |it| {
        it.code.is_redirection() && it.text.len() > 300
    }),
    (10054, "cookie without SameSite", |it| {
        it.cookies().any(|cookie| {
            !cookie.contains("; SameSite=Lax") && !cookie.contains("; SameSite=Strict")
        })
    }),
    (10055, "content security policy with holes", |it| {
        let policy = it.header("content-security-policy");
        policy.contains("unsafe")
            || policy.contains('*')
            || it.directive("default-src") != " 'none'"
            || it.directive("form-action") != " 'self'"
            || it.directive("base-uri") != " 'none'"
    }),
    (10063, "permissions policy", |it| {
        it.header("permissions-policy").is_empty()
    }),
    (10098, "cross-domain misconfiguration", |it| {
        it.headers.contains_key("access-control-allow-origin")
    }),
    (10105, "weak authentication", |it| {
        it.headers.contains_key("www-authenticate")
    }),
    (10108, "reverse tabnabbing", |it| {
        it.text.contains("target=\"_blank\"") && !it.text.contains("rel=\"noopener\"")
    }),
    (10202, "form without a token", |it| {
        let forms = it
            .text
            .split("<form")
            .skip(1)
            .map(|form| form.split("</form>").next().unwrap());
        forms.into_iter().any(|form| {
            form.contains("method=\"post\"") && !form.contains("name=\"token\" value=\"")
        })
    }),
    (90003, "sub-resource of another origin", |it| {
        it.all("href")
            .zip(it.text.split("<link").skip(1))
            .any(|(_, link)| link.split('>').next().unwrap().contains("://"))
    }),
    (90004, "site isolation", |it| {
        it.header("cross-origin-opener-policy") != "same-origin"
            || it.header("cross-origin-resource-policy") != "same-origin"
            || it.header("cross-origin-embedder-policy") != "require-corp"
    }),
    (90022, "application error", |it| {
        it.code == StatusCode::INTERNAL_SERVER_ERROR
    }),
    (90033, "loosely scoped cookie", |it| {
        it.cookies()
            .any(|cookie| cookie.contains("; Domain=") || !cookie.starts_with("__Host-"))
    }),
];

/// What is wrong with an answer.
pub(super) fn problems(answer: &Answer) -> Vec<String> {
    let broken = RULES.iter().filter(|(_, _, breaks)| breaks(answer));
    broken
        .map(|(number, name, _)| format!("{}: {number} {name}", answer.path))
        .collect()
}

/// An answer that breaks no rule.
fn good() -> Answer {
    Answer {
        path: "/shops".to_owned(),
        code: StatusCode::OK,
        headers: headers(&[
            ("content-type", "text/html; charset=utf-8"),
            ("cache-control", "no-store"),
            (
                "content-security-policy",
                "default-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
            ),
            ("cross-origin-embedder-policy", "require-corp"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            ("permissions-policy", "camera=()"),
            ("strict-transport-security", "max-age=31536000"),
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            (
                "set-cookie",
                "__Host-a=b; Path=/; HttpOnly; SameSite=Lax; Secure",
            ),
        ]),
        text: "<html><a href=\"/shops\">x</a></html>".to_owned(),
    }
}

#[test]
fn each_rule_can_fail_and_none_fails_for_a_good_answer() {
    assert!(problems(&good()).is_empty(), "{:?}", problems(&good()));
    let without = |name: &str| {
        let mut answer = good();
        answer.headers.remove(name);
        answer
    };
    let with = |name: &'static str, value: &str| {
        let mut answer = good();
        answer.headers.insert(name, value.parse().unwrap());
        answer
    };
    let says = |text: &str| Answer {
        text: text.to_owned(),
        ..good()
    };
    let at = |code: u16, text: String| Answer {
        code: StatusCode::from_u16(code).unwrap(),
        text,
        ..good()
    };
    let bad = [
        (2, says("10.244.1.7")),
        (3, says("<a href=\"/x?session=1\">")),
        (
            10010,
            with("set-cookie", "__Host-a=b; Path=/; SameSite=Lax; Secure"),
        ),
        (
            10011,
            with("set-cookie", "__Host-a=b; Path=/; HttpOnly; SameSite=Lax"),
        ),
        (10015, with("cache-control", "public")),
        (10017, says("<script src=\"https://cdn.example/x.js\">")),
        (10019, without("content-type")),
        (10020, without("x-frame-options")),
        (10021, without("x-content-type-options")),
        (10023, says("thread 'main' panicked at")),
        (10024, says("<a href=\"/login?secret=1\">")),
        (10027, says("<!-- an old form -->")),
        (10035, without("strict-transport-security")),
        (10036, with("server", "longshore/1")),
        (10038, without("content-security-policy")),
        (10040, says("<img src=\"http://x.example\">")),
        (10041, says("<form action=\"http://x.example\">")),
        (10044, at(302, "x".repeat(301))),
        (
            10054,
            with("set-cookie", "__Host-a=b; Path=/; HttpOnly; Secure"),
        ),
        (
            10055,
            with(
                "content-security-policy",
                "default-src 'self' 'unsafe-inline'; frame-ancestors 'none'",
            ),
        ),
        (10063, without("permissions-policy")),
        (10098, with("access-control-allow-origin", "*")),
        (10105, with("www-authenticate", "Basic")),
        (10108, says("<a href=\"/x\" target=\"_blank\">")),
        (
            10202,
            says("<form method=\"post\" action=\"/halt\"></form>"),
        ),
        (
            90003,
            says("<link rel=\"stylesheet\" href=\"https://cdn.example/x.css\">"),
        ),
        (90004, without("cross-origin-opener-policy")),
        (90022, at(500, String::new())),
        (
            90033,
            with(
                "set-cookie",
                "a=b; Path=/; Domain=example; HttpOnly; SameSite=Lax; Secure",
            ),
        ),
    ];
    let numbers: Vec<_> = RULES.iter().map(|(number, ..)| *number).collect();
    assert_eq!(
        bad.iter().map(|(number, _)| *number).collect::<Vec<_>>(),
        numbers
    );
    for (number, answer) in bad {
        let rule = RULES.iter().find(|(it, ..)| *it == number).unwrap();
        assert!(rule.2(&answer), "{number} lets {answer:?} pass");
    }
}
