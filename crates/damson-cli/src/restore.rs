//! `damson restore` and `damson verify`: from a backup to a data directory, and whether either is sound.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use damson::backup::{self, CheckedScope, Manifest, Place, Verified};
use serde_json::{Value, json};

use crate::args::{Restore, Verify};
use crate::progress::{Progress, mib};

/// Makes a data directory from a backup.
pub fn restore(args: &Restore) -> anyhow::Result<ExitCode> {
    let from = Place::parse(&args.from)?;
    let (manifest, scopes) = with_progress("restoring", |told| backup::restore(from, &args.data_dir, told))
        .with_context(|| format!("nothing was put at {}", args.data_dir.display()))?;
    if args.json {
        let mut facts = of_backup(&manifest, &scopes);
        facts["data_dir"] = json!(args.data_dir);
        println!("{facts}");
    } else {
        print_scopes(&scopes);
        println!(
            "{}: {} rows, all as they were; ready to be started on",
            args.data_dir.display(),
            manifest.rows()
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// Checks a data directory, or a backup.
pub fn verify(args: &Verify) -> anyhow::Result<ExitCode> {
    match (&args.data_dir, &args.backup) {
        (Some(data_dir), _) => verify_data_dir(data_dir, args.json),
        (None, Some(backup)) => verify_backup(backup, args.json),
        (None, None) => unreachable!("the command line asks for one of them"),
    }
}

fn verify_data_dir(path: &Path, json: bool) -> anyhow::Result<ExitCode> {
    let verified = backup::verify_data_dir(path)?;
    let Verified { scopes, rows, damaged, damage, journal_bytes_cut, mark_damaged } = &verified;
    if json {
        let facts = json!({
            "data_dir": path, "sound": damage.is_none(), "damage": damage, "rows": rows, "rows_damaged": damaged,
            "journal_bytes_cut": journal_bytes_cut, "mark_damaged": mark_damaged, "scopes": of_scopes(scopes),
        });
        println!("{facts}");
    } else {
        print_scopes(scopes);
        if *journal_bytes_cut > 0 {
            println!(
                "{journal_bytes_cut} bytes at the end of the journal belonged to no whole batch and were cut off"
            );
        }
        if *mark_damaged {
            println!("the mark of the clean stop is damaged: the next start is a new life");
        }
        match damage {
            Some(damage) => println!("{}: DAMAGED: {damage}", path.display()),
            None => println!("{}: {rows} rows, all sound", path.display()),
        }
    }
    Ok(if damage.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn verify_backup(path: &Path, json: bool) -> anyhow::Result<ExitCode> {
    let place = Place::parse(path)?;
    let (manifest, scopes) = with_progress("checking", |told| backup::verify_backup(place, told))?;
    if json {
        println!("{}", of_backup(&manifest, &scopes));
    } else {
        print_scopes(&scopes);
        println!("{}: {} rows, all sound", path.display(), manifest.rows());
    }
    Ok(ExitCode::SUCCESS)
}

/// Shows how far the work is.
fn with_progress<T>(what: &str, work: impl FnOnce(&mut backup::Progress<'_>) -> T) -> T {
    let mut progress = Progress::new();
    let done =
        work(&mut |done, of| progress.part(what, done, of, &format!("{} of {} MiB", mib(done), mib(of))));
    progress.end();
    done
}

fn print_scopes(scopes: &[CheckedScope]) {
    println!("{:<24} {:>10} {:>10} {:>10}  DIGEST", "SCOPE", "KEYS", "CELLS", "REMOVALS");
    for CheckedScope { name, keys, cells, removals, digest } in scopes {
        println!("{:<24} {keys:>10} {cells:>10} {removals:>10}  {digest}", name.as_str());
    }
}

fn of_backup(manifest: &Manifest, scopes: &[CheckedScope]) -> Value {
    let facts = &manifest.facts;
    json!({
        "sound": true, "backup": facts.id, "node": facts.node, "name": facts.name, "realm": facts.realm,
        "wall_ms": facts.wall_ms, "left_out": facts.left_out, "rows": manifest.rows(), "bytes": manifest.bytes(),
        "scopes": of_scopes(scopes),
    })
}

fn of_scopes(scopes: &[CheckedScope]) -> Value {
    let of = |scope: &CheckedScope| {
        let CheckedScope { name, keys, cells, removals, digest } = scope;
        json!({
            "name": name.as_str(), "keys": keys, "cells": cells, "removals": removals, "digest": digest.to_string(),
        })
    };
    scopes.iter().map(of).collect()
}
