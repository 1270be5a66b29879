//! Keys, regions and endpoints that cannot be, as a Secret's newline or a forgotten scheme makes
//! them: each program names the variable and shows no secret.

use e2e::{
    pod::Agent,
    process::Program,
    s3::{Options, Server},
    shop::Shop,
};
use runtime::fixtures::free_port;
use std::time::Duration;

/// A part of each value that nobody may see.
const SECRET: &str = "tellnobody";
/// No answer of a network is waited for, so that a program that runs for so long would hang.
const DEADLINE: Duration = Duration::from_secs(20);

/// A variable, a value that it cannot have, and what is said of it.
type Mistake = (&'static str, &'static str, &'static str);

/// They are used with the first request.
const KEYS: [Mistake; 5] = [
    ("AWS_ACCESS_KEY_ID", "tellnobody\n", "holds a newline"),
    (
        "AWS_ACCESS_KEY_ID",
        "tellnob\u{f6}dy",
        "holds the character U+00F6",
    ),
    ("AWS_SECRET_ACCESS_KEY", "tellnobody\r\n", "holds a newline"),
    (
        "AWS_SECRET_ACCESS_KEY",
        " tellnobody",
        "holds a space or tab at an end",
    ),
    (
        "AWS_SESSION_TOKEN",
        "tellnobody\u{feff}",
        "holds the character U+FEFF",
    ),
];

/// They are used when the store is opened.
const PLACES: [Mistake; 7] = [
    (
        "AWS_ENDPOINT_URL_S3",
        "127.0.0.1:9000",
        "expected a URL such as",
    ),
    (
        "AWS_ENDPOINT_URL_S3",
        "user:tellnobody@s3.example.org",
        "expected a URL such as",
    ),
    ("AWS_ENDPOINT_URL_S3", "https://", "expected a URL such as"),
    (
        "AWS_ENDPOINT_URL_S3",
        "https://s3.example.org\n",
        "expected a URL such as",
    ),
    (
        "AWS_ENDPOINT_URL_S3",
        "ftp://s3.example.org",
        "expected a URL such as",
    ),
    (
        "AWS_REGION",
        "us-east-1\n",
        "expected letters, digits and dashes",
    ),
    (
        "AWS_REGION",
        "eu central",
        "expected letters, digits and dashes",
    ),
];

/// A shop with a pod that runs its first release.
fn shop(server: &Server) -> Shop {
    let shop = Shop::on(server, 1, 3);
    shop.publish();
    shop.init("pod").run().expect(0);
    shop
}

fn agent(shop: &Shop) -> Program {
    Program::ours("longshore-agent")
        .envs(shop.pod_environment("pod"))
        .env("LONGSHORE_POLL", "1s")
}

#[track_caller]
fn says(program: &str, (variable, value, problem): Mistake, text: &str) {
    for part in [variable, problem] {
        assert!(
            text.contains(part),
            "{program}, {variable}={value:?}: {part:?} is not in {text}"
        );
    }
    // The last is the hint of a bug.
    for part in [SECRET, "tellnob\u{f6}dy", "panicked", "please report it"] {
        assert!(
            !text.contains(part),
            "{program}, {variable}={value:?}: {part:?} is in {text}"
        );
    }
}

#[track_caller]
fn refuses(name: &str, program: Program, mistake: Mistake) {
    let (variable, value, _) = mistake;
    let outcome = program.env(variable, value).deadline(DEADLINE).run();
    says(name, mistake, &outcome.stderr);
    assert_eq!(outcome.code(), Some(64), "{name}: {outcome:#?}");
}

#[test]
fn keys_and_places_that_cannot_be_end_a_pull_and_a_publication_with_64_and_name_their_variable() {
    let server = Server::start(Options::default()).unwrap();
    let shop = shop(&server);
    for mistake in KEYS.into_iter().chain(PLACES) {
        refuses("longshore-init", shop.init("pod"), mistake);
        refuses("longshore publish", shop.publisher(), mistake);
    }
}

#[test]
fn an_agent_ends_with_64_for_a_place_that_cannot_be() {
    let server = Server::start(Options::default()).unwrap();
    let shop = shop(&server);
    for mistake in PLACES {
        let listen = format!("127.0.0.1:{}", free_port());
        let program = agent(&shop).env("LONGSHORE_LISTEN", listen);
        refuses("longshore-agent", program, mistake);
    }
}

// A key may be one that was renewed wrongly, and the shop is served without it.
#[test]
fn an_agent_with_a_key_that_cannot_be_keeps_the_shop_and_tells_which() {
    let server = Server::start(Options::default()).unwrap();
    let shop = shop(&server);
    for mistake in KEYS {
        let (variable, value, _) = mistake;
        let mut pod = Agent::default();
        pod.start(agent(&shop).env(variable, value));
        let status = pod.until("it tells", |status| {
            status["lastError"]["reason"] == "forbidden" && status["running"]["sequence"] == 1
        });
        says("/status", mistake, &status["lastError"].to_string());
        let outcome = pod.end();
        says("longshore-agent", mistake, &outcome.stderr);
    }
}
