//! What goes in comes out: each kind of record, its limits, and several callers at once.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a helper of a test fails the test"
)]

use store::{
    GroupRecord, PersonRecord, PrivacyRecord, PrivacyUser, STORAGE_USER_BYTES_MAX,
    STORAGE_VALUE_BYTES_MAX, SaveOutcome, Store, StoreError,
};
use tempfile::TempDir;

fn new_store() -> (TempDir, Store) {
    let dir = TempDir::new().unwrap();
    let store = Store::open(dir.path()).unwrap();
    (dir, store)
}

fn person(id: &str) -> PersonRecord {
    PersonRecord {
        id: id.to_owned(),
        name: format!("{id} Example"),
        mail: format!("{id}@example.com"),
        password_hash: "$argon2id$...".to_owned(),
        disabled: false,
    }
}

#[tokio::test]
async fn storage_answers_in_the_order_asked_and_tells_empty_from_nothing() {
    let (_dir, store) = new_store();
    let items = vec![
        (0, b"Version=3.1.3\r\n".to_vec()),
        (6, Vec::new()),
        (u32::MAX, vec![0, 255]),
    ];
    assert_eq!(
        store.storage_save(b"bob", items).await,
        Ok(SaveOutcome::Saved)
    );

    let values = store
        .storage_load(b"bob", &[6, 7, u32::MAX, 0])
        .await
        .unwrap();
    assert_eq!(
        values,
        [
            Some(vec![]),
            None,
            Some(vec![0, 255]),
            Some(b"Version=3.1.3\r\n".to_vec())
        ]
    );
    assert_eq!(store.storage_load(b"alice", &[0]).await, Ok(vec![None]));
}

#[tokio::test]
async fn a_save_over_the_quota_changes_nothing() {
    let (_dir, store) = new_store();
    let too_long = vec![
        (1, b"x".to_vec()),
        (2, vec![0; STORAGE_VALUE_BYTES_MAX + 1]),
    ];
    assert_eq!(
        store.storage_save(b"bob", too_long).await,
        Ok(SaveOutcome::OverQuota)
    );
    assert_eq!(store.storage_load(b"bob", &[1]).await, Ok(vec![None]));

    let full = u32::try_from(STORAGE_USER_BYTES_MAX / STORAGE_VALUE_BYTES_MAX).unwrap();
    for key in 1..full {
        let items = vec![(key, vec![b'x'; STORAGE_VALUE_BYTES_MAX])];
        assert_eq!(
            store.storage_save(b"bob", items).await,
            Ok(SaveOutcome::Saved),
            "value {key}"
        );
    }
    let last_straw = vec![(full, vec![0; STORAGE_VALUE_BYTES_MAX])];
    assert_eq!(
        store.storage_save(b"bob", last_straw.clone()).await,
        Ok(SaveOutcome::OverQuota)
    );
    assert_eq!(store.storage_load(b"bob", &[full]).await, Ok(vec![None]));
    // Replacing a value counts the new one only, and other users are not affected.
    assert_eq!(
        store.storage_save(b"bob", vec![(1, vec![9; 10])]).await,
        Ok(SaveOutcome::Saved)
    );
    assert_eq!(
        store.storage_save(b"alice", last_straw).await,
        Ok(SaveOutcome::Saved)
    );
}

#[tokio::test]
async fn empty_values_are_not_free() {
    let (_dir, store) = new_store();
    let items: Vec<_> = (0..20_000).map(|key| (key, Vec::new())).collect();
    assert_eq!(
        store.storage_save(b"bob", items).await,
        Ok(SaveOutcome::OverQuota)
    );
}

#[tokio::test]
async fn a_privacy_list_is_replaced_as_a_whole() {
    let (_dir, store) = new_store();
    assert_eq!(store.privacy_load(b"bob").await, Ok(None));
    let entry = |id: &[u8]| PrivacyUser {
        id: id.to_vec(),
        community: vec![],
        name: Some(b"N".to_vec()),
    };
    let first = PrivacyRecord {
        deny: true,
        users: vec![entry(b"z"), entry(b"a"), entry(b"z")],
    };
    store.privacy_save(b"bob", first.clone()).await.unwrap();
    assert_eq!(store.privacy_load(b"bob").await, Ok(Some(first)));

    let second = PrivacyRecord {
        deny: false,
        users: vec![PrivacyUser {
            name: None,
            ..entry(b"carol")
        }],
    };
    store.privacy_save(b"bob", second.clone()).await.unwrap();
    store.privacy_save(b"bob", second.clone()).await.unwrap();
    assert_eq!(store.privacy_load(b"bob").await, Ok(Some(second)));
}

#[tokio::test]
async fn removing_a_person_removes_what_the_next_holder_of_the_id_must_not_inherit() {
    let (_dir, store) = new_store();
    let team = GroupRecord {
        id: "team".to_owned(),
        name: "The team".to_owned(),
        members: vec!["bob".to_owned(), "alice".to_owned()],
    };
    store
        .directory_put(vec![person("bob"), person("alice")], vec![team.clone()])
        .await
        .unwrap();
    store
        .storage_save(b"bob", vec![(0, b"contacts".to_vec())])
        .await
        .unwrap();
    store
        .privacy_save(
            b"bob",
            PrivacyRecord {
                deny: false,
                users: vec![],
            },
        )
        .await
        .unwrap();
    assert_eq!(store.groups_all().await, Ok(vec![team.clone()]));

    assert_eq!(store.person_remove("bob").await, Ok(true));
    assert_eq!(store.person_remove("bob").await, Ok(false));
    assert_eq!(store.people_all().await, Ok(vec![person("alice")]));
    assert_eq!(store.groups_all().await.unwrap()[0].members, ["alice"]);
    assert_eq!(store.storage_load(b"bob", &[0]).await, Ok(vec![None]));
    assert_eq!(store.privacy_load(b"bob").await, Ok(None));
}

#[tokio::test]
async fn people_and_groups_are_replaced_by_id() {
    let (_dir, store) = new_store();
    store.person_put(person("bob")).await.unwrap();
    let changed = PersonRecord {
        disabled: true,
        mail: String::new(),
        ..person("bob")
    };
    store.person_put(changed.clone()).await.unwrap();
    assert_eq!(store.people_all().await, Ok(vec![changed]));

    let group = |members: &[&str]| GroupRecord {
        id: "g".to_owned(),
        name: "G".to_owned(),
        members: members.iter().map(|&m| m.to_owned()).collect(),
    };
    store.group_put(group(&["a", "b"])).await.unwrap();
    store.group_put(group(&["b"])).await.unwrap();
    assert_eq!(store.groups_all().await, Ok(vec![group(&["b"])]));
    assert_eq!(store.group_remove("g").await, Ok(true));
    assert_eq!(store.group_remove("g").await, Ok(false));
    assert_eq!(store.groups_all().await, Ok(vec![]));
}

#[tokio::test]
async fn a_thousand_savers_at_once_are_all_served() {
    let (_dir, store) = new_store();
    let savers: Vec<_> = (0..1000u32)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move {
                store
                    .storage_save(&n.to_be_bytes(), vec![(0, vec![1; 100])])
                    .await
            })
        })
        .collect();
    for saver in savers {
        assert_eq!(saver.await.unwrap(), Ok(SaveOutcome::Saved));
    }
    assert_eq!(
        store.storage_load(&999u32.to_be_bytes(), &[0]).await,
        Ok(vec![Some(vec![1; 100])])
    );
}

#[tokio::test]
async fn a_closed_store_says_so() {
    let (_dir, store) = new_store();
    let other = store.clone();
    store.close().await.unwrap();
    assert_eq!(
        other.storage_load(b"bob", &[0]).await,
        Err(StoreError::Closed)
    );
    assert_eq!(other.close().await, Err(StoreError::Closed));
}

#[test]
fn a_person_record_prints_without_its_hash() {
    assert!(!format!("{:?}", person("bob")).contains("argon2"));
}
