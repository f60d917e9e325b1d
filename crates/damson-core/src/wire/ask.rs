//! Questions to one member, and its answers: has it these writes, what has it seen.

use minicbor::{Decode, Encode};

use super::lazy::Have;
use crate::scope::ScopeName;

/// A question. It ends with the link, or when it has not been asked again for some seconds.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Ask {
    /// Chosen by the asker. The same again is the same question.
    #[n(0)]
    pub nonce: u64,
    /// What it wants to know.
    #[n(1)]
    pub question: Question,
}

/// What one member wants to know of another.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Question {
    /// Tell me when you have all of these authors' operations up to these numbers, as durably as their scopes ask.
    #[n(0)]
    Has(#[n(0)] Vec<Have>),
    /// Which operations have you seen that I may not have?
    #[n(1)]
    Seen {
        /// The scope.
        #[n(0)]
        scope: ScopeName,
        /// What I have seen: 16 bytes for each share of the authors, as [`crate::node`] divides them.
        #[cbor(n(1), with = "minicbor::bytes")]
        shares: Vec<u8>,
    },
    /// Say so if you have seen just this of an ended life, and know the same members. No answer otherwise.
    #[n(2)]
    Ended {
        /// The scope.
        #[n(0)]
        scope: ScopeName,
        /// What was seen of the life: a context of this one actor.
        #[cbor(n(1), with = "minicbor::bytes")]
        seen: Vec<u8>,
        /// The digest of the roster.
        #[cbor(n(2), with = "minicbor::bytes")]
        roster: [u8; 16],
    },
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Answer {
    /// The question's.
    #[n(0)]
    pub nonce: u64,
    /// What is so.
    #[n(1)]
    pub said: Said,
}

/// What a member says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum Said {
    /// I have them.
    #[n(0)]
    Has,
    /// This is what I have seen of the authors in the shares that differ.
    #[n(1)]
    Seen(#[cbor(n(0), with = "minicbor::bytes")] Vec<u8>),
    /// Too much differs to tell: compare with me first, then ask again.
    #[n(2)]
    Much,
}

#[cfg(test)]
mod tests {
    use damson_crdt::{Actor, Life, NodeId};

    use super::*;
    use crate::wire::Message;

    fn ask(parts: usize) -> Message {
        let actor = Actor::new(NodeId([7; 16]), Life(u64::MAX));
        let part = Have { scope: "default".parse().unwrap(), actor, last: 100_000 };
        Message::Ask(Ask { nonce: u64::MAX, question: Question::Has(vec![part; parts]) })
    }

    #[test]
    fn questions_and_answers_read_back_and_are_small() {
        let shares = Question::Seen { scope: "default".parse().unwrap(), shares: vec![1; 32] };
        let answers = [Said::Has, Said::Seen(vec![0x80]), Said::Much];
        let answers = answers.map(|said| Message::Answer(Answer { nonce: 3, said }));
        let all = [ask(1), ask(64), Message::Ask(Ask { nonce: 5, question: shares })];
        for message in all.into_iter().chain(answers) {
            assert_eq!(Message::decode(&message.encode()).unwrap(), message);
        }
        assert!(ask(1).encode().len() <= 64, "{} bytes", ask(1).encode().len());
    }

    #[test]
    fn a_question_of_a_newer_version_is_unknown_and_no_damage() {
        let mut frame = ask(1).encode().to_vec();
        let at = frame.iter().position(|byte| *byte == 0x1b).expect("the nonce") + 9;
        assert_eq!(frame[at..at + 2], [0x82, 0], "the question's number");
        frame[at + 1] = 9;
        assert!(Message::decode(&frame).unwrap_err().is_unknown_variant());
    }
}
