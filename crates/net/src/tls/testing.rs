//! Settings and certificates for the tests of this crate.

use config::{IniFile, Sources, TlsSettings};
use keys::{Identity, Material};
use rcgen::{
    CertificateParams, DistinguishedName, DnType, IsCa, KeyPair, PublicKeyData, SanType, SigningKey,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use std::time::{Duration, SystemTime};

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
    identity_until(
        key,
        SystemTime::UNIX_EPOCH + Duration::from_secs(4_000_000_000),
    )
}

/// One that is good until then.
pub(crate) fn identity_until(
    key: &'static rcgen::SignatureAlgorithm,
    not_after: SystemTime,
) -> Identity {
    let key = KeyPair::generate_for(key).unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, "localhost");
    params.subject_alt_names = vec![SanType::DnsName("localhost".try_into().unwrap())];
    params.is_ca = IsCa::ExplicitNoCa;
    params.not_after = not_after.into();
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

/// What the documented recipe makes: X.509 version 1, which no library of ours makes, signed by its own key.
pub(crate) fn version_1() -> Identity {
    let key = KeyPair::generate().unwrap();
    let ecdsa_with_sha256 = der(
        0x30,
        &der(0x06, &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02]),
    );
    let attribute = [der(0x06, &[0x55, 0x04, 0x03]), der(0x0c, b"localhost")].concat();
    let name = der(0x30, &der(0x31, &der(0x30, &attribute)));
    let validity = [der(0x17, b"200101000000Z"), der(0x17, b"490101000000Z")].concat();
    let to_sign = [
        der(0x02, &[1]),
        ecdsa_with_sha256.clone(),
        name.clone(),
        der(0x30, &validity),
        name,
        key.subject_public_key_info(),
    ];
    let to_sign = der(0x30, &to_sign.concat());
    let signature = [vec![0], key.sign(&to_sign).unwrap()].concat();
    let whole = [to_sign, ecdsa_with_sha256, der(0x03, &signature)].concat();
    let certificate = CertificateDer::from(der(0x30, &whole));
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    Identity::new(vec![certificate], key).unwrap()
}

/// One element of DER, of less than 64 KiB.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap();
    let [high, low] = length.to_be_bytes();
    let length = match length {
        0..128 => vec![low],
        128..256 => vec![0x81, low],
        _ => vec![0x82, high, low],
    };
    [&[tag], length.as_slice(), content].concat()
}
