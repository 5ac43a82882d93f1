//! [`Trust`] in the two forms in which rustls asks for it.

#[cfg(test)]
mod tests;

use super::{Peer, Refusal, Trust};
use crate::facts::Facts;
use config::ClientAuth;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    verify_tls12_signature, verify_tls13_signature, verify_tls13_signature_with_raw_key,
};
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, PeerMisbehaved,
    SignatureScheme,
};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use webpki::RawPublicKeyEntity;

/// The names of issuers that clients are told may take this much; a longer list is left out, which means "any".
const HINTS_BYTES_MAX: usize = 16 * 1024;

/// Checks the certificates of clients.
#[derive(Debug)]
pub struct ClientVerifier {
    trust: Trust,
    mandatory: bool,
    hints: Vec<DistinguishedName>,
}

impl ClientVerifier {
    /// With `CLIENT_AUTH` at want or need; at none, rustls' own verifier that does not ask is the right one.
    #[must_use]
    pub fn new(trust: Trust, client_auth: ClientAuth) -> Self {
        let mandatory = client_auth == ClientAuth::Need;
        let hints = hints(&trust);
        Self {
            trust,
            mandatory,
            hints,
        }
    }
}

/// Whom clients may take a certificate from: everyone in the trust store, and the issuers of the certificates in it that
/// are trusted as they are, because a client looks for its own certificate's issuer.
fn hints(trust: &Trust) -> Vec<DistinguishedName> {
    let mut names: Vec<&[u8]> = Vec::new();
    for facts in &trust.anchor_facts {
        for name in [&facts.subject_der, &facts.issuer_der] {
            if !names.contains(&name.as_slice()) {
                names.push(name);
            }
        }
    }
    let bytes: usize = names.iter().map(|name| name.len() + 2).sum();
    if bytes > HINTS_BYTES_MAX {
        return Vec::new();
    }
    names
        .into_iter()
        .map(|name| DistinguishedName::from(name.to_vec()))
        .collect()
}

impl ClientCertVerifier for ClientVerifier {
    fn client_auth_mandatory(&self) -> bool {
        self.mandatory
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.trust
            .check(Peer::Client, end_entity, intermediates, time(now), None)
            .map(|_| ClientCertVerified::assertion())
            .map_err(refused)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.trust.verify_tls12(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.trust.verify_tls13(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.trust.schemes()
    }
}

/// Checks the certificates of servers that we connect to.
#[derive(Debug)]
pub struct ServerVerifier {
    trust: Trust,
}

impl ServerVerifier {
    /// By these rules.
    #[must_use]
    pub fn new(trust: Trust) -> Self {
        Self { trust }
    }

    /// The rules, for those who want to know whether a certificate would be accepted.
    #[must_use]
    pub fn trust(&self) -> &Trust {
        &self.trust
    }
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let dialled = server_name.to_str();
        self.trust
            .check(
                Peer::Server,
                end_entity,
                intermediates,
                time(now),
                Some(&dialled),
            )
            .map(|_| ServerCertVerified::assertion())
            .map_err(refused)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.trust.verify_tls12(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.trust.verify_tls13(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.trust.schemes()
    }
}

impl Refusal {
    /// The refusal inside an error of rustls, if there is one.
    #[must_use]
    pub fn within(error: &Error) -> Option<&Self> {
        match error {
            Error::InvalidCertificate(CertificateError::Other(OtherError(inner))) => {
                inner.downcast_ref()
            }
            _ => None,
        }
    }
}

impl Trust {
    fn schemes(&self) -> Vec<SignatureScheme> {
        let mut schemes = self.algorithms.supported_schemes();
        schemes.retain(|scheme| self.floor.allows_scheme(*scheme));
        schemes
    }

    fn check_scheme(&self, dss: &DigitallySignedStruct) -> Result<(), Error> {
        if self.floor.allows_scheme(dss.scheme) {
            Ok(())
        } else {
            Err(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme.into())
        }
    }

    fn verify_tls12(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check_scheme(dss)?;
        let Some(spki) = old_form(certificate) else {
            return verify_tls12_signature(message, certificate, dss, &self.algorithms);
        };
        let bad = || Error::from(CertificateError::BadSignature);
        let key = RawPublicKeyEntity::try_from(&spki).map_err(|_| bad())?;
        let known = self.algorithms.mapping.iter();
        let known = known.filter(|(scheme, _)| *scheme == dss.scheme);
        // The scheme does not say which curve it is in TLS 1.2, so each is tried.
        let mut algorithms = known.flat_map(|(_, algorithms)| algorithms.iter());
        if algorithms.any(|alg| key.verify_signature(*alg, message, dss.signature()).is_ok()) {
            Ok(HandshakeSignatureValid::assertion())
        } else {
            Err(bad())
        }
    }

    fn verify_tls13(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check_scheme(dss)?;
        match old_form(certificate) {
            Some(spki) => {
                verify_tls13_signature_with_raw_key(message, &spki, dss, &self.algorithms)
            }
            None => verify_tls13_signature(message, certificate, dss, &self.algorithms),
        }
    }
}

/// The key of a certificate that webpki cannot read and that was accepted all the same.
fn old_form(certificate: &CertificateDer<'_>) -> Option<SubjectPublicKeyInfoDer<'static>> {
    if webpki::EndEntityCert::try_from(certificate).is_ok() {
        return None;
    }
    let facts = Facts::of(certificate).ok()?;
    Some(SubjectPublicKeyInfoDer::from(
        facts.public_key_der().to_vec(),
    ))
}

fn refused(refusal: Refusal) -> Error {
    CertificateError::Other(OtherError(Arc::new(refusal))).into()
}

fn time(now: UnixTime) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(now.as_secs())
}
