//! The directory as it is at one moment, indexed for every way in which it is asked. Immutable; a change makes a
//! new one.

use std::collections::HashMap;
use std::sync::Arc;

use store::{GroupRecord, PersonRecord};

use crate::HashedPassword;

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

/// Ways from a name to positions in a list of people or groups.
#[derive(Default)]
pub(crate) struct Names {
    by_id: HashMap<Box<str>, u32>,
    by_folded_id: HashMap<Box<str>, Vec<u32>>,
    by_mail: HashMap<Box<str>, Vec<u32>>,
    by_name: HashMap<Box<str>, Vec<u32>>,
    /// Folded ids, sorted.
    ids: Vec<(Box<str>, u32)>,
    /// Each folded name, and its rest from every later word on; sorted.
    words: Vec<(Box<str>, u32)>,
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
        let names = &self.people_names;
        let folded = fold(name);
        let by_id = || names.by_id(name).map(|position| vec![position]);
        let by_other = |index: &HashMap<Box<str>, Vec<u32>>| index.get(folded.as_str()).cloned();
        // The first way that finds anybody decides; if it finds two, the name is nobody's.
        let found = by_id()
            .or_else(|| by_other(&names.by_mail))
            .or_else(|| by_other(&names.by_name))?;
        match found[..] {
            [position] => Some(&self.accounts[position as usize]),
            _ => None,
        }
    }
}

impl Names {
    fn add(&mut self, id: &str, mail: &str, name: &str) {
        let position = position(self.by_id.len());
        let (folded_id, mail, name) = (fold(id), fold(mail), fold(name));
        self.by_id.insert(id.into(), position);
        self.by_folded_id
            .entry(folded_id.as_str().into())
            .or_default()
            .push(position);
        self.ids.push((folded_id.into(), position));
        if !mail.is_empty() {
            self.by_mail.entry(mail.into()).or_default().push(position);
        }
        if !name.is_empty() {
            self.words
                .extend(word_starts(&name).map(|start| (name[start..].into(), position)));
            self.by_name.entry(name.into()).or_default().push(position);
        }
    }

    fn sort(&mut self) {
        self.ids.sort_unstable();
        self.words.sort_unstable();
    }

    /// Exact spelling first, then folded, if that is unique.
    pub(crate) fn by_id(&self, id: &str) -> Option<u32> {
        self.by_id.get(id).copied().or_else(
            || match self.by_folded_id.get(fold(id).as_str())?[..] {
                [position] => Some(position),
                _ => None,
            },
        )
    }

    /// Anybody whose id differs in spelling at most: what makes an id taken.
    pub(crate) fn any_spelling(&self, id: &str) -> Option<u32> {
        self.by_id
            .get(id)
            .or_else(|| self.by_folded_id.get(fold(id).as_str())?.first())
            .copied()
    }

    /// All that an exact query names, best first: by id, by mail address, by display name.
    pub(crate) fn exact(&self, query: &str) -> [Vec<u32>; 3] {
        let folded = fold(query);
        let of = |index: &HashMap<Box<str>, Vec<u32>>| {
            index.get(folded.as_str()).cloned().unwrap_or_default()
        };
        let ids = self
            .by_id
            .get(query)
            .map_or_else(|| of(&self.by_folded_id), |&position| vec![position]);
        [ids, of(&self.by_mail), of(&self.by_name)]
    }

    /// All whose id, and then all whose name from some word on, starts with the folded query.
    pub(crate) fn starting_with(&self, folded_query: &str) -> impl Iterator<Item = u32> {
        [&self.ids, &self.words]
            .into_iter()
            .flat_map(move |sorted| {
                let first = sorted.partition_point(|(text, _)| &**text < folded_query);
                let range = sorted[first..]
                    .iter()
                    .take_while(move |(text, _)| text.starts_with(folded_query));
                range.map(|(_, position)| *position)
            })
    }
}

/// The form in which names compare; see the crate's description.
pub(crate) fn fold(text: &str) -> String {
    // Character by character: `str::to_lowercase` looks at the context of a Greek sigma, and then a prefix of a
    // name would no longer be a prefix of its folded form. Both forms of that letter count as one.
    let lower = text.trim().chars().flat_map(char::to_lowercase);
    lower.map(|c| if c == 'ς' { 'σ' } else { c }).collect()
}

/// Where words start: at the beginning, and wherever a letter or digit follows something else.
fn word_starts(text: &str) -> impl Iterator<Item = usize> {
    let mut in_word = false;
    text.char_indices().filter_map(move |(start, c)| {
        let was_in_word = std::mem::replace(&mut in_word, c.is_alphanumeric());
        (start == 0 || (in_word && !was_in_word)).then_some(start)
    })
}

/// Positions are kept in four bytes; a directory of four thousand million entries does not fit in memory.
fn position(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}
