//! Single bits in bytes, and numbers in Golomb-Rice code.

/// Writes bits, the lowest of each byte first.
#[derive(Debug, Default)]
pub(super) struct BitWriter {
    bytes: Vec<u8>,
    used: usize,
}

/// Reads them back.
#[derive(Debug)]
pub(super) struct BitReader<'a> {
    bytes: &'a [u8],
    used: usize,
}

impl BitWriter {
    pub fn bit(&mut self, bit: bool) {
        if self.used.is_multiple_of(8) {
            self.bytes.push(0);
        }
        if let Some(last) = self.bytes.last_mut() {
            *last |= u8::from(bit) << (self.used % 8);
        }
        self.used += 1;
    }

    /// The low `low` bits as they are, the rest as so many ones and a zero.
    pub fn rice(&mut self, value: u64, low: u32) {
        (0..value.checked_shr(low).unwrap_or(0)).for_each(|_| self.bit(true));
        self.bit(false);
        (0..low).for_each(|bit| self.bit(value >> bit & 1 == 1));
    }

    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

impl<'a> BitReader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, used: 0 }
    }

    pub fn bit(&mut self) -> Option<bool> {
        let byte = self.bytes.get(self.used / 8)?;
        let bit = byte >> (self.used % 8) & 1 == 1;
        self.used += 1;
        Some(bit)
    }

    /// `None` when the bytes end before, or the number has more than 64 bits.
    pub fn rice(&mut self, low: u32) -> Option<u64> {
        let mut high = 0_u64;
        while self.bit()? {
            high += 1;
        }
        let mut value = if high == 0 { 0 } else { high.checked_mul(1_u64.checked_shl(low)?)? };
        for bit in 0..low {
            value |= u64::from(self.bit()?) << bit;
        }
        Some(value)
    }

    /// Is nothing left but what fills the last byte, which is zero?
    pub fn is_finished(&mut self) -> bool {
        let rest = self.bytes.len() * 8 - self.used;
        rest < 8 && (0..rest).all(|_| self.bit() == Some(false))
    }
}
