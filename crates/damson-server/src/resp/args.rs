//! The arguments of one command.

/// A part of the bytes that the arguments lie in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub start: u32,
    pub len: u32,
}

/// The arguments of one command, its name first, in the buffer that they were received in. Cheap to copy.
#[derive(Debug, Clone, Copy)]
pub struct Args<'a> {
    bytes: &'a [u8],
    spans: &'a [Span],
}

impl<'a> Args<'a> {
    pub(super) fn new(bytes: &'a [u8], spans: &'a [Span]) -> Self {
        Self { bytes, spans }
    }

    /// How many there are, the command's name included.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// True for an empty line, which is no command.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// The argument at a position; the name is at 0.
    pub fn get(&self, at: usize) -> Option<&'a [u8]> {
        let span = self.spans.get(at)?;
        Some(&self.bytes[span.start as usize..][..span.len as usize])
    }

    /// The argument at a position that the command's arity promises.
    ///
    /// # Panics
    /// When there are fewer.
    pub fn at(&self, at: usize) -> &'a [u8] {
        self.get(at).expect("the arity was checked")
    }

    /// What is left from a position on.
    #[must_use]
    pub fn from(&self, at: usize) -> Self {
        Self { bytes: self.bytes, spans: self.spans.get(at..).unwrap_or_default() }
    }

    /// All in their order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &'a [u8]> + use<'a> {
        let args = *self;
        (0..args.len()).map(move |at| args.at(at))
    }

    /// Two by two; a last one without a partner is left out.
    pub fn pairs(&self) -> impl ExactSizeIterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let args = *self;
        (0..args.len() / 2).map(move |at| (args.at(2 * at), args.at(2 * at + 1)))
    }
}
