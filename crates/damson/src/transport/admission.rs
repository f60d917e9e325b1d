//! Who may join: proofs of a shared secret, and a list of node ids.
//!
//! TLS has already shown that the peer holds the key behind its node id; here both sides decide whether they want to
//! have to do with it. Right after the TLS handshake, inside it, each side sends one message of 33 bytes, a status
//! and a proof (zeros if there is none):
//!
//! ```text
//!   dialer                                   acceptor
//!     | -- open | proof | refusal ------------> |  checks, and only then shows its own proof
//!     | <-------- open | proof | refusal ------ |
//! ```
//!
//! A proof is a keyed BLAKE3 over the TLS exporter (RFC 8446, section 7.5), the role and both node ids, so that it is
//! worth nothing on another connection, in the other direction, or to a man in the middle. The secret itself never
//! travels.
//!
//! To rotate a secret without downtime: append the new one on all nodes, then put it first on all nodes, then remove
//! the old one.

use std::{collections::BTreeSet, fmt, io};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::{PeerId, TransportError};
use crate::identity::hex;

/// What the TLS exporter is asked for.
pub(super) const EXPORTER_LABEL: &[u8] = b"EXPORTER-damson-cluster-secret";

const PROOF_LABEL: &[u8] = b"damson cluster secret proof 1";
const PROOF_BYTES: usize = 32;

/// Whom a transport makes links with. The default takes everybody: for loopback only, which the caller sees to.
#[derive(Clone, Debug, Default)]
pub struct Admission {
    /// Cluster secrets. The first is the one that this node proves when it dials; all of them are valid for peers.
    /// Empty: no secret is asked for, and peers that have one are refused.
    pub secrets: Vec<ClusterSecret>,
    /// If set, only these nodes, in both directions. With secrets, both must hold.
    pub allowed: Option<BTreeSet<PeerId>>,
}

/// A secret that the nodes of a cluster share: 32 bytes from a random source, never a password.
#[derive(Clone)]
pub struct ClusterSecret([u8; 32]);

impl From<[u8; 32]> for ClusterSecret {
    fn from(secret: [u8; 32]) -> ClusterSecret {
        ClusterSecret(secret)
    }
}

impl ClusterSecret {
    /// A key for another purpose, which says nothing of the secret.
    pub(crate) fn derive(&self, purpose: &'static str, of: &str) -> [u8; 32] {
        *blake3::Hasher::new_derive_key(purpose).update(&self.0).update(of.as_bytes()).finalize().as_bytes()
    }
}

impl fmt::Debug for ClusterSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClusterSecret(..)")
    }
}

/// Which side of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Dialer,
    Acceptor,
}

/// What a proof is bound to.
pub(super) struct Session {
    /// Our own role.
    pub role: Role,
    /// Our own node id.
    pub here: PeerId,
    /// The peer's node id, as proved by TLS.
    pub there: PeerId,
    /// Keying material that only the two ends of this one TLS connection have.
    pub exporter: [u8; 32],
}

/// Why there is no link between two nodes.
#[derive(Debug)]
pub(super) enum Refusal {
    WrongSecret,
    NoSecretHere,
    NoSecretThere,
    NotAllowedHere,
    NotAllowedThere,
    Failed(io::Error),
}

/// What one side says to the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Message {
    /// I have no secret, and ask for none.
    Open,
    /// Here is my proof.
    Proof([u8; PROOF_BYTES]),
    /// Your proof is not valid here.
    WrongSecret,
    /// You showed no proof, and I want one.
    SecretWanted,
    /// You showed a proof, and I have no secret.
    SecretUnknown,
    /// You are not on my list.
    NotAllowed,
}

impl Admission {
    /// Runs the exchange on a connection that TLS has secured. On refusal the peer has been told why, if possible.
    pub(super) async fn admit<S>(&self, stream: &mut S, session: &Session) -> Result<(), Refusal>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let admitted = match session.role {
            Role::Dialer => self.admit_dialed(stream, session).await,
            Role::Acceptor => self.admit_caller(stream, session).await,
        };
        if let Some(message) = admitted.as_ref().err().and_then(Refusal::to_message) {
            // The connection ends anyway; the peer gets its reason if it still listens.
            let _ = send(stream, message).await;
            let _ = stream.shutdown().await;
        }
        admitted
    }

    async fn admit_dialed<S>(&self, stream: &mut S, session: &Session) -> Result<(), Refusal>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        self.check_allowed(session)?;
        send(stream, session.show(self.secrets.first())).await?;
        self.judge(session, receive(stream).await?)?;
        Ok(())
    }

    async fn admit_caller<S>(&self, stream: &mut S, session: &Session) -> Result<(), Refusal>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let message = receive(stream).await?;
        self.check_allowed(session)?;
        // Answering with the secret that the dialer used makes two nodes agree that are one rotation step apart.
        let shared = self.judge(session, message)?;
        send(stream, session.show(shared)).await?;
        Ok(())
    }

    fn check_allowed(&self, session: &Session) -> Result<(), Refusal> {
        match &self.allowed {
            Some(allowed) if !allowed.contains(&session.there) => Err(Refusal::NotAllowedHere),
            _ => Ok(()),
        }
    }

    /// Decides about the peer's message; gives the secret that both have, if secrets are used at all.
    fn judge(&self, session: &Session, message: Message) -> Result<Option<&ClusterSecret>, Refusal> {
        match message {
            Message::Open if self.secrets.is_empty() => Ok(None),
            Message::Open => Err(Refusal::NoSecretThere),
            Message::Proof(_) if self.secrets.is_empty() => Err(Refusal::NoSecretHere),
            Message::Proof(proof) => {
                let valid = |secret: &&ClusterSecret| session.proof(secret, session.role.other()) == proof;
                self.secrets.iter().find(valid).map(Some).ok_or(Refusal::WrongSecret)
            }
            Message::WrongSecret => Err(Refusal::WrongSecret),
            Message::SecretWanted => Err(Refusal::NoSecretHere),
            Message::SecretUnknown => Err(Refusal::NoSecretThere),
            Message::NotAllowed => Err(Refusal::NotAllowedThere),
        }
    }
}

impl Session {
    fn show(&self, secret: Option<&ClusterSecret>) -> Message {
        secret.map_or(Message::Open, |secret| Message::Proof(*self.proof(secret, self.role).as_bytes()))
    }

    /// The proof of the side that has `role`. Every part but the label has a fixed length, so no two inputs are
    /// spelt alike; and hashes of BLAKE3 compare in constant time.
    fn proof(&self, secret: &ClusterSecret, role: Role) -> blake3::Hash {
        let (dialer, acceptor) = match self.role {
            Role::Dialer => (self.here, self.there),
            Role::Acceptor => (self.there, self.here),
        };
        let mut hasher = blake3::Hasher::new_keyed(&secret.0);
        hasher.update(PROOF_LABEL).update(&[role as u8]).update(&self.exporter);
        hasher.update(&dialer).update(&acceptor).finalize()
    }
}

impl Role {
    fn other(self) -> Role {
        match self {
            Role::Dialer => Role::Acceptor,
            Role::Acceptor => Role::Dialer,
        }
    }
}

impl Refusal {
    /// As an error about the peer at `address`.
    pub(super) fn into_error(self, address: &str, peer: PeerId) -> TransportError {
        let address = address.to_owned();
        match self {
            Refusal::WrongSecret => TransportError::WrongSecret { address },
            Refusal::NoSecretHere => TransportError::NoSecretHere { address },
            Refusal::NoSecretThere => TransportError::NoSecretThere { address },
            Refusal::NotAllowedHere => TransportError::NotAllowedHere { address, peer: hex(&peer) },
            Refusal::NotAllowedThere => TransportError::NotAllowedThere { address },
            Refusal::Failed(source) => TransportError::Handshake { address, source },
        }
    }

    /// What the peer needs to hear, if it does not know already.
    fn to_message(&self) -> Option<Message> {
        match self {
            Refusal::WrongSecret => Some(Message::WrongSecret),
            Refusal::NoSecretHere => Some(Message::SecretUnknown),
            Refusal::NoSecretThere => Some(Message::SecretWanted),
            Refusal::NotAllowedHere => Some(Message::NotAllowed),
            Refusal::NotAllowedThere | Refusal::Failed(_) => None,
        }
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Refusal {
        Refusal::Failed(error)
    }
}

const MESSAGE_BYTES: usize = 1 + PROOF_BYTES;

impl Message {
    fn encode(self) -> [u8; MESSAGE_BYTES] {
        let (status, proof) = match self {
            Message::Open => (0, [0; PROOF_BYTES]),
            Message::Proof(proof) => (1, proof),
            Message::WrongSecret => (2, [0; PROOF_BYTES]),
            Message::SecretWanted => (3, [0; PROOF_BYTES]),
            Message::SecretUnknown => (4, [0; PROOF_BYTES]),
            Message::NotAllowed => (5, [0; PROOF_BYTES]),
        };
        let mut bytes = [status; MESSAGE_BYTES];
        bytes[1..].copy_from_slice(&proof);
        bytes
    }

    fn decode([status, proof @ ..]: [u8; MESSAGE_BYTES]) -> Option<Message> {
        match status {
            0 => Some(Message::Open),
            1 => Some(Message::Proof(proof)),
            2 => Some(Message::WrongSecret),
            3 => Some(Message::SecretWanted),
            4 => Some(Message::SecretUnknown),
            5 => Some(Message::NotAllowed),
            _ => None,
        }
    }
}

async fn send(stream: &mut (impl AsyncWrite + Unpin), message: Message) -> io::Result<()> {
    stream.write_all(&message.encode()).await?;
    stream.flush().await
}

async fn receive(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Message> {
    let mut bytes = [0; MESSAGE_BYTES];
    stream.read_exact(&mut bytes).await?;
    Message::decode(bytes)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "unknown admission status"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIALER: PeerId = [1; 16];
    const ACCEPTOR: PeerId = [2; 16];

    fn session(role: Role) -> Session {
        let (here, there) = if role == Role::Dialer { (DIALER, ACCEPTOR) } else { (ACCEPTOR, DIALER) };
        Session { role, here, there, exporter: [9; 32] }
    }

    fn with_secrets(secrets: &[u8]) -> Admission {
        Admission { secrets: secrets.iter().map(|byte| [*byte; 32].into()).collect(), allowed: None }
    }

    async fn meet(dialer: &Admission, acceptor: &Admission) -> (Result<(), Refusal>, Result<(), Refusal>) {
        let (mut a, mut b) = tokio::io::duplex(1000);
        let (at_dialer, at_acceptor) = (session(Role::Dialer), session(Role::Acceptor));
        tokio::join!(dialer.admit(&mut a, &at_dialer), acceptor.admit(&mut b, &at_acceptor))
    }

    #[tokio::test]
    async fn nodes_with_a_secret_in_common_and_nodes_without_any_are_admitted() {
        for (dialer, acceptor) in [(&[][..], &[][..]), (&[1], &[1]), (&[1], &[2, 1]), (&[1, 2], &[2, 1])] {
            let outcome = meet(&with_secrets(dialer), &with_secrets(acceptor)).await;
            assert!(matches!(outcome, (Ok(()), Ok(()))), "{dialer:?} {acceptor:?}: {outcome:?}");
        }
    }

    #[tokio::test]
    async fn every_step_of_a_rotation_gets_on_with_the_next_in_both_directions() {
        let steps = [&[1][..], &[1, 2], &[2, 1], &[2]].map(with_secrets);
        for pair in steps.windows(2) {
            assert!(matches!(meet(&pair[0], &pair[1]).await, (Ok(()), Ok(()))));
            assert!(matches!(meet(&pair[1], &pair[0]).await, (Ok(()), Ok(()))));
        }
    }

    #[tokio::test]
    async fn a_wrong_secret_is_named_on_both_sides() {
        let outcome = meet(&with_secrets(&[1]), &with_secrets(&[2, 3])).await;
        assert!(matches!(outcome, (Err(Refusal::WrongSecret), Err(Refusal::WrongSecret))), "{outcome:?}");
    }

    #[tokio::test]
    async fn a_missing_secret_is_named_on_both_sides() {
        let outcome = meet(&with_secrets(&[]), &with_secrets(&[1])).await;
        assert!(matches!(outcome, (Err(Refusal::NoSecretHere), Err(Refusal::NoSecretThere))), "{outcome:?}");
        let outcome = meet(&with_secrets(&[1]), &with_secrets(&[])).await;
        assert!(matches!(outcome, (Err(Refusal::NoSecretThere), Err(Refusal::NoSecretHere))), "{outcome:?}");
    }

    #[tokio::test]
    async fn a_node_that_is_not_listed_is_refused_by_dialer_and_acceptor() {
        let strict = Admission { allowed: Some([[7; 16]].into()), ..Admission::default() };
        let outcome = meet(&Admission::default(), &strict).await;
        assert!(
            matches!(outcome, (Err(Refusal::NotAllowedThere), Err(Refusal::NotAllowedHere))),
            "{outcome:?}"
        );
        let outcome = meet(&strict, &Admission::default()).await;
        assert!(
            matches!(outcome, (Err(Refusal::NotAllowedHere), Err(Refusal::NotAllowedThere))),
            "{outcome:?}"
        );
    }

    #[test]
    fn a_proof_is_bound_to_role_connection_and_ids() {
        let secret = ClusterSecret([1; 32]);
        let proof = session(Role::Dialer).proof(&secret, Role::Dialer);
        assert_eq!(
            proof,
            session(Role::Acceptor).proof(&secret, Role::Dialer),
            "both sides compute the same"
        );
        assert_ne!(proof, session(Role::Dialer).proof(&secret, Role::Acceptor));
        let elsewhere = Session { exporter: [8; 32], ..session(Role::Dialer) };
        assert_ne!(proof, elsewhere.proof(&secret, Role::Dialer));
        let somebody = Session { there: [3; 16], ..session(Role::Dialer) };
        assert_ne!(proof, somebody.proof(&secret, Role::Dialer));
        assert_ne!(proof, session(Role::Dialer).proof(&ClusterSecret([2; 32]), Role::Dialer));
    }

    #[tokio::test]
    async fn the_acceptor_shows_no_proof_to_a_dialer_that_has_not_proved_itself() {
        let (mut dialer, mut acceptor) = tokio::io::duplex(1000);
        send(&mut dialer, Message::Proof([0; 32])).await.unwrap();
        let refused = with_secrets(&[1]).admit(&mut acceptor, &session(Role::Acceptor)).await;
        assert!(refused.is_err());
        assert_eq!(receive(&mut dialer).await.unwrap(), Message::WrongSecret);
        assert!(receive(&mut dialer).await.is_err(), "nothing follows");
    }

    #[test]
    fn messages_come_out_as_they_went_in_and_unknown_ones_are_refused() {
        for message in [
            Message::Open,
            Message::Proof([3; 32]),
            Message::WrongSecret,
            Message::SecretWanted,
            Message::SecretUnknown,
            Message::NotAllowed,
        ] {
            assert_eq!(Message::decode(message.encode()), Some(message));
        }
        assert_eq!(Message::decode([6; MESSAGE_BYTES]), None);
    }

    #[test]
    fn the_debug_form_does_not_show_the_secret() {
        assert!(!format!("{:?}", with_secrets(&[77])).contains("77"));
    }
}
