//! Figures of experiments and benchmarks, for people and programs.

use serde::Serialize;
use serde_json::Value;

/// Parameters that cannot be run.
pub const IMPOSSIBLE: u8 = 2;

/// One JSON object in a line, or a table.
pub fn print(report: &impl Serialize, json: bool) -> anyhow::Result<()> {
    if json {
        println!("{}", serde_json::to_string(report)?);
    } else {
        print!("{}", table(report)?);
    }
    Ok(())
}

/// The report's fields, one in a line; what was sent, by kind, below.
fn table(report: &impl Serialize) -> anyhow::Result<String> {
    let Value::Object(fields) = serde_json::to_value(report)? else { unreachable!("a report is an object") };
    let mut out = String::new();
    for (name, value) in &fields {
        match value {
            Value::Object(kinds) => {
                for (kind, sent) in kinds {
                    let name = format!("{name} {kind}");
                    out += &format!("{name:<40} {} frames, {} bytes\n", sent["frames"], sent["bytes"]);
                }
            }
            Value::Number(n) if n.is_f64() => {
                out += &format!("{name:<40} {:.3}\n", n.as_f64().unwrap_or(f64::NAN));
            }
            Value::Null => out += &format!("{name:<40} -\n"),
            Value::String(text) => out += &format!("{name:<40} {text}\n"),
            other => out += &format!("{name:<40} {other}\n"),
        }
    }
    Ok(out)
}
