//! What makes `longshore-agent` look: a file that changes, whatever else it waits for.

use crate::agent::Pod;
use e2e::{
    pod::runs,
    s3::{Effect, Fault, Faults, Operation},
    shop::CHANNEL,
};
use release::key;
use serde_json::Value;

/// An interval that passes in no test: whatever is noticed was noticed by an event.
const NEVER: &str = "2h";

#[test]
fn a_changed_file_has_its_release_staged_without_a_poll() {
    let mut pod = Pod::new();
    let program = pod
        .program()
        .env("LONGSHORE_RELEASE", pod.shop.path("release"))
        .env("LONGSHORE_POLL", NEVER);
    pod.start(program);
    // The manifest comes, and no module does, so that it stays at that.
    pod.server.fault(
        Fault::new(Effect::Stall { after: 0 })
            .on(Operation::GetObject)
            .keys("blobs/")
            .skip(1),
    );
    let sequence = pod.release("2", "");
    pod.agent.until("it stages", |status| {
        status["phase"] == "staging" && status["newer"]["sequence"] == sequence
    });
    pod.server.set_faults(Faults::default());
    pod.agent.until("the release runs", runs(sequence));
    pod.agent.end();
}

#[test]
fn of_a_file_and_a_channel_that_hangs_the_file_is_followed_at_once() {
    let mut pod = Pod::new();
    let both = |pod: &Pod| {
        let program = pod
            .program()
            .env("LONGSHORE_RELEASE", pod.shop.path("release"))
            .env("LONGSHORE_POLL", NEVER);
        program
            .env("LONGSHORE_SOURCES", "both")
            .env("LONGSHORE_DEADLINE", "1h")
    };
    let program = both(&pod);
    pod.start(program);
    let sequence = pod.release("2", "");
    pod.agent.until("both name it", runs(sequence));
    // Published, and known to nobody here yet.
    pod.sources("3", "");
    let next = pod.shop.publish()["sequence"].as_u64().unwrap();
    let object = pod
        .server
        .get(&format!(
            "prod/{}",
            key::channel_head(&CHANNEL.parse().unwrap())
        ))
        .unwrap();
    let head = key::channel_head(&CHANNEL.parse().unwrap());
    pod.server.fault(
        Fault::new(Effect::Latency { ms: 3_600_000 })
            .on(Operation::GetObject)
            .keys(&head),
    );
    // The file says the same once more: nothing is new there, and the channel is asked.
    let file = pod.shop.path("release/release.json");
    std::fs::copy(&file, pod.shop.path("release/same")).unwrap();
    std::fs::rename(pod.shop.path("release/same"), &file).unwrap();
    pod.agent
        .until("the channel is waited for", |status: &Value| {
            status["phase"] == "checking"
        });
    std::fs::write(pod.shop.path("release/next"), object).unwrap();
    std::fs::rename(pod.shop.path("release/next"), &file).unwrap();
    // It may well ask the channel again by now, so that it is not idle.
    let kept = |status: &Value| {
        status["running"]["sequence"] == next && status["running"]["onTrial"] == false
    };
    pod.agent.until("what the file names runs", kept);
    pod.agent.end();
    // From the start on, likewise.
    let program = both(&pod);
    pod.agent.start(program);
    pod.agent.until("it answers", kept);
    pod.agent.end();
}
