//! A message to one node on a bus that carries it to all.

use bytes::{Buf, BufMut, Bytes, BytesMut};

const MAGIC: u8 = 0xdb;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Envelope {
    /// Empty in an announcement.
    pub to: String,
    pub from: String,
    pub message: Bytes,
}

impl Envelope {
    /// # Panics
    /// When an address has more than 255 bytes; nobody dials one, and our own is checked.
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(3 + self.to.len() + self.from.len() + self.message.len());
        out.put_u8(MAGIC);
        for address in [&self.to, &self.from] {
            out.put_u8(u8::try_from(address.len()).expect("addresses are short"));
            out.put_slice(address.as_bytes());
        }
        out.put_slice(&self.message);
        out.freeze()
    }

    /// `None` for what is none of ours.
    pub fn decode(mut data: Bytes) -> Option<Self> {
        if data.try_get_u8() != Ok(MAGIC) {
            return None;
        }
        let (to, from) = (take_text(&mut data)?, take_text(&mut data)?);
        (!from.is_empty()).then_some(Self { to, from, message: data })
    }
}

fn take_text(data: &mut Bytes) -> Option<String> {
    let length = usize::from(data.try_get_u8().ok()?);
    let text = (data.len() >= length).then(|| data.split_to(length))?;
    String::from_utf8(text.into()).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_envelope_comes_back_as_it_was(to in ".{0,20}", from in ".{1,20}", message in prop::collection::vec(any::<u8>(), 0..50)) {
            let envelope = Envelope { to, from, message: message.into() };
            prop_assert_eq!(Envelope::decode(envelope.encode()), Some(envelope));
        }

        #[test]
        fn any_bytes_are_an_envelope_or_none(mut data in prop::collection::vec(any::<u8>(), 0..40), magic: bool) {
            if let (true, Some(first)) = (magic, data.first_mut()) {
                *first = MAGIC;
            }
            if let Some(envelope) = Envelope::decode(data.clone().into()) {
                prop_assert_eq!(envelope.encode(), data);
            }
        }
    }
}
