//! Replies to bytes.

use super::integer::push_i64;

/// The version of the protocol that a client asked for with HELLO.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protocol {
    /// RESP2, which every client speaks.
    #[default]
    Resp2,
    /// RESP3, with maps, sets and a null of their own.
    Resp3,
}

/// Writes replies behind one another into a connection's buffer.
#[derive(Debug)]
pub struct Reply<'a> {
    out: &'a mut Vec<u8>,
    protocol: Protocol,
}

impl Protocol {
    /// 2 or 3.
    pub const fn number(self) -> i64 {
        match self {
            Self::Resp2 => 2,
            Self::Resp3 => 3,
        }
    }
}

impl<'a> Reply<'a> {
    /// Replies go behind what is in the buffer.
    pub fn new(out: &'a mut Vec<u8>, protocol: Protocol) -> Self {
        Self { out, protocol }
    }

    /// From here on in another version of the protocol.
    pub fn speak(&mut self, protocol: Protocol) {
        self.protocol = protocol;
    }

    /// `+OK`.
    pub fn ok(&mut self) {
        self.out.extend_from_slice(b"+OK\r\n");
    }

    /// A short text without line breaks.
    pub fn simple(&mut self, text: &str) {
        self.line(b'+', text);
    }

    /// An error; its first word is the code that clients look at.
    pub fn error(&mut self, text: &str) {
        self.line(b'-', text);
    }

    /// An integer.
    pub fn integer(&mut self, n: i64) {
        self.number(b':', n);
    }

    /// A number of things.
    pub fn count(&mut self, n: usize) {
        self.integer(i64::try_from(n).unwrap_or(i64::MAX));
    }

    /// 1 or 0.
    pub fn bit(&mut self, on: bool) {
        self.out.extend_from_slice(if on { b":1\r\n" } else { b":0\r\n" });
    }

    /// Bytes.
    pub fn bulk(&mut self, bytes: &[u8]) {
        self.out.reserve(bytes.len() + 24);
        self.header(b'$', bytes.len());
        self.out.extend_from_slice(bytes);
        self.out.extend_from_slice(b"\r\n");
    }

    /// Bytes, or null.
    pub fn optional(&mut self, bytes: Option<&[u8]>) {
        match bytes {
            Some(bytes) => self.bulk(bytes),
            None => self.null(),
        }
    }

    /// Nothing there.
    pub fn null(&mut self) {
        self.out.extend_from_slice(match self.protocol {
            Protocol::Resp2 => b"$-1\r\n",
            Protocol::Resp3 => b"_\r\n",
        });
    }

    /// The head of an array; its elements are written next.
    pub fn array(&mut self, len: usize) {
        self.header(b'*', len);
    }

    /// The head of a map; a key and a value for each of `len` entries are written next.
    pub fn map(&mut self, len: usize) {
        match self.protocol {
            Protocol::Resp2 => self.header(b'*', 2 * len),
            Protocol::Resp3 => self.header(b'%', len),
        }
    }

    /// The head of a set; its elements are written next.
    pub fn set(&mut self, len: usize) {
        match self.protocol {
            Protocol::Resp2 => self.header(b'*', len),
            Protocol::Resp3 => self.header(b'~', len),
        }
    }

    /// A text for people.
    pub fn text(&mut self, text: &str) {
        match self.protocol {
            Protocol::Resp2 => self.bulk(text.as_bytes()),
            Protocol::Resp3 => {
                self.header(b'=', text.len() + 4);
                self.out.extend_from_slice(b"txt:");
                self.out.extend_from_slice(text.as_bytes());
                self.out.extend_from_slice(b"\r\n");
            }
        }
    }

    fn header(&mut self, sign: u8, len: usize) {
        self.number(sign, i64::try_from(len).unwrap_or(i64::MAX));
    }

    fn number(&mut self, sign: u8, n: i64) {
        self.out.push(sign);
        push_i64(self.out, n);
        self.out.extend_from_slice(b"\r\n");
    }

    fn line(&mut self, sign: u8, text: &str) {
        self.out.push(sign);
        // A line break from within, such as a client's own words in an error, must not look like the end.
        self.out.extend(text.bytes().map(|byte| if byte.is_ascii_control() { b' ' } else { byte }));
        self.out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(protocol: Protocol, write: impl FnOnce(&mut Reply<'_>)) -> String {
        let mut out = Vec::new();
        write(&mut Reply::new(&mut out, protocol));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn resp2_and_resp3_differ_in_nulls_maps_sets_and_texts() {
        let all = |reply: &mut Reply<'_>| {
            reply.null();
            reply.map(1);
            reply.set(2);
            reply.array(3);
            reply.text("hi");
        };
        assert_eq!(written(Protocol::Resp2, all), "$-1\r\n*2\r\n*2\r\n*3\r\n$2\r\nhi\r\n");
        assert_eq!(written(Protocol::Resp3, all), "_\r\n%1\r\n~2\r\n*3\r\n=6\r\ntxt:hi\r\n");
    }

    #[test]
    fn line_breaks_do_not_end_an_error_early() {
        assert_eq!(written(Protocol::Resp2, |reply| reply.error("ERR a\r\n+OK")), "-ERR a  +OK\r\n");
    }
}
