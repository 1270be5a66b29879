//! Named points in front of calls that change state, where a test kills the process or makes the
//! call fail.
//!
//! Without the feature `enabled` every point is an empty inlined function. With it, two variables
//! control a process:
//!
//! - `FAILPOINT_TRACE=FILE`: append the name of each point reached to `FILE`, one a line. A test
//!   reads from it how many points a run passes, and so can try each of them.
//! - `FAILPOINT=N:ACTION`: at the N-th point reached (from 1), `kill` sends ourselves SIGKILL;
//!   `eio`, `enospc` and `erofs` let [`hit`] return that error, once.
//!
//! This crate depends on nothing and knows nothing of what it interrupts.

/// Reaches the point called `name`; a name says crate, noun and call, such as
/// `deploy.current.rename`.
///
/// # Errors
///
/// Only where a test asked for one: without the feature it always returns `Ok`.
#[cfg(not(feature = "enabled"))]
#[inline(always)]
#[allow(
    clippy::inline_always,
    reason = "a point must cost nothing in a build without them"
)]
pub const fn hit(_name: &'static str) -> std::io::Result<()> {
    Ok(())
}

#[cfg(feature = "enabled")]
pub use enabled::hit;

#[cfg(feature = "enabled")]
mod enabled {
    #![allow(
        clippy::disallowed_methods,
        reason = "a test steers the process from outside, through its environment"
    )]

    use parking_lot::Mutex;
    use std::{
        env, fs,
        io::{self, Write as _},
        process::{self, Command},
        sync::OnceLock,
    };

    // Held while the name is written, too: line N of the trace is the N-th point, whatever threads
    // do.
    static REACHED: Mutex<u64> = Mutex::new(0);

    #[derive(Debug, Clone, Copy)]
    enum Action {
        Kill,
        Fail(i32),
    }

    fn order() -> Option<(u64, Action)> {
        static ORDER: OnceLock<Option<(u64, Action)>> = OnceLock::new();
        *ORDER.get_or_init(|| {
            let text = env::var("FAILPOINT").ok()?;
            let (count, action) = text.split_once(':').expect("FAILPOINT is N:ACTION");
            let action = match action {
                "kill" => Action::Kill,
                "eio" => Action::Fail(5),
                "enospc" => Action::Fail(28),
                "erofs" => Action::Fail(30),
                other => panic!("FAILPOINT has no action {other:?}"),
            };
            Some((
                count.parse().expect("FAILPOINT starts with a number"),
                action,
            ))
        })
    }

    /// Reaches the point called `name`.
    ///
    /// # Errors
    ///
    /// The error that `FAILPOINT` names, when this is the point it counts to.
    pub fn hit(name: &'static str) -> io::Result<()> {
        let mut count = REACHED.lock();
        *count += 1;
        let reached = *count;
        if let Some(trace) = env::var_os("FAILPOINT_TRACE") {
            let mut file = fs::OpenOptions::new()
                .create(true)
                .append(true)
                .open(trace)?;
            file.write_all(format!("{name}\n").as_bytes())?;
        }
        drop(count);
        match order() {
            Some((at, Action::Kill)) if at == reached => kill_ourselves(),
            Some((at, Action::Fail(code))) if at == reached => {
                Err(io::Error::from_raw_os_error(code))
            }
            _ => Ok(()),
        }
    }

    fn kill_ourselves() -> ! {
        // SIGKILL and not `abort`: no handler, no destructor and no buffered write runs after it.
        let killed = Command::new("kill")
            .args(["-9", &process::id().to_string()])
            .status();
        panic!("kill -9 of ourselves did not end us: {killed:?}");
    }
}
