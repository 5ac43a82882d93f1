//! Whatever is written can be read again, and whatever is read never panics.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use wire::client::{Client, ClientConfig};
use wire::frame::{self, Next};
use wire::id::Protocol;
use wire::message::*;
use wire::server::{AuthType, Server};
use wire::service::awareness::{self, AwareId, AwareKind, Entry, Online};
use wire::service::im::{AcceptAddtl, CreateAddtl, ImMessage};
use wire::service::{resolve, storage};
use wire::{ChannelId, Message, ReturnCode, ServiceId, Status, Text};

/// Messages borrow, strategies own: the bytes of a test's messages live as long as the test.
fn bytes() -> impl Strategy<Value = &'static [u8]> {
    vec(any::<u8>(), 0..40).prop_map(|bytes| &*bytes.leak())
}

fn text() -> impl Strategy<Value = Text<'static>> {
    bytes().prop_map(Text)
}

fn login_info() -> impl Strategy<Value = LoginInfo<'static>> {
    let full =
        (text(), any::<u32>(), text()).prop_map(|(desc, ip_addr, server_id)| LoginInfoFull {
            desc,
            ip_addr,
            server_id,
        });
    (
        text(),
        any::<u16>(),
        text(),
        text(),
        text(),
        option::of(full),
    )
        .prop_map(
            |(login_id, login_type, user_id, user_name, community, full)| LoginInfo {
                login_id,
                login_type,
                user_id,
                user_name,
                community,
                full,
            },
        )
}

fn status() -> impl Strategy<Value = UserStatus<'static>> {
    (any::<u16>(), any::<u32>(), text()).prop_map(|(status, time, desc)| UserStatus {
        status: Status(status),
        time,
        desc,
    })
}

fn privacy() -> impl Strategy<Value = PrivacyInfo<'static>> {
    let user = (text(), text(), option::of(text())).prop_map(|(id, community, name)| UserItem {
        id,
        community,
        name,
    });
    (any::<bool>(), vec(user, 0..4)).prop_map(|(deny, users)| PrivacyInfo { deny, users })
}

fn protocol() -> impl Strategy<Value = Protocol> {
    any::<[u32; 3]>().prop_map(|[service, proto_type, proto_ver]| Protocol {
        service: ServiceId(service),
        proto_type,
        proto_ver,
    })
}

fn encrypt_item() -> impl Strategy<Value = EncryptItem<'static>> {
    (any::<u16>(), bytes()).prop_map(|(cipher, info)| EncryptItem { cipher, info })
}

fn handshake() -> impl Strategy<Value = Handshake<'static>> {
    let tail =
        (any::<u16>(), any::<u32>(), text()).prop_map(|(unknown_a, unknown_b, local_host)| {
            HandshakeTail {
                unknown_a,
                unknown_b,
                local_host,
            }
        });
    (any::<[u16; 3]>(), any::<[u32; 2]>(), option::of(tail)).prop_map(
        |([major, minor, login_type], [srvrcalc_addr, loclcalc_addr], tail)| Handshake {
            major,
            minor,
            srvrcalc_addr,
            login_type,
            loclcalc_addr,
            // Only these versions have it.
            tail: tail.filter(|_| major >= 0x1e && minor >= 0x1d),
        },
    )
}

fn handshake_ack() -> impl Strategy<Value = HandshakeAck<'static>> {
    (any::<[u16; 2]>(), any::<[u32; 2]>(), bytes()).prop_map(
        |([major, minor], [srvrcalc_addr, magic], key)| HandshakeAck {
            major,
            minor,
            srvrcalc_addr,
            challenge: (major >= 0x1e && minor > 0x18).then_some(Challenge { magic, key }),
        },
    )
}

fn create() -> impl Strategy<Value = ChannelCreate<'static>> {
    let offer = (vec(encrypt_item(), 0..4), any::<u16>(), any::<bool>())
        .prop_map(|(items, extra, flag)| CipherOffer { items, extra, flag });
    let head = (any::<[u32; 3]>(), text(), text(), protocol(), bytes());
    (
        head,
        option::of(login_info()),
        any::<u16>(),
        option::of(offer),
    )
        .prop_map(
            |(
                ([reserved, channel, options], user, community, protocol, addtl),
                creator,
                mode,
                offer,
            )| {
                ChannelCreate {
                    reserved,
                    channel: ChannelId(channel),
                    target: IdBlock { user, community },
                    protocol,
                    options,
                    addtl,
                    creator,
                    mode,
                    offer,
                }
            },
        )
}

fn accept() -> impl Strategy<Value = ChannelAccept<'static>> {
    let answer = (encrypt_item(), any::<u16>(), any::<bool>())
        .prop_map(|(item, extra, flag)| CipherAnswer { item, extra, flag });
    let tail = (option::of(login_info()), any::<u16>(), option::of(answer));
    (any::<u32>(), protocol(), bytes(), tail).prop_map(
        |(channel, protocol, addtl, (acceptor, mode, answer))| ChannelAccept {
            channel: ChannelId(channel),
            protocol,
            addtl,
            acceptor,
            mode,
            answer,
        },
    )
}

fn message() -> impl Strategy<Value = Message<'static>> {
    let login = (any::<[u16; 3]>(), text(), bytes()).prop_map(
        |([login_type, auth_type, unknown], name, auth_data)| Login {
            login_type,
            name,
            auth_data,
            auth_type,
            unknown,
        },
    );
    let login_ack = (login_info(), any::<u16>(), privacy(), status()).prop_map(
        |(login, unknown, privacy, status)| LoginAck {
            login,
            unknown,
            privacy,
            status,
        },
    );
    let send = (any::<u32>(), any::<bool>(), any::<u16>(), bytes()).prop_map(
        |(channel, encrypted, kind, data)| ChannelSend {
            channel: ChannelId(channel),
            encrypted,
            kind,
            data,
        },
    );
    let destroy =
        (any::<[u32; 2]>(), bytes()).prop_map(|([channel, reason], data)| ChannelDestroy {
            channel: ChannelId(channel),
            reason: ReturnCode(reason),
            data,
        });
    let announce = (
        option::of(login_info()),
        any::<u16>(),
        any::<bool>(),
        text(),
        vec(text(), 0..4),
    )
        .prop_map(|(sender, unknown, may_reply, text, recipients)| Announce {
            sender,
            unknown,
            may_reply,
            text,
            recipients,
        });
    prop_oneof![
        handshake().prop_map(Message::Handshake),
        handshake_ack().prop_map(Message::HandshakeAck),
        login.prop_map(Message::Login),
        login_ack.prop_map(Message::LoginAck),
        (text(), text()).prop_map(|(host, server_id)| Message::LoginRedirect { host, server_id }),
        Just(Message::LoginContinue),
        create().prop_map(Message::ChannelCreate),
        accept().prop_map(Message::ChannelAccept),
        send.prop_map(Message::ChannelSend),
        destroy.prop_map(Message::ChannelDestroy),
        status().prop_map(Message::SetUserStatus),
        privacy().prop_map(Message::SetPrivacyList),
        any::<u32>().prop_map(|service| Message::SenseService(ServiceId(service))),
        text().prop_map(|text| Message::Admin { text }),
        announce.prop_map(Message::Announce),
        (0x1000_u16..0x8000).prop_map(|kind| Message::Unknown { kind }),
    ]
}

fn aware_id() -> impl Strategy<Value = AwareId<'static>> {
    (any::<u16>(), text(), text()).prop_map(|(kind, user, community)| AwareId {
        kind: AwareKind(kind),
        user,
        community,
    })
}

fn awareness_from_client() -> impl Strategy<Value = awareness::ClientMessage<'static>> {
    use awareness::ClientMessage as M;
    prop_oneof![
        vec(aware_id(), 0..5).prop_map(M::Add),
        vec(aware_id(), 0..5).prop_map(M::Remove),
        (any::<u32>(), bytes()).prop_map(|(key, value)| M::AttrSet { key, value }),
        any::<u32>().prop_map(|key| M::AttrUnset { key }),
        vec(any::<u32>(), 0..5).prop_map(M::AttrWatch),
        (0x1000_u16..).prop_map(|kind| M::Unknown { kind }),
    ]
}

fn awareness_from_server() -> impl Strategy<Value = awareness::ServerMessage<'static>> {
    use awareness::ServerMessage as M;
    let entry = || {
        let online = (text(), status(), text()).prop_map(|(alt_id, status, name)| Online {
            alt_id,
            status,
            name,
        });
        (aware_id(), text(), option::of(online)).prop_map(|(id, group, online)| Entry {
            id,
            group,
            online,
        })
    };
    prop_oneof![
        vec(entry(), 0..5).prop_map(M::Snapshot),
        entry().prop_map(M::Update),
        aware_id().prop_map(M::Group),
        (aware_id(), any::<u32>(), bytes()).prop_map(|(id, key, value)| M::AttrGotSet {
            id,
            key,
            value
        }),
        (aware_id(), any::<u32>()).prop_map(|(id, key)| M::AttrGotUnset { id, key }),
        any::<u32>().prop_map(|key| M::AttrDidSet { key }),
        any::<u32>().prop_map(|key| M::AttrDidUnset { key }),
        (0x1000_u16..).prop_map(|kind| M::Unknown { kind }),
    ]
}

fn im() -> impl Strategy<Value = ImMessage<'static>> {
    prop_oneof![
        text().prop_map(ImMessage::Text),
        (any::<u32>(), any::<u32>(), bytes()).prop_map(|(data_type, subtype, payload)| {
            ImMessage::Data {
                data_type,
                subtype,
                payload,
            }
        }),
        (3_u32.., bytes()).prop_map(|(im_type, rest)| ImMessage::Unknown { im_type, rest }),
    ]
}

fn resolve_response() -> impl Strategy<Value = resolve::Response<'static>> {
    let found = (text(), text(), text(), any::<u32>()).prop_map(|(id, name, desc, kind)| {
        resolve::ResolveMatch {
            id,
            name,
            desc,
            kind,
        }
    });
    let result = (any::<u32>(), text(), vec(found, 0..4)).prop_map(|(code, name, matches)| {
        resolve::ResolveResult {
            code: ReturnCode(code),
            name,
            matches,
        }
    });
    (any::<[u32; 2]>(), vec(result, 0..4)).prop_map(|([id, code], results)| resolve::Response {
        id,
        code: ReturnCode(code),
        results,
    })
}

fn items() -> impl Strategy<Value = Vec<(u32, &'static [u8])>> {
    vec((any::<u32>(), bytes()), 0..4)
}

proptest! {
    #[test]
    fn messages(message in message(), trailing in bytes()) {
        let mut out = b"before".to_vec();
        message.encode(&mut out);
        let whole = out.len() - 6;
        let (consumed, next) = frame::next(&out[6..], frame::FRAME_BYTES_MAX);
        prop_assert_eq!(consumed, whole);
        let Next::Frame(body) = next else { panic!("{next:?}") };
        prop_assert_eq!(Message::decode(body), Ok(message.clone()));

        // Newer clients append fields. (Only old handshakes cannot tell, by design.)
        let mut longer = body.to_vec();
        longer.extend_from_slice(trailing);
        if !matches!(message, Message::Handshake(Handshake { tail: None, .. })) {
            prop_assert_eq!(Message::decode(&longer), Ok(message));
        }
    }

    #[test]
    fn a_message_cut_short_is_an_error_or_a_known_short_form(message in message()) {
        let mut out = Vec::new();
        message.encode(&mut out);
        for end in 4..out.len() {
            if let Ok(short) = Message::decode(&out[4..end]) {
                // Nobody reads the trailers; these two may lack their last fields.
                prop_assert!(matches!(
                    short,
                    Message::ChannelCreate(_)
                        | Message::ChannelAccept(_)
                        | Message::Handshake(_)
                        | Message::Login(_)
                ), "{short:?}");
            }
        }
    }

    #[test]
    fn awareness_payloads(client in awareness_from_client(), server in awareness_from_server()) {
        let mut data = Vec::new();
        let kind = client.encode(&mut data);
        prop_assert_eq!(awareness::ClientMessage::decode(kind, &data), Ok(client));
        data.clear();
        let kind = server.encode(&mut data);
        prop_assert_eq!(awareness::ServerMessage::decode(kind, &data), Ok(server));
    }

    #[test]
    fn im_payloads(said in im(), numbers in any::<[u32; 3]>(), status in status()) {
        let mut data = Vec::new();
        let kind = said.encode(&mut data);
        prop_assert_eq!(ImMessage::decode(kind, &data), Ok(said));
        let [a, features, c] = numbers;
        data.clear();
        let create = CreateAddtl { a, features };
        create.encode(&mut data);
        prop_assert_eq!(CreateAddtl::decode(&data), Ok(create));
        data.clear();
        let accept = AcceptAddtl { a, features, c, status };
        accept.encode(&mut data);
        prop_assert_eq!(AcceptAddtl::decode(&data), Ok(accept));
    }

    #[test]
    fn resolve_payloads(
        id in any::<u32>(),
        flags in any::<u32>(),
        queries in vec(text(), 0..5),
        response in resolve_response(),
    ) {
        let mut data = Vec::new();
        let request = resolve::Request { id, queries, flags };
        let kind = request.encode(&mut data);
        prop_assert_eq!(resolve::Request::decode(kind, &data), Ok(request));
        prop_assert_eq!(resolve::request_id(&data), Some(id));
        data.clear();
        let kind = response.encode(&mut data);
        prop_assert_eq!(resolve::Response::decode(kind, &data), Ok(response));
    }

    #[test]
    fn storage_payloads(
        id in any::<u32>(),
        code in any::<u32>(),
        keys in vec(any::<u32>(), 0..5),
        items in items(),
    ) {
        let code = ReturnCode(code);
        for message in [
            storage::ClientMessage::Load { id, keys },
            storage::ClientMessage::Save { id, items: items.clone() },
        ] {
            let mut data = Vec::new();
            let kind = message.encode(&mut data);
            prop_assert_eq!(storage::ClientMessage::decode(kind, &data), Ok(message));
            prop_assert_eq!(storage::request_id(&data), Some(id));
        }
        for message in [
            storage::ServerMessage::Loaded { id, code, items },
            storage::ServerMessage::Saved { id, code },
        ] {
            let mut data = Vec::new();
            let kind = message.encode(&mut data);
            prop_assert_eq!(storage::ServerMessage::decode(kind, &data), Ok(message));
        }
    }

    #[test]
    fn a_stream_of_frames_cut_anywhere(
        messages in vec(message(), 1..5),
        between in vec(0x80_u8.., 0..3),
        piece_bytes in 1_usize..50,
    ) {
        let (mut stream, mut expected) = (Vec::new(), Vec::new());
        for message in &messages {
            stream.extend_from_slice(&between);
            // Frames without a message mean nothing.
            stream.extend_from_slice(&[0; 4]);
            let start = stream.len();
            message.encode(&mut stream);
            expected.push(stream[start + 4..].to_vec());
        }
        let (mut buffer, mut found) = (Vec::new(), Vec::new());
        for piece in stream.chunks(piece_bytes) {
            buffer.extend_from_slice(piece);
            loop {
                let (consumed, next) = frame::next(&buffer, frame::FRAME_BYTES_MAX);
                let done = match next {
                    Next::Frame(body) => { found.push(body.to_vec()); false }
                    Next::Incomplete => true,
                    Next::TooLarge { length } => panic!("{length}"),
                };
                buffer.drain(..consumed);
                if done { break }
            }
        }
        prop_assert_eq!(found, expected);
        prop_assert!(buffer.is_empty());
    }

    #[test]
    fn arbitrary_bytes_never_panic(data in vec(any::<u8>(), 0..200), kind in any::<u16>()) {
        let _ = frame::next(&data, 100);
        let _ = Message::decode(&data);
        // Most types are unknown, so those that are known are tried as well.
        for kind in [kind, 2, 4, 5, 6, 7, 0x64, 0x68, 0x69, 0xc9, 0xcb, 0x1f4, 0x1f5, 0x259] {
            let mut frame = kind.to_be_bytes().to_vec();
            frame.extend_from_slice(&[0, 0, 0, 0, 0, 0]);
            frame.extend_from_slice(&data);
            let _ = Message::decode(&frame);
            let _ = awareness::ClientMessage::decode(kind, &data);
            let _ = awareness::ServerMessage::decode(kind, &data);
            let _ = ImMessage::decode(kind, &data);
            let _ = resolve::Request::decode(kind, &data);
            let _ = resolve::Response::decode(kind, &data);
            let _ = storage::ClientMessage::decode(kind, &data);
            let _ = storage::ServerMessage::decode(kind, &data);
        }
        let _ = (CreateAddtl::decode(&data), AcceptAddtl::decode(&data));
        let _ = wire::cipher::dh::validate_public(&data);
    }

    #[test]
    fn both_halves_take_messages_in_any_order(
        messages in vec(message(), 0..20),
        seed in any::<u64>(),
    ) {
        use rand::SeedableRng;
        let rng = &mut rand::rngs::StdRng::seed_from_u64(seed);
        let mut server = Server::new();
        let mut client = Client::new(ClientConfig::new("alice", "secret"), rng);
        let (mut out, mut events) = (Vec::new(), Vec::new());
        client.start(&mut out);
        for message in &messages {
            let mut frame = Vec::new();
            message.encode(&mut frame);
            let _ = server.receive(&frame[4..], 0, AuthType::Plain, rng, &mut out);
            server.accepted();
            client.receive(&frame, &mut out, &mut events);
        }
    }
}
