//! `damson backup`, `damson restore` and `damson verify`, beside running nodes.

use std::fs;
use std::path::Path;
use std::process::Output;

use serde_json::Value;

use crate::daemon::{Daemon, damson, eventually, run};
use crate::resp::{Reply, text};

pub fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The JSON in the last line of a command that must succeed.
pub fn facts(output: &Output) -> Value {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let stdout = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(stdout.lines().last().unwrap()).unwrap()
}

pub fn refused(output: &Output, wanted: &str) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "it must fail: {stderr}");
    assert!(stderr.contains(wanted), "{wanted:?} is not in: {stderr}");
}

fn back_up(node: &Daemon, to: &Path) -> Output {
    run(&["backup", "--http", &node.ready["http"], "--to", path(to), "--json"])
}

fn restore(from: &Path, data_dir: &Path) -> Output {
    run(&["restore", "--from", path(from), "--data-dir", path(data_dir), "--json"])
}

#[test]
fn a_backup_of_a_running_node_is_restored_alone_and_beside_it() {
    let root = tempfile::tempdir().unwrap();
    let mut node = Daemon::start(root.path(), "n1", &[]);
    node.command(&["INCRBY", "n", "5"]);
    node.command(&["SADD", "tags", "green", "red"]);
    node.command(&["HSET", "ports", "web", "443"]);
    node.command(&["SET", "deleted-later", "x"]);
    let to = root.path().join("backup");
    let made = facts(&back_up(&node, &to));
    assert_eq!(
        (&made["keys"], &made["name"], &made["left_out"]),
        (&4.into(), &"n1".into(), &Value::Array(vec![]))
    );
    refused(&back_up(&node, &to), "has a finished backup already");
    let digest = node.status()["digest"].clone();
    node.command(&["INCRBY", "n", "10"]);
    node.command(&["DEL", "deleted-later"]);

    let checked = facts(&run(&["verify", "--backup", path(&to), "--json"]));
    assert_eq!(checked["scopes"][0]["keys"], 4);
    for name in ["alone", "beside"] {
        let restored = facts(&restore(&to, &root.path().join(name)));
        assert_eq!(restored["rows"], made["rows"]);
        refused(&restore(&to, &root.path().join(name)), "is not empty");
    }
    let alone = Daemon::start(root.path(), "alone", &[]);
    assert_eq!(alone.status()["digest"], digest);
    assert_eq!(alone.command(&["GET", "n"]), text("5"));
    assert_eq!(alone.alive(), 1);
    assert_ne!(alone.ready["id"], node.ready["id"]);

    let beside = Daemon::start(root.path(), "beside", &[node.listen()]);
    beside.command(&["INCRBY", "n", "100"]);
    eventually("both count exactly", || {
        [&node, &beside].iter().all(|n| n.command(&["GET", "n"]) == text("115"))
    });
    for node in [&node, &beside] {
        assert_eq!(node.command(&["EXISTS", "deleted-later"]), Reply::Int(0), "the delete stays");
    }
    refused(&run(&["verify", "--data-dir", path(node.dir())]), "another process owns");
    node.stop();
    let verified = facts(&run(&["verify", "--data-dir", path(node.dir()), "--json"]));
    assert_eq!((&verified["sound"], &verified["journal_bytes_cut"]), (&true.into(), &0.into()));
}

#[test]
fn an_interrupted_backup_goes_on_where_it_was_and_begins_anew_behind_a_restart() {
    let root = tempfile::tempdir().unwrap();
    let mut node = Daemon::start(root.path(), "n1", &[]);
    let value = "v".repeat(1 << 20);
    let mut client = node.client();
    for n in 0..80 {
        client.command(&["SET", &format!("k{n}"), &value]);
    }
    let to = root.path().join("backup");
    let interrupt = |http: &str| {
        let mut command = damson();
        let mut child = command.args(["backup", "--http", http, "--to", path(&to)]).spawn().unwrap();
        eventually("some segments are there", || to.join("000001.rows").exists());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!to.join("manifest").exists(), "it was too fast to be interrupted");
    };
    interrupt(&node.ready["http"]);
    refused(&restore(&to, &root.path().join("x")), "is not finished");
    let made = facts(&back_up(&node, &to));
    assert!(made["segments_from_before"].as_u64().unwrap() >= 1, "{made}");
    assert_eq!(made["keys"], 80);
    facts(&run(&["verify", "--backup", path(&to), "--json"]));

    fs::remove_dir_all(&to).unwrap();
    interrupt(&node.ready["http"]);
    node.stop();
    node.restart(&[]);
    let again = back_up(&node, &to);
    assert!(String::from_utf8_lossy(&again.stderr).contains("beginning anew"));
    assert_eq!(facts(&again)["segments_from_before"], 0);
}

#[test]
fn bad_input_is_refused_and_leaves_the_place_as_it_was() {
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name);
    let mut node = Daemon::start(root.path(), "n1", &[]);
    node.command(&["SET", "k", "v"]);
    facts(&back_up(&node, &at("backup")));
    fs::create_dir(at("foreign")).unwrap();
    fs::write(at("foreign/file"), "x").unwrap();
    refused(&back_up(&node, &at("foreign")), "is no part of a backup");
    let ftp = run(&["backup", "--http", &node.ready["http"], "--to", "ftp://host/file"]);
    refused(&ftp, "ftp:// is no place for a backup");
    refused(&run(&["backup", "--http", "127.0.0.1:1", "--to", path(&at("y"))]), "no answer from");
    refused(&restore(&at("nothing"), &at("x")), "is no backup");
    refused(&restore(&at("foreign"), &at("x")), "is no backup");
    fs::write(at("backup/000000.rows"), "").unwrap();
    refused(&restore(&at("backup"), &at("x")), "000000.rows is damaged");
    refused(&run(&["verify", "--backup", path(&at("backup"))]), "000000.rows is damaged");
    assert!(!at("x").exists());
    refused(&run(&["verify", "--data-dir", path(&at("x"))]), "is no data directory");
    refused(&run(&["verify"]), "--data-dir");

    node.stop();
    fs::write(node.dir().join("format"), "damson-store 2\n").unwrap();
    let files = || fs::read_dir(node.dir()).unwrap().count();
    let before = files();
    let newer = "has format 2; this version reads up to 1";
    let serve = [
        "serve",
        "--name",
        "n1",
        "--listen",
        "127.0.0.1:0",
        "--redis",
        "127.0.0.1:0",
        "--http",
        "127.0.0.1:0",
    ];
    refused(&run(&[&serve[..], &["--data-dir", path(node.dir())]].concat()), newer);
    refused(&run(&["verify", "--data-dir", path(node.dir())]), newer);
    assert_eq!(files(), before, "nothing was changed");
    assert_eq!(fs::read(node.dir().join("format")).unwrap(), b"damson-store 2\n");
    fs::write(node.dir().join("format"), "damson-store 1\n").unwrap();
    node.restart(&[]);
    assert_eq!(node.command(&["GET", "k"]), text("v"));
}

#[cfg(not(feature = "object-storage"))]
#[test]
fn a_build_without_object_storage_says_which_has_it() {
    let to = run(&["backup", "--http", "127.0.0.1:1", "--to", "s3://bucket/prefix"]);
    let from = run(&["restore", "--from", "s3://bucket/prefix", "--data-dir", "x"]);
    for output in [to, from, run(&["verify", "--backup", "s3://bucket/prefix"])] {
        refused(&output, "cargo build --release --features object-storage");
    }
}
