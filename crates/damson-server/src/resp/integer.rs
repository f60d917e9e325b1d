//! Integers as Redis reads them: decimal, no sign but minus, no leading zeros, no blanks.

/// A signed integer, or `None` when the text is none or does not fit.
pub fn parse_i64(text: &[u8]) -> Option<i64> {
    match text {
        [b'-', digits @ ..] => {
            let size = parse_u64(digits).filter(|size| *size != 0)?;
            0_i64.checked_sub_unsigned(size)
        }
        digits => parse_u64(digits).and_then(|n| i64::try_from(n).ok()),
    }
}

/// An unsigned integer, or `None` when the text is none or does not fit.
pub fn parse_u64(text: &[u8]) -> Option<u64> {
    match text {
        [] => return None,
        [b'0'] => return Some(0),
        [b'0', ..] => return None,
        _ => {}
    }
    text.iter().try_fold(0_u64, |n, digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        n.checked_mul(10)?.checked_add(digit)
    })
}

/// Writes an integer in decimal.
pub(super) fn push_i64(out: &mut Vec<u8>, n: i64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut rest = n.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if n < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(&digits[at..]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_canonical_integers_are_integers() {
        for text in [
            "",
            "-",
            "+1",
            "01",
            "-0",
            "00",
            " 1",
            "1 ",
            "1.0",
            "9223372036854775808",
            "-9223372036854775809",
            "x",
        ] {
            assert_eq!(parse_i64(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(parse_i64(b"-9223372036854775808"), Some(i64::MIN));
        assert_eq!(parse_u64(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(parse_u64(b"18446744073709551616"), None);
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(n: i64) {
            let mut out = Vec::new();
            push_i64(&mut out, n);
            prop_assert_eq!(&out, &n.to_string().into_bytes());
            prop_assert_eq!(parse_i64(&out), Some(n));
        }
    }
}
