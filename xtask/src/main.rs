//! Checks of the project that lints cannot do. `cargo run -p xtask -- tidy`, and as a test.

mod tidy;

use std::process::ExitCode;

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("tidy") => report(&tidy::check(&tidy::root())),
        _ => {
            eprintln!("usage: cargo run -p xtask -- tidy");
            ExitCode::FAILURE
        }
    }
}

fn report(faults: &[String]) -> ExitCode {
    faults.iter().for_each(|fault| eprintln!("tidy: {fault}"));
    if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
