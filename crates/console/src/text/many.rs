//! What is said of work on many Shops.

fn shops(count: usize) -> String {
    match count {
        1 => "1 shop".to_owned(),
        count => format!("{count} shops"),
    }
}

pub(crate) fn changing(all: usize) -> String {
    format!("Changing {}", shops(all))
}

pub(crate) fn making(all: usize) -> String {
    format!("Making {}", shops(all))
}

pub(crate) const API_AWAY: &str = "The API server does not answer, so no further shop was begun.";
pub(crate) const CONSOLE_STOPS: &str = "The console was stopped meanwhile.";

pub(crate) fn so_far(ended: usize, all: usize) -> String {
    format!("{ended} of {all}")
}

pub(crate) fn changed_of(done: usize, all: usize) -> String {
    let what = if all == 1 { "shop is" } else { "shops are" };
    format!("{done} of {all} {what} changed; the scheduler applies it.")
}

pub(crate) fn created_of(done: usize, all: usize) -> String {
    let what = if all == 1 { "shop is" } else { "shops are" };
    format!("{done} of {all} {what} created; the scheduler makes their objects.")
}
