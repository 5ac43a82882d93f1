//! What is heard from the server while the login holds, and the [`Event`]s that it becomes.
//!
//! Source: `docs/protocol/connection.md`, `docs/protocol/channels.md`.

use super::conversation::{Conversation, Offered, State as ConversationState};
use super::event::owned;
use super::{
    CONVERSATIONS_MAX, Client, Event, Peer, Presence, Resolved, State, StatusText, put_destroy,
};
use crate::code::ReturnCode;
use crate::codec::DecodeError;
use crate::id::{ChannelId, Protocol, ServiceId};
use crate::message::{ChannelAccept, ChannelCreate, ChannelSend, LoginInfo, Message};
use crate::service::im::{CreateAddtl, ImMessage};
use crate::service::{awareness, resolve, storage};

impl Client {
    pub(super) fn receive_active(
        &mut self,
        message: Message<'_>,
        out: &mut Vec<u8>,
        events: &mut Vec<Event>,
    ) -> Result<(), DecodeError> {
        match message {
            Message::SetUserStatus(status) => {
                events.push(Event::OwnStatus(StatusText::from(&status)));
            }
            Message::SetPrivacyList(privacy) => events.push(Event::Privacy {
                deny: privacy.deny,
                users: privacy.users.iter().map(|user| owned(user.id)).collect(),
            }),
            Message::SenseService(service) => {
                events.push(Event::Sensed(service));
                self.reopen_service(service, out);
            }
            Message::Admin { text } => events.push(Event::Admin { text: owned(text) }),
            Message::Announce(announce) => events.push(Event::Announcement {
                from: announce.sender.as_ref().map(Peer::from).unwrap_or_default(),
                may_reply: announce.may_reply,
                text: owned(announce.text),
            }),
            Message::ChannelCreate(create) => self.offered(&create, out, events),
            Message::ChannelAccept(accept) => self.accepted(&accept, out, events),
            Message::ChannelSend(send) => return self.heard(&send, out, events),
            Message::ChannelDestroy(destroy) => {
                self.destroyed(destroy.channel, destroy.reason, out, events);
            }
            Message::Handshake(_)
            | Message::HandshakeAck(_)
            | Message::Login(_)
            | Message::LoginAck(_)
            | Message::LoginRedirect { .. }
            | Message::LoginContinue
            | Message::Unknown { .. } => {}
        }
        Ok(())
    }

    /// Someone opens a channel to this client.
    fn offered(&mut self, create: &ChannelCreate<'_>, out: &mut Vec<u8>, events: &mut Vec<Event>) {
        let channel = create.channel;
        let refusal = if channel.0 & ChannelId::FIRST_FROM_SERVER.0 < 0x8000_0000 {
            Some(ReturnCode::REQUEST_INVALID)
        } else if self.conversations.contains_key(&channel) {
            Some(ReturnCode::CHANNEL_EXISTS)
        } else if self.conversations.len() >= CONVERSATIONS_MAX {
            Some(ReturnCode::STARVING)
        } else if create.protocol != Protocol::IM {
            Some(ReturnCode::SERVICE_NO_SUPPORT)
        } else {
            None
        };
        if let Some(reason) = refusal {
            put_destroy(out, channel, reason);
            return;
        }
        let features = match CreateAddtl::decode(create.addtl) {
            Ok(CreateAddtl { a: 1, features }) => features,
            Ok(_) => return put_destroy(out, channel, ReturnCode::IM_NOT_REGISTERED),
            Err(_) => return put_destroy(out, channel, ReturnCode::FAILURE),
        };
        let creator = create.creator.unwrap_or_default();
        let login_id = creator.login_id.as_bytes();
        match Offered::new(features, create.mode, create.offer.as_ref(), login_id) {
            Some(offered) => {
                let state = ConversationState::Offered(Box::new(offered));
                self.conversations
                    .insert(channel, Box::new(Conversation::new(state)));
                events.push(Event::ImOffered {
                    channel,
                    from: Peer::from(&creator),
                    features,
                });
            }
            None => put_destroy(out, channel, ReturnCode::NO_COMMON_ENCRYPT),
        }
    }

    /// A channel that this client opened is open.
    fn accepted(&mut self, accept: &ChannelAccept<'_>, out: &mut Vec<u8>, events: &mut Vec<Event>) {
        let channel = accept.channel;
        if let Some(service) = self
            .services
            .iter_mut()
            .find(|s| s.channel == Some(channel))
        {
            service.open = true;
            events.push(Event::ServiceOpened(service.protocol.service));
            return;
        }
        let State::Active(me) = &self.state else {
            return;
        };
        let Some(conversation) = self.conversations.get_mut(&channel) else {
            return;
        };
        let ConversationState::Opening(offer) = conversation.state else {
            return;
        };
        let acceptor: LoginInfo<'_> = accept.acceptor.unwrap_or_default();
        // The cipher counts only if the policy says so too.
        let answer = accept.answer.as_ref().filter(|_| accept.mode != 0);
        match conversation.open_accepted(
            offer,
            answer,
            me.login_id.as_bytes(),
            acceptor.login_id.as_bytes(),
            &self.conversation_key,
        ) {
            Ok(cipher) => events.push(Event::ImOpened { channel, cipher }),
            Err(_) => self.fail(channel, ReturnCode::REQUEST_INVALID, out, events),
        }
    }

    /// Data on a channel. Unknown channels are normal: both sides may close at once.
    fn heard(
        &mut self,
        send: &ChannelSend<'_>,
        out: &mut Vec<u8>,
        events: &mut Vec<Event>,
    ) -> Result<(), DecodeError> {
        let channel = send.channel;
        let service = self.services.iter().find(|s| s.channel == Some(channel));
        match service.map(|service| service.protocol.service) {
            Some(ServiceId::AWARENESS) => return heard_awareness(send, events),
            Some(ServiceId::RESOLVE) => {
                let response = resolve::Response::decode(send.kind, send.data)?;
                events.push(Event::Resolved {
                    id: response.id,
                    code: response.code,
                    results: response.results.iter().map(Resolved::from).collect(),
                });
            }
            Some(_) => heard_storage(send, events)?,
            None => {}
        }
        let Some(conversation) = self.conversations.get_mut(&channel) else {
            return Ok(());
        };
        let ConversationState::Open = conversation.state else {
            return Ok(());
        };
        let deciphered;
        let data = if send.encrypted {
            match conversation.unseal(send.data) {
                Ok(plain) => {
                    deciphered = plain;
                    &deciphered
                }
                Err(_) => {
                    self.fail(channel, ReturnCode::BAD_DATA, out, events);
                    return Ok(());
                }
            }
        } else {
            send.data
        };
        let message = ImMessage::decode(send.kind, data)?;
        if let Some(said) = conversation.hear(&message) {
            events.push(Event::Im { channel, said });
        }
        Ok(())
    }

    fn destroyed(
        &mut self,
        channel: ChannelId,
        reason: ReturnCode,
        out: &mut Vec<u8>,
        events: &mut Vec<Event>,
    ) {
        if let Some(service) = self
            .services
            .iter_mut()
            .find(|s| s.channel == Some(channel))
        {
            service.channel = None;
            service.open = false;
            let id = service.protocol.service;
            events.push(Event::ServiceClosed {
                service: id,
                reason,
            });
            // The library asks for these two; it waits for news of the awareness service.
            if id != ServiceId::AWARENESS {
                Message::SenseService(id).encode(out);
            }
        } else if self.conversations.remove(&channel).is_some() {
            events.push(Event::ImClosed { channel, reason });
        }
    }

    /// Ends a conversation that cannot go on.
    fn fail(
        &mut self,
        channel: ChannelId,
        reason: ReturnCode,
        out: &mut Vec<u8>,
        events: &mut Vec<Event>,
    ) {
        self.close_im(channel, reason, out);
        events.push(Event::ImClosed { channel, reason });
    }
}

fn heard_awareness(send: &ChannelSend<'_>, events: &mut Vec<Event>) -> Result<(), DecodeError> {
    use awareness::ServerMessage as Heard;
    events.push(match Heard::decode(send.kind, send.data)? {
        Heard::Snapshot(entries) => Event::Snapshot(entries.iter().map(Presence::from).collect()),
        Heard::Update(entry) => Event::Presence(Presence::from(&entry)),
        Heard::Group(id) => Event::Group { id: owned(id.user) },
        Heard::AttrGotSet { id, key, value } => Event::Attribute {
            user: owned(id.user),
            key,
            value: Some(value.to_vec()),
        },
        Heard::AttrGotUnset { id, key } => Event::Attribute {
            user: owned(id.user),
            key,
            value: None,
        },
        Heard::AttrDidSet { .. } | Heard::AttrDidUnset { .. } | Heard::Unknown { .. } => {
            return Ok(());
        }
    });
    Ok(())
}

fn heard_storage(send: &ChannelSend<'_>, events: &mut Vec<Event>) -> Result<(), DecodeError> {
    events.push(
        match storage::ServerMessage::decode(send.kind, send.data)? {
            storage::ServerMessage::Loaded { id, code, items } => Event::Loaded {
                id,
                code,
                items: items
                    .iter()
                    .map(|(key, value)| (*key, value.to_vec()))
                    .collect(),
            },
            storage::ServerMessage::Saved { id, code } => Event::Saved { id, code },
        },
    );
    Ok(())
}
