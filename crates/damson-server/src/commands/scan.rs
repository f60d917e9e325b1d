//! SCAN: the keys of a database, some at a time. A key that exists during a whole scan is met.

use damson::View;

use super::error::{CommandError, Outcome};
use super::glob::Glob;
use super::spec::{Command, Run};
use crate::resp::{Args, Reply, parse_i64, parse_u64};

pub(super) const SCAN: Command = Command::new("scan", -2, Run::Read(scan))
    .about("generic", "Returns some keys and a cursor for the next ones");

/// Keys looked at when the client does not say.
const COUNT_DEFAULT: usize = 10;
/// Keys looked at at most: COUNT is a wish, and writers wait meanwhile.
const COUNT_MAX: usize = 4_096;
/// Longest pattern, in bytes.
const PATTERN_BYTES_MAX: usize = 1_024;

/// What to look for.
struct Options<'a> {
    glob: Option<Glob>,
    kind: Option<&'a [u8]>,
    count: usize,
}

fn scan(view: View<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let cursor = parse_u64(args.at(1)).ok_or_else(|| CommandError::argument("ERR invalid cursor"))?;
    let options = Options::parse(args.from(2))?;
    let step = view.scan(cursor, options.count);
    let mut found = Vec::with_capacity(step.keys.len());
    for (key, kind) in step.keys {
        let of_kind = options.kind.is_none_or(|wanted| wanted.eq_ignore_ascii_case(kind.name().as_bytes()));
        if of_kind && options.glob.as_ref().map_or(Ok(true), |glob| glob.matches(&key))? {
            found.push(key);
        }
    }
    reply.array(2);
    reply.bulk(step.next.unwrap_or(0).to_string().as_bytes());
    reply.array(found.len());
    found.iter().for_each(|key| reply.bulk(key));
    Ok(())
}

impl<'a> Options<'a> {
    fn parse(args: Args<'a>) -> Result<Self, CommandError> {
        let mut out = Self { glob: None, kind: None, count: COUNT_DEFAULT };
        if !args.len().is_multiple_of(2) {
            return Err(CommandError::Syntax);
        }
        for (name, value) in args.pairs() {
            match name.to_ascii_lowercase().as_slice() {
                b"match" => out.glob = Some(Glob::new(value, PATTERN_BYTES_MAX)?),
                b"type" => out.kind = Some(value),
                b"count" => {
                    let count = parse_i64(value).ok_or(CommandError::NotInteger)?;
                    let count = usize::try_from(count).ok().filter(|n| *n > 0).ok_or(CommandError::Syntax)?;
                    out.count = count.min(COUNT_MAX);
                }
                _ => return Err(CommandError::Syntax),
            }
        }
        Ok(out)
    }
}
