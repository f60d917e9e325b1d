//! The figures for people.

use std::fmt::Write;

use serde_json::{Map, Value};

use super::row::Row;

/// A line for each row, then what stands beside them.
pub fn table(command: &str, rows: &[Row], beside: &Map<String, Value>) -> String {
    let mut out = format!("{command}\n\n");
    write_line(&mut out, ["", "damson", "peer", "", "times", "meant"]);
    for row in rows {
        let theirs = row.theirs.as_ref().map_or_else(|_| "-".into(), |theirs| shown(*theirs));
        let times = row.times.map_or_else(|| "-".into(), shown);
        let met = match row.is_met() {
            Some(true) => " (met)",
            Some(false) => " (missed)",
            None => "",
        };
        let goal = row.goal.map_or_else(String::new, |goal| format!(">= {goal}{met}"));
        write_line(&mut out, [row.name, &shown(row.damson), &theirs, row.peer, &times, &goal]);
    }
    out.push('\n');
    for row in rows {
        if let Err(error) = &row.theirs {
            let _ = writeln!(out, "{}: {}: {error}", row.name, row.peer);
        }
    }
    for (name, value) in beside {
        let _ = writeln!(out, "{name}: {value}");
    }
    out
}

fn write_line(out: &mut String, [name, damson, theirs, peer, times, goal]: [&str; 6]) {
    let line = format!("{name:<24} {damson:>14} {theirs:>14} {peer:<12} {times:>10}  {goal}");
    let _ = writeln!(out, "{}", line.trim_end());
}

/// Three digits at least, and no more behind the point than say something.
fn shown(figure: f64) -> String {
    match figure.abs() {
        n if n >= 100.0 => format!("{figure:.0}"),
        n if n >= 1.0 => format!("{figure:.2}"),
        _ => format!("{figure:.4}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::row::Better;
    use super::*;

    #[test]
    fn a_line_has_both_figures_the_ratio_and_what_is_meant() {
        let rows = [
            Row::new("put_ns", "chitchat", Better::Less, &[(250.0, Ok(500.0))]).meant(2.0),
            Row::new("merge_ns", "crdts", Better::Less, &[(9.0, Err("not built".into()))]).meant(1_000.0),
        ];
        let beside = [("gossip_ms".to_string(), Value::from(25))].into_iter().collect();
        let table = table("damson-bench engine", &rows, &beside);
        let line = |begin: &str| table.lines().find(|line| line.starts_with(begin)).unwrap_or("").to_string();
        let words: Vec<String> = line("put_ns").split_whitespace().map(Into::into).collect();
        assert_eq!(words, ["put_ns", "250", "500", "chitchat", "2.00", ">=", "2", "(met)"]);
        assert!(line("merge_ns").ends_with(">= 1000"), "{table}");
        assert!(table.contains("merge_ns: crdts: not built") && table.contains("gossip_ms: 25"), "{table}");
    }
}
