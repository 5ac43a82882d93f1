//! Keys, certificates and stores, made in the run by the tools of administrators: `openssl` and `keytool`.
//!
//! Nothing of it is stored in the repository: what is tested is what today's tools write.

use crate::tools;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// The password of every store, unless a test is about another one. A line of an ini file has to take it as it is.
pub const STORE_PASSWORD: &str = "pass;#word=1 x";

/// The kinds of keys that certificates are made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// RSA with so many bits.
    Rsa(u32),
    /// ECDSA on P-256.
    P256,
    /// ECDSA on P-384.
    P384,
}

/// The digest of a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Digest {
    /// Broken; some levels refuse it.
    Sha1,
    /// What everybody uses.
    Sha256,
    /// The one of Suite B's upper level.
    Sha384,
}

/// When a certificate is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validity {
    /// From today for ninety days.
    Now,
    /// From today for so many days.
    Days(u32),
    /// It ended years ago.
    Expired,
    /// It begins in some years.
    NotYet,
}

/// A folder in which keys, certificates and stores are made. It goes away with the value.
pub struct Workshop {
    folder: PathBuf,
}

/// A certificate with its key, and what leads from it to its root.
#[derive(Debug, Clone)]
pub struct Party {
    /// The common name.
    pub name: String,
    /// The private key, PEM.
    pub key: PathBuf,
    /// The certificate alone, PEM.
    pub certificate: PathBuf,
    /// The certificate and every issuer but the root, PEM, in the order of a handshake.
    pub chain: PathBuf,
    /// The root, PEM; the certificate itself where it is self-signed.
    pub root: PathBuf,
}

/// What a certificate is to say. The default is what a good public authority issues today.
#[derive(Debug, Clone)]
pub struct Order {
    key: KeyKind,
    digest: Digest,
    validity: Validity,
    extensions: Vec<String>,
}

/// A key store or trust store.
#[derive(Debug, Clone)]
pub struct StoreFile {
    /// The file.
    pub path: PathBuf,
    /// What it opens with.
    pub password: String,
    /// The declared type: `p12` or `jks`.
    pub kind: &'static str,
}

impl Order {
    /// A server with these names.
    #[must_use]
    pub fn server(names: &[&str]) -> Self {
        Self::leaf(names, "serverAuth")
    }

    /// A client with these names.
    #[must_use]
    pub fn client(names: &[&str]) -> Self {
        Self::leaf(names, "clientAuth")
    }

    /// A server that calls others as well, with these names.
    #[must_use]
    pub fn server_and_client(names: &[&str]) -> Self {
        Self::leaf(names, "serverAuth,clientAuth")
    }

    /// An authority.
    #[must_use]
    pub fn authority() -> Self {
        Self::with(&[
            "basicConstraints=critical,CA:TRUE",
            "keyUsage=critical,keyCertSign,cRLSign",
        ])
    }

    /// A certificate without any extension.
    #[must_use]
    pub fn bare() -> Self {
        Self::with(&[])
    }

    /// An authority as old ones are: allowed to sign, and without Basic Constraints.
    #[must_use]
    pub fn authority_without_constraints() -> Self {
        Self::with(&["keyUsage=critical,keyCertSign,cRLSign"])
    }

    fn leaf(names: &[&str], usage: &str) -> Self {
        let names: Vec<String> = names.iter().map(|name| subject_name(name)).collect();
        Self::with(&[
            "basicConstraints=critical,CA:FALSE",
            "keyUsage=critical,digitalSignature",
            &format!("extendedKeyUsage={usage}"),
            &format!("subjectAltName={}", names.join(",")),
        ])
    }

    fn with(extensions: &[&str]) -> Self {
        Self {
            key: KeyKind::P256,
            digest: Digest::Sha256,
            validity: Validity::Now,
            extensions: extensions.iter().map(|&line| line.to_owned()).collect(),
        }
    }

    /// With a key of this kind.
    #[must_use]
    pub fn key(mut self, key: KeyKind) -> Self {
        self.key = key;
        self
    }

    /// Signed with this digest.
    #[must_use]
    pub fn digest(mut self, digest: Digest) -> Self {
        self.digest = digest;
        self
    }

    /// Valid at this time.
    #[must_use]
    pub fn validity(mut self, validity: Validity) -> Self {
        self.validity = validity;
        self
    }
}

impl Workshop {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self {
            folder: tools::new_folder(),
        }
    }

    /// A place in the folder.
    #[must_use]
    pub fn path(&self, file: &str) -> PathBuf {
        self.folder.join(file)
    }

    /// A root authority.
    #[must_use]
    pub fn root(&self, name: &str, order: &Order) -> Party {
        self.self_signed(name, order)
    }

    /// A certificate that its own key signs.
    #[must_use]
    pub fn self_signed(&self, name: &str, order: &Order) -> Party {
        self.make(name, order, None)
    }

    /// A certificate of this authority.
    #[must_use]
    pub fn issue(&self, issuer: &Party, name: &str, order: &Order) -> Party {
        self.make(name, order, Some(issuer))
    }

    /// What `openssl genrsa`, `req` and `x509 -req -signkey` make, without an extension file: version 1, the name
    /// only as common name (`docs/domain/keystores.md`, 2).
    #[must_use]
    pub fn by_the_old_recipe(&self, name: &str) -> Party {
        let key = self.fresh("key");
        let csr = self.fresh("csr");
        let certificate = self.fresh("crt");
        openssl(&["genrsa", "-out", text(&key), "2048"]);
        let subject = format!("/CN={name}");
        openssl(&[
            "req",
            "-new",
            "-key",
            text(&key),
            "-out",
            text(&csr),
            "-subj",
            &subject,
        ]);
        openssl(&[
            "x509",
            "-req",
            "-days",
            "365",
            "-in",
            text(&csr),
            "-signkey",
            text(&key),
            "-out",
            text(&certificate),
        ]);
        Party {
            name: name.to_owned(),
            key,
            chain: certificate.clone(),
            root: certificate.clone(),
            certificate,
        }
    }

    fn make(&self, name: &str, order: &Order, issuer: Option<&Party>) -> Party {
        let key = self.fresh("key");
        let algorithm = match order.key {
            KeyKind::Rsa(bits) => ("RSA", format!("rsa_keygen_bits:{bits}")),
            KeyKind::P256 => ("EC", "ec_paramgen_curve:P-256".to_owned()),
            KeyKind::P384 => ("EC", "ec_paramgen_curve:P-384".to_owned()),
        };
        let (algorithm, option) = algorithm;
        openssl(&[
            "genpkey",
            "-algorithm",
            algorithm,
            "-pkeyopt",
            &option,
            "-out",
            text(&key),
        ]);
        self.certify(name, order, issuer, key)
    }

    /// Another certificate for the key of a party, as at a renewal.
    #[must_use]
    pub fn renew(&self, issuer: &Party, old: &Party, order: &Order) -> Party {
        self.certify(&old.name, order, Some(issuer), old.key.clone())
    }

    fn certify(&self, name: &str, order: &Order, issuer: Option<&Party>, key: PathBuf) -> Party {
        let csr = self.fresh("csr");
        let certificate = self.fresh("crt");
        let extensions = self.fresh("ext");
        std::fs::write(&extensions, order.extensions.join("\n") + "\n").expect("a file is written");
        openssl(&[
            "req",
            "-new",
            "-key",
            text(&key),
            "-subj",
            &format!("/CN={name}"),
            "-out",
            text(&csr),
        ]);

        // `openssl ca` is the one of openssl's commands that takes any dates.
        let settings = self.fresh("cnf");
        let database = self.fresh("index");
        std::fs::write(&database, "").expect("a file is written");
        let folder = text(&self.folder);
        std::fs::write(
            &settings,
            format!(
                "[ca]\ndefault_ca=own\n[own]\ndatabase={}\nnew_certs_dir={folder}\nrand_serial=yes\n\
                 policy=any\nunique_subject=no\n[any]\ncommonName=supplied\n",
                text(&database)
            ),
        )
        .expect("a file is written");
        let digest = match order.digest {
            Digest::Sha1 => "sha1",
            Digest::Sha256 => "sha256",
            Digest::Sha384 => "sha384",
        };
        let mut words = vec![
            "ca",
            "-batch",
            "-notext",
            "-config",
            text(&settings),
            "-md",
            digest,
            "-in",
            text(&csr),
            "-out",
            text(&certificate),
            "-extfile",
            text(&extensions),
        ];
        let days = match order.validity {
            Validity::Days(days) => days.to_string(),
            _ => "90".to_owned(),
        };
        match order.validity {
            Validity::Now | Validity::Days(_) => words.extend(["-days", &days]),
            Validity::Expired => {
                words.extend([
                    "-startdate",
                    "20200101000000Z",
                    "-enddate",
                    "20200401000000Z",
                ]);
            }
            Validity::NotYet => {
                words.extend([
                    "-startdate",
                    "20480101000000Z",
                    "-enddate",
                    "20480401000000Z",
                ]);
            }
        }
        match issuer {
            Some(issuer) => {
                words.extend([
                    "-cert",
                    text(&issuer.certificate),
                    "-keyfile",
                    text(&issuer.key),
                ]);
            }
            None => words.extend(["-selfsign", "-keyfile", text(&key)]),
        }
        openssl(&words);

        let mut chain = read(&certificate);
        let mut root = certificate.clone();
        if let Some(issuer) = issuer {
            root = issuer.root.clone();
            if issuer.certificate != issuer.root {
                chain.extend(read(&issuer.chain));
            }
        }
        let chain_file = self.fresh("chain");
        std::fs::write(&chain_file, chain).expect("a file is written");
        Party {
            name: name.to_owned(),
            key,
            certificate,
            chain: chain_file,
            root,
        }
    }

    /// A PKCS#12 key store of `openssl`, with the chain and one alias.
    #[must_use]
    pub fn pkcs12(&self, alias: &str, party: &Party) -> StoreFile {
        self.pkcs12_of(alias, &party.key, &party.chain, STORE_PASSWORD, &[])
    }

    /// The same from any key and any certificates, with a password and further options of its own.
    #[must_use]
    pub fn pkcs12_of(
        &self,
        alias: &str,
        key: &Path,
        certificates: &Path,
        password: &str,
        options: &[&str],
    ) -> StoreFile {
        let path = self.fresh("p12");
        let mut command = command("openssl");
        command
            .args([
                "pkcs12",
                "-export",
                "-name",
                alias,
                "-inkey",
                text(key),
                "-in",
            ])
            .args([
                text(certificates),
                "-out",
                text(&path),
                "-passout",
                "env:STORE_PASSWORD",
            ])
            .args(options)
            .env("STORE_PASSWORD", password);
        run(command);
        StoreFile::new(path, password, "p12")
    }

    /// The same key store as `keytool` keeps it by itself, in the old Java form.
    #[must_use]
    pub fn jks(&self, store: &StoreFile) -> StoreFile {
        self.converted(&[store], "JKS")
    }

    /// One PKCS#12 store with the entries of several, put together by `keytool`.
    #[must_use]
    pub fn merged(&self, stores: &[&StoreFile]) -> StoreFile {
        self.converted(stores, "PKCS12")
    }

    fn converted(&self, stores: &[&StoreFile], form: &str) -> StoreFile {
        let kind = if form == "JKS" { "jks" } else { "p12" };
        let path = self.fresh(kind);
        for store in stores {
            let words = [
                "-importkeystore",
                "-noprompt",
                "-srckeystore",
                text(&store.path),
                "-srcstorepass",
                &store.password,
                "-destkeystore",
                text(&path),
                "-deststoretype",
                form,
                "-deststorepass",
                STORE_PASSWORD,
            ];
            keytool(&words);
        }
        StoreFile::new(path, STORE_PASSWORD, kind)
    }

    /// A PKCS#12 trust store of `keytool`, as the documents make it.
    #[must_use]
    pub fn trust(&self, certificates: &[&Path]) -> StoreFile {
        let path = self.fresh("p12");
        for (number, certificate) in certificates.iter().enumerate() {
            let alias = format!("trusted{number}");
            let words = [
                "-importcert",
                "-noprompt",
                "-storetype",
                "PKCS12",
                "-keystore",
                text(&path),
                "-storepass",
                STORE_PASSWORD,
                "-alias",
                &alias,
                "-file",
                text(certificate),
            ];
            keytool(&words);
        }
        StoreFile::new(path, STORE_PASSWORD, "p12")
    }

    /// A PKCS#12 trust store of `openssl`, which lacks the mark by which Java knows trusted certificates.
    #[must_use]
    pub fn trust_of_openssl(&self, certificate: &Path) -> StoreFile {
        let path = self.fresh("p12");
        let password = format!("pass:{STORE_PASSWORD}");
        openssl(&[
            "pkcs12",
            "-export",
            "-nokeys",
            "-in",
            text(certificate),
            "-out",
            text(&path),
            "-passout",
            &password,
        ]);
        StoreFile::new(path, STORE_PASSWORD, "p12")
    }

    /// A file that was not there before.
    #[must_use]
    pub fn fresh(&self, extension: &str) -> PathBuf {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        self.folder.join(format!("{number}.{extension}"))
    }
}

impl Default for Workshop {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

impl Party {
    /// The certificate as a handshake carries it.
    #[must_use]
    pub fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_file(&self.certificate).expect("openssl wrote a certificate")
    }
}

impl StoreFile {
    /// A store that is there already.
    #[must_use]
    pub fn new(path: PathBuf, password: &str, kind: &'static str) -> Self {
        Self {
            path,
            password: password.to_owned(),
            kind,
        }
    }

    /// The path as a setting holds it.
    #[must_use]
    pub fn path_text(&self) -> &str {
        text(&self.path)
    }

    /// What the file is called without its folder.
    #[must_use]
    pub fn file_name(&self) -> String {
        let name = self.path.file_name().expect("a store has a name");
        name.to_string_lossy().into_owned()
    }
}

/// Runs `openssl`, which must succeed; gives what it printed.
pub fn openssl(words: &[&str]) -> String {
    let mut openssl = command("openssl");
    openssl.args(words);
    run(openssl)
}

/// Runs `keytool`, which must succeed; gives what it printed.
pub fn keytool(words: &[&str]) -> String {
    let mut keytool = command("keytool");
    // A virtual machine that lives for a moment need not compile anything well.
    keytool
        .args([
            "-J-XX:TieredStopAtLevel=1",
            "-J-XX:+UseSerialGC",
            "-J-Xshare:auto",
        ])
        .args(words);
    run(keytool)
}

fn command(program: &str) -> Command {
    let package = match program {
        "keytool" => "openjdk-17-jdk-headless",
        _ => "openssl",
    };
    tools::tool(program, package)
}

fn run(mut command: Command) -> String {
    let output = command
        .stdin(Stdio::null())
        .output()
        .expect("a tool starts");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{command:?} ended with {}:\n{said}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    said
}

fn subject_name(name: &str) -> String {
    match name.parse::<std::net::IpAddr>() {
        Ok(address) => format!("IP:{address}"),
        Err(_) => format!("DNS:{name}"),
    }
}

fn read(file: &Path) -> Vec<u8> {
    std::fs::read(file).expect("a tool wrote this file")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("temporary folders have plain names")
}
