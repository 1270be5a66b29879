//! What php-fpm and nginx say of their own.

use super::{Parts, first_line, php};
use crate::{Severity, stamp::PHP_MESSAGE};

/// Signals that end a worker in the middle of a request, as php-fpm writes them.
const CRASHES: [&str; 6] = [
    "SIGSEGV", "SIGABRT", "SIGBUS", "SIGILL", "SIGFPE", "SIGKILL",
];

/// A line of php-fpm's log, without its time: `WARNING: [pool shop] child 7 exited on signal 11
/// (SIGSEGV) after 2.1 seconds from start`.
pub(super) fn fpm(body: &str) -> Option<Parts> {
    // Its slow log has the stack of the one; before the other, it says which request took too long.
    if body.contains(" executing too slow (") || body.contains(" exited on signal 15 (SIGTERM)") {
        return None;
    }
    // Whoever asked has it: nginx, in its log, or the agent.
    if body.starts_with(PHP_MESSAGE) {
        return None;
    }
    let (level, message) = body.split_once(": ").unwrap_or(("", body));
    let severity = match level {
        "ALERT" => Severity::Fatal,
        "ERROR" => Severity::Error,
        "WARNING" => Severity::Warning,
        "NOTICE" | "DEBUG" => Severity::Notice,
        // What a worker printed.
        _ => return Some(Parts::new(Severity::Notice, "output", first_line(body))),
    };
    let message = first_line(message);
    let signal = message
        .split_once(" exited on signal ")
        .and_then(|(_, rest)| rest.split_once('(')?.1.split([')', ' ']).next());
    if let Some(signal) = signal {
        let severity = if CRASHES.contains(&signal) {
            Severity::Fatal
        } else {
            severity
        };
        return Some(Parts::new(severity, signal, "child exited on signal"));
    }
    if let Some((_, rest)) = message.split_once(" execution timed out (") {
        // The script says where to look.
        let script = message
            .split_once(", script '")
            .and_then(|(_, rest)| rest.split('\'').next());
        let script = script.unwrap_or_default();
        let ending = rest.split_once("), ").map_or("", |(_, ending)| ending);
        return Some(Parts::new(
            Severity::Fatal,
            "Timeout",
            format!("execution of {script} timed out, {ending}"),
        ));
    }
    Some(Parts::new(severity, "php-fpm", message))
}

/// A block of php-fpm's slow log, without its time.
pub(super) fn slow(body: &str) -> Parts {
    let script = body
        .lines()
        .find_map(|line| line.strip_prefix("script_filename = "));
    Parts::new(Severity::Notice, "Slow request", script.unwrap_or_default())
}

/// A line of nginx's log, without its time but with its level, or of the log of its incidents.
pub(super) fn nginx(body: &str) -> Parts {
    if body.starts_with("incident=") {
        let field = |name: &str| {
            let (_, rest) = body.split_once(name)?;
            rest.split(' ').next()
        };
        let message = format!(
            "status is {}, of PHP {}",
            field(" status=").unwrap_or("-"),
            field(" php_status=").unwrap_or("-")
        );
        return Parts::new(Severity::Error, "incident", message);
    }
    let Some((level, rest)) = body.trim_start_matches('[').split_once("] ") else {
        return Parts::new(Severity::Warning, "nginx", first_line(body));
    };
    let severity = match level {
        "debug" | "info" | "notice" => Severity::Notice,
        "warn" => Severity::Warning,
        "error" | "crit" => Severity::Error,
        _ => Severity::Fatal,
    };
    // `7#7: *1 message, client: …, server: …`
    let (_, rest) = rest.split_once(": ").unwrap_or(("", rest));
    let message = rest
        .strip_prefix('*')
        .and_then(|rest| rest.split_once(' '))
        .map_or(rest, |(_, message)| message);
    if let Some((_, said)) = message.split_once(PHP_MESSAGE) {
        return php(said);
    }
    let end = message.find(", client: ").unwrap_or(message.len());
    Parts::new(severity, "nginx", first_line(&message[..end]))
}
