//! What a write hands to a reader elsewhere.

use std::fmt;
use std::str::FromStr;

use damson_crdt::{Actor, NodeId};
use xxhash_rust::xxh3::xxh3_64;

use crate::scope::{ScopeName, ScopeNameError};
use crate::wire::Have;

/// Names a write: a read elsewhere can wait until its node has it, and with it all that the same node wrote before in the
/// scope. As text it is printable and has at most [`Token::BYTES_MAX`] bytes:
///
/// ```text
/// d1/app/8d1c4e72f00a91b35c6d7e8f9a0b1c2d.5f2e61d09b3c7a48.2a/91c0be35
/// ^  scope ^ node                         ^ life           ^  ^ check
/// version                                                  number, hexadecimal
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token(Have);

/// A text that is no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// Longer than any token.
    #[error("a token has at most {max} bytes, this text has {len}")]
    Length {
        /// Its length in bytes.
        len: usize,
        /// The longest permitted.
        max: usize,
    },
    /// Of a version that this build does not know, or no token at all.
    #[error("the text does not begin with {VERSION:?}: it is no token, or one of a newer version")]
    Version,
    /// Its scope's name.
    #[error(transparent)]
    Scope(#[from] ScopeNameError),
    /// A part is missing or is not what it should be.
    #[error("the token's {0} cannot be read")]
    Part(&'static str),
    /// It was changed or cut.
    #[error("the token's check does not fit: it was changed on its way")]
    Check,
}

const VERSION: &str = "d1";

impl Token {
    /// Longest text, in bytes.
    pub const BYTES_MAX: usize = VERSION.len() + ScopeName::BYTES_MAX + 32 + 16 + 16 + 8 + 5;

    pub(super) fn new(part: Have) -> Self {
        Self(part)
    }

    /// The scope that was written.
    pub fn scope(&self) -> &ScopeName {
        &self.0.scope
    }

    /// Who wrote.
    pub fn actor(&self) -> Actor {
        self.0.actor
    }

    /// The number of its last operation, from 1.
    pub fn number(&self) -> u64 {
        self.0.last
    }

    pub(super) fn part(&self) -> &Have {
        &self.0
    }

    fn body(&self) -> String {
        let Have { scope, actor, last } = &self.0;
        format!("{VERSION}/{scope}/{}.{:016x}.{last:x}", actor.node, actor.life.0)
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = self.body();
        write!(f, "{body}/{:08x}", check(&body))
    }
}

impl FromStr for Token {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        if text.len() > Self::BYTES_MAX {
            return Err(TokenError::Length { len: text.len(), max: Self::BYTES_MAX });
        }
        let rest = text.strip_prefix(VERSION).and_then(|rest| rest.strip_prefix('/'));
        let mut parts = rest.ok_or(TokenError::Version)?.split('/');
        let mut next = |what| parts.next().ok_or(TokenError::Part(what));
        let (scope, dot, sum) = (next("scope")?.parse()?, next("write")?, next("check")?);
        if parts.next().is_some() {
            return Err(TokenError::Part("end"));
        }
        let mut fields = dot.splitn(3, '.');
        let mut next = || fields.next().unwrap_or_default();
        let node: NodeId = next().parse().map_err(|_| TokenError::Part("node"))?;
        let life = number(next()).ok_or(TokenError::Part("life"))?;
        let last = number(next()).filter(|n| (1..u64::MAX).contains(n)).ok_or(TokenError::Part("number"))?;
        let token = Self(Have { scope, actor: Actor::new(node, damson_crdt::Life(life)), last });
        let told = number(sum).ok_or(TokenError::Part("check"))?;
        // In one way only: what reads back is what was written.
        let same = told == u64::from(check(&token.body())) && token.to_string() == text;
        same.then_some(token).ok_or(TokenError::Check)
    }
}

fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_hexdigit());
    digits.then(|| u64::from_str_radix(text, 16).ok()).flatten()
}

fn check(body: &str) -> u32 {
    (xxh3_64(body.as_bytes()) >> 32) as u32
}

#[cfg(test)]
mod tests {
    use damson_crdt::Life;
    use proptest::prelude::*;

    use super::*;

    fn token(scope: &str, life: u64, last: u64) -> Token {
        let actor = Actor::new(NodeId([0xab; 16]), Life(life));
        Token(Have { scope: scope.parse().unwrap(), actor, last })
    }

    #[test]
    fn the_longest_token_is_within_the_limit_and_reads_back() {
        let longest = token(&"s".repeat(ScopeName::BYTES_MAX), u64::MAX, u64::MAX - 1);
        assert_eq!(longest.to_string().len(), Token::BYTES_MAX);
        assert_eq!(longest.to_string().parse(), Ok(longest));
    }

    #[test]
    fn impossible_texts_are_refused_for_what_is_wrong_with_them() {
        let good = token("app", 7, 42).to_string();
        let with_check = |body: &str| format!("{body}/{:08x}", check(body));
        let none = with_check(&token("app", 7, 0).body());
        let all = with_check(&token("app", 7, u64::MAX).body());
        assert_eq!(none.parse::<Token>(), Err(TokenError::Part("number")));
        assert_eq!(all.parse::<Token>(), Err(TokenError::Part("number")));
        assert_eq!("".parse::<Token>(), Err(TokenError::Version));
        assert_eq!(good.replacen("d1", "d2", 1).parse::<Token>(), Err(TokenError::Version));
        assert_eq!(good.replacen(".2a", ".2b", 1).parse::<Token>(), Err(TokenError::Check));
        assert_eq!(good.replacen(".2a", ".02a", 1).parse::<Token>(), Err(TokenError::Check));
        assert_eq!(good[..good.len() - 1].parse::<Token>(), Err(TokenError::Check));
        assert_eq!(format!("{good}/").parse::<Token>(), Err(TokenError::Part("end")));
        assert!(matches!("d1/?/x/0".parse::<Token>(), Err(TokenError::Scope(_))));
        let long = "d".repeat(Token::BYTES_MAX + 1);
        assert!(matches!(long.parse::<Token>(), Err(TokenError::Length { .. })));
    }

    proptest! {
        #[test]
        fn tokens_read_back_and_no_text_panics(life: u64, last in 1..u64::MAX, at in any::<prop::sample::Index>(), byte in 0x20..0x7f_u8, text: String) {
            let token = token("app", life, last);
            let printed = token.to_string();
            prop_assert_eq!(printed.parse(), Ok(token.clone()));
            let mut changed = printed.clone().into_bytes();
            let at = at.index(changed.len());
            changed[at] = byte;
            let changed = String::from_utf8(changed).unwrap();
            prop_assert!(changed == printed || changed.parse::<Token>().is_err());
            let _ = text.parse::<Token>();
        }
    }
}
