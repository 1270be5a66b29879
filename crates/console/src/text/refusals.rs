//! Why something is refused before it is a plan: the guard, addresses that lead nowhere, and what
//! cannot be read of a form.

/// The guard answers these before anybody is known, without a page.
pub(crate) const OTHER_NAME: &str = "The console answers to its own name alone: on a laptop http://127.0.0.1, in the cluster the \
     host of LONGSHORE_CONSOLE_URL.\n";
pub(crate) const NO_SECRET: &str = "Open the address that longshore-console printed when it started: it has the secret of this \
     run.\n";
pub(crate) const SESSION_ENDED: &str = "Your session has ended, and nothing was done. Open the console in another tab and log in; \
     then load this page again, and your browser sends the form once more.\n";
pub(crate) const OTHER_ORIGIN: &str =
    "This was not sent from a page of the console. Nothing was done.\n";
pub(crate) const TOO_LONG: &str = "The answer took longer than a minute. What was asked for may be \
                                   done: look before you try again.\n";

pub(crate) const NO_PAGE: &str = "There is no such page.";
pub(crate) const OLD_ADDRESS: &str = "This is not the address that longshore-console printed last.";
pub(crate) const NO_LOGINS: &str = "Nobody logs in to a console of a laptop.";
pub(crate) const NOT_LOGGED_IN: &str = "You are not logged in";
pub(crate) const BUG: &str = "a bug of the console; its log says more\n";

pub(crate) const CHOOSE_STATE: &str = "choose one of them";
pub(crate) const SEARCH_MOVED: &str = "the search finds other shops than it did, or one of them was changed; nothing was done; \
     search again";

pub(crate) fn no_number(text: &str) -> String {
    format!("{text:?}: expected a whole number")
}

pub(crate) fn no_pair(line: &str) -> String {
    format!("{line:?}: expected a path, = and a value")
}

pub(crate) fn twice(line: &str) -> String {
    format!("{line:?}: its path is there twice")
}
