//! How frames lie in a byte stream: a 32-bit big-endian length, then as many bytes.
//!
//! The decoder is pure: it says how much it wants to read next and gives the frames in what was read. An announced
//! length is checked and then only believed as far as bytes arrive: what a frame has allocated is at most twice
//! what came of it, plus one chunk.

use bytes::{Buf, BufMut, Bytes, BytesMut, buf::Limit};

/// Bytes of the length before each frame.
pub(super) const HEADER_BYTES: usize = 4;

/// What is read at once, and the largest allocation that small frames share.
pub(super) const CHUNK_BYTES: usize = 64 << 10;

/// Below this much room, a new chunk is cheaper than a short read.
const READ_BYTES_MIN: usize = 4 << 10;

/// The peer announced a frame above the limit. The stream cannot be understood any further.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the peer announced a frame of {announced} bytes, above the limit of {limit}")]
pub(super) struct Oversized {
    announced: usize,
    limit: usize,
}

/// Cuts a byte stream into frames.
pub(super) struct FrameDecoder {
    buffer: BytesMut,
    frame_bytes_max: usize,
}

impl FrameDecoder {
    pub(super) fn new(frame_bytes_max: usize) -> FrameDecoder {
        FrameDecoder { buffer: BytesMut::new(), frame_bytes_max }
    }

    /// Room for the next read, never empty.
    pub(super) fn room(&mut self) -> Limit<&mut BytesMut> {
        // A large frame gets an allocation to itself, so that no small frame behind it keeps it alive: do not read
        // beyond its end.
        let wanted = match self.missing() {
            missing if missing > CHUNK_BYTES || self.buffer.len() >= CHUNK_BYTES => missing,
            _ => CHUNK_BYTES,
        };
        let spare = self.buffer.capacity() - self.buffer.len();
        if spare < wanted.min(READ_BYTES_MIN) {
            self.buffer.reserve(wanted.min(CHUNK_BYTES));
        }
        (&mut self.buffer).limit(wanted)
    }

    /// The next frame, if all of it has been read.
    pub(super) fn next(&mut self) -> Result<Option<Bytes>, Oversized> {
        let Some(length) = self.announced() else { return Ok(None) };
        if length > self.frame_bytes_max {
            return Err(Oversized { announced: length, limit: self.frame_bytes_max });
        }
        if self.buffer.len() < HEADER_BYTES + length {
            return Ok(None);
        }
        self.buffer.advance(HEADER_BYTES);
        let frame = self.buffer.split_to(length).freeze();
        if self.buffer.is_empty() && length > CHUNK_BYTES {
            self.buffer = BytesMut::new();
        }
        Ok(Some(frame))
    }

    /// Whether the stream may end here.
    pub(super) fn is_between_frames(&self) -> bool {
        self.buffer.is_empty()
    }

    fn announced(&self) -> Option<usize> {
        let header = self.buffer.first_chunk::<HEADER_BYTES>()?;
        usize::try_from(u32::from_be_bytes(*header)).ok()
    }

    /// Bytes missing of the frame whose beginning is in the buffer.
    fn missing(&self) -> usize {
        self.announced().map_or(0, |length| (HEADER_BYTES + length).saturating_sub(self.buffer.len()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Feeds `stream` in pieces of at most `step` bytes and returns the frames and the largest buffer on the way.
    fn decode(stream: &[u8], step: usize, frame_bytes_max: usize) -> Result<(Vec<Bytes>, usize), Oversized> {
        let mut decoder = FrameDecoder::new(frame_bytes_max);
        let (mut frames, mut largest) = (Vec::new(), 0);
        let mut rest = stream;
        while !rest.is_empty() {
            let mut room = decoder.room();
            let read = room.remaining_mut().min(step).min(rest.len());
            assert!(read > 0, "there is always room to read");
            room.put_slice(&rest[..read]);
            rest = &rest[read..];
            largest = largest.max(decoder.buffer.capacity());
            while let Some(frame) = decoder.next()? {
                frames.push(frame);
            }
        }
        Ok((frames, largest))
    }

    fn encode(frames: &[Vec<u8>]) -> Vec<u8> {
        let mut stream = Vec::new();
        for frame in frames {
            stream.put_u32(u32::try_from(frame.len()).unwrap());
            stream.extend_from_slice(frame);
        }
        stream
    }

    proptest! {
        #[test]
        fn frames_come_out_as_they_went_in_however_the_stream_is_cut(
            sizes in prop::collection::vec(prop_oneof![0..40usize, 60_000..70_000usize, 0..300_000usize], 0..12),
            step in prop_oneof![1..9usize, 1..200_000usize],
        ) {
            let frames: Vec<Vec<u8>> = (0u8..).zip(sizes).map(|(byte, size)| vec![byte; size]).collect();
            let step = if frames.iter().map(Vec::len).sum::<usize>() > 200_000 { step.max(500) } else { step };
            let (decoded, _) = decode(&encode(&frames), step, 300_000).unwrap();
            prop_assert_eq!(decoded, frames);
        }

        #[test]
        fn any_bytes_are_frames_or_an_error_and_never_a_large_allocation(
            stream in prop::collection::vec(any::<u8>(), 0..2000),
        ) {
            if let Ok((_, largest)) = decode(&stream, 100, u32::MAX as usize) {
                prop_assert!(largest <= 2 * (2000 + CHUNK_BYTES));
            }
        }
    }

    #[test]
    fn an_announced_length_is_not_allocated_before_it_arrives() {
        let mut stream = encode(&[vec![7; 8 << 20]]);
        stream.truncate(100_000);
        let (frames, largest) = decode(&stream, 10_000, 24 << 20).unwrap();
        assert!(frames.is_empty());
        assert!(largest <= 2 * 100_000 + CHUNK_BYTES, "{largest}");
    }

    #[test]
    fn a_small_frame_does_not_keep_the_large_one_before_it_alive() {
        let mut decoder = FrameDecoder::new(1 << 20);
        let mut rest = &encode(&[vec![1; 1 << 20], vec![2; 3]])[..];
        while !rest.is_empty() {
            let mut room = decoder.room();
            let read = room.remaining_mut().min(rest.len());
            room.put_slice(&rest[..read]);
            rest = &rest[read..];
            let _ = decoder.next().unwrap();
        }
        assert!(decoder.is_between_frames());
        assert!(decoder.buffer.capacity() <= CHUNK_BYTES);
    }

    #[test]
    fn a_length_above_the_limit_is_refused_before_anything_is_allocated_for_it() {
        let error = decode(&[0, 0, 0, 9], 4, 8).unwrap_err();
        assert_eq!(error, Oversized { announced: 9, limit: 8 });
    }
}
