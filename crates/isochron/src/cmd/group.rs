//! `isochron group`: groups of the embedded directory.

use super::table::table;
use super::{print, print_json, unexpected};
use crate::cli::Group;
use crate::control::{self, Answer, GroupRow, Request};
use crate::datadir::DataDir;

pub(super) fn run(command: Group, data: &DataDir) -> anyhow::Result<()> {
    let (said, request) = match command {
        Group::List { form } => {
            let groups = match control::ask(data, Request::ListGroups)? {
                Answer::Groups { groups } => groups,
                other => return Err(unexpected(&other)),
            };
            return if form.json {
                print_json(&groups)
            } else {
                print(&shown(groups))
            };
        }
        Group::Add {
            group,
            name,
            members,
        } => {
            let said = match members.len() {
                0 => format!("there is a group {group}\n"),
                count => format!("group {group}: members given: {count}\n"),
            };
            (
                said,
                Request::JoinGroup {
                    group,
                    name,
                    members,
                },
            )
        }
        Group::Remove { group, members } if members.is_empty() => (
            format!("removed group {group}\n"),
            Request::RemoveGroup { group },
        ),
        Group::Remove { group, members } => {
            let said = format!("group {group}: members taken out: {}\n", members.len());
            (said, Request::LeaveGroup { group, members })
        }
    };
    control::ask(data, request)?;
    print(&said)
}

fn shown(groups: Vec<GroupRow>) -> String {
    let rows: Vec<_> = groups
        .into_iter()
        .map(
            |GroupRow {
                 group,
                 name,
                 members,
             }| [group, name, members.join(", ")],
        )
        .collect();
    table(["GROUP", "NAME", "MEMBERS"], &rows)
}
