//! Children that die or fail, and what is there afterwards. A child is this binary, told to run one ignored test.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use damson_core::persist::Table;
use damson_store::{DataDir, Durability, FjallStore, Store, StoreError};

use crate::contract::assert_poisoned;
use crate::disk::{Directory, Disk};
use crate::{load, set};

const DIRECTORY: &str = "DAMSON_STORE_TEST_DIRECTORY";

/// Tickets that a child has to acknowledge before it is killed.
const TICKETS_MIN: u64 = 50;

#[test]
fn what_was_acknowledged_survives_a_kill() {
    let mut disk = Directory::new();
    let mut acknowledged = 0;
    for _ in 0..3 {
        let mut child = spawn(child_command("crash::child_commits_until_it_is_killed", &disk));
        let mut tickets = tickets(&mut child);
        let seen = tickets.by_ref().take(TICKETS_MIN as usize).last().expect("the child prints tickets");
        child.kill().unwrap();
        child.wait().unwrap();
        acknowledged = tickets.last().unwrap_or(seen);

        let mut store = disk.open();
        let (rows, report) = load(&mut store);
        assert_eq!(report.damaged, 0);
        assert_eq!(rows.len() % 2, 0, "a batch of two rows is there or not");
        let last_ticket = rows.len() as u64 / 2;
        assert!(
            last_ticket >= acknowledged,
            "ticket {acknowledged} was acknowledged, {last_ticket} is the last"
        );
        assert_eq!(
            rows[..rows.len() / 2],
            (1..=last_ticket).map(|n| ticket_rows(n)[0].clone()).collect::<Vec<_>>()
        );
        disk.close(store);
    }
    assert!(acknowledged >= 3 * TICKETS_MIN);
}

#[test]
#[ignore = "run as a child by what_was_acknowledged_survives_a_kill"]
fn child_commits_until_it_is_killed() {
    let Some(mut store) = store_of_parent() else { return };
    let first = load(&mut store).1.rows / 2 + 1;
    for ticket in first.. {
        store.commit(&ticket_rows(ticket), Durability::Flushed).unwrap();
        acknowledge(ticket);
    }
}

#[test]
fn a_second_process_is_refused() {
    let mut disk = Directory::new();
    let store = disk.open();
    let mut child = spawn(child_command("crash::child_is_refused", &disk));
    assert_eq!(tickets(&mut child).last(), Some(1));
    assert!(child.wait().unwrap().success());
    disk.close(store);
}

#[test]
#[ignore = "run as a child by a_second_process_is_refused"]
fn child_is_refused() {
    let Some(path) = std::env::var_os(DIRECTORY) else { return };
    let error = DataDir::open(path).unwrap_err();
    assert!(matches!(error, StoreError::AlreadyOwned { .. }), "{error}");
    acknowledge(1);
}

/// A limit on the size of files stands for a full disk: the journal cannot grow.
#[test]
#[cfg(unix)]
fn a_failed_commit_poisons_the_store_and_loses_nothing_acknowledged() {
    let mut disk = Directory::new();
    let mut store = disk.open();
    store.commit(&ticket_rows(1), Durability::Flushed).unwrap();
    disk.close(store);
    // Replaying the journal cuts off its preallocated space, so that the limit is reached soon.
    let store = disk.open();
    disk.close(store);

    let test = child_command("crash::child_commits_until_it_fails", &disk);
    let mut limited = Command::new("sh");
    limited.args(["-c", "trap '' XFSZ; ulimit -f 64; exec \"$0\" \"$@\""]);
    limited.arg(test.get_program()).args(test.get_args()).env(DIRECTORY, disk.path()).stdout(Stdio::piped());
    let mut child = spawn(limited);
    let acknowledged = tickets(&mut child).last().expect("some commits succeed");
    assert!(child.wait().unwrap().success());

    let (rows, report) = load(&mut disk.open());
    let last_ticket = rows.len() as u64 / 2;
    assert!(last_ticket >= acknowledged, "ticket {acknowledged} was acknowledged, {last_ticket} is the last");
    assert_eq!((rows.len() % 2, report.damaged), (0, 0));
}

#[test]
#[ignore = "run as a child by a_failed_commit_poisons_the_store_and_loses_nothing_acknowledged"]
fn child_commits_until_it_fails() {
    let Some(mut store) = store_of_parent() else { return };
    for ticket in 2..100_000 {
        match store.commit(&ticket_rows(ticket), Durability::Flushed) {
            Ok(()) => acknowledge(ticket),
            Err(error) => {
                assert!(matches!(error, StoreError::Write { .. }), "{error}");
                return assert_poisoned(&mut store, &error.to_string());
            }
        }
    }
    panic!("the limit was never reached");
}

/// One batch: a row in each of two tables.
fn ticket_rows(ticket: u64) -> [damson_core::persist::Row; 2] {
    [Table::Cells, Table::Meta].map(|table| set(table, ticket.to_be_bytes(), ticket.to_string()))
}

fn store_of_parent() -> Option<FjallStore> {
    let path = std::env::var_os(DIRECTORY)?;
    Some(FjallStore::open(&DataDir::open(path).unwrap()).unwrap())
}

fn acknowledge(ticket: u64) {
    let mut out = std::io::stdout();
    // On a line of its own: the test harness prints on the same stream.
    writeln!(out, "\nticket {ticket}").unwrap();
    out.flush().unwrap();
}

fn child_command(test: &str, disk: &Directory) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--ignored", "--nocapture", "--test-threads=1"]);
    command.env(DIRECTORY, disk.path()).stdout(Stdio::piped());
    command
}

fn spawn(mut command: Command) -> Child {
    command.spawn().unwrap()
}

/// The tickets that a child prints, until it ends. A last line that was cut short is no ticket.
fn tickets(child: &mut Child) -> impl Iterator<Item = u64> + use<> {
    let lines = BufReader::new(child.stdout.take().unwrap()).split(b'\n');
    lines
        .map_while(Result::ok)
        .filter_map(|line| str::from_utf8(&line).ok()?.strip_prefix("ticket ")?.parse().ok())
}
