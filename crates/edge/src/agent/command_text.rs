//! The words of HAProxy's socket: what each step is called there, and what HAProxy answers where it
//! has done it. It answers in plain text, and only the exact text of success is one.

use super::{
    difference::Step,
    snapshot::{Server, Serving},
};
use std::fmt::Write as _;

/// The list of certificates, as HAProxy's configuration names it.
pub const LIST: &str = "certificates.list";

/// A command, and how the answer begins where it was done.
#[derive(Debug, PartialEq, Eq)]
pub struct Command {
    /// One line, or several with a payload.
    pub text: String,
    /// What it answers.
    pub success: &'static str,
}

/// The commands of a step. `pem` reads a file of certificates.
pub fn commands(step: &Step, pem: impl Fn(&str) -> String) -> Vec<Command> {
    match step {
        Step::AddCertificate { file, host } => vec![
            expect(
                "New empty certificate store",
                format!("new ssl cert {file}"),
            ),
            expect(
                "Transaction created",
                format!("set ssl cert {file} <<\n{}\n", payload(&pem(file))),
            ),
            expect("Committing", format!("commit ssl cert {file}")),
            expect(
                "Inserting certificate",
                format!("add ssl crt-list {LIST} <<\n{file} {host}\n"),
            ),
        ],
        Step::RemoveCertificate { file } => vec![
            expect("Entry '", format!("del ssl crt-list {LIST} {file}")),
            expect("Certificate '", format!("del ssl cert {file}")),
        ],
        Step::AddServer { slot, name, server } => {
            let mut all = vec![expect(
                "New server registered.",
                format!("add server {slot}/{name} {}", server_line(server)),
            )];
            // A server that is added waits until somebody enables it.
            if server.serving == Serving::Yes {
                all.push(quiet(format!("enable server {slot}/{name}")));
            }
            all
        }
        Step::Weight(slot, name, weight) => {
            vec![quiet(format!("set weight {slot}/{name} {weight}"))]
        }
        Step::Connections(slot, name, connections) => {
            vec![quiet(format!(
                "set maxconn server {slot}/{name} {connections}"
            ))]
        }
        Step::Serve(slot, name, serving) => {
            let state = match serving {
                Serving::Yes => "ready",
                Serving::Draining => "drain",
                Serving::No => "maint",
            };
            vec![quiet(format!("set server {slot}/{name} state {state}"))]
        }
        Step::RemoveServer(slot, name) => {
            vec![expect(
                "Server deleted.",
                format!("del server {slot}/{name}"),
            )]
        }
        Step::AddLine(map, key, value) => vec![quiet(format!("add map {map} {key} {value}"))],
        Step::SetLine(map, key, value) => vec![quiet(format!("set map {map} {key} {value}"))],
        Step::RemoveLine(map, key) => vec![quiet(format!("del map {map} {key}"))],
    }
}

/// A server as the configuration and `add server` have it.
#[must_use]
pub fn server_line(server: &Server) -> String {
    let Server {
        address,
        connections,
        weight,
        ..
    } = server;
    format!("{address} maxconn {connections} weight {weight}")
}

/// An empty line would be the end of it.
fn payload(pem: &str) -> String {
    let mut text = String::with_capacity(pem.len());
    for line in pem.lines().filter(|line| !line.trim().is_empty()) {
        // Writing to a String cannot fail.
        writeln!(text, "{}", line.trim_end()).unwrap_or_default();
    }
    text
}

const fn expect(success: &'static str, text: String) -> Command {
    Command { text, success }
}

/// Nothing but an empty line says that it was done.
const fn quiet(text: String) -> Command {
    expect("", text)
}

impl Command {
    /// Whether this is the answer of success.
    #[must_use]
    pub fn done(&self, answer: &str) -> bool {
        let answer = answer.trim();
        match self.success {
            "" => answer.is_empty(),
            "Committing" | "Inserting certificate" => {
                answer.starts_with(self.success) && answer.ends_with("Success!")
            }
            success => answer.starts_with(success),
        }
    }
}
