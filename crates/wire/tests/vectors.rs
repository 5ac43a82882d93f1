//! Every recorded frame decodes to the field list that stands beside it, and encodes to the same
//! bytes again.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

mod recording;

use recording::{Channel, Channels, Frame, Recording, hex};
use wire::auth::{self, AuthType, Proof};
use wire::codec::Reader;
use wire::frame::{self, Next};
use wire::message::{CipherAnswer, EncryptItem, LoginInfo, PrivacyInfo, UserStatus};
use wire::service::awareness::{self, AwareId, Entry};
use wire::service::im::{AcceptAddtl, CreateAddtl, ImMessage};
use wire::service::{resolve, storage};
use wire::{ChannelId, Message, ReturnCode, ServiceId, Status, Text};

#[test]
fn every_frame_decodes_to_its_field_list() {
    let mut frames = 0;
    for recording in recording::all() {
        let mut channels = Channels::default();
        for frame in &recording.frames {
            let place = format!("{}, frame {}", recording.file, frame.number);
            let Some(body) = frame.body() else {
                assert_eq!(frame.fields, ["0000 80 | keep-alive byte"], "{place}");
                assert_eq!(
                    frame::next(&frame.bytes, 100),
                    (1, Next::Incomplete),
                    "{place}"
                );
                continue;
            };
            let whole = frame.bytes.len();
            assert_eq!(
                frame::next(&frame.bytes, whole),
                (whole, Next::Frame(body)),
                "{place}"
            );
            let message = Message::decode(body).unwrap_or_else(|e| panic!("{place}: {e}"));
            channels.follow(&recording, frame, &message);
            let fields = describe(&recording, &mut channels, frame, &message);
            compare(&fields, &frame.fields, &place);
            frames += 1;
        }
    }
    assert_eq!(frames, 847, "frames in the recordings");
}

#[test]
fn every_frame_encodes_to_the_same_bytes() {
    for recording in recording::all() {
        for frame in &recording.frames {
            let place = format!("{}, frame {}", recording.file, frame.number);
            let Some(body) = frame.body() else { continue };
            let message = Message::decode(body).unwrap();
            let mut bytes = Vec::new();
            message.encode(&mut bytes);
            match message {
                // Clients write a shorter trailer when they offer nothing; see `channels.md`.
                Message::ChannelCreate(_) | Message::ChannelAccept(_) if frame.to_server => {
                    let same = frame.bytes.len() - client_trailer_bytes(&message);
                    assert_eq!(hex(&bytes[4..same]), hex(&frame.bytes[4..same]), "{place}");
                }
                _ => assert_eq!(hex(&bytes), hex(&frame.bytes), "{place}"),
            }
        }
    }
}

#[test]
fn every_payload_encodes_to_the_same_bytes() {
    let mut payloads = 0;
    for recording in recording::all() {
        let mut channels = Channels::default();
        for frame in &recording.frames {
            let place = format!("{}, frame {}", recording.file, frame.number);
            let Some(body) = frame.body() else { continue };
            let message = Message::decode(body).unwrap();
            channels.follow(&recording, frame, &message);
            let Message::ChannelSend(send) = &message else {
                continue;
            };
            let data = if send.encrypted {
                channels.decrypt(frame, send.channel, send.data)
            } else {
                send.data.to_vec()
            };
            let service = channels
                .get(&frame.connection, send.channel)
                .unwrap()
                .service;
            if let Some((kind, again)) = encode_again(service, frame.to_server, send.kind, &data) {
                assert_eq!((kind, hex(&again)), (send.kind, hex(&data)), "{place}");
                payloads += 1;
            }
        }
    }
    assert!(payloads > 200, "{payloads} payloads");
}

#[test]
fn every_recorded_login_yields_its_password() {
    let mut logins = 0;
    for recording in recording::all() {
        let private = recording.server_key();
        for frame in &recording.frames {
            let Some(body) = frame.body() else { continue };
            let Ok(Message::Login(login)) = Message::decode(body) else {
                continue;
            };
            let auth_type = AuthType::from_code(login.auth_type).unwrap();
            let plain = frame.decrypted.as_ref().unwrap();
            let password = match auth_type {
                AuthType::Rc2_40 => plain.clone(),
                // u32 magic, u16 length.
                _ => plain[6..].to_vec(),
            };
            // The other passwords are those of the list; this one was meant to be wrong.
            let right = recording.inputs["passwords"][&frame.connection]
                .as_str()
                .unwrap();
            assert_eq!(
                password == right.as_bytes(),
                !recording.file.starts_with("05")
            );
            let expected = Proof::Password(password.into());
            let open = |magic| auth::open(auth_type, login.auth_data, &private, magic);
            assert_eq!(open(0x0123_4567), expected, "{}", recording.file);
            if auth_type == AuthType::Rc2_128 {
                assert_eq!(open(0x0123_4568), Proof::Unreadable, "a wrong magic");
            }
            logins += 1;
        }
    }
    assert!(logins >= 30, "{logins} logins");
}

/// How many bytes the library writes behind what it calls the end of a CREATE or ACCEPT.
fn client_trailer_bytes(message: &Message<'_>) -> usize {
    let ciphers = match message {
        Message::ChannelCreate(create) => create.offer.is_some(),
        Message::ChannelAccept(accept) => accept.answer.is_some(),
        _ => false,
    };
    if ciphers { 10 } else { 6 }
}

/// Decodes and encodes the payload of a service that this crate knows.
fn encode_again(
    service: ServiceId,
    to_server: bool,
    kind: u16,
    data: &[u8],
) -> Option<(u16, Vec<u8>)> {
    let mut again = Vec::new();
    let kind = match (service, to_server) {
        (ServiceId::AWARENESS, true) => awareness::ClientMessage::decode(kind, data)
            .unwrap()
            .encode(&mut again),
        (ServiceId::AWARENESS, false) => awareness::ServerMessage::decode(kind, data)
            .unwrap()
            .encode(&mut again),
        (ServiceId::RESOLVE, true) => resolve::Request::decode(kind, data)
            .unwrap()
            .encode(&mut again),
        (ServiceId::RESOLVE, false) => resolve::Response::decode(kind, data)
            .unwrap()
            .encode(&mut again),
        (ServiceId::STORAGE, true) => storage::ClientMessage::decode(kind, data)
            .unwrap()
            .encode(&mut again),
        (ServiceId::STORAGE, false) => storage::ServerMessage::decode(kind, data)
            .unwrap()
            .encode(&mut again),
        (ServiceId::IM, _) => ImMessage::decode(kind, data).unwrap().encode(&mut again),
        _ => return None,
    };
    Some((kind, again))
}

/// Stands for the indented lines of something that this crate does not look into.
const NOT_OURS: &str = "not ours";

fn compare(ours: &[String], recorded: &[String], place: &str) {
    let mut recorded = recorded.iter().peekable();
    for our in ours {
        if our == NOT_OURS {
            while recorded.next_if(|line| line.starts_with(' ')).is_some() {}
            continue;
        }
        let line = recorded
            .next()
            .unwrap_or_else(|| panic!("{place}: nothing for {our}"));
        assert_eq!(&shortened(our, line), line, "{place}");
    }
    assert_eq!(recorded.next(), None, "{place}");
}

/// Long values are recorded as their first bytes and the number of the others: `3031..+2`.
fn shortened(our: &str, line: &str) -> String {
    let Some((shown, _)) = line.split_once("..+") else {
        return our.to_owned();
    };
    let (_, first) = shown.rsplit_once(' ').unwrap();
    let (kept, rest) = our.split_at_checked(shown.len()).unwrap();
    let (others, name) = rest.split_once(' ').unwrap_or((rest, ""));
    assert!(first.len() >= 80, "enough is shown to compare");
    format!("{kept}..+{} {name}", others.len() / 2)
        .trim_end()
        .to_owned()
}

/// Writes the field list of a message from its decoded values.
struct Fields {
    lines: Vec<String>,
    offset: usize,
    indent: usize,
}

impl Fields {
    fn put(&mut self, bytes: &[u8], text: &str) {
        let (indent, offset) = (self.indent, self.offset);
        self.lines.push(format!(
            "{:indent$}{offset:04x} {} | {text}",
            "",
            hex(bytes)
        ));
        self.offset += bytes.len();
    }

    fn note(&mut self, indent: usize, text: &str) {
        self.lines.push(format!("{:indent$}{text}", ""));
    }

    fn named_u16(&mut self, name: &str, value: u16, meaning: &str) {
        let text = format!("{name} = {value:#06x} {meaning}");
        self.put(&value.to_be_bytes(), text.trim_end());
    }

    fn u16(&mut self, name: &str, value: u16) {
        self.named_u16(name, value, "");
    }

    fn named_u32(&mut self, name: &str, value: u32, meaning: &str) {
        let text = format!("{name} = {value:#010x} {meaning}");
        self.put(&value.to_be_bytes(), text.trim_end());
    }

    fn u32(&mut self, name: &str, value: u32) {
        self.named_u32(name, value, "");
    }

    fn count(&mut self, name: &str, value: usize) {
        self.u32(name, u32::try_from(value).unwrap());
    }

    fn decimal(&mut self, name: &str, value: usize) {
        let bytes = u32::try_from(value).unwrap().to_be_bytes();
        self.put(&bytes, &format!("{name} = {value}"));
    }

    fn bool(&mut self, name: &str, value: bool) {
        self.put(&[u8::from(value)], &format!("{name} = {value}"));
    }

    fn text(&mut self, name: &str, value: Text<'_>) {
        let mut bytes = u16::try_from(value.len()).unwrap().to_be_bytes().to_vec();
        bytes.extend_from_slice(value.as_bytes());
        self.put(
            &bytes,
            &format!("{name} (string) = \"{}\"", value.to_lossy()),
        );
    }

    /// An opaque whose bytes are shown as they are.
    fn opaque(&mut self, name: &str, value: &[u8]) {
        self.decimal(&format!("{name} length"), value.len());
        if !value.is_empty() {
            self.put(value, name);
        }
    }

    fn code(&mut self, name: &str, code: ReturnCode) {
        let meaning = match code.0 {
            // Of a service that this crate does not speak yet.
            0x0800_0606 => "FILE_TRANSFER_REJECTED",
            // Has a name, but the recordings do not give it.
            0x8000_0002 => "",
            _ => code.name().unwrap_or_default(),
        };
        self.named_u32(name, code.0, meaning);
    }

    fn status(&mut self, name: &str, status: &UserStatus<'_>) {
        let meaning = match status.status {
            Status::OFFLINE => "offline",
            Status::ACTIVE => "active",
            Status::IDLE => "idle",
            Status::AWAY => "away",
            Status::BUSY => "busy",
            _ => "",
        };
        self.named_u16(&format!("{name}.status"), status.status.0, meaning);
        self.decimal(&format!("{name}.time"), status.time.try_into().unwrap());
        self.text(&format!("{name}.desc"), status.desc);
    }

    fn login_info(&mut self, name: &str, info: &LoginInfo<'_>) {
        self.text(&format!("{name}.login_id"), info.login_id);
        self.u16(&format!("{name}.type"), info.login_type);
        self.text(&format!("{name}.user_id"), info.user_id);
        self.text(&format!("{name}.user_name"), info.user_name);
        self.text(&format!("{name}.community"), info.community);
        self.bool(&format!("{name}.full"), info.full.is_some());
        if let Some(full) = &info.full {
            self.text(&format!("{name}.desc"), full.desc);
            self.u32(&format!("{name}.ip_addr"), full.ip_addr);
            self.text(&format!("{name}.server_id"), full.server_id);
        }
    }

    fn optional_login_info(&mut self, flag: &str, name: &str, info: Option<&LoginInfo<'_>>) {
        self.bool(flag, info.is_some());
        if let Some(info) = info {
            self.login_info(name, info);
        }
    }

    fn privacy(&mut self, privacy: &PrivacyInfo<'_>) {
        self.bool("privacy.deny", privacy.deny);
        self.count("privacy.count", privacy.users.len());
        for (i, user) in privacy.users.iter().enumerate() {
            self.bool(&format!("user[{i}].full"), user.name.is_some());
            self.text(&format!("user[{i}].id"), user.id);
            self.text(&format!("user[{i}].community"), user.community);
            if let Some(name) = user.name {
                self.text(&format!("user[{i}].name"), name);
            }
        }
    }

    fn protocol(&mut self, protocol: wire::id::Protocol) {
        let name = match protocol.service {
            ServiceId::CONFERENCE => "CONFERENCE",
            service => service_name(service),
        };
        self.named_u32("service", protocol.service.0, name);
        self.u32("proto_type", protocol.proto_type);
        self.u32("proto_ver", protocol.proto_ver);
    }

    fn encrypt_item(&mut self, name: &str, item: &EncryptItem<'_>) {
        let meaning = if item.cipher == 0 {
            "RC2/40"
        } else {
            "RC2/128"
        };
        self.named_u16(&format!("{name}.cipher"), item.cipher, meaning);
        self.opaque(&format!("{name}.info"), item.info);
    }

    fn policy(&mut self, extra: u16, flag: bool) {
        self.u16("extra (policy repeated)", extra);
        self.bool("flag", flag);
    }

    /// Everything up to the end of the frame.
    fn trailer(&mut self, frame: &Frame) {
        self.put(&frame.bytes[self.offset..], "trailer (ignored)");
    }

    fn aware_id(&mut self, name: &str, id: &AwareId<'_>) {
        self.u16(&format!("{name}.type"), id.kind.0);
        self.text(&format!("{name}.user"), id.user);
        self.text(&format!("{name}.community"), id.community);
    }

    /// `data_start` is where the message data begins; entries end at offsets from there.
    fn entry(&mut self, i: usize, entry: &Entry<'_>, data_start: usize) {
        let mut again = vec![0; self.offset - data_start];
        awareness::put_entry(&mut again, entry);
        self.count(
            &format!("snapshot[{i}].block_end (offset in message data)"),
            again.len(),
        );
        self.aware_id(&format!("snapshot[{i}].id"), &entry.id);
        self.text(&format!("snapshot[{i}].group"), entry.group);
        self.bool(&format!("snapshot[{i}].online"), entry.online.is_some());
        if let Some(online) = &entry.online {
            self.text(&format!("snapshot[{i}].alt_id"), online.alt_id);
            self.status(&format!("snapshot[{i}].status"), &online.status);
            self.text(&format!("snapshot[{i}].name"), online.name);
        }
    }

    fn awareness_from_client(&mut self, message: &awareness::ClientMessage<'_>) {
        use awareness::ClientMessage as M;
        match message {
            M::Add(ids) | M::Remove(ids) => {
                self.count("count", ids.len());
                for (i, id) in ids.iter().enumerate() {
                    self.aware_id(&format!("id[{i}]"), id);
                }
            }
            M::AttrSet { key, value } => {
                self.u32("unknown", 0);
                self.count("length of value", value.len());
                self.u32("unknown", 0);
                self.u32("key", *key);
                self.opaque("value", value);
            }
            M::AttrUnset { key } => {
                self.u32("unknown", 0);
                self.u32("key", *key);
            }
            M::AttrWatch(keys) => {
                self.u32("unknown", 0);
                self.count("count", keys.len());
                for (i, key) in keys.iter().enumerate() {
                    self.u32(&format!("key[{i}]"), *key);
                }
            }
            M::Unknown { kind } => panic!("{kind:#06x}"),
        }
    }

    fn awareness_from_server(&mut self, message: &awareness::ServerMessage<'_>) {
        use awareness::ServerMessage as M;
        let start = self.offset;
        match message {
            M::Snapshot(entries) => {
                self.count("count", entries.len());
                for (i, entry) in entries.iter().enumerate() {
                    self.entry(i, entry, start);
                }
            }
            M::Update(entry) => self.entry(0, entry, start),
            M::Group(id) => self.aware_id("group", id),
            M::AttrGotSet { id, key, value } => {
                self.u32("unknown", 0);
                self.aware_id("id", id);
                self.u32("unknown", 0);
                self.count("length of value", value.len());
                self.u32("unknown", 0);
                self.u32("key", *key);
                self.opaque("value", value);
            }
            M::AttrGotUnset { id, key } => {
                self.u32("unknown", 0);
                self.aware_id("id", id);
                self.u32("key", *key);
            }
            M::AttrDidSet { key } | M::AttrDidUnset { key } => {
                self.u32(
                    "unknown (layout inferred; the library ignores this message)",
                    0,
                );
                self.u32("key", *key);
            }
            M::Unknown { kind } => panic!("{kind:#06x}"),
        }
    }

    fn resolve_request(&mut self, request: &resolve::Request<'_>) {
        self.u32("unknown", 0);
        self.u32("request id", request.id);
        self.count("count", request.queries.len());
        for (i, query) in request.queries.iter().enumerate() {
            self.text(&format!("query[{i}]"), *query);
        }
        self.u32("flags", request.flags);
    }

    fn resolve_response(&mut self, response: &resolve::Response<'_>) {
        self.u32("unknown", 0);
        self.u32("request id", response.id);
        self.code("code", response.code);
        self.count("result count", response.results.len());
        for (i, result) in response.results.iter().enumerate() {
            self.u32(&format!("result[{i}].unknown"), 0);
            self.code(&format!("result[{i}].code"), result.code);
            self.text(&format!("result[{i}].name"), result.name);
            self.count(&format!("result[{i}].match count"), result.matches.len());
            for found in &result.matches {
                self.text("match.id", found.id);
                self.text("match.name", found.name);
                self.text("match.desc", found.desc);
                self.u32("match.type", found.kind);
            }
        }
    }

    fn storage_items(&mut self, items: &[(u32, &[u8])], data_start: usize) {
        self.count("count", items.len());
        for (key, value) in items {
            let end = self.offset - data_start + 12 + value.len();
            self.count("item end offset", end);
            self.u32("key", *key);
            self.opaque("value", value);
        }
    }

    fn storage_from_client(&mut self, message: &storage::ClientMessage<'_>) {
        let start = self.offset;
        match message {
            storage::ClientMessage::Load { id, keys } => {
                self.u32("request id", *id);
                self.count("count", keys.len());
                keys.iter().for_each(|key| self.u32("key", *key));
            }
            storage::ClientMessage::Save { id, items } => {
                self.u32("request id", *id);
                self.storage_items(items, start);
            }
        }
    }

    fn storage_from_server(&mut self, message: &storage::ServerMessage<'_>) {
        let start = self.offset;
        match message {
            storage::ServerMessage::Loaded { id, code, items } => {
                self.u32("request id", *id);
                self.code("result", *code);
                self.storage_items(items, start);
            }
            storage::ServerMessage::Saved { id, code } => {
                self.u32("request id", *id);
                self.code("result", *code);
            }
        }
    }

    fn im(&mut self, message: &ImMessage<'_>) {
        match message {
            ImMessage::Text(text) => {
                self.put(&1_u32.to_be_bytes(), "im type = 1 TEXT");
                self.text("text", *text);
            }
            ImMessage::Data {
                data_type,
                subtype,
                payload,
            } => {
                let name = match data_type {
                    0x1 => "TYPING",
                    0x3 => "SUBJECT",
                    0x4 => "HTML",
                    0x5 => "MIME",
                    0xa => "INVITE",
                    0x1388 => "MULTI_START",
                    0x1389 => "MULTI_STOP",
                    other => panic!("{other:#x}"),
                };
                self.put(&2_u32.to_be_bytes(), "im type = 2 DATA");
                self.put(
                    &data_type.to_be_bytes(),
                    &format!("data type = {data_type:#x} {name}"),
                );
                self.u32("subtype", *subtype);
                if name == "INVITE" {
                    // What is inside belongs to the place service.
                    self.decimal("payload length", payload.len());
                    self.lines.push(NOT_OURS.to_owned());
                } else {
                    self.opaque("payload", payload);
                }
            }
            ImMessage::Unknown { im_type, .. } => panic!("{im_type:#x}"),
        }
    }

    /// The data of a SEND, in clear.
    fn payload(&mut self, channel: &Channel, to_server: bool, kind: u16, data: &[u8]) {
        match (channel.service, to_server) {
            (ServiceId::AWARENESS, true) => {
                self.awareness_from_client(&awareness::ClientMessage::decode(kind, data).unwrap())
            }
            (ServiceId::AWARENESS, false) => {
                self.awareness_from_server(&awareness::ServerMessage::decode(kind, data).unwrap())
            }
            (ServiceId::RESOLVE, true) => {
                self.resolve_request(&resolve::Request::decode(kind, data).unwrap());
            }
            (ServiceId::RESOLVE, false) => {
                self.resolve_response(&resolve::Response::decode(kind, data).unwrap());
            }
            (ServiceId::STORAGE, true) => {
                self.storage_from_client(&storage::ClientMessage::decode(kind, data).unwrap());
            }
            (ServiceId::STORAGE, false) => {
                self.storage_from_server(&storage::ServerMessage::decode(kind, data).unwrap());
            }
            (ServiceId::IM, _) => self.im(&ImMessage::decode(kind, data).unwrap()),
            _ => self.lines.push(NOT_OURS.to_owned()),
        }
    }

    /// Runs `inside` for the lines of something that is nested.
    fn nested(&mut self, indent: usize, inside: impl FnOnce(&mut Self)) {
        let outer = std::mem::replace(&mut self.indent, indent);
        inside(self);
        self.indent = outer;
    }
}

fn service_name(service: ServiceId) -> &'static str {
    match service {
        ServiceId::AWARENESS => "AWARE",
        ServiceId::RESOLVE => "RESOLVE",
        ServiceId::STORAGE => "STORAGE",
        ServiceId::DIRECTORY => "DIRECTORY",
        ServiceId::FILE_TRANSFER => "FILE_TRANSFER",
        ServiceId::IM => "IM",
        ServiceId::PLACE => "PLACE",
        _ => "",
    }
}

fn message_type(message: &Message<'_>) -> (u16, &'static str) {
    match message {
        Message::Handshake(_) => (0x0000, "HANDSHAKE"),
        Message::HandshakeAck(_) => (0x8000, "HANDSHAKE_ACK"),
        Message::Login(_) => (0x0001, "LOGIN"),
        Message::LoginAck(_) => (0x8001, "LOGIN_ACK"),
        Message::LoginRedirect { .. } => (0x0018, "LOGIN_REDIRECT"),
        Message::LoginContinue => (0x0016, "LOGIN_CONTINUE"),
        Message::ChannelCreate(_) => (0x0002, "CHANNEL_CREATE"),
        Message::ChannelAccept(_) => (0x0006, "CHANNEL_ACCEPT"),
        Message::ChannelSend(_) => (0x0004, "CHANNEL_SEND"),
        Message::ChannelDestroy(_) => (0x0003, "CHANNEL_DESTROY"),
        Message::SetUserStatus(_) => (0x0009, "SET_USER_STATUS"),
        Message::SetPrivacyList(_) => (0x000b, "SET_PRIVACY_LIST"),
        Message::SenseService(_) => (0x0011, "SENSE_SERVICE"),
        Message::Admin { .. } => (0x0019, "ADMIN"),
        Message::Announce(_) => (0x0022, "ANNOUNCE"),
        Message::Unknown { kind } => panic!("{kind:#06x}"),
    }
}

fn describe(
    recording: &Recording,
    channels: &mut Channels,
    frame: &Frame,
    message: &Message<'_>,
) -> Vec<String> {
    let f = &mut Fields {
        lines: Vec::new(),
        offset: 0,
        indent: 0,
    };
    f.decimal("frame length", frame.bytes.len() - 4);
    let (kind, name) = message_type(message);
    f.named_u16("type", kind, name);
    let (options, channel) = match message {
        Message::ChannelSend(send) => (if send.encrypted { 0x4000 } else { 0 }, send.channel),
        Message::ChannelAccept(accept) => (0, accept.channel),
        Message::ChannelDestroy(destroy) => (0, destroy.channel),
        _ => (0, ChannelId::MASTER),
    };
    f.u16("options", options);
    f.u32("channel", channel.0);
    match message {
        Message::Handshake(m) => {
            f.u16("major", m.major);
            f.u16("minor", m.minor);
            f.u32("reserved", 0);
            f.u32("srvrcalc_addr", m.srvrcalc_addr);
            f.u16("login_type", m.login_type);
            f.u32("loclcalc_addr", m.loclcalc_addr);
            if let Some(tail) = &m.tail {
                f.u16("unknown_a", tail.unknown_a);
                f.u32("unknown_b", tail.unknown_b);
                f.text("local_host", tail.local_host);
            }
        }
        Message::HandshakeAck(m) => {
            f.u16("major", m.major);
            f.u16("minor", m.minor);
            f.u32("srvrcalc_addr", m.srvrcalc_addr);
            if let Some(challenge) = &m.challenge {
                f.u32("magic", challenge.magic);
                f.opaque("DH public key", challenge.key);
            }
        }
        Message::Login(m) => {
            f.u16("login_type", m.login_type);
            f.text("name", m.name);
            f.decimal("auth_data length", m.auth_data.len());
            f.nested(2, |f| describe_auth(f, recording, frame, m));
            f.u16("auth_type", m.auth_type);
            f.u16("unknown", m.unknown);
        }
        Message::LoginAck(m) => {
            f.login_info("login", &m.login);
            f.u16("unknown", m.unknown);
            f.privacy(&m.privacy);
            f.status("status", &m.status);
        }
        Message::LoginRedirect { host, server_id } => {
            f.text("host", *host);
            f.text("server_id", *server_id);
        }
        Message::LoginContinue => {}
        Message::ChannelCreate(m) => {
            f.u32("reserved", m.reserved);
            f.u32("new channel id", m.channel.0);
            f.text("target.user", m.target.user);
            f.text("target.community", m.target.community);
            f.protocol(m.protocol);
            f.u32("options", m.options);
            f.decimal("addtl length", m.addtl.len());
            f.nested(2, |f| {
                if m.protocol.service == ServiceId::IM {
                    let addtl = CreateAddtl::decode(m.addtl).unwrap();
                    f.u32("im.a", addtl.a);
                    f.u32("im.features", addtl.features);
                } else {
                    f.offset += m.addtl.len();
                    f.lines.push(NOT_OURS.to_owned());
                }
            });
            f.optional_login_info("creator_flag", "creator", m.creator.as_ref());
            f.u16("encrypt.mode", m.mode);
            match &m.offer {
                None => f.decimal("encrypt.offer length", 0),
                Some(offer) => {
                    let items = offer
                        .items
                        .iter()
                        .map(|item| 6 + item.info.len())
                        .sum::<usize>();
                    f.decimal("encrypt.offer length", 7 + items);
                    f.nested(2, |f| {
                        f.count("count", offer.items.len());
                        for (i, item) in offer.items.iter().enumerate() {
                            f.encrypt_item(&format!("item[{i}]"), item);
                        }
                        f.policy(offer.extra, offer.flag);
                    });
                }
            }
            f.trailer(frame);
        }
        Message::ChannelAccept(m) => {
            f.protocol(m.protocol);
            f.decimal("addtl length", m.addtl.len());
            f.nested(2, |f| {
                if m.protocol.service == ServiceId::IM {
                    let addtl = AcceptAddtl::decode(m.addtl).unwrap();
                    f.u32("im.a", addtl.a);
                    f.u32("im.features", addtl.features);
                    f.u32("im.c", addtl.c);
                    f.status("status", &addtl.status);
                } else {
                    f.offset += m.addtl.len();
                    f.lines.push(NOT_OURS.to_owned());
                }
            });
            f.optional_login_info("acceptor_flag", "acceptor", m.acceptor.as_ref());
            f.u16("encrypt.mode", m.mode);
            match &m.answer {
                None => f.decimal("encrypt.accept length", 0),
                Some(CipherAnswer { item, extra, flag }) => {
                    f.decimal("encrypt.accept length", 9 + item.info.len());
                    f.nested(2, |f| {
                        f.encrypt_item("item", item);
                        f.policy(*extra, *flag);
                    });
                }
            }
            f.trailer(frame);
            let channel = channels.get(&frame.connection, channel).unwrap();
            if let Some(cipher) = &channel.cipher {
                f.note(5, &cipher.keys);
            }
        }
        Message::ChannelSend(m) => {
            f.u16("message type", m.kind);
            f.decimal("data length", m.data.len());
            if m.encrypted {
                f.put(m.data, "data (encrypted)");
                let plain = channels.decrypt(frame, channel, m.data);
                assert_eq!(frame.decrypted.as_ref(), Some(&plain), "{}", recording.file);
                f.note(5, &format!("decrypted = {}", hex(&plain)));
                f.offset = 0;
                let channel = channels.get(&frame.connection, channel).unwrap();
                f.nested(4, |f| f.payload(channel, frame.to_server, m.kind, &plain));
            } else {
                let channel = channels.get(&frame.connection, channel).unwrap();
                f.nested(4, |f| f.payload(channel, frame.to_server, m.kind, m.data));
            }
        }
        Message::ChannelDestroy(m) => {
            f.code("reason", m.reason);
            f.opaque("data", m.data);
        }
        Message::SetUserStatus(status) => f.status("status", status),
        Message::SetPrivacyList(privacy) => f.privacy(privacy),
        Message::SenseService(service) => {
            f.named_u32("service", service.0, service_name(*service));
        }
        Message::Admin { text } => f.text("text", *text),
        Message::Announce(m) => {
            f.optional_login_info("sender_present", "sender", m.sender.as_ref());
            f.u16("unknown", m.unknown);
            f.decimal("body length", 3 + m.text.len());
            f.nested(2, |f| {
                f.bool("may_reply", m.may_reply);
                f.text("text", m.text);
            });
            f.count("recipient count", m.recipients.len());
            for (i, recipient) in m.recipients.iter().enumerate() {
                f.text(&format!("recipient[{i}]"), *recipient);
            }
        }
        Message::Unknown { kind } => panic!("{kind:#06x}"),
    }
    std::mem::take(&mut f.lines)
}

fn describe_auth(
    f: &mut Fields,
    recording: &Recording,
    frame: &Frame,
    login: &wire::message::Login<'_>,
) {
    let r = &mut Reader::new(login.auth_data);
    let plain = hex(frame.decrypted.as_ref().unwrap());
    let mut readable = String::new();
    if login.auth_type == AuthType::Rc2_40.code() {
        readable = format!(" '{}'", Text(frame.decrypted.as_ref().unwrap()).to_lossy());
        f.opaque("RC2 key (random, sent in clear)", r.opaque("key").unwrap());
        f.opaque("encrypted password", r.opaque("cipher").unwrap());
    } else {
        f.u16("version", r.u16("version").unwrap());
        let public = r.opaque("public").unwrap();
        f.opaque("client DH public key", public);
        f.opaque(
            "encrypted {u32 magic, string password}",
            r.opaque("cipher").unwrap(),
        );
        let key = hex(&recording.server_key().agree(public).unwrap()[..]);
        // The whole secret does not leave the key agreement; its end is the key.
        let secret = frame
            .fields
            .iter()
            .find(|line| line.contains("shared secret = "))
            .unwrap();
        assert!(secret.ends_with(&key));
        f.lines.push(secret.clone());
        f.note(5, &format!("RC2 key = last 16 bytes = {key}"));
    }
    f.note(5, &format!("decrypted = {plain}{readable}"));
}
