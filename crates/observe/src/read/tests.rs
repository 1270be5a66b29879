use super::*;
use Severity::{Error, Fatal, Notice, Warning};

fn said(source: Source, body: &str) -> (Severity, String, String) {
    let Parts {
        severity,
        class,
        message,
    } = read(source, body, 0).unwrap();
    (severity, class, message)
}

#[test]
fn what_php_says() {
    for (body, severity, class, message) in [
        (
            "PHP Warning:  Undefined variable $x in /r/a.php on line 3",
            Warning,
            "Warning",
            "Undefined variable $x in /r/a.php on line 3",
        ),
        (
            "PHP Fatal error:  Uncaught App\\Oops: no in way in /r/a.php:3\nStack trace:\n#0 {main}\n  thrown in /r/a.php on line 3",
            Fatal,
            "App\\Oops",
            "no in way",
        ),
        (
            "PHP Fatal error:  Uncaught Oops in /r/a.php:3\nStack trace:\n#0 {main}",
            Fatal,
            "Oops",
            "",
        ),
        (
            "PHP Fatal error:  Uncaught First: a in /r/a.php:3\nStack trace:\n#0 {main}\n\nNext Second: b in /r/a.php:4\nStack trace:",
            Fatal,
            "First",
            "a",
        ),
        (
            "PHP Fatal error:  Uncaught exception 'Oops' with message 'old' in /r/a.php:3\nStack trace:\n#0 {main}",
            Fatal,
            "Oops",
            "old",
        ),
        (
            "PHP Fatal error:  Uncaught class@anonymous\\u{0}/r/a.php:3$0: odd in /r/a.php:3\nStack trace:\n#0 {main}",
            Fatal,
            "class@anonymous",
            "odd",
        ),
        (
            "PHP Parse error:  syntax error, unexpected end of file in /r/a.php on line 3",
            Fatal,
            "Parse error",
            "syntax error, unexpected end of file in /r/a.php on line 3",
        ),
        (
            "PHP Deprecated:  old in /r/a.php on line 3",
            Notice,
            "Deprecated",
            "old in /r/a.php on line 3",
        ),
        (
            "by error_log\nand more",
            Warning,
            "error_log",
            "by error_log",
        ),
        (
            "RuntimeException: logged in /r/a.php:3\nStack trace:\n#0 {main}",
            Error,
            "RuntimeException",
            "logged",
        ),
    ] {
        assert_eq!(
            said(Source::Php, body),
            (severity, class.to_owned(), message.to_owned()),
            "{body}"
        );
    }
}

#[test]
fn what_magento_logs() {
    let read = |body: &str| {
        let Parts {
            severity,
            class,
            message,
        } = log::log(body);
        (severity, class, message)
    };
    for (body, severity, class, message) in [
        (
            r#"main.CRITICAL: It broke {"exception":"[object] (App\\Oops(code: 0): It broke at /r/a.php:12)\n[stacktrace]\n#0 /r/b.php(3): App\\X->y()\n#1 {main}\n"} []"#,
            Error,
            "App\\Oops",
            "It broke",
        ),
        (
            "report.CRITICAL: App\\Oops: It broke in /r/a.php:12\nStack trace:\n#0 /r/b.php(3): App\\X->y() []  []",
            Error,
            "App\\Oops",
            "It broke",
        ),
        (
            "main.INFO: Cron Job x is run [] []",
            Notice,
            "INFO",
            "Cron Job x is run",
        ),
        ("main.ERROR: no {\"a\":1} []", Error, "ERROR", "no"),
        ("main.EMERGENCY: away [] []", Fatal, "EMERGENCY", "away"),
        (
            "ERR (3): \nexception 'Mage_Core_Exception' with message 'gone' in /r/a.php:12\nStack trace:\n#0 x",
            Error,
            "Mage_Core_Exception",
            "gone",
        ),
        (
            "ERR (3): \nMage_Core_Exception: gone in /r/a.php:12\nStack trace:\n#0 /r/b.php(3): x()",
            Error,
            "Mage_Core_Exception",
            "gone",
        ),
        (
            "ERR (3): Warning: include(x): failed  in /r/a.php on line 93",
            Warning,
            "Warning",
            "include(x): failed  in /r/a.php on line 93",
        ),
        ("DEBUG (7): cache", Notice, "DEBUG", "cache"),
    ] {
        assert_eq!(
            read(body),
            (severity, class.to_owned(), message.to_owned()),
            "{body}"
        );
    }
    assert_eq!(log::undated("a line").class, "log");
}

#[test]
fn what_servers_say() {
    let cases = [
        (
            Source::Fpm,
            "WARNING: [pool shop] child 7 exited on signal 11 (SIGSEGV - core dumped) after 2.1 seconds from start",
            Fatal,
            "SIGSEGV",
            "child exited on signal",
        ),
        (
            Source::Fpm,
            "WARNING: [pool shop] child 7, script '/r/a.php' (request: \"GET /a.php\") execution timed out (2.1 sec), terminating",
            Fatal,
            "Timeout",
            "execution of /r/a.php timed out, terminating",
        ),
        (
            Source::Fpm,
            "WARNING: [pool shop] server reached pm.max_children setting (5), consider raising it",
            Warning,
            "php-fpm",
            "[pool shop] server reached pm.max_children setting (5), consider raising it",
        ),
        (
            Source::Slow,
            " [pool shop] pid 7\nscript_filename = /r/a.php\n[0x0] sleep() /r/a.php:3",
            Notice,
            "Slow request",
            "/r/a.php",
        ),
        (
            Source::Nginx,
            "error] 7#7: *1 upstream prematurely closed connection while reading response header from upstream, client: <ip>, server: _",
            Error,
            "nginx",
            "upstream prematurely closed connection while reading response header from upstream",
        ),
        (
            Source::Nginx,
            "error] 7#7: *1 FastCGI sent in stderr: \"PHP message: PHP Warning:  x in /r/a.php on line 1\" while",
            Warning,
            "Warning",
            "x in /r/a.php on line 1\" while",
        ),
        (
            Source::Nginx,
            "incident=abc time=2026 status=502 php_status=- seconds=0.1",
            Error,
            "incident",
            "status is 502, of PHP -",
        ),
    ];
    for (source, body, severity, class, message) in cases {
        assert_eq!(
            said(source, body),
            (severity, class.to_owned(), message.to_owned()),
            "{body}"
        );
    }
    assert_eq!(
        read(
            Source::Fpm,
            "WARNING: [pool shop] child 7, script '/a' (request: \"GET /\") executing too slow (10.2 sec), logging",
            0
        ),
        None
    );
}

#[test]
fn what_reports_say() {
    let json = r#"{"0":"Broken \"x\" \u00fc","1":"<pre>#1 Foo\\Bar->baz() called at [a.php:12]\n#2 b()<\/pre>","url":"\/cart","script_name":"\/index.php"}"#;
    let text = "Broken \"x\" ü\n#1 Foo\\Bar->baz() called at [a.php:12]\n#2 b()\nurl: /cart";
    assert_eq!(report_text(json), text);
    assert_eq!(report_text(r##"["Broken","#0 x()"]"##), "Broken\n#0 x()");
    let php = "a:5:{i:0;s:8:\"Brokenü\";i:1;s:12:\"#0 a.php: x(\";s:3:\"url\";s:1:\"/\";s:11:\"script_name\";s:10:\"/index.php\";}";
    assert_eq!(report_text(php), "Brokenü\n#0 a.php: x(\nurl: /");
    assert_eq!(report_text("something else"), "something else");
    // Cut.
    assert_eq!(report_text(r#"{"0":"Bro\"ken"#), "Bro\"ken");
    assert_eq!(report_text("a:5:{i:0;s:800:\"Broken"), "Broken");
    assert_eq!(
        said(Source::Report, text),
        (Fatal, "Report".to_owned(), "Broken \"x\" ü".to_owned())
    );
}
