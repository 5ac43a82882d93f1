//! The services behind a login's channels. A service sees its own state and the [`Context`], never another service's.
//!
//! Source: `docs/protocol/channels.md`.

pub(crate) mod announce;
pub(crate) mod awareness;
pub(crate) mod relay;
pub(crate) mod resolve;
pub(crate) mod storage;

use crate::limits::CHANNELS_MAX;
use crate::login::{Context, Live};
use wire::id::Protocol;
use wire::message::{ChannelAccept, ChannelCreate, ChannelDestroy, ChannelSend, Message};
use wire::{ChannelId, CloseReason, ReturnCode, ServiceId};

/// Ids that the server may give: 0x80000001 to 0xffffffff.
const OWN_IDS: u32 = 0x7fff_ffff;

/// What a channel leads to.
pub(crate) enum Endpoint {
    Awareness,
    Resolve,
    Storage,
    /// Another login.
    Relay(Box<relay::Relay>),
}

/// The channels of one connection. Few, so that a list serves better than a map.
#[derive(Default)]
pub(crate) struct Channels {
    open: Vec<(ChannelId, Endpoint)>,
    /// Channels that the server has opened to the client.
    opened: u32,
}

impl Channels {
    pub(crate) fn get(&self, id: ChannelId) -> Option<&Endpoint> {
        self.open
            .iter()
            .find(|(known, _)| *known == id)
            .map(|(_, endpoint)| endpoint)
    }

    pub(crate) fn get_mut(&mut self, id: ChannelId) -> Option<&mut Endpoint> {
        self.open
            .iter_mut()
            .find(|(known, _)| *known == id)
            .map(|(_, endpoint)| endpoint)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (ChannelId, &Endpoint)> {
        self.open.iter().map(|(id, endpoint)| (*id, endpoint))
    }

    pub(crate) fn is_full(&self) -> bool {
        self.open.len() >= CHANNELS_MAX
    }

    pub(crate) fn insert(&mut self, id: ChannelId, endpoint: Endpoint) {
        self.open.push((id, endpoint));
    }

    pub(crate) fn remove(&mut self, id: ChannelId) -> Option<Endpoint> {
        let index = self.open.iter().position(|(known, _)| *known == id)?;
        Some(self.open.swap_remove(index).1)
    }

    pub(crate) fn take_all(&mut self) -> impl Iterator<Item = Endpoint> {
        std::mem::take(&mut self.open)
            .into_iter()
            .map(|(_, endpoint)| endpoint)
    }

    /// The next id of the server's own, skipping those in use.
    pub(crate) fn next_id(&mut self) -> ChannelId {
        loop {
            let id = ChannelId(ChannelId::FIRST_FROM_SERVER.0 + self.opened);
            self.opened = (self.opened + 1) % OWN_IDS;
            if self.get(id).is_none() {
                return id;
            }
        }
    }
}

/// Is the service one that a client may open a channel to?
pub(crate) fn is_served(service: ServiceId) -> bool {
    served(service).is_some()
}

/// The protocol that the community speaks for a service.
fn served(service: ServiceId) -> Option<Protocol> {
    [
        Protocol::AWARENESS,
        Protocol::RESOLVE,
        Protocol::STORAGE,
        Protocol::IM,
    ]
    .into_iter()
    .find(|protocol| protocol.service == service)
}

/// A client opens a channel.
///
/// # Errors
/// A create for the master channel: refusing it on that channel would end the login without saying why.
pub(crate) fn on_create(
    live: &mut Live,
    create: &ChannelCreate<'_>,
    cx: &mut Context<'_>,
) -> Result<(), CloseReason> {
    let id = create.channel;
    if id == ChannelId::MASTER {
        return Err(CloseReason::ProtocolError);
    }
    let refusal = match served(create.protocol.service) {
        _ if live.channels.get(id).is_some() => {
            // The refusal destroys the channel that has the id at the client, so it ends here as well.
            close_channel(live, id, ReturnCode::CHANNEL_EXISTS, &[], cx);
            Some(ReturnCode::CHANNEL_EXISTS)
        }
        _ if !id.is_clients() => Some(ReturnCode::REQUEST_INVALID),
        _ if live.channels.is_full() => Some(ReturnCode::STARVING),
        None => Some(ReturnCode::SERVICE_NO_SUPPORT),
        Some(protocol) if protocol.proto_type != create.protocol.proto_type => {
            Some(ReturnCode::PROTOCOL_NO_SUPPORT)
        }
        Some(protocol) if protocol.proto_ver != create.protocol.proto_ver => {
            Some(ReturnCode::VERSION_NO_SUPPORT)
        }
        Some(protocol) => open(live, create, protocol.service, cx).err(),
    };
    if let Some(reason) = refusal {
        cx.community.metrics.channels_refused.increment(1);
        put_destroy(cx.out, id, reason, &[]);
    }
    Ok(())
}

fn open(
    live: &mut Live,
    create: &ChannelCreate<'_>,
    service: ServiceId,
    cx: &mut Context<'_>,
) -> Result<(), ReturnCode> {
    let endpoint = match service {
        ServiceId::AWARENESS if live.awareness.is_open() => {
            return Err(ReturnCode::REQUEST_INVALID);
        }
        ServiceId::AWARENESS => {
            live.awareness.open(create.channel);
            Endpoint::Awareness
        }
        ServiceId::RESOLVE => Endpoint::Resolve,
        ServiceId::STORAGE => Endpoint::Storage,
        // The other end accepts, not the server.
        _ => return relay::create(live, create, cx),
    };
    live.channels.insert(create.channel, endpoint);
    cx.send(&Message::ChannelAccept(ChannelAccept {
        channel: create.channel,
        protocol: create.protocol,
        addtl: &[],
        acceptor: None,
        mode: 0,
        answer: None,
    }));
    Ok(())
}

/// Data on a channel. On channels that are not there it is dropped: with both ends closing, that is normal.
pub(crate) fn on_send(live: &mut Live, send: &ChannelSend<'_>, cx: &mut Context<'_>) {
    let understood = match live.channels.get(send.channel) {
        None => Ok(()),
        Some(Endpoint::Relay(_)) => {
            relay::on_send(live, send, cx);
            Ok(())
        }
        Some(Endpoint::Awareness) => live.awareness.on_send(&live.record, send, cx),
        Some(Endpoint::Resolve) => resolve::on_send(send, cx),
        Some(Endpoint::Storage) => storage::on_send(&live.record, send, cx),
    };
    if let Err(error) = understood {
        cx.community.metrics.unreadable_data.increment(1);
        tracing::debug!(%error, channel = %send.channel, "data to a service could not be read; dropped");
    }
}

/// A client closes a channel.
pub(crate) fn on_destroy(live: &mut Live, destroy: &ChannelDestroy<'_>, cx: &mut Context<'_>) {
    close_channel(live, destroy.channel, destroy.reason, destroy.data, cx);
}

fn close_channel(
    live: &mut Live,
    id: ChannelId,
    reason: ReturnCode,
    data: &[u8],
    cx: &Context<'_>,
) {
    match live.channels.remove(id) {
        Some(Endpoint::Relay(relay)) => relay.destroy_peer(reason, data),
        Some(Endpoint::Awareness) => live.awareness.close(&live.record, cx.community),
        Some(Endpoint::Resolve | Endpoint::Storage) | None => {}
    }
}

/// Tells a client that a channel is gone.
pub(crate) fn put_destroy(out: &mut Vec<u8>, channel: ChannelId, reason: ReturnCode, data: &[u8]) {
    Message::ChannelDestroy(ChannelDestroy {
        channel,
        reason,
        data,
    })
    .encode(out);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_the_server_count_up_and_skip_those_in_use() {
        let mut channels = Channels::default();
        let first = channels.next_id();
        assert_eq!(first, ChannelId::FIRST_FROM_SERVER);
        channels.insert(first, Endpoint::Resolve);
        channels.opened = 0;
        assert_eq!(channels.next_id(), ChannelId(0x8000_0002));
        channels.opened = OWN_IDS - 1;
        assert_eq!(channels.next_id(), ChannelId(0xffff_ffff));
        assert_eq!(channels.next_id(), ChannelId(0x8000_0002));
    }
}
