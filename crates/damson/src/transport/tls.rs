//! TLS 1.3 between nodes: both sides show a key, and the key is the identity.
//!
//! A certificate here is only an envelope for an Ed25519 public key. Nobody else signs it, and its names, dates and
//! own signature mean nothing; that the peer holds the key is shown by its signature over the handshake. Which keys
//! are welcome is decided afterwards, see `admission`.

use std::{io, sync::Arc};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, ServerConfig,
    SignatureScheme,
    client::{
        Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::{
        NoServerSessionStorage, ParsedCertificate,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
    version::TLS13,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

use super::{PeerId, admission::EXPORTER_LABEL};
use crate::identity::{Identity, node_id_of};

/// The protocol within TLS. Another one, or none, is refused.
const ALPN: &[u8] = b"damson/1";

/// The DER before the 32 bytes of an Ed25519 public key (RFC 8410): a sequence of the algorithm, without
/// parameters, and a bit string. It has no other encoding.
const ED25519_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// Makes connections secure, in both roles.
pub(super) struct Tls {
    connector: TlsConnector,
    acceptor: TlsAcceptor,
}

/// A connection whose peer has proved its key.
pub(super) struct Secured<S> {
    pub stream: TlsStream<S>,
    pub peer: PeerId,
    /// Keying material that only the two ends of this connection have.
    pub exporter: [u8; 32],
}

impl Tls {
    pub(super) fn new(identity: &Identity) -> Tls {
        let provider = Arc::new(ring::default_provider());
        Tls {
            connector: TlsConnector::from(Arc::new(client_config(identity, &provider))),
            acceptor: TlsAcceptor::from(Arc::new(server_config(identity, &provider))),
        }
    }

    pub(super) async fn connect<S>(&self, io: S) -> io::Result<Secured<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        // The name is neither sent nor checked, but has to be one.
        let name = ServerName::try_from("damson").expect("a constant host name");
        let stream = self.connector.connect(name, io).await?;
        let exporter = export(|out| stream.get_ref().1.export_keying_material(out, EXPORTER_LABEL, None))?;
        Secured::new(stream.into(), exporter)
    }

    pub(super) async fn accept<S>(&self, io: S) -> io::Result<Secured<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let stream = self.acceptor.accept(io).await?;
        let exporter = export(|out| stream.get_ref().1.export_keying_material(out, EXPORTER_LABEL, None))?;
        Secured::new(stream.into(), exporter)
    }
}

impl<S> Secured<S> {
    fn new(stream: TlsStream<S>, exporter: [u8; 32]) -> io::Result<Secured<S>> {
        let (_, connection) = stream.get_ref();
        if connection.alpn_protocol() != Some(ALPN) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the peer does not speak damson/1"));
        }
        let certificate = connection.peer_certificates().and_then(<[_]>::first);
        let certificate = certificate.ok_or_else(|| invalid(Error::NoCertificatesPresented))?;
        let peer = peer_id(certificate).map_err(invalid)?;
        Ok(Secured { stream, peer, exporter })
    }
}

fn export(from: impl FnOnce([u8; 32]) -> Result<[u8; 32], Error>) -> io::Result<[u8; 32]> {
    from([0; 32]).map_err(invalid)
}

fn invalid(error: Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

fn client_config(identity: &Identity, provider: &Arc<CryptoProvider>) -> ClientConfig {
    let mut config = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&TLS13])
        .expect("the provider has TLS 1.3")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyNode::new(provider)))
        .with_client_auth_cert(vec![identity.certificate()], identity.private_key())
        .expect("our own key fits our own certificate");
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.enable_sni = false;
    // Each link proves itself anew.
    config.resumption = Resumption::disabled();
    config
}

fn server_config(identity: &Identity, provider: &Arc<CryptoProvider>) -> ServerConfig {
    let mut config = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&TLS13])
        .expect("the provider has TLS 1.3")
        .with_client_cert_verifier(Arc::new(AnyNode::new(provider)))
        .with_single_cert(vec![identity.certificate()], identity.private_key())
        .expect("our own key fits our own certificate");
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config
}

/// The node id of the key in a certificate; an error if it is not one Ed25519 key in a well-formed certificate.
fn peer_id(certificate: &CertificateDer<'_>) -> Result<PeerId, Error> {
    let spki = ParsedCertificate::try_from(certificate)?.subject_public_key_info();
    match spki.strip_prefix(&ED25519_PREFIX) {
        Some(key) if key.len() == 32 => Ok(node_id_of(key)),
        _ => Err(CertificateError::BadEncoding.into()),
    }
}

/// Accepts every node that proves the Ed25519 key in its certificate.
#[derive(Debug)]
struct AnyNode {
    algorithms: WebPkiSupportedAlgorithms,
}

impl AnyNode {
    fn new(provider: &CryptoProvider) -> AnyNode {
        AnyNode { algorithms: provider.signature_verification_algorithms }
    }

    fn check(certificate: &CertificateDer<'_>, chain: &[CertificateDer<'_>]) -> Result<(), Error> {
        if !chain.is_empty() {
            return Err(CertificateError::UnknownIssuer.into());
        }
        peer_id(certificate).map(|_| ())
    }
}

impl ServerCertVerifier for AnyNode {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        AnyNode::check(certificate, chain).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(tls12_refused())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

impl ClientCertVerifier for AnyNode {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        AnyNode::check(certificate, chain).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(tls12_refused())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

/// Never reached, since no other version is configured; refusing is the safe answer all the same.
fn tls12_refused() -> Error {
    Error::General("only TLS 1.3 is spoken here".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn meet(dialer: &Tls, acceptor: &Tls) -> (io::Result<PeerId>, io::Result<PeerId>) {
        let (a, b) = tokio::io::duplex(1 << 16);
        let (dialed, accepted) = tokio::join!(dialer.connect(a), acceptor.accept(b));
        if let (Ok(dialed), Ok(accepted)) = (&dialed, &accepted) {
            assert_eq!(dialed.exporter, accepted.exporter);
        }
        (dialed.map(|secured| secured.peer), accepted.map(|secured| secured.peer))
    }

    #[tokio::test]
    async fn each_side_learns_the_others_node_id() {
        let (a, b) = (Identity::generate(), Identity::generate());
        let (dialed, accepted) = meet(&Tls::new(&a), &Tls::new(&b)).await;
        assert_eq!(dialed.unwrap(), b.node_id());
        assert_eq!(accepted.unwrap(), a.node_id());
    }

    #[tokio::test]
    async fn somebody_elses_certificate_without_its_key_is_refused() {
        let (victim, thief) = (Identity::generate(), Identity::generate());
        let provider = Arc::new(ring::default_provider());
        let signer = provider.key_provider.load_private_key(thief.private_key()).unwrap();
        let stolen = rustls::sign::CertifiedKey::new(vec![victim.certificate()], signer);
        let mut config = client_config(&thief, &provider);
        config.client_auth_cert_resolver = Arc::new(rustls::sign::SingleCertAndKey::from(stolen));
        let mut tls = Tls::new(&thief);
        tls.connector = TlsConnector::from(Arc::new(config));
        let (_, accepted) = meet(&tls, &Tls::new(&Identity::generate())).await;
        assert!(accepted.is_err());
    }

    #[tokio::test]
    async fn another_protocol_or_none_is_refused() {
        for protocols in [vec![b"h2".to_vec()], vec![]] {
            let identity = Identity::generate();
            let mut config = client_config(&identity, &Arc::new(ring::default_provider()));
            config.alpn_protocols = protocols;
            let mut tls = Tls::new(&identity);
            tls.connector = TlsConnector::from(Arc::new(config));
            let (_, accepted) = meet(&tls, &Tls::new(&identity)).await;
            assert!(accepted.is_err());
        }
    }

    #[test]
    fn a_certificate_with_another_kind_of_key_has_no_node_id() {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let certificate = rcgen::CertificateParams::default().self_signed(&key).unwrap();
        assert!(peer_id(certificate.der()).is_err());
        assert!(peer_id(&CertificateDer::from_slice(b"not a certificate")).is_err());
    }
}
