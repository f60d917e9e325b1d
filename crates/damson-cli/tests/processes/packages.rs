//! A real data set through a real client: the machine's installed packages, one hash for each, through `redis-cli --pipe`
//! into one node of three, one of which is killed in the middle.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::daemon::{eventually, start_cluster};
use crate::resp::{Reply, text};

const DATABASE: &str = "/var/lib/dpkg/status";
const FIELDS: [&str; 4] = ["Version", "Architecture", "Installed-Size", "Maintainer"];

/// Name, and fields with their values.
type Package = (String, Vec<(String, String)>);

fn packages(database: &str) -> Vec<Package> {
    database.split("\n\n").filter_map(package).collect()
}

fn package(record: &str) -> Option<Package> {
    let value = |name: &str| record.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    let fields = FIELDS.iter().filter_map(|field| Some((field.to_string(), value(field)?.to_string())));
    Some((value("Package")?.to_string(), fields.collect()))
}

fn as_commands(packages: &[Package]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, fields) in packages {
        let mut args = vec!["HSET".to_string(), format!("package:{name}")];
        args.extend(fields.iter().flat_map(|(field, value)| [field.clone(), value.clone()]));
        write!(out, "*{}\r\n", args.len()).unwrap();
        args.iter().for_each(|arg| write!(out, "${}\r\n{arg}\r\n", arg.len()).unwrap());
    }
    out
}

#[test]
fn the_installed_packages_go_in_through_one_node_and_are_complete_on_all_three() {
    let (Ok(database), Ok(_)) =
        (std::fs::read_to_string(DATABASE), Command::new("redis-cli").arg("-v").output())
    else {
        eprintln!("SKIPPED: this test needs redis-cli (package redis-tools) and {DATABASE}");
        return;
    };
    let packages = packages(&database);
    assert!(packages.len() > 50, "only {} packages", packages.len());
    let root = tempfile::tempdir().unwrap();
    let mut nodes = start_cluster(root.path(), 3);
    let (host, port) = nodes[0].ready["redis"].rsplit_once(':').unwrap();
    let mut pipe = Command::new("redis-cli")
        .args(["-h", host, "-p", port, "--pipe"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let commands = as_commands(&packages);
    let (first, second) = commands.split_at(commands.len() / 2);
    let mut stdin = pipe.stdin.take().unwrap();
    stdin.write_all(first).unwrap();
    nodes[2].kill();
    stdin.write_all(second).unwrap();
    drop(stdin);
    let said = String::from_utf8_lossy(&pipe.wait_with_output().unwrap().stdout).into_owned();
    assert!(said.contains("errors: 0"), "{said}");
    let joins = [nodes[0].listen()];
    nodes[2].restart(&joins);
    let count = i64::try_from(packages.len()).unwrap();
    for node in &nodes {
        eventually("all packages are there", || node.command(&["DBSIZE"]) == Reply::Int(count));
    }
    eventually("digests agree", || nodes.iter().all(|n| n.status()["digest"] == nodes[0].status()["digest"]));
    for node in &nodes {
        let mut client = node.client();
        for (name, fields) in &packages {
            let key = format!("package:{name}");
            for (field, value) in fields {
                assert_eq!(client.command(&["HGET", &key, field]), text(value), "{key} {field}");
            }
        }
    }
}
