//! Damson's part: what `damson bench cluster` says.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use serde_json::Value;

use super::figures::Figures;
use crate::args::ClusterArgs;
use crate::entry::VALUE_BYTES;

/// The command that was run, and its figures.
pub fn measure(args: &ClusterArgs, binary: &Path) -> anyhow::Result<(String, Figures)> {
    let flags = [
        ("--nodes", args.nodes.to_string()),
        ("--puts", args.puts.to_string()),
        ("--singles", args.singles.to_string()),
        ("--value-bytes", VALUE_BYTES.to_string()),
        // As the peer, in memory only.
        ("--sync", "never".to_string()),
    ];
    let mut command = Command::new(binary);
    command
        .args(["bench", "cluster", "--json"])
        .args(flags.iter().flat_map(|(flag, value)| [flag, value.as_str()]));
    let output = command.stderr(Stdio::inherit()).output();
    let output = output.with_context(|| format!("cannot start {}", binary.display()))?;
    ensure!(output.status.success(), "damson bench cluster ended with {}", output.status);
    let figures = read(&String::from_utf8_lossy(&output.stdout), args.puts)?;
    let flags: Vec<String> = flags.iter().map(|(flag, value)| format!("{flag} {value}")).collect();
    Ok((format!("damson bench cluster --json {}", flags.join(" ")), figures))
}

/// The figures in the last line.
fn read(stdout: &str, puts: u32) -> anyhow::Result<Figures> {
    let line = stdout.lines().last().context("damson bench cluster said nothing")?;
    let object: Value = serde_json::from_str(line)
        .with_context(|| format!("damson bench cluster said {line:?}, which is no JSON"))?;
    let number = |name: &str| {
        object[name].as_f64().with_context(|| format!("damson bench cluster said no number {name}: {line}"))
    };
    Ok(Figures {
        visible_ms_p50: number("visible_ms_p50")?,
        visible_ms_p99: number("visible_ms_p99")?,
        converged_puts_per_s: number("converged_puts_per_s")?,
        bytes_per_put: number("wire_bytes")? / f64::from(puts),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_from_the_last_line_and_what_lacks_is_named() {
        let line =
            r#"{"visible_ms_p50":0.03,"visible_ms_p99":0.1,"converged_puts_per_s":2e5,"wire_bytes":1800}"#;
        let figures = read(&format!("starting\n{line}\n"), 10).unwrap();
        assert_eq!((figures.visible_ms_p50, figures.bytes_per_put), (0.03, 180.0));
        // Nodes that did not become equal have none.
        let error = read(&line.replace("2e5", "null"), 10).unwrap_err().to_string();
        assert!(error.contains("no number converged_puts_per_s"), "{error}");
        assert!(read("", 10).is_err() && read("oops", 10).is_err());
    }
}
