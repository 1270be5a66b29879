//! What `longshore pull --timings` adds: each stage, what the threads did while chunks came, and a
//! verdict.

use deploy::pull::{Figures, Work};
use serde::Serialize;
use std::{collections::BTreeMap, fmt, time::Duration};

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Timings {
    #[serde(rename = "stageSeconds", serialize_with = "by_name")]
    stages: [(&'static str, Duration); 7],
    workers: u32,
    idle_seconds: f64,
    verify_seconds: f64,
    decompress_seconds: f64,
    write_seconds: f64,
    verdict: String,
}

impl From<&Figures> for Timings {
    fn from(Figures { stages, work, .. }: &Figures) -> Self {
        let Work {
            workers,
            idle,
            verify,
            decompress,
            ..
        } = *work;
        let verdict = match work.limit() {
            Some(limit) => limit.to_string(),
            None => "nothing had to be transferred".to_owned(),
        };
        Self {
            stages: stages.named(),
            workers,
            idle_seconds: idle.as_secs_f64(),
            verify_seconds: verify.as_secs_f64(),
            decompress_seconds: decompress.as_secs_f64(),
            write_seconds: work.write().as_secs_f64(),
            verdict,
        }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn by_name<S: serde::Serializer>(
    stages: &[(&'static str, Duration); 7],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let seconds: BTreeMap<_, _> = stages
        .iter()
        .map(|(name, time)| (name, time.as_secs_f64()))
        .collect();
    seconds.serialize(serializer)
}

impl fmt::Display for Timings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, time) in &self.stages {
            writeln!(f, "    {name:<9}{:>8.3} s", time.as_secs_f64())?;
        }
        let Self {
            workers,
            idle_seconds,
            verify_seconds,
            decompress_seconds,
            write_seconds,
            verdict,
            ..
        } = self;
        writeln!(
            f,
            "  {workers} threads in transfer: {idle_seconds:.3} s waiting, {verify_seconds:.3} s \
             SHA-256, {decompress_seconds:.3} s zstd, {write_seconds:.3} s files"
        )?;
        writeln!(f, "  verdict   {verdict}")
    }
}
