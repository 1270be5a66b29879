//! What a listener of an interface of the pod hears.

use crate::{
    guest::{OUT, until},
    network::in_pod,
};
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

const SOON: Duration = Duration::from_secs(20);

/// A listener.
pub(crate) struct Capture {
    child: Child,
    file: PathBuf,
}

impl Capture {
    /// Listens from now on.
    #[track_caller]
    pub(crate) fn start(interface: &str) -> Self {
        let (file, log) = (
            Path::new("/run").join(format!("{interface}.pcap")),
            Path::new(OUT).join(format!("capture-{interface}.log")),
        );
        let [enter, namespace] = in_pod();
        let mut program = Command::new(enter);
        // Whole packets, written as they come, through a buffer of 16 MiB; no user is changed to.
        program
            .args([
                &namespace, "tcpdump", "-n", "-U", "-s", "0", "-B", "16384", "-Z", "root", "-i",
                interface, "-w",
            ])
            .arg(&file)
            .arg("tcp");
        let child = program
            .stdin(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        until("tcpdump listens", SOON, || {
            fs::read_to_string(&log)
                .unwrap()
                .contains("listening on")
                .then_some(())
        });
        Self { child, file }
    }

    /// All that was heard.
    #[track_caller]
    pub(crate) fn finish(mut self) -> Vec<u8> {
        // It hears packets as they are sent, and writes them a little later.
        std::thread::sleep(Duration::from_secs(1));
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
        until("tcpdump ends", SOON, || self.child.try_wait().unwrap());
        fs::read(&self.file).unwrap()
    }
}
