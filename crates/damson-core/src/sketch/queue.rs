//! Symbols to look at.

/// Symbols to look at, those with high indices first: they hold the fewest items. The others look like one item by accident
/// far more often than they are one, until what the high ones give is taken out of them.
#[derive(Debug, Clone, Default)]
pub(super) struct Queue {
    /// By index: does it stand here?
    waiting: Vec<bool>,
    /// By about the index: four for each doubling.
    levels: Vec<Vec<u32>>,
    /// No level above this one has any.
    top: usize,
}

impl Queue {
    pub fn push(&mut self, index: u32) {
        let (at, level) = (index as usize, level_of(index));
        if self.waiting.len() <= at {
            self.waiting.resize(at + 1, false);
        }
        if std::mem::replace(&mut self.waiting[at], true) {
            return;
        }
        if self.levels.len() <= level {
            self.levels.resize_with(level + 1, Vec::new);
        }
        self.levels[level].push(index);
        self.top = self.top.max(level);
    }

    pub fn pop(&mut self) -> Option<u32> {
        loop {
            if let Some(index) = self.levels.get_mut(self.top)?.pop() {
                self.waiting[index as usize] = false;
                return Some(index);
            }
            self.top = self.top.checked_sub(1)?;
        }
    }
}

fn level_of(index: u32) -> usize {
    let octave = index.max(1).ilog2();
    let quarter = ((u64::from(index) * 4) >> octave) as usize % 4;
    octave as usize * 4 + quarter
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn high_indices_come_first_and_each_once() {
        let mut queue = Queue::default();
        [0, 1, 900, 5, 900, 17, 5, 40_000, 1].into_iter().for_each(|index| queue.push(index));
        let popped: Vec<u32> = std::iter::from_fn(|| queue.pop()).collect();
        assert_eq!(popped, [40_000, 900, 17, 5, 1, 0]);
        queue.push(900);
        assert_eq!((queue.pop(), queue.pop()), (Some(900), None));
    }
}
