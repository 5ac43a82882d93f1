//! One session of the load generator: connects, logs in, does as it is told and reports what it sees.

use crate::floor::{next_frame, operation, put_frame, take_number};
use anyhow::{Context, Result, bail};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ProtocolVersion};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use wire::client::{AwareId, Cipher, Client, Event, Offer, Said};
use wire::code::Status;
use wire::id::{ChannelId, ServiceId};
use wire::service::awareness::AwareKind;
use wire::service::im::features;

/// Bytes of a contact list: twenty people in two groups, as the clients write them.
pub const CONTACT_LIST_BYTES: usize = 1400;
/// Characters of each message.
pub const MESSAGE_BYTES: usize = 120;
/// Everybody's.
pub const PASSWORD: &str = "bench password";

/// Where the clients keep the contact list (`docs/protocol/service-storage.md`, "Known keys").
const CONTACT_LIST_KEY: u32 = 0;
/// What a floor's message has to carry so that both servers move frames of the same length: the headers of a
/// CHANNEL_SEND and of a text are 24 bytes, the floor's are 9.
const FLOOR_MESSAGE_BYTES: usize = MESSAGE_BYTES + 15;
/// The same for a change of status: about what an awareness update is longer than a floor's.
const FLOOR_STATUS_BYTES: usize = 80;
/// Sessions on one source address: far fewer than it has ports, even while closed ones linger.
const SESSIONS_PER_ADDRESS: usize = 500;
/// Read at once.
const READ_BYTES: usize = 4 * 1024;

/// What the server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaks {
    /// Isochron: the Sametime protocol.
    Sametime,
    /// The floor, see [`crate::floor`].
    Floor,
    /// What is sent comes back.
    Echo,
}

/// What all sessions of a fleet have in common.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The server.
    pub address: SocketAddr,
    /// What it speaks.
    pub speaks: Speaks,
    /// With TLS, or in clear.
    pub tls: Option<Arc<ClientConfig>>,
    /// The cipher that clients offer each other.
    pub offer: Offer,
    /// Session `i` logs in as person `i` modulo this.
    pub people: usize,
    /// What all times are counted from.
    pub epoch: Instant,
}

/// What a session is told. It ends, without a goodbye, when nobody can tell it anything any more.
#[derive(Debug, Clone, Copy)]
pub enum Order {
    /// Connect and log in.
    Connect,
    /// Open a conversation with this person.
    Converse(usize),
    /// Say something to the other one.
    Say,
    /// Change status; the number makes each change different.
    Change(usize),
}

/// What a session reports.
#[derive(Debug)]
pub enum Note {
    /// Ready to connect.
    Prepared,
    /// Logged in, with contact list, and the contacts are watched.
    Ready,
    /// The conversation that it opened is open.
    Open,
    /// Got a message, this many nanoseconds after it was written.
    Delivered(u64),
    /// Learned that this person changed status.
    Changed(usize),
    /// It is over, and this is why.
    Ended(anyhow::Error),
}

/// A note, and which session it is from.
pub type Signed = (usize, Note);

/// The user id of a person.
#[must_use]
pub fn user(person: usize) -> String {
    format!("u{person:05}")
}

/// Runs session `me` until it is told no more, and reports to `notes`.
pub async fn run(
    plan: Plan,
    me: usize,
    contacts: Vec<usize>,
    mut orders: UnboundedReceiver<Order>,
    notes: UnboundedSender<Signed>,
) {
    let speaker = Speaker::new(&plan, me, contacts);
    let reports = Reports { me, notes };
    reports.say(Note::Prepared);
    let Some(Order::Connect) = orders.recv().await else {
        return;
    };
    if let Err(error) = connect(&plan, speaker, &mut orders, &reports).await {
        reports.say(Note::Ended(error));
    }
}

struct Reports {
    me: usize,
    notes: UnboundedSender<Signed>,
}

impl Reports {
    fn say(&self, note: Note) {
        // At the end of a run nobody listens any more.
        let _ = self.notes.send((self.me, note));
    }
}

async fn connect(
    plan: &Plan,
    speaker: Speaker,
    orders: &mut UnboundedReceiver<Order>,
    reports: &Reports,
) -> Result<()> {
    let socket = TcpSocket::new_v4()?;
    // 127.0.0.2 and up.
    let last = u8::try_from(2 + reports.me / SESSIONS_PER_ADDRESS).context("too many sessions")?;
    socket.bind(([127, 0, 0, last], 0).into())?;
    let stream = socket
        .connect(plan.address)
        .await
        .context("cannot connect")?;
    stream.set_nodelay(true)?;
    let Some(tls) = &plan.tls else {
        return converse(plan, stream, speaker, orders, reports).await;
    };
    let connector = TlsConnector::from(Arc::clone(tls));
    let stream = secure(connector, stream).await.context("TLS handshake")?;
    converse(plan, stream, speaker, orders, reports).await
}

async fn secure(
    connector: TlsConnector,
    stream: TcpStream,
) -> Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let name = ServerName::try_from("localhost")?;
    let stream = connector.connect(name, stream).await?;
    // The figures are of TLS 1.3; a server that is set otherwise would make them into others.
    match stream.get_ref().1.protocol_version() {
        Some(ProtocolVersion::TLSv1_3) => Ok(stream),
        other => bail!("the server chose {other:?} instead of TLS 1.3"),
    }
}

async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    plan: &Plan,
    mut stream: S,
    mut speaker: Speaker,
    orders: &mut UnboundedReceiver<Order>,
    reports: &Reports,
) -> Result<()> {
    let mut out = Vec::new();
    let mut notes = Vec::new();
    let mut buffer = vec![0; READ_BYTES];
    speaker.start(&mut out, &mut notes);
    loop {
        notes.drain(..).for_each(|note| reports.say(note));
        if !out.is_empty() {
            stream.write_all(&out).await?;
            stream.flush().await?;
            out.clear();
        }
        tokio::select! {
            order = orders.recv() => match order {
                Some(order) => speaker.obey(plan, order, &mut out)?,
                None => return Ok(()),
            },
            count = stream.read(&mut buffer) => {
                let count = count?;
                if count == 0 {
                    bail!("the server closed the connection");
                }
                let bytes = buffer.get(..count).unwrap_or_default();
                speaker.hear(plan, bytes, &mut out, &mut notes)?;
            }
        }
    }
}

/// What is said on the connection, without the connection.
enum Speaker {
    Sametime(Box<Sametime>),
    Floor(FloorClient),
    Echo { heard: Vec<u8> },
}

impl Speaker {
    fn new(plan: &Plan, me: usize, contacts: Vec<usize>) -> Self {
        match plan.speaks {
            Speaks::Sametime => Self::Sametime(Box::new(Sametime::new(plan, me, contacts))),
            Speaks::Floor => Self::Floor(FloorClient {
                me,
                contacts,
                other: 0,
                heard: Vec::new(),
            }),
            Speaks::Echo => Self::Echo { heard: Vec::new() },
        }
    }

    fn start(&mut self, out: &mut Vec<u8>, notes: &mut Vec<Note>) {
        match self {
            Self::Sametime(sametime) => sametime.client.start(out),
            Self::Floor(floor) => put_frame(out, operation::HELLO, &[&number(floor.me)]),
            Self::Echo { .. } => notes.push(Note::Ready),
        }
    }

    fn obey(&mut self, plan: &Plan, order: Order, out: &mut Vec<u8>) -> Result<()> {
        match self {
            Self::Sametime(sametime) => sametime.obey(plan, order, out),
            Self::Floor(floor) => {
                floor.obey(plan, order, out);
                Ok(())
            }
            Self::Echo { .. } => {
                out.extend_from_slice(stamp(plan, ECHO_BYTES).as_bytes());
                Ok(())
            }
        }
    }

    fn hear(
        &mut self,
        plan: &Plan,
        bytes: &[u8],
        out: &mut Vec<u8>,
        notes: &mut Vec<Note>,
    ) -> Result<()> {
        match self {
            Self::Sametime(sametime) => sametime.hear(plan, bytes, out, notes),
            Self::Floor(floor) => floor.hear(plan, bytes, out, notes),
            Self::Echo { heard } => {
                heard.extend_from_slice(bytes);
                while let Some(message) = heard.get(..ECHO_BYTES) {
                    notes.push(Note::Delivered(age(
                        plan,
                        &String::from_utf8_lossy(message),
                    )?));
                    heard.drain(..ECHO_BYTES);
                }
                Ok(())
            }
        }
    }
}

/// As long as the frame of a message.
const ECHO_BYTES: usize = MESSAGE_BYTES + 24;
/// Digits of the time at the front of a message.
const STAMP_DIGITS: usize = 20;

/// A text of `length` characters that begins with the time.
fn stamp(plan: &Plan, length: usize) -> String {
    let time = format!("{:020}", plan.epoch.elapsed().as_nanos());
    format!("{time:m<length$}")
}

/// How many nanoseconds ago a text was stamped.
fn age(plan: &Plan, text: &str) -> Result<u64> {
    let stamped = text
        .get(..STAMP_DIGITS)
        .and_then(|digits| digits.parse().ok());
    let stamped = stamped.with_context(|| format!("a message without a time: {text:?}"))?;
    let now = u64::try_from(plan.epoch.elapsed().as_nanos())?;
    Ok(now.saturating_sub(stamped))
}

struct Sametime {
    client: Client,
    contacts: Vec<usize>,
    /// Contacts in snapshots so far.
    seen: usize,
    /// The conversation with the other one.
    channel: Option<ChannelId>,
    events: Vec<Event>,
}

impl Sametime {
    fn new(plan: &Plan, me: usize, contacts: Vec<usize>) -> Self {
        let name = user(me % plan.people);
        let mut config = wire::client::ClientConfig::new(&name, PASSWORD);
        config.resolve = false;
        Self {
            client: Client::new(config, &mut rand::rng()),
            contacts: contacts
                .into_iter()
                .map(|contact| contact % plan.people)
                .collect(),
            seen: 0,
            channel: None,
            events: Vec::new(),
        }
    }

    fn obey(&mut self, plan: &Plan, order: Order, out: &mut Vec<u8>) -> Result<()> {
        match order {
            Order::Connect => bail!("connected already"),
            Order::Converse(person) => {
                let channel =
                    self.client
                        .open_im(&user(person), features::PLAIN, plan.offer, out)?;
                self.channel = Some(channel);
            }
            Order::Say => {
                let channel = self.channel.context("there is no conversation")?;
                self.client
                    .send_text(channel, &stamp(plan, MESSAGE_BYTES), out)?;
            }
            Order::Change(count) => {
                let text = format!("in the middle of thing number {count}");
                let time = u32::try_from(count)?;
                self.client.set_status(Status::ACTIVE, time, &text, out)?;
            }
        }
        Ok(())
    }

    fn hear(
        &mut self,
        plan: &Plan,
        bytes: &[u8],
        out: &mut Vec<u8>,
        notes: &mut Vec<Note>,
    ) -> Result<()> {
        let mut events = std::mem::take(&mut self.events);
        self.client.receive(bytes, out, &mut events);
        for event in events.drain(..) {
            self.happen(plan, event, out, notes)?;
        }
        self.events = events;
        Ok(())
    }

    fn happen(
        &mut self,
        plan: &Plan,
        event: Event,
        out: &mut Vec<u8>,
        notes: &mut Vec<Note>,
    ) -> Result<()> {
        match event {
            Event::ServiceOpened(_)
                if self.client.is_open(ServiceId::AWARENESS)
                    && self.client.is_open(ServiceId::STORAGE) =>
            {
                self.client.load(&[CONTACT_LIST_KEY], out)?;
            }
            Event::Loaded { items, .. } if items.is_empty() => {
                let mut value = u16::try_from(CONTACT_LIST_BYTES)?.to_be_bytes().to_vec();
                value.resize(2 + CONTACT_LIST_BYTES, b'c');
                self.client.save(CONTACT_LIST_KEY, &value, out)?;
            }
            Event::Loaded { .. } => self.watch(out, notes)?,
            Event::Saved { code, .. } if !code.is_success() => {
                bail!("the contact list is not saved: {code:?}")
            }
            Event::Saved { .. } => self.watch(out, notes)?,
            Event::Snapshot(people) => {
                let before = self.seen;
                self.seen += people.len();
                if before < self.contacts.len() && self.seen >= self.contacts.len() {
                    notes.push(Note::Ready);
                }
            }
            Event::Presence(presence) => {
                let digits = presence.user.strip_prefix('u');
                if let Some(person) = digits.and_then(|digits| digits.parse().ok()) {
                    notes.push(Note::Changed(person));
                }
            }
            Event::ImOffered { channel, .. } => {
                self.client.accept_im(channel, out)?;
                self.channel = Some(channel);
            }
            Event::ImOpened { cipher, .. }
                if plan.offer == Offer::Rc2_128 && cipher != Cipher::Rc2_128 =>
            {
                bail!("the conversation has cipher {cipher:?}")
            }
            Event::ImOpened { channel, .. } => {
                self.channel = Some(channel);
                notes.push(Note::Open);
            }
            Event::Im {
                said: Said::Text(text),
                ..
            } => {
                notes.push(Note::Delivered(age(plan, &text)?));
            }
            Event::ImClosed { reason, .. } => bail!("the conversation is closed: {reason:?}"),
            Event::ServiceClosed { service, reason } => bail!("{service:?} is closed: {reason:?}"),
            Event::Closed { reason } => bail!("the server ended the session: {reason:?}"),
            Event::Malformed(error) => bail!("the server sent nonsense: {error}"),
            Event::Redirected { host } => bail!("the server sends us to {host}"),
            _ => {}
        }
        Ok(())
    }

    fn watch(&mut self, out: &mut Vec<u8>, notes: &mut Vec<Note>) -> Result<()> {
        let users: Vec<String> = self.contacts.iter().map(|contact| user(*contact)).collect();
        let ids: Vec<AwareId<'_>> = users
            .iter()
            .map(|user| AwareId {
                kind: AwareKind::USER,
                user: user.as_str().into(),
                community: "".into(),
            })
            .collect();
        if ids.is_empty() {
            notes.push(Note::Ready);
            return Ok(());
        }
        Ok(self.client.watch(&ids, out)?)
    }
}

struct FloorClient {
    me: usize,
    contacts: Vec<usize>,
    other: usize,
    /// An incomplete frame.
    heard: Vec<u8>,
}

fn number(of: usize) -> [u8; 4] {
    u32::try_from(of).unwrap_or(u32::MAX).to_be_bytes()
}

impl FloorClient {
    fn obey(&mut self, plan: &Plan, order: Order, out: &mut Vec<u8>) {
        match order {
            Order::Connect => {}
            Order::Converse(other) => self.other = other,
            Order::Say => {
                let text = stamp(plan, FLOOR_MESSAGE_BYTES);
                put_frame(
                    out,
                    operation::MESSAGE,
                    &[&number(self.other), text.as_bytes()],
                );
            }
            Order::Change(_) => put_frame(out, operation::STATUS, &[&[b's'; FLOOR_STATUS_BYTES]]),
        }
    }

    fn hear(
        &mut self,
        plan: &Plan,
        bytes: &[u8],
        out: &mut Vec<u8>,
        notes: &mut Vec<Note>,
    ) -> Result<()> {
        self.heard.extend_from_slice(bytes);
        let heard = std::mem::take(&mut self.heard);
        let mut rest = heard.as_slice();
        while let Some((operation, data, length)) = next_frame(rest) {
            match operation {
                operation::HELLO => {
                    let contacts: Vec<u8> = self.contacts.iter().flat_map(|c| number(*c)).collect();
                    put_frame(out, operation::WATCH, &[&contacts]);
                    // Here one tells one's watchers oneself.
                    put_frame(out, operation::STATUS, &[&[b's'; FLOOR_STATUS_BYTES]]);
                }
                operation::WATCH => notes.push(Note::Ready),
                operation::MESSAGE => {
                    let (_, text) = take_number(data).context("a message to nobody")?;
                    notes.push(Note::Delivered(age(plan, &String::from_utf8_lossy(text))?));
                }
                operation::STATUS => {
                    let (who, _) = take_number(data).context("a status of nobody")?;
                    notes.push(Note::Changed(usize::try_from(who)?));
                }
                other => bail!("the floor sent operation {other}"),
            }
            rest = rest.get(length..).unwrap_or_default();
        }
        self.heard = rest.to_vec();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_says_when_it_was_written() {
        let plan = Plan {
            address: ([127, 0, 0, 1], 1).into(),
            speaks: Speaks::Echo,
            tls: None,
            offer: Offer::None,
            people: 1,
            epoch: Instant::now(),
        };
        let text = stamp(&plan, MESSAGE_BYTES);
        assert_eq!(text.len(), MESSAGE_BYTES);
        assert!(age(&plan, &text).unwrap() < 1_000_000_000);
        assert!(age(&plan, "no time at all, but long enough").is_err());
    }
}
