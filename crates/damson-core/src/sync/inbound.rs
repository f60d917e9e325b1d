//! A session in which we are the receiver: what was asked for and has not come.

use std::collections::VecDeque;

use damson_crdt::NodeId;

use super::pace::{LATE_MS, Pace};
use super::{PROGRESS_BYTES_MIN, SyncConfig, Wish};
use crate::scope::ScopeName;
use crate::time::Time;
use crate::wire::{Ahead, SyncMessage};

#[derive(Debug)]
pub(super) struct Inbound {
    pub peer: NodeId,
    pub scope: ScopeName,
    pub session: u64,
    /// How this node names it.
    pub number: u64,
    pub began: Time,
    /// What was asked for. Asked again, it is the same: the answer is relative to it.
    request: Vec<u8>,
    /// The source's number, once its first part has come.
    pub transfer: Option<u64>,
    /// The part that is staged next.
    expected: u64,
    /// What was asked for with that.
    demand: Vec<u8>,
    /// The last part brought cells and left nothing to be found out: what follows it can be asked for ahead.
    plain: bool,
    /// That part and those after it, as far as they were asked for.
    asked: VecDeque<Asked>,
    /// Questions so far.
    questions: u64,
    pace: Pace,
    /// Bytes of the last part: those that follow may be as large.
    last_bytes: u64,
    pub bytes: u64,
    /// When a part came last, or was asked for while none was under way.
    heard: Time,
    /// How long the last took that was not asked for again, or longer.
    took_ms: u64,
    /// The budget is used up: more is asked for then.
    pub due: Option<Time>,
    progress: Time,
    /// What had come by then.
    progress_bytes: u64,
    /// Parts that were taken for progress because they left something to be found out.
    findings: u32,
}

/// Parts of a comparison may be small, and each brings it on. An honest one needs a few; who goes on and on must send something.
const FINDINGS_MAX: u32 = 16;

/// A part that was asked for.
#[derive(Debug)]
struct Asked {
    /// For how many bytes.
    bytes: u64,
    first: Question,
    /// The last of those that followed, because it seemed lost.
    again: Option<Question>,
    /// It has come, before one in front of it.
    body: Option<Vec<u8>>,
}

#[derive(Debug, Clone, Copy)]
struct Question {
    number: u64,
    at: Time,
}

impl Asked {
    fn last(&self) -> Question {
        self.again.unwrap_or(self.first)
    }

    /// The question that is answered now. What comes sooner than anything ever came was not lost but late.
    fn answered(&self, soonest_ms: Option<u64>, now: Time) -> Question {
        let too_soon = |again: &Question| soonest_ms.is_some_and(|least| now.ms_since(again.at) < least);
        self.again.filter(|again| !too_soon(again)).unwrap_or(self.first)
    }
}

impl Inbound {
    pub fn new(wish: Wish, session: u64, number: u64, request: Vec<u8>, pace: Pace, now: Time) -> Self {
        Self {
            peer: wish.peer,
            scope: wish.scope,
            session,
            number,
            began: now,
            request,
            transfer: None,
            expected: 0,
            demand: Vec::new(),
            plain: false,
            asked: VecDeque::new(),
            questions: 0,
            pace,
            last_bytes: 0,
            bytes: 0,
            heard: now,
            took_ms: 0,
            due: None,
            progress: now,
            progress_bytes: 0,
            findings: 0,
        }
    }

    /// What has become known of the link.
    pub fn into_pace(self) -> Pace {
        self.pace
    }

    /// Bytes that were asked for and have not come.
    pub fn under_way(&self) -> u64 {
        self.asked.iter().filter(|asked| asked.body.is_none()).map(|asked| self.reckoned(asked.bytes)).sum()
    }

    /// Is nothing asked for at present?
    pub fn pauses(&self) -> bool {
        self.asked.is_empty()
    }

    /// Is one more part to be asked for?
    pub fn wants_more(&self) -> bool {
        self.pauses() || (self.plain && self.pace.has_room(self.asked.len(), self.under_way()))
    }

    /// Asks for one more part.
    pub fn ask(&mut self, now: Time) -> SyncMessage {
        if self.pauses() {
            // The pause was ours.
            self.progress = self.progress.plus_ms(now.ms_since(self.heard));
            self.heard = now;
        }
        let bytes = if self.plain { self.pace.part_bytes() } else { self.pace.lone_bytes() };
        let first = self.next_question(now);
        self.asked.push_back(Asked { bytes, first, again: None, body: None });
        self.question(self.asked.len() - 1)
    }

    /// Asks once more for the first part that is missing.
    pub fn ask_again(&mut self, now: Time) -> Option<SyncMessage> {
        self.heard = now;
        (!self.pauses()).then(|| self.repeat(0, now))
    }

    /// Takes a part. Says what has to be asked for again; nothing when nobody asked for this.
    pub fn take(&mut self, number: u64, body: Vec<u8>, now: Time) -> Option<Vec<SyncMessage>> {
        let at = number.checked_sub(self.expected).and_then(|at| usize::try_from(at).ok());
        if at.is_none_or(|at| self.asked.get(at).is_some_and(|asked| asked.body.is_some())) {
            // It was not lost but slow: what was asked for again too early would come twice for ever.
            self.took_ms = self.took_ms.saturating_mul(2).max(LATE_MS);
        }
        let asked = self.asked.get_mut(at?).filter(|asked| asked.body.is_none())?;
        self.last_bytes = body.len() as u64;
        self.bytes += self.last_bytes;
        let answered = asked.answered(self.pace.soonest_ms(), now);
        if asked.again.is_some() {
            self.pace.came_again();
        } else {
            self.took_ms = now.ms_since(answered.at);
            self.pace.came(self.last_bytes, answered.at, now);
        }
        asked.body = Some(body);
        self.heard = now;
        if self.bytes >= self.progress_bytes + PROGRESS_BYTES_MIN {
            self.progresses(now);
        }
        // Links keep the order: what was asked for before this and has not come is lost.
        let is_lost = |asked: &Asked| asked.body.is_none() && asked.last().number < answered.number;
        let lost: Vec<usize> = (0..self.asked.len()).filter(|at| is_lost(&self.asked[*at])).collect();
        Some(lost.into_iter().map(|at| self.repeat(at, now)).collect())
    }

    /// The next part to be staged, if it has come.
    pub fn next_part(&mut self) -> Option<Vec<u8>> {
        let body = self.asked.front_mut()?.body.take()?;
        self.asked.pop_front();
        self.expected += 1;
        Some(body)
    }

    /// A part was staged, and more is to come. `false` when this cannot be: what follows was asked for already, and as
    /// something else.
    pub fn goes_on(&mut self, demand: Vec<u8>, now: Time) -> bool {
        self.plain = demand.is_empty();
        if !self.plain && self.findings < FINDINGS_MAX {
            self.findings += 1;
            self.progresses(now);
        }
        self.demand = demand;
        self.plain || self.pauses()
    }

    pub fn has_stalled(&self, config: &SyncConfig, now: Time) -> bool {
        !self.pauses() && now >= self.progress.plus_ms(config.stall_ms)
    }

    /// When the first part that is missing is asked for again.
    pub fn retry(&self, config: &SyncConfig) -> Option<Time> {
        let wait_ms = config.retry_ms.max(self.took_ms.saturating_mul(2).min(config.stall_ms / 2));
        (!self.pauses()).then(|| self.heard.plus_ms(wait_ms))
    }

    /// When something has to be done, if nothing comes.
    pub fn deadline(&self, config: &SyncConfig) -> Time {
        let stalled = (!self.pauses()).then(|| self.progress.plus_ms(config.stall_ms));
        [self.due, self.retry(config), stalled].into_iter().flatten().min().unwrap_or(Time(u64::MAX))
    }

    fn progresses(&mut self, now: Time) {
        (self.progress, self.progress_bytes) = (now, self.bytes);
    }

    fn repeat(&mut self, at: usize, now: Time) -> SyncMessage {
        self.asked[at].again = Some(self.next_question(now));
        self.question(at)
    }

    fn next_question(&mut self, now: Time) -> Question {
        self.questions += 1;
        Question { number: self.questions, at: now }
    }

    fn reckoned(&self, bytes: u64) -> u64 {
        bytes.max(self.last_bytes)
    }

    fn question(&self, at: usize) -> SyncMessage {
        let (session, number) = (self.session, self.expected + at as u64);
        let bytes_max = self.asked[at].bytes;
        let Some(transfer) = self.transfer else {
            let (scope, request) = (self.scope.clone(), self.request.clone());
            return SyncMessage::Pull { session, scope, request, bytes_max: Some(bytes_max) };
        };
        let ahead = Ahead { have: self.expected, bytes_max };
        SyncMessage::Next { session, transfer, number, demand: self.demand.clone(), ahead: Some(ahead) }
    }
}
