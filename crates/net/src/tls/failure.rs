//! Why a handshake failed: a label for metrics, a sentence for people, and the setting that would change it.

use config::TlsSettings;
use keys::verify::{Refusal, Why};
use rustls::{AlertDescription, CertificateError, Error, PeerIncompatible};
use std::fmt;
use std::io;

/// A failed handshake.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The kind.
    pub reason: Reason,
    error: Error,
}

/// The kinds of failures, each a label of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// No version of TLS in common.
    Version,
    /// No cipher suite in common.
    Suite,
    /// No key-exchange group in common.
    Group,
    /// No way of signing in common: key or signature algorithm.
    Signature,
    /// The peer should have shown a certificate.
    CertificateMissing,
    /// The peer's certificate was refused.
    Certificate(Why),
    /// The peer does not have the key of the certificate that it showed.
    KeyNotProved,
    /// The peer did not take our certificate.
    OurCertificate,
    /// The peer wants a certificate from us.
    OurCertificateMissing,
    /// The peer ended it with another alert.
    Alert,
    /// What the peer sent is not TLS as it should be.
    Protocol,
    /// The peer closed the connection.
    Closed,
    /// Something on our side.
    Own,
}

impl Reason {
    /// Every kind, so that metrics can start at zero.
    pub fn all() -> impl Iterator<Item = Self> {
        let simple = [
            Self::Version,
            Self::Suite,
            Self::Group,
            Self::Signature,
            Self::CertificateMissing,
            Self::KeyNotProved,
            Self::OurCertificate,
            Self::OurCertificateMissing,
            Self::Alert,
            Self::Protocol,
            Self::Closed,
            Self::Own,
        ];
        simple.into_iter().chain(Why::ALL.map(Self::Certificate))
    }

    /// The kind as it stands in metrics.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Version => "no_common_version",
            Self::Suite => "no_common_suite",
            Self::Group => "no_common_group",
            Self::Signature => "no_common_signature",
            Self::CertificateMissing => "certificate_missing",
            Self::Certificate(why) => why.label(),
            Self::KeyNotProved => "certificate_key_not_proved",
            Self::OurCertificate => "our_certificate_refused",
            Self::OurCertificateMissing => "our_certificate_missing",
            Self::Alert => "alert",
            Self::Protocol => "protocol",
            Self::Closed => "closed",
            Self::Own => "own",
        }
    }

    /// The kind of an error that [`crate::accept::Refused`] carries.
    #[must_use]
    pub fn of(error: &io::Error) -> Self {
        Failure::within(error).map_or(Self::Closed, |failure| failure.reason)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let reason = reason(&error);
        Self { reason, error }
    }
}

fn reason(error: &Error) -> Reason {
    use PeerIncompatible as P;
    match error {
        Error::PeerIncompatible(P::Tls12NotOffered)
        | Error::PeerIncompatible(P::Tls12NotOfferedOrEnabled)
        | Error::PeerIncompatible(P::SupportedVersionsExtensionRequired)
        | Error::PeerIncompatible(P::ServerDoesNotSupportTls12Or13)
        | Error::PeerIncompatible(P::ServerTlsVersionIsDisabledByOurConfig)
        | Error::AlertReceived(AlertDescription::ProtocolVersion) => Reason::Version,
        Error::PeerIncompatible(P::NoCipherSuitesInCommon) => Reason::Suite,
        Error::PeerIncompatible(
            P::NoKxGroupsInCommon | P::NamedGroupsExtensionRequired | P::NoEcPointFormatsInCommon,
        ) => Reason::Group,
        Error::PeerIncompatible(
            P::NoSignatureSchemesInCommon
            | P::NoCertificateRequestSignatureSchemesInCommon
            | P::SignatureAlgorithmsExtensionRequired,
        ) => Reason::Signature,
        Error::PeerIncompatible(_) => Reason::Protocol,
        Error::NoCertificatesPresented => Reason::CertificateMissing,
        // Names and dates were right; the signature of the handshake was not.
        Error::InvalidCertificate(CertificateError::BadSignature) => Reason::KeyNotProved,
        Error::InvalidCertificate(_) => match Refusal::within(error) {
            Some(refusal) => Reason::Certificate(refusal.why),
            None => Reason::Certificate(Why::Unreadable),
        },
        Error::AlertReceived(AlertDescription::CertificateRequired) => {
            Reason::OurCertificateMissing
        }
        Error::AlertReceived(
            AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA,
        ) => Reason::OurCertificate,
        Error::AlertReceived(_) => Reason::Alert,
        Error::InappropriateMessage { .. }
        | Error::InappropriateHandshakeMessage { .. }
        | Error::InvalidMessage(_)
        | Error::DecryptError
        | Error::PeerMisbehaved(_)
        | Error::PeerSentOversizedRecord => Reason::Protocol,
        _ => Reason::Own,
    }
}

impl fmt::Display for Failure {
    /// A sentence without a full stop, and without whose certificate it was.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.error, self.reason) {
            (_, Reason::Version) => {
                f.write_str("the peer speaks no version of TLS that is allowed here")
            }
            (_, Reason::Suite) => f.write_str("the peer and we have no cipher suite in common"),
            (_, Reason::Group) => {
                f.write_str("the peer and we have no key-exchange group in common")
            }
            (_, Reason::Signature) => {
                f.write_str("the peer cannot check signatures of the kind that our key makes")
            }
            (_, Reason::CertificateMissing) => f.write_str("the peer showed no certificate"),
            (_, Reason::KeyNotProved) => f.write_str(
                "the peer could not prove that it has the key of the certificate that it showed",
            ),
            (Error::AlertReceived(alert), Reason::OurCertificate) => {
                write!(
                    f,
                    "the peer does not accept our certificate (its alert is {alert:?})"
                )
            }
            (_, Reason::OurCertificateMissing) => {
                f.write_str("the peer wants to see a certificate of ours")
            }
            (Error::AlertReceived(alert), _) => {
                write!(f, "the peer ended the handshake with the alert {alert:?}")
            }
            (error, Reason::Certificate(_)) => match Refusal::within(error) {
                Some(refusal) => refusal.fmt(f),
                None => error.fmt(f),
            },
            (error, _) => error.fmt(f),
        }
    }
}

impl std::error::Error for Failure {}

impl Failure {
    /// The failed handshake inside an error of a connection, if that is what it was.
    #[must_use]
    pub fn within(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }

    /// The refused certificate, with its subject, where that was the reason.
    #[must_use]
    pub fn refusal(&self) -> Option<&Refusal> {
        Refusal::within(&self.error)
    }

    /// What of a scope's settings would change it; `None` where a refused certificate says so itself, or where it is up
    /// to the peer.
    #[must_use]
    pub fn mend(&self, settings: &TlsSettings) -> Option<String> {
        let own = |suffix: &str| {
            settings
                .scope
                .names(suffix)
                .into_iter()
                .next()
                .unwrap_or_default()
        };
        let level = &settings.level.name;
        Some(match self.reason {
            Reason::Version => format!(
                "change {} or {}",
                settings.versions.min.name, settings.versions.max.name
            ),
            Reason::Suite => {
                let list = settings
                    .cipher_suites
                    .as_ref()
                    .map(|list| list.name.clone());
                let list = list.unwrap_or_else(|| own("TLS_CIPHER_SUITES"));
                format!("change {list}, {level}, or the kind of key in the key store")
            }
            Reason::Group => format!("change {level} or {}", settings.fips.name),
            Reason::Signature => {
                format!(
                    "add a key of another kind to the key store and to {}",
                    own("TLS_KEY_LABEL")
                )
            }
            Reason::CertificateMissing => format!(
                "give the peer a certificate, or change {}",
                settings.client_auth.name
            ),
            Reason::OurCertificate if settings.key_store.is_some() => {
                "let the peer trust our certificate's issuer, or show one \
                                       that it trusts"
                    .to_owned()
            }
            // Before TLS 1.3 there is no alert of its own for a certificate that was not shown.
            Reason::OurCertificate | Reason::OurCertificateMissing => {
                format!(
                    "set {} to a certificate that the peer trusts",
                    own("TLS_KEY_STORE_FILE")
                )
            }
            Reason::Certificate(_)
            | Reason::KeyNotProved
            | Reason::Alert
            | Reason::Protocol
            | Reason::Closed
            | Reason::Own => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::PeerMisbehaved;

    #[test]
    fn a_key_that_is_not_proved_has_a_reason_of_its_own() {
        let failure = Failure::from(Error::from(CertificateError::BadSignature));
        assert_eq!(failure.reason.label(), "certificate_key_not_proved");
        assert!(failure.to_string().contains("could not prove"), "{failure}");
        let other = PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme;
        assert_eq!(Failure::from(Error::from(other)).reason, Reason::Protocol);
    }

    #[test]
    fn every_reason_has_a_label_of_its_own() {
        let labels: Vec<&str> = Reason::all().map(Reason::label).collect();
        for (index, label) in labels.iter().enumerate() {
            assert!(!labels[..index].contains(label), "{label}");
        }
    }
}
