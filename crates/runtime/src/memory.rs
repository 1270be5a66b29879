//! What the process needed of memory, by the kernel's count.

use std::fs;

/// The most memory that was resident at once since the process started, in bytes: `VmHWM` of proc(5), which the kernel counts in
/// KiB. `None` where `/proc` is not mounted.
#[must_use]
pub fn peak_memory() -> Option<u64> {
    peak(&fs::read_to_string("/proc/self/status").ok()?)
}

fn peak(status: &str) -> Option<u64> {
    let text = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    text.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_line_is_read_in_bytes() {
        assert_eq!(peak("Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t 1 kB\n"), Some(2 << 20));
        assert_eq!(peak("Name:\tx\n"), None);
        assert!(peak_memory().is_some_and(|bytes| bytes > 100_000), "this test itself needs memory");
    }
}
