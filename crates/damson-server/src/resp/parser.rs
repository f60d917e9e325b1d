//! Bytes to commands, as they arrive.

use super::args::{Args, Span};
use super::error::ProtocolError;
use super::inline;
use super::integer::{parse_i64, parse_u64};

/// A line with a number is refused when it has not ended after this many bytes: numbers have at most 20.
const NUMBER_LINE_BYTES_MAX: usize = 64;
/// Spans kept allocated between commands.
const SPANS_KEPT_MAX: usize = 1_024;

/// Bounds of one command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseLimits {
    /// Most arguments, the name included. Default 1,048,576, as Redis has it.
    pub args_max: usize,
    /// Longest argument, in bytes. Default 16 MiB: that of a value.
    pub bulk_bytes_max: usize,
    /// Longest command, in bytes, at most 4 GiB. Default 64 MiB: room for some of the longest values in one MSET.
    pub command_bytes_max: usize,
    /// Longest inline command, in bytes. Default 64 KiB, as Redis has it.
    pub inline_bytes_max: usize,
}

/// Looks for one command at the start of the bytes that are there.
#[derive(Debug)]
pub struct Parser {
    limits: ParseLimits,
    state: State,
    /// Bytes looked at.
    at: usize,
    spans: Vec<Span>,
    /// What the spans of an inline command lie in, because escapes make it differ from what was received.
    inline: Option<Vec<u8>>,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Start,
    Inline,
    Count,
    Length { args_left: usize },
    Body { args_left: usize, len: usize },
    Done,
}

impl Default for ParseLimits {
    fn default() -> Self {
        Self {
            args_max: 1 << 20,
            bulk_bytes_max: 16 << 20,
            command_bytes_max: 64 << 20,
            inline_bytes_max: 64 << 10,
        }
    }
}

impl Parser {
    /// A parser at the start of a command.
    pub fn new(limits: ParseLimits) -> Self {
        let limits =
            ParseLimits { command_bytes_max: limits.command_bytes_max.min(u32::MAX as usize), ..limits };
        Self { limits, state: State::Start, at: 0, spans: Vec::new(), inline: None }
    }

    /// Looks at the bytes from the start of a command on: those of the call before, and what has arrived since.
    ///
    /// Returns how many bytes the command has, once it is complete; [`Parser::args`] are its arguments then, none for
    /// an empty line. `None` asks for more bytes.
    ///
    /// # Errors
    /// [`ProtocolError`]: the connection cannot be understood any more.
    pub fn advance(&mut self, bytes: &[u8]) -> Result<Option<usize>, ProtocolError> {
        loop {
            let moved = match self.state {
                State::Start => self.start(bytes),
                State::Inline => self.inline(bytes)?,
                State::Count => self.count(bytes)?,
                State::Length { args_left } => self.length(bytes, args_left)?,
                State::Body { args_left, len } => self.body(bytes, args_left, len)?,
                State::Done => return Ok(Some(self.at)),
            };
            if !moved {
                return Ok(None);
            }
        }
    }

    /// The arguments of a complete command; `bytes` are those that [`Parser::advance`] saw.
    pub fn args<'a>(&'a self, bytes: &'a [u8]) -> Args<'a> {
        Args::new(self.inline.as_deref().unwrap_or(bytes), &self.spans)
    }

    /// Makes ready for the next command.
    pub fn reset(&mut self) {
        self.state = State::Start;
        self.at = 0;
        self.inline = None;
        self.spans.clear();
        if self.spans.capacity() > SPANS_KEPT_MAX {
            self.spans.shrink_to(SPANS_KEPT_MAX);
        }
    }

    fn start(&mut self, bytes: &[u8]) -> bool {
        match bytes.first() {
            None => return false,
            Some(b'*') => {
                self.at = 1;
                self.state = State::Count;
            }
            Some(_) => self.state = State::Inline,
        }
        true
    }

    fn inline(&mut self, bytes: &[u8]) -> Result<bool, ProtocolError> {
        let end = bytes[self.at..].iter().position(|byte| *byte == b'\n').map(|found| self.at + found);
        // What was looked at is not looked at again when more arrives.
        self.at = end.map_or(bytes.len(), |end| end + 1);
        if self.at > self.limits.inline_bytes_max {
            return Err(ProtocolError::InlineTooLong);
        }
        let Some(end) = end else { return Ok(false) };
        let mut text = Vec::with_capacity(end);
        inline::split(&bytes[..end], &mut text, &mut self.spans)?;
        self.inline = Some(text);
        self.state = State::Done;
        Ok(true)
    }

    fn count(&mut self, bytes: &[u8]) -> Result<bool, ProtocolError> {
        let Some(line) = self.number_line(bytes, ProtocolError::ArgumentCountLine)? else { return Ok(false) };
        let count = line.and_then(parse_i64).ok_or(ProtocolError::ArgumentCount)?;
        // A negative count is an empty command to Redis.
        let count = usize::try_from(count.max(0)).map_err(|_| ProtocolError::ArgumentCount)?;
        if count > self.limits.args_max {
            return Err(ProtocolError::ArgumentCount);
        }
        self.state = if count == 0 { State::Done } else { State::Length { args_left: count } };
        Ok(true)
    }

    fn length(&mut self, bytes: &[u8], args_left: usize) -> Result<bool, ProtocolError> {
        match bytes.get(self.at) {
            None => return Ok(false),
            Some(b'$') => {}
            Some(got) => return Err(ProtocolError::ExpectedBulk { got: *got }),
        }
        let Some(line) = self.number_line(bytes, ProtocolError::BulkLengthLine)? else { return Ok(false) };
        let len = line.and_then(|line| parse_u64(&line[1..])).ok_or(ProtocolError::BulkLength)?;
        let limit = self.limits.bulk_bytes_max;
        let fits = usize::try_from(len).ok().filter(|len| *len <= limit);
        let len = fits.ok_or(ProtocolError::BulkTooLong { got: len, limit })?;
        let limit = self.limits.command_bytes_max;
        if self.at + len + 2 > limit {
            return Err(ProtocolError::CommandTooLong { got: (self.at + len + 2) as u64, limit });
        }
        self.state = State::Body { args_left, len };
        Ok(true)
    }

    fn body(&mut self, bytes: &[u8], args_left: usize, len: usize) -> Result<bool, ProtocolError> {
        let end = self.at + len;
        let Some(crlf) = bytes.get(end..end + 2) else { return Ok(false) };
        if crlf != b"\r\n" {
            return Err(ProtocolError::BulkEnd);
        }
        // Both fit: the command is within `command_bytes_max`.
        self.spans.push(Span { start: self.at as u32, len: len as u32 });
        self.at = end + 2;
        self.state = if args_left == 1 { State::Done } else { State::Length { args_left: args_left - 1 } };
        Ok(true)
    }

    /// The line here without its end; the inner `None` is one that does not end with CRLF.
    fn number_line<'a>(
        &mut self,
        bytes: &'a [u8],
        too_long: ProtocolError,
    ) -> Result<Option<Option<&'a [u8]>>, ProtocolError> {
        let rest = &bytes[self.at..];
        let window = &rest[..rest.len().min(NUMBER_LINE_BYTES_MAX)];
        match window.iter().position(|byte| *byte == b'\n') {
            Some(end) => {
                self.at += end + 1;
                Ok(Some(rest[..end].strip_suffix(b"\r")))
            }
            None if window.len() == NUMBER_LINE_BYTES_MAX => Err(too_long),
            None => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests;
