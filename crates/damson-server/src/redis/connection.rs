//! A socket and its buffers.
//!
//! One round: read what has arrived, execute all complete commands of it in order, wait once until the last write is
//! durable, write all replies at once. So a pipeline costs one wait and one system call, and writers on all connections
//! share the commits of the disk.

use std::io;

use bytes::{Buf, BytesMut};
use damson::{Ticket, Waited, WriteError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Duration, timeout};

use super::execute::execute;
use super::session::{Pending, Session};
use crate::commands::CommandError;
use crate::resp::{Parser, Protocol, ProtocolError, Reply};
use crate::server::stopped;

/// What an idle connection may keep allocated for each direction, in bytes.
const IDLE_BYTES_MAX: usize = 4 << 10;
/// Read at once at most, in bytes.
const READ_BYTES_MAX: usize = 64 << 10;
/// How long after the last command larger buffers are kept.
const IDLE_AFTER: Duration = Duration::from_secs(5);
/// After a protocol error this many bytes are still read, for this long, so that the error arrives before a reset.
const LINGER_BYTES_MAX: usize = 64 << 20;
const LINGER_MAX: Duration = Duration::from_secs(2);

/// One client.
pub(super) struct Connection {
    stream: TcpStream,
    session: Session,
    parser: Parser,
    /// Received and not executed.
    input: BytesMut,
    /// Replies that were not sent yet.
    output: Vec<u8>,
    /// How many replies that is, and what must be durable before they are sent.
    replies: usize,
    ticket: Option<Ticket>,
    /// The last read took all that there was room for.
    filled: bool,
    /// The buffers are larger than an idle connection may keep.
    large: bool,
}

/// Why a connection ends.
enum End {
    /// It was closed, by either side.
    Closed,
    /// It cannot be understood.
    Malformed(ProtocolError),
}

impl Connection {
    pub fn new(stream: TcpStream, session: Session) -> Self {
        let parser = Parser::new(session.front.limits.parse.clone());
        Self {
            stream,
            session,
            parser,
            input: BytesMut::new(),
            output: Vec::new(),
            replies: 0,
            ticket: None,
            filled: false,
            large: false,
        }
    }

    /// Serves the client until it leaves, breaks the protocol, or the server stops.
    pub async fn serve(mut self, mut stopping: watch::Receiver<bool>) {
        let end = loop {
            if let Err(end) = self.round(&mut stopping).await {
                break end;
            }
            tokio::select! {
                read = self.read() => match read {
                    Ok(0) | Err(_) => break End::Closed,
                    Ok(_) => self.session.client.touch(),
                },
                () = stopped(&mut stopping) => break End::Closed,
            }
        };
        if let End::Malformed(error) = end {
            self.refuse(&error).await;
        }
    }

    /// Executes what has arrived and sends the replies.
    async fn round(&mut self, stopping: &mut watch::Receiver<bool>) -> Result<(), End> {
        let result = self.execute_received(stopping).await;
        self.flush().await?;
        match result {
            Ok(()) if self.session.closing => Err(End::Closed),
            result => result,
        }
    }

    async fn execute_received(&mut self, stopping: &mut watch::Receiver<bool>) -> Result<(), End> {
        while let Some(used) = self.parser.advance(&self.input).map_err(End::Malformed)? {
            let args = self.parser.args(&self.input);
            if !args.is_empty() {
                let before = self.output.len();
                let ticket = execute(&mut self.session, args, &mut self.output).await;
                self.replies += usize::from(self.output.len() > before);
                self.ticket = ticket.or(self.ticket);
            }
            self.input.advance(used);
            self.parser.reset();
            if let Some(pending) = self.session.pending.take() {
                // The replies before it do not wait.
                self.flush().await?;
                self.wait(pending, stopping).await?;
            }
            if self.session.closing {
                break;
            }
            if self.output.len() > self.session.front.limits.output_bytes_max {
                self.flush().await?;
            }
        }
        Ok(())
    }

    /// Waits until members have what was written. Meanwhile commands are received, not executed, and a client that leaves is
    /// noticed; the wait ends too when no more can be received, or the server stops.
    async fn wait(
        &mut self,
        Pending { mut waiting, muted }: Pending,
        stopping: &mut watch::Receiver<bool>,
    ) -> Result<(), End> {
        let end = loop {
            if self.input.len() >= self.session.front.limits.ahead_bytes_max {
                break Ok(waiting.had());
            }
            self.input.reserve(IDLE_BYTES_MAX);
            tokio::select! {
                biased;
                end = &mut waiting => break match end {
                    Some(Waited::Reached { had } | Waited::TimedOut { had, .. }) => Ok(had),
                    Some(_) => Err(WriteError::AcknowledgementUnknown),
                    None => Err(WriteError::Stopped),
                },
                read = self.stream.read_buf(&mut self.input) => match read {
                    Ok(0) | Err(_) => return Err(End::Closed),
                    Ok(read) => self.session.front.metrics.received(read),
                },
                () = stopped(stopping) => break Ok(waiting.had()),
            }
        };
        if !muted {
            let mut reply = Reply::new(&mut self.output, self.session.protocol);
            match end {
                // The client does not count the node that it writes to.
                Ok(had) => reply.count(had.saturating_sub(1)),
                Err(error) => reply.error(&CommandError::from(error).to_string()),
            }
            self.replies += 1;
        }
        Ok(())
    }

    /// Waits until what was written is durable, then sends the replies.
    async fn flush(&mut self) -> Result<(), End> {
        if let Some(ticket) = self.ticket.take()
            && let Err(error) = self.session.scope().durable(ticket).await
        {
            self.replace_replies(&CommandError::from(error));
        }
        self.replies = 0;
        self.send().await.map_err(|_| End::Closed)
    }

    /// None of these replies may stand: what was written is not durable, and what was read may be that.
    fn replace_replies(&mut self, error: &CommandError) {
        self.session.front.metrics.failed(error.kind());
        self.output.clear();
        let mut reply = Reply::new(&mut self.output, Protocol::Resp2);
        (0..self.replies).for_each(|_| reply.error(&error.to_string()));
    }

    async fn send(&mut self) -> io::Result<()> {
        if self.output.is_empty() {
            return Ok(());
        }
        let sent = match self.stream.try_write(&self.output) {
            Ok(sent) => sent,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(error) => return Err(error),
        };
        if sent < self.output.len() {
            self.send_slowly(sent).await?;
        }
        self.session.front.metrics.sent(self.output.len());
        self.output.clear();
        Ok(())
    }

    /// Sends to a client that is slow to read. Meanwhile its commands are received, not executed: a client that sends a
    /// long pipeline before it reads the first reply would wait for us otherwise, as we for it.
    async fn send_slowly(&mut self, mut sent: usize) -> io::Result<()> {
        let limits = &self.session.front.limits;
        let (mut reader, mut writer) = self.stream.split();
        let mut open = true;
        while sent < self.output.len() {
            let room = open && self.input.len() < limits.ahead_bytes_max;
            if room {
                self.input.reserve(IDLE_BYTES_MAX);
            }
            tokio::select! {
                wrote = timeout(limits.stalled_max, writer.write(&self.output[sent..])) => match wrote {
                    Ok(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                    Ok(wrote) => sent += wrote?,
                    Err(_) => return Err(io::ErrorKind::TimedOut.into()),
                },
                read = reader.read_buf(&mut self.input), if room => match read? {
                    0 => open = false,
                    read => self.session.front.metrics.received(read),
                },
            }
        }
        Ok(())
    }

    /// Waits for more bytes.
    async fn read(&mut self) -> io::Result<usize> {
        self.large |= self.filled || self.output.capacity() > IDLE_BYTES_MAX;
        if self.large && timeout(IDLE_AFTER, self.stream.readable()).await.is_err() {
            self.give_back();
        }
        // What a client sends in bulk fills the buffer: then more is taken at once. The buffer doubles at most, so that
        // it grows with what has arrived, not with what was announced.
        self.input.reserve(if self.filled { READ_BYTES_MAX } else { IDLE_BYTES_MAX });
        let read = self.stream.read_buf(&mut self.input).await?;
        self.filled = self.input.len() == self.input.capacity();
        self.session.front.metrics.received(read);
        Ok(read)
    }

    /// Frees buffers that were needed once, on a connection that is idle now.
    fn give_back(&mut self) {
        self.output = Vec::new();
        if self.input.is_empty() {
            self.input = BytesMut::new();
        }
        (self.filled, self.large) = (false, false);
    }

    /// Says what is wrong and closes the connection, this one only.
    async fn refuse(&mut self, error: &ProtocolError) {
        self.session.front.metrics.malformed();
        tracing::debug!(client = self.session.client.id, %error, "connection closed");
        Reply::new(&mut self.output, self.session.protocol).error(&format!("ERR {error}"));
        if self.send().await.is_ok() && self.stream.shutdown().await.is_ok() {
            // Closing with unread input would reset the connection and could take the error with it.
            let _ = timeout(LINGER_MAX, self.discard()).await;
        }
    }

    async fn discard(&mut self) -> io::Result<()> {
        let mut discarded = 0;
        while discarded < LINGER_BYTES_MAX {
            self.input.clear();
            self.input.reserve(IDLE_BYTES_MAX);
            match self.stream.read_buf(&mut self.input).await? {
                0 => break,
                read => discarded += read,
            }
        }
        Ok(())
    }
}
