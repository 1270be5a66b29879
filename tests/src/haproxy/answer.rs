//! What a visitor gets.

use crate::process::Outcome;

/// An answer, as curl prints it.
#[derive(Debug)]
pub struct Answer {
    /// `HTTP/2 200` of the first line.
    pub status: String,
    /// All of it, without CR.
    pub text: String,
}

impl Answer {
    /// What curl printed.
    #[must_use]
    pub fn new(outcome: &Outcome) -> Self {
        let text = outcome.stdout.replace('\r', "");
        let status = text
            .lines()
            .next()
            .unwrap_or(&outcome.stderr)
            .trim()
            .to_owned();
        let status = status.split(' ').take(2).collect::<Vec<_>>().join(" ");
        Self { status, text }
    }

    /// A header of it.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let head = self.text.split("\n\n").next()?;
        head.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}
