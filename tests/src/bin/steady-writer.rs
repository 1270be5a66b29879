//! A shop that writes: numbered lines into a file that it opens once, each on the server before its
//! number is printed and the next begins.
//!
//! A program of its own, as whatever has a file of a silent server open cannot start other
//! programs: each is born with the file, and closing it waits for the server.

use std::{
    env,
    error::Error,
    fs::File,
    io::{self, Write as _},
    thread,
    time::Duration,
};

const PAUSE: Duration = Duration::from_millis(20);

fn main() -> Result<(), Box<dyn Error>> {
    let mut file = File::create(env::args_os().nth(1).ok_or("usage: steady-writer FILE")?)?;
    let mut told = io::stdout();
    for number in 1_u64.. {
        writeln!(file, "{number}")?;
        file.sync_data()?;
        writeln!(told, "{number}")?;
        thread::sleep(PAUSE);
    }
    Ok(())
}
