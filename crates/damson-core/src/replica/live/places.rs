//! Where things lie: places with numbers that stay.
//!
//! Places come in pages of about [`PAGE_BYTES`]; a page with nothing on it is gone, so that memory follows what is there and not the most
//! that ever was.

/// What something takes of a page that is full, in bytes.
pub(super) fn share_bytes<T>() -> u64 {
    let page = super::cost::allocated(PAGE_BYTES) + size_of::<Page<T>>() as u64;
    page / Places::<T>::PAGE as u64
}

/// All places.
#[derive(Debug)]
pub(super) struct Places<T> {
    pages: Vec<Page<T>>,
    /// The numbers of pages with room, those that are gone included; each once.
    roomy: Vec<u32>,
}

#[derive(Debug)]
struct Page<T> {
    things: Vec<Option<T>>,
    taken: usize,
}

/// A size that allocators give without adding to it.
const PAGE_BYTES: usize = 1_536;

/// So few pages grow as they are filled: there are many small tables, and few large ones.
const SMALL: usize = 4;

impl<T> Places<T> {
    /// Places on a page.
    const PAGE: usize = PAGE_BYTES / size_of::<Option<T>>();

    /// What lies at a place that is taken.
    pub fn at(&self, place: u32) -> &T {
        let (number, at) = Self::split(place);
        self.pages[number].things[at].as_ref().expect("the place is taken")
    }

    /// What lies at a place that is taken.
    pub fn at_mut(&mut self, place: u32) -> &mut T {
        let (number, at) = Self::split(place);
        self.pages[number].things[at].as_mut().expect("the place is taken")
    }

    /// Finds a place: number 0 if nothing has one.
    pub fn put(&mut self, thing: T) -> u32 {
        let number = self.roomy.last().copied().unwrap_or_else(|| self.new_number());
        let is_small = self.pages.len() <= SMALL;
        let page = &mut self.pages[number as usize];
        let at = page.put(thing, is_small);
        if page.taken == Self::PAGE {
            self.roomy.pop();
        }
        number * Self::PAGE as u32 + at as u32
    }

    /// Empties a place that is taken.
    pub fn take(&mut self, place: u32) -> T {
        let (number, at) = Self::split(place);
        let page = &mut self.pages[number];
        let thing = page.things[at].take().expect("the place is taken");
        if page.taken == Self::PAGE {
            self.roomy.push(number as u32);
        }
        page.taken -= 1;
        if page.taken == 0 {
            page.things = Vec::new();
        }
        thing
    }

    /// Forgets the pages behind the last that is there.
    pub fn shrink(&mut self) {
        let end = self.pages.iter().rposition(|page| page.taken > 0).map_or(0, |last| last + 1);
        self.pages.truncate(end);
        self.pages.shrink_to_fit();
        self.roomy.retain(|number| (*number as usize) < end);
        self.roomy.shrink_to_fit();
    }

    /// How many pages there are.
    #[cfg(test)]
    pub fn pages(&self) -> usize {
        self.pages.iter().filter(|page| page.taken > 0).count()
    }

    /// The number of its page, and where it is there.
    fn split(place: u32) -> (usize, usize) {
        (place as usize / Self::PAGE, place as usize % Self::PAGE)
    }

    fn new_number(&mut self) -> u32 {
        let number = u32::try_from(self.pages.len()).expect("fewer than 2^32 things");
        if self.pages.len() < SMALL {
            self.pages.reserve_exact(1);
            self.roomy.reserve_exact(1);
        }
        self.pages.push(Page { things: Vec::new(), taken: 0 });
        self.roomy.push(number);
        number
    }
}

impl<T> Page<T> {
    fn put(&mut self, thing: T, is_small: bool) -> usize {
        self.taken += 1;
        if self.taken <= self.things.len() {
            let at = self.things.iter().position(Option::is_none).expect("there is room");
            self.things[at] = Some(thing);
            return at;
        }
        if self.things.len() == self.things.capacity() {
            let room = if is_small {
                self.taken.next_power_of_two().min(Places::<T>::PAGE)
            } else {
                Places::<T>::PAGE
            };
            self.things.reserve_exact(room - self.things.len());
        }
        self.things.push(Some(thing));
        self.taken - 1
    }
}

impl<T> Default for Places<T> {
    fn default() -> Self {
        Self { pages: Vec::new(), roomy: Vec::new() }
    }
}
