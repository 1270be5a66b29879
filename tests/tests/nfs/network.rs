//! A server's host, which is the guest itself, and a pod's network namespace, joined by a wire that
//! can be cut.

use crate::guest::command;
use e2e::process::Program;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::{fs::File, os::fd::AsFd as _, thread, time::Duration};

/// The server's address on the wire.
pub(crate) const SERVER: &str = "10.77.0.1";
/// An address of the same network that nobody has, and which never says so.
pub(crate) const NOBODY: &str = "10.77.0.9";
/// The pod's network namespace.
const NAMESPACE: &str = "/run/netns/pod";
/// The pod's end of the wire.
pub(crate) const WIRE: &str = "pod0";

/// Makes both.
pub(crate) fn set_up() {
    for line in [
        "link set lo up",
        "netns add pod",
        "link add host0 type veth peer name pod0 netns pod",
        "address add 10.77.0.1/24 dev host0",
        "link set host0 up",
        "-n pod link set lo up",
        "-n pod address add 10.77.0.2/24 dev pod0",
        "-n pod link set pod0 up",
        "-n pod neighbour add 10.77.0.9 lladdr 02:00:00:00:00:09 dev pod0",
    ] {
        command("ip", line.split(' '));
    }
}

/// No packet passes, and nobody is told.
pub(crate) fn cut() {
    command("tc", "qdisc add dev host0 root netem loss 100%".split(' '));
    command(
        "tc",
        "-n pod qdisc add dev pod0 root netem loss 100%".split(' '),
    );
}

/// What the server sends arrives so much later.
pub(crate) fn slow_down(delay: Duration) {
    command(
        "tc",
        format!(
            "qdisc add dev host0 root netem delay {}ms",
            delay.as_millis()
        )
        .split(' '),
    );
}

/// Packets pass again, and at once.
pub(crate) fn mend() {
    for line in ["qdisc del dev host0 root", "-n pod qdisc del dev pod0 root"] {
        // One end may be as it was.
        drop(Program::new("tc").args(line.split(' ')).run());
    }
}

/// The words that stand before a command, so that it runs in the pod's network.
pub(crate) fn in_pod() -> [String; 2] {
    ["nsenter".to_owned(), format!("--net={NAMESPACE}")]
}

/// Does something in the pod's network.
pub(crate) fn from_pod<T: Send>(action: impl FnOnce() -> T + Send) -> T {
    let inside = || {
        let namespace = File::open(NAMESPACE).unwrap();
        move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
        action()
    };
    thread::scope(|scope| scope.spawn(inside).join()).unwrap()
}
