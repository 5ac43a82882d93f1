//! Privacy lists: who may, or may not, see a user.

use rusqlite::{Connection, OptionalExtension, params};

use crate::StoreError;

/// A user's privacy list. Source: `docs/protocol/connection.md`, SET_PRIVACY_LIST.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrivacyRecord {
    /// `true`: everybody but `users` may see me. `false`: only `users` may.
    pub deny: bool,
    /// In the order in which the client sent them.
    pub users: Vec<PrivacyUser>,
}

/// One entry of a privacy list, bytes as the client sent them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrivacyUser {
    /// User id.
    pub id: Vec<u8>,
    /// Community, empty for our own.
    pub community: Vec<u8>,
    /// Display name, if the client sent one.
    pub name: Option<Vec<u8>>,
}

pub(crate) fn load(db: &Connection, user: &[u8]) -> Result<Option<PrivacyRecord>, StoreError> {
    let deny = db
        .prepare_cached("SELECT deny FROM privacy WHERE user = ?1")?
        .query_row([user], |row| row.get(0))
        .optional()?;
    let Some(deny) = deny else { return Ok(None) };
    let users = db
        .prepare_cached(
            "SELECT id, community, name FROM privacy_user WHERE owner = ?1 ORDER BY position",
        )?
        .query_map([user], |row| {
            Ok(PrivacyUser {
                id: row.get(0)?,
                community: row.get(1)?,
                name: row.get(2)?,
            })
        })?
        .collect::<Result<_, _>>()?;
    Ok(Some(PrivacyRecord { deny, users }))
}

pub(crate) fn save(
    db: &Connection,
    user: &[u8],
    privacy: &PrivacyRecord,
) -> Result<(), StoreError> {
    if load(db, user)?.as_ref() == Some(privacy) {
        return Ok(());
    }
    db.prepare_cached("DELETE FROM privacy WHERE user = ?1")?
        .execute([user])?;
    db.prepare_cached("INSERT INTO privacy (user, deny) VALUES (?1, ?2)")?
        .execute(params![user, privacy.deny])?;
    let mut insert = db.prepare_cached(
        "INSERT INTO privacy_user (owner, position, id, community, name) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    for (position, entry) in privacy.users.iter().enumerate() {
        insert.execute(params![
            user,
            position as i64,
            entry.id,
            entry.community,
            entry.name
        ])?;
    }
    Ok(())
}
