//! Data directories that earlier versions have written. One for each format, and for each version of the program that
//! wrote anything new in it: what is in them stays readable.
//!
//! `fixtures/format-1` was written by version 0.1.0 with commands of the Redis protocol, and stopped cleanly. Its key has
//! never been a member of anything.

use std::fs;
use std::path::{Path, PathBuf};

use damson::backup::verify_data_dir;
use damson::{Node, Slot};

use crate::stage::copy;

const DIGEST: &str = "dbe5239cac574d529c95e8c0b8f7497c";

/// A copy to work on. The version control keeps neither empty folders nor permissions.
fn copied(root: &Path) -> PathBuf {
    let to = root.join("data");
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/format-1"), &to);
    for keyspace in fs::read_dir(to.join("database/rows/keyspaces")).unwrap() {
        fs::create_dir_all(keyspace.unwrap().path().join("tables")).unwrap();
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(to.join("node.key"), fs::Permissions::from_mode(0o600)).unwrap();
    }
    to
}

#[tokio::test]
async fn a_directory_of_format_1_has_what_was_written_to_it() {
    let root = tempfile::tempdir().unwrap();
    let node = Node::builder("fixture").data_dir(copied(root.path())).start().await.unwrap();
    assert!(node.continued(), "the mark of its clean stop is believed");
    assert_eq!(node.id().to_string(), "87ccb1ed9b872544866ab1de58a0fa47");
    assert_eq!(format!("{:016x}", node.life().0), "4c9a22ad5464a550");
    assert_eq!(node.digest().to_string(), DIGEST);

    let long_key = "k".repeat(1_500);
    let long_value = "v".repeat(3_000);
    let strings = [
        ("greeting", Some("guten Tag")),
        ("empty", Some("")),
        ("visits", Some("40")),
        ("base", Some("6")),
        ("reset", Some("3")),
        ("deleted", None),
        ("session", Some("s1")),
        ("lease", Some("l1")),
        ("long", Some(&*long_value)),
        (&*long_key, Some("long key")),
    ];
    node.scope("default").unwrap().read(|view| {
        for (key, value) in strings {
            let found = view.text(&Slot::key(key.to_string()));
            assert_eq!(found.as_deref(), value.map(str::as_bytes), "{key}");
        }
        let tags = Slot::key("tags");
        let mut elements: Vec<&[u8]> = view.set_elements(&tags).collect();
        elements.sort_unstable();
        assert_eq!(elements, [&b"blue"[..], b"green"]);
        let ports = Slot::key("ports");
        for (field, value) in [("web", Some("443")), ("ssh", Some("22")), ("old", None)] {
            let found = view.map_get(&ports, field.as_bytes());
            assert_eq!(found.as_deref(), value.map(str::as_bytes), "{field}");
        }
        for key in ["session", "lease"] {
            assert!(view.ends_ms(&key.into()).unwrap().is_some(), "{key} has a time to live");
        }
        assert_eq!(view.ends_ms(&"greeting".into()), Some(None));
        assert_eq!(view.len(), 11);
    });
    node.scope("db3").unwrap().read(|view| {
        assert_eq!(view.text(&Slot::key("other")).as_deref(), Some(&b"another scope"[..]));
        assert_eq!(view.set_len(&Slot::key("letters")), 2);
    });
}

#[test]
fn a_directory_of_format_1_is_sound() {
    let root = tempfile::tempdir().unwrap();
    let verified = verify_data_dir(copied(root.path())).unwrap();
    assert_eq!((verified.damage, verified.journal_bytes_cut, verified.mark_damaged), (None, 0, false));
    let cells: Vec<(&str, u64, u64)> =
        verified.scopes.iter().map(|scope| (scope.name.as_str(), scope.keys, scope.removals)).collect();
    assert_eq!(cells[..2], [("db3", 2, 0), ("default", 11, 4)]);
}
