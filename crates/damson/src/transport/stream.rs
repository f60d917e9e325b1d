//! Carries one link over one byte stream, with any number of frames in each read and write.

use std::{io, sync::Arc};

use bytes::Bytes;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufWriter},
    time,
};

use super::{
    TransportCounters,
    counters::add,
    frame::{CHUNK_BYTES, FrameDecoder, HEADER_BYTES, Oversized},
    lanes::Taken,
    link::Endpoint,
};

/// Why a link ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ended {
    #[error("this node ended the link")]
    Here,
    #[error(
        "this node ended the link, and the peer did not take, or was not given the time to take, the rest"
    )]
    Lingered,
    #[error("the peer ended the link")]
    There,
    #[error("the peer ended the link within a frame")]
    Torn,
    #[error(transparent)]
    Oversized(#[from] Oversized),
    #[error("the connection failed: {0}")]
    Failed(#[from] io::Error),
}

/// Moves frames between `stream` and `endpoint` until one of them ends; then both have ended.
pub(super) async fn carry<S>(stream: S, endpoint: Endpoint, counters: Arc<TransportCounters>) -> Ended
where
    S: AsyncRead + AsyncWrite,
{
    let (mut reader, writer) = tokio::io::split(stream);
    let ended = tokio::select! {
        ended = receive(&mut reader, &endpoint, &counters) => ended,
        ended = send(writer, &endpoint, &counters) => ended.map_or_else(Ended::Failed, |()| Ended::Here),
        () = endpoint.given_up() => Ended::Lingered,
    };
    if let Ended::Oversized(_) = ended {
        add(&counters.oversized, 1);
    }
    let linger = endpoint.limits().linger;
    drop(endpoint);
    if let Ended::Here = ended {
        // Closing a socket that has unread input resets it, and the reset can destroy the last frames on their way
        // to the peer. So read until the peer has closed its side.
        let _ = time::timeout(linger, tokio::io::copy(&mut reader, &mut tokio::io::sink())).await;
    }
    ended
}

async fn receive(
    reader: &mut (impl AsyncRead + Unpin),
    endpoint: &Endpoint,
    counters: &TransportCounters,
) -> Ended {
    let mut decoder = FrameDecoder::new(endpoint.limits().frame_bytes_max);
    loop {
        match reader.read_buf(&mut decoder.room()).await {
            Ok(0) if decoder.is_between_frames() => return Ended::There,
            Ok(0) => return Ended::Torn,
            Ok(bytes) => add(&counters.bytes_in, bytes),
            // A peer that closes without a TLS goodbye (a crash) is no failure of ours, and frames have lengths.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ended::There,
            Err(error) => return Ended::Failed(error),
        }
        loop {
            match decoder.next() {
                Ok(Some(frame)) => {
                    add(&counters.frames_in, 1);
                    endpoint.deliver(frame).await;
                }
                Ok(None) => break,
                Err(oversized) => return Ended::Oversized(oversized),
            }
        }
    }
}

/// Sends until the owner has ended the link and all is sent.
async fn send(
    writer: impl AsyncWrite + Unpin,
    endpoint: &Endpoint,
    counters: &TransportCounters,
) -> io::Result<()> {
    let mut writer = BufWriter::with_capacity(CHUNK_BYTES, writer);
    let mut frames: Vec<Bytes> = Vec::new();
    loop {
        // Small batches, so that an urgent frame never waits behind more than one of them.
        match endpoint.take(&mut frames, CHUNK_BYTES) {
            Taken::Frames => write_all(&mut writer, &mut frames, counters).await?,
            Taken::Nothing => {
                writer.flush().await?;
                endpoint.filled().await;
            }
            Taken::Finished => return writer.shutdown().await,
        }
    }
}

async fn write_all(
    writer: &mut (impl AsyncWrite + Unpin),
    frames: &mut Vec<Bytes>,
    counters: &TransportCounters,
) -> io::Result<()> {
    let (count, mut bytes) = (frames.len(), 0);
    for frame in frames.drain(..) {
        let length = u32::try_from(frame.len()).expect("the lanes take no frame above a 32-bit limit");
        writer.write_u32(length).await?;
        writer.write_all(&frame).await?;
        bytes += HEADER_BYTES + frame.len();
    }
    add(&counters.frames_out, count);
    add(&counters.bytes_out, bytes);
    Ok(())
}

#[cfg(test)]
mod tests {
    use tokio::io::DuplexStream;

    use super::*;
    use crate::transport::{Lane, Link, LinkLimits};

    fn start(stream: DuplexStream) -> (Link, tokio::task::JoinHandle<Ended>) {
        let (link, endpoint) = Link::new([0; 16], "peer".into(), &LinkLimits::default());
        (link, tokio::spawn(carry(stream, endpoint, Arc::default())))
    }

    #[tokio::test]
    async fn an_urgent_frame_overtakes_bulk_frames_that_wait_for_the_wire() {
        let (ours, theirs) = tokio::io::duplex(1000);
        let (sender_link, _task) = start(ours);
        for _ in 0..50 {
            sender_link.sender.try_send(Lane::Bulk, Bytes::from(vec![1; 60_000])).unwrap();
        }
        tokio::task::yield_now().await;
        sender_link.sender.try_send(Lane::Urgent, "probe".into()).unwrap();
        let (mut receiver, _task) = start(theirs);
        let mut before = 0;
        while receiver.incoming.recv().await.unwrap() != "probe" {
            before += 1;
        }
        assert!(before <= 3, "{before} bulk frames came before the probe");
    }

    #[tokio::test]
    async fn what_was_queued_arrives_before_a_closed_link_ends() {
        let (ours, theirs) = tokio::io::duplex(1000);
        let (link, task) = start(ours);
        let (mut peer, _task) = start(theirs);
        for _ in 0..100 {
            link.sender.try_send(Lane::Bulk, Bytes::from(vec![1; 5000])).unwrap();
        }
        drop(link);
        let mut received = 0;
        while peer.incoming.recv().await.is_some() {
            received += 1;
        }
        assert_eq!(received, 100);
        assert!(matches!(task.await.unwrap(), Ended::Here));
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_reads_nothing_cannot_hold_a_closed_link() {
        let (ours, _theirs) = tokio::io::duplex(10);
        let (link, task) = start(ours);
        link.sender.try_send(Lane::Bulk, Bytes::from(vec![1; 5000])).unwrap();
        link.sender.close();
        assert!(matches!(task.await.unwrap(), Ended::Lingered));
    }

    #[tokio::test]
    async fn a_stream_that_ends_within_a_frame_ends_the_link() {
        let (ours, mut theirs) = tokio::io::duplex(1000);
        let (mut link, task) = start(ours);
        theirs.write_all(&[0, 0, 0, 9, 1]).await.unwrap();
        drop(theirs);
        assert_eq!(link.incoming.recv().await, None);
        assert!(matches!(task.await.unwrap(), Ended::Torn));
    }
}
