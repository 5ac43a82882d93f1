//! Chains that are not as the recipe makes them, and files that others may touch.

use crate::load::{load, load_at, message, notes, place, settings};
use crate::pki::{Kind, Pki};
use crate::tools::{Folder, is_full, openssl, text};
use crate::writers::PASSWORD;
use config::Scope;
use keys::store::{self, Content, Entry, OpenError};
use keys::{Loader, Role};
use rustls::pki_types::CertificateDer;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, SystemTime};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const KEY: &str = "STMUX_TLS_KEY_STORE_FILE=mux.pem";

/// Authorities that sign each other across.
struct Web {
    pki: Pki,
    folder: Folder,
}

impl Web {
    /// `root` has signed `ca`, which has signed `server`; `other` is a root of its own, and has signed `ca` as well.
    fn new() -> Self {
        let web = Self {
            pki: Pki::new(),
            folder: Folder::new(),
        };
        for name in ["root", "other", "ca", "server"] {
            web.pki.key(name, Kind::P256);
        }
        let extensions = web.extensions();
        let ca = ["-extfile", text(&extensions)];
        web.pki.self_signed("root", &ca);
        web.pki.self_signed("other", &ca);
        web.pki.signed("ca", "other", &ca);
        let across = web.pki.pem("ca");
        web.pki.signed("ca", "root", &ca);
        web.pki.signed("server", "ca", &[]);
        std::fs::write(web.pki.path("across", "crt"), across).unwrap();
        web
    }

    fn extensions(&self) -> std::path::PathBuf {
        let extensions = "basicConstraints=critical,CA:TRUE\n";
        self.folder.write("extensions", extensions)
    }

    /// A store with the key of `server` and these certificates.
    fn store(&self, certificates: &[&str]) {
        let all: String = certificates.iter().map(|name| self.pki.pem(name)).collect();
        let pem = self.folder.write("pem", self.pki.key_pem("server") + &all);
        place(&self.folder, &pem, "mux.pem");
    }

    /// The chain of the store and what was noted about chains.
    fn load(&self, now: SystemTime) -> (Vec<CertificateDer<'static>>, Vec<String>) {
        let material = load_at(&self.folder, Scope::Mux, KEY, now).unwrap();
        let about_chains = ["incomplete", "its issuer"];
        let is_about_chains = |note: &String| about_chains.iter().any(|part| note.contains(part));
        let notes = notes(&material).into_iter().filter(is_about_chains);
        (material.identities[0].chain().to_vec(), notes.collect())
    }

    fn chain(&self, names: &[&str]) -> Vec<CertificateDer<'static>> {
        names
            .iter()
            .map(|name| self.pki.certificate(name))
            .collect()
    }
}

#[test]
fn certificates_that_only_lie_beside_a_chain_keep_no_server_from_starting() {
    let web = Web::new();
    let now = SystemTime::now();
    // The second path to an intermediate, with and without its root.
    web.store(&["server", "ca", "across"]);
    assert_eq!(web.load(now), (web.chain(&["server", "ca"]), vec![]));
    web.store(&["server", "ca", "across", "root"]);
    assert_eq!(
        web.load(now),
        (web.chain(&["server", "ca", "root"]), vec![])
    );

    // An authority that nobody asked for, under a chain whose root is left out: only said.
    web.store(&["server", "ca", "other"]);
    let (chain, notes) = web.load(now);
    assert_eq!(chain, web.chain(&["server", "ca"]));
    assert!(notes[0].contains("other.example.com"), "{notes:?}");

    // Another server's certificate.
    web.pki.key("else", Kind::P256);
    web.pki.signed(
        "else",
        "ca",
        &[
            "-extfile",
            text(&web.folder.write("leaf", "subjectAltName=DNS:x\n")),
        ],
    );
    web.store(&["server", "else"]);
    let (chain, notes) = web.load(now);
    assert_eq!(chain, web.chain(&["server"]));
    assert!(notes[0].contains("chain incomplete"), "{notes:?}");

    // The root without what joins the certificate to it is what clients refuse.
    web.store(&["server", "root"]);
    let text = message(load_at(&web.folder, Scope::Mux, KEY, now).unwrap_err());
    assert!(text.contains("has a chain with a gap"), "{text}");
    assert!(text.contains("ca.example.com"), "{text}");
}

#[test]
fn an_intermediate_that_has_expired_is_refused_unless_another_one_stands_beside_it() {
    let web = Web::new();
    let extensions = web.extensions();
    let lasting = web.pki.pem("ca");
    web.pki.signed(
        "ca",
        "root",
        &["-extfile", text(&extensions), "-days", "10"],
    );
    std::fs::copy(web.pki.path("ca", "crt"), web.pki.path("short", "crt")).unwrap();
    std::fs::write(web.pki.path("ca", "crt"), lasting).unwrap();

    web.store(&["server", "short", "root"]);
    let now = SystemTime::now();
    let short = web.chain(&["server", "short", "root"]);
    assert_eq!(web.load(now), (short, vec![]));
    let later = now + 20 * DAY;
    let faults = load_at(&web.folder, Scope::Mux, KEY, later).unwrap_err();
    assert_eq!(faults.len(), 1);
    let text = message(faults);
    for part in [
        "STMUX_TLS_KEY_STORE_FILE",
        "its issuer",
        "ca.example.com",
        "has expired on",
    ] {
        assert!(text.contains(part), "{text}");
    }
    web.store(&["server", "short", "ca", "root"]);
    let good = web.chain(&["server", "ca", "root"]);
    assert_eq!(web.load(later), (good, vec![]));
}

/// Whoever may change a trust store decides who is trusted; whoever may read one with a key in it has the key.
#[test]
fn trust_stores_that_others_may_touch_are_noted() {
    let web = Web::new();
    let lines = "STLDAP_TLS_TRUST_STORE_FILE=trust.pem";
    let with = |content: String, mode: u32| {
        let path = web.folder.write("trust.pem", content);
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        notes(&load(&web.folder, Scope::Ldap, lines).unwrap())
    };
    assert_eq!(with(web.pki.pem("root"), 0o644), [""; 0]);
    for mode in [0o664, 0o646] {
        let found = with(web.pki.pem("root"), mode);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].contains("trust.pem may be changed by other"),
            "{found:?}"
        );
    }
    let both = web.pki.key_pem("server") + &web.pki.pem("server");
    let is_said = |found: Vec<String>| {
        found
            .iter()
            .any(|note| note.contains("may be read by other"))
    };
    assert!(is_said(with(both.clone(), 0o640)));
    assert!(!is_said(with(both, 0o600)));
}

#[test]
fn stash_files_that_others_may_read_are_noted() {
    let web = Web::new();
    web.store(&["server", "ca", "root"]);
    let stash = web.folder.path("mux.sth");
    keys::stash::write(&stash, "any").unwrap();
    let lines = format!("{KEY}\nSTMUX_TLS_KEY_STORE_PASSWORD_STASH_FILE=mux.sth");
    let is_said = || {
        let material = load(&web.folder, Scope::Mux, &lines).unwrap();
        let notes = notes(&material);
        notes
            .iter()
            .any(|note| note.contains("mux.sth may be read by other"))
    };
    assert!(!is_said());
    std::fs::set_permissions(&stash, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(is_said());
    keys::stash::write(&stash, "any").unwrap();
    assert!(!is_said());
}

/// The local key id says which certificate belongs to a key, and the key itself knows better.
#[test]
fn a_certificate_for_the_key_goes_before_one_that_says_so() {
    let web = Web::new();
    let key = store::open(web.pki.key_pem("server").as_bytes(), "", None).unwrap();
    let [
        Entry {
            content: Content::Key { key, .. },
            ..
        },
    ] = &key.entries[..]
    else {
        panic!("{key:?}");
    };
    // Written with the certificate of another key, and the right one behind it.
    let entry = Entry {
        alias: "mux".to_owned(),
        content: Content::Key {
            key: key.clone_key(),
            chain: web.chain(&["other", "server", "ca"]),
        },
    };
    let bytes = store::write_pkcs12(&[entry], PASSWORD).unwrap();
    let opened = store::open(&bytes, PASSWORD, None).unwrap();
    let Content::Key { chain, .. } = &opened.entries[0].content else {
        panic!("{opened:?}");
    };
    assert_eq!(*chain, web.chain(&["server", "ca"]));
}

/// Seven keys, each under as many rounds as are recommended today.
#[test]
fn several_keys_with_many_rounds_of_hashing_are_opened() {
    let (web, folder) = (Web::new(), Folder::new());
    let mut all = String::new();
    for number in 0..7 {
        let out = folder.path(&format!("{number}.key"));
        openssl(&[
            "pkcs8",
            "-topk8",
            "-in",
            text(&web.pki.path("server", "key")),
            "-v2",
            "aes256",
            "-v2prf",
            "hmacWithSHA256",
            "-iter",
            "600000",
            "-passout",
            "pass:geheim",
            "-out",
            text(&out),
        ]);
        all += &std::fs::read_to_string(out).unwrap();
    }
    let bytes = all.into_bytes();
    let opened = store::open(&bytes, "geheim", None).unwrap();
    assert_eq!(opened.entries.len(), 7);
    // All blocks share one measure of work; to come to its end takes seconds.
    if !is_full() {
        return;
    }
    let thrice = bytes.repeat(3);
    assert_eq!(
        store::open(&thrice, "geheim", None).unwrap_err(),
        OpenError::TooCostly
    );
}

#[test]
fn a_wrong_password_of_a_pem_key_is_said_of_its_setting() {
    let web = Web::new();
    let key = web.folder.path("encrypted.key");
    openssl(&[
        "pkcs8",
        "-topk8",
        "-in",
        text(&web.pki.path("server", "key")),
        "-passout",
        "pass:right",
        "-out",
        text(&key),
    ]);
    let pem = std::fs::read_to_string(&key).unwrap() + &web.pki.pem("server");
    place(&web.folder, &web.folder.write("pem", pem), "mux.pem");
    let with = |more: &str| load(&web.folder, Scope::Mux, &format!("{KEY}\n{more}"));
    let text = message(with("STMUX_TLS_KEY_PASSWORD=geheim").unwrap_err());
    assert!(
        text.contains("STMUX_TLS_KEY_PASSWORD: the password does not open the key"),
        "{text}"
    );
    assert!(!text.contains("STORE_PASSWORD"), "{text}");
    assert!(!text.contains("geheim"), "{text}");
    let text = message(with("").unwrap_err());
    assert!(
        text.contains("STMUX_TLS_KEY_STORE_PASSWORD is not set"),
        "{text}"
    );
    with("STMUX_TLS_KEY_PASSWORD=right").unwrap();
    with("STMUX_TLS_KEY_STORE_PASSWORD=right").unwrap();
}

/// Scopes that share a store get the same out of it, each with its own settings in the messages.
#[test]
fn a_loader_serves_several_scopes() {
    let web = Web::new();
    web.store(&["server", "ca", "root"]);
    let lines = "ST_TLS_KEY_STORE_FILE=mux.pem\nSTMUX_TLS_KEY_STORE_TYPE=jks";
    let mut loader = Loader::new(SystemTime::now());
    for (scope, is_declared) in [(Scope::Mux, true), (Scope::Server, false)] {
        let settings = settings(&web.folder, scope, lines);
        let material = loader.load(&settings, Role::Server).unwrap();
        let chain = web.chain(&["server", "ca", "root"]);
        assert_eq!(material.identities[0].chain(), chain);
        let is_said = notes(&material)
            .iter()
            .any(|note| note.contains("says jks"));
        assert_eq!(is_said, is_declared);
    }
    // A file that others wrote in between is not the one that was opened.
    web.store(&["server", "ca"]);
    let settings = settings(&web.folder, Scope::Server, lines);
    let material = loader.load(&settings, Role::Server).unwrap();
    assert_eq!(material.identities[0].chain(), web.chain(&["server", "ca"]));
}

/// A thousand keys would each be calculated; nobody has them.
#[test]
fn a_store_of_more_keys_than_anybody_has_is_refused() {
    let web = Web::new();
    let keys = web.pki.key_pem("server").repeat(store::KEYS_MAX + 1);
    let error = store::open(keys.as_bytes(), "", None).unwrap_err();
    assert!(error.to_string().contains("more than 1000 keys"), "{error}");
}
