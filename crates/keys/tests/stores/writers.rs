//! Who writes a store, and in which of its forms.

use crate::pki::PKI;
use crate::tools::{Folder, keytool, openssl, run, text};
use keys::store::Format;
use std::path::{Path, PathBuf};

/// A tool with the options that decide the form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Writer {
    /// OpenSSL 3: PBES2, SHA-256.
    Openssl,
    /// OpenSSL 3 with `-legacy`, which is what OpenSSL 1 wrote: RC2-40, triple DES, SHA-1.
    OpensslLegacy,
    /// keytool of JDK 17, PKCS#12.
    Keytool,
    /// The same as Java wrote it before 2021.
    KeytoolLegacy,
    /// keytool, JKS.
    KeytoolJks,
    /// NSS, as browsers export: BER with indefinite lengths.
    Nss,
    /// GnuTLS: PBES2 with AES-128.
    Gnutls,
    /// GnuTLS with triple DES for everything.
    GnutlsTripleDes,
    /// PEM.
    Pem,
}

/// Long enough for keytool, which wants six letters.
pub(crate) const PASSWORD: &str = "secret of the store";

impl Writer {
    pub(crate) const ALL: [Self; 9] = [
        Self::Openssl,
        Self::OpensslLegacy,
        Self::Keytool,
        Self::KeytoolLegacy,
        Self::KeytoolJks,
        Self::Nss,
        Self::Gnutls,
        Self::GnutlsTripleDes,
        Self::Pem,
    ];

    /// Whether it has passwords hashed 600,000 times, as one does today, for each part of a store.
    pub(crate) fn is_slow(self) -> bool {
        matches!(self, Self::Nss | Self::Gnutls | Self::GnutlsTripleDes)
    }

    pub(crate) fn format(self) -> Format {
        match self {
            Self::KeytoolJks => Format::Jks,
            Self::Pem => Format::Pem,
            _ => Format::Pkcs12,
        }
    }

    /// Writes a store with one key, whose alias is its name, its certificate and others in this order.
    pub(crate) fn key_store(self, folder: &Folder, name: &str, others: &[&str]) -> PathBuf {
        let (key, certificate) = (PKI.path(name, "key"), PKI.path(name, "crt"));
        let (key, certificate) = (text(&key), text(&certificate));
        let others: String = others.iter().map(|other| PKI.pem(other)).collect();
        let out = folder.path(&format!("{name}-{self:?}"));
        match self {
            Self::Openssl => openssl_export(folder, name, &others, &out, &[]),
            Self::OpensslLegacy => openssl_export(folder, name, &others, &out, &["-legacy"]),
            Self::Keytool | Self::KeytoolLegacy | Self::KeytoolJks => {
                let from = folder.path("from.p12");
                openssl_export(folder, name, &others, &from, &[]);
                self.keytool_import(&from, &out);
            }
            Self::Nss => {
                let from = folder.path("from.p12");
                openssl_export(folder, name, &others, &from, &[]);
                let database = folder.path(&format!("{name}-nss"));
                std::fs::create_dir(&database).unwrap();
                let database = text(&database);
                run("certutil", &["-N", "--empty-password", "-d", database]);
                let password = ["-d", database, "-W", PASSWORD];
                run("pk12util", &[&["-i", text(&from)], &password[..]].concat());
                let export = ["-n", name, "-o", text(&out)];
                run("pk12util", &[&export, &password[..]].concat());
            }
            Self::Gnutls | Self::GnutlsTripleDes => {
                let all = folder.write("all.pem", PKI.pem(name) + &others);
                let cipher = match self {
                    Self::Gnutls => "aes-128",
                    _ => "3des-pkcs12",
                };
                run(
                    "certtool",
                    &[
                        "--to-p12",
                        "--outder",
                        "--load-privkey",
                        key,
                        "--load-certificate",
                        text(&all),
                        "--p12-name",
                        name,
                        "--password",
                        PASSWORD,
                        "--outfile",
                        text(&out),
                        "--pkcs-cipher",
                        cipher,
                    ],
                );
            }
            Self::Pem => {
                let parts = [key, certificate].map(|path| std::fs::read_to_string(path).unwrap());
                std::fs::write(&out, others + &parts.concat()).unwrap();
            }
        }
        out
    }

    /// Has keytool read a PKCS#12 file and add what is in it to a store of its own.
    pub(crate) fn keytool_import(self, from: &Path, to: &Path) {
        let (legacy, kind) = match self {
            Self::KeytoolLegacy => ("-J-Dkeystore.pkcs12.legacy", "PKCS12"),
            Self::KeytoolJks => ("-J-Dnothing", "JKS"),
            _ => ("-J-Dnothing", "PKCS12"),
        };
        keytool(&[
            legacy,
            "-importkeystore",
            "-noprompt",
            "-srckeystore",
            text(from),
            "-srcstoretype",
            "PKCS12",
            "-srcstorepass",
            PASSWORD,
            "-destkeystore",
            text(to),
            "-deststoretype",
            kind,
            "-deststorepass",
            PASSWORD,
        ]);
    }

    /// Writes a store with these certificates and no key, each under its name where the tool can.
    pub(crate) fn trust_store(self, folder: &Folder, names: &[&str]) -> PathBuf {
        let out = folder.path(&format!("trust-{self:?}"));
        let all: String = names.iter().map(|name| PKI.pem(name)).collect();
        match self {
            Self::Openssl | Self::OpensslLegacy => {
                let all = folder.write("all.pem", all);
                let password = format!("pass:{PASSWORD}");
                let mut arguments = vec![
                    "pkcs12",
                    "-export",
                    "-nokeys",
                    "-in",
                    text(&all),
                    "-out",
                    text(&out),
                    "-passout",
                    &password,
                ];
                names
                    .iter()
                    .for_each(|name| arguments.extend(["-caname", name]));
                if self == Self::OpensslLegacy {
                    arguments.push("-legacy");
                }
                openssl(&arguments);
            }
            Self::Keytool | Self::KeytoolLegacy | Self::KeytoolJks => {
                let (legacy, kind) = match self {
                    Self::KeytoolLegacy => ("-J-Dkeystore.pkcs12.legacy", "PKCS12"),
                    Self::KeytoolJks => ("-J-Dnothing", "JKS"),
                    _ => ("-J-Dnothing", "PKCS12"),
                };
                for name in names {
                    keytool(&[
                        legacy,
                        "-importcert",
                        "-noprompt",
                        "-storetype",
                        kind,
                        "-keystore",
                        text(&out),
                        "-storepass",
                        PASSWORD,
                        "-alias",
                        name,
                        "-file",
                        text(&PKI.path(name, "crt")),
                    ]);
                }
            }
            Self::Gnutls | Self::GnutlsTripleDes => {
                let all = folder.write("all.pem", all);
                run(
                    "certtool",
                    &[
                        "--to-p12",
                        "--outder",
                        "--load-certificate",
                        text(&all),
                        "--p12-name",
                        "trust",
                        "--password",
                        PASSWORD,
                        "--outfile",
                        text(&out),
                    ],
                );
            }
            Self::Nss => panic!("pk12util exports no certificates without a key"),
            Self::Pem => std::fs::write(&out, all).unwrap(),
        }
        out
    }
}

fn openssl_export(folder: &Folder, name: &str, others: &str, out: &Path, more: &[&str]) {
    let (key, certificate) = (PKI.path(name, "key"), PKI.path(name, "crt"));
    let password = format!("pass:{PASSWORD}");
    let mut arguments = vec![
        "pkcs12",
        "-export",
        "-in",
        text(&certificate),
        "-inkey",
        text(&key),
        "-name",
        name,
        "-out",
        text(out),
        "-passout",
        &password,
    ];
    let file = folder.write("others.pem", others);
    if !others.is_empty() {
        arguments.extend(["-certfile", text(&file)]);
    }
    openssl(&[&arguments, more].concat());
}
