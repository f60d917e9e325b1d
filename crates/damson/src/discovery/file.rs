//! A file with addresses of contacts, one a line, that is read again when it changes.

use std::fs::{File, Metadata};
use std::io::{ErrorKind, Read};
use std::path::PathBuf;
use std::time::SystemTime;

use super::{DiscoveryConfig, News, Report, check_address};

/// Bad lines of one file that are logged; the others are counted.
const LOGGED_MAX: usize = 8;

/// Looks at a file until the driver stops.
pub(super) async fn follow(path: PathBuf, any_form: bool, report: Report, config: DiscoveryConfig) {
    let mut stopping = report.stopping();
    let mut watched = Watched::new(path, any_form, &config);
    let mut news = News(None);
    loop {
        // Files may hang; the runtime's threads must not.
        let looked = tokio::task::spawn_blocking(move || {
            let found = watched.listing();
            (watched, found)
        });
        let Ok((back, found)) = looked.await else { return };
        watched = back;
        if let Some(listing) = found {
            if news.is_new(&listing) {
                log(&watched.path.display().to_string(), &listing);
            }
            if let Ok(listing) = listing {
                report.put(listing.addresses);
            }
        }
        tokio::select! {
            () = tokio::time::sleep(config.file_interval) => {}
            _ = stopping.wait_for(|stop| *stop) => return,
        }
    }
}

/// A file, and how it was when it was last looked at.
#[derive(Debug)]
struct Watched {
    path: PathBuf,
    any_form: bool,
    bytes_max: u64,
    addresses_max: usize,
    stamp: Option<(SystemTime, u64)>,
    settled: bool,
    /// It has named somebody.
    named_some: bool,
}

/// Why a file says nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Fault {
    Missing,
    /// It names nobody, and has named some before.
    Emptied,
    Unusable(String),
}

/// What a file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Listing {
    addresses: Vec<String>,
    /// The numbers of lines that are no addresses, and why.
    bad: Vec<(usize, &'static str)>,
    /// Addresses over the limit.
    left_out: usize,
}

impl Watched {
    fn new(path: PathBuf, any_form: bool, config: &DiscoveryConfig) -> Self {
        let (bytes_max, addresses_max) = (config.file_bytes_max, config.addresses_max);
        Self { path, any_form, bytes_max, addresses_max, stamp: None, settled: false, named_some: false }
    }

    /// What it says, if that may be something new.
    fn listing(&mut self) -> Option<Result<Listing, Fault>> {
        let found = self.look()?;
        let listing = found.map(|bytes| Listing::read(&bytes, self.any_form, self.addresses_max));
        Some(listing.and_then(|listing| self.unless_emptied(listing)))
    }

    /// A file that names nobody any more was cut short, or is being written: nobody means to have no contacts.
    fn unless_emptied(&mut self, listing: Listing) -> Result<Listing, Fault> {
        if self.named_some && listing.addresses.is_empty() {
            return Err(Fault::Emptied);
        }
        self.named_some |= !listing.addresses.is_empty();
        Ok(listing)
    }

    /// What stands there, if that may be something new.
    fn look(&mut self) -> Option<Result<Vec<u8>, Fault>> {
        let metadata = match std::fs::metadata(&self.path) {
            Ok(metadata) => metadata,
            Err(error) => {
                self.stamp = None;
                return Some(Err(Fault::of(&error)));
            }
        };
        let stamp = (metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH), metadata.len());
        let same = self.stamp == Some(stamp);
        if same && self.settled {
            return None;
        }
        // Who writes twice within a tick of the file system's clock leaves no trace of it: what is new is read twice.
        self.settled = same;
        self.stamp = Some(stamp);
        Some(self.read(&metadata))
    }

    fn read(&self, metadata: &Metadata) -> Result<Vec<u8>, Fault> {
        // To open a pipe would wait for a writer.
        if !metadata.is_file() {
            return Err(Fault::Unusable("it is no regular file".into()));
        }
        let file = File::open(&self.path).map_err(|error| Fault::of(&error))?;
        let mut bytes = Vec::new();
        file.take(self.bytes_max + 1).read_to_end(&mut bytes).map_err(|error| Fault::of(&error))?;
        if bytes.len() as u64 > self.bytes_max {
            return Err(Fault::Unusable(format!("it has more than {} bytes", self.bytes_max)));
        }
        Ok(bytes)
    }
}

impl Fault {
    fn of(error: &std::io::Error) -> Self {
        match error.kind() {
            ErrorKind::NotFound => Self::Missing,
            _ => Self::Unusable(error.to_string()),
        }
    }
}

impl Listing {
    fn read(bytes: &[u8], any_form: bool, addresses_max: usize) -> Self {
        let mut listing = Self::default();
        for (at, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
            let line =
                std::str::from_utf8(line).map(|line| line.split('#').next().unwrap_or_default().trim());
            let checked = match line {
                Ok("") => continue,
                Ok(address) => check_address(address, any_form).map(|()| address),
                Err(_) => Err("it is no text in UTF-8"),
            };
            match checked {
                Ok(_) if listing.addresses.len() >= addresses_max => listing.left_out += 1,
                Ok(address) => listing.addresses.push(address.into()),
                Err(reason) => listing.bad.push((at + 1, reason)),
            }
        }
        listing
    }
}

fn log(path: &str, found: &Result<Listing, Fault>) {
    match found {
        Err(Fault::Missing) => tracing::info!(path, "the file of contacts is not there: it is waited for"),
        Err(Fault::Emptied) => tracing::warn!(
            path,
            "the file of contacts names nobody any more: what it said before stays; write at least one address, or remove \
             the option"
        ),
        Err(Fault::Unusable(cause)) => tracing::warn!(
            path,
            cause,
            "the file of contacts cannot be read: it is tried again, what it said before stays; make it a readable \
             text file with one address a line"
        ),
        Ok(listing) => {
            tracing::info!(path, addresses = listing.addresses.len(), "contacts by file");
            for (line, reason) in listing.bad.iter().take(LOGGED_MAX) {
                tracing::warn!(
                    path,
                    line,
                    reason,
                    "the line is skipped: write host:port, or # before a comment"
                );
            }
            let more = listing.bad.len().saturating_sub(LOGGED_MAX);
            if more > 0 {
                tracing::warn!(path, more, "more lines are skipped");
            }
            if listing.left_out > 0 {
                tracing::warn!(
                    path,
                    left_out = listing.left_out,
                    "too many addresses: the last are left out"
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(listing: &Listing) -> Vec<&str> {
        listing.addresses.iter().map(String::as_str).collect()
    }

    #[test]
    fn comments_and_blank_lines_are_skipped_and_bad_lines_are_named_by_number() {
        let text =
            b"# the first three\n\n10.0.0.1:7400\r\n  n2:7400   # with a comment\nn3\n\xff\xfe\n[::1]:7400";
        let listing = Listing::read(text, false, 10);
        assert_eq!(addresses(&listing), ["10.0.0.1:7400", "n2:7400", "[::1]:7400"]);
        let bad: Vec<usize> = listing.bad.iter().map(|(line, _)| *line).collect();
        assert_eq!(bad, [5, 6]);
    }

    #[test]
    fn addresses_over_the_limit_are_left_out_and_counted() {
        let text: String = (1..=20).map(|n| format!("n{n}:7400\n")).collect();
        let listing = Listing::read(text.as_bytes(), false, 15);
        assert_eq!((listing.addresses.len(), listing.left_out), (15, 5));
    }

    fn watched(path: PathBuf) -> Watched {
        let config = DiscoveryConfig { file_bytes_max: 100, ..DiscoveryConfig::default() };
        Watched::new(path, false, &config)
    }

    #[test]
    fn a_file_is_waited_for_and_read_again_when_it_changes_and_only_then() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("contacts");
        let mut file = watched(path.clone());
        assert_eq!(file.look(), Some(Err(Fault::Missing)));
        std::fs::write(&path, "a:1").unwrap();
        assert_eq!(file.look(), Some(Ok(b"a:1".to_vec())));
        assert_eq!(
            file.look(),
            Some(Ok(b"a:1".to_vec())),
            "once more: it may have changed within the same tick"
        );
        assert_eq!(file.look(), None);
        std::fs::write(&path, "a:1\nb:2").unwrap();
        assert_eq!(file.look(), Some(Ok(b"a:1\nb:2".to_vec())));
        std::fs::remove_file(&path).unwrap();
        assert_eq!(file.look(), Some(Err(Fault::Missing)));
    }

    #[test]
    fn a_file_that_was_emptied_after_it_named_somebody_is_a_fault_and_not_a_list_of_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("contacts");
        let mut file = watched(path.clone());
        let mut says = |text: &str| {
            std::fs::write(&path, text).unwrap();
            file.listing().unwrap().map(|listing| listing.addresses)
        };
        assert_eq!(says("# nobody yet"), Ok(vec![]));
        assert_eq!(says("a:1"), Ok(vec!["a:1".into()]));
        for emptied in ["", "# all gone", "a"] {
            assert_eq!(says(emptied), Err(Fault::Emptied), "{emptied:?}");
        }
        assert_eq!(says("b:22"), Ok(vec!["b:22".into()]));
    }

    #[test]
    fn what_is_too_long_or_no_file_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("contacts");
        std::fs::write(&path, "x".repeat(101)).unwrap();
        let unusable = |found| matches!(found, Some(Err(Fault::Unusable(_))));
        assert!(unusable(watched(path).look()));
        assert!(unusable(watched(dir.path().into()).look()));
    }
}
