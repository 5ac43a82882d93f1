//! How a command reaches the server that runs on its data folder: `DATA/control.sock`, one JSON request per line,
//! one JSON answer per line.
//!
//! Who may open the socket may do everything that it offers; the file's permissions (owner only) decide. No
//! password travels here, only hashes: commands hash what was typed. Without a server the command carries out
//! the same request itself, so there is one code for both.

use crate::datadir::DataDir;
use anyhow::{Context, bail};
use community::{Community, SessionInfo};
use identity::{Directory, HashedPassword, HashedPerson, IdentityError, Person};
use rustix::fs::Mode;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::IpAddr;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant, UNIX_EPOCH};
use store::Store;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;
use tokio::task::JoinSet;
use tokio::time::timeout;

const SOCKET_FILE: &str = "control.sock";

/// Longest request, in bytes: an import of about sixty thousand people.
const REQUEST_BYTES_MAX: usize = 16 << 20;

/// Longest answer that a command reads, in bytes: the people of a large directory, several times over.
const ANSWER_BYTES_MAX: u64 = 256 << 20;

/// Commands served at a time; others wait.
const PEERS_MAX: usize = 8;

/// How long the server waits for a request, and the command for an answer. An import writes for some seconds.
const PEER_PATIENCE: Duration = Duration::from_secs(60);

/// How long a command waits while another holds the folder, or while a server starts.
const BUSY_PATIENCE: Duration = Duration::from_secs(10);
const BUSY_PAUSE: Duration = Duration::from_millis(50);

/// What a command may ask. Not printable: it carries hashes.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Request {
    AddUser(UserRecord),
    ImportUsers {
        users: Vec<UserRecord>,
    },
    ListUsers,
    SetPassword {
        user: String,
        password_hash: String,
    },
    SetDisabled {
        user: String,
        disabled: bool,
    },
    RemoveUser {
        user: String,
    },
    JoinGroup {
        group: String,
        name: Option<String>,
        members: Vec<String>,
    },
    LeaveGroup {
        group: String,
        members: Vec<String>,
    },
    RemoveGroup {
        group: String,
    },
    ListGroups,
    ListSessions,
    EndSession {
        id: String,
    },
}

/// Somebody to be added or updated.
#[derive(Serialize, Deserialize)]
pub(crate) struct UserRecord {
    pub(crate) user: String,
    pub(crate) name: String,
    pub(crate) mail: String,
    pub(crate) password_hash: Option<String>,
    pub(crate) groups: Vec<String>,
}

/// What is answered.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
    /// It is done, and on the disk.
    Done,
    /// It is done; so many sessions of the user were ended.
    DoneAndEnded {
        sessions: usize,
    },
    Imported {
        added: usize,
        updated: usize,
        groups_added: usize,
    },
    Users {
        users: Vec<UserRow>,
    },
    Groups {
        groups: Vec<GroupRow>,
    },
    Sessions {
        sessions: Vec<SessionRow>,
    },
    /// It was not done.
    Refused {
        why: String,
    },
}

/// Somebody in a list.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct UserRow {
    pub(crate) user: String,
    pub(crate) name: String,
    pub(crate) mail: String,
    pub(crate) groups: Vec<String>,
    pub(crate) disabled: bool,
}

/// A group in a list.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct GroupRow {
    pub(crate) group: String,
    pub(crate) name: String,
    pub(crate) members: Vec<String>,
}

/// A session in a list.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SessionRow {
    pub(crate) id: String,
    pub(crate) user: String,
    pub(crate) address: IpAddr,
    pub(crate) transport: String,
    pub(crate) login_type: u16,
    /// Seconds since 1970.
    pub(crate) since_unix_s: u64,
}

impl Request {
    /// Whether only a running server can answer.
    fn needs_server(&self) -> bool {
        matches!(self, Request::ListSessions | Request::EndSession { .. })
    }

    /// Whether it makes the data folder if there is none. The others would only hide a mistyped folder.
    fn makes_folder(&self) -> bool {
        matches!(
            self,
            Request::AddUser(_) | Request::ImportUsers { .. } | Request::JoinGroup { .. }
        )
    }
}

/// Listens for commands. The caller holds the lock of the data folder, so a socket that is there already was left
/// by a server that died.
///
/// # Errors
/// When the socket cannot be made.
pub(crate) fn listen(data: &Path) -> anyhow::Result<UnixListener> {
    let path = data.join(SOCKET_FILE);
    let made = || {
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        // The socket must not be open to others even for the moment between its making and a chmod.
        let before = rustix::process::umask(Mode::from_raw_mode(0o177));
        let listener = UnixListener::bind(&path);
        rustix::process::umask(before);
        listener
    };
    made().with_context(|| {
        format!(
            "cannot make the control socket {} (its path may have 107 bytes at most)",
            path.display()
        )
    })
}

/// Serves commands until it is dropped.
pub(crate) async fn serve(listener: UnixListener, directory: Directory, community: Community) {
    let mut peers = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if peers.len() < PEERS_MAX => match accepted {
                Ok((stream, _)) => {
                    peers.spawn(serve_peer(stream, directory.clone(), community.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "a command could not be served");
                    // Most likely there are no files left, and the next attempt would fail as fast.
                    tokio::time::sleep(BUSY_PAUSE).await;
                }
            },
            Some(_) = peers.join_next() => {}
        }
    }
}

async fn serve_peer(stream: tokio::net::UnixStream, directory: Directory, community: Community) {
    let (reader, mut writer) = stream.into_split();
    let mut reader = tokio::io::BufReader::new(reader);
    let mut line = Vec::new();
    loop {
        line.clear();
        let mut limited = (&mut reader).take(REQUEST_BYTES_MAX as u64);
        match timeout(PEER_PATIENCE, limited.read_until(b'\n', &mut line)).await {
            Ok(Ok(bytes)) if bytes > 0 => {}
            _ => return,
        }
        let answer = match serde_json::from_slice(&line) {
            _ if line.last() != Some(&b'\n') => {
                refused("the request is too long for the server, or cut off")
            }
            Ok(request) => carry_out(request, &directory, Some(&community)).await,
            Err(error) => refused(&format!(
                "the server does not know this request ({error}); is it of another version?"
            )),
        };
        let Ok(mut text) = serde_json::to_vec(&answer) else {
            return;
        };
        text.push(b'\n');
        if writer.write_all(&text).await.is_err() {
            return;
        }
    }
}

/// Does what is asked, in the server or in a command that has the data folder for itself.
async fn carry_out(
    request: Request,
    directory: &Directory,
    community: Option<&Community>,
) -> Answer {
    let before = community.map(|_| directory.groups());
    let answer = match answer_to(request, directory, community).await {
        Ok(answer) => answer,
        Err(error) => refused(&format!("{:#}", anyhow::Error::from(error))),
    };
    if let (Some(community), Some(before)) = (community, before) {
        for group in directory.groups() {
            let old = before.iter().find(|old| old.id == group.id);
            let old: HashSet<&str> = old
                .into_iter()
                .flat_map(|old| &old.members)
                .map(String::as_str)
                .collect();
            let joined: Vec<_> = group
                .members
                .iter()
                .filter(|m| !old.contains(m.as_str()))
                .cloned()
                .collect();
            if !joined.is_empty() {
                community.group_grew(&group.id, &joined);
            }
        }
    }
    answer
}

async fn answer_to(
    request: Request,
    directory: &Directory,
    community: Option<&Community>,
) -> Result<Answer, IdentityError> {
    match request {
        Request::AddUser(user) => {
            directory.add_hashed(user.into_person()?).await?;
            Ok(Answer::Done)
        }
        Request::ImportUsers { users } => {
            let people = users
                .into_iter()
                .map(UserRecord::into_person)
                .collect::<Result<_, _>>()?;
            let summary = directory.import(people).await?;
            let identity::ImportSummary {
                added,
                updated,
                groups_added,
            } = summary;
            Ok(Answer::Imported {
                added,
                updated,
                groups_added,
            })
        }
        Request::ListUsers => {
            let people = directory.people();
            Ok(Answer::Users {
                users: people
                    .iter()
                    .map(|person| user_row(person, directory))
                    .collect(),
            })
        }
        Request::SetPassword {
            user,
            password_hash,
        } => {
            directory
                .set_password(&user, HashedPassword::parse(&password_hash)?)
                .await?;
            Ok(Answer::Done)
        }
        Request::SetDisabled { user, disabled } => {
            directory.set_disabled(&user, disabled).await?;
            let person = directory.person(user.as_bytes()).filter(|_| disabled);
            Ok(ended(
                community,
                person.map_or(user, |person| person.id.clone()),
                disabled,
            ))
        }
        Request::RemoveUser { user } => {
            // First nobody of that name is here any more, so that nothing is stored for it after the removal.
            directory.set_disabled(&user, true).await?;
            if let (Some(community), Some(person)) = (community, directory.person(user.as_bytes()))
            {
                let _ = community.end_user(&person.id);
            }
            let id = directory.remove(&user).await?;
            Ok(ended(community, id, true))
        }
        Request::JoinGroup {
            group,
            name,
            members,
        } => {
            directory
                .join_group(&group, name.as_deref(), &members)
                .await?;
            Ok(Answer::Done)
        }
        Request::LeaveGroup { group, members } => {
            directory.leave_group(&group, &members).await?;
            Ok(Answer::Done)
        }
        Request::RemoveGroup { group } => {
            directory.remove_group(&group).await?;
            Ok(Answer::Done)
        }
        Request::ListGroups => {
            let groups = directory.groups();
            let row = |group: &identity::Group| GroupRow {
                group: group.id.clone(),
                name: group.name.clone(),
                members: group.members.clone(),
            };
            Ok(Answer::Groups {
                groups: groups.iter().map(|group| row(group)).collect(),
            })
        }
        Request::ListSessions => {
            let sessions = community.map(Community::sessions).unwrap_or_default();
            Ok(Answer::Sessions {
                sessions: sessions.into_iter().map(session_row).collect(),
            })
        }
        Request::EndSession { id } => match community {
            Some(community) if community.end_session(&id) => Ok(Answer::Done),
            _ => Ok(refused(&format!("there is no session {id:?}"))),
        },
    }
}

/// Ends the sessions of somebody who may not be here any more.
fn ended(community: Option<&Community>, user: String, must_go: bool) -> Answer {
    let sessions = community
        .filter(|_| must_go)
        .map_or(0, |community| community.end_user(&user));
    Answer::DoneAndEnded { sessions }
}

impl UserRecord {
    fn into_person(self) -> Result<HashedPerson, IdentityError> {
        let UserRecord {
            user: id,
            name,
            mail,
            password_hash,
            groups,
        } = self;
        let password = password_hash
            .as_deref()
            .map(HashedPassword::parse)
            .transpose()?;
        Ok(HashedPerson {
            id,
            name,
            mail,
            password,
            groups,
        })
    }
}

fn user_row(person: &Person, directory: &Directory) -> UserRow {
    UserRow {
        user: person.id.clone(),
        name: person.name.clone(),
        mail: person.mail.clone(),
        groups: directory
            .groups_of(&person.id)
            .iter()
            .map(|group| group.id.clone())
            .collect(),
        disabled: person.disabled,
    }
}

fn session_row(session: SessionInfo) -> SessionRow {
    let SessionInfo {
        id,
        user,
        address,
        transport,
        login_type,
        since,
    } = session;
    // A clock before 1970 is not worth an error here.
    let since_unix_s = since
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    SessionRow {
        id,
        user,
        address,
        transport: transport.to_owned(),
        login_type,
        since_unix_s,
    }
}

fn refused(why: &str) -> Answer {
    Answer::Refused {
        why: why.to_owned(),
    }
}

/// Has a request carried out: by the server that runs on the folder, else here. Not to be called on a reactor.
///
/// # Errors
/// When it was refused, or could not be carried out.
pub(crate) fn ask(data: &DataDir, request: Request) -> anyhow::Result<Answer> {
    let answer = match reach(data, &request)? {
        Reached::Server(stream) => converse(stream, &request)?,
        Reached::Folder(_lock) => alone(data.path(), request)?,
    };
    match answer {
        Answer::Refused { why } => bail!(why),
        answer => Ok(answer),
    }
}

enum Reached {
    Server(UnixStream),
    /// The folder is ours while the lock lives.
    Folder(crate::datadir::Lock),
}

fn reach(data: &DataDir, request: &Request) -> anyhow::Result<Reached> {
    let place = data.path().display();
    if request.makes_folder() {
        data.create()?;
    } else if !data.path().exists() {
        bail!("there is no data folder {place}");
    }
    let socket = data.path().join(SOCKET_FILE);
    let deadline = Instant::now() + BUSY_PATIENCE;
    loop {
        match data.lock_within(Duration::ZERO)? {
            Some(_) if request.needs_server() => {
                bail!("no server is running on the data folder {place}")
            }
            Some(lock) => return Ok(Reached::Folder(lock)),
            None => {}
        }
        match UnixStream::connect(&socket) {
            Ok(stream) => return Ok(Reached::Server(stream)),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                bail!(
                    "the server on {place} belongs to another user of this machine; run the command as that user"
                )
            }
            // The folder is in the hands of a server that starts or of another command.
            Err(_) if Instant::now() < deadline => std::thread::sleep(BUSY_PAUSE),
            Err(error) => {
                bail!("another process uses the data folder {place} and does not answer: {error}")
            }
        }
    }
}

fn converse(stream: UnixStream, request: &Request) -> anyhow::Result<Answer> {
    let mut text = serde_json::to_vec(request)?;
    text.push(b'\n');
    if text.len() > REQUEST_BYTES_MAX {
        bail!(
            "this is too much for a running server at once; do it in parts, or while the server is stopped"
        );
    }
    let mut line = String::new();
    let mut talk = || -> io::Result<()> {
        stream.set_read_timeout(Some(PEER_PATIENCE))?;
        stream.set_write_timeout(Some(PEER_PATIENCE))?;
        (&stream).write_all(&text)?;
        BufReader::new(&stream)
            .take(ANSWER_BYTES_MAX)
            .read_line(&mut line)?;
        Ok(())
    };
    talk().context("the server did not answer; whether it did what was asked is not known")?;
    if line.is_empty() {
        bail!("the server ended before it answered; whether it did what was asked is not known");
    }
    serde_json::from_str(&line)
        .context("the server's answer cannot be read; is it of another version?")
}

fn alone(data: &Path, request: Request) -> anyhow::Result<Answer> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    runtime.block_on(async {
        let store = Store::open(data)?;
        let directory = Directory::open(store.clone()).await?;
        let answer = carry_out(request, &directory, None).await;
        store.close().await?;
        Ok(answer)
    })
}
