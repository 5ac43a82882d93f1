//! Settings and certificates for the tests of this crate.

use config::{IniFile, Sources, TlsSettings};
use keys::{Identity, Material};
use rcgen::{CertificateParams, DistinguishedName, DnType, IsCa, KeyPair, SanType};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// What `[Config]` with these lines says about the mux's scope.
pub(crate) fn settings(ini: &str) -> TlsSettings {
    scopes(ini).mux
}

/// What `[Config]` with these lines says about every scope.
pub(crate) fn scopes(ini: &str) -> config::TlsScopes {
    let ini = IniFile {
        path: "sametime.ini".into(),
        bytes: format!("[Config]\n{ini}").into_bytes(),
    };
    let sources = Sources {
        ini: Some(ini),
        ..Sources::default()
    };
    config::load(sources).unwrap().0.tls
}

/// A self-signed certificate for `localhost`, with this kind of key.
pub(crate) fn identity(key: &'static rcgen::SignatureAlgorithm) -> Identity {
    let key = KeyPair::generate_for(key).unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, "localhost");
    params.subject_alt_names = vec![SanType::DnsName("localhost".try_into().unwrap())];
    params.is_ca = IsCa::ExplicitNoCa;
    let certificate = params.self_signed(&key).unwrap().der().clone();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    Identity::new(vec![certificate], key).unwrap()
}

/// These identities, and trust in these certificates.
pub(crate) fn material(
    identities: Vec<Identity>,
    trusted: &[&CertificateDer<'static>],
) -> Material {
    Material {
        identities,
        trusted: trusted
            .iter()
            .map(|certificate| (*certificate).clone())
            .collect(),
        notes: Vec::new(),
    }
}
