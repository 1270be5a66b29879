//! What a pod pays for its agent: `longshore-agent` as images hold it, with two mounts and both
//! sources, watched for a minute while nothing happens, and for another one while the shop has
//! visitors and errors.

#![allow(
    clippy::disallowed_methods,
    reason = "a benchmark makes its files itself, and has no failpoints"
)]

use clap::Parser;
use e2e::{
    ending,
    figures::{bytes, table},
    pod::{Agent, Namespace},
    s3::{self, Server},
    shop::{CHANNEL, Shop},
};
use release::key;
use std::{
    error::Error,
    fs::{self, File},
    io::{self, Write as _},
    os::unix::net::UnixDatagram,
    path::{Path, PathBuf},
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

/// Measures a `longshore-agent`, with two bind mounts, a file and the channel to follow: idle, and
/// with visitors and errors. Needs root.
#[derive(Debug, Parser)]
struct Arguments {
    /// What `images/binaries` made, where the agent is the images' and not the one of this profile
    #[arg(long, value_name = "DIRECTORY")]
    image: Option<PathBuf>,
    /// For how many seconds it is watched each time
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Files of the shop
    #[arg(long, default_value_t = 10_000)]
    files: usize,
}

/// Memory in bytes, and processor time of it and of the children that it has waited for.
struct Usage {
    resident: u64,
    own: u64,
    processor: Duration,
}

fn usage(process: u32) -> io::Result<Usage> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
        kib.map(|kib| kib << 10)
            .ok_or_else(|| io::Error::other(format!("/proc/{process}/status has no {name}")))
    };
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The fields after the name, which may hold blanks: utime, stime, cutime and cstime are 14 to
    // 17 of proc(5), in hundredths of a second.
    let after = stat.rsplit(')').next().unwrap_or_default();
    let ticks: u64 = after
        .split_ascii_whitespace()
        .skip(11)
        .take(4)
        .filter_map(|ticks| ticks.parse::<u64>().ok())
        .sum();
    Ok(Usage {
        resident: field("VmRSS:")?,
        own: field("RssAnon:")?,
        processor: Duration::from_millis(ticks * 10),
    })
}

/// What it cost over a time.
struct Cost {
    after: Usage,
    /// Which part of a core.
    spent: f64,
    requests: u64,
    span: Duration,
}

fn measure(
    process: u32,
    server: &Server,
    meanwhile: impl FnOnce() -> io::Result<()>,
) -> io::Result<Cost> {
    let (begin, before) = (Instant::now(), usage(process)?);
    server.reset_stats();
    meanwhile()?;
    let (span, after) = (begin.elapsed(), usage(process)?);
    let spent = after.processor.saturating_sub(before.processor);
    Ok(Cost {
        spent: spent.as_secs_f64() / span.as_secs_f64(),
        requests: server.stats().total(),
        span,
        after,
    })
}

fn tell(what: &str, processor: &str, cost: &Cost) -> io::Result<()> {
    let rows = [
        [
            "memory, resident".to_owned(),
            bytes(cost.after.resident),
            "15 MiB".to_owned(),
        ],
        [
            "of this its own; the rest is the program's file, which pods of a node share"
                .to_owned(),
            bytes(cost.after.own),
            String::new(),
        ],
        [
            "processor, children that probe mounts included".to_owned(),
            format!("{:.3} % of a core", cost.spent * 100.0),
            processor.to_owned(),
        ],
        [
            "requests to the store".to_owned(),
            format!("{} in {:.0} s", cost.requests, cost.span.as_secs_f64()),
            "5 a minute".to_owned(),
        ],
    ];
    let rows = table(&[what, "measured", "wanted"], &[1, 2], &rows.map(Vec::from));
    writeln!(io::stdout(), "{rows}")
}

/// What nginx and PHP tell of a hundred requests a second, of which one in ten fails with an error
/// of 50 kinds.
fn visit(logs: &Path, span: Duration) -> io::Result<()> {
    let nginx = UnixDatagram::unbound()?;
    let socket = logs.join("requests.sock");
    let mut log = File::options().append(true).open(logs.join("php.log"))?;
    let begin = Instant::now();
    for request in 0_u32.. {
        let due = Duration::from_millis(10) * request;
        if due >= span {
            break;
        }
        thread::sleep(due.saturating_sub(begin.elapsed()));
        let line = b"<190>Dec  1 03:00:00 web nginx: 200 0.042 /srv/shop/releases/0123456789abcdef";
        nginx.send_to(line, &socket)?;
        if request % 10 == 0 {
            let kind = request / 10 % 50;
            writeln!(
                log,
                "[01-Dec-2026 03:00:00 UTC] PHP Fatal error:  Uncaught Shop\\Oops{kind}: No product \
                 {request} in /srv/shop/releases/0123456789abcdef/Cart.php:12\nStack trace:\n#0 \
                 /srv/shop/releases/0123456789abcdef/index.php(3): Shop\\Cart->pay()\n#1 {{main}}\n  \
                 thrown in /srv/shop/releases/0123456789abcdef/Cart.php on line 12"
            )?;
        }
    }
    Ok(())
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let server = Server::start(s3::Options::default())?;
    let shop = Shop::on(&server, 1, arguments.files);
    shop.publish();
    shop.init("pod").run().expect(0);
    fs::create_dir(shop.path("release"))?;
    let object = server
        .get(&format!("prod/{}", key::channel_head(&CHANNEL.parse()?)))
        .ok_or("nothing was published")?;
    fs::write(shop.path("release/release.json"), object)?;
    let mount = |name: &str| -> io::Result<String> {
        let (path, source) = (
            shop.path(format!("mnt/{name}")),
            shop.path(format!("server/{name}")),
        );
        fs::create_dir_all(&source)?;
        let (path, source) = (path.display(), source.display());
        Ok(format!(
            "[[mount]]\nname = \"{name}\"\nkind = \"bind\"\npath = \"{path}\"\nsource = \
             \"{source}\"\n"
        ))
    };
    fs::write(
        shop.path("mounts.toml"),
        mount("media")? + &mount("import")?,
    )?;

    let (namespace, mut agent) = (Namespace::new(), Agent::default());
    let program = match &arguments.image {
        Some(image) => {
            namespace.install(&fs::canonicalize(image.join("opt/longshore"))?);
            namespace.program(Path::new("/opt/longshore/bin/longshore-agent"))
        }
        None => namespace.ours("longshore-agent"),
    };
    let logs = shop.path("logs");
    fs::create_dir(&logs)?;
    fs::write(logs.join("php.log"), "")?;
    let program = program
        .envs(shop.pod_environment("pod"))
        .env("LONGSHORE_POD_LOGS", &logs)
        .env("LONGSHORE_MOUNTS", shop.path("mounts.toml"))
        .env("LONGSHORE_RELEASE", shop.path("release"));
    // The first scan is what it waits for below, so that none is measured: at the usual pace it
    // would take minutes.
    agent.start(
        program
            .env("LONGSHORE_SOURCES", "both")
            .env("LONGSHORE_SCAN", "1GiB"),
    );
    agent.until(
        "it is idle, with all mounts and one scan behind it",
        |status| {
            let mounts = status["mounts"]
                .as_array()
                .is_some_and(|mounts| mounts.iter().all(|mount| mount["state"] == "healthy"));
            mounts && status["phase"] == "idle" && !status["tamper"]["lastScanAt"].is_null()
        },
    );
    let process = agent.process().pid();
    let span = Duration::from_secs(arguments.seconds);
    tell(
        "an idle longshore-agent: two mounts, both sources",
        "0.1 %",
        &measure(process, &server, || {
            thread::sleep(span);
            Ok(())
        })?,
    )?;
    tell(
        "the same, with 100 requests and 10 errors a second",
        "",
        &measure(process, &server, || visit(&logs, span))?,
    )?;
    drop(agent.end());
    Ok(())
}

fn main() -> ExitCode {
    run(&Arguments::parse()).map_or_else(
        |error| ending::fail("bench-agent", &*error),
        |()| ExitCode::SUCCESS,
    )
}
