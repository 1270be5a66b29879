//! The domain lets the CA issue: CAA records (RFC 8659, with the parameters of RFC 8657).

use super::{Issuer, Problem, address::lookup};
use crate::issue::problem::quoted;
use dns::{CAA, Dns, DnsProblem};
use futures_util::future::join_all;

/// Names above a host that are asked at most. A name has up to 127 labels, and each costs a
/// question.
const PARENTS: usize = 10;
/// How the CA looks at a host, as records name it.
const METHOD: &str = "http-01";

/// The records that count: those of the host, or of the nearest parent that has any.
pub(super) async fn policies(host: &str, dns: &Dns) -> Result<Vec<CAA>, Problem> {
    // All at once: a host whose servers do not answer costs one wait, and not one for each label.
    let names = climb(host);
    let answers = join_all(names.iter().map(|name| dns.caa(name))).await;
    for (name, answer) in names.iter().zip(answers) {
        match answer {
            Ok(records) if records.is_empty() => {}
            Ok(records) => return Ok(records),
            // The CA would refuse, too: nobody knows what the domain allows.
            Err(DnsProblem::ServFail) => {
                return Err(Problem::host(
                    "caa-servfail",
                    format!(
                        "the CAA records of {name} cannot be read, since its name servers fail \
                         (SERVFAIL); without them, no CA issues for {host}"
                    ),
                ));
            }
            Err(problem) => return Err(lookup(name, &problem)),
        }
    }
    Ok(Vec::new())
}

/// The host and its parents; the root has none.
fn climb(host: &str) -> Vec<&str> {
    std::iter::successors(Some(host.trim_start_matches("*.")), |name| {
        name.split_once('.').map(|(_, parent)| parent)
    })
    .take(PARENTS)
    .collect()
}

/// Whether they allow the CA.
pub(super) fn check(host: &str, records: &[CAA], issuer: Issuer<'_>) -> Result<(), Problem> {
    let tag = |record: &CAA| record.tag.to_ascii_lowercase();
    let known = |tag: &str| {
        matches!(
            tag,
            "issue"
                | "issuewild"
                | "iodef"
                | "issuemail"
                | "contactemail"
                | "contactphone"
                | "issuevmc"
        )
    };
    if let Some(record) = records
        .iter()
        .find(|record| record.issuer_critical && !known(&tag(record)))
    {
        return Err(Problem::host(
            "caa-critical",
            format!(
                "a CAA record of {host} has the critical tag {:?}, which no CA knows; remove it",
                quoted(&record.tag)
            ),
        ));
    }
    let of = |wanted: &str| {
        let values = records.iter().filter(move |record| tag(record) == wanted);
        values
            .map(|record| String::from_utf8_lossy(&record.value))
            .collect::<Vec<_>>()
    };
    let mut issue = of("issue");
    if host.starts_with("*.") {
        let wild = of("issuewild");
        if !wild.is_empty() {
            issue = wild;
        }
    }
    // Who does not know what the CA is called leaves it to the CA.
    if issue.is_empty() || issuer.identities.is_empty() {
        return Ok(());
    }
    let mut forbidden = None;
    for value in &issue {
        match allows(value, issuer) {
            Allows::Yes => return Ok(()),
            Allows::NotSo(what) => forbidden = Some(what),
            Allows::Another => {}
        }
    }
    let ours = issuer.identities.join(" or ");
    Err(match forbidden {
        Some(what) => Problem::host(
            "caa-parameters",
            format!("a CAA record of {host} allows {ours} only with {what}; remove that parameter"),
        ),
        None => Problem::host(
            "caa",
            format!(
                "CAA records of {host} allow {}, and not {ours}; add: CAA 0 issue \"{}\"",
                quoted(&issue.join(", ")),
                issuer.identities.first().map_or("", String::as_str)
            ),
        ),
    })
}

enum Allows {
    Yes,
    /// This CA, but not what we do.
    NotSo(String),
    Another,
}

/// RFC 8659, section 4.2: `letsencrypt.org; validationmethods=http-01`. What is malformed allows
/// nobody.
fn allows(value: &str, issuer: Issuer<'_>) -> Allows {
    let mut parts = value.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default();
    let ours = |it: &String| it.eq_ignore_ascii_case(name.trim_end_matches('.'));
    if !issuer.identities.iter().any(ours) {
        return Allows::Another;
    }
    for part in parts.filter(|part| !part.is_empty()) {
        let Some((key, value)) = part.split_once('=') else {
            return Allows::NotSo(quoted(part));
        };
        let fits = match key.trim().to_ascii_lowercase().as_str() {
            "accounturi" => value.trim() == issuer.account,
            "validationmethods" => value.split(',').any(|it| it.trim() == METHOD),
            // Another CA's business, or one of tomorrow: the CA decides.
            _ => true,
        };
        if !fits {
            return Allows::NotSo(quoted(part));
        }
    }
    Allows::Yes
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: &str = "https://ca.example/acct/1";

    fn record(text: &str) -> CAA {
        let mut parts = text.splitn(3, ' ');
        let mut record = CAA::new_issue(parts.next() == Some("128"), None, Vec::new());
        parts.next().unwrap().clone_into(&mut record.tag);
        record.value = parts.next().unwrap_or_default().into();
        record
    }

    fn code(host: &str, records: &[&str]) -> Option<&'static str> {
        let records: Vec<_> = records.iter().map(|it| record(it)).collect();
        let identities = ["letsencrypt.org".to_owned()];
        let issuer = Issuer {
            identities: &identities,
            account: ACCOUNT,
            thumbprint: "",
        };
        check(host, &records, issuer).err().map(|it| it.code)
    }

    #[test]
    fn records_are_read_as_rfc_8659_says() {
        for (records, expected) in [
            (&[][..], None),
            (&["0 issue letsencrypt.org"], None),
            (&["0 issue LetsEncrypt.org"], None),
            (&["0 ISSUE other.example", "0 issue letsencrypt.org"], None),
            (&["0 issue other.example"], Some("caa")),
            (&["0 issue ;"], Some("caa")),
            (&["0 issue "], Some("caa")),
            (&["0 issue %%%%%"], Some("caa")),
            (&["0 issuewild other.example"], None),
            (&["0 iodef mailto:a@example.org"], None),
            (&["128 iodef mailto:a@example.org"], None),
            (&["0 tbs Unknown"], None),
            (&["128 tbs Unknown"], Some("caa-critical")),
            (
                &["128 tbs Unknown", "0 issue letsencrypt.org"],
                Some("caa-critical"),
            ),
            (
                &["0 issue letsencrypt.org; validationmethods=dns-01,http-01"],
                None,
            ),
            (
                &["0 issue letsencrypt.org;validationmethods=dns-01"],
                Some("caa-parameters"),
            ),
            (
                &["0 issue letsencrypt.org; accounturi=https://ca.example/acct/1"],
                None,
            ),
            (
                &["0 issue letsencrypt.org; accounturi=https://ca.example/acct/2"],
                Some("caa-parameters"),
            ),
            (
                &["0 issue letsencrypt.org; nonsense"],
                Some("caa-parameters"),
            ),
        ] {
            assert_eq!(code("www.a.example", records), expected, "{records:?}");
        }
    }

    #[test]
    fn a_wildcard_has_records_of_its_own() {
        let records = ["0 issue other.example", "0 issuewild letsencrypt.org"];
        assert_eq!(code("*.a.example", &records), None);
        assert_eq!(code("www.a.example", &records), Some("caa"));
        assert_eq!(code("*.a.example", &["0 issue other.example"]), Some("caa"));
    }

    #[test]
    fn parents_are_asked_up_to_the_top_level_domain() {
        assert_eq!(
            climb("www.a.example"),
            ["www.a.example", "a.example", "example"]
        );
        assert_eq!(climb("*.a.example"), ["a.example", "example"]);
        assert_eq!(climb(&"a.".repeat(40)).len(), PARENTS);
    }
}
