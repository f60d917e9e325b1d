//! The file with the cluster secret.

use std::path::Path;

use anyhow::{Context, bail};

const DIGITS: usize = 64;
/// A secret and white space around it; anything longer is something else.
const FILE_BYTES_MAX: u64 = 4_096;

/// Reads a secret: 64 hexadecimal digits, white space around them ignored.
pub fn read(path: &Path) -> anyhow::Result<[u8; 32]> {
    let name = path.display();
    let size =
        std::fs::metadata(path).with_context(|| format!("cannot read the cluster secret {name}"))?.len();
    if size > FILE_BYTES_MAX {
        bail!("the cluster secret {name} has {size} bytes; a secret is {DIGITS} hexadecimal digits");
    }
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read the cluster secret {name}"))?;
    let text = text.trim();
    if text.len() != DIGITS || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        bail!(
            "the cluster secret {name} must be {DIGITS} hexadecimal digits; make one with `openssl rand -hex 32`"
        );
    }
    let mut out = [0; 32];
    for (at, byte) in out.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16)?;
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_64_digits_with_white_space_around() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        std::fs::write(&path, format!("  {}\n", "0f".repeat(32))).unwrap();
        assert_eq!(read(&path).unwrap(), [0x0f; 32]);
        for bad in ["", "0f", &"zz".repeat(32), &"0".repeat(65), &"é".repeat(32)] {
            std::fs::write(&path, bad).unwrap();
            assert!(read(&path).unwrap_err().to_string().contains("64 hexadecimal digits"), "{bad}");
        }
        assert!(read(&dir.path().join("none")).is_err());
    }
}
