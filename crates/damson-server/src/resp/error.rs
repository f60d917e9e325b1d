//! What is wrong with bytes that are no command.

/// The bytes do not follow the protocol. Nothing after them can be understood, so the connection ends with this as its
/// last reply; commands before them were executed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// The number of arguments is no number, or over the limit.
    #[error("Protocol error: invalid multibulk length")]
    ArgumentCount,
    /// The line with the number of arguments does not end.
    #[error("Protocol error: too big mbulk count string")]
    ArgumentCountLine,
    /// The length of an argument is no number.
    #[error("Protocol error: invalid bulk length")]
    BulkLength,
    /// An argument is longer than any value may be. Nothing was allocated for it.
    #[error("Protocol error: invalid bulk length: {got} bytes is over the limit of {limit} bytes")]
    BulkTooLong {
        /// Its length, in bytes.
        got: u64,
        /// The limit.
        limit: usize,
    },
    /// The line with the length of an argument does not end.
    #[error("Protocol error: too big bulk count string")]
    BulkLengthLine,
    /// An argument does not begin with its length.
    #[error("Protocol error: expected '$', got '{}'", got.escape_ascii())]
    ExpectedBulk {
        /// What it begins with.
        got: u8,
    },
    /// An argument is longer than announced.
    #[error("Protocol error: no CRLF after bulk")]
    BulkEnd,
    /// All arguments together are over the limit.
    #[error("Protocol error: too big command: {got} bytes is over the limit of {limit} bytes")]
    CommandTooLong {
        /// The bytes announced so far.
        got: u64,
        /// The limit.
        limit: usize,
    },
    /// An inline command is over its limit.
    #[error("Protocol error: too big inline request")]
    InlineTooLong,
    /// Quotes in an inline command that do not close, or that text follows without a blank.
    #[error("Protocol error: unbalanced quotes in request")]
    Quotes,
}
