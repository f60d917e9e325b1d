//! Finding first contacts while the node runs: names that are resolved again and again, files that are watched.
//!
//! Each source is a task with a list of its own; when one changes, the node is told all of them (`Input::Contacts`). A
//! source that fails keeps what it said last: a resolver that is down must not make a node forget its cluster. What has
//! changed is logged, not what stays.
//!
//! ```text
//!   name: lookup, every 30 s; every 2 s without a neighbour --.
//!                                                              >-- lists -- Input::Contacts --> node dials
//!   file: time and length, every second; read when new -------|
//!   broadcaster: who says that he is there -------------------'
//! ```

mod address;
mod dns;
mod file;
mod heard;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use damson_core::node::Input;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::driver::Driver;
use crate::transport::Lookups;

pub(crate) use address::check as check_address;

/// How first contacts are discovered while a node runs.
#[derive(Debug, Clone)]
pub struct DiscoveryConfig {
    /// How often a name is resolved. Default 30 s: for a cluster that is in contact already a name is only of use when the
    /// cluster has come apart.
    pub dns_interval: Duration,
    /// How often a name is resolved while the node has no neighbour. Default 2 s, as long as a dial that failed pauses.
    pub dns_interval_alone: Duration,
    /// How long a resolver may take. Default 5 s: as long as most resolvers wait for one server. A lookup that takes longer
    /// goes on, and the next asker waits for it.
    pub dns_timeout: Duration,
    /// How often a file is looked at. Default 1 s.
    pub file_interval: Duration,
    /// Longest file that is read, in bytes. Default 64 KiB.
    pub file_bytes_max: u64,
    /// Most addresses of one name or file. Default 1,024: to join, any of them will do.
    pub addresses_max: usize,
}

/// Where to look.
#[derive(Debug, Default)]
pub(crate) struct Discovery {
    pub names: Vec<String>,
    pub files: Vec<PathBuf>,
    /// Who is on a broadcaster.
    pub heard: Option<watch::Receiver<Vec<String>>>,
    /// Addresses are those of a transport of the application's own, and need not be `host:port`.
    pub any_form: bool,
    pub config: DiscoveryConfig,
}

/// Where a source puts what it has found.
struct Report {
    at: usize,
    lists: Arc<Lists>,
}

struct Lists {
    driver: Arc<Driver>,
    /// What each source said last.
    found: Mutex<Vec<Vec<String>>>,
}

/// Tells what differs from what was last seen.
#[derive(Debug)]
struct News<T>(Option<T>);

impl Default for DiscoveryConfig {
    fn default() -> Self {
        Self {
            dns_interval: Duration::from_secs(30),
            dns_interval_alone: Duration::from_secs(2),
            dns_timeout: Duration::from_secs(5),
            file_interval: Duration::from_secs(1),
            file_bytes_max: 64 << 10,
            addresses_max: 1_024,
        }
    }
}

impl Discovery {
    pub fn is_empty(&self) -> bool {
        self.names.is_empty() && self.files.is_empty()
    }

    /// Starts a task for each source. They end with the driver.
    pub fn start(self, driver: &Arc<Driver>, lookups: &Arc<Lookups>) {
        let Self { names, files, heard, any_form, config } = self;
        let sources = names.len() + files.len() + usize::from(heard.is_some());
        let found = Mutex::new(vec![Vec::new(); sources]);
        let lists = Arc::new(Lists { driver: driver.clone(), found });
        let mut reports = (0..).map(|at| Report { at, lists: lists.clone() });
        for (name, report) in names.into_iter().zip(&mut reports) {
            tokio::spawn(dns::follow(name, lookups.clone(), report, config.clone()));
        }
        for (path, report) in files.into_iter().zip(&mut reports) {
            tokio::spawn(file::follow(path, any_form, report, config.clone()));
        }
        for (heard, report) in heard.into_iter().zip(&mut reports) {
            tokio::spawn(heard::follow(heard, report));
        }
    }
}

impl Report {
    fn put(&self, list: Vec<String>) {
        let mut found = self.lists.found.lock();
        if found[self.at] != list {
            found[self.at] = list;
            // Under the lock, so that of two sources that change at once the node hears the newest last.
            self.lists.driver.input([Input::Contacts(found.concat())]);
        }
    }

    fn is_alone(&self) -> bool {
        self.lists.driver.look(|node, _| node.active_view().is_empty())
    }

    fn stopping(&self) -> watch::Receiver<bool> {
        self.lists.driver.stopping()
    }
}

impl<T: PartialEq + Clone> News<T> {
    fn is_new(&mut self, seen: &T) -> bool {
        let is_new = self.0.as_ref() != Some(seen);
        self.0 = Some(seen.clone());
        is_new
    }
}
