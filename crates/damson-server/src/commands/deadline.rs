//! Times to live in the forms that clients give them.

use super::error::CommandError;
use crate::resp::parse_i64;

/// How a time is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Form {
    unit_ms: i64,
    /// From 1970 on, instead of from now on.
    absolute: bool,
}

impl Form {
    pub const SECONDS: Self = Self { unit_ms: 1_000, absolute: false };
    pub const MILLIS: Self = Self { unit_ms: 1, absolute: false };
    pub const AT_SECONDS: Self = Self { unit_ms: 1_000, absolute: true };
    pub const AT_MILLIS: Self = Self { unit_ms: 1, absolute: true };

    /// The end in milliseconds since 1970; a time in the past is allowed.
    pub fn end_ms(self, text: &[u8], now_ms: u64, command: &'static str) -> Result<u64, CommandError> {
        let time = parse_i64(text).ok_or(CommandError::NotInteger)?;
        let wrong = CommandError::ExpireTime { command };
        let ms = time.checked_mul(self.unit_ms).ok_or_else(|| wrong.clone())?;
        let from = if self.absolute { 0 } else { i64::try_from(now_ms).map_err(|_| wrong.clone())? };
        let end = from.checked_add(ms).ok_or(wrong)?;
        // Before 1970 is in the past like any other.
        Ok(u64::try_from(end).unwrap_or(0))
    }

    /// The same for a value that is being set, whose time to live must be positive.
    pub fn positive_end_ms(
        self,
        text: &[u8],
        now_ms: u64,
        command: &'static str,
    ) -> Result<u64, CommandError> {
        match parse_i64(text) {
            Some(time) if time <= 0 => Err(CommandError::ExpireTime { command }),
            _ => self.end_ms(text, now_ms, command),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_relative_or_absolute_and_never_overflow() {
        assert_eq!(Form::SECONDS.end_ms(b"2", 1_000, "x"), Ok(3_000));
        assert_eq!(Form::AT_MILLIS.end_ms(b"2", 1_000, "x"), Ok(2));
        assert_eq!(Form::SECONDS.end_ms(b"-9", 1_000, "x"), Ok(0));
        let wrong = Err(CommandError::ExpireTime { command: "x" });
        for text in [i64::MAX.to_string(), (i64::MAX / 1_000).to_string()] {
            assert_eq!(Form::SECONDS.end_ms(text.as_bytes(), 1_000, "x"), wrong);
        }
        assert_eq!(Form::MILLIS.positive_end_ms(b"0", 1_000, "x"), wrong);
        assert_eq!(Form::MILLIS.positive_end_ms(b"1.5", 1_000, "x"), Err(CommandError::NotInteger));
    }
}
