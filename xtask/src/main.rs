//! Checks of the project that lints cannot do. `cargo run -p xtask -- tidy`, or `-- contracts`, and as tests.

mod contracts;
mod tidy;

use std::process::ExitCode;

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("tidy") => report("tidy", &tidy::check(&tidy::root())),
        Some("contracts") => report("contracts", &contracts::check(&tidy::root())),
        _ => {
            eprintln!("usage: cargo run -p xtask -- tidy|contracts");
            ExitCode::FAILURE
        }
    }
}

fn report(check: &str, faults: &[String]) -> ExitCode {
    faults.iter().for_each(|fault| eprintln!("{check}: {fault}"));
    if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
