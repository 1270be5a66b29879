use super::*;
use release::Reason;

#[test]
fn each_answer_has_its_reason_and_class() {
    for (status, code, region, action, reason, class) in [
        (
            404,
            "NoSuchKey",
            None,
            Action::Read,
            Reason::ObjectMissing,
            Class::Final,
        ),
        (
            404,
            "",
            None,
            Action::Look,
            Reason::ObjectMissing,
            Class::Final,
        ),
        (
            404,
            "NoSuchKey",
            None,
            Action::Write,
            Reason::Config,
            Class::Final,
        ),
        (
            404,
            "NoSuchBucket",
            None,
            Action::Write,
            Reason::StoreMissing,
            Class::Final,
        ),
        (
            403,
            "AccessDenied",
            None,
            Action::Read,
            Reason::Forbidden,
            Class::Final,
        ),
        (
            403,
            "InvalidAccessKeyId",
            None,
            Action::Read,
            Reason::Forbidden,
            Class::Final,
        ),
        (
            403,
            "SignatureDoesNotMatch",
            None,
            Action::Read,
            Reason::Forbidden,
            Class::Final,
        ),
        (403, "", None, Action::Look, Reason::Forbidden, Class::Final),
        (
            403,
            "RequestTimeTooSkewed",
            None,
            Action::Read,
            Reason::Clock,
            Class::Final,
        ),
        (
            400,
            "ExpiredToken",
            None,
            Action::Read,
            Reason::Forbidden,
            Class::Refusal,
        ),
        (
            301,
            "PermanentRedirect",
            Some("eu-west-1"),
            Action::Read,
            Reason::Region,
            Class::Final,
        ),
        (
            301,
            "",
            Some("eu-west-1"),
            Action::Look,
            Reason::Region,
            Class::Final,
        ),
        (
            400,
            "AuthorizationHeaderMalformed",
            Some("eu-west-1"),
            Action::List,
            Reason::Region,
            Class::Final,
        ),
        (
            400,
            "",
            Some("eu-west-1"),
            Action::Look,
            Reason::Region,
            Class::Final,
        ),
        (
            412,
            "PreconditionFailed",
            None,
            Action::Read,
            Reason::Replaced,
            Class::Final,
        ),
        (
            412,
            "PreconditionFailed",
            None,
            Action::Write,
            Reason::Conflict,
            Class::Final,
        ),
        (
            409,
            "ConditionalRequestConflict",
            None,
            Action::Write,
            Reason::Conflict,
            Class::Refusal,
        ),
        (
            503,
            "SlowDown",
            None,
            Action::Read,
            Reason::Unreachable,
            Class::Throttle(None),
        ),
        (
            429,
            "",
            None,
            Action::Read,
            Reason::Unreachable,
            Class::Throttle(None),
        ),
        (
            500,
            "InternalError",
            None,
            Action::Write,
            Reason::Unreachable,
            Class::Trouble,
        ),
        (
            200,
            "InternalError",
            None,
            Action::Write,
            Reason::Unreachable,
            Class::Trouble,
        ),
        (
            400,
            "RequestTimeout",
            None,
            Action::Write,
            Reason::Unreachable,
            Class::Trouble,
        ),
        (
            400,
            "InvalidArgument",
            None,
            Action::Write,
            Reason::Config,
            Class::Final,
        ),
        (
            501,
            "NotImplemented",
            None,
            Action::Write,
            Reason::Config,
            Class::Final,
        ),
        (501, "", None, Action::Write, Reason::Config, Class::Final),
        (
            403,
            "InvalidObjectState",
            None,
            Action::Read,
            Reason::Config,
            Class::Final,
        ),
    ] {
        let subject = Subject {
            action,
            key: "k".to_owned(),
            store: "bucket shop".into(),
        };
        let code = Some(code).filter(|code| !code.is_empty());
        let said = meaning(status, code, region.map(str::to_owned), None);
        let failure = Answer {
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
