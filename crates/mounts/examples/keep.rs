//! Keeps the mounts of a file until SIGTERM: what the agent does with them, alone and with short
//! times. For tests, and for trying a file.
//!
//! ```text
//! keep FILE ADDRESS:PORT
//! ```
//!
//! Every request to the address is answered with the mounts' health in JSON; every change of it is
//! a line of standard output.

use mounts::{MountHealth, MountsFile, Options, Program, Supervisor, Timing, child_main};
use std::{
    env,
    error::Error,
    ffi::OsString,
    fs,
    io::{self, Write as _},
    process::ExitCode,
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    signal::unix::{SignalKind, signal},
    sync::watch::Receiver,
    task::JoinSet,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

/// The word by which this program knows that it is a mount's child.
const CHILD: &str = "mount-child";
/// How long a visitor may take to ask and to take the answer.
const VISIT: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    if let [word, request] = arguments.as_slice()
        && word == CHILD
    {
        return child_main(request);
    }
    match keep(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            writeln!(io::stderr(), "keep: {error}").unwrap_or_default();
            ExitCode::FAILURE
        }
    }
}

// One thread: whatever blocked it would silence everything, and be seen.
#[tokio::main(flavor = "current_thread")]
async fn keep(arguments: &[OsString]) -> Result<(), Box<dyn Error>> {
    let [file, address] = arguments else {
        return Err("usage: keep FILE ADDRESS:PORT".into());
    };
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_writer(io::stderr)
        .with_ansi(false)
        .init();
    let file = MountsFile::parse(&fs::read_to_string(file)?)?;
    let listener = TcpListener::bind(address.to_str().ok_or("the address is not UTF-8")?).await?;
    let child = Program {
        path: env::current_exe()?,
        arguments: vec![CHILD.into()],
    };
    let supervisor = Supervisor::new(
        file,
        Options {
            child,
            timing: timing(),
            credentials: None,
        },
    );
    let (changes, health) = (supervisor.health(), supervisor.health());
    let (stop, mut tasks) = (CancellationToken::new(), JoinSet::new());
    let mut terminate = signal(SignalKind::terminate())?;
    let until = stop.clone();
    tasks.spawn(async move {
        terminate.recv().await;
        until.cancel();
    });
    tasks.spawn(tell(changes));
    tasks.spawn(serve(listener, health));
    Ok(supervisor.run(stop).await?)
}

/// Short, so that a test sees a change soon; the time to unmount in is the agent's.
fn timing() -> Timing {
    Timing {
        probe_every: Duration::from_secs(1),
        probe_within: Duration::from_secs(2),
        mount_within: Duration::from_secs(10),
        retry_at_most: Duration::from_secs(2),
        ..Timing::default()
    }
}

async fn tell(mut changes: Receiver<Vec<MountHealth>>) {
    let mut told = Vec::new();
    loop {
        let now = changes.borrow_and_update().clone();
        for mount in now.iter().filter(|mount| !told.contains(*mount)) {
            let line = serde_json::to_string(mount).unwrap_or_default();
            writeln!(io::stdout(), "{line}").unwrap_or_default();
        }
        told = now;
        if changes.changed().await.is_err() {
            return;
        }
    }
}

async fn serve(listener: TcpListener, health: Receiver<Vec<MountHealth>>) {
    let mut visits = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        while visits.try_join_next().is_some() {}
        let answer = serde_json::json!({ "mounts": *health.borrow() }).to_string();
        visits.spawn(timeout(VISIT, visit(stream, answer)));
    }
}

async fn visit(mut stream: TcpStream, answer: String) -> io::Result<()> {
    // What is asked for does not matter, as there is one answer; but it is read to its end, or the
    // answer would be lost.
    let (mut question, mut length) = ([0; 4096], 0);
    while !question[..length].ends_with(b"\r\n\r\n") {
        match stream.read(&mut question[length..]).await? {
            0 => return Ok(()),
            read => length += read,
        }
    }
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close";
    stream
        .write_all(format!("{head}\r\nContent-Length: {}\r\n\r\n{answer}", answer.len()).as_bytes())
        .await?;
    stream.shutdown().await?;
    Ok(())
}
