//! Who a node is: an Ed25519 key pair, and nothing else.
//!
//! The node id is a hash of the public key, so a node needs no authority to have one, and whoever claims an id must
//! hold the key behind it. The key lives in one file of the data directory; a lost file is a new node, a copied file
//! is two nodes with one id (which peers refuse).

mod rotation;

use std::{
    fmt::{self, Write as _},
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use rcgen::{CertificateParams, DnType, KeyPair, PKCS_ED25519, PublicKeyData};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

pub(crate) use rotation::key_of;
pub use rotation::{Rotated, RotationError, rotate_data_dir};

/// A key file is about 170 bytes; anything longer than this is something else and is not read to its end.
const KEY_FILE_BYTES_MAX: u64 = 4096;

/// The key pair that makes a node the node it is.
pub struct Identity {
    key: KeyPair,
    node_id: [u8; 16],
}

impl Identity {
    /// Makes a new identity from the randomness of the operating system; nothing is written.
    ///
    /// # Panics
    /// If the operating system has no randomness to give: there is nothing safe to go on with.
    pub fn generate() -> Identity {
        let key = KeyPair::generate_for(&PKCS_ED25519).expect("the operating system gives randomness");
        Identity::from_key(key)
    }

    /// Reads the identity in `path` (PKCS#8, PEM), or makes one and writes it there with mode 0600.
    ///
    /// The new file is complete and durable before it gets its name, so a crash leaves either no identity or a whole
    /// one. The caller holds the lock of the data directory: two processes that create at once would each believe
    /// in their own.
    ///
    /// # Errors
    /// A file that is there but cannot be read or understood is an error and stays as it is: replacing it would
    /// silently turn this node into another one.
    pub fn load_or_create(path: impl AsRef<Path>) -> Result<Identity, IdentityError> {
        let path = path.as_ref();
        match Identity::load(path)? {
            Some(identity) => Ok(identity),
            None => Identity::create(path),
        }
    }

    /// The identity in `path`, if there is such a file.
    fn load(path: &Path) -> Result<Option<Identity>, IdentityError> {
        let damaged = || IdentityError::Damaged { path: path.into() };
        match read_key_file(path) {
            Ok(text) => Identity::parse(&text).map(Some).ok_or_else(damaged),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(damaged()),
            Err(source) => Err(IdentityError::Read { path: path.into(), source }),
        }
    }

    /// The node id: the first 16 bytes of BLAKE3 of the raw public key.
    pub fn node_id(&self) -> [u8; 16] {
        self.node_id
    }

    /// A self-signed certificate around the public key, as TLS wants one. Every call gives the same bytes.
    pub(crate) fn certificate(&self) -> CertificateDer<'static> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, hex(&self.node_id));
        // The default validity ends in the year 4096: a node's right to join is not decided by its certificate.
        let certificate = params.self_signed(&self.key).expect("a fixed template and an Ed25519 key");
        certificate.der().clone()
    }

    /// The private key, as TLS wants it.
    pub(crate) fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key.serialize_der()).into()
    }

    fn from_key(key: KeyPair) -> Identity {
        let node_id = node_id_of(key.der_bytes());
        Identity { key, node_id }
    }

    fn parse(text: &str) -> Option<Identity> {
        let key = KeyPair::from_pkcs8_pem_and_sign_algo(text, &PKCS_ED25519).ok()?;
        Some(Identity::from_key(key))
    }

    fn create(path: &Path) -> Result<Identity, IdentityError> {
        let identity = Identity::generate();
        let written = write_durably(path, &hex(&identity.node_id), identity.key.serialize_pem().as_bytes());
        written.map_err(|source| IdentityError::Write { path: path.into(), source })?;
        Ok(identity)
    }
}

impl fmt::Debug for Identity {
    /// Shows the node id and never the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", hex(&self.node_id))
    }
}

/// Why there is no identity.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// The file is there but is no Ed25519 key in PKCS#8; it was left as it is.
    #[error(
        "{} is not an Ed25519 private key (PKCS#8, PEM); it was left untouched: \
         restore it from a backup, or remove it to become a new node", path.display()
    )]
    Damaged {
        /// The key file.
        path: PathBuf,
    },
    /// There is no key that could be replaced.
    #[error("there is no node key at {}: nothing to rotate, a start makes one", path.display())]
    Missing {
        /// The key file.
        path: PathBuf,
    },
    /// The file could not be read; it was left as it is.
    #[error("cannot read the node key {}: {source}", path.display())]
    Read {
        /// The key file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The new key could not be written; no file of that name came into being.
    #[error("cannot write the node key {}: {source}", path.display())]
    Write {
        /// The key file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

/// The node id that belongs to a raw Ed25519 public key.
pub(crate) fn node_id_of(public_key: &[u8]) -> [u8; 16] {
    let hash = blake3::hash(public_key);
    *hash.as_bytes().first_chunk().expect("a hash has 32 bytes")
}

/// Lower-case hexadecimal, for file names and messages.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes everything");
        text
    })
}

fn read_key_file(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(KEY_FILE_BYTES_MAX).read_to_string(&mut text)?;
    Ok(text)
}

/// Writes `content` under a name of its own, makes it durable, and only then gives it the name `path`.
pub(crate) fn write_durably(path: &Path, unique: &str, content: &[u8]) -> io::Result<()> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let temporary = directory.join(format!(".{unique}.tmp"));
    let renamed = write_private(&temporary, content).and_then(|()| fs::rename(&temporary, path));
    if renamed.is_err() {
        // Best effort: a key that nobody will use should not lie about.
        let _ = fs::remove_file(&temporary);
    }
    renamed?;
    #[cfg(unix)]
    File::open(directory)?.sync_all()?;
    Ok(())
}

fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_created_identity_is_the_same_when_loaded_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("node.key");
        let created = Identity::load_or_create(&path).unwrap();
        let loaded = Identity::load_or_create(&path).unwrap();
        assert_eq!(created.node_id(), loaded.node_id());
        assert_eq!(created.certificate(), loaded.certificate());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "no temporary file is left");
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_can_read_the_key() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("node.key");
        Identity::load_or_create(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_damaged_file_is_an_error_that_names_it_and_stays_as_it_was() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("node.key");
        Identity::load_or_create(&path).unwrap();
        let whole = fs::read(&path).unwrap();
        let mut flipped = whole.clone();
        flipped[60] ^= 1;
        for damaged in [&whole[..40], b"", b"\xff\xfe", &flipped] {
            fs::write(&path, damaged).unwrap();
            let error = Identity::load_or_create(&path).unwrap_err();
            assert!(matches!(error, IdentityError::Damaged { .. }), "{error}");
            assert!(error.to_string().contains("node.key"));
            assert_eq!(fs::read(&path).unwrap(), damaged);
        }
    }

    #[test]
    fn a_directory_that_is_not_there_is_an_error_that_names_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let error = Identity::load_or_create(directory.path().join("gone/node.key")).unwrap_err();
        assert!(matches!(error, IdentityError::Write { .. }));
        assert!(error.to_string().contains("gone/node.key"));
    }

    #[test]
    fn the_debug_form_does_not_show_the_key() {
        let identity = Identity::generate();
        assert_eq!(format!("{identity:?}"), format!("Identity({})", hex(&identity.node_id())));
    }
}
