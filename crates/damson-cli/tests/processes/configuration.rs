//! Flags over environment over file.

use std::process::Output;

use crate::daemon::damson;

/// Starts a node with a bad secret file, so that it ends at once and says which settings it took.
fn refused_with(config: &str, environment: &[(&str, &str)], flags: &[&str]) -> String {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("damson.toml");
    std::fs::write(&file, config).unwrap();
    let mut command = damson();
    command.args(["serve", "--config"]).arg(&file).args(flags).envs(environment.iter().copied());
    let Output { status, stderr, .. } = command.output().unwrap();
    assert!(!status.success());
    String::from_utf8_lossy(&stderr).into_owned()
}

const BASE: &str = "name = 'n'\ndata_dir = '/tmp/none'\ncluster_secret_file = ['/from-the-file']\n";

#[test]
fn the_file_is_read_the_environment_wins_over_it_and_flags_over_both() {
    assert!(refused_with(BASE, &[], &[]).contains("/from-the-file"));
    let environment = [("DAMSON_CLUSTER_SECRET_FILE", "/from-the-environment")];
    assert!(refused_with(BASE, &environment, &[]).contains("/from-the-environment"));
    let flags = ["--cluster-secret-file", "/from-a-flag"];
    assert!(refused_with(BASE, &environment, &flags).contains("/from-a-flag"));
}

#[test]
fn lists_of_contacts_come_from_all_three_too() {
    let base =
        "name = 'n'\ndata_dir = '/tmp/none'\njoin_dns = ['from-the-file']\njoin_file = ['/tmp/none']\n";
    assert!(refused_with(base, &[], &[]).contains("from-the-file"));
    let environment = [("DAMSON_JOIN_DNS", "good.example:1,from-the-environment")];
    assert!(refused_with(base, &environment, &[]).contains("from-the-environment"));
    let flags = ["--join-dns", "from-a-flag", "--join-file", "/tmp/none"];
    let said = refused_with(base, &environment, &flags);
    assert!(said.contains("from-a-flag") && said.contains("the port is missing"), "{said}");
}

#[test]
fn limits_of_memory_come_from_all_three_and_nonsense_is_named() {
    let base = "name = 'n'\ndata_dir = '/tmp/none'\nmemory_max = 'from-the-file'\n";
    assert!(refused_with(base, &[], &[]).contains("from-the-file"));
    let environment =
        [("DAMSON_MEMORY_MAX", "1GiB"), ("DAMSON_SCOPE_MEMORY_MAX", "1MiB,db1=from-the-environment")];
    assert!(refused_with(base, &environment, &[]).contains("from-the-environment"));
    let flags = ["--memory-max", "2GiB", "--scope-memory-max", "from a flag=1MiB"];
    assert!(refused_with(base, &environment, &flags).contains("from a flag"));
}

#[test]
fn patience_and_pace_come_from_all_three_and_nonsense_is_named() {
    for (name, advice) in [("write_patience", "write 500ms, 20s"), ("transfer_rate", "is no size")] {
        let base = format!("name = 'n'\ndata_dir = '/tmp/none'\n{name} = 'from-the-file'\n");
        assert!(refused_with(&base, &[], &[]).contains("from-the-file"));
        let variable = format!("DAMSON_{}", name.to_uppercase());
        let environment = [(variable.as_str(), "from-the-environment")];
        assert!(refused_with(&base, &environment, &[]).contains("from-the-environment"));
        let flag = format!("--{}", name.replace('_', "-"));
        let said = refused_with(&base, &environment, &[&flag, "some of them"]);
        assert!(said.contains(name) && said.contains(advice), "{said}");
    }
}

#[test]
fn a_misspelt_setting_in_the_file_is_an_error_and_a_foreign_variable_is_not() {
    assert!(refused_with("nmae = 'n'", &[], &[]).contains("nmae"));
    assert!(refused_with(BASE, &[("DAMSON_SOMETHING_ELSE", "x")], &[]).contains("/from-the-file"));
}

#[test]
fn durability_has_a_table_of_its_own_and_the_environment_and_flags_win_over_it() {
    let base = |storage: &str| format!("name = 'n'\ndata_dir = '/tmp/none'\n[storage]\n{storage}\n");
    let wrong = base("sync = 'from-the-file'");
    assert!(refused_with(&wrong, &[], &[]).contains("from-the-file"));
    let environment = [("DAMSON_SYNC", "from-the-environment")];
    assert!(refused_with(&wrong, &environment, &[]).contains("from-the-environment"));
    assert!(refused_with(&wrong, &environment, &["--sync", "from-a-flag"]).contains("from-a-flag"));
    let scopes = base("[storage.scopes]\nsessions = 'perhaps'");
    let said = refused_with(&scopes, &[], &[]);
    assert!(said.contains("sessions") && said.contains("perhaps"), "{said}");
    assert!(refused_with(&scopes, &[], &["--scope-sync", "sessions"]).contains("perhaps"));
    assert!(refused_with(BASE, &[], &["--scope-sync", "sessions"]).contains("SCOPE=WHEN"));
    assert!(refused_with(&base("sync_interval_ms = 0"), &[], &[]).contains("1 to 60000"));
    assert!(refused_with(&base("snyc = 'always'"), &[], &[]).contains("snyc"));
}
