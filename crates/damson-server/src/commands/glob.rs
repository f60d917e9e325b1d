//! Patterns of KEYS and SCAN: `*`, `?`, `[a-c]`, `[^a]` and `\` as in Redis, with a bound on the work of one match.

use super::error::CommandError;

/// Steps that a match may take for each byte of the text and the pattern.
const STEPS_PER_BYTE: usize = 32;
/// And these besides, so that short ones need not be counted closely.
const STEPS_SPARE: usize = 1_024;

/// A pattern, which matches a text as a whole.
#[derive(Debug, Clone)]
pub(super) struct Glob {
    tokens: Vec<Token>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    /// `*`
    Many,
    /// `?`
    One,
    Byte(u8),
    Class {
        negated: bool,
        ranges: Vec<(u8, u8)>,
    },
}

impl Glob {
    pub fn new(pattern: &[u8], bytes_max: usize) -> Result<Self, CommandError> {
        damson::LimitError::check("pattern bytes", pattern.len(), bytes_max)?;
        let mut tokens = Vec::with_capacity(pattern.len());
        let mut rest = pattern;
        while let Some((token, after)) = token(rest) {
            // Several stars in a row are one.
            if token != Token::Many || tokens.last() != Some(&Token::Many) {
                tokens.push(token);
            }
            rest = after;
        }
        Ok(Self { tokens })
    }

    /// Does the whole text match?
    pub fn matches(&self, text: &[u8]) -> Result<bool, CommandError> {
        self.run(text, |byte| byte)
    }

    /// The same for a pattern and a text in any case; the text is in lower case.
    pub fn matches_any_case(&self, text: &[u8]) -> Result<bool, CommandError> {
        self.run(text, |byte| byte.to_ascii_lowercase())
    }

    /// When a star was passed and what follows does not match, the star takes one byte more. Only the last star needs
    /// that, so the work is at most the product of the lengths.
    fn run(&self, text: &[u8], fold: impl Fn(u8) -> u8) -> Result<bool, CommandError> {
        let mut steps = STEPS_SPARE + STEPS_PER_BYTE * (text.len() + self.tokens.len());
        let (mut at, mut token) = (0, 0);
        let mut last_star: Option<(usize, usize)> = None;
        loop {
            steps = steps.checked_sub(1).ok_or(CommandError::Pattern)?;
            match (self.tokens.get(token), text.get(at)) {
                (None, None) => return Ok(true),
                (Some(Token::Many), _) => {
                    token += 1;
                    last_star = Some((token, at));
                }
                (Some(one), Some(byte)) if one.takes(*byte, &fold) => {
                    token += 1;
                    at += 1;
                }
                _ => match &mut last_star {
                    Some((after, from)) if *from < text.len() => {
                        *from += 1;
                        (token, at) = (*after, *from);
                    }
                    _ => return Ok(false),
                },
            }
        }
    }
}

impl Token {
    fn takes(&self, byte: u8, fold: impl Fn(u8) -> u8) -> bool {
        match self {
            Self::Many => false,
            Self::One => true,
            Self::Byte(wanted) => fold(*wanted) == byte,
            Self::Class { negated, ranges } => {
                ranges.iter().any(|(low, high)| (fold(*low)..=fold(*high)).contains(&byte)) != *negated
            }
        }
    }
}

fn token(pattern: &[u8]) -> Option<(Token, &[u8])> {
    Some(match pattern {
        [] => return None,
        [b'*', rest @ ..] => (Token::Many, rest),
        [b'?', rest @ ..] => (Token::One, rest),
        [b'[', b'^', rest @ ..] => class(true, rest),
        [b'[', rest @ ..] => class(false, rest),
        [b'\\', byte, rest @ ..] | [byte, rest @ ..] => (Token::Byte(*byte), rest),
    })
}

/// A class without an end has one at the end of the pattern, as in Redis.
fn class(negated: bool, mut rest: &[u8]) -> (Token, &[u8]) {
    let mut ranges = Vec::new();
    loop {
        rest = match rest {
            [] => break,
            [b']', after @ ..] => {
                rest = after;
                break;
            }
            [b'\\', byte, after @ ..] => {
                ranges.push((*byte, *byte));
                after
            }
            [low, b'-', high, after @ ..] => {
                ranges.push((*low.min(high), *low.max(high)));
                after
            }
            [byte, after @ ..] => {
                ranges.push((*byte, *byte));
                after
            }
        };
    }
    (Token::Class { negated, ranges }, rest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        Glob::new(pattern.as_bytes(), 1_024).unwrap().matches(text.as_bytes()).unwrap()
    }

    #[test]
    fn patterns_match_as_in_redis() {
        for (pattern, text) in [
            ("*", ""),
            ("*", "foo"),
            ("foo", "foo"),
            ("f?o", "fxo"),
            ("h[ae]llo", "hello"),
            ("h[^e]llo", "hallo"),
            ("h[a-b]llo", "hbllo"),
            ("h[b-a]llo", "hallo"),
            ("h\\*llo", "h*llo"),
            ("user:*:name", "user:17:name"),
            ("*a*b*c*", "xxaxxbxxcxx"),
            ("[a\\]]x", "]x"),
            ("[abc", "a"),
            ("\\", "\\"),
        ] {
            assert!(matches(pattern, text), "{pattern} and {text}");
        }
        for (pattern, text) in [
            ("", "a"),
            ("foo", "foob"),
            ("f?o", "fo"),
            ("h[^e]llo", "hello"),
            ("h\\*llo", "hxllo"),
            ("*a*b*c*", "xxcxxbxxaxx"),
            ("a*", "ba"),
            ("[]x", "]x"),
        ] {
            assert!(!matches(pattern, text), "{pattern} and {text}");
        }
    }

    #[test]
    fn a_costly_pattern_is_an_error_and_not_an_endless_loop() {
        let pattern = [b"*".as_slice(), &[b'a'; 900], b"b"].concat();
        let glob = Glob::new(&pattern, 1_024).unwrap();
        assert_eq!(glob.matches(&[b'a'; 60_000]), Err(CommandError::Pattern));
        assert!(matches!(Glob::new(&[b'*'; 1_025], 1_024), Err(CommandError::Limit(_))));
    }

    proptest! {
        #[test]
        fn arbitrary_patterns_and_texts_never_panic(pattern: Vec<u8>, text: Vec<u8>) {
            if let Ok(glob) = Glob::new(&pattern, 1_024) {
                let _ = glob.matches(&text);
            }
        }

        #[test]
        fn a_text_with_a_part_replaced_by_a_star_matches(text in "[a-z]{0,20}", from in 0_usize..20, len in 0_usize..20) {
            let from = from.min(text.len());
            let to = (from + len).min(text.len());
            let pattern = format!("{}*{}", &text[..from], &text[to..]);
            prop_assert!(matches(&pattern, &text));
        }
    }
}
