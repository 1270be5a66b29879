//! What the process takes of memory and processors, by the kernel's count.

use rustix::time::{ClockId, clock_gettime};
use std::{fs, time::Duration};

/// The most memory that was resident at once since the process started, in bytes: `VmHWM` of
/// proc(5), which the kernel counts in KiB. `None` if `/proc` is not mounted.
#[must_use]
pub fn peak_memory() -> Option<u64> {
    field(&fs::read_to_string("/proc/self/status").ok()?, "VmHWM:")
}

/// The memory that is resident now, in bytes: `VmRSS` of proc(5). `None` if `/proc` is not
/// mounted.
#[must_use]
pub fn resident_memory() -> Option<u64> {
    field(&fs::read_to_string("/proc/self/status").ok()?, "VmRSS:")
}

/// The processor time that the process took so far, in all of its threads, for itself and in the
/// kernel.
#[must_use]
pub fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(
        time.tv_sec.try_into().unwrap_or_default(),
        time.tv_nsec.try_into().unwrap_or_default(),
    )
}

fn field(status: &str, name: &str) -> Option<u64> {
    let text = status.lines().find_map(|line| line.strip_prefix(name))?;
    text.trim()
        .strip_suffix("kB")?
        .trim()
        .parse::<u64>()
        .ok()?
        .checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_line_is_read_in_bytes() {
        assert_eq!(
            field("Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t 1 kB\n", "VmHWM:"),
            Some(2 << 20)
        );
        assert_eq!(field("Name:\tx\n", "VmHWM:"), None);
        // Not compared: other tests take memory between the two looks, and the kernel counts each
        // processor's share late.
        for bytes in [peak_memory(), resident_memory()] {
            assert!(
                bytes.is_some_and(|bytes| bytes > 100_000),
                "{bytes:?}: this test needs memory"
            );
        }
        assert!(processor_time() > Duration::ZERO);
    }
}
