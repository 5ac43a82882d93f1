//! Channels between two logins: instant messages.
//!
//! Each end belongs to its own login; they speak through each other's outbox. The server passes offers, answers
//! and ciphertext through and reads none of it, except to keep one client from crashing the other.
//!
//! Source: `docs/protocol/server-behaviour.md`, "Relay life" and "Hardening"; `docs/protocol/service-im.md`.

use crate::limits::{
    CHANNELS_PER_PEER_MAX, CIPHER_INFO_BYTES_MAX, CIPHERS_MAX, HELD_BYTES_MAX, HELD_MESSAGES_MAX,
    OFFER_DEADLINE, USER_ID_BYTES_MAX,
};
use crate::login::{Context, Live, LoginRecord};
use crate::outbox::{Event, LoginKey, Push};
use crate::service::{Channels, Endpoint, put_destroy};
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::time::Instant;
use wire::cipher::dh;
use wire::id::Protocol;
use wire::message::{
    ChannelAccept, ChannelCreate, ChannelSend, CipherAnswer, CipherOffer, EncryptItem, IdBlock,
    Message,
};
use wire::service::im::CreateAddtl;
use wire::{ChannelId, ReturnCode, Text, frame};

/// Cipher without a parameter.
const RC2_40: u16 = 0x0000;
/// Cipher with a Diffie-Hellman public value as its parameter.
const RC2_128: u16 = 0x0001;
/// Policy: everything enciphered, whichever cipher.
const MODE_ALL: u16 = 0x0002;
/// Policy: everything enciphered with RC2/40.
const MODE_RC2_40: u16 = 0x1000;
/// Policy: everything enciphered with RC2/128.
const MODE_RC2_128: u16 = 0x2000;
/// RC2 works on blocks of this many bytes.
const CIPHER_BLOCK_BYTES: usize = 8;

/// Names one relayed channel, at both of its ends. Channel ids do not: clients use them again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RelayId {
    creator: LoginKey,
    /// Counts the creator's offers.
    serial: u32,
}

/// One end of a relayed channel.
pub(crate) struct Relay {
    id: RelayId,
    peer: Arc<LoginRecord>,
    state: RelayState,
}

enum RelayState {
    /// This login offered the channel; the other one has not answered.
    Offering {
        protocol: Protocol,
        since: Instant,
        held: VecDeque<Held>,
        held_bytes: usize,
    },
    /// The other login offered it; this one has not answered.
    Offered { peer_channel: ChannelId },
    /// Both know each other's channel ids.
    Open { peer_channel: ChannelId },
}

/// A message sent before the channel was accepted.
struct Held {
    kind: u16,
    encrypted: bool,
    data: Box<[u8]>,
}

/// A channel offered to a login.
pub(crate) struct Offer {
    id: RelayId,
    from: Arc<LoginRecord>,
    channel: ChannelId,
    protocol: Protocol,
    options: u32,
    addtl: Box<[u8]>,
    mode: u16,
    ciphers: Option<Ciphers>,
}

struct Ciphers {
    items: Vec<Cipher>,
    extra: u16,
    flag: bool,
}

struct Cipher {
    cipher: u16,
    info: Box<[u8]>,
}

/// A channel that the other login accepted.
pub(crate) struct Accepted {
    id: RelayId,
    by: Arc<LoginRecord>,
    /// The acceptor's id of the channel.
    channel: ChannelId,
    /// The creator's.
    to: ChannelId,
    addtl: Box<[u8]>,
    mode: u16,
    answer: Option<(Cipher, u16, bool)>,
}

impl Offer {
    pub(crate) fn bytes(&self) -> usize {
        let ciphers = self.ciphers.iter().flat_map(|ciphers| &ciphers.items);
        size_of::<Self>() + self.addtl.len() + ciphers.map(Cipher::bytes).sum::<usize>()
    }
}

impl Accepted {
    pub(crate) fn bytes(&self) -> usize {
        let cipher = self
            .answer
            .as_ref()
            .map_or(0, |(cipher, ..)| cipher.bytes());
        size_of::<Self>() + self.addtl.len() + cipher
    }
}

impl Cipher {
    fn of(item: &EncryptItem<'_>) -> Self {
        Self {
            cipher: item.cipher,
            info: item.info.into(),
        }
    }

    fn bytes(&self) -> usize {
        size_of::<Self>() + self.info.len()
    }

    fn item(&self) -> EncryptItem<'_> {
        EncryptItem {
            cipher: self.cipher,
            info: &self.info,
        }
    }
}

impl Relay {
    /// Tells the other end that this one is gone; a peer that is gone itself needs no telling.
    pub(crate) fn destroy_peer(&self, reason: ReturnCode, data: &[u8]) {
        destroy_at(&self.peer, self.peer_channel(), self.id, reason, data);
    }

    /// Bytes of the messages that wait for the channel to be accepted.
    fn held_bytes(&self) -> usize {
        match &self.state {
            RelayState::Offering { held_bytes, .. } => *held_bytes,
            RelayState::Offered { .. } | RelayState::Open { .. } => 0,
        }
    }

    /// The peer's id of the channel, 0 while it is not known.
    fn peer_channel(&self) -> ChannelId {
        match self.state {
            RelayState::Offering { .. } => ChannelId::MASTER,
            RelayState::Offered { peer_channel } | RelayState::Open { peer_channel } => {
                peer_channel
            }
        }
    }
}

fn destroy_at(peer: &LoginRecord, to: ChannelId, relay: RelayId, reason: ReturnCode, data: &[u8]) {
    peer.outbox.push(Event::Destroyed {
        to,
        relay,
        reason,
        data: data.into(),
    });
}

/// A client opens a channel to another user.
pub(crate) fn create(
    live: &mut Live,
    create: &ChannelCreate<'_>,
    cx: &mut Context<'_>,
) -> Result<(), ReturnCode> {
    if CreateAddtl::decode(create.addtl).is_err() {
        return Err(ReturnCode::BAD_DATA);
    }
    let (mode, ciphers) = checked_offer(create)?;
    let peer = reach(live, &create.target, cx).ok_or(ReturnCode::NO_USER)?;
    live.offers = live.offers.wrapping_add(1);
    let id = RelayId {
        creator: live.record.key,
        serial: live.offers,
    };
    let offer = Offer {
        id,
        from: Arc::clone(&live.record),
        channel: create.channel,
        protocol: create.protocol,
        options: create.options,
        addtl: create.addtl.into(),
        mode,
        ciphers,
    };
    match peer.outbox.push(Event::Offer(Box::new(offer))) {
        Push::Gone => return Err(ReturnCode::NO_USER),
        Push::Full => *cx.full_peer = Some(Arc::clone(&peer)),
        Push::Queued => {}
    }
    *cx.wake_by = Some(cx.now + OFFER_DEADLINE);
    let state = RelayState::Offering {
        protocol: create.protocol,
        since: cx.now,
        held: VecDeque::new(),
        held_bytes: 0,
    };
    live.channels.insert(
        create.channel,
        Endpoint::Relay(Box::new(Relay { id, peer, state })),
    );
    Ok(())
}

/// The login of the target that the channel leads to.
fn reach(live: &Live, target: &IdBlock<'_>, cx: &Context<'_>) -> Option<Arc<LoginRecord>> {
    let ours = cx.community.is_ours(target.community.as_bytes());
    if !ours || target.user.len() > USER_ID_BYTES_MAX {
        return None;
    }
    let id = cx.community.canonical(target.user.as_bytes());
    cx.community
        .presence
        .find(&id)?
        .ringing_for(&live.record.user)
}

/// The offer without what would crash the receiving client.
fn checked_offer(create: &ChannelCreate<'_>) -> Result<(u16, Option<Ciphers>), ReturnCode> {
    let Some(CipherOffer { items, extra, flag }) = &create.offer else {
        return match can_do_without(create.mode) {
            true => Ok((create.mode, None)),
            false => Err(ReturnCode::NO_COMMON_ENCRYPT),
        };
    };
    let items: Vec<Cipher> = items
        .iter()
        .filter(|item| is_sound(item))
        .take(CIPHERS_MAX)
        .map(Cipher::of)
        .collect();
    let offers = |cipher| items.iter().any(|item| item.cipher == cipher);
    let met = match create.mode {
        MODE_RC2_40 => offers(RC2_40),
        MODE_RC2_128 => offers(RC2_128),
        mode => !items.is_empty() || can_do_without(mode),
    };
    match met {
        false => Err(ReturnCode::NO_COMMON_ENCRYPT),
        true if items.is_empty() => Ok((0, None)),
        true => Ok((
            create.mode,
            Some(Ciphers {
                items,
                extra: *extra,
                flag: *flag,
            }),
        )),
    }
}

fn can_do_without(mode: u16) -> bool {
    ![MODE_ALL, MODE_RC2_40, MODE_RC2_128].contains(&mode)
}

fn is_sound(item: &EncryptItem<'_>) -> bool {
    item.info.len() <= CIPHER_INFO_BYTES_MAX
        && (item.cipher != RC2_128 || dh::validate_public(item.info))
}

/// Somebody opens a channel to this login.
pub(crate) fn on_offer(live: &mut Live, offer: Offer, cx: &mut Context<'_>) {
    let from = &offer.from;
    let is_theirs = |endpoint: &Endpoint| match endpoint {
        Endpoint::Relay(relay) => relay.peer.key == from.key,
        _ => false,
    };
    let theirs = live
        .channels
        .iter()
        .filter(|(_, endpoint)| is_theirs(endpoint))
        .count();
    if live.channels.is_full() || theirs >= CHANNELS_PER_PEER_MAX {
        return destroy_at(
            &offer.from,
            offer.channel,
            offer.id,
            ReturnCode::STARVING,
            &[],
        );
    }
    let channel = live.channels.next_id();
    cx.send(&Message::ChannelCreate(ChannelCreate {
        reserved: 0,
        channel,
        target: IdBlock {
            user: Text(&live.record.user.id),
            community: Text::default(),
        },
        protocol: offer.protocol,
        options: offer.options,
        addtl: &offer.addtl,
        creator: Some(offer.from.info()),
        mode: offer.mode,
        offer: offer.ciphers.as_ref().map(|ciphers| CipherOffer {
            items: ciphers.items.iter().map(Cipher::item).collect(),
            extra: ciphers.extra,
            flag: ciphers.flag,
        }),
    }));
    let state = RelayState::Offered {
        peer_channel: offer.channel,
    };
    let relay = Relay {
        id: offer.id,
        peer: offer.from,
        state,
    };
    live.channels
        .insert(channel, Endpoint::Relay(Box::new(relay)));
}

/// The client accepts a channel. Only one that was offered to it can be accepted; anything else is dropped.
pub(crate) fn on_accept(live: &mut Live, accept: &ChannelAccept<'_>, cx: &mut Context<'_>) {
    let Some(Endpoint::Relay(relay)) = live.channels.get_mut(accept.channel) else {
        return;
    };
    let RelayState::Offered { peer_channel } = relay.state else {
        return;
    };
    let event = match accept.answer.filter(|answer| !is_sound(&answer.item)) {
        Some(_) => None,
        None => Some(Event::Accepted(Box::new(Accepted {
            id: relay.id,
            by: Arc::clone(&live.record),
            channel: accept.channel,
            to: peer_channel,
            addtl: accept.addtl.into(),
            mode: accept.mode,
            answer: accept
                .answer
                .map(|CipherAnswer { item, extra, flag }| (Cipher::of(&item), extra, flag)),
        }))),
    };
    let Some(event) = event else {
        relay.destroy_peer(ReturnCode::NO_COMMON_ENCRYPT, &[]);
        return end_own(live, accept.channel, ReturnCode::NO_COMMON_ENCRYPT, cx);
    };
    relay.state = RelayState::Open { peer_channel };
    match relay.peer.outbox.push(event) {
        Push::Gone => end_own(live, accept.channel, ReturnCode::CHANNEL_DESTROYED, cx),
        Push::Full => *cx.full_peer = Some(Arc::clone(&relay.peer)),
        Push::Queued => {}
    }
}

/// The other login accepted the channel that this one offered.
pub(crate) fn on_accepted(live: &mut Live, accepted: &Accepted, cx: &mut Context<'_>) {
    let relay = match live.channels.get_mut(accepted.to) {
        Some(Endpoint::Relay(relay)) if relay.id == accepted.id => relay,
        // Withdrawn meanwhile: the acceptor hears so from the withdrawal, which is on its way.
        _ => return,
    };
    let open = RelayState::Open {
        peer_channel: accepted.channel,
    };
    let (protocol, held) = match std::mem::replace(&mut relay.state, open) {
        RelayState::Offering { protocol, held, .. } => (protocol, held),
        other => {
            relay.state = other;
            return;
        }
    };
    cx.send(&Message::ChannelAccept(ChannelAccept {
        channel: accepted.to,
        protocol,
        addtl: &accepted.addtl,
        acceptor: Some(accepted.by.info()),
        mode: accepted.mode,
        answer: accepted
            .answer
            .as_ref()
            .map(|(cipher, extra, flag)| CipherAnswer {
                item: cipher.item(),
                extra: *extra,
                flag: *flag,
            }),
    }));
    let relay_id = relay.id;
    for Held {
        kind,
        encrypted,
        data,
    } in held
    {
        let event = Event::Data {
            to: accepted.channel,
            relay: relay_id,
            kind,
            encrypted,
            data,
        };
        match relay.peer.outbox.push(event) {
            Push::Queued => {}
            Push::Full => *cx.full_peer = Some(Arc::clone(&relay.peer)),
            Push::Gone => return end_own(live, accepted.to, ReturnCode::CHANNEL_DESTROYED, cx),
        }
    }
}

/// The client sends on a relayed channel.
pub(crate) fn on_send(live: &mut Live, send: &ChannelSend<'_>, cx: &mut Context<'_>) {
    let Some(Endpoint::Relay(relay)) = live.channels.get_mut(send.channel) else {
        return;
    };
    if send.encrypted
        && (send.data.is_empty() || !send.data.len().is_multiple_of(CIPHER_BLOCK_BYTES))
    {
        // Such a message crashes the receiving library, and the cipher's state would be lost in any case.
        relay.destroy_peer(ReturnCode::BAD_DATA, &[]);
        return end_own(live, send.channel, ReturnCode::BAD_DATA, cx);
    }
    live.record.set_active(cx.activity);
    match relay.state {
        RelayState::Open { peer_channel } => {
            let event = Event::Data {
                to: peer_channel,
                relay: relay.id,
                kind: send.kind,
                encrypted: send.encrypted,
                data: send.data.into(),
            };
            match relay.peer.outbox.push(event) {
                Push::Queued => {}
                Push::Full => *cx.full_peer = Some(Arc::clone(&relay.peer)),
                Push::Gone => end_own(live, send.channel, ReturnCode::CHANNEL_DESTROYED, cx),
            }
        }
        RelayState::Offering { .. } => hold(live, send, cx),
        // Data before the own accept belongs to no channel yet.
        RelayState::Offered { .. } => {}
    }
}

/// Keeps a message until the channel is accepted, if there is room for it.
fn hold(live: &mut Live, send: &ChannelSend<'_>, cx: &mut Context<'_>) {
    let held_on = |endpoint: &Endpoint| match endpoint {
        Endpoint::Relay(relay) => relay.held_bytes(),
        _ => 0,
    };
    let on_all: usize = live
        .channels
        .iter()
        .map(|(_, endpoint)| held_on(endpoint))
        .sum();
    let Some(Endpoint::Relay(relay)) = live.channels.get_mut(send.channel) else {
        return;
    };
    if let RelayState::Offering {
        held, held_bytes, ..
    } = &mut relay.state
        && held.len() < HELD_MESSAGES_MAX
        && on_all + send.data.len() <= HELD_BYTES_MAX
    {
        *held_bytes += send.data.len();
        let data = send.data.into();
        held.push_back(Held {
            kind: send.kind,
            encrypted: send.encrypted,
            data,
        });
        return;
    }
    relay.destroy_peer(ReturnCode::STARVING, &[]);
    end_own(live, send.channel, ReturnCode::STARVING, cx);
}

/// Data of the other login.
pub(crate) fn on_data(
    channels: &Channels,
    to: ChannelId,
    id: RelayId,
    kind: u16,
    encrypted: bool,
    data: &[u8],
    cx: &mut Context<'_>,
) {
    match channels.get(to) {
        Some(Endpoint::Relay(relay)) if relay.id == id => {
            cx.community.metrics.messages_relayed.increment(1);
            frame::put_send(cx.out, to, kind, encrypted, data);
        }
        // Closed meanwhile from this end.
        _ => {}
    }
}

/// The other end is gone.
pub(crate) fn on_destroyed(
    channels: &mut Channels,
    to: ChannelId,
    id: RelayId,
    reason: ReturnCode,
    data: &[u8],
    cx: &mut Context<'_>,
) {
    let found = channels
        .iter()
        .find_map(|(channel, endpoint)| match endpoint {
            // A creator that withdraws does not know this end's channel id yet.
            Endpoint::Relay(relay)
                if relay.id == id && (to == channel || to == ChannelId::MASTER) =>
            {
                Some(channel)
            }
            _ => None,
        });
    if let Some(channel) = found {
        channels.remove(channel);
        put_destroy(cx.out, channel, reason, data);
    }
}

/// Ends a channel towards the own client.
fn end_own(live: &mut Live, channel: ChannelId, reason: ReturnCode, cx: &mut Context<'_>) {
    live.channels.remove(channel);
    put_destroy(cx.out, channel, reason, &[]);
}

/// Ends conversations that nobody answered for too long.
/// Answers with when the next one has waited too long.
pub(crate) fn end_old_offers(live: &mut Live, cx: &mut Context<'_>) -> Option<Instant> {
    let old: Vec<ChannelId> = live
        .channels
        .iter()
        .filter_map(|(id, endpoint)| match endpoint {
            Endpoint::Relay(relay) => match relay.state {
                RelayState::Offering { since, .. } if cx.now - since >= OFFER_DEADLINE => Some(id),
                _ => None,
            },
            _ => None,
        })
        .collect();
    for id in old {
        if let Some(Endpoint::Relay(relay)) = live.channels.get(id) {
            relay.destroy_peer(ReturnCode::FAILURE, &[]);
        }
        end_own(live, id, ReturnCode::FAILURE, cx);
    }
    let waiting = live
        .channels
        .iter()
        .filter_map(|(_, endpoint)| match endpoint {
            Endpoint::Relay(relay) => match relay.state {
                RelayState::Offering { since, .. } => Some(since + OFFER_DEADLINE),
                _ => None,
            },
            _ => None,
        });
    waiting.min()
}

/// The login is over: every other end hears of it, and so do those whose offers nobody will read.
pub(crate) fn end_all(channels: &mut Channels, unread: VecDeque<Event>) {
    for endpoint in channels.take_all() {
        if let Endpoint::Relay(relay) = endpoint {
            relay.destroy_peer(ReturnCode::CHANNEL_DESTROYED, &[]);
        }
    }
    for event in unread {
        if let Event::Offer(offer) = event {
            destroy_at(
                &offer.from,
                offer.channel,
                offer.id,
                ReturnCode::NO_USER,
                &[],
            );
        }
    }
}
