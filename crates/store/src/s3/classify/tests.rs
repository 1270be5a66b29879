use super::*;
use release::Reason;

#[test]
fn each_answer_has_its_reason_and_class() {
    use Action::{List, Look, Read, Write};
    use Class::{Final, Refusal, Trouble};
    use Reason::{
        Clock, Config, Conflict, Forbidden, ObjectMissing, Region, Replaced, StoreMissing,
        Unreachable,
    };
    for (status, code, region, action, reason, class) in [
        (404, "NoSuchKey", None, Read, ObjectMissing, Final),
        (404, "", None, Look, ObjectMissing, Final),
        (404, "NoSuchKey", None, Write, Config, Final),
        (404, "NoSuchBucket", None, Write, StoreMissing, Final),
        (403, "AccessDenied", None, Read, Forbidden, Final),
        (403, "InvalidAccessKeyId", None, Read, Forbidden, Final),
        (403, "SignatureDoesNotMatch", None, Read, Forbidden, Final),
        (403, "", None, Look, Forbidden, Final),
        (403, "RequestTimeTooSkewed", None, Read, Clock, Final),
        (400, "ExpiredToken", None, Read, Forbidden, Refusal),
        (
            301,
            "PermanentRedirect",
            Some("eu-west-1"),
            Read,
            Region,
            Final,
        ),
        (301, "", Some("eu-west-1"), Look, Region, Final),
        (
            400,
            "AuthorizationHeaderMalformed",
            Some("eu-west-1"),
            List,
            Region,
            Final,
        ),
        (400, "", Some("eu-west-1"), Look, Region, Final),
        (412, "PreconditionFailed", None, Read, Replaced, Final),
        (412, "PreconditionFailed", None, Write, Conflict, Final),
        (
            409,
            "ConditionalRequestConflict",
            None,
            Write,
            Conflict,
            Refusal,
        ),
        (
            503,
            "SlowDown",
            None,
            Read,
            Unreachable,
            Class::Throttle(None),
        ),
        (429, "", None, Read, Unreachable, Class::Throttle(None)),
        (500, "InternalError", None, Write, Unreachable, Trouble),
        (200, "InternalError", None, Write, Unreachable, Trouble),
        (400, "RequestTimeout", None, Write, Unreachable, Trouble),
        (400, "InvalidArgument", None, Write, Config, Final),
        (501, "NotImplemented", None, Write, Config, Final),
        (501, "", None, Write, Config, Final),
        (403, "InvalidObjectState", None, Read, Config, Final),
    ] {
        let subject = Subject {
            action,
            key: "k".to_owned(),
            store: "bucket shop".into(),
        };
        let code = Some(code).filter(|code| !code.is_empty());
        let said = meaning(status, code, region.map(str::to_owned), None);
        let failure = FailedRequest {
            said,
            code: word(status, code),
        }
        .failure(&subject, "us-east-1");
        assert_eq!(
            (failure.error.reason(), failure.class),
            (reason, class),
            "{status} {code:?} {action:?}"
        );
    }
}

#[test]
fn the_region_is_read_from_the_error_document() {
    let body =
        b"<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-1</Region></Error>";
    assert_eq!(region_in(body).as_deref(), Some("eu-west-1"));
    assert_eq!(region_in(b"<Error/>"), None);
}

#[test]
fn nobody_makes_us_pause_for_long() {
    let said = meaning(503, Some("SlowDown"), None, Some(Duration::from_hours(1)));
    assert!(matches!(said, Said::Throttle(Some(pause)) if pause == Duration::from_secs(30)));
}
