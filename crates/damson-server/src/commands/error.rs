//! Why a command was refused, in the words that Redis uses.

use damson::{LimitError, WriteError};

use crate::resp::Args;

/// What a command comes to.
pub(crate) type Outcome = Result<(), CommandError>;

/// A command that was refused. It changed nothing, unless the variant says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CommandError {
    #[error("ERR unknown command `{name}`, with args beginning with: {args}")]
    Unknown { name: String, args: String },
    #[error("ERR unknown subcommand '{name}'. Try {command} HELP.")]
    UnknownSubcommand { command: &'static str, name: String },
    #[error("ERR wrong number of arguments for '{command}' command")]
    Arity { command: String },
    #[error("WRONGTYPE Operation against a key holding the wrong kind of value")]
    WrongType,
    #[error("ERR value is not an integer or out of range")]
    NotInteger,
    #[error("ERR increment or decrement would overflow")]
    Overflow,
    #[error("ERR decrement would overflow")]
    DecrementOverflow,
    #[error("ERR syntax error")]
    Syntax,
    #[error("ERR invalid expire time in '{command}' command")]
    ExpireTime { command: &'static str },
    /// Other wrong arguments, with the text for the client.
    #[error("{0}")]
    Argument(String),
    #[error("ERR {0}")]
    Limit(#[from] LimitError),
    /// A pattern that would need too much work.
    #[error("ERR the pattern is too costly to match, use fewer *")]
    Pattern,
    /// The scope is not hosted here, or there are too many scopes, or the node has stopped.
    #[error("ERR {0}")]
    Unavailable(WriteError),
    /// The state is at its limit of memory, and this would add to it.
    #[error("OOM command not allowed when used memory > 'maxmemory'.")]
    OutOfMemory,
    /// Peers or the disk are behind what is written, and it was waited for them in vain.
    #[error("TRYAGAIN {0}")]
    Busy(WriteError),
    /// The disk has failed. Writes before this may be visible here and on other nodes.
    #[error("MISCONF storage has failed, so writes are not acknowledged: {cause}")]
    Storage { cause: String },
}

/// How much of a client's own words is repeated in an error, in bytes.
const ECHO_BYTES_MAX: usize = 128;

impl CommandError {
    /// All that [`CommandError::kind`] returns.
    pub const KINDS: [&'static str; 11] = [
        "unknown_command",
        "arity",
        "wrong_type",
        "not_integer",
        "syntax",
        "argument",
        "limit",
        "unavailable",
        "out_of_memory",
        "busy",
        "storage",
    ];

    /// A short name for metrics.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Unknown { .. } | Self::UnknownSubcommand { .. } => "unknown_command",
            Self::Arity { .. } => "arity",
            Self::WrongType => "wrong_type",
            Self::NotInteger | Self::Overflow | Self::DecrementOverflow => "not_integer",
            Self::Syntax => "syntax",
            Self::ExpireTime { .. } | Self::Argument(_) => "argument",
            Self::Limit(_) | Self::Pattern => "limit",
            Self::Unavailable(_) => "unavailable",
            Self::OutOfMemory => "out_of_memory",
            Self::Busy(_) => "busy",
            Self::Storage { .. } => "storage",
        }
    }

    /// No such command.
    pub fn unknown(args: Args<'_>) -> Self {
        let mut shown = String::new();
        for arg in args.iter().skip(1) {
            if shown.len() >= ECHO_BYTES_MAX {
                break;
            }
            shown.push_str(&format!("`{}`, ", echo(arg)));
        }
        Self::Unknown { name: echo(args.at(0)), args: shown }
    }

    /// No such subcommand.
    pub fn subcommand(command: &'static str, name: &[u8]) -> Self {
        Self::UnknownSubcommand { command, name: echo(name) }
    }

    /// A text for the client.
    pub fn argument(text: impl Into<String>) -> Self {
        Self::Argument(text.into())
    }
}

impl From<WriteError> for CommandError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::WrongType { .. } => Self::WrongType,
            WriteError::Limit(limit) => Self::Limit(limit),
            WriteError::NotInteger => Self::NotInteger,
            WriteError::Overflow => Self::Overflow,
            WriteError::OutOfMemory { .. } => Self::OutOfMemory,
            WriteError::Busy { .. } => Self::Busy(error),
            WriteError::Storage { cause } => Self::Storage { cause },
            other => Self::Unavailable(other),
        }
    }
}

/// A client's own words, cut.
pub(super) fn echo(text: &[u8]) -> String {
    String::from_utf8_lossy(&text[..text.len().min(ECHO_BYTES_MAX)]).into_owned()
}
