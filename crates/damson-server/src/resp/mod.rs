//! The Redis protocol, RESP2 and RESP3: bytes to commands, replies to bytes. Nothing here does any I/O.
//!
//! A [`Parser`] looks at the bytes that a connection has received so far and remembers where it stopped, so that input
//! in small pieces is not looked at twice. It copies nothing: arguments are spans of the connection's buffer. Lengths
//! are checked against [`ParseLimits`] when they are announced, before anything is allocated for them.
//!
//! ```
//! use damson_server::resp::{ParseLimits, Parser};
//!
//! let mut parser = Parser::new(ParseLimits::default());
//! let bytes = b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n*1\r\n";
//! assert_eq!(parser.advance(&bytes[..9]), Ok(None)); //        more is needed
//! assert_eq!(parser.advance(bytes), Ok(Some(20))); //          20 bytes are one command
//! assert_eq!(parser.args(bytes).iter().collect::<Vec<_>>(), [&b"GET"[..], b"k"]);
//! parser.reset(); //                                           go on with the bytes behind it
//! ```

mod args;
mod error;
mod inline;
mod integer;
mod parser;
mod reply;

pub use args::Args;
pub use error::ProtocolError;
pub use integer::{parse_i64, parse_u64};
pub use parser::{ParseLimits, Parser};
pub use reply::{Protocol, Reply};
