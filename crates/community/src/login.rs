//! One client: from its first frame to its end. Frames, answers and events go in, bytes and questions come out.
//!
//! Nothing here waits. What takes time is a [`Question`]; the task asks it and brings the [`Answer`].

use crate::Shared;
use crate::limits::{LOGIN_ANSWER_DEADLINE, PRIVACY_USERS_MAX, STATUS_TEXT_BYTES_MAX};
use crate::metrics::Protection;
use crate::outbox::{Event, LoginKey, Outbox, Waiting};
use crate::presence::{Privacy, User};
use crate::service::announce::Announced;
use crate::service::awareness::Awareness;
use crate::service::{self, Channels, storage};
use crate::sessions::SessionInfo;
use identity::Person;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;
use store::{PrivacyRecord, StoreError};
use tokio::time::Instant;
use wire::link::Opened;
use wire::message::{
    LoginAck, LoginInfo, LoginInfoFull, Message, PrivacyInfo, UserItem, UserStatus,
};
use wire::server::{LoginRequest, Proof, Server, Step};
use wire::{CloseReason, ServiceId, Status, Text};

/// Length of a login id: its first five bytes are the RC2/40 key, and the whole is unique.
const LOGIN_ID_BYTES: usize = 12;

/// What everybody may know about a login.
pub(crate) struct LoginRecord {
    pub(crate) key: LoginKey,
    pub(crate) login_id: [u8; LOGIN_ID_BYTES],
    pub(crate) login_type: u16,
    pub(crate) user: Arc<User>,
    pub(crate) person: Arc<Person>,
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) protection: Protection,
    server_id: Arc<str>,
    address: IpAddr,
    since: SystemTime,
    /// Microseconds of the community's clock at the last message or change to active.
    last_active: AtomicU64,
}

impl LoginRecord {
    /// The login as the protocol describes it, always full.
    pub(crate) fn info(&self) -> LoginInfo<'_> {
        LoginInfo {
            login_id: Text(&self.login_id),
            login_type: self.login_type,
            user_id: Text(&self.user.id),
            user_name: Text(self.person.name.as_bytes()),
            community: Text::default(),
            full: Some(LoginInfoFull {
                desc: Text::default(),
                ip_addr: ipv4_of(self.address),
                server_id: Text(self.server_id.as_bytes()),
            }),
        }
    }

    pub(crate) fn last_active(&self) -> u64 {
        self.last_active.load(Ordering::Relaxed)
    }

    /// The person does something at this login.
    pub(crate) fn set_active(&self, sequence: u64) {
        self.last_active.store(sequence, Ordering::Relaxed);
    }

    pub(crate) fn session_info(&self) -> SessionInfo {
        SessionInfo {
            id: String::from_utf8_lossy(&self.login_id).into_owned(),
            user: String::from_utf8_lossy(&self.user.id).into_owned(),
            address: self.address,
            transport: self.protection.label(),
            login_type: self.login_type,
            since: self.since,
        }
    }
}

/// What takes time.
pub(crate) enum Question {
    Authenticate {
        name: Box<[u8]>,
        proof: identity::Proof,
    },
    Storage(storage::Request),
    SavePrivacy {
        user: Arc<[u8]>,
        record: PrivacyRecord,
    },
}

/// What came of it.
pub(crate) enum Answer {
    Authenticated(Result<(Arc<Person>, Option<PrivacyRecord>), CloseReason>),
    Storage(storage::Reply),
    PrivacySaved {
        user: Arc<[u8]>,
        record: PrivacyRecord,
        result: Result<(), StoreError>,
    },
}

impl Question {
    /// Whose stored data it changes, if it does.
    pub(crate) fn user(&self) -> Option<&[u8]> {
        match self {
            Self::Authenticate { .. } => None,
            Self::Storage(request) => request.is_write().then(|| request.user()),
            Self::SavePrivacy { user, .. } => Some(user),
        }
    }

    /// Whether it changes what is stored, and so is carried out even if its login ends first.
    pub(crate) fn is_write(&self) -> bool {
        match self {
            Self::Authenticate { .. } => false,
            Self::Storage(request) => request.is_write(),
            Self::SavePrivacy { .. } => true,
        }
    }
}

impl Answer {
    /// Takes the answer in place of a login that has ended: what was stored counts for the user's other logins.
    pub(crate) fn outlive_login(self, community: &Shared) {
        if let Self::PrivacySaved {
            user,
            record,
            result: Ok(()),
        } = self
            && let Some(user) = community.presence.find(&user)
        {
            apply_privacy(&user, record, community);
        }
    }
}

/// What a step of the login may use.
pub(crate) struct Context<'a> {
    pub(crate) community: &'a Shared,
    /// Bytes for the client.
    pub(crate) out: &'a mut Vec<u8>,
    /// Questions to be asked, in order.
    pub(crate) questions: &'a mut VecDeque<Question>,
    /// A login that has no room for more: reading from this client pauses until it has.
    pub(crate) full_peer: &'a mut Option<Arc<LoginRecord>>,
    /// When the login wants to look at the time again, if sooner than it would.
    pub(crate) wake_by: &'a mut Option<Instant>,
    pub(crate) now: Instant,
    /// Microseconds since the community's start: orders activity.
    pub(crate) activity: u64,
}

impl Context<'_> {
    pub(crate) fn send(&mut self, message: &Message<'_>) {
        message.encode(self.out);
    }
}

/// A client's state.
pub(crate) struct Login {
    key: LoginKey,
    opened: Opened,
    server: Server,
    outbox: Arc<Outbox>,
    stage: Stage,
}

enum Stage {
    /// Nobody yet.
    Connecting { deadline: Instant },
    /// The password is being checked.
    Authenticating {
        deadline: Instant,
        login_type: u16,
        protection: Protection,
    },
    /// Logged in.
    Live(Box<Live>),
}

/// A client that is logged in.
pub(crate) struct Live {
    pub(crate) record: Arc<LoginRecord>,
    pub(crate) channels: Channels,
    pub(crate) awareness: Awareness,
    /// Channels that this login has offered to others.
    pub(crate) offers: u32,
    /// How much it has announced lately.
    pub(crate) announced: Announced,
    /// The latest status, until watchers are told.
    status: Option<OwnStatus>,
}

struct OwnStatus {
    status: Status,
    time: u32,
    text: Box<[u8]>,
}

impl Login {
    /// A connection that has said nothing yet and has until `deadline` to log in.
    pub(crate) fn new(
        key: LoginKey,
        opened: Opened,
        outbox: Arc<Outbox>,
        deadline: Instant,
    ) -> Self {
        Self {
            key,
            opened,
            server: Server::new(),
            outbox,
            stage: Stage::Connecting { deadline },
        }
    }

    /// How long the next frame may be.
    pub(crate) fn frame_bytes_max(&self) -> usize {
        self.server.frame_bytes_max()
    }

    /// Whether somebody is logged in.
    pub(crate) fn is_live(&self) -> bool {
        matches!(self.stage, Stage::Live(_))
    }

    /// Whether the client has sent its login, and so may be sent keep-alives.
    pub(crate) fn has_spoken(&self) -> bool {
        !matches!(self.stage, Stage::Connecting { .. })
    }

    /// When the login must have come further, while it is not there yet.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self.stage {
            Stage::Connecting { deadline } | Stage::Authenticating { deadline, .. } => {
                Some(deadline)
            }
            Stage::Live(_) => None,
        }
    }

    /// Handles one frame of the client.
    pub(crate) fn on_frame(
        &mut self,
        frame: &[u8],
        cx: &mut Context<'_>,
    ) -> Result<(), CloseReason> {
        let options = &cx.community.options;
        let address = ipv4_of(self.opened.peer.ip());
        let mut random = rand::rng();
        match self
            .server
            .receive(frame, address, options.weakest_auth, &mut random, cx.out)
        {
            Step::Nothing => Ok(()),
            Step::Logout => Err(CloseReason::Logout),
            Step::Close(reason) => {
                cx.community.metrics.login_refused(reason);
                Err(reason)
            }
            Step::Authenticate(request) => {
                self.authenticate(request, cx);
                Ok(())
            }
            Step::Deliver(message) => match &mut self.stage {
                Stage::Live(live) => live.on_message(&message, cx),
                // The server half delivers only after it has been told that the login holds.
                _ => Err(CloseReason::Internal),
            },
        }
    }

    fn authenticate(&mut self, request: LoginRequest<'_>, cx: &mut Context<'_>) {
        let proof = match request.proof {
            Proof::Password(password) => identity::Proof::Password(password),
            // Single sign-on tokens are not served, and read as what they are here: a wrong proof.
            Proof::Token(_) | Proof::Unreadable => identity::Proof::Unreadable,
        };
        cx.questions.push_back(Question::Authenticate {
            name: request.name.as_bytes().into(),
            proof,
        });
        self.stage = Stage::Authenticating {
            deadline: cx.now + LOGIN_ANSWER_DEADLINE,
            login_type: request.login_type,
            protection: Protection::of(self.opened.transport, request.auth_type),
        };
    }

    /// Handles an answer to a question.
    pub(crate) fn on_answer(
        &mut self,
        answer: Answer,
        cx: &mut Context<'_>,
    ) -> Result<(), CloseReason> {
        match (answer, &mut self.stage) {
            (
                Answer::Authenticated(result),
                &mut Stage::Authenticating {
                    login_type,
                    protection,
                    ..
                },
            ) => match result {
                Ok((person, privacy)) => self.begin(person, privacy, login_type, protection, cx),
                Err(reason) => {
                    cx.community.metrics.login_refused(reason);
                    Err(reason)
                }
            },
            (Answer::Storage(reply), Stage::Live(live)) => {
                storage::answer(&live.channels, reply, cx);
                Ok(())
            }
            (Answer::PrivacySaved { record, result, .. }, Stage::Live(live)) => {
                live.privacy_saved(record, result, cx);
                Ok(())
            }
            // An answer to a question that this stage did not ask.
            _ => Err(CloseReason::Internal),
        }
    }

    /// The proof holds: the login begins.
    fn begin(
        &mut self,
        person: Arc<Person>,
        privacy: Option<PrivacyRecord>,
        login_type: u16,
        protection: Protection,
        cx: &mut Context<'_>,
    ) -> Result<(), CloseReason> {
        let community = cx.community;
        let user = community.presence.hold(person.id.as_bytes());
        let record = Arc::new(LoginRecord {
            key: self.key,
            login_id: login_id(),
            login_type,
            user: Arc::clone(&user),
            person,
            outbox: Arc::clone(&self.outbox),
            protection,
            server_id: community.options.server_id.as_str().into(),
            address: self.opened.peer.ip(),
            since: SystemTime::now(),
            last_active: AtomicU64::new(cx.activity),
        });
        self.server.accepted();
        // Another login of the user may have changed the list since it was read from the store.
        let privacy = match user.privacy() {
            Some(current) => Some(current.record.clone()),
            None => privacy,
        };
        let info = privacy_info(privacy.as_ref());
        cx.send(&Message::LoginAck(LoginAck {
            login: record.info(),
            unknown: 0,
            privacy: info.clone(),
            status: UserStatus::default(),
        }));
        // Clients ignore the list inside the LOGIN_ACK.
        cx.send(&Message::SetPrivacyList(info));
        let privacy = privacy.map(|record| Privacy::new(record, community));
        community.sessions.logged_in(&record);
        let others = user.arrive(&record, privacy);
        if community.options.single_login {
            for other in others {
                other.outbox.close(CloseReason::Superseded);
            }
        }
        community.metrics.logins.increment(1);
        community.metrics.sessions(protection).increment(1);
        tracing::info!(
            conn = self.opened.conn,
            user = %community.options.pii.show(Text(&user.id).to_lossy()),
            transport = protection.label(),
            login_type = format_args!("{login_type:#06x}"),
            "logged in"
        );
        self.stage = Stage::Live(Box::new(Live {
            record,
            channels: Channels::default(),
            awareness: Awareness::default(),
            offers: 0,
            announced: Announced::default(),
            status: None,
        }));
        // An administrator may have removed the person while the proof was being checked. The directory changes
        // before the logins are ended, so one of the two looks always sees the other.
        match community.directory.person(&user.id) {
            Some(person) if !person.disabled => Ok(()),
            _ => Err(CloseReason::EndedByAdmin),
        }
    }

    /// Handles what others had for this login.
    pub(crate) fn on_waiting(&mut self, waiting: Waiting, cx: &mut Context<'_>) {
        let Stage::Live(live) = &mut self.stage else {
            return;
        };
        live.awareness.send_latest(waiting.latest, cx);
        for event in waiting.events {
            match event {
                Event::Frame(frame) => cx.out.extend_from_slice(&frame),
                Event::Data {
                    to,
                    relay,
                    kind,
                    encrypted,
                    data,
                } => {
                    service::relay::on_data(&live.channels, to, relay, kind, encrypted, &data, cx);
                }
                Event::Offer(offer) => service::relay::on_offer(live, *offer, cx),
                Event::Accepted(accepted) => service::relay::on_accepted(live, &accepted, cx),
                Event::Destroyed {
                    to,
                    relay,
                    reason,
                    data,
                } => {
                    service::relay::on_destroyed(&mut live.channels, to, relay, reason, &data, cx);
                }
                Event::GroupGrew(growth) => live.awareness.on_group_grew(&live.record, &growth, cx),
            }
        }
    }

    /// The client's frames that were there have been handled.
    pub(crate) fn settle(&mut self) {
        if let Stage::Live(live) = &mut self.stage {
            live.publish_status();
        }
    }

    /// Time has passed: ends what waited too long.
    /// Answers with when there is something to look at again, if anything waits.
    pub(crate) fn on_time(&mut self, cx: &mut Context<'_>) -> Result<Option<Instant>, CloseReason> {
        if self.deadline().is_some_and(|deadline| deadline <= cx.now) {
            return Err(CloseReason::LoginTimeout);
        }
        Ok(match &mut self.stage {
            Stage::Live(live) => service::relay::end_old_offers(live, cx),
            Stage::Connecting { .. } | Stage::Authenticating { .. } => self.deadline(),
        })
    }

    /// The connection is over: everybody who had to do with it hears of it.
    pub(crate) fn end(&mut self, community: &Shared) {
        let unread = self.outbox.shut();
        community.sessions.end_of(self.key);
        let Stage::Live(live) = std::mem::replace(
            &mut self.stage,
            Stage::Connecting {
                deadline: Instant::now(),
            },
        ) else {
            return;
        };
        let Live {
            record,
            mut channels,
            mut awareness,
            ..
        } = *live;
        community.metrics.sessions(record.protection).decrement(1);
        // First nobody finds the login any more, then those who already have to do with it are told.
        record.user.leave(&record);
        awareness.close(&record, community);
        service::relay::end_all(&mut channels, unread.events);
        community.presence.release(&record.user);
    }
}

impl Live {
    fn on_message(
        &mut self,
        message: &Message<'_>,
        cx: &mut Context<'_>,
    ) -> Result<(), CloseReason> {
        match message {
            Message::ChannelSend(send) => service::on_send(self, send, cx),
            Message::ChannelCreate(create) => service::on_create(self, create, cx)?,
            Message::ChannelAccept(accept) => service::relay::on_accept(self, accept, cx),
            Message::ChannelDestroy(destroy) => service::on_destroy(self, destroy, cx),
            Message::SetUserStatus(status) => self.set_status(status, cx),
            Message::SetPrivacyList(list) => self.set_privacy(list, cx),
            Message::SenseService(service) => sense(*service, cx),
            Message::Announce(announce) => service::announce::on_announce(self, announce, cx),
            // The server half has dropped all that a logged-in client has no business to send.
            _ => {}
        }
        Ok(())
    }

    fn set_status(&mut self, status: &UserStatus<'_>, cx: &mut Context<'_>) {
        let mut status = *status;
        status.desc = Text(cut_text(status.desc.as_bytes(), STATUS_TEXT_BYTES_MAX));
        if status.status == Status::ACTIVE {
            self.record.set_active(cx.activity);
        }
        cx.send(&Message::SetUserStatus(status));
        let UserStatus { status, time, desc } = status;
        self.status = Some(OwnStatus {
            status,
            time,
            text: desc.as_bytes().into(),
        });
    }

    /// Tells watchers the latest status, once however often it changed since.
    fn publish_status(&mut self) {
        if let Some(OwnStatus { status, time, text }) = self.status.take() {
            let status = UserStatus {
                status,
                time,
                desc: Text(&text),
            };
            self.record.user.set_status(&self.record, &status);
        }
    }

    /// The list is in force once it is stored.
    fn set_privacy(&self, list: &PrivacyInfo<'_>, cx: &mut Context<'_>) {
        if list.users.len() > PRIVACY_USERS_MAX {
            let users = list.users.len();
            tracing::warn!(users, "a privacy list is longer than it may be; ignored");
            return;
        }
        let users = list.users.iter().map(|user| store::PrivacyUser {
            id: user.id.as_bytes().into(),
            community: user.community.as_bytes().into(),
            name: user.name.map(|name| name.as_bytes().into()),
        });
        let record = PrivacyRecord {
            deny: list.deny,
            users: users.collect(),
        };
        let user = Arc::clone(&self.record.user.id);
        cx.questions
            .push_back(Question::SavePrivacy { user, record });
    }

    fn privacy_saved(
        &mut self,
        record: PrivacyRecord,
        result: Result<(), StoreError>,
        cx: &mut Context<'_>,
    ) {
        if let Err(error) = result {
            // The client keeps showing its old list, because only our answer makes it change.
            tracing::error!(%error, "a privacy list could not be stored and is not in force");
            let current = self.record.user.privacy();
            let info = privacy_info(current.as_ref().map(|privacy| &privacy.record));
            return cx.send(&Message::SetPrivacyList(info));
        }
        apply_privacy(&self.record.user, record, cx.community);
    }
}

/// Puts a stored privacy list in force, and tells all logins of the user, the one that sent it too.
fn apply_privacy(user: &Arc<User>, record: PrivacyRecord, community: &Shared) {
    let mut frame = Vec::new();
    Message::SetPrivacyList(privacy_info(Some(&record))).encode(&mut frame);
    let frame: Arc<[u8]> = frame.into();
    for login in user.set_privacy(Privacy::new(record, community)) {
        login.outbox.push(Event::Frame(Arc::clone(&frame)));
    }
}

/// Says that a service is there, if it is; silence says that it is not.
fn sense(service: ServiceId, cx: &mut Context<'_>) {
    if service::is_served(service) {
        cx.send(&Message::SenseService(service));
    }
}

/// Without a stored list everybody may see the user.
fn privacy_info(record: Option<&PrivacyRecord>) -> PrivacyInfo<'_> {
    let Some(record) = record else {
        return PrivacyInfo {
            deny: true,
            users: Vec::new(),
        };
    };
    let users = record.users.iter().map(|user| UserItem {
        id: Text(&user.id),
        community: Text(&user.community),
        name: user.name.as_deref().map(Text),
    });
    PrivacyInfo {
        deny: record.deny,
        users: users.collect(),
    }
}

/// Twelve unpredictable upper-case hex digits.
fn login_id() -> [u8; LOGIN_ID_BYTES] {
    let bits: u64 = rand::random();
    let mut id = [0; LOGIN_ID_BYTES];
    for (index, digit) in id.iter_mut().enumerate() {
        *digit = b"0123456789ABCDEF"[(bits >> (4 * index)) as usize & 0xf];
    }
    id
}

/// The address as the protocol carries it; it has no room for IPv6.
fn ipv4_of(address: IpAddr) -> u32 {
    match address {
        IpAddr::V4(address) => address.to_bits(),
        IpAddr::V6(_) => 0,
    }
}

/// At most `bytes_max` of a text, cut at a UTF-8 border where it is UTF-8, and before a NUL, at which clients stop.
fn cut_text(text: &[u8], bytes_max: usize) -> &[u8] {
    let end = text
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(text.len());
    if end <= bytes_max {
        return &text[..end];
    }
    // At most three continuation bytes lie before a character's first byte.
    let border = (bytes_max.saturating_sub(3)..=bytes_max)
        .rev()
        .find(|at| text[*at] & 0xc0 != 0x80);
    &text[..border.unwrap_or(bytes_max)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!(cut_text(b"short", 10), b"short");
        assert_eq!(cut_text("aé".as_bytes(), 2), b"a");
        assert_eq!(cut_text("aé".as_bytes(), 3), "aé".as_bytes());
        assert_eq!(cut_text(&[0x80; 10], 5), [0x80; 5]);
        assert_eq!(cut_text(b"up to\0here", 50), b"up to");
    }

    #[test]
    fn login_ids_are_twelve_hex_digits_and_differ() {
        let (one, other) = (login_id(), login_id());
        assert!(
            one.iter()
                .all(|digit| digit.is_ascii_hexdigit() && !digit.is_ascii_lowercase())
        );
        assert_ne!(one[..5], other[..5]);
    }
}
