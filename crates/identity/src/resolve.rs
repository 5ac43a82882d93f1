//! From what somebody typed to people and groups. Rules: `docs/protocol/service-resolve.md`, Matching.

use std::collections::HashSet;
use std::sync::Arc;

use crate::names::fold;
use crate::snapshot::Snapshot;
use crate::{Group, Person};

/// Most matches of one query. Source: `docs/protocol/service-resolve.md`, Matching.
pub const MATCHES_MAX: usize = 100;

/// What is looked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ResolveWhat {
    /// People. Neither `users` nor `groups` means both.
    pub users: bool,
    /// Groups.
    pub groups: bool,
    /// One exact match or none.
    pub unique: bool,
    /// The best exact match only.
    pub first: bool,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolved {
    /// At least one and at most [`MATCHES_MAX`], best first.
    Found(Vec<Match>),
    /// Nothing.
    Nothing,
    /// Several, although only a unique match was asked for.
    Ambiguous,
    /// The query is blank or not UTF-8.
    Unusable,
}

/// One match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Match {
    /// A person.
    Person(Arc<Person>),
    /// A group.
    Group(Arc<Group>),
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Person,
    Group,
}

pub(crate) fn resolve(directory: &Snapshot, query: &[u8], what: ResolveWhat) -> Resolved {
    let Ok(query) = std::str::from_utf8(query) else {
        return Resolved::Unusable;
    };
    let folded = fold(query);
    if folded.is_empty() {
        return Resolved::Unusable;
    }
    let neither = !what.users && !what.groups;
    let kinds = [
        (what.users || neither).then_some((Kind::Person, &directory.people_names)),
        (what.groups || neither).then_some((Kind::Group, &directory.group_names)),
    ];
    let kinds: Vec<_> = kinds.into_iter().flatten().collect();

    let exact: Vec<_> = kinds
        .iter()
        .map(|(kind, names)| (*kind, names.exact(query)))
        .collect();
    let exact = (0..3).flat_map(|rank| {
        exact.iter().flat_map(move |(kind, found)| {
            found[rank].iter().map(move |&position| (*kind, position))
        })
    });
    let found = if what.unique || what.first {
        // Two are enough to know that there is more than one.
        collect(exact, 2)
    } else {
        let partial = kinds.iter().flat_map(|(kind, names)| {
            names
                .starting_with(&folded)
                .map(move |position| (*kind, position))
        });
        collect(exact.chain(partial), MATCHES_MAX)
    };
    let keep = match found.len() {
        0 => return Resolved::Nothing,
        2.. if what.unique => return Resolved::Ambiguous,
        _ if what.first => 1,
        all => all,
    };
    Resolved::Found(
        found
            .into_iter()
            .take(keep)
            .map(|found| directory.matched(found))
            .collect(),
    )
}

/// The first `max` different ones.
fn collect(candidates: impl Iterator<Item = (Kind, u32)>, max: usize) -> Vec<(Kind, u32)> {
    let mut seen = HashSet::new();
    candidates
        .filter(|candidate| seen.insert(*candidate))
        .take(max)
        .collect()
}

impl Snapshot {
    fn matched(&self, (kind, position): (Kind, u32)) -> Match {
        match kind {
            Kind::Person => Match::Person(self.accounts[position as usize].person.clone()),
            Kind::Group => Match::Group(self.groups[position as usize].clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use store::{GroupRecord, PersonRecord};

    use super::*;

    const ANY: ResolveWhat = ResolveWhat {
        users: false,
        groups: false,
        unique: false,
        first: false,
    };
    const FIRST_USER: ResolveWhat = ResolveWhat {
        users: true,
        first: true,
        ..ANY
    };
    const UNIQUE: ResolveWhat = ResolveWhat {
        unique: true,
        ..ANY
    };

    fn person(id: &str, name: &str, mail: &str) -> PersonRecord {
        PersonRecord {
            id: id.to_owned(),
            name: name.to_owned(),
            mail: mail.to_owned(),
            password_hash: String::new(),
            disabled: false,
        }
    }

    fn directory() -> Snapshot {
        let people = vec![
            person("alice", "Alice Example", "alice@example.com"),
            person("bob", "Bob Example", "bob@example.com"),
            person("bobby", "Robert Bob", "info@example.com"),
            person("jm", "Jürgen Müller-Bobmann", "info@example.com"),
            person("tw1", "Twin", ""),
            person("tw2", "twin", ""),
            person("odysseus", "ΟΔΥΣΣΕΥΣ ΙΘΑΚΗΣ", ""),
        ];
        let group = |id: &str, name: &str| GroupRecord {
            id: id.to_owned(),
            name: name.to_owned(),
            members: vec![],
        };
        Snapshot::new(
            people,
            vec![group("staff", "All Bobs"), group("bob-fans", "Fans")],
        )
    }

    /// The ids found, groups marked; or the other outcome.
    fn found(query: &str, what: ResolveWhat) -> String {
        match resolve(&directory(), query.as_bytes(), what) {
            Resolved::Found(matches) => {
                let ids = matches.iter().map(|found| match found {
                    Match::Person(person) => person.id.clone(),
                    Match::Group(group) => format!("group {}", group.id),
                });
                ids.collect::<Vec<_>>().join(", ")
            }
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn the_rules_of_matching() {
        let users = ResolveWhat { users: true, ..ANY };
        let groups = ResolveWhat {
            groups: true,
            ..ANY
        };
        for (query, what, expected) in [
            // Exact id, then id prefix, then words of names; groups after people.
            ("bob", ANY, "bob, bobby, jm, group bob-fans, group staff"),
            ("bob", users, "bob, bobby, jm"),
            ("bob", groups, "group bob-fans, group staff"),
            ("BOB", FIRST_USER, "bob"),
            ("bo", FIRST_USER, "Nothing"),
            ("bo", UNIQUE, "Nothing"),
            ("bob", UNIQUE, "bob"),
            ("bob@example.com", ANY, "bob"),
            ("Info@Example.COM", ANY, "bobby, jm"),
            ("info@example.com", UNIQUE, "Ambiguous"),
            ("twin", ANY, "tw1, tw2"),
            ("TWIN", UNIQUE, "Ambiguous"),
            ("twin", FIRST_USER, "tw1"),
            ("alice example", UNIQUE, "alice"),
            ("example", ANY, "alice, bob"),
            ("bob ex", ANY, "bob"),
            ("MÜLLER", ANY, "jm"),
            ("mull", ANY, "Nothing"),
            ("οδυσσευς", ANY, "odysseus"),
            ("οδυσ", ANY, "odysseus"),
            ("  bobby ", ANY, "bobby"),
            ("staff", ANY, "group staff"),
            ("nobody", ANY, "Nothing"),
            ("", ANY, "Unusable"),
            ("  ", ANY, "Unusable"),
        ] {
            assert_eq!(found(query, what), expected, "query {query:?} {what:?}");
        }
        assert_eq!(resolve(&directory(), b"bob\xff", ANY), Resolved::Unusable);
    }

    #[test]
    fn matches_are_bounded_and_the_exact_one_is_among_them() {
        let mut people: Vec<_> = (0..20_000)
            .map(|n| person(&format!("a{n:05}"), "Anna Ander", ""))
            .collect();
        people.push(person("a", "Zoe", ""));
        let directory = Snapshot::new(people, vec![]);
        let Resolved::Found(matches) = resolve(&directory, b"a", ANY) else {
            panic!("must be found")
        };
        assert_eq!(matches.len(), MATCHES_MAX);
        assert!(matches!(&matches[0], Match::Person(person) if person.id == "a"));
    }
}
