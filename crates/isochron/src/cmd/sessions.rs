//! `isochron sessions`: who is logged in, and who still comes without TLS.

use super::table::table;
use super::{print, print_json, unexpected};
use crate::cli::{SessionList, Sessions, SessionsCommand};
use crate::control::{self, Answer, Request, SessionRow};
use crate::datadir::DataDir;
use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

pub(super) fn run(command: Sessions, data: &DataDir) -> anyhow::Result<()> {
    match command.command {
        Some(SessionsCommand::End { id }) => {
            let said = format!("ended session {id}\n");
            control::ask(data, Request::EndSession { id })?;
            print(&said)
        }
        Some(SessionsCommand::List(list)) => show(&list, data),
        None => show(&command.list, data),
    }
}

fn show(list: &SessionList, data: &DataDir) -> anyhow::Result<()> {
    let mut sessions = match control::ask(data, Request::ListSessions)? {
        Answer::Sessions { sessions } => sessions,
        other => return Err(unexpected(&other)),
    };
    let count = count(&sessions);
    sessions.retain(|session| !(list.without_tls && has_tls(session)));
    if list.form.json {
        return print_json(&sessions);
    }
    let now_s = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    let rows: Vec<_> = sessions
        .into_iter()
        .map(|session| {
            let age = age(now_s.saturating_sub(session.since_unix_s));
            [
                session.id,
                session.user,
                session.address.to_string(),
                session.transport,
                age,
            ]
        })
        .collect();
    print(&(table(["SESSION", "USER", "ADDRESS", "TRANSPORT", "SINCE"], &rows) + &count))
}

fn has_tls(session: &SessionRow) -> bool {
    session.transport.starts_with("tls")
}

/// The last line of the list, over all sessions: what decides whether strict TLS would lock anybody out.
fn count(sessions: &[SessionRow]) -> String {
    let mut by_transport = BTreeMap::new();
    for session in sessions {
        *by_transport.entry(session.transport.as_str()).or_insert(0) += 1;
    }
    let by_transport: Vec<_> = by_transport
        .iter()
        .map(|(transport, count)| format!("{transport} {count}"))
        .collect();
    let without_tls = sessions.iter().filter(|session| !has_tls(session)).count();
    let total = sessions.len();
    match total {
        0 => "sessions: 0\n".to_owned(),
        _ => format!(
            "sessions: {total} ({}); without TLS: {without_tls}\n",
            by_transport.join(", ")
        ),
    }
}

/// How long ago, in the two largest units.
fn age(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0..60 => format!("{seconds} s ago"),
        60..3600 => format!("{minutes} min ago"),
        3600..86_400 => format!("{hours} h {} min ago", minutes % 60),
        _ => format!("{days} d {} h ago", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{IpAddr, Ipv4Addr};

    fn session(transport: &str) -> SessionRow {
        SessionRow {
            id: "0123456789AB".to_owned(),
            user: "bob".to_owned(),
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            transport: transport.to_owned(),
            login_type: 0x1002,
            since_unix_s: 0,
        }
    }

    #[test]
    fn the_count_tells_who_comes_without_tls() {
        let sessions = [
            "tls1.3",
            "legacy-rc2-128",
            "tls1.2",
            "legacy-rc2-40",
            "legacy-rc2-128",
        ]
        .map(session);
        assert_eq!(
            count(&sessions),
            "sessions: 5 (legacy-rc2-128 2, legacy-rc2-40 1, tls1.2 1, tls1.3 1); without TLS: 3\n"
        );
        assert_eq!(count(&[]), "sessions: 0\n");
    }

    #[test]
    fn ages_are_told_in_the_two_largest_units() {
        for (seconds, told) in [
            (0, "0 s ago"),
            (61, "1 min ago"),
            (3_661, "1 h 1 min ago"),
            (90_000, "1 d 1 h ago"),
        ] {
            assert_eq!(age(seconds), told);
        }
    }
}
