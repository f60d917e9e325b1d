//! Backups of running nodes, and what is started on them.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use damson::backup::{
    Backup, BackupError, Facts, Manifest, RestoreError, Segment, Unfinished, restore, verify_backup,
    verify_data_dir,
};
use damson::{Digest, Node, Sync, SyncConfig};
use tempfile::TempDir;

use crate::stage::copy;

const QUICK: Duration = Duration::from_millis(20);

async fn start(dir: &Path, name: &str, joins: &[&Node]) -> Node {
    let quick = SyncConfig { interval_ms: 50, ..SyncConfig::default() };
    let mut builder = Node::builder(name).data_dir(dir).anti_entropy(quick).join_timeout(QUICK);
    for join in joins {
        builder = builder.join(join.address());
    }
    let node = builder.start().await.unwrap();
    node.ready().await;
    node
}

/// Copies a node's state into a directory.
async fn back_up(node: &Node, to: &Path) -> Manifest {
    let backup = node.begin_backup().await.unwrap();
    let mut folder = Unfinished::open(to).unwrap();
    folder.begin(backup.facts().clone()).unwrap();
    while !copy_one(&backup, &mut folder) {}
    folder.finish().unwrap()
}

/// Copies the next segment; true when it is the last.
fn copy_one(backup: &Backup, folder: &mut Unfinished) -> bool {
    let segment = backup.segment(u32::try_from(folder.so_far().len()).unwrap()).unwrap();
    folder.add(&segment, &segment.checksum()).unwrap();
    segment.is_last
}

/// Puts a backup back, in a directory of this name beside it.
fn put_back(root: &TempDir, from: &Path, name: &str) -> PathBuf {
    let dir = root.path().join(name);
    restore(from, &dir, &mut |_, _| {}).unwrap();
    dir
}

async fn write_some_of_each(node: &Node) {
    let app = node.scope("app").unwrap();
    app.counter("visits").add(5).await.unwrap();
    app.set("tags").insert("green").await.unwrap();
    app.set("tags").insert("red").await.unwrap();
    app.set("tags").remove("red").await.unwrap();
    app.map::<String>("ports").put("web", &"443".into()).await.unwrap();
    app.register::<String>("gone").put(&"x".into()).await.unwrap();
    app.remove("gone").await.unwrap();
    node.scope("other").unwrap().register::<String>("name").put(&"damson".into()).await.unwrap();
}

async fn agree(nodes: &[&Node]) -> Digest {
    for _ in 0..1_000 {
        let digests: Vec<Digest> = nodes.iter().map(|node| node.digest()).collect();
        if digests.iter().all(|digest| *digest == digests[0]) {
            return digests[0];
        }
        tokio::time::sleep(QUICK).await;
    }
    panic!("they do not agree");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_node_alone_has_everything_as_it_was() {
    let root = tempfile::tempdir().unwrap();
    let node = start(&root.path().join("a"), "a", &[]).await;
    write_some_of_each(&node).await;
    let (digest, id) = (node.digest(), node.id());
    let to = root.path().join("backup");
    let manifest = back_up(&node, &to).await;
    assert_eq!(manifest.facts.scopes.len(), 2);
    node.stop().await.unwrap();
    drop(node);

    let dir = put_back(&root, &to, "b");
    assert!(!dir.join("node.key").exists() && !dir.join("database/clean-stop").exists());
    let restored = start(&dir, "b", &[]).await;
    assert_eq!(restored.digest(), digest);
    assert_eq!(restored.scope("app").unwrap().counter("visits").get(), 5);
    assert_ne!(restored.id(), id);
    assert_eq!(restored.members().len(), 1, "the list of members is not in a backup");
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_the_original_deletes_stay_deleted_and_counters_exact() {
    let root = tempfile::tempdir().unwrap();
    let node = start(&root.path().join("a"), "a", &[]).await;
    write_some_of_each(&node).await;
    let to = root.path().join("backup");
    back_up(&node, &to).await;
    let app = node.scope("app").unwrap();
    app.remove("tags").await.unwrap();
    app.counter("visits").add(10).await.unwrap();

    let restored = start(&put_back(&root, &to, "b"), "b", &[]).await;
    restored.scope("app").unwrap().counter("visits").add(100).await.unwrap();
    restored.stop().await.unwrap();
    drop(restored);
    let restored = start(&root.path().join("b"), "b", &[&node]).await;
    let third = start(&put_back(&root, &to, "c"), "c", &[&node]).await;
    third.scope("app").unwrap().counter("visits").add(1_000).await.unwrap();
    agree(&[&node, &restored, &third]).await;
    for node in [&node, &restored, &third] {
        let app = node.scope("app").unwrap();
        assert_eq!(app.counter("visits").get(), 1_115);
        assert!(app.set("tags").elements().is_empty(), "what was deleted after the backup stays so");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_that_nobody_has_confirmed_are_counted_once_beside_the_original() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("a");
    let node = start(&dir, "a", &[]).await;
    node.scope("app").unwrap().counter("n").add(5).await.unwrap();
    node.stop().await.unwrap();
    drop(node);
    let image = root.path().join("image");
    copy(&dir, &image);
    // The original goes on, and a peer has seen it. What is started next is an old image.
    let peer = start(&root.path().join("p"), "p", &[]).await;
    let node = start(&dir, "a", &[&peer]).await;
    node.scope("app").unwrap().counter("n").add(10).await.unwrap();
    agree(&[&node, &peer]).await;
    node.stop().await.unwrap();
    drop(node);

    let node = start(&image, "a", &[]).await;
    assert!(node.continued());
    node.scope("app").unwrap().counter("n").add(100).await.unwrap();
    let life = node.life();
    let to = root.path().join("backup");
    back_up(&node, &to).await;
    let copied_as = node.life();
    node.stop().await.unwrap();
    drop(node);
    let node = start(&image, "a", &[&peer]).await;
    let restored = start(&put_back(&root, &to, "b"), "b", &[&peer]).await;
    agree(&[&node, &peer, &restored]).await;
    for node in [&node, &peer, &restored] {
        assert_eq!(node.scope("app").unwrap().counter("n").get(), 115);
    }
    assert_ne!(copied_as, life);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_in_memory_only_is_left_out_and_named() {
    let root = tempfile::tempdir().unwrap();
    let builder = Node::builder("a").data_dir(root.path().join("a"));
    let node = builder.sync_scope("cache".parse().unwrap(), Sync::Never).start().await.unwrap();
    write_some_of_each(&node).await;
    node.scope("cache").unwrap().counter("hits").add(1).await.unwrap();
    let manifest = back_up(&node, &root.path().join("backup")).await;
    assert_eq!(manifest.facts.left_out, ["cache"]);
    let (_, scopes) = verify_backup(root.path().join("backup"), &mut |_, _| {}).unwrap();
    assert_eq!(scopes.iter().map(|scope| scope.name.as_str()).collect::<Vec<_>>(), ["app", "other"]);

    let in_memory = Node::builder("m").start().await.unwrap();
    assert!(matches!(in_memory.begin_backup().await, Err(BackupError::NothingStored)));
}

/// A node with several segments of rows.
async fn large(root: &TempDir) -> Node {
    let node = start(&root.path().join("a"), "a", &[]).await;
    let app = node.scope("app").unwrap();
    for n in 0..24 {
        app.register::<Vec<u8>>(format!("k{n}")).put(&vec![n; 1 << 20]).await.unwrap();
    }
    node
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_backup_goes_on_and_has_what_was_there_at_its_beginning() {
    let root = tempfile::tempdir().unwrap();
    let node = large(&root).await;
    let digest = node.digest();
    let to = root.path().join("backup");
    let backup = node.begin_backup().await.unwrap();
    let mut folder = Unfinished::open(&to).unwrap();
    folder.begin(backup.facts().clone()).unwrap();
    copy_one(&backup, &mut folder);
    assert!(matches!(Unfinished::open(&to), Err(BackupError::InUse { .. })));
    drop(folder);
    assert!(matches!(verify_backup(&to, &mut |_, _| {}), Err(RestoreError::Unfinished { .. })));
    for n in 0..24 {
        let app = node.scope("app").unwrap();
        app.register::<Vec<u8>>(format!("k{n}")).put(&vec![0; 1 << 20]).await.unwrap();
    }

    let mut folder = Unfinished::open(&to).unwrap();
    assert_eq!(folder.facts(), Some(backup.facts()));
    folder.check_so_far(&mut |_, _| {}).unwrap();
    assert_eq!(folder.so_far().len(), 1);
    assert!(matches!(backup.segment(2), Err(BackupError::TooEarly { number: 2, next: 1 | 2 })));
    while !copy_one(&backup, &mut folder) {}
    let manifest = folder.finish().unwrap();
    assert!(manifest.segments.len() > 2);
    assert!(matches!(Unfinished::open(&to), Err(BackupError::Finished { .. })));
    let restored = start(&put_back(&root, &to, "b"), "b", &[]).await;
    assert_eq!(restored.digest(), digest);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_with_other_files_is_refused_and_a_new_beginning_leaves_nothing_old() {
    let root = tempfile::tempdir().unwrap();
    let node = start(&root.path().join("a"), "a", &[]).await;
    write_some_of_each(&node).await;
    let to = root.path().join("backup");
    fs::create_dir(&to).unwrap();
    fs::write(to.join("letter"), "text").unwrap();
    let error = Unfinished::open(&to).unwrap_err();
    assert!(matches!(&error, BackupError::Foreign { path } if path.ends_with("letter")), "{error}");
    assert_eq!(fs::read_dir(&to).unwrap().count(), 1, "nothing was touched");
    fs::remove_file(to.join("letter")).unwrap();

    let backup = node.begin_backup().await.unwrap();
    let mut folder = Unfinished::open(&to).unwrap();
    folder.begin(backup.facts().clone()).unwrap();
    copy_one(&backup, &mut folder);
    let segment = backup.segment(0).unwrap();
    let error = folder.add(&segment, "another checksum").unwrap_err();
    assert!(matches!(error, BackupError::DamagedOnTheWay { number: 1, .. }), "{error}");
    folder.begin(backup.facts().clone()).unwrap();
    assert!(folder.so_far().is_empty() && !to.join("000000.rows").exists());
    drop(folder);
    let mut folder = Unfinished::open(&to).unwrap();
    copy_one(&backup, &mut folder);
    fs::write(to.join("000000.rows"), "overwritten").unwrap();
    assert!(matches!(folder.check_so_far(&mut |_, _| {}), Err(BackupError::Unusable { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_is_not_as_it_was_written_is_refused_before_anything_is_put_in_place() {
    let root = tempfile::tempdir().unwrap();
    let node = large(&root).await;
    let to = root.path().join("backup");
    back_up(&node, &to).await;
    let target = root.path().join("restored");
    let refused = |harm: &dyn Fn(&Path), what: &str| {
        let copied = root.path().join("harmed");
        copy(&to, &copied);
        harm(&copied);
        let error = restore(&copied, &target, &mut |_, _| {}).unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
        assert!(!target.exists() && !root.path().join("restored.restoring").exists());
        fs::remove_dir_all(&copied).unwrap();
    };
    let edit = |name: &'static str, change: fn(&mut Vec<u8>)| {
        move |dir: &Path| {
            let mut contents = fs::read(dir.join(name)).unwrap();
            change(&mut contents);
            fs::write(dir.join(name), contents).unwrap();
        }
    };
    refused(
        &edit("000001.rows", |c| c.truncate(c.len() - 1)),
        "000001.rows is damaged: it does not have the length",
    );
    refused(&edit("000001.rows", |c| c[5_000] ^= 1), "000001.rows is damaged: its checksum does not match");
    refused(&edit("000000.rows", |c| c.push(0)), "000000.rows is damaged: it does not have the length");
    refused(&edit("000000.rows", Vec::clear), "000000.rows is damaged");
    refused(&|dir| fs::remove_file(dir.join("000002.rows")).unwrap(), "cannot open");
    refused(
        &|dir| fs::remove_file(dir.join("manifest")).unwrap(),
        "no backup: it has no file named manifest",
    );
    refused(&edit("manifest", |c| c.truncate(200)), "manifest is damaged");
    refused(&edit("manifest", |c| c[100] ^= 1), "manifest is damaged: its checksum does not match");
    refused(&edit("manifest", Vec::clear), "manifest is damaged");
    refused(&edit("manifest", |c| c[14] = b'2'), "has format 2; this version reads up to 1");

    fs::create_dir(&target).unwrap();
    fs::write(target.join("something"), "there").unwrap();
    let error = restore(&to, &target, &mut |_, _| {}).unwrap_err();
    assert!(matches!(error, RestoreError::Taken { .. }), "{error}");
    fs::remove_file(target.join("something")).unwrap();
    restore(&to, &target, &mut |_, _| {}).unwrap();
    assert_eq!(verify_data_dir(&target).unwrap().damage, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_directory_is_verified_without_a_node_and_keeps_its_mark() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("a");
    assert!(matches!(verify_data_dir(&dir), Err(RestoreError::NoDataDir { .. })));
    assert!(!dir.exists(), "nothing is created");
    let node = start(&dir, "a", &[]).await;
    write_some_of_each(&node).await;
    let error = verify_data_dir(&dir).unwrap_err().to_string();
    assert!(error.contains("another process owns"), "{error}");
    let (life, digest) =
        (node.life(), node.scopes().iter().find(|s| s.name.as_str() == "app").unwrap().digest);
    node.stop().await.unwrap();
    drop(node);

    let verified = verify_data_dir(&dir).unwrap();
    assert_eq!((verified.damage, verified.damaged, verified.journal_bytes_cut), (None, 0, 0));
    let app = verified.scopes.iter().find(|scope| scope.name.as_str() == "app").unwrap();
    assert_eq!((app.keys, app.digest), (3, digest));
    let node = start(&dir, "a", &[]).await;
    assert!(node.continued());
    assert_eq!(node.life(), life);
}

/// A backup that somebody has made by hand, of these rows: table, key, value.
fn made_by_hand(to: &Path, facts: Facts, rows: &[(u8, &[u8], &[u8])]) {
    let mut bytes = b"damson-rows 1\n".to_vec();
    for (table, key, value) in rows {
        bytes.push(*table);
        bytes.extend_from_slice(&(key.len() as u32).to_be_bytes());
        bytes.extend_from_slice(&(value.len() as u32).to_be_bytes());
        bytes.extend_from_slice(key);
        bytes.extend_from_slice(value);
    }
    let segment = Segment { bytes: bytes.into(), rows: rows.len() as u64, is_last: true };
    let mut folder = Unfinished::open(to).unwrap();
    folder.begin(facts).unwrap();
    folder.add(&segment, &segment.checksum()).unwrap();
    folder.finish().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn whole_files_with_rows_that_no_node_has_written_are_refused() {
    let root = tempfile::tempdir().unwrap();
    let node = start(&root.path().join("a"), "a", &[]).await;
    write_some_of_each(&node).await;
    let facts = node.begin_backup().await.unwrap().facts().clone();
    let mut number = 0;
    let mut refused = |rows: &[(u8, &[u8], &[u8])], what: &str| {
        number += 1;
        let to = root.path().join(format!("made-{number}"));
        made_by_hand(&to, facts.clone(), rows);
        let error = restore(&to, root.path().join("x"), &mut |_, _| {}).unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
        assert!(!root.path().join("x").exists());
    };
    refused(&[(3, b"\0life", b"12345678")], "belongs into no backup");
    refused(&[(3, b"\x03appu", b"1234567812345678")], "belongs into no backup");
    refused(&[(1, b"\x07~roster123456781234567812345678", b"\x80")], "belongs into no backup");
    refused(&[(1, b"\x03app2", b"\x80"), (1, b"\x03app1", b"\x80")], "not in their order");
    refused(&[(0, b"\x03app", b"nonsense")], "no sound state");
    refused(&[(1, b"\x03app1", b"\x80")], "scope app has digest");
    refused(&[], "of which there are no rows");
    // One live dot, the first of some actor, as the contents of a register; and a context that has seen it.
    let actor = [7; 24];
    let live = [&[0x81, 0x84, 0x58, 24][..], &actor, &[1, 1, 0x41, b'x']].concat();
    let seen = [&[0x81, 0x83, 0x58, 24][..], &actor, &[1, 0]].concat();
    let (a, b) = (b"\x03appn\0\0\0\x01a\x01", b"\x03appn\0\0\0\x01b\x01");
    let context = [&b"\x03app"[..], &actor].concat();
    refused(&[(0, a, &live)], "lies outside the stored context");
    refused(&[(0, a, &live), (0, b, &live), (1, &context, &seen)], "stands in two cells");
    refused(&[(0, a, &live), (1, &context, &seen)], "scope app has digest");
}

#[tokio::test(flavor = "multi_thread")]
async fn verifying_finds_a_changed_byte_in_a_data_directory_and_says_where() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("a");
    large(&root).await.stop().await.unwrap();
    // The first rows have left the journal by now.
    let mut tables = Vec::new();
    for keyspace in fs::read_dir(dir.join("database/rows/keyspaces")).unwrap() {
        let files = fs::read_dir(keyspace.unwrap().path().join("tables")).unwrap();
        tables.extend(files.map(|file| file.unwrap().path()));
    }
    let largest = tables.iter().max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap();
    let mut contents = fs::read(largest).unwrap();
    let middle = contents.len() / 2;
    contents[middle] ^= 1;
    fs::write(largest, contents).unwrap();
    let verified = verify_data_dir(&dir).unwrap();
    let damage = verified.damage.expect("it is found");
    assert!(damage.contains("the row of table Cells with key"), "{damage}");
}
