//! What peeling leaves when differences are few: no symbol holds one item alone, but two may hold the same items but one.

use super::decoder::{DecodeError, Decoder};
use super::run::{CHECKED, check_mask};

/// With more symbols than this left there are too many pairs to try, and too many look right by accident.
const LEFT_MAX: usize = 32;

impl Decoder {
    /// An item that two symbols differ by, if few are left. With ten differences this saves every fifth symbol.
    pub(super) fn guess(&mut self) -> Result<Option<u64>, DecodeError> {
        if self.nonzero > LEFT_MAX {
            return Ok(None);
        }
        let checked = 0..self.received().min(CHECKED);
        let left: Vec<u32> = checked.filter(|index| !self.residual.is_zero(*index)).collect();
        self.spend((left.len() * left.len()) as u64)?;
        let pairs = left.iter().enumerate().flat_map(|(n, a)| left[..n].iter().map(move |b| (*a, *b)));
        Ok(pairs.filter_map(|(a, b)| self.between(a, b)).find(|item| !self.tried.contains(item)))
    }

    /// What two symbols differ by, if that can be one item: it is in one of them, and in none that is solved.
    fn between(&self, a: u32, b: u32) -> Option<u64> {
        let ((a_sum, a_check), (b_sum, b_check)) = (self.residual.symbol(a), self.residual.symbol(b));
        let item = a_sum ^ b_sum;
        let marks = self.key.marks(item);
        let checks = a_check? ^ b_check? ^ marks.check;
        if item == 0 || checks & check_mask(a) & check_mask(b) != 0 || marks.is_in(a) == marks.is_in(b) {
            return None;
        }
        let mut unsolved = true;
        marks.each_in(self.residual.range(), |index| unsolved &= !self.residual.is_zero(index));
        unsolved.then_some(item)
    }
}
