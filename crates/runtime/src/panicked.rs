//! A panic as an error: our bug, reported as every other failure is.

use release::Reason;
use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// The program reached what its makers thought impossible.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("panicked: {0}")]
pub struct Panicked(String);

impl Panicked {
    /// The reason code: always `bug`.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        Reason::Bug
    }
}

/// Runs the whole of a program. The panic hook has then already said where it happened.
///
/// # Errors
///
/// When `program` panicked. What it was working on may be half-changed, so nothing but the report
/// should follow.
pub fn caught<T>(program: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(program)).map_err(|payload| Panicked(message(payload.as_ref())))
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| payload.downcast_ref::<&str>().copied());
    text.unwrap_or("without a message").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_a_bug_with_its_message() {
        let number = 7;
        assert_eq!(
            caught(|| panic!("{number} is impossible")),
            Err::<(), _>(Panicked("7 is impossible".to_owned()))
        );
        assert_eq!(
            caught(|| panic!("impossible")),
            Err::<(), _>(Panicked("impossible".to_owned()))
        );
        assert_eq!(caught(|| number), Ok(7));
        assert_eq!(Panicked(String::new()).reason().trouble().exit_code(), 70);
    }
}
