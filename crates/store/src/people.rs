//! The embedded directory's records: people and groups.

use std::collections::HashMap;
use std::fmt;

use rusqlite::{Connection, params};

use crate::StoreError;

/// One person of the embedded directory.
#[derive(Clone, PartialEq, Eq)]
pub struct PersonRecord {
    /// Unique user id.
    pub id: String,
    /// Display name.
    pub name: String,
    /// Mail address, empty if there is none.
    pub mail: String,
    /// Argon2id hash of the password as a PHC string.
    pub password_hash: String,
    /// A disabled person keeps all data and cannot log in.
    pub disabled: bool,
}

/// Leaves the password hash out, so that no log can ever hold one.
impl fmt::Debug for PersonRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PersonRecord")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("mail", &self.mail)
            .field("disabled", &self.disabled)
            .finish_non_exhaustive()
    }
}

/// One group of the embedded directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupRecord {
    /// Unique group id.
    pub id: String,
    /// Display name.
    pub name: String,
    /// User ids.
    pub members: Vec<String>,
}

pub(crate) fn people_all(db: &Connection) -> Result<Vec<PersonRecord>, StoreError> {
    let mut select = db
        .prepare_cached("SELECT id, name, mail, password_hash, disabled FROM person ORDER BY id")?;
    let people = select.query_map([], |row| {
        Ok(PersonRecord {
            id: row.get(0)?,
            name: row.get(1)?,
            mail: row.get(2)?,
            password_hash: row.get(3)?,
            disabled: row.get(4)?,
        })
    })?;
    Ok(people.collect::<Result<_, _>>()?)
}

pub(crate) fn person_put(db: &Connection, person: &PersonRecord) -> Result<(), StoreError> {
    let PersonRecord {
        id,
        name,
        mail,
        password_hash,
        disabled,
    } = person;
    db.prepare_cached(
        "INSERT INTO person (id, name, mail, password_hash, disabled) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (id) DO UPDATE SET name = ?2, mail = ?3, password_hash = ?4, disabled = ?5",
    )?
    .execute(params![id, name, mail, password_hash, disabled])?;
    Ok(())
}

pub(crate) fn person_remove(db: &Connection, id: &str) -> Result<bool, StoreError> {
    let removed = db
        .prepare_cached("DELETE FROM person WHERE id = ?1")?
        .execute([id])?;
    db.prepare_cached("DELETE FROM membership WHERE person = ?1")?
        .execute([id])?;
    db.prepare_cached("DELETE FROM storage WHERE user = ?1")?
        .execute([id.as_bytes()])?;
    db.prepare_cached("DELETE FROM privacy WHERE user = ?1")?
        .execute([id.as_bytes()])?;
    Ok(removed > 0)
}

pub(crate) fn groups_all(db: &Connection) -> Result<Vec<GroupRecord>, StoreError> {
    let mut members: HashMap<String, Vec<String>> = HashMap::new();
    let mut select =
        db.prepare_cached("SELECT group_id, person FROM membership ORDER BY group_id, position")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        members.entry(row.get(0)?).or_default().push(row.get(1)?);
    }
    let mut select = db.prepare_cached("SELECT id, name FROM person_group ORDER BY id")?;
    let groups = select.query_map([], |row| {
        let id: String = row.get(0)?;
        let members = members.remove(&id).unwrap_or_default();
        Ok(GroupRecord {
            id,
            name: row.get(1)?,
            members,
        })
    })?;
    Ok(groups.collect::<Result<_, _>>()?)
}

pub(crate) fn group_put(db: &Connection, group: &GroupRecord) -> Result<(), StoreError> {
    group_remove(db, &group.id)?;
    db.prepare_cached("INSERT INTO person_group (id, name) VALUES (?1, ?2)")?
        .execute([&group.id, &group.name])?;
    let mut insert = db.prepare_cached(
        "INSERT INTO membership (group_id, position, person) VALUES (?1, ?2, ?3)",
    )?;
    for (position, member) in group.members.iter().enumerate() {
        insert.execute(params![group.id, position as i64, member])?;
    }
    Ok(())
}

pub(crate) fn group_remove(db: &Connection, id: &str) -> Result<bool, StoreError> {
    Ok(db
        .prepare_cached("DELETE FROM person_group WHERE id = ?1")?
        .execute([id])?
        > 0)
}
