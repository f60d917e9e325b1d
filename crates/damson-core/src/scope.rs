//! Names of keyspaces.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::casts::Tag;

/// The name of a scope: 1 to 64 bytes of letters, digits, `.`, `-`, `_`, `:` and `~`. Names that begin with `~` belong
/// to the system.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScopeName(Arc<str>);

/// The text is no scope name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a scope name is 1 to {max} of a-z A-Z 0-9 . - _ : ~, and ~ begins those of the system, got {got:?}",
    max = ScopeName::BYTES_MAX
)]
pub struct ScopeNameError {
    got: String,
}

impl ScopeName {
    /// Longest name, in bytes.
    pub const BYTES_MAX: usize = 64;

    /// The scope of the roster.
    pub fn roster() -> Self {
        Self(Arc::from("~roster"))
    }

    /// A scope that users may have: what they write to one of the system would be taken for its own.
    ///
    /// # Errors
    /// When the text is no scope name, or one of the system's.
    pub fn of_users(text: &str) -> Result<Self, ScopeNameError> {
        text.parse()
            .and_then(|name: Self| if name.is_system() { Err(ScopeNameError::new(text)) } else { Ok(name) })
    }

    /// The first name, in order, under which casts can travel.
    pub(crate) fn first_cast() -> Self {
        Self(Arc::from(Tag::PREFIX))
    }

    /// Is it the name of a stream of casts, which no replica has?
    pub fn is_cast(&self) -> bool {
        self.0.starts_with(Tag::PREFIX)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Does the scope belong to the system, and not to users?
    pub fn is_system(&self) -> bool {
        self.0.starts_with('~')
    }
}

impl FromStr for ScopeName {
    type Err = ScopeNameError;

    fn from_str(text: &str) -> Result<Self, ScopeNameError> {
        let sound = (1..=Self::BYTES_MAX).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_:~".contains(&b));
        if sound { Ok(Self(text.into())) } else { Err(ScopeNameError::new(text)) }
    }
}

impl ScopeNameError {
    fn new(text: &str) -> Self {
        Self { got: text.chars().take(80).collect() }
    }
}

impl fmt::Display for ScopeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ScopeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
