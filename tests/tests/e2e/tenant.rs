//! What the code of a shop can do to the agent beside it, and what it cannot: keep the kubelet out,
//! take the agent's port, silence it, or end it by using up the pod's processes.

use crate::agent::Pod;
use e2e::{
    pod::runs,
    process::{Outcome, Program, binary},
    shop::{Shop, last_event},
};
use runtime::fixtures::free_port;
use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    thread,
    time::{Duration, Instant},
};

// A pod's network namespace with lo and eth0, whose other end is the node's. The agent runs in it;
// another user floods it and tries to listen.
const POD: &str = r#"
set -eu
ip link set lo up
unshare --net sleep 120 & node=$!
for i in $(seq 100); do [ "$(readlink /proc/$node/ns/net)" = "$(readlink /proc/self/ns/net)" ] || break; sleep 0.05; done
ip link add eth0 type veth peer name peer
ip link set peer netns $node
ip addr add 10.9.0.1/24 dev eth0
ip link set eth0 up
node() { nsenter --net=/proc/$node/ns/net "$@"; }
node ip addr add 10.9.0.2/24 dev peer
node ip link set peer up
"$AGENT" 2>agent.log & agent=$!
for i in $(seq 150); do node curl --silent --fail --max-time 1 http://10.9.0.1:9808/livez >/dev/null && break; sleep 0.1; done
tenant="setpriv --reuid 65534 --regid 65534 --clear-groups /usr/bin/python3 -c"
floods=
for address in 10.9.0.1 127.0.0.1; do
    for kind in open keep ask; do $tenant "$FLOOD" $address $kind & floods="$floods $!"; done
done
sleep 1
for i in $(seq 40); do node curl --silent --output /dev/null --max-time 5 --write-out '%{http_code}\n' http://10.9.0.1:9808/livez || true; done >codes
$tenant "$LISTEN" >taken
kill $floods $node
kill -TERM $agent
wait $agent
"#;

const FLOOD: &str = r#"
import socket, sys
address, kind, held = (sys.argv[1], 9808), sys.argv[2], []
request = b"GET /status HTTP/1.1\r\nhost: a\r\n\r\n"
while True:
    try:
        made = socket.create_connection(address, 1)
        if kind == "open":
            held.append(made)
            if len(held) > 200:
                held.pop(0).close()
        elif kind == "keep":
            while True:
                made.sendall(request * 20)
                if not made.recv(1 << 16):
                    break
        else:
            made.sendall(request)
            made.close()
    except OSError:
        pass
"#;

const LISTEN: &str = r#"
import socket
for address in "", "127.0.0.1", "127.1.2.3", "10.9.0.1":
    for device in None, b"lo\0", b"eth0\0":
        tried = socket.socket()
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            if device:
                tried.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device)
            tried.bind((address, 9808))
            tried.listen()
            print("taken", address, device)
        except OSError:
            pass
print("done")
"#;

#[test]
fn a_flood_from_inside_the_pod_keeps_no_probe_out_and_nobody_else_gets_the_port() {
    let shop = Shop::on_disk(1, 3);
    shop.publish();
    shop.init("pod").run().expect(0);
    let program = Program::new("unshare")
        .args(["--net", "bash", "-c", POD])
        .directory(shop.path(""));
    let program = program
        .envs(shop.pod_environment("pod"))
        .env("AGENT", binary("longshore-agent"))
        .env("FLOOD", FLOOD)
        .env("LISTEN", LISTEN);
    let outcome = program.deadline(Duration::from_mins(3)).run();
    let read = |name: &str| fs::read_to_string(shop.path(name)).unwrap_or_default();
    assert_eq!(
        outcome.code(),
        Some(0),
        "{outcome:#?}\n{}",
        read("agent.log")
    );
    // A kubelet counts three in a row, and a busy machine may drop one; without a listener of their
    // own half of them failed.
    let codes = read("codes");
    let good: Vec<_> = codes.lines().map(|code| code == "200").collect();
    assert!(
        good.len() == 40 && good.array_windows::<2>().all(|&[one, next]| one || next),
        "{codes}"
    );
    assert_eq!(read("taken"), "done\n");
}

// A pod of which no container is root: agent and shop are one user, and the agent's container alone
// has a capability, as a runtime gives it. What the shop runs tries to listen all the while, and
// the agent is killed and starts anew.
const RESTARTS: &str = r#"
set -eu
ip link set lo up
user="setpriv --reuid 65534 --regid 65534 --clear-groups --no-new-privs"
agents="$user --bounding-set -all,+net_bind_service --inh-caps -all,+net_bind_service --ambient-caps -all,+net_bind_service"
shops="$user --bounding-set -all --inh-caps -all --ambient-caps -all"
$user "$INIT" 2>init.log
$shops /usr/bin/python3 -c "$TRY" >tried & shop=$!
for turn in 1 2 3; do
    $agents ./agent 2>>agent.log & agent=$!
    for i in $(seq 150); do curl --silent --fail --max-time 1 http://127.0.0.1:980/livez >/dev/null && break; sleep 0.1; done
    curl --silent --fail --max-time 1 http://127.0.0.1:980/livez
    kill -KILL $agent
    wait $agent || true
    sleep 0.2
done
touch stop
wait $shop
# Where a runtime gives all ports to everybody.
echo 0 >/proc/sys/net/ipv4/ip_unprivileged_port_start
$shops /usr/bin/python3 -c "$TRY" >free
"#;

const TRY: &str = r#"
import os, socket, time
tries = taken = 0
while True:
    for address in "", "127.0.0.1", "127.1.2.3":
        for device in None, b"lo\0":
            tried = socket.socket()
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            tries += 1
            try:
                if device:
                    tried.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device)
                tried.bind((address, 980))
                tried.listen()
                taken += 1
            except OSError:
                pass
            tried.close()
    if os.path.exists("stop"):
        break
    time.sleep(0.005)
print(tries, taken)
"#;

#[test]
fn while_the_agent_starts_anew_nobody_of_its_own_user_gets_its_port() {
    let shop = Shop::on_disk(1, 3);
    shop.publish();
    open(&shop);
    let agent = shop.path("agent");
    fs::copy(binary("longshore-agent"), &agent).unwrap();
    // As `images/binaries` does.
    Program::new("setcap")
        .arg("cap_net_bind_service=p")
        .arg(&agent)
        .run()
        .expect(0);
    let program = Program::new("unshare")
        .args(["--net", "bash", "-c", RESTARTS])
        .directory(shop.path(""));
    let program = program
        .envs(shop.pod_environment("open/pod"))
        .env("LONGSHORE_LISTEN", "0.0.0.0:980")
        .env("TRY", TRY);
    let outcome = program
        .env("INIT", binary("longshore-init"))
        .deadline(Duration::from_mins(5))
        .run();
    let read = |name: &str| fs::read_to_string(shop.path(name)).unwrap_or_default();
    assert_eq!(
        outcome.code(),
        Some(0),
        "{outcome:#?}\n{}\n{}",
        read("init.log"),
        read("agent.log")
    );
    let counts = |name: &str| {
        read(name)
            .split_whitespace()
            .map(|count| count.parse::<u32>().unwrap())
            .collect::<Vec<_>>()
    };
    let tried = counts("tried");
    assert!(tried[0] > 100 && tried[1] == 0, "{tried:?}");
    // It is the kernel that refuses, and nothing else.
    assert_eq!(counts("free"), [6, 6]);

    // Without the capability, as in a container that does not add it, it says what is missing.
    let limited = "ip link set lo up; exec setpriv --reuid 65534 --regid 65534 --clear-groups \
                   --bounding-set -all ./agent";
    let program = Program::new("unshare")
        .args(["--net", "bash", "-c", limited])
        .directory(shop.path(""));
    let refused = program
        .envs(shop.pod_environment("open/pod"))
        .env("LONGSHORE_LISTEN", "0.0.0.0:980")
        .run()
        .expect(64);
    assert!(
        refused
            .stderr
            .contains("ports below 1024 take the capability NET_BIND_SERVICE"),
        "{refused:#?}"
    );
}

#[test]
fn only_who_owns_the_agent_makes_it_say_more_and_nobody_makes_it_say_less() {
    let mut pod = Pod::new();
    let program = pod
        .program()
        .env("LONGSHORE_LOG", "info")
        .env("LONGSHORE_POLL", "1s");
    pod.start(program);
    let agent = binary("longshore-agent");
    let log = |word: &str| {
        vec![
            "log".to_owned(),
            word.to_owned(),
            pod.agent.process().pid().to_string(),
        ]
    };
    let foreign = Program::new("setpriv")
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
        .arg(&agent)
        .args(log("debug"));
    assert!(
        foreign
            .run()
            .expect(64)
            .stderr
            .contains("or not one of ours")
    );
    assert!(
        Program::new(&agent)
            .args(["log", "off"])
            .run()
            .expect(64)
            .stderr
            .contains("neither debug nor configured")
    );
    // This test is no agent.
    let other = Program::new(&agent)
        .args(["log", "debug", &std::process::id().to_string()])
        .run()
        .expect(64);
    assert!(other.stderr.contains("is no longshore-agent"), "{other:#?}");
    let until = |what: &str| {
        let start = Instant::now();
        while !pod.agent.process().complained().contains(what) {
            assert!(
                start.elapsed() < Duration::from_secs(20),
                "{what}: {}",
                pod.agent.process().complained()
            );
            thread::sleep(Duration::from_millis(20));
        }
    };
    assert!(!pod.agent.process().complained().contains("DEBUG"));
    Program::new(&agent).args(log("debug")).run().expect(0);
    until("DEBUG");
    Program::new(&agent).args(log("configured")).run().expect(0);
    until("\"level\":\"info\"");
    assert_eq!(pod.agent.get("/debug/log-level").unwrap().status, 404);
    pod.agent.end();
}

// As a user who may have so many threads in all, in a scratch directory that everybody may enter.
fn limited(shop: &Shop, program: &str, threads: u32, root: &str) -> Program {
    // Nobody else's, as the kernel counts all threads of a user.
    let user = (61_000 + std::process::id() % 1000 * 10 + threads).to_string();
    let script = format!("ulimit -c 0; ulimit -u {threads}; exec \"$0\"");
    let program = Program::new("setpriv")
        .args([
            "--reuid",
            &user,
            "--regid",
            &user,
            "--clear-groups",
            "bash",
            "-c",
            &script,
        ])
        .arg(binary(program));
    program
        .envs(shop.pod_environment(&format!("open/{root}")))
        .env("LONGSHORE_DEADLINE", "15s")
}

fn open(shop: &Shop) {
    fs::create_dir(shop.path("open")).unwrap();
    for (path, mode) in [("", 0o755), ("open", 0o777)] {
        fs::set_permissions(shop.path(path), fs::Permissions::from_mode(mode)).unwrap();
    }
    readable(&shop.path("store"));
}

fn readable(store: &Path) {
    Program::new("chmod")
        .args(["-R", "a+rX"])
        .arg(store)
        .run()
        .expect(0);
}

fn said_so(outcome: &Outcome, took: Duration) {
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert_eq!(last_event(outcome)["reason"], "threads", "{outcome:#?}");
    assert!(!outcome.stderr.contains("panicked"), "{outcome:#?}");
}

#[test]
fn with_too_few_threads_both_say_so_at_once_and_with_just_enough_they_do_their_work() {
    let shop = Shop::on_disk(1, 20);
    shop.publish();
    open(&shop);
    for threads in 1..=2 {
        let start = Instant::now();
        said_so(
            &limited(&shop, "longshore-init", threads, "few")
                .run()
                .expect(75),
            start.elapsed(),
        );
    }
    limited(&shop, "longshore-init", 3, "enough")
        .run()
        .expect(0);
    for threads in [1, 4] {
        let start = Instant::now();
        let program = limited(&shop, "longshore-agent", threads, "few")
            .env("LONGSHORE_LISTEN", format!("127.0.0.1:{}", free_port()));
        said_so(&program.run().expect(75), start.elapsed());
    }
    // No thread is left to hear of changes with: what is published is found by polling.
    for threads in [5, 6] {
        let mut agent = e2e::pod::Agent::default();
        let root = format!("just{threads}");
        agent.start(
            limited(&shop, "longshore-agent", threads, &root)
                .env("LONGSHORE_POLL", "500ms")
                .env("LONGSHORE_LOGS", "var/log"),
        );
        agent.until("it runs", |status| {
            !status["running"].is_null() && status["phase"] == "idle"
        });
        shop.edit(0, u64::from(threads), 1.0);
        let sequence = shop.publish()["sequence"].as_u64().unwrap();
        readable(&shop.path("store"));
        agent.until("the next one runs", runs(sequence));
        let ended = agent.end();
        assert!(!ended.stderr.contains("panicked"), "{ended:#?}");
        assert!(
            threads > 5 || ended.stderr.contains("gives no thread to watch files with"),
            "{ended:#?}"
        );
    }
}
