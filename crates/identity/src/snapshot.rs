//! The directory as it is at one moment, indexed for every way in which it is asked. Immutable; a change makes a
//! new one.

use std::collections::HashMap;
use std::sync::Arc;

use store::{GroupRecord, PersonRecord};

use crate::HashedPassword;
use crate::names::Names;

/// Somebody in the directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Unique user id, the name of the person towards clients.
    pub id: String,
    /// Display name.
    pub name: String,
    /// Mail address, empty if there is none.
    pub mail: String,
    /// A disabled person cannot log in, but is still found.
    pub disabled: bool,
}

/// A named list of people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Unique group id.
    pub id: String,
    /// Display name.
    pub name: String,
    /// User ids, each of somebody in the directory.
    pub members: Vec<String>,
}

/// A person and what only authentication sees. `hash` is `None` if the stored one is unusable: then nothing
/// matches.
pub(crate) struct Account {
    pub(crate) person: Arc<Person>,
    pub(crate) hash: Option<HashedPassword>,
}

#[derive(Default)]
pub(crate) struct Snapshot {
    pub(crate) accounts: Vec<Account>,
    pub(crate) groups: Vec<Arc<Group>>,
    pub(crate) people_names: Names,
    pub(crate) group_names: Names,
    /// Positions in `groups`, by user id.
    groups_of: HashMap<Box<str>, Vec<u32>>,
}

impl Snapshot {
    pub(crate) fn new(people: Vec<PersonRecord>, groups: Vec<GroupRecord>) -> Snapshot {
        let mut snapshot = Snapshot::default();
        for record in people {
            let hash = HashedPassword::parse(&record.password_hash).ok();
            if hash.is_none() {
                tracing::warn!(
                    "a stored password hash is unusable; its owner needs a new password"
                );
            }
            snapshot
                .people_names
                .add(&record.id, &record.mail, &record.name);
            let PersonRecord {
                id,
                name,
                mail,
                disabled,
                ..
            } = record;
            snapshot.accounts.push(Account {
                person: Arc::new(Person {
                    id,
                    name,
                    mail,
                    disabled,
                }),
                hash,
            });
        }
        for record in groups {
            let position = position(snapshot.groups.len());
            for member in &record.members {
                snapshot
                    .groups_of
                    .entry(member.as_str().into())
                    .or_default()
                    .push(position);
            }
            snapshot.group_names.add(&record.id, "", &record.name);
            let GroupRecord { id, name, members } = record;
            snapshot.groups.push(Arc::new(Group { id, name, members }));
        }
        snapshot.people_names.sort();
        snapshot.group_names.sort();
        snapshot.accounts.shrink_to_fit();
        snapshot
    }

    pub(crate) fn account(&self, id: &str) -> Option<&Account> {
        self.people_names
            .by_id(id)
            .map(|position| &self.accounts[position as usize])
    }

    pub(crate) fn group(&self, id: &str) -> Option<&Arc<Group>> {
        self.group_names
            .by_id(id)
            .map(|position| &self.groups[position as usize])
    }

    pub(crate) fn groups_of(&self, user_id: &str) -> impl Iterator<Item = &Arc<Group>> {
        let positions = self.groups_of.get(user_id).into_iter().flatten();
        positions.map(|&position| &self.groups[position as usize])
    }

    /// Whose login name this is: a user id, else the mail address of exactly one person, else the display name
    /// of exactly one person. Source: `docs/protocol/connection.md`, LOGIN.
    pub(crate) fn login_account(&self, name: &str) -> Option<&Account> {
        // The first way that finds anybody decides; if it finds two, the name is nobody's.
        let exact = self.people_names.exact(name);
        match exact.into_iter().find(|found| !found.is_empty())?[..] {
            [position] => Some(&self.accounts[position as usize]),
            _ => None,
        }
    }
}

/// Positions are kept in four bytes; a directory of four thousand million entries does not fit in memory.
pub(crate) fn position(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}
