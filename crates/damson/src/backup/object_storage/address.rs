//! `s3://BUCKET/PREFIX`

use std::fmt;

use object_store::path::Path as Key;

use super::StorageError;

/// A prefix in a bucket; the bucket itself, if the prefix is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    pub bucket: String,
    pub prefix: Key,
}

impl Address {
    pub fn parse(text: &str) -> Result<Self, StorageError> {
        let wrong = |cause: &str| StorageError::Address { address: text.into(), cause: cause.into() };
        let rest = text.strip_prefix("s3://").ok_or_else(|| wrong("it does not begin with s3://"))?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        // It becomes part of a URL.
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
        if bucket.is_empty() || !bucket.bytes().all(is_plain) {
            return Err(wrong("that is no name of a bucket"));
        }
        let prefix = Key::parse(prefix).map_err(|error| wrong(&error.to_string()))?;
        Ok(Self { bucket: bucket.into(), prefix })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_and_written() {
        for (text, bucket, prefix) in [
            ("s3://bucket/a/b", "bucket", "a/b"),
            ("s3://my.bucket-1/a/", "my.bucket-1", "a"),
            ("s3://bucket", "bucket", ""),
        ] {
            let address = Address::parse(text).unwrap();
            assert_eq!((&*address.bucket, address.prefix.as_ref()), (bucket, prefix), "{text}");
            assert_eq!(Address::parse(&address.to_string()).unwrap(), address);
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in
            ["s3://", "s3:///prefix", "s3://buck et/a", "s3://b?x=/a", "s3://bucket/a//b", "s3://bucket/../a"]
        {
            assert!(Address::parse(text).is_err(), "{text}");
        }
    }
}
