//! The rest of the harness: programs that are run, and the servers beside our own.

use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use e2e::{
    peers::Peer,
    process::{Ended, Program},
};
use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

#[test]
fn a_program_gets_path_and_what_it_is_given_and_nothing_else() {
    let outcome = Program::new("env").env("ONE", "1").run().expect(0);
    let mut names: Vec<_> = outcome
        .stdout
        .lines()
        .filter_map(|line| line.split('=').next())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["ONE", "PATH"]);
}

#[test]
fn both_streams_the_code_and_the_input_arrive() {
    let outcome = Program::new("sh")
        .args(["-c", "cat; echo trouble >&2; exit 65"])
        .input("text")
        .run()
        .expect(65);
    assert_eq!(
        (outcome.stdout.as_str(), outcome.stderr.as_str()),
        ("text", "trouble\n")
    );
}

#[test]
fn a_program_that_overruns_is_killed_with_its_children() {
    let begin = Instant::now();
    let program = Program::new("sh")
        .args(["-c", "sleep 60 & echo started; wait"])
        .deadline(Duration::from_millis(300));
    let outcome = program.run();
    assert_eq!(
        (outcome.ended, outcome.stdout.as_str()),
        (Ended::Deadline, "started\n")
    );
    assert!(begin.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_kill_comes_at_its_time_unless_the_program_ends_first() {
    let sleeper = Program::new("sleep")
        .arg("60")
        .start()
        .kill_after(Duration::from_millis(50));
    assert_eq!(sleeper.ended, Ended::Signal(9));
    let quick = Program::new("true")
        .start()
        .kill_after(Duration::from_secs(30));
    assert_eq!(quick.ended, Ended::Code(0));
}

#[test]
fn the_server_runs_as_a_binary_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    e2e::tree::generate(directory.path(), e2e::tree::Shape { seed: 1, files: 20 }).unwrap();
    let fault = r#"{"effect": {"latency": {"ms": 1}}}"#;
    let mut server = Program::new(env!("CARGO_BIN_EXE_s3-server"))
        .args(["--listen", "127.0.0.1:0", "--fault", fault])
        .arg("--directory")
        .arg(directory.path())
        .start();
    let endpoint = server.first_line();
    let mut stream = TcpStream::connect(endpoint.trim_start_matches("http://")).unwrap();
    stream.write_all(b"GET /-/faults HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("latency"), "{answer}");
    assert_eq!(server.kill_after(Duration::ZERO).ended, Ended::Signal(9));
}

#[tokio::test]
async fn moto_answers_conditions_as_our_server_does() {
    let peer = Peer::moto("releases");
    let variables: std::collections::BTreeMap<_, _> = peer.environment().into_iter().collect();
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(variables["AWS_REGION"].clone()))
        .credentials_provider(Credentials::new(
            &variables["AWS_ACCESS_KEY_ID"],
            &variables["AWS_SECRET_ACCESS_KEY"],
            None,
            None,
            "test",
        ))
        .endpoint_url(peer.endpoint())
        .force_path_style(true)
        .build();
    let client = aws_sdk_s3::Client::from_conf(config);
    let put = || {
        client
            .put_object()
            .bucket(peer.bucket())
            .key("a")
            .if_none_match("*")
            .body(b"1".to_vec().into())
            .send()
    };
    put().await.unwrap();
    assert_eq!(
        put()
            .await
            .unwrap_err()
            .raw_response()
            .unwrap()
            .status()
            .as_u16(),
        412
    );
}
