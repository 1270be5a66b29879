//! What a pod pays for an agent that has nothing to do: `longshore-agent` as images hold it, with
//! two mounts and both sources, watched for a minute.

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
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

/// Measures an idle `longshore-agent`, with two bind mounts, a file and the channel to follow.
/// Needs root.
#[derive(Debug, Parser)]
struct Arguments {
    /// What `images/binaries` made, where the agent is the images' and not the one of this profile
    #[arg(long, value_name = "DIRECTORY")]
    image: Option<PathBuf>,
    /// For how many seconds it is watched
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
    let program = program
        .envs(shop.pod_environment("pod"))
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
    let (begin, before) = (Instant::now(), usage(process)?);
    server.reset_stats();
    thread::sleep(Duration::from_secs(arguments.seconds));
    let (span, after) = (begin.elapsed(), usage(process)?);
    let spent = after
        .processor
        .saturating_sub(before.processor)
        .as_secs_f64()
        / span.as_secs_f64();
    let rows = [
        [
            "memory, resident".to_owned(),
            bytes(after.resident),
            "15 MiB".to_owned(),
        ],
        [
            "of this its own; the rest is the program's file, which pods of a node share"
                .to_owned(),
            bytes(after.own),
            String::new(),
        ],
        [
            "processor, children that probe mounts included".to_owned(),
            format!("{:.3} % of a core", spent * 100.0),
            "0.1 %".to_owned(),
        ],
        [
            "requests to the store".to_owned(),
            format!("{} in {:.0} s", server.stats().total(), span.as_secs_f64()),
            "5 a minute".to_owned(),
        ],
    ];
    let head = [
        "an idle longshore-agent: two mounts, both sources",
        "measured",
        "wanted",
    ];
    writeln!(
        io::stdout(),
        "{}",
        table(&head, &[1, 2], &rows.map(Vec::from))
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
