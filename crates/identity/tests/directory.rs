//! Logins against the embedded directory, and changes to it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a helper of a test fails the test"
)]

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use identity::{
    Attempt, AuthError, Directory, FAILURES_PER_MINUTE_MAX, HashedPassword, HashedPerson,
    IdentityError, ImportSummary, NewPerson, Person, Proof, ResolveWhat, Resolved,
};
use store::{PersonRecord, Store};
use tempfile::TempDir;
use zeroize::Zeroizing;

/// Nothing here takes longer unless it hangs.
const DEADLINE: Duration = Duration::from_secs(60);

struct Site {
    _dir: TempDir,
    store: Store,
    directory: Directory,
}

impl Site {
    /// A directory with these people (id, display name, mail), whose passwords are "pw-" and their id.
    async fn with(people: &[(&str, &str, &str)]) -> Site {
        let dir = TempDir::new().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let directory = Directory::open(store.clone()).await.unwrap();
        let site = Site {
            _dir: dir,
            store,
            directory,
        };
        for (id, name, mail) in people {
            site.directory
                .add(new_person(id, name, mail))
                .await
                .unwrap();
        }
        site
    }

    async fn log_in(&self, name: &str, password: &str) -> Result<String, AuthError> {
        self.prove(
            name.as_bytes(),
            Proof::Password(Zeroizing::new(password.into())),
            1,
        )
        .await
    }

    async fn prove(&self, name: &[u8], proof: Proof, host: u8) -> Result<String, AuthError> {
        let attempt = Attempt {
            name,
            proof,
            address: IpAddr::V4(Ipv4Addr::new(192, 0, 2, host)),
        };
        let answer = tokio::time::timeout(DEADLINE, self.directory.authenticate(attempt));
        answer
            .await
            .expect("an answer in time")
            .map(|person| person.id.clone())
    }

    fn members(&self, group: &str) -> Vec<String> {
        self.directory
            .group(group.as_bytes())
            .expect("the group")
            .members
            .clone()
    }
}

fn new_person(id: &str, name: &str, mail: &str) -> NewPerson {
    NewPerson {
        id: id.to_owned(),
        name: name.to_owned(),
        mail: mail.to_owned(),
        password: Zeroizing::new(format!("pw-{id}")),
        groups: Vec::new(),
    }
}

fn names(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

#[tokio::test]
async fn people_log_in_with_id_mail_or_unique_name() {
    let site = Site::with(&[
        ("bob", "Bob Example", "bob@example.com"),
        ("tw1", "Twin", "shared@example.com"),
        ("tw2", "twin", "shared@example.com"),
        // Somebody whose display name is another person's id: the id wins.
        ("mallory", "bob", ""),
    ])
    .await;
    for name in ["bob", "BOB", " bob ", "Bob@Example.com", "bob example"] {
        assert_eq!(
            site.log_in(name, "pw-bob").await.as_deref(),
            Ok("bob"),
            "{name:?}"
        );
    }
    for (name, password) in [
        ("bob", "pw-mallory"),
        ("bob", "PW-BOB"),
        ("bob", ""),
        ("nobody", "pw-bob"),
        ("", "pw-bob"),
        ("  ", "pw-bob"),
        ("twin", "pw-tw1"),
        ("shared@example.com", "pw-tw1"),
        ("bo", "pw-bob"),
    ] {
        assert_eq!(
            site.log_in(name, password).await,
            Err(AuthError::WrongLogin),
            "{name:?} {password:?}"
        );
    }
}

#[tokio::test]
async fn unreadable_names_and_proofs_are_wrong_logins() {
    let site = Site::with(&[("bob", "", "")]).await;
    let password = |bytes: &[u8]| Proof::Password(Zeroizing::new(bytes.to_vec()));
    assert_eq!(
        site.prove(b"bob", Proof::Unreadable, 1).await,
        Err(AuthError::WrongLogin)
    );
    assert_eq!(
        site.prove(b"bo\xffb", password(b"pw-bob"), 1).await,
        Err(AuthError::WrongLogin)
    );
    assert_eq!(
        site.prove(&[b'b'; 100_000], password(b"pw-bob"), 1).await,
        Err(AuthError::WrongLogin)
    );
    assert_eq!(
        site.prove(b"bob", password(&[b'x'; 100_000]), 1).await,
        Err(AuthError::WrongLogin)
    );
    assert_eq!(
        site.log_in("bob", "pw-bob").await.as_deref(),
        Ok("bob"),
        "none of that harmed the person"
    );
}

#[tokio::test]
async fn an_empty_stored_hash_lets_nobody_in() {
    let site = Site::with(&[]).await;
    let record = PersonRecord {
        id: "bob".to_owned(),
        name: "Bob".to_owned(),
        mail: String::new(),
        password_hash: String::new(),
        disabled: false,
    };
    site.store.person_put(record).await.unwrap();
    let directory = Directory::open(site.store.clone()).await.unwrap();
    let site = Site { directory, ..site };
    assert_eq!(site.log_in("bob", "").await, Err(AuthError::WrongLogin));
    assert_eq!(site.log_in("bob", "x").await, Err(AuthError::WrongLogin));
}

#[tokio::test]
async fn only_who_knows_the_password_learns_that_an_account_is_disabled() {
    let site = Site::with(&[("bob", "", "")]).await;
    assert!(site.log_in("bob", "pw-bob").await.is_ok());
    site.directory.set_disabled("bob", true).await.unwrap();
    assert_eq!(
        site.log_in("bob", "pw-bob").await,
        Err(AuthError::Disabled),
        "a remembered password is no way round"
    );
    assert_eq!(
        site.log_in("bob", "wrong").await,
        Err(AuthError::WrongLogin)
    );
    site.directory.set_disabled("bob", false).await.unwrap();
    assert!(site.log_in("bob", "pw-bob").await.is_ok());
}

#[tokio::test]
async fn a_changed_password_and_a_removed_person_count_at_once() {
    let site = Site::with(&[("bob", "", "")]).await;
    assert!(site.log_in("bob", "pw-bob").await.is_ok());
    site.directory
        .set_password("Bob", HashedPassword::of(b"new").unwrap())
        .await
        .unwrap();
    assert_eq!(
        site.log_in("bob", "pw-bob").await,
        Err(AuthError::WrongLogin)
    );
    assert!(site.log_in("bob", "new").await.is_ok());

    assert_eq!(site.directory.remove("bob").await.as_deref(), Ok("bob"));
    assert_eq!(site.log_in("bob", "new").await, Err(AuthError::WrongLogin));
    site.directory.add(new_person("bob", "", "")).await.unwrap();
    assert_eq!(
        site.log_in("bob", "new").await,
        Err(AuthError::WrongLogin),
        "the next holder of the id is another"
    );
}

#[tokio::test]
async fn guessing_is_stopped_and_a_remembered_person_behind_the_same_address_is_not() {
    let site = Site::with(&[("bob", "", ""), ("carol", "", "")]).await;
    assert!(site.log_in("bob", "pw-bob").await.is_ok());
    // All at once: those that wait while the limit is reached are not examined either.
    let site = Arc::new(site);
    let guesses: Vec<_> = (0..2 * FAILURES_PER_MINUTE_MAX)
        .map(|n| {
            let site = site.clone();
            tokio::spawn(async move { site.log_in("carol", &format!("guess {n}")).await })
        })
        .collect();
    let mut examined = 0;
    for guess in guesses {
        match guess.await.unwrap() {
            Err(AuthError::WrongLogin) => examined += 1,
            Err(AuthError::TooManyFailures) => {}
            other => panic!("{other:?}"),
        }
    }
    // Threads that are at work when the limit is reached finish what they do.
    let threads = u32::try_from(std::thread::available_parallelism().unwrap().get()).unwrap();
    assert!(
        (FAILURES_PER_MINUTE_MAX..FAILURES_PER_MINUTE_MAX + threads).contains(&examined),
        "{examined}"
    );

    assert_eq!(
        site.log_in("carol", "pw-carol").await,
        Err(AuthError::TooManyFailures)
    );
    assert_eq!(site.log_in("bob", "pw-bob").await.as_deref(), Ok("bob"));
    assert_eq!(
        site.log_in("bob", "wrong").await,
        Err(AuthError::TooManyFailures)
    );
    let from_elsewhere = site
        .prove(
            b"carol",
            Proof::Password(Zeroizing::new(b"pw-carol".to_vec())),
            2,
        )
        .await;
    assert_eq!(from_elsewhere.as_deref(), Ok("carol"));
}

#[tokio::test]
async fn an_id_is_taken_in_every_spelling() {
    let site = Site::with(&[("bob", "", "")]).await;
    let taken = IdentityError::UserExists {
        id: "bob".to_owned(),
    };
    assert_eq!(
        site.directory.add(new_person("BOB", "", "")).await,
        Err(taken)
    );
    for bad in ["", " ", " bob2", "a;b", "a\nb"] {
        let refused = site.directory.add(new_person(bad, "", "")).await;
        assert!(
            matches!(refused, Err(IdentityError::Invalid { .. })),
            "{bad:?}"
        );
    }
    let person = Person {
        id: "bob".to_owned(),
        name: "bob".to_owned(),
        mail: String::new(),
        disabled: false,
    };
    assert_eq!(site.directory.people(), [Arc::new(person.clone())]);
    assert_eq!(site.directory.person(b"Bob").as_deref(), Some(&person));
    assert_eq!(site.directory.person(b"bo"), None);
    assert_eq!(site.directory.person(b"\xff"), None);
}

#[tokio::test]
async fn groups_have_members_that_exist() {
    let site = Site::with(&[("bob", "", ""), ("alice", "", "")]).await;
    let Site { directory, .. } = &site;
    let unknown = directory
        .put_group("staff", "All", names(&["bob", "nobody"]))
        .await;
    assert_eq!(
        unknown,
        Err(IdentityError::NoSuchUser {
            id: "nobody".to_owned()
        })
    );
    directory
        .put_group("staff", "All", names(&["bob", "Alice", "BOB"]))
        .await
        .unwrap();
    assert_eq!(site.members("staff"), ["bob", "alice"]);
    assert_eq!(
        directory.groups_of("alice"),
        [directory.group(b"STAFF").unwrap()]
    );

    directory.remove("alice").await.unwrap();
    assert_eq!(site.members("staff"), ["bob"]);
    assert!(matches!(
        directory.put_group("Staff", "", vec![]).await,
        Err(IdentityError::GroupExists { .. })
    ));
    directory.remove_group("staff").await.unwrap();
    assert_eq!(directory.groups(), []);
    assert!(matches!(
        directory.remove_group("staff").await,
        Err(IdentityError::NoSuchGroup { .. })
    ));
}

#[tokio::test]
async fn people_join_and_leave_groups() {
    let site = Site::with(&[("bob", "", ""), ("alice", "", "")]).await;
    let Site { directory, .. } = &site;
    directory
        .join_group("staff", None, &names(&["bob"]))
        .await
        .unwrap();
    assert_eq!(directory.group(b"staff").unwrap().name, "staff");
    directory
        .join_group("Staff", Some("All"), &names(&["alice", "BOB"]))
        .await
        .unwrap();
    assert_eq!(site.members("staff"), ["bob", "alice"]);
    assert_eq!(directory.group(b"staff").unwrap().name, "All");

    directory
        .leave_group("staff", &names(&["Bob"]))
        .await
        .unwrap();
    assert_eq!(site.members("staff"), ["alice"]);
    let not_in_it = directory
        .leave_group("staff", &names(&["alice", "bob"]))
        .await;
    assert_eq!(
        not_in_it,
        Err(IdentityError::NoSuchUser {
            id: "bob".to_owned()
        })
    );
    assert_eq!(site.members("staff"), ["alice"]);
    assert!(matches!(
        directory.leave_group("sales", &[]).await,
        Err(IdentityError::NoSuchGroup { .. })
    ));
}

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let site = Site::with(&[("bob", "Bob Example", "bob@example.com")]).await;
    site.directory
        .put_group("staff", "", names(&["bob"]))
        .await
        .unwrap();
    let again = Directory::open(site.store.clone()).await.unwrap();
    assert_eq!(again.people(), site.directory.people());
    assert_eq!(again.groups(), site.directory.groups());
    let what = ResolveWhat {
        users: true,
        first: true,
        ..ResolveWhat::default()
    };
    assert_eq!(
        again.resolve(b"bob", what),
        site.directory.resolve(b"bob", what)
    );
    assert!(matches!(again.resolve(b"bob", what), Resolved::Found(_)));
    let again = Site {
        directory: again,
        ..site
    };
    assert_eq!(again.log_in("bob", "pw-bob").await.as_deref(), Ok("bob"));
}

#[tokio::test]
async fn an_import_adds_updates_and_sets_groups() {
    let site = Site::with(&[("bob", "Bob", "old@example.com"), ("carol", "", "")]).await;
    site.directory
        .put_group("Old", "Old group", names(&["carol", "bob"]))
        .await
        .unwrap();
    site.directory.set_disabled("bob", true).await.unwrap();

    let row = |id: &str, password: Option<&str>, groups: &[&str]| HashedPerson {
        id: id.to_owned(),
        name: format!("{id} Imported"),
        mail: String::new(),
        password: password.map(|password| HashedPassword::of(password.as_bytes()).unwrap()),
        groups: names(groups),
    };
    let rows = || {
        vec![
            row("bob", None, &["new", "New"]),
            row("dave", Some("d"), &["NEW", "old"]),
        ]
    };
    let summary = site.directory.import(rows()).await.unwrap();
    assert_eq!(
        summary,
        ImportSummary {
            added: 1,
            updated: 1,
            groups_added: 1
        }
    );
    assert_eq!(
        site.members("Old"),
        ["carol", "dave"],
        "bob's line did not name it, carol had no line"
    );
    assert_eq!(site.members("new"), ["bob", "dave"]);
    assert_eq!(site.log_in("dave", "d").await.as_deref(), Ok("dave"));
    assert_eq!(
        site.log_in("bob", "pw-bob").await,
        Err(AuthError::Disabled),
        "kept the password, stayed disabled"
    );
    assert_eq!(site.directory.person(b"bob").unwrap().name, "bob Imported");

    let again = site.directory.import(rows()).await.unwrap();
    assert_eq!(
        again,
        ImportSummary {
            added: 0,
            updated: 2,
            groups_added: 0
        }
    );
    assert_eq!(site.members("new"), ["bob", "dave"]);

    let all_or_nothing = vec![row("erin", Some("e"), &[]), row("frank", None, &[])];
    assert!(matches!(
        site.directory.import(all_or_nothing).await,
        Err(IdentityError::Invalid { .. })
    ));
    assert_eq!(site.directory.person(b"erin"), None);
}
