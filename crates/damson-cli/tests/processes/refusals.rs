//! Bad input of every kind: a clear error, and nobody else is disturbed.

use std::process::Output;

use crate::daemon::{Daemon, damson, eventually, run, start_cluster};
use crate::resp::{Reply, text};

fn refused(output: &Output, wanted: &str) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "it must fail: {stderr}");
    assert!(stderr.contains(wanted), "{wanted:?} is not in: {stderr}");
}

fn serve(dir: &std::path::Path, more: &[&str]) -> Output {
    let mut command = damson();
    command.args(["serve", "--name", "x", "--data-dir"]).arg(dir);
    command.args(["--listen", "127.0.0.1:0", "--redis", "127.0.0.1:0", "--http", "127.0.0.1:0"]).args(more);
    command.output().unwrap()
}

#[test]
fn a_directory_that_is_taken_or_unusable_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let node = Daemon::start(root.path(), "n1", &[]);
    refused(&serve(node.dir(), &[]), "another process");
    let file = root.path().join("file");
    std::fs::write(&file, "x").unwrap();
    refused(&serve(&file, &[]), file.to_str().unwrap());
    assert_eq!(node.command(&["PING"]), text("PONG"));
}

#[test]
fn taken_ports_open_addresses_and_bad_flags_are_refused() {
    let root = tempfile::tempdir().unwrap();
    let node = Daemon::start(root.path(), "n1", &[]);
    let other = |name: &str| root.path().join(name);
    for flag in ["listen", "redis", "http"] {
        let flag_name = format!("--{flag}");
        let taken = node.ready[flag].clone();
        let mut command = damson();
        command.args(["serve", "--name", "x", "--data-dir"]).arg(other(flag));
        for port in ["--listen", "--redis", "--http"] {
            command.args([port, if port == flag_name { &taken } else { "127.0.0.1:0" }]);
        }
        refused(&command.output().unwrap(), &taken);
    }
    for flag in ["--listen", "--redis", "--http"] {
        let mut command = damson();
        command.args(["serve", "--name", "x", "--data-dir"]).arg(other("open"));
        for port in ["--listen", "--redis", "--http"] {
            command.args([port, if port == flag { "0.0.0.0:0" } else { "127.0.0.1:0" }]);
        }
        refused(&command.output().unwrap(), "loopback");
    }
    refused(&run(&["serve", "--data-dir", "x"]), "--name");
    refused(&run(&["serve", "--name", "x"]), "--data-dir");
    refused(&run(&["serve", "--nonsense"]), "--nonsense");
    refused(&serve(&other("sync"), &["--sync", "perhaps"]), "perhaps");
    refused(&serve(&other("secret"), &["--cluster-secret-file", "/nonexistent"]), "/nonexistent");
    refused(&serve(&other("config"), &["--config", "/nonexistent.toml"]), "nonexistent");
}

#[test]
fn impossible_experiments_are_refused_before_they_begin() {
    let impossible = |args: &[&str], wanted: &str| {
        let output = run(args);
        refused(&output, wanted);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(output.stdout.is_empty(), "{args:?}");
    };
    impossible(&["sim", "overlay", "--nodes", "1"], "at least 2");
    impossible(&["sim", "overlay", "--fail", "100"], "not including, 100");
    impossible(&["sim", "liveness", "--nodes", "1"], "at least 2");
    impossible(&["sim", "liveness", "--nodes", "10", "--kill", "5", "--starve", "4"], "2 must be left");
    impossible(&["sim", "liveness", "--loss", "100"], "not including, 100");
    impossible(&["sim", "liveness", "--minutes", "0"], "at least 1");
    impossible(&["sim", "liveness", "--delay-ms", "9..1"], "the first must not be greater");
    refused(&run(&["sim", "liveness", "--detect", "perhaps"]), "neither instant nor silent");
    refused(&run(&["sim", "liveness", "--nodes", "3", "--dump", "/nonexistent/file"]), "/nonexistent/file");
}

#[test]
fn another_realm_and_a_wrong_secret_stay_out() {
    let root = tempfile::tempdir().unwrap();
    let secret = |name: &str, digit: &str| {
        let path = root.path().join(name);
        std::fs::write(&path, format!(" {}\n", digit.repeat(64))).unwrap();
        path.to_str().unwrap().to_string()
    };
    let (right, wrong) = (secret("right", "a"), secret("wrong", "b"));
    let node = Daemon::start_with(root.path(), "n1", &[], &["--cluster-secret-file", &right]);
    let joins = [node.listen()];
    let strangers = [
        Daemon::start_with(root.path(), "wrong-secret", &joins, &["--cluster-secret-file", &wrong]),
        Daemon::start_with(root.path(), "no-secret", &joins, &[]),
        Daemon::start_with(
            root.path(),
            "other-realm",
            &joins,
            &["--cluster-secret-file", &right, "--realm", "other"],
        ),
    ];
    let friend = Daemon::start_with(root.path(), "n2", &joins, &["--cluster-secret-file", &right]);
    eventually("the friend is in", || node.alive() == 2 && friend.alive() == 2);
    assert!(strangers.iter().all(|stranger| stranger.alive() == 1));
    node.command(&["SET", "k", "v"]);
    eventually("the friend has it", || friend.command(&["GET", "k"]) == text("v"));
    assert!(strangers.iter().all(|stranger| stranger.command(&["GET", "k"]) == Reply::Nil));
}

#[test]
fn malformed_and_oversized_requests_disturb_nobody() {
    let root = tempfile::tempdir().unwrap();
    let nodes = start_cluster(root.path(), 2);
    let mut good = nodes[0].client();
    assert_eq!(good.command(&["SET", "k", "v"]), text("OK"));
    for bad in
        [&b"*1\r\n$-5\r\n"[..], b"*999999999999\r\n", b"*2\r\n$3\r\nGET\r\n$99999999999\r\n", b"*1\r\n+x\r\n"]
    {
        let mut client = nodes[0].client();
        let reply = client.raw(bad);
        assert!(matches!(&reply, Ok(Reply::Error(_))), "{bad:?}: {reply:?}");
        assert!(client.is_closed());
    }
    assert!(matches!(good.command(&["NOSUCH", "x"]), Reply::Error(e) if e.contains("unknown command")));
    assert!(matches!(good.command(&["SADD", "k", "x"]), Reply::Error(e) if e.starts_with("WRONGTYPE")));
    assert!(matches!(good.command(&["INCR", "k"]), Reply::Error(e) if e.contains("not an integer")));
    assert!(
        matches!(good.command(&["SET", &"k".repeat(70_000), "v"]), Reply::Error(e) if e.contains("65536"))
    );
    let garbage = std::net::TcpStream::connect(nodes[0].listen()).unwrap();
    std::io::Write::write_all(&mut &garbage, &[0x16; 4_096]).unwrap();
    assert_eq!(good.command(&["GET", "k"]), text("v"));
    eventually("the other has it", || nodes[1].command(&["GET", "k"]) == text("v"));
}
