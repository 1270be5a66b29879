//! Ports of programs that tests start: whoever lets the kernel choose one, and gives it back before
//! the program listens, may find it taken by a connection of another test.

use crate::ignored::sources;
use std::{fs, path::Path};

/// Whether a port that the kernel chose leaves its listener behind: in one statement, or as what a
/// function returns.
fn gives_one_back(text: &str) -> bool {
    let statements: Vec<&str> = text.split(';').collect();
    let chosen = |statement: &str| {
        let Some((_, after)) = statement.split_once("TcpListener::bind(") else {
            return false;
        };
        after
            .split('\n')
            .next()
            .is_some_and(|it| it.contains(":0\"") || it.contains(", 0)"))
    };
    let address = |statement: &str| statement.contains(".local_addr()");
    let returned = |statement: &str| {
        let (last, _) = statement.split_once('}').unwrap_or_default();
        address(last) && !last.contains("return") && last.trim_start().starts_with("listener")
    };
    statements.iter().any(|it| chosen(it) && address(it))
        || statements
            .windows(2)
            .any(|pair| chosen(pair[0]) && returned(pair[1]))
}

#[test]
fn no_test_gives_a_port_back_before_its_program_listens() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let all = ["crates", "tests"].map(|name| sources(&top.join(name)));
    let found: Vec<_> = all
        .into_iter()
        .flatten()
        .filter(|path| !path.ends_with("e2e/ports.rs"))
        .filter(|path| gives_one_back(&fs::read_to_string(path).unwrap()))
        .collect();
    assert!(found.is_empty(), "runtime::fixtures::free_port: {found:?}");
}

#[test]
fn a_port_that_is_given_back_is_found() {
    let bind = r#"TcpListener::bind("127.0.0.1:0")"#;
    for (text, expected) in [
        (
            format!("let port = {bind}.unwrap().local_addr().unwrap().port();"),
            true,
        ),
        (
            format!(
                "{{ let listener = {bind}.unwrap(); listener.local_addr().unwrap().port() }} fn x() {{}};"
            ),
            true,
        ),
        (
            format!(
                "let listener = {bind}.unwrap(); let port = listener.local_addr().unwrap().port();"
            ),
            false,
        ),
    ] {
        assert_eq!(gives_one_back(&text), expected, "{text}");
    }
}
