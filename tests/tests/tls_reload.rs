//! A certificate is replaced while everybody talks: new connections see the new one within seconds, no session
//! notices, and a store that cannot be used changes nothing but the log and a number.
//!
//! Source: `docs/domain/tls-scopes.md`, 15.4.

#![allow(clippy::expect_used, reason = "a test may end by panicking anywhere")]

use isochron_tests::pki::{KeyKind, Order, Party, STORE_PASSWORD, StoreFile, Validity, Workshop};
use isochron_tests::visit::{Tool, Version, Visitor};
use isochron_tests::{PATIENCE, Ports, Server, Settings, java, look, poll, poll_within, tls};
use rustls::crypto::aws_lc_rs;
use std::fmt::Write;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{TryRecvError, channel};
use std::time::Duration;
use testkit::fleet::{Contacts, Fleet};
use testkit::session::{PASSWORD, Plan, Speaks, user};
use tokio::time::Instant;
use wire::client::Offer;

const NAME: &str = "mux.example.com";
/// How many sessions talk meanwhile.
const SESSIONS: usize = 500;
/// What the stores open with after the first change.
const SECOND_PASSWORD: &str = "another password";
/// "Within seconds", on a machine that does other things too.
const SECONDS: Duration = Duration::from_secs(20);

/// A folder with a store and its password as Kubernetes mounts a secret: links through a link that is swapped.
struct Secret {
    shop: Workshop,
    root: Party,
    folder: PathBuf,
}

impl Secret {
    fn new() -> Self {
        let shop = Workshop::new();
        let root = shop.root("Test Root", &Order::authority());
        let folder = shop.path("keys");
        fs::create_dir(&folder).expect("a folder is made");
        let secret = Self { shop, root, folder };
        let first = secret.party();
        secret.mount(&secret.store(&first, STORE_PASSWORD));
        for name in ["mux.p12", "password"] {
            let target = Path::new("..data").join(name);
            symlink(target, secret.file(name)).expect("a link is made");
        }
        secret
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn party(&self) -> Party {
        self.shop.issue(&self.root, NAME, &Order::server(&[NAME]))
    }

    fn store(&self, party: &Party, password: &str) -> StoreFile {
        self.shop
            .pkcs12_of("mux", &party.key, &party.chain, password, &[])
    }

    /// Swaps store and password in one step.
    fn mount(&self, store: &StoreFile) {
        let version = self.shop.fresh("version");
        fs::create_dir(&version).expect("a folder is made");
        fs::copy(&store.path, version.join("mux.p12")).expect("a store is copied");
        fs::write(version.join("password"), &store.password).expect("a file is written");
        let link = self.file("..data_tmp");
        symlink(&version, &link).expect("a link is made");
        fs::rename(&link, self.file("..data")).expect("a link is renamed");
    }

    fn rewrite(&self, store: &StoreFile) {
        let content = fs::read(&store.path).expect("openssl wrote it");
        fs::write(self.file("mux.p12"), content).expect("the store is rewritten");
    }

    fn rename(&self, store: &StoreFile) {
        fs::rename(&store.path, self.file("mux.p12")).expect("the store is renamed");
    }

    fn settings(&self) -> Settings {
        let text = |name| self.file(name).to_str().map(str::to_owned);
        Settings::new()
            .tls13()
            .set(
                "STMUX_TLS_KEY_STORE_FILE",
                &text("mux.p12").expect("a plain name"),
            )
            .set(
                "STMUX_TLS_KEY_STORE_PASSWORD_FILE",
                &text("password").expect("a plain name"),
            )
    }
}

/// Waits until new connections are shown this certificate.
fn shown(server: &Server, party: &Party) {
    let der = party.der();
    poll_within("the new certificate", SECONDS, || {
        (look::leaf(server.tls_port()).as_ref() == Some(&der)).then_some(())
    });
}

/// What happens to the store; gives the party that is shown afterwards.
type Change = fn(&Secret, &Server) -> Party;

/// In turn, beginning with what Kubernetes does: the store is no link any more after it was renamed.
const CHANGES: [(&str, Change); 5] = [
    ("a swapped link", |secret, _| {
        let party = secret.party();
        secret.mount(&secret.store(&party, SECOND_PASSWORD));
        party
    }),
    ("a store that is rewritten", |secret, _| {
        let party = secret.party();
        secret.rewrite(&secret.store(&party, SECOND_PASSWORD));
        party
    }),
    ("a store that is renamed", |secret, _| {
        let party = secret.party();
        secret.rename(&secret.store(&party, SECOND_PASSWORD));
        party
    }),
    ("a store that SIGHUP speaks of", |secret, server| {
        let party = secret.party();
        secret.rename(&secret.store(&party, SECOND_PASSWORD));
        server.signal("HUP");
        party
    }),
    // One after the other: nothing fits together in between.
    ("a store and then its password", |secret, server| {
        let party = secret.party();
        let refused = refusals(server);
        secret.rename(&secret.store(&party, "a third password"));
        poll("the store that its password does not open", || {
            (refusals(server) > refused).then_some(())
        });
        fs::write(secret.file("password"), "a third password\n").expect("a file is written");
        party
    }),
];

/// How often the server has refused to take something up.
fn refusals(server: &Server) -> u64 {
    server.metric("isochron_reloads_total", "outcome=\"refused\"")
}

/// 1 while what is on disk is not in force.
fn refused_now(server: &Server) -> u64 {
    server.metric("isochron_reload_refused", "")
}

#[test]
fn five_hundred_sessions_talk_on_while_the_certificate_changes() {
    let secret = Secret::new();
    let mut server = secret.settings().start(Ports::Shared);
    import_people(&secret, &server);
    let mut crowd = Crowd::of(&server);
    for (what, change) in CHANGES {
        crowd.talk(SESSIONS);
        // Everybody says something while it happens, and afterwards.
        let party = std::thread::scope(|scope| {
            let (changing, is_changing) = channel::<()>();
            let crowd = &mut crowd;
            scope.spawn(move || {
                while is_changing.try_recv() == Err(TryRecvError::Empty) {
                    crowd.talk(SESSIONS / 5);
                }
            });
            let party = change(&secret, &server);
            shown(&server, &party);
            drop(changing);
            party
        });
        crowd.talk(SESSIONS);
        assert_eq!(look::leaf(server.tls_port()), Some(party.der()), "{what}");
    }
    crowd.end();
    server.stop();
}

/// The sessions. Whatever they are told fails when one of them has ended.
struct Crowd {
    runtime: tokio::runtime::Runtime,
    fleet: Fleet,
}

impl Crowd {
    /// Everybody logs in and opens a conversation with a neighbour.
    fn of(server: &Server) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime is built");
        let plan = Plan {
            address: ([127, 0, 0, 1], server.tls_port()).into(),
            speaks: Speaks::Sametime,
            tls: Some(Arc::new(tls::config(aws_lc_rs::default_provider()))),
            offer: Offer::None,
            people: SESSIONS,
            epoch: Instant::now(),
        };
        let gathered = runtime.block_on(async {
            let mut fleet = Fleet::new(&plan, SESSIONS, Contacts::Ring).await?;
            // Each login checks a password hash, which is made to take its time.
            fleet.login(0..SESSIONS, 32, PATIENCE * 5).await?.all_in()?;
            fleet.converse(PATIENCE).await?;
            anyhow::Ok(fleet)
        });
        let fleet = gathered.expect("everybody logs in");
        Self { runtime, fleet }
    }

    /// So many messages, each from another session; all must arrive.
    fn talk(&mut self, messages: usize) {
        let arrived = self.fleet.messages(messages, 32, PATIENCE);
        let arrived = self.runtime.block_on(arrived);
        arrived.expect("no session and no message is lost");
    }

    fn end(mut self) {
        self.fleet.settle().expect("no session is lost");
        let cut = self.runtime.block_on(self.fleet.cut());
        cut.expect("the sessions end when they are told to");
    }
}

/// The people of the sessions.
fn import_people(secret: &Secret, server: &Server) {
    let mut text = "user,name,mail,password,groups\n".to_owned();
    for person in 0..SESSIONS {
        let user = user(person);
        writeln!(
            text,
            "{user},Person {person},{user}@example.com,{PASSWORD},"
        )
        .expect("text takes text");
    }
    let file = secret.shop.path("people.csv");
    fs::write(&file, text).expect("a file is written");
    let _ = server.command_output(&["user", "import", file.to_str().expect("a plain name")]);
}

#[test]
fn a_store_that_cannot_be_used_changes_nothing() {
    let secret = Secret::new();
    let mut server = secret.settings().start(Ports::Two);
    let shop = &secret.shop;
    let good = secret.party();
    secret.mount(&secret.store(&good, STORE_PASSWORD));
    shown(&server, &good);

    let other = secret.party();
    let cut = secret.store(&other, STORE_PASSWORD);
    let whole = fs::read(&cut.path).expect("openssl wrote it");
    fs::write(&cut.path, &whole[..whole.len() / 2]).expect("a file is written");
    let expired = Order::server(&[NAME]).validity(Validity::Expired);
    let expired = shop.issue(&secret.root, NAME, &expired);
    let mixed = java::mix(
        &secret.store(&good, STORE_PASSWORD),
        &secret.store(&other, STORE_PASSWORD),
        &shop.fresh("p12"),
        "p12",
    );
    let trust = shop.trust(&[&secret.root.certificate]);
    for (what, cause, store) in [
        ("a cut store", "", cut),
        (
            "another password",
            "password",
            secret.store(&other, "never the right one"),
        ),
        (
            "an expired certificate",
            "expired",
            secret.store(&expired, STORE_PASSWORD),
        ),
        ("a key of another", "does not belong", mixed),
        ("a trust store", "private key", trust),
    ] {
        let before = refusals(&server);
        let said_before = server.said().len();
        secret.rename(&store);
        poll(what, || (refusals(&server) > before).then_some(()));
        poll(&format!("a word of {what}"), || {
            let said = server.said().split_off(said_before);
            let file = secret.file("mux.p12");
            let names = [
                "STMUX_TLS_KEY_STORE_",
                file.to_str().expect("a plain name"),
                cause,
            ];
            names.iter().all(|part| said.contains(part)).then_some(())
        });
        assert_eq!(look::leaf(server.tls_port()), Some(good.der()), "{what}");
    }

    // Without the file, too; and a good one mends everything.
    let before = refusals(&server);
    fs::remove_file(secret.file("mux.p12")).expect("the store is removed");
    poll("a store that is gone", || {
        (refusals(&server) > before).then_some(())
    });
    assert_eq!(look::leaf(server.tls_port()), Some(good.der()));
    let better = shop.issue(
        &secret.root,
        NAME,
        &Order::server(&[NAME]).key(KeyKind::Rsa(2048)),
    );
    secret.rename(&secret.store(&better, STORE_PASSWORD));
    shown(&server, &better);
    let said = server.said();
    for password in [STORE_PASSWORD, "never the right one"] {
        assert!(!said.contains(password), "a password is in the log");
    }
    server.stop();
}

#[test]
fn settings_that_cannot_be_used_change_nothing_and_good_ones_count_for_new_connections() {
    let secret = Secret::new();
    let mut server = secret.settings().start(Ports::Shared);
    let visitor = |version| Visitor::new(Tool::OpenSsl, server.tls_port()).only(version);
    let _ = visitor(Version::Tls12).served();
    let settings = fs::read_to_string(server.settings_file()).expect("the test wrote it");

    for (what, line) in [
        ("TLS 1.1", "STMUX_TLS_MIN_PROTOCOL_VERSION=0x302"),
        ("no such level", "STMUX_TLS_SECURITY_LEVEL=9"),
        (
            "a level that the key does not meet",
            "STMUX_TLS_SECURITY_LEVEL=4",
        ),
        (
            "a store that is not there",
            "STMUX_TLS_TRUST_STORE_FILE=no-such.p12",
        ),
    ] {
        let before = refusals(&server);
        fs::write(
            server.settings_file(),
            format!("{settings}[Config]\n{line}\n"),
        )
        .expect("settings are written");
        poll(what, || (refusals(&server) > before).then_some(()));
        let (name, _) = line.split_once('=').expect("a setting has a value");
        server.wait_said(&[name]);
        let _ = visitor(Version::Tls12).served();
    }

    fs::write(server.settings_file(), &settings).expect("settings are written");
    poll("settings that are good again", || {
        (refused_now(&server) == 0).then_some(())
    });
    let directories = server
        .settings_file()
        .with_file_name("StCommunityConfig.xml");
    fs::write(&directories, "<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>")
        .expect("a file is written");
    poll("directories that are no XML of ours", || {
        (refused_now(&server) == 1).then_some(())
    });
    server.wait_said(&["StCommunityConfig.xml"]);
    let _ = visitor(Version::Tls12).served();
    fs::remove_file(&directories).expect("a file is removed");
    poll("no directories any more", || {
        (refused_now(&server) == 0).then_some(())
    });

    let line = "STMUX_TLS_MIN_PROTOCOL_VERSION=0x304";
    fs::write(
        server.settings_file(),
        format!("{settings}[Config]\n{line}\n"),
    )
    .expect("settings are written");
    poll_within("the end of TLS 1.2", SECONDS, || {
        visitor(Version::Tls12).is_refused().then_some(())
    });
    let _ = visitor(Version::Tls13).served();
    server.stop();
}

#[test]
fn a_certificate_that_ends_soon_is_warned_of_and_its_days_are_counted() {
    let secret = Secret::new();
    let mut server = secret.settings().start(Ports::StrictTls);
    let days = || server.metric("isochron_tls_certificate_expiry_days", "scope=\"mux\"");
    poll("the days of the first certificate", || {
        (88..=90).contains(&days()).then_some(())
    });
    let order = Order::server(&[NAME]).validity(Validity::Days(6));
    let party = secret.shop.issue(&secret.root, NAME, &order);
    secret.mount(&secret.store(&party, STORE_PASSWORD));
    shown(&server, &party);
    poll("the days of the next one", || {
        (5..=6).contains(&days()).then_some(())
    });
    server.wait_said(&["WARN a certificate expires in "]);
    server.stop();
}
