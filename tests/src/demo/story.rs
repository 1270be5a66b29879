//! The steps of the demo.

use super::{
    DemoError,
    stage::{Stage, Step, say},
};
use crate::{corpus, figures, tree};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::Value;
use std::fs;

/// Which part of the changed module's files a developer touches.
const CHANGED_SHARE: f64 = 0.02;
/// The release object in force, in the bucket.
const HEAD: &str = "prod/channels/shops/acme/release.json";

pub(super) fn tell(stage: &mut Stage) -> Result<(), DemoError> {
    sources(stage)?;
    keys(stage)?;
    publish(stage, "CI publishes the shop")?;
    pull(stage, "a pod starts on an empty disk", "pod")?;
    pull(stage, "the same pod starts again", "pod")?;
    change(stage)?;
    publish(stage, "CI publishes the change")?;
    pull(stage, "the pod follows", "pod")?;
    compare(stage)?;
    roll_back(stage)?;
    pull(stage, "the pod goes back", "pod")?;
    tarball(stage)?;
    statement(stage)?;
    why(stage)
}

fn sources(stage: &mut Stage) -> Result<(), DemoError> {
    let step = stage.step("take real PHP modules from Debian")?;
    corpus::fill(&stage.shop.path(""), corpus::Extent::Shop, &stage.interrupt)?;
    let modules = fs::read_dir(stage.shop.path("src"))?.count();
    let entries = tree::snapshot(&stage.shop.path("src"))?;
    let sizes = entries.values().filter_map(|entry| {
        if let tree::Kind::File { len, .. } = entry.kind {
            Some(len)
        } else {
            None
        }
    });
    let (files, bytes) = sizes.fold((0, 0), |(files, bytes), len| (files + 1, bytes + len));
    stage.done(
        &step,
        &format!(
            "{modules} modules, {} files, {}",
            figures::count(files),
            figures::bytes(bytes)
        ),
    )
}

fn keys(stage: &mut Stage) -> Result<(), DemoError> {
    let mut step = stage.step("make a key and a trust root")?;
    stage.longshore(&mut step, &["key", "generate", "ci"])?;
    stage.longshore(
        &mut step,
        &[
            "trust",
            "new",
            "--key",
            "ci.pub",
            "--threshold",
            "1",
            "--sign",
            "ci.key",
            "--out",
            "1.root.json",
        ],
    )?;
    stage.done(&step, "ci.key, ci.pub, 1.root.json")
}

fn publish(stage: &mut Stage, what: &'static str) -> Result<(), DemoError> {
    let mut step = stage.step(what)?;
    let published = stage.longshore(&mut step, &["publish", "--sign", "ci.key"])?;
    let number = |name: &str| published[name].as_u64().unwrap_or_default();
    let (uploaded, reused) = (
        figures::bytes(number("uploadedBytes")),
        figures::bytes(number("reusedBytes")),
    );
    stage.done(
        &step,
        &format!(
            "sequence {}: {uploaded} uploaded, {reused} there already",
            number("sequence")
        ),
    )
}

fn pull(stage: &mut Stage, what: &'static str, pod: &str) -> Result<(), DemoError> {
    let mut step = stage.step(what)?;
    let pulled = stage.init(&mut step, pod, 0)?;
    stage.done(&step, &told(&pulled))
}

/// What an init said of a pull that went well.
fn told(pulled: &Value) -> String {
    let number = |name: &str| pulled[name].as_u64().unwrap_or_default();
    let (sequence, files, reused) = (
        number("sequence"),
        figures::count(number("files")),
        figures::count(number("reused_files")),
    );
    match pulled["outcome"].as_str() {
        Some("already-complete") => format!("sequence {sequence}: its tree was still there"),
        Some("already-active") => format!("sequence {sequence} runs already"),
        _ if number("reused_files") > 0 => {
            format!("sequence {sequence}: {files} files, {reused} of them kept from before")
        }
        _ => format!(
            "sequence {sequence}: {files} files, {}",
            figures::bytes(number("bytes"))
        ),
    }
}

fn change(stage: &mut Stage) -> Result<(), DemoError> {
    let step = stage.step("a developer changes one module")?;
    let changed = stage.shop.path("src").join(corpus::CHANGED);
    let files = tree::edit(&changed, 1, CHANGED_SHARE)?.len();
    stage.done(&step, &format!("{files} files of {}", corpus::CHANGED))
}

/// A tree made of what was there before must be the tree that a new pod gets.
fn compare(stage: &mut Stage) -> Result<(), DemoError> {
    let mut step = stage.step("a second pod starts, to compare")?;
    stage.init(&mut step, "second", 0)?;
    let (updated, fresh) = (stage.shop.current("pod"), stage.shop.current("second"));
    if updated != fresh {
        return Err(DemoError::Result(
            "the updated pod and the fresh one have different trees".into(),
        ));
    }
    stage.done(
        &step,
        &format!(
            "{} entries, the same in both pods to the byte",
            figures::count(fresh.len() as u64)
        ),
    )
}

fn roll_back(stage: &mut Stage) -> Result<(), DemoError> {
    let mut step = stage.step("an operator rolls back")?;
    let back = stage.longshore(
        &mut step,
        &["release", "rollback", "--to", "1", "--sign", "ci.key"],
    )?;
    stage.done(
        &step,
        &format!(
            "sequence {} has the content of sequence 1",
            back["sequence"]
        ),
    )
}

/// One byte of the largest tarball is not what was signed.
fn tarball(stage: &mut Stage) -> Result<(), DemoError> {
    let step = stage.step("somebody changes one byte of a tarball in the bucket")?;
    let blobs = stage
        .server
        .keys()
        .into_iter()
        .filter(|key| key.contains("/blobs/"))
        .filter_map(|key| Some((stage.server.get(&key)?, key)));
    let Some((good, key)) = blobs.max_by_key(|(bytes, _)| bytes.len()) else {
        return Err(DemoError::Result("the bucket has no tarball".into()));
    };
    let mut bad = good.to_vec();
    let middle = bad.len() / 2;
    bad[middle] ^= 1;
    stage.server.put(&key, bad);
    refused(stage, step, "fresh", "digest")?;
    if stage.shop.path("fresh/current").symlink_metadata().is_ok() {
        return Err(DemoError::Result("a tampered release was activated".into()));
    }
    stage.server.put(&key, good);
    pull(
        stage,
        "the tarball is as it was; the pod tries again",
        "fresh",
    )
}

/// The release object says a higher sequence than the one that was signed.
fn statement(stage: &mut Stage) -> Result<(), DemoError> {
    let step = stage.step("somebody edits the release object in the bucket")?;
    let good = stage.server.get(HEAD).unwrap_or_default();
    let bad = forged(&good)
        .ok_or_else(|| DemoError::Result(format!("{HEAD} is not a release object")))?;
    let before = fs::read_link(stage.shop.path("pod/current"))?;
    stage.server.put(HEAD, bad);
    refused(stage, step, "pod", "signature")?;
    stage.server.put(HEAD, good);
    if fs::read_link(stage.shop.path("pod/current"))? != before {
        return Err(DemoError::Result(
            "a forged release replaced the one that ran".into(),
        ));
    }
    Ok(())
}

fn forged(release: &[u8]) -> Option<Vec<u8>> {
    let mut envelope: Value = serde_json::from_slice(release).ok()?;
    let mut payload: Value =
        serde_json::from_slice(&BASE64_STANDARD.decode(envelope["payload"].as_str()?).ok()?)
            .ok()?;
    payload["predicate"]["sequence"] = 99.into();
    envelope["payload"] = BASE64_STANDARD.encode(payload.to_string()).into();
    Some(envelope.to_string().into_bytes())
}

/// A pod must refuse with exit code 65 and this reason.
fn refused(stage: &mut Stage, mut step: Step, pod: &str, reason: &str) -> Result<(), DemoError> {
    let said = stage.init(&mut step, pod, 65)?;
    let field = |name: &str| said[name].as_str().unwrap_or_default().to_owned();
    say(&format!("  {}\n  hint: {}", field("error"), field("hint")))?;
    if field("reason") != reason {
        return Err(DemoError::Result(format!(
            "the reason is {}, expected {reason}",
            field("reason")
        )));
    }
    stage.done(&step, &format!("refused: exit code 65, reason {reason}"))
}

fn why(stage: &mut Stage) -> Result<(), DemoError> {
    let mut step = stage.step("what runs in the pod, and why nothing newer")?;
    let outcome = stage.run(
        &mut step,
        stage.shop.longshore_program(["root", "why", "pod"]),
        0,
    )?;
    let (verdict, rest) = outcome.stdout.split_once('\n').unwrap_or_default();
    say(rest.trim_end())?;
    stage.done(&step, verdict)
}
