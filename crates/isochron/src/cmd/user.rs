//! `isochron user`: people of the embedded directory.

use super::table::table;
use super::{password, print, print_json, unexpected};
use crate::cli::User;
use crate::control::{self, Answer, Request, UserRecord, UserRow};
use crate::datadir::DataDir;
use anyhow::{Context, bail};
use identity::{CsvFault, CsvPerson};
use std::fs::File;
use std::io::{self, IsTerminal};
use std::path::Path;

pub(super) fn run(command: User, data: &DataDir) -> anyhow::Result<()> {
    match command {
        User::Add {
            user,
            name,
            mail,
            groups,
            password,
        } => {
            let password_hash = Some(password::ask(&password, &user)?.as_str().to_owned());
            let said = format!("added {user}\n");
            control::ask(
                data,
                Request::AddUser(UserRecord {
                    user,
                    name,
                    mail,
                    password_hash,
                    groups,
                }),
            )?;
            print(&said)
        }
        User::List { form } => {
            let users = list(data)?;
            if form.json {
                print_json(&users)
            } else {
                print(&shown(users))
            }
        }
        User::Passwd { user, password } => {
            let password_hash = password::ask(&password, &user)?.as_str().to_owned();
            let said = format!("{user} has a new password\n");
            control::ask(
                data,
                Request::SetPassword {
                    user,
                    password_hash,
                },
            )?;
            print(&said)
        }
        User::Disable { user } => change(
            data,
            format!("disabled {user}"),
            Request::SetDisabled {
                user,
                disabled: true,
            },
        ),
        User::Enable { user } => change(
            data,
            format!("enabled {user}"),
            Request::SetDisabled {
                user,
                disabled: false,
            },
        ),
        User::Remove { user } => change(
            data,
            format!("removed {user}"),
            Request::RemoveUser { user },
        ),
        User::Import { file } => import(data, &file),
    }
}

fn change(data: &DataDir, said: String, request: Request) -> anyhow::Result<()> {
    match control::ask(data, request)? {
        Answer::DoneAndEnded { sessions: 0 } => print(&format!("{said}\n")),
        Answer::DoneAndEnded { sessions } => {
            print(&format!("{said}; sessions ended: {sessions}\n"))
        }
        other => Err(unexpected(&other)),
    }
}

fn list(data: &DataDir) -> anyhow::Result<Vec<UserRow>> {
    match control::ask(data, Request::ListUsers)? {
        Answer::Users { users } => Ok(users),
        other => Err(unexpected(&other)),
    }
}

fn shown(users: Vec<UserRow>) -> String {
    let rows: Vec<_> = users
        .into_iter()
        .map(
            |UserRow {
                 user,
                 name,
                 mail,
                 groups,
                 disabled,
             }| {
                let state = if disabled { "disabled" } else { "" };
                [user, name, mail, groups.join(";"), state.to_owned()]
            },
        )
        .collect();
    table(["USER", "NAME", "MAIL", "GROUPS", "STATE"], &rows)
}

fn import(data: &DataDir, path: &Path) -> anyhow::Result<()> {
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let people = match identity::read_csv(file) {
        Ok(people) => people,
        Err(faults) => return refuse(path, &faults),
    };
    let existing = if data.path().exists() {
        list(data)?
    } else {
        Vec::new()
    };
    let faults =
        identity::check_csv_people(&people, existing.iter().map(|user| user.user.as_str()));
    if !faults.is_empty() {
        return refuse(path, &faults);
    }

    let users = hashed(people)?;
    match control::ask(data, Request::ImportUsers { users })? {
        Answer::Imported {
            added,
            updated,
            groups_added,
        } => print(&format!(
            "added {added}, updated {updated}, new groups {groups_added}\n"
        )),
        other => Err(unexpected(&other)),
    }
}

/// Hashes the passwords that are given, in this process: a running server has logins to check meanwhile.
fn hashed(people: Vec<CsvPerson>) -> anyhow::Result<Vec<UserRecord>> {
    let passwords: Vec<_> = people
        .iter()
        .filter_map(|person| person.password.clone())
        .collect();
    let total = passwords.len();
    // A terminal is told a hundred times at most, a log file ten times.
    let (parts, end) = if io::stderr().is_terminal() {
        (100, '\r')
    } else {
        (10, '\n')
    };
    let progress = |done: usize| {
        if done == total || done.is_multiple_of(total.div_ceil(parts)) {
            let end = if done == total { '\n' } else { end };
            eprint!("hashing passwords: {done} of {total}{end}");
        }
    };
    let mut hashes = identity::hash_passwords(&passwords, &progress)?.into_iter();
    let record = |person: CsvPerson| {
        let CsvPerson {
            id,
            name,
            mail,
            password,
            groups,
            ..
        } = person;
        let password_hash = password
            .and_then(|_| hashes.next())
            .map(|hash| hash.as_str().to_owned());
        UserRecord {
            user: id,
            name,
            mail,
            password_hash,
            groups,
        }
    };
    Ok(people.into_iter().map(record).collect())
}

fn refuse(path: &Path, faults: &[CsvFault]) -> anyhow::Result<()> {
    for fault in faults {
        eprintln!("{}: {fault}", path.display());
    }
    bail!("nothing was imported; faults: {}", faults.len())
}
