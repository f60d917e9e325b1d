//! Who got what, and when.

/// A delivery later than this after its broadcast is late, in microseconds.
const IN_TIME_US: u64 = 10_000_000;

/// What became of one broadcast.
#[derive(Debug, Default)]
struct Broadcast {
    sent_us: u64,
    expected: u64,
    delivered: u64,
    in_time: u64,
    last_us: u64,
    last_hop: u32,
}

/// All broadcasts, by their numbers.
#[derive(Debug, Default)]
pub struct Ledger {
    broadcasts: Vec<Broadcast>,
}

/// Sums over all broadcasts.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub broadcasts: u64,
    /// Deliveries that should be.
    pub expected: u64,
    pub delivered: u64,
    /// Deliveries within 10 seconds.
    pub in_time: u64,
    /// From each broadcast to its last delivery, in microseconds.
    pub last_us: u64,
    /// The hop of each broadcast's last delivery.
    pub last_hops: u64,
    pub last_hop_max: u32,
}

impl Ledger {
    /// A message goes out that so many others should get. Returns its number.
    pub fn send(&mut self, now_us: u64, expected: usize) -> usize {
        self.broadcasts.push(Broadcast {
            sent_us: now_us,
            expected: expected as u64,
            ..Broadcast::default()
        });
        self.broadcasts.len() - 1
    }

    /// A node gets a message for the first time.
    pub fn deliver(&mut self, number: usize, now_us: u64, hops: u32) {
        let one = &mut self.broadcasts[number];
        let took_us = now_us - one.sent_us;
        one.delivered += 1;
        one.in_time += u64::from(took_us <= IN_TIME_US);
        one.last_us = one.last_us.max(took_us);
        one.last_hop = one.last_hop.max(hops);
    }

    pub fn totals(&self) -> Totals {
        let mut out = Totals { broadcasts: self.broadcasts.len() as u64, ..Totals::default() };
        for one in &self.broadcasts {
            out.expected += one.expected;
            out.delivered += one.delivered;
            out.in_time += one.in_time;
            out.last_us += one.last_us;
            out.last_hops += u64::from(one.last_hop);
            out.last_hop_max = out.last_hop_max.max(one.last_hop);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deliveries_are_summed_up() {
        let mut ledger = Ledger::default();
        let (a, b) = (ledger.send(1_000, 3), ledger.send(2_000, 3));
        ledger.deliver(a, 1_500, 1);
        ledger.deliver(a, 1_700, 2);
        ledger.deliver(b, 2_100, 1);
        ledger.deliver(b, 2_001 + IN_TIME_US, 5);
        let wanted = Totals {
            broadcasts: 2,
            expected: 6,
            delivered: 4,
            in_time: 3,
            last_us: 700 + IN_TIME_US + 1,
            last_hops: 7,
            last_hop_max: 5,
        };
        assert_eq!(ledger.totals(), wanted);
    }
}
