//! Flags of `damson backup`, `damson restore` and `damson verify`.

use std::path::PathBuf;

use clap::Args as ClapArgs;

/// The backup has all that the node holds on disk at one instant, and that the cluster shares: cells, contexts and
/// removals, of all scopes but those under `--sync never`. It never has the node's key. An interrupted command goes on
/// when it is run again within ten minutes.
#[derive(Debug, ClapArgs)]
pub struct Backup {
    /// The HTTP address of the node.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8500")]
    pub http: String,
    /// The directory to write, or s3://BUCKET/PREFIX: new, empty, or with an interrupted backup.
    ///
    /// s3:// is object storage that speaks S3, in builds with the feature object-storage. The environment says who asks and
    /// where: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION, AWS_ENDPOINT_URL; AWS_ALLOW_HTTP=true
    /// allows http to other machines.
    #[arg(long, value_name = "PLACE")]
    pub to: String,
    /// The last line of stdout is one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// Everything is checked before anything is written. The node that is started on the new directory is a new one, with a
/// key of its own: it can join the cluster that the backup comes from.
#[derive(Debug, ClapArgs)]
pub struct Restore {
    /// The directory of the backup, or s3://BUCKET/PREFIX.
    ///
    /// For s3:// the environment says who asks and where, as for backup.
    #[arg(long, value_name = "PLACE")]
    pub from: PathBuf,
    /// The data directory to make; it must not exist, or be empty.
    #[arg(long, value_name = "DIR")]
    pub data_dir: PathBuf,
    /// The last line of stdout is one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// No node may run on the data directory. Nothing is changed that a start would not change. Exit status 1 when anything
/// is damaged.
#[derive(Debug, ClapArgs)]
pub struct Verify {
    /// The data directory to check.
    #[arg(long, value_name = "DIR", required_unless_present = "backup", conflicts_with = "backup")]
    pub data_dir: Option<PathBuf>,
    /// The backup to check: its directory, or s3://BUCKET/PREFIX.
    #[arg(long, value_name = "PLACE")]
    pub backup: Option<PathBuf>,
    /// The last line of stdout is one JSON object.
    #[arg(long)]
    pub json: bool,
}
