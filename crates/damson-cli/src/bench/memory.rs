//! Memory of this process.

use anyhow::Context;

/// Resident memory, in bytes.
pub fn resident_bytes() -> anyhow::Result<usize> {
    let stats =
        memory_stats::memory_stats().context("this system does not tell what memory a process has")?;
    Ok(stats.physical_mem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_is_written_to_is_resident() {
        let before = resident_bytes().unwrap();
        let held = std::hint::black_box(vec![1_u8; 64 << 20]);
        let grown = resident_bytes().unwrap() - before;
        // Other tests run in this process; they do not take or give back this much.
        assert!((32 << 20..128 << 20).contains(&grown), "{grown}");
        drop(held);
    }
}
