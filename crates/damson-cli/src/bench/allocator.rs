//! The allocator of benchmarks that make much memory and leave it, run after run.

use std::process::{Command, ExitCode};

use anyhow::Context;

/// Milliseconds until mimalloc gives unused memory back to the system; -1 keeps it. Read once, when a process begins.
const PURGE_DELAY: &str = "MIMALLOC_PURGE_DELAY";

/// Goes on in a process that keeps unused memory, unless this one was told when to give it back: what an earlier run has left
/// would be given back, page by page, while a later one is timed (5 ms of a round that takes 3).
pub fn in_a_process_that_keeps_memory(
    measure: impl FnOnce() -> anyhow::Result<ExitCode>,
) -> anyhow::Result<ExitCode> {
    if std::env::var_os(PURGE_DELAY).is_some() {
        return measure();
    }
    let own = std::env::current_exe().context("where is this command?")?;
    let mut child = Command::new(own);
    child.args(std::env::args_os().skip(1)).env(PURGE_DELAY, "-1");
    let status = child.status().context("the process that measures does not start")?;
    let code = status.code().with_context(|| format!("the process that measures ended with {status}"))?;
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)))
}
