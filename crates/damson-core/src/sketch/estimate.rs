//! How many differences there are, from how many symbols are zero.

use super::mapping::density;

/// Parts of each doubling of the index that are counted together.
const PARTS: usize = 8;

/// How many symbols of a difference are zero, by their indices.
#[derive(Debug, Clone, Default)]
pub(super) struct Zeros {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Part {
    zero: u32,
    nonzero: u32,
    /// The sum of their indices.
    indices: u64,
}

impl Zeros {
    /// Counts a symbol, before anything is peeled.
    pub fn count(&mut self, index: u32, is_zero: bool) {
        if index == 0 {
            return;
        }
        let octave = index.ilog2();
        let part = octave as usize * PARTS + ((u64::from(index) * PARTS as u64) >> octave) as usize % PARTS;
        if self.parts.len() <= part {
            self.parts.resize(part + 1, Part::default());
        }
        let part = &mut self.parts[part];
        part.zero += u32::from(is_zero);
        part.nonzero += u32::from(!is_zero);
        part.indices += u64::from(index);
    }

    /// The most likely number of differences: with `d` of them a symbol of density `p` is zero with probability
    /// `(1 - p) ^ d`.
    pub fn estimate(&self) -> Option<u64> {
        let counted = self.parts.iter().filter(|part| part.indices > 0);
        let parts: Vec<(f64, f64, f64)> = counted.map(Part::weighed).collect();
        if self.parts.iter().all(|part| part.zero == 0) {
            return None;
        }
        // The slope of the logarithm of the likelihood falls as `d` grows.
        let slope = |d: f64| -> f64 {
            let of = |(zero, nonzero, log): &(f64, f64, f64)| log * (zero - nonzero / ((-log * d).exp_m1()));
            parts.iter().map(of).sum()
        };
        let (mut low, mut high) = (0.0_f64, 40.0_f64);
        for _ in 0..48 {
            let middle = (low + high) / 2.0;
            if slope(middle.exp2()) > 0.0 { low = middle } else { high = middle }
        }
        Some(low.exp2().round() as u64)
    }
}

impl Part {
    /// Zero symbols, others, and the logarithm of the share of items that are elsewhere.
    fn weighed(&self) -> (f64, f64, f64) {
        let mean = self.indices as f64 / f64::from(self.zero + self.nonzero);
        (f64::from(self.zero), f64::from(self.nonzero), (-density(mean)).ln_1p())
    }
}
