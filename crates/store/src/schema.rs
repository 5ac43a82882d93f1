//! The file: how it is opened, recognised, and brought up to date.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::StoreError;

/// Name of the store's file in the data folder.
pub const FILE_NAME: &str = "isochron.db";

/// Marks the file as ours (`PRAGMA application_id`): the letters `IsoC`.
const APPLICATION_ID: i64 = 0x4973_6f43;

/// Steps that lead from each version (`PRAGMA user_version`) to the next; step 0 makes the first tables. A step
/// that was released is never changed, only followed by another.
const MIGRATIONS: &[&str] = &["
    CREATE TABLE storage (
        user BLOB NOT NULL, key INTEGER NOT NULL, value BLOB NOT NULL,
        PRIMARY KEY (user, key)
    ) STRICT;
    CREATE TABLE privacy (user BLOB NOT NULL PRIMARY KEY, deny INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE privacy_user (
        owner BLOB NOT NULL REFERENCES privacy (user) ON DELETE CASCADE,
        position INTEGER NOT NULL, id BLOB NOT NULL, community BLOB NOT NULL, name BLOB,
        PRIMARY KEY (owner, position)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE person (
        id TEXT NOT NULL PRIMARY KEY, name TEXT NOT NULL, mail TEXT NOT NULL,
        password_hash TEXT NOT NULL, disabled INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE person_group (id TEXT NOT NULL PRIMARY KEY, name TEXT NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE membership (
        group_id TEXT NOT NULL REFERENCES person_group (id) ON DELETE CASCADE,
        position INTEGER NOT NULL, person TEXT NOT NULL,
        PRIMARY KEY (group_id, position)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX membership_of_person ON membership (person);
"];

/// Another process may look at the file, for example a backup; this long we wait for it to let go.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Larger files are not checked as a whole at the start: reading one page after the other costs about a second
/// per gigabyte on a good disk and minutes on a bad one. Damage in them is reported where it is met.
const WHOLE_CHECK_BYTES_MAX: u64 = 256 << 20;

/// Statements kept prepared; all that the crate has.
const STATEMENTS_CACHED: usize = 64;

/// Opens the file and brings it to the newest version. Nothing is written before the file is known to be ours.
pub(crate) fn open(path: &Path) -> Result<Connection, StoreError> {
    let io_error = |error: io::Error| StoreError::Io {
        path: path.to_owned(),
        detail: error.to_string(),
    };
    // SQLite would create the file readable for everybody; it holds password hashes. Its companions (-wal, -shm)
    // get the permissions of the file.
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path);
    let file_bytes = file
        .and_then(|file| file.metadata())
        .map_err(io_error)?
        .len();

    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let here = |error: rusqlite::Error| match StoreError::from(error) {
        StoreError::Damaged { detail, .. } => StoreError::Damaged {
            file: path.display().to_string(),
            detail,
        },
        other => other,
    };
    let mut db = Connection::open_with_flags(path, flags).map_err(here)?;
    db.busy_timeout(BUSY_TIMEOUT).map_err(here)?;
    db.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);

    let version = recognise(&db, path).map_err(|error| match error {
        Refusal::Engine(error) => here(error),
        Refusal::Store(error) => error,
    })?;
    if file_bytes <= WHOLE_CHECK_BYTES_MAX {
        let verdict: String = db
            .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
            .map_err(here)?;
        if verdict != "ok" {
            return Err(StoreError::Damaged {
                file: path.display().to_string(),
                detail: verdict,
            });
        }
    }
    // FULL: a commit that was answered survives a power cut, not only a crash of the process.
    db.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON",
    )
    .map_err(here)?;
    migrate(&mut db, version).map_err(here)?;
    Ok(db)
}

enum Refusal {
    Engine(rusqlite::Error),
    Store(StoreError),
}

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Refusal {
        Refusal::Engine(error)
    }
}

/// The version of the file, 0 for a new one; refuses what is not ours to change.
fn recognise(db: &Connection, path: &Path) -> Result<usize, Refusal> {
    let application: i64 = db.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let tables: i64 = db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let is_new = application == 0 && version == 0 && tables == 0;
    if application != APPLICATION_ID && !is_new {
        return Err(Refusal::Store(StoreError::Foreign {
            path: path.to_owned(),
        }));
    }
    let known = MIGRATIONS.len();
    match usize::try_from(version) {
        Ok(version) if version <= known => Ok(version),
        _ => {
            let newer = StoreError::Newer {
                path: path.to_owned(),
                found: version,
                known: known as i64,
            };
            Err(Refusal::Store(newer))
        }
    }
}

/// Runs the missing steps in one transaction, so that an interrupted migration starts again from the old state.
fn migrate(db: &mut Connection, version: usize) -> Result<(), rusqlite::Error> {
    if version == MIGRATIONS.len() {
        return Ok(());
    }
    let transaction = db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    for step in &MIGRATIONS[version..] {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", MIGRATIONS.len() as i64)?;
    transaction.commit()
}
