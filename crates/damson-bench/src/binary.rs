//! Where the `damson` command is.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

/// The one that was named, or the one beside this one.
///
/// # Errors
/// There is none; it says how to come by one.
pub fn find(named: Option<&Path>) -> anyhow::Result<PathBuf> {
    let beside = || Ok(std::env::current_exe().context("where is this command?")?.with_file_name("damson"));
    let path = named.map_or_else(beside, |path| anyhow::Ok(path.to_owned()))?;
    ensure!(
        path.is_file(),
        "there is no {}; build it with `cargo build --release`, or name another with --binary PATH",
        path.display()
    );
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_named() {
        let error = find(Some(Path::new("/nowhere/damson"))).unwrap_err().to_string();
        assert!(error.contains("/nowhere/damson") && error.contains("--binary"), "{error}");
        let own = std::env::current_exe().unwrap();
        assert_eq!(find(Some(&own)).unwrap(), own);
    }
}
