//! Where keys lie: places with numbers that stay.
//!
//! Places come in pages of [`PAGE`]; a page without a key is gone, so that memory follows the keys that are there and not
//! the most that ever were.

use super::table::Keyed;

/// What a key takes of a page that is full, in bytes.
pub(super) fn share_bytes() -> u64 {
    (super::cost::allocated(size_of::<Page>()) + size_of::<Option<Box<Page>>>() as u64) / PAGE as u64
}

/// All places.
#[derive(Debug, Default)]
pub(super) struct Places {
    pages: Vec<Option<Box<Page>>>,
    /// The numbers of pages with room, those that are gone included; each once.
    roomy: Vec<u32>,
}

#[derive(Debug, Default)]
struct Page {
    keys: [Option<Keyed>; PAGE],
    taken: usize,
}

const PAGE: usize = 8;

impl Places {
    /// The key at a place that is taken.
    pub fn at(&self, place: u32) -> &Keyed {
        let page = self.pages[number_of(place)].as_deref();
        page.and_then(|page| page.keys[place as usize % PAGE].as_ref()).expect("the place is taken")
    }

    /// The key at a place that is taken.
    pub fn at_mut(&mut self, place: u32) -> &mut Keyed {
        let page = self.pages[number_of(place)].as_deref_mut();
        page.and_then(|page| page.keys[place as usize % PAGE].as_mut()).expect("the place is taken")
    }

    /// Finds a place for a key.
    pub fn put(&mut self, keyed: Keyed) -> u32 {
        let number = self.roomy.last().copied().unwrap_or_else(|| self.new_number());
        let page = self.pages[number as usize].get_or_insert_default();
        let at = page.keys.iter().position(Option::is_none).expect("the page has room");
        page.keys[at] = Some(keyed);
        page.taken += 1;
        if page.taken == PAGE {
            self.roomy.pop();
        }
        number * PAGE as u32 + at as u32
    }

    /// Empties a place that is taken.
    pub fn take(&mut self, place: u32) -> Keyed {
        let number = number_of(place);
        let page = self.pages[number].as_deref_mut().expect("the place is taken");
        let keyed = page.keys[place as usize % PAGE].take().expect("the place is taken");
        if page.taken == PAGE {
            self.roomy.push(number as u32);
        }
        page.taken -= 1;
        if page.taken == 0 {
            self.pages[number] = None;
        }
        keyed
    }

    /// Forgets the pages behind the last that is there.
    pub fn shrink(&mut self) {
        let end = self.pages.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
        self.pages.truncate(end);
        self.pages.shrink_to_fit();
        self.roomy.retain(|number| (*number as usize) < end);
        self.roomy.shrink_to_fit();
    }

    /// How many pages there are.
    #[cfg(test)]
    pub fn pages(&self) -> usize {
        self.pages.iter().flatten().count()
    }

    fn new_number(&mut self) -> u32 {
        let number = u32::try_from(self.pages.len()).expect("fewer than 2^32 keys");
        self.pages.push(None);
        self.roomy.push(number);
        number
    }
}

fn number_of(place: u32) -> usize {
    place as usize / PAGE
}
