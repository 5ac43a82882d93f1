//! People from a CSV file: reading it, all faults at once, and what it changes.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::Read;

use csv::{ByteRecord, ReaderBuilder};
use store::{GroupRecord, PersonRecord};
use zeroize::Zeroizing;

use crate::directory::{check_id, check_text};
use crate::names::fold;
use crate::password::check_password;
use crate::snapshot::Snapshot;
use crate::{HashedPassword, IdentityError};

/// The columns of the file, which its first line names in any order.
const COLUMNS: [&str; 5] = ["user", "name", "mail", "password", "groups"];

/// Somebody as a line of the file has it.
pub struct CsvPerson {
    /// Line in the file, from 1.
    pub line: u64,
    /// User id.
    pub id: String,
    /// Display name.
    pub name: String,
    /// Mail address.
    pub mail: String,
    /// `None` if the column is empty: an existing person keeps the password.
    pub password: Option<Zeroizing<String>>,
    /// Group ids.
    pub groups: Vec<String>,
}

/// Something wrong with the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {fault}")]
pub struct CsvFault {
    /// Line in the file, from 1.
    pub line: u64,
    /// What is wrong.
    pub fault: String,
}

/// Somebody to be added or updated, with the password hashed.
#[derive(Debug, Clone)]
pub struct HashedPerson {
    /// User id.
    pub id: String,
    /// Display name; the id is taken if this is empty.
    pub name: String,
    /// Mail address, may be empty.
    pub mail: String,
    /// Hash of the new password; needed for people who are new.
    pub password: Option<HashedPassword>,
    /// All groups that the person is to be in.
    pub groups: Vec<String>,
}

/// What an import changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ImportSummary {
    /// People who are new.
    pub added: usize,
    /// People who were there before.
    pub updated: usize,
    /// Groups that are new.
    pub groups_added: usize,
}

/// Reads a CSV file with the header `user,name,mail,password,groups` (columns in any order, groups separated by
/// `;`). A byte order mark is skipped.
///
/// # Errors
/// All faults that the file has in itself; [`check_csv_people`] finds those that the directory has with it.
pub fn read_csv(mut file: impl Read) -> Result<Vec<CsvPerson>, Vec<CsvFault>> {
    let mut text = Zeroizing::new(Vec::new());
    if let Err(error) = file.read_to_end(&mut text) {
        return Err(vec![CsvFault {
            line: 1,
            fault: format!("the file cannot be read: {error}"),
        }]);
    }
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&text);
    let mut reader = ReaderBuilder::new()
        .flexible(true)
        .has_headers(false)
        .from_reader(text);
    let mut record = ByteRecord::new();
    let mut column_of = None;
    let mut people = Vec::new();
    let mut faults = Vec::new();
    // The reader counts a line's end late where it is CR LF, and blank lines not at all; so we count ourselves.
    let (mut counted, mut line) = (0, 1);
    loop {
        let mut start = usize::try_from(reader.position().byte())
            .unwrap_or(usize::MAX)
            .min(text.len());
        start += text[start..]
            .iter()
            .take_while(|byte| matches!(byte, b'\r' | b'\n'))
            .count();
        line += text[counted..start]
            .iter()
            .filter(|&&byte| byte == b'\n')
            .count() as u64;
        counted = start;
        match reader.read_byte_record(&mut record) {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => {
                faults.push(CsvFault {
                    line,
                    fault: error.to_string(),
                });
                break;
            }
        }
        let Some(column_of) = &column_of else {
            match header(&record, line) {
                Ok(columns) => column_of = Some(columns),
                Err(header_faults) => return Err(header_faults),
            }
            continue;
        };
        match person(&record, column_of, line) {
            Ok(person) => people.push(person),
            Err(line_faults) => faults.extend(line_faults),
        }
    }
    if column_of.is_none() && faults.is_empty() {
        faults.push(CsvFault {
            line: 1,
            fault: format!(
                "the file is empty; it must begin with {}",
                COLUMNS.join(",")
            ),
        });
    }
    if faults.is_empty() {
        Ok(people)
    } else {
        Err(faults)
    }
}

/// Looks for lines that cannot be imported together or beside those who exist: ids that come twice or that exist
/// in another spelling, and new people without a password. `existing` are the ids in the directory.
pub fn check_csv_people<'a>(
    people: &[CsvPerson],
    existing: impl Iterator<Item = &'a str>,
) -> Vec<CsvFault> {
    let existing: HashMap<String, &str> = existing.map(|id| (fold(id), id)).collect();
    let mut line_of = HashMap::new();
    let mut faults = Vec::new();
    for person in people {
        let folded = fold(&person.id);
        let known = existing.get(&folded);
        let fault = if let Some(earlier) = line_of.get(&folded) {
            format!("user {:?} comes twice, first on line {earlier}", person.id)
        } else if let Some(known) = known.filter(|&&known| known != person.id) {
            format!("user {:?} exists in another spelling: {known:?}", person.id)
        } else if known.is_none() && person.password.is_none() {
            format!("user {:?} is new and has no password", person.id)
        } else {
            line_of.insert(folded, person.line);
            continue;
        };
        faults.push(CsvFault {
            line: person.line,
            fault,
        });
    }
    faults
}

/// Which of [`COLUMNS`] each column of the file is.
fn header(record: &ByteRecord, line: u64) -> Result<Vec<usize>, Vec<CsvFault>> {
    let names: Vec<_> = record
        .iter()
        .map(|name| String::from_utf8_lossy(name).trim().to_owned())
        .collect();
    let mut columns = Vec::new();
    let mut faults = Vec::new();
    for name in &names {
        match COLUMNS.iter().position(|column| column == name) {
            Some(column) if columns.contains(&column) => {
                faults.push(format!("the column {name:?} comes twice"))
            }
            Some(column) => columns.push(column),
            None => faults.push(format!("there is no column {name:?}")),
        }
    }
    let missing = COLUMNS
        .iter()
        .filter(|column| !names.iter().any(|name| name == *column));
    faults.extend(missing.map(|column| format!("the column {column:?} is missing")));
    if faults.is_empty() {
        return Ok(columns);
    }
    let expected = format!("the first line must name the columns {}", COLUMNS.join(","));
    Err(faults
        .into_iter()
        .chain([expected])
        .map(|fault| CsvFault { line, fault })
        .collect())
}

fn person(record: &ByteRecord, column_of: &[usize], line: u64) -> Result<CsvPerson, Vec<CsvFault>> {
    let fault = |fault: String| CsvFault { line, fault };
    if record.len() != column_of.len() {
        let found = format!(
            "it has {} columns, {} are needed",
            record.len(),
            column_of.len()
        );
        return Err(vec![fault(found)]);
    }
    let mut faults = Vec::new();
    let mut fields: [&str; COLUMNS.len()] = [""; COLUMNS.len()];
    for (field, &column) in record.iter().zip(column_of) {
        match std::str::from_utf8(field) {
            Ok(text) => fields[column] = text,
            Err(_) => faults.push(fault(format!(
                "the column {:?} is not UTF-8",
                COLUMNS[column]
            ))),
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    // The password is taken as it stands; white space may be part of it.
    let [id, name, mail, password, groups] = fields;
    let [id, name, mail] = [id, name, mail].map(|field| field.trim().to_owned());
    let groups: Vec<String> = groups
        .split(';')
        .map(str::trim)
        .filter(|id| !id.is_empty())
        .map(str::to_owned)
        .collect();
    let password = (!password.is_empty()).then(|| Zeroizing::new(password.to_owned()));

    let mut checks = vec![
        check_id("user", &id),
        check_text("name", &name),
        check_text("mail", &mail),
    ];
    checks.extend(groups.iter().map(|group| check_id("group", group)));
    checks.extend(
        password
            .iter()
            .map(|password| check_password(password.as_bytes())),
    );
    let faults: Vec<_> = checks
        .into_iter()
        .filter_map(Result::err)
        .map(|error| fault(error.to_string()))
        .collect();
    if faults.is_empty() {
        Ok(CsvPerson {
            line,
            id,
            name,
            mail,
            password,
            groups,
        })
    } else {
        Err(faults)
    }
}

/// What an import writes.
pub(crate) struct Plan {
    pub(crate) people: Vec<PersonRecord>,
    pub(crate) groups: Vec<GroupRecord>,
    pub(crate) summary: ImportSummary,
}

pub(crate) fn plan(current: &Snapshot, people: Vec<HashedPerson>) -> Result<Plan, IdentityError> {
    let mut summary = ImportSummary::default();
    let mut records = Vec::with_capacity(people.len());
    // Group id as it is spelled, and the imported people who are to be in it; by folded id.
    let mut wanted: BTreeMap<String, (String, Vec<String>)> = BTreeMap::new();
    let mut imported = HashSet::new();
    for person in people {
        if !imported.insert(fold(&person.id)) {
            return Err(IdentityError::UserExists { id: person.id });
        }
        let known = current
            .people_names
            .any_spelling(&person.id)
            .map(|position| &current.accounts[position as usize]);
        if let Some(known) = known.filter(|known| known.person.id != person.id) {
            return Err(IdentityError::UserExists {
                id: known.person.id.clone(),
            });
        }
        let password = person
            .password
            .or_else(|| known.and_then(|known| known.hash.clone()));
        let needed = || IdentityError::Invalid {
            what: "user",
            value: person.id.clone(),
            fault: "it needs a password",
        };
        let password = password.ok_or_else(needed)?;
        check_id("user id", &person.id)?;
        check_text("name", &person.name)?;
        check_text("mail address", &person.mail)?;
        records.push(PersonRecord {
            id: person.id.clone(),
            name: if person.name.is_empty() {
                person.id.clone()
            } else {
                person.name
            },
            mail: person.mail,
            password_hash: password.as_str().to_owned(),
            disabled: known.is_some_and(|known| known.person.disabled),
        });
        match known {
            Some(_) => summary.updated += 1,
            None => summary.added += 1,
        }
        for group in person.groups {
            check_id("group", &group)?;
            let (_, members) = wanted
                .entry(fold(&group))
                .or_insert_with(|| (group, Vec::new()));
            if members.last() != Some(&person.id) {
                members.push(person.id.clone());
            }
        }
    }

    let mut groups = Vec::new();
    for group in &current.groups {
        let joining = wanted
            .remove(&fold(&group.id))
            .map_or_else(Vec::new, |(_, members)| members);
        let members = merged(&group.members, &imported, joining);
        if members != group.members {
            groups.push(GroupRecord {
                id: group.id.clone(),
                name: group.name.clone(),
                members,
            });
        }
    }
    summary.groups_added = wanted.len();
    groups.extend(wanted.into_values().map(|(id, members)| GroupRecord {
        name: id.clone(),
        id,
        members,
    }));
    Ok(Plan {
        people: records,
        groups,
        summary,
    })
}

/// The members after the import, those who were there in their old order: who is not imported stays, who is
/// stays only by being listed again.
fn merged(members: &[String], imported: &HashSet<String>, joining: Vec<String>) -> Vec<String> {
    let listed: HashSet<&str> = joining.iter().map(String::as_str).collect();
    let stays =
        |member: &&String| listed.contains(member.as_str()) || !imported.contains(&fold(member));
    let mut after: Vec<String> = members.iter().filter(stays).cloned().collect();
    let present: HashSet<&str> = members.iter().map(String::as_str).collect();
    after.extend(
        joining
            .iter()
            .filter(|member| !present.contains(member.as_str()))
            .cloned(),
    );
    after
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(file: &str) -> Vec<String> {
        read_csv(file.as_bytes())
            .err()
            .unwrap_or_default()
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn a_file_with_columns_in_any_order_is_read() {
        let file = "\u{feff}name,user,groups,password,mail\r\n\
                    \"Example, Bob\",bob,staff; all ,\" p,w \",bob@example.com\r\n\
                    \r\n\
                    Alice,alice,,,\r\n";
        let people = read_csv(file.as_bytes()).unwrap_or_else(|faults| panic!("{faults:?}"));
        let [bob, alice] = &people[..] else {
            panic!("two people")
        };
        assert_eq!(
            (bob.line, bob.id.as_str(), bob.name.as_str()),
            (2, "bob", "Example, Bob")
        );
        assert_eq!(bob.password.as_ref().map(|p| p.as_str()), Some(" p,w "));
        assert_eq!(bob.groups, ["staff", "all"]);
        assert_eq!(
            (alice.line, alice.password.is_none(), alice.groups.len()),
            (4, true, 0)
        );
    }

    #[test]
    fn a_wrong_header_is_explained() {
        assert_eq!(
            faults("user,name,email,password,name\nbob,Bob,,pw,\n"),
            [
                "line 1: there is no column \"email\"",
                "line 1: the column \"name\" comes twice",
                "line 1: the column \"mail\" is missing",
                "line 1: the column \"groups\" is missing",
                "line 1: the first line must name the columns user,name,mail,password,groups",
            ]
        );
        assert_eq!(
            faults(""),
            ["line 1: the file is empty; it must begin with user,name,mail,password,groups"]
        );
    }

    #[test]
    fn all_faults_are_listed_with_their_lines() {
        let file = "user,name,mail,password,groups\n\
                    bob,Bob,,pw,\n\
                    ,Nobody,,pw,\n\
                    a;b,Semi\u{7}colon,,pw,\n\
                    short,Short\n";
        assert_eq!(
            faults(file),
            [
                "line 3: user \"\": it must not be empty",
                "line 4: user \"a;b\": it must not contain a semicolon",
                "line 4: name \"Semi\\u{7}colon\": it contains a control character",
                "line 5: it has 2 columns, 5 are needed",
            ]
        );
        let not_text = b"user,name,mail,password,groups\nbob,\xff,,pw,\n";
        assert_eq!(
            read_csv(&not_text[..]).err().unwrap()[0].to_string(),
            "line 2: the column \"name\" is not UTF-8"
        );
    }

    #[test]
    fn lines_are_checked_against_each_other_and_the_directory() {
        let file =
            "user,name,mail,password,groups\nbob,,,,\nBob,,,pw,\nnew,,,,\nALICE,,,pw,\nok,,,pw,\n";
        let people = read_csv(file.as_bytes()).unwrap_or_else(|faults| panic!("{faults:?}"));
        let faults = check_csv_people(&people, ["bob", "alice"].into_iter());
        assert_eq!(
            faults.iter().map(ToString::to_string).collect::<Vec<_>>(),
            [
                "line 3: user \"Bob\" comes twice, first on line 2",
                "line 4: user \"new\" is new and has no password",
                "line 5: user \"ALICE\" exists in another spelling: \"alice\"",
            ]
        );
    }
}
