//! Memory of this process.

use anyhow::Context;

/// Resident memory, in bytes.
pub fn resident_bytes() -> anyhow::Result<u64> {
    let path = "/proc/self/statm";
    let text = std::fs::read_to_string(path).with_context(|| format!("memory is read from {path}"))?;
    let pages = text.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok());
    let pages = pages.with_context(|| format!("no number of resident pages in {path}: {text:?}"))?;
    Ok(pages * rustix::param::page_size() as u64)
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
