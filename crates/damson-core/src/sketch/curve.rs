//! How an item's indices spread.
//!
//! They are the points of a Poisson process that thins out as `1 / (alpha x)`: from one point at `x - c` the next lies beyond
//! `y - c` with probability `(x / y) ^ (1 / alpha)`. Such a process has no memory, so a walk may begin anywhere, and each index
//! `i` is hit on its own with probability `1 - (1 - 1 / (i + 1 + c)) ^ (1 / alpha)`, about `1 / (alpha i)`.
//!
//! All nodes must walk alike, so only operations that IEEE 754 rounds exactly are used; `powf` is not among them.

/// Parts of the table. Between its knots the curve is a straight line, within 1/10,000 of the power.
const SEGMENTS: usize = 64;

/// One density of indices.
#[derive(Debug)]
pub(super) struct Curve {
    /// `2 ^ (alpha z)`, for `z` halvings of the drawn number.
    far: [f64; 64],
    /// `u ^ -alpha` at `SEGMENTS + 1` knots from 1/2 to 1.
    near: [f64; SEGMENTS + 1],
    /// `1 / alpha`: points for each time that the index grows e-fold.
    points: f64,
    /// `c`: how much the first indices are spared.
    pub shift: f64,
}

impl Curve {
    /// The curve with `alpha` = `eighths` / 8.
    pub const fn new(eighths: u32, shift: f64) -> Self {
        let step = power(eighth_root(2.0), eighths);
        let mut far = [1.0; 64];
        let mut z = 1;
        while z < 64 {
            far[z] = far[z - 1] * step;
            z += 1;
        }
        let mut near = [1.0; SEGMENTS + 1];
        let mut knot = 0;
        while knot < SEGMENTS {
            let u = 0.5 + knot as f64 / (2 * SEGMENTS) as f64;
            near[knot] = 1.0 / power(eighth_root(u), eighths);
            knot += 1;
        }
        Self { far, near, points: 8.0 / eighths as f64, shift }
    }

    /// What a point's `x` is multiplied by to find the next: `u ^ -alpha`, where `u` is made of 64 random bits.
    pub fn factor(&self, random: u64) -> f64 {
        let halvings = (random | 1).leading_zeros() as usize;
        let fraction = random << halvings;
        let segment = (fraction >> 57) as usize % SEGMENTS;
        let within = ((fraction << 7) >> 11) as f64 * (1.0 / (1_u64 << 53) as f64);
        let (low, high) = (self.near[segment], self.near[segment + 1]);
        self.far[halvings] * (low + (high - low) * within)
    }

    /// The probability that an index is hit. For estimates only.
    pub fn density(&self, index: f64) -> f64 {
        1.0 - (1.0 - 1.0 / (index + 1.0 + self.shift)).powf(self.points)
    }
}

const fn power(base: f64, exponent: u32) -> f64 {
    let (mut result, mut n) = (1.0, 0);
    while n < exponent {
        result *= base;
        n += 1;
    }
    result
}

/// Newton's method; `x` is between 1/2 and 2.
const fn eighth_root(x: f64) -> f64 {
    let (mut root, mut n) = (1.0, 0);
    while n < 24 {
        root -= (power(root, 8) - x) / (8.0 * power(root, 7));
        n += 1;
    }
    root
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_the_power_it_stands_for() {
        for eighths in [1, 5, 6] {
            let curve = Curve::new(eighths, 0.0);
            for step in 1..2_000_u64 {
                let random = step * (u64::MAX / 2_000);
                let exact = (random as f64 / u64::MAX as f64).powf(-f64::from(eighths) / 8.0);
                let near = curve.factor(random);
                assert!((near - exact).abs() < 1e-4 * exact, "{eighths} {step}: {near} {exact}");
            }
        }
    }

    #[test]
    fn a_walk_never_goes_back_and_never_beyond_numbers() {
        let curve = Curve::new(6, 0.0);
        for random in [0, 1, 2, u64::MAX, u64::MAX - 1, 1 << 63, (1 << 63) - 1] {
            let factor = curve.factor(random);
            assert!(factor >= 1.0 && factor.is_finite(), "{random} {factor}");
        }
    }
}
