//! What can be a value: bytes, text, or anything serde knows, as JSON.

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A type that is stored as bytes. What is stored is exactly [`Value::encode`], readable through every surface.
pub trait Value: Sized {
    /// The bytes to store.
    ///
    /// # Errors
    /// When the value cannot be represented.
    fn encode(&self) -> Result<Bytes, ValueError>;
    /// The value of stored bytes.
    ///
    /// # Errors
    /// When the bytes are something else, for example written by another program.
    fn decode(bytes: Bytes) -> Result<Self, ValueError>;
}

/// Any type that serde knows, stored as JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Json<T>(pub T);

/// Bytes that are not what the type expects, or a value that cannot be written. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ValueError {
    /// Not JSON of this type.
    #[error("the value is not JSON of this type: {0}")]
    Json(#[from] serde_json::Error),
    /// Not text.
    #[error("the value is not UTF-8 text")]
    Text,
}

impl<T: Serialize + DeserializeOwned> Value for Json<T> {
    fn encode(&self) -> Result<Bytes, ValueError> {
        Ok(serde_json::to_vec(&self.0)?.into())
    }

    fn decode(bytes: Bytes) -> Result<Self, ValueError> {
        Ok(Self(serde_json::from_slice(&bytes)?))
    }
}

impl Value for Bytes {
    fn encode(&self) -> Result<Bytes, ValueError> {
        Ok(self.clone())
    }

    fn decode(bytes: Bytes) -> Result<Self, ValueError> {
        Ok(bytes)
    }
}

impl Value for Vec<u8> {
    fn encode(&self) -> Result<Bytes, ValueError> {
        Ok(self.clone().into())
    }

    fn decode(bytes: Bytes) -> Result<Self, ValueError> {
        Ok(bytes.into())
    }
}

impl Value for String {
    fn encode(&self) -> Result<Bytes, ValueError> {
        Ok(self.clone().into())
    }

    fn decode(bytes: Bytes) -> Result<Self, ValueError> {
        Self::from_utf8(bytes.into()).map_err(|_| ValueError::Text)
    }
}
