//! The columns as a table, or as one JSON object.

use std::fmt::Write;

use serde_json::{Value, json};

use super::parameters::Parameters;
use super::row::Row;

/// The columns as one JSON object. A column that could not be measured has only an `error`.
pub fn json(parameters: &Parameters, peer: &Result<Row, String>, damson: &Result<Row, String>) -> Value {
    let column = |row: &Result<Row, String>| match row {
        Ok(row) => json!(row),
        Err(error) => json!({ "error": error }),
    };
    let ratio = match (damson, peer) {
        (Ok(damson), Ok(peer)) => json!(damson.ratios(peer)),
        _ => Value::Null,
    };
    json!({ "parameters": parameters, "peer": column(peer), "damson": column(damson), "ratio": ratio })
}

/// The columns as a table.
pub fn table(parameters: &Parameters, peer: &Result<Row, String>, damson: &Result<Row, String>) -> String {
    let Parameters { nodes, seed, delay_ms: (shortest, longest), messages, killed, .. } = parameters;
    let mut out = format!(
        "{nodes} nodes, seed {seed}, delays {shortest}..{longest} ms, {messages} messages, {killed} killed\n\n"
    );
    write_line(&mut out, ["", "iroh-gossip", "damson", "ratio"]);
    let figures = |row: &Result<Row, String>| row.as_ref().ok().map(Row::figures);
    let (theirs, ours) = (figures(peer), figures(damson));
    for (at, (name, _)) in Row::default().figures().into_iter().enumerate() {
        let (a, b) = (theirs.map(|row| row[at].1), ours.map(|row| row[at].1));
        let ratio = a.zip(b).filter(|(a, _)| *a != 0.0).map(|(a, b)| b / a);
        write_line(&mut out, [name, &shown(a), &shown(b), &shown(ratio)]);
    }
    for (whose, row) in [("iroh-gossip", peer), ("damson", damson)] {
        match row {
            Ok(row) => {
                let kinds = row.control.iter().map(|(kind, count)| format!("{kind} {count:.1}"));
                let kinds: Vec<String> = kinds.collect();
                let _ = writeln!(out, "\n{whose}: control for each broadcast: {}", kinds.join(", "));
            }
            Err(error) => _ = writeln!(out, "\n{whose}: {error}"),
        }
    }
    out
}

fn write_line(out: &mut String, [name, peer, damson, ratio]: [&str; 4]) {
    let _ = writeln!(out, "{name:<22} {peer:>12} {damson:>12} {ratio:>8}");
}

fn shown(figure: Option<f64>) -> String {
    figure.map_or_else(|| "-".into(), |figure| format!("{figure:.3}"))
}

#[cfg(test)]
mod tests {
    use super::super::parameters::{Detect, Dials};
    use super::*;

    fn parameters() -> Parameters {
        Parameters {
            nodes: 10,
            seed: 1,
            delay_ms: (1, 5),
            join_ms: 100,
            settle_s: 500,
            messages: 2,
            rate: 0.5,
            killed: 5,
            detect: Detect::Instant,
            dials: Dials::Told,
        }
    }

    #[test]
    fn a_column_without_figures_says_why() {
        let peer = Ok(Row { rmr: 0.5, ..Row::default() });
        let damson = Err("not available".to_string());
        let object = json(&parameters(), &peer, &damson);
        assert_eq!(object["damson"], json!({ "error": "not available" }));
        assert_eq!((object["ratio"].clone(), object["peer"]["rmr"].clone()), (Value::Null, json!(0.5)));
        assert_eq!(object["parameters"]["detect"], "instant");
        let table = table(&parameters(), &peer, &damson);
        assert!(table.contains("damson: not available") && table.contains("0.500"), "{table}");
    }

    #[test]
    fn two_columns_have_a_ratio() {
        let row = |rmr| Ok(Row { rmr, ..Row::default() });
        let (peer, damson) = (row(0.8), row(0.2));
        assert_eq!(json(&parameters(), &peer, &damson)["ratio"]["rmr"], 0.25);
        let table = table(&parameters(), &peer, &damson);
        assert!(table.lines().any(|line| line.starts_with("rmr") && line.ends_with("0.250")), "{table}");
    }
}
