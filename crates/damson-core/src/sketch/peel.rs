//! Peeling: symbols that hold one item give it away, and others with it.

use super::decoder::{DecodeError, Decoder};
use super::mapping::Marks;
use super::run::check_mask;

impl Decoder {
    /// Takes out items until no symbol gives away another one. Each makes more symbols zero than it makes nonzero, or is
    /// tried for the first time, so there is an end.
    pub(super) fn peel(&mut self) -> Result<(), DecodeError> {
        loop {
            while let Some(index) = self.queue.pop() {
                self.look_at(index, false)?;
            }
            let before = self.taken.len();
            let mut doubted = std::mem::take(&mut self.doubted);
            doubted.sort_unstable();
            doubted.dedup();
            for index in doubted.into_iter().rev() {
                self.look_at(index, true)?;
            }
            if self.taken.len() == before {
                return Ok(());
            }
        }
    }

    /// Takes the item of this symbol out, if it seems to be alone there and other symbols do not contradict.
    ///
    /// A symbol that should hold it and is zero does contradict: the item is none, or it is there with a mistake that hides
    /// it. When both are as likely it is tried, but only at last.
    fn look_at(&mut self, index: u32, at_last: bool) -> Result<(), DecodeError> {
        self.spend(1)?;
        let Some((item, marks)) = self.alone_in(index) else {
            return Ok(());
        };
        self.trace(&marks)?;
        let would_be_zero = self.indices.iter().filter(|at| self.is_just(**at, item, &marks)).count();
        let are_zero = self.indices.iter().filter(|at| self.residual.is_zero(**at)).count();
        let tie = would_be_zero == are_zero;
        if would_be_zero > are_zero || at_last && tie && self.tried.insert(item) {
            return self.take(item, &marks);
        }
        self.doubted.push(index);
        Ok(())
    }

    /// The item that seems to be alone in a symbol: it belongs there, and its check is that of the symbol.
    fn alone_in(&self, index: u32) -> Option<(u64, Marks)> {
        if self.residual.is_zero(index) {
            return None;
        }
        let item = self.residual.symbol(index).0;
        let marks = self.key.marks(item);
        (self.is_just(index, item, &marks) && marks.is_in(index)).then_some((item, marks))
    }

    fn is_just(&self, index: u32, item: u64, marks: &Marks) -> bool {
        let (sum, check) = self.residual.symbol(index);
        sum == item && check.is_none_or(|check| check == marks.check & check_mask(index))
    }

    /// Finds the symbols that hold an item.
    pub(super) fn trace(&mut self, marks: &Marks) -> Result<(), DecodeError> {
        self.indices.clear();
        marks.each_in(self.residual.range(), |index| self.indices.push(index));
        self.spend(self.indices.len() as u64)
    }

    /// Takes the item that was traced out of its symbols, or puts it back.
    pub(super) fn take(&mut self, item: u64, marks: &Marks) -> Result<(), DecodeError> {
        if self.taken.len() >= self.taken_max {
            return Err(DecodeError::TooManyDifferences);
        }
        self.taken.push(item);
        for &index in &self.indices {
            self.nonzero -= usize::from(!self.residual.is_zero(index));
            self.residual.flip(index, item, marks);
            if !self.residual.is_zero(index) {
                self.nonzero += 1;
                self.queue.push(index);
            }
        }
        Ok(())
    }
}
