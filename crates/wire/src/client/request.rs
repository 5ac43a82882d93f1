//! What the application asks for: status, watching, lookup, settings and conversations.
//!
//! A request that makes no sense now is refused with a [`ClientError`] and sends nothing, except
//! that [`Client::accept_im`] with a bad key refuses the channel.
//!
//! Source: `docs/protocol/connection.md`, `docs/protocol/channels.md`.

use super::conversation::{Conversation, State as ConversationState};
use super::{AwareId, Cipher, Client, Offer, State, put_destroy};
use crate::cipher::dh::PUBLIC_BYTES;
use crate::code::{ReturnCode, Status};
use crate::codec::{TEXT_BYTES_MAX, Text};
use crate::frame;
use crate::id::{ChannelId, Protocol, ServiceId};
use crate::message::{
    Announce, ChannelAccept, ChannelCreate, IdBlock, Message, PrivacyInfo, UserItem, UserStatus,
};
use crate::service::im::{AcceptAddtl, CreateAddtl, ImMessage, PIECE_BYTES_MAX, data_type};
use crate::service::{awareness, resolve, storage};

/// A request that makes no sense now. Nothing was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The login does not hold (yet, or any more).
    #[error("not logged in")]
    NotLoggedIn,
    /// The channel of this service or conversation is not open.
    #[error("the channel is not open")]
    NotOpen,
    /// A text beyond [`TEXT_BYTES_MAX`] bytes.
    #[error("the text is too long")]
    TextTooLong,
    /// The ciphers of the other side are of no use; the channel is closed.
    #[error("no common cipher")]
    NoCipher,
}

impl Client {
    /// Says how one is.
    ///
    /// # Errors
    /// `NotLoggedIn` or `TextTooLong`.
    pub fn set_status(
        &mut self,
        status: Status,
        time: u32,
        text: &str,
        out: &mut Vec<u8>,
    ) -> Result<(), ClientError> {
        self.require_login()?;
        let desc = short(text)?;
        Message::SetUserStatus(UserStatus { status, time, desc }).encode(out);
        Ok(())
    }

    /// Says who may see one: with `deny` everybody but `users`, without it only they.
    ///
    /// # Errors
    /// `NotLoggedIn` or `TextTooLong`.
    pub fn set_privacy(
        &mut self,
        deny: bool,
        users: &[&str],
        out: &mut Vec<u8>,
    ) -> Result<(), ClientError> {
        self.require_login()?;
        let users = texts(users)?
            .into_iter()
            .map(|id| UserItem {
                id,
                community: Text::default(),
                name: None,
            })
            .collect();
        Message::SetPrivacyList(PrivacyInfo { deny, users }).encode(out);
        Ok(())
    }

    /// Sends a one-way message to recipients of the form `@U user` or `@G group`.
    ///
    /// # Errors
    /// `NotLoggedIn` or `TextTooLong`.
    pub fn announce(
        &mut self,
        text: &str,
        may_reply: bool,
        recipients: &[&str],
        out: &mut Vec<u8>,
    ) -> Result<(), ClientError> {
        self.require_login()?;
        Message::Announce(Announce {
            sender: None,
            unknown: 0,
            may_reply,
            text: short(text)?,
            recipients: texts(recipients)?,
        })
        .encode(out);
        Ok(())
    }

    /// Asks whether a service is there; the answer is [`Event::Sensed`], or silence.
    ///
    /// # Errors
    /// `NotLoggedIn`.
    ///
    /// [`Event::Sensed`]: super::Event::Sensed
    pub fn sense(&mut self, service: ServiceId, out: &mut Vec<u8>) -> Result<(), ClientError> {
        self.require_login()?;
        Message::SenseService(service).encode(out);
        Ok(())
    }

    /// Watches people and groups.
    ///
    /// # Errors
    /// `NotOpen` before the awareness service is.
    pub fn watch(&mut self, ids: &[AwareId<'_>], out: &mut Vec<u8>) -> Result<(), ClientError> {
        self.send_awareness(&awareness::ClientMessage::Add(ids.to_vec()), out)
    }

    /// Watches people and groups no longer.
    ///
    /// # Errors
    /// `NotOpen` before the awareness service is.
    pub fn unwatch(&mut self, ids: &[AwareId<'_>], out: &mut Vec<u8>) -> Result<(), ClientError> {
        self.send_awareness(&awareness::ClientMessage::Remove(ids.to_vec()), out)
    }

    /// Sets an attribute of one's own.
    ///
    /// # Errors
    /// `NotOpen` before the awareness service is.
    pub fn set_attribute(
        &mut self,
        key: u32,
        value: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), ClientError> {
        self.send_awareness(&awareness::ClientMessage::AttrSet { key, value }, out)
    }

    /// Removes an attribute of one's own.
    ///
    /// # Errors
    /// `NotOpen` before the awareness service is.
    pub fn unset_attribute(&mut self, key: u32, out: &mut Vec<u8>) -> Result<(), ClientError> {
        self.send_awareness(&awareness::ClientMessage::AttrUnset { key }, out)
    }

    /// Watches these attributes of all watched people, and no others.
    ///
    /// # Errors
    /// `NotOpen` before the awareness service is.
    pub fn watch_attributes(&mut self, keys: &[u32], out: &mut Vec<u8>) -> Result<(), ClientError> {
        self.send_awareness(&awareness::ClientMessage::AttrWatch(keys.to_vec()), out)
    }

    /// Looks names up; see [`resolve::flags`]. Returns the id that the answer will carry.
    ///
    /// # Errors
    /// `NotOpen` before the resolve service is, or `TextTooLong`.
    pub fn resolve(
        &mut self,
        queries: &[&str],
        flags: u32,
        out: &mut Vec<u8>,
    ) -> Result<u32, ClientError> {
        let channel = self.service_channel(ServiceId::RESOLVE)?;
        let queries = texts(queries)?;
        let id = self.request_id();
        let mut data = Vec::new();
        let kind = resolve::Request { id, queries, flags }.encode(&mut data);
        frame::put_send(out, channel, kind, false, &data);
        Ok(id)
    }

    /// Asks for stored settings. Returns the id that the answer will carry.
    ///
    /// # Errors
    /// `NotOpen` before the storage service is.
    pub fn load(&mut self, keys: &[u32], out: &mut Vec<u8>) -> Result<u32, ClientError> {
        let id = self.request_id();
        self.send_storage(
            &storage::ClientMessage::Load {
                id,
                keys: keys.to_vec(),
            },
            out,
        )?;
        Ok(id)
    }

    /// Stores a setting. Returns the id that the answer will carry.
    ///
    /// # Errors
    /// `NotOpen` before the storage service is.
    pub fn save(&mut self, key: u32, value: &[u8], out: &mut Vec<u8>) -> Result<u32, ClientError> {
        let id = self.request_id();
        self.send_storage(
            &storage::ClientMessage::Save {
                id,
                items: vec![(key, value)],
            },
            out,
        )?;
        Ok(id)
    }

    /// Opens a conversation; [`Event::ImOpened`] or [`Event::ImClosed`] follows.
    ///
    /// # Errors
    /// `NotLoggedIn` or `TextTooLong`.
    ///
    /// [`Event::ImOpened`]: super::Event::ImOpened
    /// [`Event::ImClosed`]: super::Event::ImClosed
    pub fn open_im(
        &mut self,
        user: &str,
        features: u32,
        offer: Offer,
        out: &mut Vec<u8>,
    ) -> Result<ChannelId, ClientError> {
        self.require_login()?;
        let user = short(user)?;
        let channel = self.take_channel();
        let mut addtl = Vec::new();
        CreateAddtl::new(features).encode(&mut addtl);
        let public = match offer {
            Offer::Rc2_128 | Offer::Both => self.conversation_key.public(),
            Offer::None | Offer::Rc2_40 => [0; PUBLIC_BYTES],
        };
        let (mode, offer_sent) = offer.build(&public);
        Message::ChannelCreate(ChannelCreate {
            reserved: 0,
            channel,
            target: IdBlock {
                user,
                community: Text::default(),
            },
            protocol: Protocol::IM,
            options: 0,
            addtl: &addtl,
            creator: None,
            mode,
            offer: offer_sent,
        })
        .encode(out);
        let conversation = Conversation::new(ConversationState::Opening(offer));
        self.conversations.insert(channel, Box::new(conversation));
        Ok(channel)
    }

    /// Accepts an offered conversation with the strongest cipher that is offered.
    ///
    /// # Errors
    /// `NotOpen` if nothing is offered on that channel; `NoCipher` if the creator's key is bad, and
    /// then the channel is refused.
    pub fn accept_im(
        &mut self,
        channel: ChannelId,
        out: &mut Vec<u8>,
    ) -> Result<Cipher, ClientError> {
        let State::Active(me) = &self.state else {
            return Err(ClientError::NotLoggedIn);
        };
        let conversation = self
            .conversations
            .get_mut(&channel)
            .ok_or(ClientError::NotOpen)?;
        let offered = match std::mem::replace(&mut conversation.state, ConversationState::Open) {
            ConversationState::Offered(offered) => offered,
            other => {
                conversation.state = other;
                return Err(ClientError::NotOpen);
            }
        };
        let login_id = me.login_id.as_bytes();
        let Ok(cipher) = conversation.open_offered(&offered, login_id, &self.conversation_key)
        else {
            self.conversations.remove(&channel);
            put_destroy(out, channel, ReturnCode::NO_COMMON_ENCRYPT);
            return Err(ClientError::NoCipher);
        };
        let mut addtl = Vec::new();
        AcceptAddtl {
            a: 1,
            features: offered.features,
            c: 2,
            status: UserStatus::default(),
        }
        .encode(&mut addtl);
        let public = match cipher {
            Cipher::Rc2_128 => self.conversation_key.public(),
            Cipher::None | Cipher::Rc2_40 => [0; PUBLIC_BYTES],
        };
        let (mode, answer) = offered.answer(&public);
        Message::ChannelAccept(ChannelAccept {
            channel,
            protocol: Protocol::IM,
            addtl: &addtl,
            acceptor: None,
            mode,
            answer,
        })
        .encode(out);
        Ok(cipher)
    }

    /// Ends a conversation, or refuses one that is offered.
    pub fn close_im(&mut self, channel: ChannelId, reason: ReturnCode, out: &mut Vec<u8>) {
        if self.conversations.remove(&channel).is_some() {
            put_destroy(out, channel, reason);
        }
    }

    /// Says something as plain text.
    ///
    /// # Errors
    /// `NotOpen` or `TextTooLong`.
    pub fn send_text(
        &mut self,
        channel: ChannelId,
        text: &str,
        out: &mut Vec<u8>,
    ) -> Result<(), ClientError> {
        self.send_im(channel, &ImMessage::Text(short(text)?), out)
    }

    /// Says something as HTML, in pieces if it is long.
    ///
    /// # Errors
    /// `NotOpen`.
    pub fn send_html(
        &mut self,
        channel: ChannelId,
        html: &str,
        out: &mut Vec<u8>,
    ) -> Result<(), ClientError> {
        self.send_in_pieces(channel, data_type::HTML, html.as_bytes(), out)
    }

    /// Sends a MIME document, in pieces if it is long.
    ///
    /// # Errors
    /// `NotOpen`.
    pub fn send_mime(
        &mut self,
        channel: ChannelId,
        document: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), ClientError> {
        self.send_in_pieces(channel, data_type::MIME, document, out)
    }

    /// Says that one types, or stopped.
    ///
    /// # Errors
    /// `NotOpen`.
    pub fn send_typing(
        &mut self,
        channel: ChannelId,
        typing: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), ClientError> {
        self.send_data(channel, data_type::TYPING, u32::from(!typing), &[], out)
    }

    /// Sends anything else; see [`data_type`].
    ///
    /// # Errors
    /// `NotOpen`.
    pub fn send_data(
        &mut self,
        channel: ChannelId,
        data_type: u32,
        subtype: u32,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), ClientError> {
        self.send_im(
            channel,
            &ImMessage::Data {
                data_type,
                subtype,
                payload,
            },
            out,
        )
    }

    fn send_in_pieces(
        &mut self,
        channel: ChannelId,
        data_type: u32,
        bytes: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), ClientError> {
        if bytes.len() <= PIECE_BYTES_MAX {
            return self.send_data(channel, data_type, 0, bytes, out);
        }
        self.send_data(channel, data_type::SEGMENT_START, 0, &[], out)?;
        for piece in bytes.chunks(PIECE_BYTES_MAX) {
            self.send_data(channel, data_type, 0, piece, out)?;
        }
        self.send_data(channel, data_type::SEGMENT_STOP, 0, &[], out)
    }

    fn send_im(
        &mut self,
        channel: ChannelId,
        message: &ImMessage<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), ClientError> {
        let conversation = self
            .conversations
            .get_mut(&channel)
            .ok_or(ClientError::NotOpen)?;
        let ConversationState::Open = conversation.state else {
            return Err(ClientError::NotOpen);
        };
        let mut data = Vec::new();
        let kind = message.encode(&mut data);
        let (data, encrypted) = conversation.seal(data);
        frame::put_send(out, channel, kind, encrypted, &data);
        Ok(())
    }

    fn send_awareness(
        &mut self,
        message: &awareness::ClientMessage<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), ClientError> {
        let channel = self.service_channel(ServiceId::AWARENESS)?;
        let mut data = Vec::new();
        let kind = message.encode(&mut data);
        frame::put_send(out, channel, kind, false, &data);
        Ok(())
    }

    fn send_storage(
        &mut self,
        message: &storage::ClientMessage<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), ClientError> {
        let channel = self.service_channel(ServiceId::STORAGE)?;
        let mut data = Vec::new();
        let kind = message.encode(&mut data);
        frame::put_send(out, channel, kind, false, &data);
        Ok(())
    }

    fn require_login(&self) -> Result<(), ClientError> {
        if self.is_logged_in() {
            Ok(())
        } else {
            Err(ClientError::NotLoggedIn)
        }
    }

    fn request_id(&mut self) -> u32 {
        let id = self.next_request;
        self.next_request = self.next_request.wrapping_add(1);
        id
    }
}

fn short(text: &str) -> Result<Text<'_>, ClientError> {
    if text.len() <= TEXT_BYTES_MAX {
        Ok(text.into())
    } else {
        Err(ClientError::TextTooLong)
    }
}

fn texts<'a>(texts: &[&'a str]) -> Result<Vec<Text<'a>>, ClientError> {
    texts.iter().map(|text| short(text)).collect()
}
