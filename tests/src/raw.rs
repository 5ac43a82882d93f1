//! Bytes on a socket, for what no decent client sends.
//!
//! Frames are put together here by hand, and not by the server's own crates: a mistake there must not be
//! able to hide itself. Source: `docs/protocol/framing.md`, `connection.md`, `channels.md`.

use crate::{PATIENCE, password_of};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};

/// Message types.
pub mod kind {
    /// Client to server: the client's protocol version.
    pub const HANDSHAKE: u16 = 0x0000;
    /// Server to client: the server's version.
    pub const HANDSHAKE_ACK: u16 = 0x8000;
    /// Client to server: name and proof.
    pub const LOGIN: u16 = 0x0001;
    /// Server to client: the login holds.
    pub const LOGIN_ACK: u16 = 0x8001;
    /// Client to server: log me in here all the same.
    pub const LOGIN_CONTINUE: u16 = 0x0016;
    /// Both: a new channel.
    pub const CHANNEL_CREATE: u16 = 0x0002;
    /// Both: the channel is gone.
    pub const CHANNEL_DESTROY: u16 = 0x0003;
    /// Both: data on a channel.
    pub const CHANNEL_SEND: u16 = 0x0004;
    /// Both: the channel is open.
    pub const CHANNEL_ACCEPT: u16 = 0x0006;
    /// Both: the status of the login.
    pub const SET_USER_STATUS: u16 = 0x0009;
    /// Both: who may see the user.
    pub const SET_PRIVACY_LIST: u16 = 0x000b;
    /// Both: is the service there.
    pub const SENSE_SERVICE: u16 = 0x0011;
    /// Server to client: a notice of an administrator.
    pub const ADMIN: u16 = 0x0019;
    /// Both: a message to people and groups.
    pub const ANNOUNCE: u16 = 0x0022;
}

/// Service, protocol type and protocol version of a channel.
pub type Triple = (u32, u32, u32);

/// Presence.
pub const AWARE: Triple = (0x11, 0x11, 0x0003_0005);
/// Name lookup.
pub const RESOLVE: Triple = (0x15, 0x15, 0);
/// Per-user settings.
pub const STORAGE: Triple = (0x18, 0x25, 1);
/// One-to-one messages.
pub const IM: Triple = (0x1000, 0x1000, 3);

/// Bytes under construction; integers are big-endian.
#[derive(Debug, Clone, Default)]
pub struct Bytes(pub Vec<u8>);

impl Bytes {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One byte.
    #[must_use]
    pub fn u8(mut self, value: u8) -> Self {
        self.0.push(value);
        self
    }

    /// Two bytes.
    #[must_use]
    pub fn u16(mut self, value: u16) -> Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    /// Four bytes.
    #[must_use]
    pub fn u32(mut self, value: u32) -> Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    /// Bytes as they are.
    #[must_use]
    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }

    /// A string: two bytes of length, then the bytes, which need not be text.
    #[must_use]
    pub fn string(self, bytes: &[u8]) -> Self {
        self.u16(bytes.len() as u16).raw(bytes)
    }

    /// An opaque: four bytes of length, then the bytes.
    #[must_use]
    pub fn opaque(self, bytes: &[u8]) -> Self {
        self.u32(bytes.len() as u32).raw(bytes)
    }
}

/// A complete frame.
#[must_use]
pub fn frame(kind: u16, channel: u32, body: &[u8]) -> Vec<u8> {
    frame_with_options(kind, 0, channel, body)
}

/// A complete frame with header options; 0x4000 means that the data is enciphered.
#[must_use]
pub fn frame_with_options(kind: u16, options: u16, channel: u32, body: &[u8]) -> Vec<u8> {
    Bytes::new()
        .u32(8 + body.len() as u32)
        .u16(kind)
        .u16(options)
        .u32(channel)
        .raw(body)
        .0
}

/// The first message of every client.
#[must_use]
pub fn handshake() -> Vec<u8> {
    let body = Bytes::new()
        .u16(0x1e)
        .u16(0x1d)
        .u32(0)
        .u32(0)
        .u16(0x1700)
        .u32(0)
        .u16(0x0100)
        .u32(0)
        .string(b"");
    frame(kind::HANDSHAKE, 0, &body.0)
}

/// The body of a login with a plain password (authentication type 0), which the server must be told to take.
#[must_use]
pub fn login_body(name: &[u8], password: &[u8]) -> Vec<u8> {
    Bytes::new()
        .u16(0x1700)
        .string(name)
        .opaque(password)
        .u16(0)
        .u16(0)
        .0
}

/// A request for a channel without a cipher.
#[must_use]
pub fn create(channel: u32, target: &str, triple: Triple, addtl: &[u8]) -> Vec<u8> {
    create_with_offer(channel, target, triple, addtl, 0, &[])
}

/// A request for a channel with an encryption policy and an offer.
#[must_use]
pub fn create_with_offer(
    channel: u32,
    target: &str,
    (service, proto_type, proto_ver): Triple,
    addtl: &[u8],
    mode: u16,
    offer: &[u8],
) -> Vec<u8> {
    let body = Bytes::new()
        .u32(0)
        .u32(channel)
        .string(target.as_bytes())
        .string(b"");
    let body = body
        .u32(service)
        .u32(proto_type)
        .u32(proto_ver)
        .u32(0)
        .opaque(addtl)
        .u8(0);
    frame(
        kind::CHANNEL_CREATE,
        0,
        &body.u16(mode).opaque(offer).u32(0).u32(0).u16(7).0,
    )
}

/// The service's own part of a request for a conversation: text and typing only.
#[must_use]
pub fn plain_im() -> Vec<u8> {
    Bytes::new().u32(1).u32(1).0
}

/// Data on a channel.
#[must_use]
pub fn send(channel: u32, send_kind: u16, data: &[u8]) -> Vec<u8> {
    frame(
        kind::CHANNEL_SEND,
        channel,
        &Bytes::new().u16(send_kind).opaque(data).0,
    )
}

/// A question to the storage service; it is answered with the same id.
#[must_use]
pub fn load(channel: u32, request: u32) -> Vec<u8> {
    send(
        channel,
        0x0004,
        &Bytes::new().u32(request).u32(1).u32(0x7fff_0001).0,
    )
}

/// Accepts a channel, with nothing beside.
#[must_use]
pub fn accept(channel: u32, (service, proto_type, proto_ver): Triple) -> Vec<u8> {
    let body = Bytes::new()
        .u32(service)
        .u32(proto_type)
        .u32(proto_ver)
        .opaque(b"")
        .u8(0)
        .u16(0)
        .opaque(b"");
    frame(kind::CHANNEL_ACCEPT, channel, &body.0)
}

/// What the server sent: one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The message type.
    pub kind: u16,
    /// The channel of the header.
    pub channel: u32,
    /// What follows the header.
    pub body: Vec<u8>,
}

impl Message {
    /// Four bytes of the body as a number.
    #[must_use]
    pub fn u32_at(&self, at: usize) -> u32 {
        let bytes = self
            .body
            .get(at..at + 4)
            .and_then(|bytes| bytes.try_into().ok());
        u32::from_be_bytes(bytes.unwrap_or_else(|| panic!("{self:x?} has no four bytes at {at}")))
    }

    /// Channel and reason, if this ends a channel.
    #[must_use]
    pub fn destroyed(&self) -> Option<(u32, u32)> {
        (self.kind == kind::CHANNEL_DESTROY).then(|| (self.channel, self.u32_at(0)))
    }
}

/// A socket to the server.
pub struct Raw {
    stream: TcpStream,
}

impl Raw {
    /// Connects.
    #[must_use]
    pub fn connect(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("the server takes connections");
        stream
            .set_read_timeout(Some(PATIENCE))
            .expect("a socket takes a time-out");
        stream
            .set_write_timeout(Some(PATIENCE))
            .expect("a socket takes a time-out");
        stream.set_nodelay(true).expect("a socket sends at once");
        Self { stream }
    }

    /// Connects and shakes hands.
    #[must_use]
    pub fn greeted(port: u16) -> Self {
        let mut raw = Self::connect(port);
        raw.send(&handshake());
        assert_eq!(raw.expect_message().kind, kind::HANDSHAKE_ACK);
        raw
    }

    /// Connects and logs in with a plain password.
    #[must_use]
    pub fn logged_in(port: u16, user: &str) -> Self {
        let mut raw = Self::greeted(port);
        raw.send(&frame(
            kind::LOGIN,
            0,
            &login_body(user.as_bytes(), password_of(user).as_bytes()),
        ));
        assert_eq!(raw.expect_message().kind, kind::LOGIN_ACK);
        raw
    }

    /// Sends bytes. A server that has closed already does not mind; what it did is read afterwards.
    pub fn send(&mut self, bytes: &[u8]) {
        match self.stream.write_all(bytes) {
            Err(fault) if fault.kind() == ErrorKind::WouldBlock => {
                panic!("the server takes no bytes any more")
            }
            _ => {}
        }
    }

    /// Says that nothing more is sent; what the server sends can still be read.
    pub fn finish(&mut self) {
        // Fails if the server has closed already, which is as good.
        drop(self.stream.shutdown(Shutdown::Write));
    }

    /// The next message, `None` when the server has closed.
    pub fn message(&mut self) -> Option<Message> {
        let mut length = [0; 4];
        loop {
            self.read(&mut length[..1])?;
            // A byte with the top bit between frames is a keep-alive.
            if length[0] & 0x80 == 0 {
                break;
            }
        }
        self.read(&mut length[1..])?;
        let mut frame = vec![0; u32::from_be_bytes(length) as usize];
        self.read(&mut frame)?;
        assert!(frame.len() >= 8, "a message of the server has a header");
        Some(Message {
            kind: u16::from_be_bytes([frame[0], frame[1]]),
            channel: u32::from_be_bytes([frame[4], frame[5], frame[6], frame[7]]),
            body: frame.split_off(8),
        })
    }

    /// The next message; the server must not close.
    pub fn expect_message(&mut self) -> Message {
        self.message()
            .expect("the server closed instead of answering")
    }

    /// Reads until a message is as wanted; others are passed over.
    pub fn expect(&mut self, what: &str, wanted: impl Fn(&Message) -> bool) -> Message {
        loop {
            match self.message() {
                Some(message) if wanted(&message) => return message,
                Some(_) => {}
                None => panic!("the server closed before {what}"),
            }
        }
    }

    /// Reads until a channel is destroyed, with this reason.
    pub fn expect_destroyed(&mut self, channel: u32, reason: u32) {
        let what = format!("the end of channel {channel:#x}");
        let message = self.expect(&what, |message| {
            message.destroyed().is_some_and(|(id, _)| id == channel)
        });
        assert_eq!(
            message.destroyed().map(|(_, reason)| reason),
            Some(reason),
            "reason of {what}"
        );
    }

    /// Reads until the server has ended the login with this code and closed.
    pub fn expect_end(&mut self, reason: u32) {
        self.expect_destroyed(0, reason);
        self.expect_close();
    }

    /// Waits for the end of the stream; nothing may come before it.
    pub fn expect_close(&mut self) {
        assert_eq!(self.message(), None, "the server must close without a word");
    }

    /// Reads and forgets whatever comes until the stream ends.
    pub fn drain(&mut self) {
        while self.message().is_some() {}
    }

    /// Opens a channel to a service of the server.
    pub fn open(&mut self, channel: u32, triple: Triple) {
        self.send(&create(channel, "", triple, &[]));
        self.expect("the accept of a channel", |message| {
            message.kind == kind::CHANNEL_ACCEPT && message.channel == channel
        });
    }

    /// Asks the storage service on a new channel and waits for the answer: the login is alive, and all that
    /// was sent before has been handled.
    pub fn expect_alive(&mut self, channel: u32) {
        self.open(channel, STORAGE);
        self.send(&load(channel, 1));
        self.expect("an answer of the storage service", |message| {
            message.kind == kind::CHANNEL_SEND && message.channel == channel
        });
        self.send(&frame(
            kind::CHANNEL_DESTROY,
            channel,
            &Bytes::new().u32(0).opaque(b"").0,
        ));
    }

    /// The socket itself.
    pub fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// A second handle, to write while the first one reads.
    #[must_use]
    pub fn second(&self) -> Self {
        Self {
            stream: self
                .stream
                .try_clone()
                .expect("a socket has more than one handle"),
        }
    }

    /// Fills the buffer; `None` at the end of the stream, also in the middle.
    fn read(&mut self, buffer: &mut [u8]) -> Option<()> {
        match self.stream.read_exact(buffer) {
            Ok(()) => Some(()),
            Err(fault) if fault.kind() == ErrorKind::WouldBlock => {
                panic!("the server neither answers nor closes")
            }
            // A reset is an end too: the server closed before it read everything.
            Err(_) => None,
        }
    }
}

/// Numbers that are the same in every run.
pub struct Seeded(u64);

impl Seeded {
    /// Starts from a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed.max(1))
    }

    /// The next number below a bound.
    pub fn below(&mut self, bound: usize) -> usize {
        // xorshift64
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % bound
    }

    /// So many bytes.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.below(256) as u8).collect()
    }
}
