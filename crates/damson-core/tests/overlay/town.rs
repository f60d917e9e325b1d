//! Many overlays and the links between them: every message takes a millisecond, dials a little longer.

use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};

use damson_core::crdt::NodeId;
use damson_core::membership::{Overlay, OverlayConfig, OverlayEffect, OverlayInput};
use damson_core::time::Time;
use damson_core::wire::Contact;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

pub struct Town {
    pub now: Time,
    pub overlays: Vec<Option<Overlay>>,
    config: OverlayConfig,
    links: BTreeSet<(usize, usize)>,
    queue: BinaryHeap<std::cmp::Reverse<(Time, u64, usize)>>,
    events: BTreeMap<u64, (usize, OverlayInput)>,
    next: u64,
    /// Dials tell whether a path leads there, as the broadcast's trees know.
    pub knows_paths: bool,
}

pub fn id(at: usize) -> NodeId {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&(at as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes());
    id[8..].copy_from_slice(&(at as u64).to_be_bytes());
    NodeId(id)
}

pub fn at(id: NodeId) -> usize {
    usize::try_from(u64::from_be_bytes(id.0[8..].try_into().unwrap())).unwrap()
}

pub fn contact(at: usize) -> Contact {
    Contact { id: id(at), address: at.to_string() }
}

impl Town {
    pub fn new(config: OverlayConfig) -> Self {
        Self {
            now: Time(1),
            overlays: Vec::new(),
            config,
            links: BTreeSet::new(),
            knows_paths: false,
            queue: BinaryHeap::new(),
            events: BTreeMap::new(),
            next: 0,
        }
    }

    /// `count` nodes that join one after the other through the first.
    pub fn of(count: usize, config: OverlayConfig, seed: u64) -> Self {
        let mut town = Self::new(config);
        for at in 0..count {
            town.start(seed);
            if at > 0 {
                town.dial(at, 0);
            }
            town.run(1);
        }
        town
    }

    pub fn start(&mut self, seed: u64) -> usize {
        let at = self.overlays.len();
        let rng = ChaCha8Rng::seed_from_u64(seed * 1_000_003 + at as u64);
        self.overlays.push(Some(Overlay::new(self.config.clone(), contact(at), rng, self.now)));
        self.wake(at);
        at
    }

    pub fn dial(&mut self, from: usize, to: usize) {
        self.link(from, to, false);
    }

    /// Opens a link to somebody to whom no path leads.
    pub fn bridge(&mut self, from: usize, to: usize) {
        self.link(from, to, true);
    }

    fn link(&mut self, from: usize, to: usize, apart: bool) {
        let pair = (from.min(to), from.max(to));
        if to >= self.overlays.len() {
            return; // An address at which nothing answers.
        }
        if self.overlays[to].is_none() {
            self.post(3, from, OverlayInput::DialFailed(to.to_string()));
        } else if self.links.insert(pair) {
            self.post(
                3,
                from,
                OverlayInput::LinkOpen { contact: contact(to), dialed: Some(to.to_string()), apart },
            );
            self.post(3, to, OverlayInput::LinkOpen { contact: contact(from), dialed: None, apart: false });
        }
    }

    /// The process ends; its peers notice at once.
    pub fn kill(&mut self, at: usize) {
        self.overlays[at] = None;
        let cut: Vec<_> = self.links.iter().filter(|(a, b)| *a == at || *b == at).copied().collect();
        for (a, b) in cut {
            self.links.remove(&(a, b));
            self.post(0, if a == at { b } else { a }, OverlayInput::LinkClosed(id(at)));
        }
    }

    /// Closes the links that are nobody's neighbours, as nodes do with guests.
    pub fn close_guests(&mut self) {
        let needed =
            |town: &Self, a: usize, b: usize| town.overlays[a].as_ref().is_some_and(|o| o.needs(id(b)));
        let idle: Vec<_> = self
            .links
            .iter()
            .filter(|(a, b)| !needed(self, *a, *b) && !needed(self, *b, *a))
            .copied()
            .collect();
        for (a, b) in idle {
            self.links.remove(&(a, b));
            self.post(0, a, OverlayInput::LinkClosed(id(b)));
            self.post(0, b, OverlayInput::LinkClosed(id(a)));
        }
    }

    pub fn run(&mut self, ms: u64) {
        let until = self.now.plus_ms(ms);
        while let Some(std::cmp::Reverse((time, number, at))) = self.queue.peek().copied() {
            if time > until {
                break;
            }
            self.queue.pop();
            self.now = self.now.max(time);
            match self.events.remove(&number) {
                Some((to, input)) => self.input(to, input),
                None if self.overlays[at].as_ref().is_some_and(|overlay| overlay.deadline() <= self.now) => {
                    self.input(at, OverlayInput::Tick);
                }
                None => {}
            }
        }
        self.now = until;
    }

    pub fn run_cycles(&mut self, cycles: u64) {
        for _ in 0..cycles {
            self.run(self.config.shuffle_ms);
            self.close_guests();
        }
    }

    pub fn input(&mut self, at: usize, input: OverlayInput) {
        if let OverlayInput::Message(from, _) = &input
            && !self.links.contains(&pair(self::at(*from), at))
        {
            return;
        }
        let count = self.overlays.len();
        let Some(overlay) = &mut self.overlays[at] else { return };
        let mut fx = Vec::new();
        overlay.set_members(count);
        overlay.handle(input, self.now, &mut fx);
        for effect in fx {
            match effect {
                OverlayEffect::Send(to, message) => {
                    self.post(1, self::at(to), OverlayInput::Message(id(at), message));
                }
                OverlayEffect::Dial(contact) => {
                    let to = contact.address.parse().unwrap();
                    let apart =
                        self.knows_paths && !self.view(at).is_empty() && !self.seen_from(at).contains(&to);
                    self.link(at, to, apart);
                }
                OverlayEffect::Up(_) | OverlayEffect::Down(_) | OverlayEffect::NeedCandidates => {}
            }
        }
        self.wake(at);
    }

    pub fn view(&self, at: usize) -> Vec<usize> {
        self.overlays[at].iter().flat_map(Overlay::active).map(self::at).collect()
    }

    pub fn living(&self) -> Vec<usize> {
        (0..self.overlays.len()).filter(|at| self.overlays[*at].is_some()).collect()
    }

    /// Links that only one end lists.
    pub fn one_way(&self) -> Vec<(usize, usize)> {
        let links = self.living().into_iter().flat_map(|a| self.view(a).into_iter().map(move |b| (a, b)));
        links.filter(|(a, b)| !self.view(*b).contains(a)).collect()
    }

    pub fn reached_from(&self, first: usize) -> usize {
        self.seen_from(first).len()
    }

    fn seen_from(&self, first: usize) -> BTreeSet<usize> {
        let mut seen = BTreeSet::from([first]);
        let mut queue = VecDeque::from([first]);
        while let Some(at) = queue.pop_front() {
            queue.extend(self.view(at).into_iter().filter(|next| seen.insert(*next)));
        }
        seen
    }

    /// Mean length of the shortest paths from some nodes to all others.
    pub fn mean_path(&self, roots: usize) -> f64 {
        let views: Vec<Vec<usize>> = (0..self.overlays.len()).map(|at| self.view(at)).collect();
        let (mut sum, mut pairs) = (0, 0);
        for root in self.living().into_iter().step_by(self.overlays.len() / roots + 1) {
            let mut hops = BTreeMap::from([(root, 0)]);
            let mut queue = VecDeque::from([root]);
            while let Some(at) = queue.pop_front() {
                for next in &views[at] {
                    if !hops.contains_key(next) {
                        hops.insert(*next, hops[&at] + 1);
                        queue.push_back(*next);
                    }
                }
            }
            sum += hops.values().sum::<u32>();
            pairs += hops.len() - 1;
        }
        f64::from(sum) / pairs as f64
    }

    pub fn is_connected(&self) -> bool {
        let living = self.living();
        self.reached_from(living[0]) == living.len()
    }

    pub fn degree_mean(&self) -> f64 {
        let living = self.living();
        living.iter().map(|at| self.view(*at).len()).sum::<usize>() as f64 / living.len() as f64
    }

    /// Mean share of a node's neighbours that are neighbours of each other.
    pub fn clustering(&self) -> f64 {
        let of = |at: usize| {
            let view = self.view(at);
            let pairs = view.iter().flat_map(|a| view.iter().filter(move |b| a < b).map(move |b| (*a, *b)));
            let (mut all, mut linked) = (0, 0);
            for (a, b) in pairs {
                all += 1;
                linked += usize::from(self.view(a).contains(&b));
            }
            f64::from(i32::try_from(linked).unwrap()) / f64::from(all.max(1))
        };
        let living = self.living();
        living.iter().map(|at| of(*at)).sum::<f64>() / living.len() as f64
    }

    fn wake(&mut self, at: usize) {
        if let Some(overlay) = &self.overlays[at] {
            self.next += 1;
            let due = overlay.deadline().max(Time(self.now.0 + 1));
            self.queue.push(std::cmp::Reverse((due, self.next, at)));
        }
    }

    fn post(&mut self, after_ms: u64, to: usize, input: OverlayInput) {
        self.next += 1;
        self.queue.push(std::cmp::Reverse((self.now.plus_ms(after_ms), self.next, to)));
        self.events.insert(self.next, (to, input));
    }
}

fn pair(a: usize, b: usize) -> (usize, usize) {
    (a.min(b), a.max(b))
}
