//! The storage service's records: per user, values under 32-bit keys.

use rusqlite::{Connection, OptionalExtension, params};

use crate::StoreError;

/// Longest value, in bytes. Source: `docs/protocol/server-behaviour.md`, Limits; a contact list is shorter.
pub const STORAGE_VALUE_BYTES_MAX: usize = 64 * 1024;

/// What one user may store, in bytes, [`STORAGE_ITEM_OVERHEAD_BYTES`] for each item included. Source:
/// `docs/protocol/server-behaviour.md`, Limits.
pub const STORAGE_USER_BYTES_MAX: usize = 1024 * 1024;

/// What an item counts beside its value, so that millions of empty values are not free.
pub const STORAGE_ITEM_OVERHEAD_BYTES: usize = 64;

/// What became of a save.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SaveOutcome {
    /// Everything is stored.
    Saved,
    /// A value is over [`STORAGE_VALUE_BYTES_MAX`], or the user would be over [`STORAGE_USER_BYTES_MAX`];
    /// nothing was stored.
    OverQuota,
}

pub(crate) fn load(
    db: &Connection,
    user: &[u8],
    keys: &[u32],
) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
    let mut select = db.prepare_cached("SELECT value FROM storage WHERE user = ?1 AND key = ?2")?;
    let mut load_one = |key: &u32| {
        select
            .query_row(params![user, key], |row| row.get(0))
            .optional()
    };
    Ok(keys.iter().map(&mut load_one).collect::<Result<_, _>>()?)
}

pub(crate) fn save(
    db: &Connection,
    user: &[u8],
    items: &[(u32, Vec<u8>)],
) -> Result<SaveOutcome, StoreError> {
    if items
        .iter()
        .any(|(_, value)| value.len() > STORAGE_VALUE_BYTES_MAX)
    {
        return Ok(SaveOutcome::OverQuota);
    }
    // The sum is taken of what would be, and the savepoint undoes it: simpler than predicting overwrites.
    db.prepare_cached("SAVEPOINT quota")?.execute([])?;
    let mut put = db.prepare_cached(
        "INSERT INTO storage (user, key, value) VALUES (?1, ?2, ?3)
         ON CONFLICT (user, key) DO UPDATE SET value = ?3 WHERE value <> ?3",
    )?;
    for (key, value) in items {
        put.execute(params![user, key, value])?;
    }
    let total: i64 = db
        .prepare_cached("SELECT coalesce(sum(length(value) + ?2), 0) FROM storage WHERE user = ?1")?
        .query_row(params![user, STORAGE_ITEM_OVERHEAD_BYTES as i64], |row| {
            row.get(0)
        })?;
    let fits = total <= STORAGE_USER_BYTES_MAX as i64;
    if !fits {
        db.prepare_cached("ROLLBACK TO quota")?.execute([])?;
    }
    db.prepare_cached("RELEASE quota")?.execute([])?;
    Ok(if fits {
        SaveOutcome::Saved
    } else {
        SaveOutcome::OverQuota
    })
}
