//! What survives: a close, a killed process, an upgrade; and what the store refuses to touch.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a helper of a test fails the test"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use rusqlite::Connection;
use store::{FILE_NAME, SaveOutcome, Store, StoreError};
use tempfile::TempDir;

const CHILD_FOLDER: &str = "STORE_TEST_CHILD_FOLDER";

async fn save(dir: &Path, value: &[u8]) -> Store {
    let store = Store::open(dir).unwrap();
    assert_eq!(
        store.storage_save(b"bob", vec![(0, value.to_vec())]).await,
        Ok(SaveOutcome::Saved)
    );
    store
}

async fn saved(dir: &Path) -> Option<Vec<u8>> {
    Store::open(dir)
        .unwrap()
        .storage_load(b"bob", &[0])
        .await
        .unwrap()
        .remove(0)
}

#[tokio::test]
async fn a_closed_store_opens_again_with_everything_in_one_file() {
    let dir = TempDir::new().unwrap();
    save(dir.path(), b"kept").await.close().await.unwrap();
    let names: Vec<_> = fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, [FILE_NAME]);
    assert_eq!(saved(dir.path()).await.as_deref(), Some(b"kept".as_slice()));
}

/// The part of the next test that runs in the process that dies.
#[tokio::test]
#[ignore = "started by answered_saves_survive_a_killed_process"]
async fn child_that_aborts_after_the_answer() {
    let dir = std::env::var_os(CHILD_FOLDER).unwrap();
    let _store = save(Path::new(&dir), b"answered").await;
    std::process::abort();
}

#[tokio::test]
async fn answered_saves_survive_a_killed_process() {
    let dir = TempDir::new().unwrap();
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "child_that_aborts_after_the_answer"])
        .env(CHILD_FOLDER, dir.path())
        .output()
        .unwrap()
        .status;
    assert!(!status.success(), "the child must have aborted");
    assert_eq!(
        saved(dir.path()).await.as_deref(),
        Some(b"answered".as_slice())
    );
}

#[tokio::test]
async fn the_file_is_for_its_owner_only_and_marked_as_ours() {
    let dir = TempDir::new().unwrap();
    save(dir.path(), b"x").await.close().await.unwrap();
    let file = dir.path().join(FILE_NAME);
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let db = Connection::open(&file).unwrap();
    let pragma = |name| {
        db.pragma_query_value(None, name, |row| row.get::<_, i64>(0))
            .unwrap()
    };
    assert_eq!(
        pragma("application_id"),
        i64::from(u32::from_be_bytes(*b"IsoC"))
    );
    assert_eq!(pragma("user_version"), 1);
}

/// An empty database file is version 0: what a process leaves that dies between creating and migrating.
#[tokio::test]
async fn version_0_is_brought_up_to_date() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join(FILE_NAME), b"").unwrap();
    save(dir.path(), b"new").await.close().await.unwrap();
    assert_eq!(saved(dir.path()).await.as_deref(), Some(b"new".as_slice()));
}

fn refused_untouched(dir: &Path) -> StoreError {
    let file = dir.join(FILE_NAME);
    let before = fs::read(&file).unwrap();
    let error = Store::open(dir)
        .err()
        .expect("the store must refuse this file");
    assert_eq!(
        fs::read(&file).unwrap(),
        before,
        "a refused file stays as it was"
    );
    error
}

#[tokio::test]
async fn a_newer_version_is_refused() {
    let dir = TempDir::new().unwrap();
    save(dir.path(), b"x").await.close().await.unwrap();
    let file = dir.path().join(FILE_NAME);
    Connection::open(&file)
        .unwrap()
        .pragma_update(None, "user_version", 99)
        .unwrap();
    assert_eq!(
        refused_untouched(dir.path()),
        StoreError::Newer {
            path: file,
            found: 99,
            known: 1
        }
    );
}

#[test]
fn a_file_that_is_no_database_is_refused() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join(FILE_NAME), "not a database ".repeat(1000)).unwrap();
    let error = refused_untouched(dir.path());
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    assert!(
        error.to_string().contains("backup"),
        "it says what to do: {error}"
    );
}

#[tokio::test]
async fn a_truncated_or_overwritten_database_is_refused() {
    let dir = TempDir::new().unwrap();
    let store = save(dir.path(), &[7; 60_000]).await;
    store.close().await.unwrap();
    let file = dir.path().join(FILE_NAME);
    let whole = fs::read(&file).unwrap();

    fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    assert!(matches!(
        refused_untouched(dir.path()),
        StoreError::Damaged { .. }
    ));

    let mut overwritten = whole;
    overwritten[4096..12_288].fill(0xa5);
    fs::write(&file, overwritten).unwrap();
    assert!(matches!(
        refused_untouched(dir.path()),
        StoreError::Damaged { .. }
    ));
}

#[test]
fn another_programs_database_is_refused() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join(FILE_NAME);
    Connection::open(&file)
        .unwrap()
        .execute_batch("CREATE TABLE recipe (name TEXT)")
        .unwrap();
    assert_eq!(
        refused_untouched(dir.path()),
        StoreError::Foreign { path: file }
    );
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let error = Store::open(Path::new("/nonexistent/folder"))
        .err()
        .expect("no such folder");
    assert!(
        error
            .to_string()
            .contains("/nonexistent/folder/isochron.db"),
        "{error}"
    );
}
