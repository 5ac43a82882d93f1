//! Keys and certificates, made once for all tests by OpenSSL.

use crate::tools::{Folder, openssl, text};
use rustls::pki_types::CertificateDer;
use std::path::PathBuf;
use std::sync::LazyLock;

/// A kind of key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Rsa,
    P256,
    P384,
    Ed25519,
}

impl Kind {
    pub(crate) const ALL: [Self; 4] = [Self::Rsa, Self::P256, Self::P384, Self::Ed25519];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rsa => "rsa",
            Self::P256 => "p256",
            Self::P384 => "p384",
            Self::Ed25519 => "ed25519",
        }
    }
}

/// The folder with `NAME.key`, `NAME.crt` (PEM): a root, an intermediate, and for each kind of key a server's
/// certificate under the intermediate and one by the documented recipe.
pub(crate) struct Pki {
    folder: Folder,
}

pub(crate) static PKI: LazyLock<Pki> = LazyLock::new(Pki::make);

const NAMES: &str = "subjectAltName=DNS:chat.example.com";

impl Pki {
    /// Without anything in it.
    pub(crate) fn new() -> Self {
        Self {
            folder: Folder::new(),
        }
    }

    fn make() -> Self {
        let pki = Self {
            folder: Folder::that_stays(),
        };
        let extensions = pki.folder.write(
            "extensions",
            format!(
                "[ca]\nbasicConstraints=critical,CA:TRUE\n[leaf]\n{NAMES}\nextendedKeyUsage=serverAuth\n"
            ),
        );
        for authority in ["root", "intermediate", "stranger"] {
            pki.key(authority, Kind::P256);
        }
        pki.self_signed(
            "root",
            &["-extfile", text(&extensions), "-extensions", "ca"],
        );
        pki.self_signed(
            "stranger",
            &["-extfile", text(&extensions), "-extensions", "ca"],
        );
        let extfile = text(&extensions);
        pki.signed(
            "intermediate",
            "root",
            &["-extfile", extfile, "-extensions", "ca"],
        );
        for kind in Kind::ALL {
            let name = kind.name();
            pki.key(name, kind);
            pki.signed(
                name,
                "intermediate",
                &["-extfile", extfile, "-extensions", "leaf"],
            );
            // docs/domain/keystores.md 2, self-signed: no extensions, so version 1.
            let recipe = format!("{name}-recipe");
            std::fs::copy(pki.path(name, "key"), pki.path(&recipe, "key")).unwrap();
            pki.self_signed(&recipe, &[]);
        }
        pki
    }

    pub(crate) fn path(&self, name: &str, extension: &str) -> PathBuf {
        self.folder.path(&format!("{name}.{extension}"))
    }

    pub(crate) fn pem(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name, "crt")).unwrap()
    }

    pub(crate) fn key_pem(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name, "key")).unwrap()
    }

    pub(crate) fn certificate(&self, name: &str) -> CertificateDer<'static> {
        keys::store::certificates(self.pem(name).as_bytes())
            .unwrap()
            .remove(0)
    }

    pub(crate) fn key(&self, name: &str, kind: Kind) {
        let out = self.path(name, "key");
        let mut arguments = vec!["genpkey", "-out", text(&out), "-algorithm"];
        arguments.extend(match kind {
            Kind::Rsa => ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"].as_slice(),
            Kind::P256 => &["EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
            Kind::P384 => &["EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
            Kind::Ed25519 => &["ED25519"],
        });
        openssl(&arguments);
    }

    /// The request and then the certificate, as the recipes go.
    pub(crate) fn self_signed(&self, name: &str, more: &[&str]) {
        let key = self.path(name, "key");
        self.issue(name, &[&["-signkey", text(&key)], more].concat());
    }

    pub(crate) fn signed(&self, name: &str, by: &str, more: &[&str]) {
        let (certificate, key) = (self.path(by, "crt"), self.path(by, "key"));
        let signer = [
            "-CA",
            text(&certificate),
            "-CAkey",
            text(&key),
            "-CAcreateserial",
        ];
        self.issue(name, &[&signer, more].concat());
    }

    fn issue(&self, name: &str, how: &[&str]) {
        let (key, request, out) = (
            self.path(name, "key"),
            self.path(name, "csr"),
            self.path(name, "crt"),
        );
        let subject = format!("/O=Example/CN={name}.example.com");
        openssl(&[
            "req",
            "-new",
            "-key",
            text(&key),
            "-subj",
            &subject,
            "-out",
            text(&request),
        ]);
        let sign = [
            "x509",
            "-req",
            "-days",
            "365",
            "-in",
            text(&request),
            "-out",
            text(&out),
        ];
        openssl(&[&sign, how].concat());
    }
}
