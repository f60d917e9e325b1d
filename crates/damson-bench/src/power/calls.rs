//! What strace wrote, as calls in the order in which they began and ended.
//!
//! A call that another thread interrupts is written in two parts, `<unfinished ...>` and `<... resumed>`. Strings and paths
//! are in hexadecimal (`-xx`), and descriptors are followed by what they stand for (`-yy`).

use std::collections::BTreeMap;

use anyhow::{Context, bail, ensure};

/// A system call that succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    pub name: String,
    pub args: Vec<Arg>,
    pub result: u64,
    /// What the descriptor that was returned stands for.
    pub path: Option<String>,
}

/// An argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arg {
    /// A descriptor and what it stands for.
    Descriptor(i64, String),
    Bytes(Vec<u8>),
    /// Numbers, names of flags, structures.
    Other(String),
}

/// A line of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Moment {
    /// The call with this number begins.
    Begins(usize),
    /// It has ended.
    Ends(usize),
}

/// Reads a trace: all calls that ended well, and when they began and ended.
pub fn parse(text: &str) -> anyhow::Result<(Vec<Call>, Vec<Moment>)> {
    let (mut calls, mut moments) = (Vec::new(), Vec::new());
    // By thread: where its unfinished call began, and what was written of it.
    let mut unfinished: BTreeMap<&str, (usize, &str)> = BTreeMap::new();
    for (at, line) in text.lines().enumerate() {
        let place = || format!("line {} of the trace", at + 1);
        let (thread, rest) = line.split_once(' ').with_context(place)?;
        let rest = rest.trim_start();
        if rest.starts_with("+++") || rest.starts_with("---") {
            continue;
        }
        if let Some(begun) = rest.strip_suffix(" <unfinished ...>") {
            unfinished.insert(thread, (moments.len(), begun));
            moments.push(None);
            continue;
        }
        let (began, whole) = match rest.strip_prefix("<... ") {
            Some(resumed) => {
                let (_, end) = resumed.split_once(" resumed>").with_context(place)?;
                let Some((began, begun)) = unfinished.remove(thread) else { continue };
                (began, format!("{begun}{end}"))
            }
            None => {
                moments.push(None);
                (moments.len() - 1, rest.to_owned())
            }
        };
        if let Some(call) = call(&whole).with_context(place)? {
            moments[began] = Some(Moment::Begins(calls.len()));
            moments.push(Some(Moment::Ends(calls.len())));
            calls.push(call);
        }
    }
    Ok((calls, moments.into_iter().flatten().collect()))
}

/// `name(arguments) = result`; nothing where it failed or never returned.
fn call(text: &str) -> anyhow::Result<Option<Call>> {
    let (name, rest) = text.split_once('(').context("no call")?;
    let (args, result) = rest.rsplit_once(" = ").context("no result")?;
    let args = args.trim_end().strip_suffix(')').context("no end of its arguments")?;
    let (number, path) = match result.split_once('<') {
        Some((number, path)) => (number, Some(text_of(path.trim_end_matches('>'))?)),
        None => (result.split(' ').next().unwrap_or(result), None),
    };
    let Ok(result) = number.parse() else { return Ok(None) };
    let args = split(args).into_iter().map(arg).collect::<anyhow::Result<_>>()?;
    Ok(Some(Call { name: name.into(), args, result, path }))
}

/// Arguments, parted where a comma is not inside a string, a structure or a descriptor's name.
fn split(args: &str) -> Vec<&str> {
    let (mut out, mut depth, mut quoted, mut from) = (Vec::new(), 0_i32, false, 0);
    for (at, byte) in args.bytes().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b'<' | b'[' | b'{' if !quoted => depth += 1,
            // An arrow in the name of a connection is no bracket.
            b'>' if !quoted && args.as_bytes()[at - 1] == b'-' => {}
            b'>' | b']' | b'}' if !quoted => depth -= 1,
            b',' if !quoted && depth == 0 => {
                out.push(args[from..at].trim());
                from = at + 1;
            }
            _ => {}
        }
    }
    out.push(args[from..].trim());
    out
}

fn arg(text: &str) -> anyhow::Result<Arg> {
    if let Some(rest) = text.strip_prefix('"') {
        ensure!(!text.ends_with("..."), "a string was cut short");
        return Ok(Arg::Bytes(bytes_of(rest.strip_suffix('"').context("a string has no end")?)?));
    }
    if let Some((number, name)) = text.split_once('<') {
        let number = if number == "AT_FDCWD" { -100 } else { number.parse().unwrap_or(-1) };
        return Ok(Arg::Descriptor(number, text_of(name.strip_suffix('>').unwrap_or(name))?));
    }
    Ok(Arg::Other(text.into()))
}

fn text_of(hex: &str) -> anyhow::Result<String> {
    Ok(String::from_utf8_lossy(&bytes_of(hex)?).into_owned())
}

/// Bytes from `\x` and two digits each; others stand for themselves.
fn bytes_of(text: &str) -> anyhow::Result<Vec<u8>> {
    let (text, mut out, mut at) = (text.as_bytes(), Vec::with_capacity(text.len() / 4), 0);
    while at < text.len() {
        if text[at] != b'\\' {
            out.push(text[at]);
            at += 1;
            continue;
        }
        let digits = text.get(at + 2..at + 4).filter(|_| text[at + 1] == b'x');
        let Some(digits) = digits else { bail!("an escape that is not hexadecimal") };
        out.push(u8::from_str_radix(std::str::from_utf8(digits)?, 16)?);
        at += 4;
    }
    Ok(out)
}

impl Call {
    pub fn bytes(&self, at: usize) -> anyhow::Result<&[u8]> {
        match self.args.get(at) {
            Some(Arg::Bytes(bytes)) => Ok(bytes),
            other => bail!("argument {at} of {} is no string: {other:?}", self.name),
        }
    }

    pub fn descriptor(&self, at: usize) -> anyhow::Result<(i64, &str)> {
        match self.args.get(at) {
            Some(Arg::Descriptor(number, name)) => Ok((*number, name)),
            other => bail!("argument {at} of {} is no descriptor: {other:?}", self.name),
        }
    }

    pub fn number(&self, at: usize) -> anyhow::Result<u64> {
        match self.args.get(at) {
            Some(Arg::Other(text)) => text.parse().with_context(|| format!("argument {at} of {}", self.name)),
            other => bail!("argument {at} of {} is no number: {other:?}", self.name),
        }
    }

    pub fn has_flag(&self, at: usize, flag: &str) -> bool {
        matches!(self.args.get(at), Some(Arg::Other(flags)) if flags.split('|').any(|has| has == flag))
    }

    /// The path of this argument. One that is relative begins at the descriptor before it.
    pub fn path(&self, at: usize) -> anyhow::Result<String> {
        let path = String::from_utf8(self.bytes(at)?.to_vec())?;
        if path.starts_with('/') {
            return Ok(path);
        }
        let base = at.checked_sub(1).map(|before| self.descriptor(before)).transpose()?;
        let (_, base) = base.with_context(|| format!("{} of the relative path {path}", self.name))?;
        Ok(format!("{base}/{path}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_read_with_descriptors_bytes_and_results() {
        let trace = "7  openat(AT_FDCWD<\\x2f>, \"\\x2f\\x61\", O_RDWR|O_CREAT, 0666) = 5<\\x2f\\x61>\n\
                     7  write(5<\\x2f\\x61>, \"\\x22\\x2c\", 2) = 2\n\
                     7  openat(AT_FDCWD<\\x2f>, \"\\x2f\\x62\", O_RDONLY) = -1 ENOENT (No such file)\n\
                     8  +++ exited with 0 +++\n\
                     7  sendto(9<TCP:[127.0.0.1:1->127.0.0.1:2]>, \"\\x2b\", 1, MSG_NOSIGNAL, NULL, 0) = 1\n";
        let (calls, moments) = parse(trace).unwrap();
        assert_eq!(calls.len(), 3, "what failed is left out");
        assert_eq!(calls[0].path.as_deref(), Some("/a"));
        assert_eq!(calls[0].path(1).unwrap(), "/a");
        assert!(calls[0].has_flag(2, "O_CREAT") && !calls[0].has_flag(2, "O_TRUNC"));
        assert_eq!((calls[1].descriptor(0).unwrap(), calls[1].bytes(1).unwrap()), ((5, "/a"), &b"\","[..]));
        assert_eq!(calls[2].descriptor(0).unwrap().1, "TCP:[127.0.0.1:1->127.0.0.1:2]");
        assert_eq!(moments[..2], [Moment::Begins(0), Moment::Ends(0)]);
    }

    #[test]
    fn what_another_thread_interrupts_ends_later() {
        let trace = "7 fsync(5<\\x2f\\x61> <unfinished ...>\n8 fsync(6<\\x2f\\x62>) = 0\n7 <... fsync resumed>) = 0\n";
        let (calls, moments) = parse(trace).unwrap();
        assert_eq!(calls[0].descriptor(0).unwrap().1, "/b");
        assert_eq!(moments, [Moment::Begins(1), Moment::Begins(0), Moment::Ends(0), Moment::Ends(1)]);
    }

    #[test]
    fn what_was_cut_short_is_refused() {
        assert!(parse("7 write(5<\\x2f>, \"\\x22\"..., 2) = 2\n").is_err());
    }
}
