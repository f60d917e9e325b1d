//! Backups in object storage: a real node, the real command, a fake S3.

use std::path::Path;
use std::process::{Command, Output};

use axum::body::Bytes;

use crate::backups::{facts, path, refused};
use crate::daemon::{Daemon, damson};
use crate::fake_s3::{FakeS3, KEY_ID, REGION};
use crate::resp::text;

const PLACE: &str = "s3://bucket/backups/monday";

/// The command, in an environment that has all it needs and nothing of who runs the tests.
fn with_storage(s3: &FakeS3, args: &[&str]) -> Command {
    let mut command = damson();
    let ours = std::env::vars().map(|(name, _)| name).filter(|name| name.starts_with("AWS_"));
    ours.for_each(|name| _ = command.env_remove(name));
    command.args(args).env("AWS_ENDPOINT_URL", &s3.endpoint).env("AWS_REGION", REGION);
    command.env("AWS_ACCESS_KEY_ID", KEY_ID).env("AWS_SECRET_ACCESS_KEY", "secret");
    command
}

fn run(mut command: Command) -> Output {
    command.output().expect("the binary starts")
}

fn back_up(s3: &FakeS3, node: &Daemon, to: &str) -> Output {
    run(with_storage(s3, &["backup", "--http", &node.ready["http"], "--to", to, "--json"]))
}

fn restore(s3: &FakeS3, from: &str, data_dir: &Path) -> Output {
    run(with_storage(s3, &["restore", "--from", from, "--data-dir", path(data_dir), "--json"]))
}

/// Keys below the place, without it.
fn names(s3: &FakeS3) -> Vec<String> {
    let below = |key: &String| key.strip_prefix("backups/monday/").map(str::to_owned);
    s3.inside().objects.keys().filter_map(below).collect()
}

/// A node with several segments.
fn large(root: &Path) -> Daemon {
    let node = Daemon::start(root, "n1", &[]);
    let mut client = node.client();
    let value = "v".repeat(1 << 20);
    for n in 0..30 {
        client.command(&["SET", &format!("k{n}"), &value]);
    }
    client.command(&["INCRBY", "n", "5"]);
    node
}

#[test]
fn a_backup_in_object_storage_is_verified_and_restored() {
    let (root, s3) = (tempfile::tempdir().unwrap(), FakeS3::start());
    let node = large(root.path());
    let digest = node.status()["digest"].clone();
    let made = facts(&back_up(&s3, &node, PLACE));
    let segments = made["segments"].as_u64().unwrap();
    assert!(segments > 3 && made["keys"] == 31 && made["to"] == PLACE, "{made}");
    refused(&back_up(&s3, &node, PLACE), "has a finished backup already");

    let id = made["id"].as_str().unwrap();
    let mut expected: Vec<String> = (0..segments).map(|n| format!("{id}/{n:06}.rows")).collect();
    expected.push("manifest".into());
    assert_eq!(names(&s3), expected);
    assert_eq!(s3.inside().written.last().unwrap(), "backups/monday/manifest");

    let checked = facts(&run(with_storage(&s3, &["verify", "--backup", PLACE, "--json"])));
    assert_eq!((&checked["rows"], &checked["scopes"][0]["keys"]), (&made["rows"], &31.into()));
    node.command(&["INCRBY", "n", "100"]);
    let restored = facts(&restore(&s3, PLACE, &root.path().join("restored")));
    assert_eq!(restored["rows"], made["rows"]);
    let restored = Daemon::start(root.path(), "restored", &[]);
    assert_eq!(restored.status()["digest"], digest);
    assert_eq!(restored.command(&["GET", "n"]), text("5"));
}

#[test]
fn an_interrupted_backup_goes_on_and_sends_nothing_twice() {
    let (root, s3) = (tempfile::tempdir().unwrap(), FakeS3::start());
    let mut node = large(root.path());
    let digest = node.status()["digest"].clone();
    s3.inside().segments_left = Some(2);
    let torn = back_up(&s3, &node, PLACE);
    refused(&torn, "run the same command again");
    refused(&torn, "may not write s3://bucket/backups/monday/");
    refused(&restore(&s3, PLACE, &root.path().join("x")), "is not finished");

    s3.inside().segments_left = None;
    node.command(&["INCRBY", "n", "100"]);
    let made = facts(&back_up(&s3, &node, PLACE));
    assert_eq!(made["segments_from_before"], 2);
    let mut sent = s3.inside().written.clone();
    sent.retain(|key| key.ends_with(".rows"));
    assert_eq!(sent.len() as u64, made["segments"].as_u64().unwrap(), "{sent:?}");
    assert!(!names(&s3).iter().any(|name| name == "manifest.unfinished"));
    facts(&restore(&s3, PLACE, &root.path().join("restored")));
    assert_eq!(Daemon::start(root.path(), "restored", &[]).status()["digest"], digest);

    // The same, but what is there was changed meanwhile, and then the node has lost the snapshot.
    s3.inside().objects.clear();
    s3.inside().segments_left = Some(2);
    refused(&back_up(&s3, &node, PLACE), "run the same command again");
    s3.inside().segments_left = None;
    let first = names(&s3).into_iter().find(|name| name.ends_with("000000.rows")).unwrap();
    let key = format!("backups/monday/{first}");
    let whole = s3.inside().objects[&key].clone();
    s3.inside().objects.insert(key.clone(), whole.slice(..whole.len() / 2));
    refused(&back_up(&s3, &node, PLACE), "000000.rows is damaged");
    s3.inside().objects.insert(key, whole);
    node.stop();
    node.restart(&[]);
    let again = back_up(&s3, &node, PLACE);
    assert!(String::from_utf8_lossy(&again.stderr).contains("beginning anew"));
    let again = facts(&again);
    assert_eq!(again["segments_from_before"], 0);
    let (id, names) = (again["id"].as_str().unwrap(), names(&s3));
    assert!(names.iter().all(|name| name == "manifest" || name.starts_with(id)), "{names:?}");
    facts(&run(with_storage(&s3, &["verify", "--backup", PLACE, "--json"])));
}

#[test]
fn objects_that_are_not_as_they_were_written_are_refused_before_anything_is_put_in_place() {
    let (root, s3) = (tempfile::tempdir().unwrap(), FakeS3::start());
    let node = large(root.path());
    let made = facts(&back_up(&s3, &node, PLACE));
    let sound = s3.inside().objects.clone();
    let target = root.path().join("restored");
    let segment = format!("{}/000001.rows", made["id"].as_str().unwrap());
    let refused_with = |name: &str, contents: Option<Bytes>, wanted: &str| {
        let key = format!("backups/monday/{name}");
        match contents {
            Some(contents) => s3.inside().objects.insert(key, contents),
            None => s3.inside().objects.remove(&key),
        };
        refused(&restore(&s3, PLACE, &target), wanted);
        assert!(!target.exists() && !target.with_added_extension("restoring").exists());
        s3.inside().objects = sound.clone();
    };
    let of = |name: &str| sound[&format!("backups/monday/{name}")].clone();
    let changed = |name: &str, change: fn(&mut Vec<u8>)| {
        let mut contents = of(name).to_vec();
        change(&mut contents);
        Some(contents.into())
    };
    let no_length = "000001.rows is damaged: it does not have the length";
    refused_with(&segment, changed(&segment, |c| c.truncate(c.len() - 1)), no_length);
    refused_with(&segment, changed(&segment, Vec::clear), no_length);
    refused_with(&segment, changed(&segment, |c| c.push(0)), no_length);
    refused_with(&segment, changed(&segment, |c| c[5_000] ^= 1), "its checksum does not match");
    refused_with(&segment, None, "000001.rows");
    refused_with("manifest", changed("manifest", |c| c.truncate(200)), "manifest is damaged");
    refused_with("manifest", Some("<html>not found</html>".into()), "manifest is damaged");
    refused_with("manifest", None, "is no backup");
    let unfinished = of("manifest");
    s3.inside().objects.insert("backups/monday/manifest.unfinished".into(), unfinished);
    let sound_manifest = s3.inside().objects.remove("backups/monday/manifest").unwrap();
    refused(&restore(&s3, PLACE, &target), "is not finished");
    s3.inside().objects.insert("backups/monday/manifest".into(), sound_manifest);
    facts(&restore(&s3, PLACE, &target));
}

#[test]
fn a_prefix_with_other_objects_is_refused_and_others_beside_it_are_not_touched() {
    let (root, s3) = (tempfile::tempdir().unwrap(), FakeS3::start());
    let node = Daemon::start(root.path(), "n1", &[]);
    node.command(&["SET", "k", "v"]);
    let put = |key: &str| s3.inside().objects.insert(key.into(), "text".into());
    for foreign in ["letter", "000000.rows", "0123456789abcdef/letter", "manifest.unfinished/x"] {
        put(&format!("backups/monday/{foreign}"));
        let there = s3.inside().objects.clone();
        refused(&back_up(&s3, &node, PLACE), &format!("{PLACE}/{foreign} is no part of a backup"));
        assert_eq!(s3.inside().objects, there);
        s3.inside().objects.clear();
    }
    put("backups/monday/manifest");
    refused(&back_up(&s3, &node, PLACE), "has a finished backup already");
    s3.inside().objects.clear();
    for beside in ["backups/mondays", "backups/tuesday/manifest", "manifest", "backups/monday"] {
        put(beside);
    }
    facts(&back_up(&s3, &node, PLACE));
    assert_eq!(s3.inside().objects.values().filter(|contents| *contents == "text").count(), 4);
}

#[test]
fn who_may_not_or_asks_for_what_is_not_there_is_told_so() {
    let (root, s3) = (tempfile::tempdir().unwrap(), FakeS3::start());
    let node = Daemon::start(root.path(), "n1", &[]);
    let target = root.path().join("x");
    let attempt = |place: &str, name: &str, value: Option<&str>, wanted: &str| {
        let backup = ["backup", "--http", &node.ready["http"], "--to", place];
        for args in [&backup[..], &["restore", "--from", place, "--data-dir", path(&target)]] {
            let mut command = with_storage(&s3, args);
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
            refused(&run(command), wanted);
        }
    };
    for missing in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
        attempt(PLACE, missing, None, &format!("{missing} is not set"));
    }
    attempt(PLACE, "AWS_ACCESS_KEY_ID", Some("nobody"), "may not read s3://bucket/backups/monday/manifest");
    attempt(PLACE, "AWS_REGION", Some("mars"), "InvalidAccessKeyId: says the fake");
    attempt("s3://nothing/monday", "X", None, "there is no bucket nothing at http://127.0.0.1:");
    attempt("s3://", "X", None, "that is no name of a bucket");
    attempt("ftp://host/file", "X", None, "ftp:// is no place for a backup");
    let elsewhere = Some("http://192.0.2.1:9000");
    attempt(PLACE, "AWS_ENDPOINT_URL", elsewhere, "AWS_ALLOW_HTTP=true allows it");
    refused(&restore(&s3, PLACE, &target), "is no backup: it has no file named manifest");
    assert!(s3.inside().objects.is_empty() && !target.exists());
    let mut command = with_storage(&s3, &["verify", "--backup", PLACE]);
    command.env("AWS_ENDPOINT_URL", "http://127.0.0.1:1");
    refused(&run(command), "Connection refused");
}

#[test]
fn a_backup_that_others_have_finished_first_stays_and_an_answer_that_is_lost_is_none() {
    let (root, s3) = (tempfile::tempdir().unwrap(), FakeS3::start());
    let node = Daemon::start(root.path(), "n1", &[]);
    node.command(&["SET", "k", "v"]);
    s3.inside().manifest_before = Some("theirs".into());
    refused(&back_up(&s3, &node, PLACE), "has a finished backup already");
    assert_eq!(s3.inside().objects["backups/monday/manifest"], "theirs");

    s3.inside().objects.clear();
    s3.inside().loses_answer = true;
    let made = facts(&back_up(&s3, &node, PLACE));
    assert!(!s3.inside().loses_answer, "it was lost");
    assert_eq!((made["keys"].as_u64(), made["segments"].as_u64()), (Some(1), Some(1)));
    facts(&restore(&s3, PLACE, &root.path().join("restored")));

    s3.inside().objects.clear();
    s3.inside().knows_no_conditions = true;
    facts(&back_up(&s3, &node, PLACE));
    s3.inside().objects.clear();
    s3.inside().manifest_before = Some("theirs".into());
    refused(&back_up(&s3, &node, PLACE), "has a finished backup already");
    assert_eq!(s3.inside().objects["backups/monday/manifest"], "theirs");
}
