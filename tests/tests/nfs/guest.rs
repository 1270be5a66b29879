//! Inside: the first process of a kernel, which has nothing but this machine's files, read-only,
//! and its own memory.

use crate::network;
use e2e::process::{Outcome, Program};
use rustix::{
    mount::MountFlags,
    system::{RebootCommand, reboot},
};
use std::{
    ffi::OsStr,
    fs::{self, OpenOptions},
    io::Write as _,
    os::unix::fs::symlink,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    process,
    sync::OnceLock,
    thread,
    time::{Duration, Instant},
};

/// The word of the kernel's command line by which this program knows that it may do what nobody
/// wants on a machine of people, and which says where results go.
pub(crate) const MARK: &str = "longshore.guest";
/// Where results go, as the guest sees it: a directory of the machine.
pub(crate) const OUT: &str = "/run/out";
/// How long a scenario may take.
const LIFE: Duration = Duration::from_mins(5);
/// The verdict on a scenario that found nothing wrong.
pub(crate) const PASSED: &str = "passed";
/// What a guest writes to, and is gone with it.
const MEMORY: &[&str] = &["/run", "/dev/shm", "/mnt", "/srv", "/var/lib/nfs"];

static BEGIN: OnceLock<Instant> = OnceLock::new();

/// Whether this is the first process of a guest.
pub(crate) fn is_here() -> bool {
    process::id() == 1
}

/// Sets the guest up, runs `scenario`, leaves its verdict, and powers off.
pub(crate) fn run(scenario: impl FnOnce()) {
    let verdict = catch_unwind(AssertUnwindSafe(|| {
        set_up();
        scenario();
    }));
    end(if verdict.is_ok() { PASSED } else { "failed" });
}

fn end(verdict: &str) {
    if verdict != PASSED {
        drop(catch_unwind(explain));
    }
    save("verdict", verdict.as_bytes());
    // What is on its way to the console is lost once the power is.
    thread::sleep(Duration::from_millis(200));
    // There is nobody left to tell.
    reboot(RebootCommand::PowerOff).unwrap_or_default();
}

fn explain() {
    let tables = [
        "self/mountinfo",
        "net/rpc/auth.unix.ip/content",
        "net/rpc/nfsd.export/content",
        "net/rpc/nfsd.fh/content",
        "net/tcp",
    ];
    for table in tables {
        save(
            &format!("{}.log", table.replace('/', "-")),
            &fs::read(Path::new("/proc").join(table)).unwrap_or_default(),
        );
    }
    save(
        "processes.log",
        Program::new("ps")
            .args(["-eo", "pid,ppid,stat,wchan:30,args"])
            .run()
            .stdout
            .as_bytes(),
    );
    // The lines of booting say nothing.
    let said = Program::new("dmesg").run().stdout;
    let since = said.find("as init process").unwrap_or(0);
    save("kernel.log", &said.as_bytes()[since..]);
}

fn save(name: &str, bytes: &[u8]) {
    drop(fs::write(Path::new(OUT).join(name), bytes));
}

fn set_up() {
    mount("proc", "/proc", "proc", "");
    let line = fs::read_to_string("/proc/cmdline").unwrap();
    let out = line
        .split_whitespace()
        .find_map(|word| word.strip_prefix(MARK)?.strip_prefix('='));
    let out = out.expect("this is a guest that a test booted");
    for point in MEMORY {
        if !Path::new(point).exists() {
            fs::create_dir_all(point).unwrap();
        }
        // A size that is not there, as room is what programs look for; they fill little of it.
        mount("memory", point, "tmpfs", "mode=755,size=4g");
    }
    fs::create_dir(OUT).unwrap();
    mount("out", OUT, "hostfs", out);
    BEGIN.get_or_init(Instant::now);
    thread::spawn(|| {
        thread::sleep(LIFE);
        note("the scenario takes too long");
        drop(fs::write("/proc/sysrq-trigger", "w"));
        end("late");
    });
    mount("sys", "/sys", "sysfs", "");
    fs::create_dir_all("/run/modules/lib").unwrap();
    symlink("/usr/lib/uml/modules", "/run/modules/lib/modules").unwrap();
    command(
        "modprobe",
        [
            "-d",
            "/run/modules",
            "-a",
            "nfsd",
            "nfsv4",
            "veth",
            "sch_netem",
            "overlay",
        ],
    );
    // Programs write to it, but what is built may lie below it, too.
    fs::create_dir_all("/run/tmp/upper").unwrap();
    fs::create_dir_all("/run/tmp/work").unwrap();
    mount(
        "tmp",
        "/tmp",
        "overlay",
        "lowerdir=/tmp,upperdir=/run/tmp/upper,workdir=/run/tmp/work",
    );
    network::set_up();
}

/// Mounts a file system.
pub(crate) fn mount(source: &str, point: &str, fstype: &str, data: &str) {
    let data = std::ffi::CString::new(data).unwrap();
    let mounted = rustix::mount::mount(source, point, fstype, MountFlags::empty(), data.as_c_str());
    mounted.unwrap_or_else(|errno| panic!("cannot mount {source} at {point}: {errno}"));
}

/// Runs a program to its end, which must be a good one.
#[track_caller]
pub(crate) fn command<A: AsRef<OsStr>>(
    program: &str,
    arguments: impl IntoIterator<Item = A>,
) -> Outcome {
    Program::new(program).args(arguments).run().expect(0)
}

/// Writes a line into what people see of a test that passed.
pub(crate) fn note(line: impl AsRef<str>) {
    let since = BEGIN
        .get()
        .map_or(0.0, |begin| begin.elapsed().as_secs_f64());
    let mut notes = OpenOptions::new()
        .create(true)
        .append(true)
        .open(Path::new(OUT).join("notes"))
        .unwrap();
    writeln!(notes, "{since:7.2} {}", line.as_ref()).unwrap();
}

/// Waits until `question` has an answer, and gives it.
///
/// # Panics
///
/// There is none within that time.
#[track_caller]
pub(crate) fn until<T>(what: &str, within: Duration, mut question: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(answer) = question() {
            return answer;
        }
        assert!(begin.elapsed() < within, "{what}: not within {within:.0?}");
        thread::sleep(Duration::from_millis(50));
    }
}
