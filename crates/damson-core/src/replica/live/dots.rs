//! Live dots by author and number: where the key and the cell of each lie.
//!
//! Numbers of an author come in order, and neighbours are likely to live as long as each other. So places stand in pages of
//! [`PAGE`] consecutive numbers, and pages in shelves of [`SHELF`]; a page or a shelf without a live dot is gone.

use std::collections::BTreeMap;

use damson_crdt::{Actor, Context, Dot, DotRange, Intervals};

use super::cost;

/// All live dots.
#[derive(Debug, Default)]
pub(in crate::replica) struct DotIndex {
    authors: BTreeMap<Actor, Shelves>,
    len: usize,
    pages: usize,
    shelves: usize,
}

/// By number.
type Shelves = BTreeMap<u64, Box<Shelf>>;

/// Consecutive pages.
#[derive(Debug, Default)]
struct Shelf {
    pages: [Option<Box<Page>>; SHELF as usize],
    taken: u32,
}

/// Where a dot is alive: the place of its key, and that of its cell among those of the key (0 for the only one).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub key: u32,
    pub cell: u32,
}

/// The places of consecutive numbers, that of the key plus one; 0 for a dot that is not alive.
#[derive(Debug, Default)]
struct Page {
    keys: [u32; PAGE as usize],
    cells: [u32; PAGE as usize],
    alive: u32,
}

const PAGE: u64 = 32;
const SHELF: u64 = 16;

/// The shelf of a number, the page there, and where on the page.
fn at(seq: u64) -> (u64, usize, usize) {
    (seq / PAGE / SHELF, (seq / PAGE % SHELF) as usize, (seq % PAGE) as usize)
}

impl DotIndex {
    pub fn len(&self) -> usize {
        self.len
    }

    /// Memory that it takes, in bytes.
    pub fn bytes(&self) -> u64 {
        let shelf = cost::allocated(size_of::<Shelf>()) + cost::in_tree(size_of::<(u64, Box<Shelf>)>());
        self.pages as u64 * cost::allocated(size_of::<Page>()) + self.shelves as u64 * shelf
    }

    /// Reads what an insertion or a removal reads.
    pub fn look_at(&self, dot: Dot) -> u64 {
        self.page(dot).map_or(0, |page| u64::from(page.keys[at(dot.seq).2]))
    }

    fn page(&self, dot: Dot) -> Option<&Page> {
        let (shelf, page, _) = at(dot.seq);
        self.authors.get(&dot.actor)?.get(&shelf)?.pages[page].as_deref()
    }

    /// A dot came alive at this place.
    pub fn insert(&mut self, dot: Dot, place: Place) {
        let (shelf, page, on_page) = at(dot.seq);
        let known = self.authors.get_mut(&dot.actor).and_then(|shelves| shelves.get_mut(&shelf));
        let shelf = match known {
            Some(shelf) => shelf,
            None => {
                self.shelves += 1;
                self.authors.entry(dot.actor).or_default().entry(shelf).or_default()
            }
        };
        let (taken, pages) = (&mut shelf.taken, &mut self.pages);
        let page = shelf.pages[page].get_or_insert_with(|| {
            *taken += 1;
            *pages += 1;
            Box::default()
        });
        let is_new = page.keys[on_page] == 0;
        page.alive += u32::from(is_new);
        self.len += usize::from(is_new);
        (page.keys[on_page], page.cells[on_page]) = (place.key + 1, place.cell);
    }

    /// A dot died.
    pub fn remove(&mut self, dot: Dot) {
        let (number, page_at, on_page) = at(dot.seq);
        let Some(shelves) = self.authors.get_mut(&dot.actor) else { return };
        let Some(shelf) = shelves.get_mut(&number) else { return };
        let Some(page) = shelf.pages[page_at].as_deref_mut().filter(|page| page.keys[on_page] > 0) else {
            return;
        };
        page.keys[on_page] = 0;
        page.alive -= 1;
        self.len -= 1;
        if page.alive > 0 {
            return;
        }
        shelf.pages[page_at] = None;
        shelf.taken -= 1;
        self.pages -= 1;
        if shelf.taken == 0 {
            shelves.remove(&number);
            self.shelves -= 1;
            if shelves.is_empty() {
                self.authors.remove(&dot.actor);
            }
        }
    }

    /// The live dots in a range, in order, with their places.
    pub fn in_range(&self, range: DotRange) -> impl Iterator<Item = (Dot, Place)> {
        let shelves = self.authors.get(&range.actor).into_iter();
        let shelves = shelves.flat_map(move |shelves| shelves.range(at(range.first).0..=at(range.last).0));
        let pages = shelves
            .flat_map(|(number, shelf)| on_shelf(*number, shelf))
            .filter(move |(number, _)| (range.first / PAGE..=range.last / PAGE).contains(number));
        let all = pages.flat_map(move |(number, page)| on_page(range.actor, number, page));
        all.filter(move |(dot, _)| (range.first..=range.last).contains(&dot.seq))
    }

    /// The first live dot that is outside a context.
    pub fn first_outside(&self, context: &Context) -> Option<Dot> {
        let outside = |&actor: &Actor| {
            let seen = context.of(actor).map_or(&[][..], Intervals::pairs);
            let begins = std::iter::once(Some(0)).chain(seen.iter().map(|(_, last)| last.checked_add(1)));
            let ends = seen.iter().map(|(first, _)| first.saturating_sub(1)).chain([u64::MAX]);
            let gaps =
                begins.zip(ends).filter_map(|(first, last)| Some(DotRange { actor, first: first?, last }));
            gaps.filter(|gap| gap.first <= gap.last).flat_map(|gap| self.in_range(gap).next()).next()
        };
        self.authors.keys().filter_map(outside).map(|(dot, _)| dot).next()
    }

    /// The greatest number of a range whose dot is not alive.
    pub fn last_dead(&self, range: DotRange) -> Option<Dot> {
        let DotRange { actor, first, last } = range;
        let mut end = last;
        loop {
            let page = self.page(Dot::new(actor, end));
            let begin = (end / PAGE * PAGE).max(first);
            let is_dead = |seq: &u64| page.is_none_or(|page| page.keys[(seq % PAGE) as usize] == 0);
            if let Some(seq) = (begin..=end).rev().find(is_dead) {
                return Some(Dot::new(actor, seq));
            }
            if begin == first {
                return None;
            }
            end = begin - 1;
        }
    }

    /// All live dots in order, with their places.
    pub fn all(&self) -> impl Iterator<Item = (Dot, Place)> {
        self.authors.iter().flat_map(|(actor, shelves)| {
            let pages = shelves.iter().flat_map(|(number, shelf)| on_shelf(*number, shelf));
            pages.flat_map(move |(number, page)| on_page(*actor, number, page))
        })
    }
}

/// The pages of a shelf, with their numbers.
fn on_shelf(number: u64, shelf: &Shelf) -> impl Iterator<Item = (u64, &Page)> {
    let pages = (number * SHELF..).zip(&shelf.pages);
    pages.filter_map(|(number, page)| Some((number, page.as_deref()?)))
}

fn on_page(actor: Actor, number: u64, page: &Page) -> impl Iterator<Item = (Dot, Place)> {
    let places = page.keys.into_iter().zip(page.cells);
    let alive = (number * PAGE..).zip(places).filter(|(_, (key, _))| *key != 0);
    alive.map(move |(seq, (key, cell))| (Dot::new(actor, seq), Place { key: key - 1, cell }))
}

#[cfg(test)]
mod tests {
    use damson_crdt::{Life, NodeId};
    use rand_chacha::ChaCha8Rng;
    use rand_core::{Rng, SeedableRng};

    use super::*;

    fn actor(n: u64) -> Actor {
        Actor::new(NodeId([5; 16]), Life(n))
    }

    #[test]
    fn it_holds_what_a_sorted_map_holds() {
        let mut rng = ChaCha8Rng::seed_from_u64(9);
        let (mut index, mut model) = (DotIndex::default(), BTreeMap::new());
        for _ in 0..20_000 {
            let dot = Dot::new(actor(rng.next_u64() % 3), 1 + rng.next_u64() % 1_500);
            if rng.next_u64().is_multiple_of(2) {
                let [key, cell] = [100, 3].map(|most| u32::try_from(rng.next_u64() % most).unwrap());
                let place = Place { key, cell };
                index.insert(dot, place);
                model.insert(dot, place);
            } else {
                index.remove(dot);
                model.remove(&dot);
            }
            assert_eq!(index.len(), model.len());
            let shelves = || index.authors.values().flat_map(BTreeMap::iter);
            assert_eq!(index.shelves, shelves().count());
            assert_eq!(index.pages, shelves().flat_map(|(number, shelf)| on_shelf(*number, shelf)).count());
        }
        assert!(index.all().eq(model.iter().map(|(dot, place)| (*dot, *place))));
        let range = DotRange { actor: actor(1), first: 33, last: 128 };
        let expected = model.range(Dot::new(actor(1), 33)..=Dot::new(actor(1), 128));
        assert!(index.in_range(range).eq(expected.map(|(dot, place)| (*dot, *place))));
        for (first, last) in [(1, 40), (33, 64), (60, 1_499), (7, 7), (500, 530)] {
            let range = DotRange { actor: actor(1), first, last };
            let dead = (first..=last).rev().find(|seq| !model.contains_key(&Dot::new(actor(1), *seq)));
            assert_eq!(index.last_dead(range).map(|dot| dot.seq), dead);
        }
        for _ in 0..200 {
            let mut context: Context = model.keys().copied().collect();
            for _ in 0..rng.next_u64() % 2 {
                let hole = Dot::new(actor(rng.next_u64() % 3), 1 + rng.next_u64() % 1_500);
                context = context.minus(&[hole].into_iter().collect());
            }
            let stray = model.keys().find(|dot| !context.contains(**dot));
            assert_eq!(index.first_outside(&context), stray.copied());
        }
        model.keys().for_each(|dot| index.remove(*dot));
        assert!(index.authors.is_empty() && index.len() == 0 && index.bytes() == 0);
    }
}
