//! The bounded queue towards one login.
//!
//! It has two parts: events that must arrive, limited in bytes, and latest values (presence, attributes), limited
//! by what the login watches because a newer value replaces the older. Whoever writes to a login whose queue is
//! full is told so and waits; a queue that runs over all the same ends its login `SlowConsumer`.

use crate::limits::{EVENT_BYTES, OUTBOX_BYTES_FULL, OUTBOX_BYTES_MAX};
use crate::lock;
use crate::service::relay::{Accepted, Offer, RelayId};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::task::Waker;
use wire::{ChannelId, CloseReason, ReturnCode};

/// Number of a login in this process; never used again.
pub(crate) type LoginKey = u64;

/// What others have for a login.
pub(crate) enum Event {
    /// Somebody opens a channel to this login.
    Offer(Box<Offer>),
    /// The channel that this login offered is open.
    Accepted(Box<Accepted>),
    /// Data on a relayed channel.
    Data {
        to: ChannelId,
        relay: RelayId,
        kind: u16,
        encrypted: bool,
        data: Box<[u8]>,
    },
    /// The other end of a relayed channel is gone. `to` is 0 where the sender does not know the id: the channel
    /// was withdrawn before it was accepted.
    Destroyed {
        to: ChannelId,
        relay: RelayId,
        reason: ReturnCode,
        data: Box<[u8]>,
    },
    /// A complete frame, the same for all who get it.
    Frame(Arc<[u8]>),
    /// A group has new members.
    GroupGrew(Arc<Growth>),
}

/// New members of a group.
pub(crate) struct Growth {
    pub(crate) group: Box<[u8]>,
    /// Canonical user ids.
    pub(crate) members: Vec<Box<[u8]>>,
}

impl Event {
    fn bytes(&self) -> usize {
        EVENT_BYTES
            + match self {
                Self::Offer(offer) => offer.bytes(),
                Self::Accepted(accepted) => accepted.bytes(),
                Self::Data { data, .. } | Self::Destroyed { data, .. } => data.len(),
                Self::Frame(frame) => frame.len(),
                Self::GroupGrew(growth) => growth.members.iter().map(|member| member.len()).sum(),
            }
    }
}

/// The place of presence among the latest values of one watched id; attributes come after it.
pub(crate) const PRESENCE: u64 = 0;

/// Which latest value: of whom, under which id the watcher asked, and which attribute (0 is presence).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LatestKey {
    /// Address of the watched user's record.
    pub(crate) user: usize,
    /// Address of the form of the id, 0 for the plain one.
    pub(crate) form: usize,
    /// The attribute's key plus one.
    pub(crate) attribute: u64,
}

/// A latest value as awareness data, shared by all who get it.
#[derive(Debug, Clone)]
pub(crate) struct Latest {
    pub(crate) kind: u16,
    pub(crate) data: Arc<[u8]>,
}

/// Whether an event was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Push {
    /// Taken.
    Queued,
    /// Taken, but the sender should wait for room before it sends more.
    Full,
    /// The login is gone or about to be; the event was dropped.
    Gone,
}

/// Everything that waited.
#[derive(Default)]
pub(crate) struct Waiting {
    pub(crate) events: VecDeque<Event>,
    pub(crate) latest: BTreeMap<LatestKey, Latest>,
}

/// The queue towards one login.
#[derive(Default)]
pub(crate) struct Outbox(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    waiting: Waiting,
    bytes: usize,
    attribute_keys: Box<[u32]>,
    /// Wakes the login's own task.
    owner: Option<Waker>,
    /// Wake those who wait for room.
    senders: Vec<Waker>,
    closing: Option<CloseReason>,
    /// The owner takes nothing any more.
    closed: bool,
}

impl Inner {
    fn wake_owner(&mut self) {
        if let Some(owner) = self.owner.take() {
            owner.wake();
        }
    }

    fn wake_senders(&mut self) {
        for sender in std::mem::take(&mut self.senders) {
            sender.wake();
        }
    }
}

impl Outbox {
    /// Gives the login an event.
    pub(crate) fn push(&self, event: Event) -> Push {
        let mut inner = lock(&self.0);
        if inner.closed || inner.closing.is_some() {
            return Push::Gone;
        }
        inner.bytes += event.bytes();
        if inner.bytes > OUTBOX_BYTES_MAX {
            inner.closing = Some(CloseReason::SlowConsumer);
            inner.wake_owner();
            return Push::Gone;
        }
        inner.waiting.events.push_back(event);
        inner.wake_owner();
        if inner.bytes > OUTBOX_BYTES_FULL {
            Push::Full
        } else {
            Push::Queued
        }
    }

    /// Puts a latest value in place of an older one.
    pub(crate) fn push_latest(&self, key: LatestKey, latest: Latest) {
        let mut inner = lock(&self.0);
        if !inner.closed {
            inner.waiting.latest.insert(key, latest);
            inner.wake_owner();
        }
    }

    /// The same for an attribute, if the login watches its key.
    pub(crate) fn push_attribute(&self, key: LatestKey, attribute: u32, latest: &Latest) {
        let mut inner = lock(&self.0);
        if !inner.closed && inner.attribute_keys.contains(&attribute) {
            inner.waiting.latest.insert(key, latest.clone());
            inner.wake_owner();
        }
    }

    /// Drops the latest values of one watched id: what is told next is newer.
    pub(crate) fn forget_latest(&self, user: usize, form: usize) {
        self.forget_from(LatestKey {
            user,
            form,
            attribute: PRESENCE,
        });
    }

    /// Drops only the attributes of one watched id: the login may not see them any more.
    pub(crate) fn forget_attributes(&self, user: usize, form: usize) {
        self.forget_from(LatestKey {
            user,
            form,
            attribute: PRESENCE + 1,
        });
    }

    /// Drops only the presence of one watched id.
    pub(crate) fn forget_presence(&self, user: usize, form: usize) {
        let key = LatestKey {
            user,
            form,
            attribute: PRESENCE,
        };
        lock(&self.0).waiting.latest.remove(&key);
    }

    fn forget_from(&self, first: LatestKey) {
        let last = LatestKey {
            attribute: u64::MAX,
            ..first
        };
        let mut inner = lock(&self.0);
        let keys: Vec<LatestKey> = inner
            .waiting
            .latest
            .range(first..=last)
            .map(|(key, _)| *key)
            .collect();
        for key in keys {
            inner.waiting.latest.remove(&key);
        }
    }

    /// Sets which attributes the login watches.
    pub(crate) fn set_attribute_keys(&self, keys: &[u32]) {
        lock(&self.0).attribute_keys = keys.into();
    }

    /// Which attributes the login watches.
    pub(crate) fn attribute_keys(&self) -> Box<[u32]> {
        lock(&self.0).attribute_keys.clone()
    }

    /// Asks the login to end; the first reason counts.
    pub(crate) fn close(&self, reason: CloseReason) {
        let mut inner = lock(&self.0);
        inner.closing.get_or_insert(reason);
        inner.wake_owner();
    }

    /// Whether the login is to end, and everything that waits for it; `owner` is woken for more.
    pub(crate) fn take(&self, owner: &Waker) -> Result<Option<Waiting>, CloseReason> {
        let mut inner = lock(&self.0);
        if let Some(reason) = inner.closing {
            return Err(reason);
        }
        if inner.waiting.events.is_empty() && inner.waiting.latest.is_empty() {
            if !inner
                .owner
                .as_ref()
                .is_some_and(|known| known.will_wake(owner))
            {
                inner.owner = Some(owner.clone());
            }
            return Ok(None);
        }
        inner.bytes = 0;
        inner.wake_senders();
        Ok(Some(std::mem::take(&mut inner.waiting)))
    }

    /// Has the login been asked to end? `owner` is woken when it is; nothing is taken.
    pub(crate) fn closing(&self, owner: &Waker) -> Option<CloseReason> {
        let mut inner = lock(&self.0);
        if inner.closing.is_none() {
            inner.owner = Some(owner.clone());
        }
        inner.closing
    }

    /// Whether there is room again for a sender; if not, it is woken when there is.
    pub(crate) fn has_room(&self, sender: &Waker) -> bool {
        let mut inner = lock(&self.0);
        let room = inner.closed || inner.closing.is_some() || inner.bytes <= OUTBOX_BYTES_FULL;
        if !room && !inner.senders.iter().any(|known| known.will_wake(sender)) {
            inner.senders.push(sender.clone());
        }
        room
    }

    /// Takes nothing more, and gives back what nobody will read.
    pub(crate) fn shut(&self) -> Waiting {
        let mut inner = lock(&self.0);
        inner.closed = true;
        inner.owner = None;
        inner.wake_senders();
        std::mem::take(&mut inner.waiting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(bytes: usize) -> Event {
        Event::Frame(vec![0; bytes].into())
    }

    #[test]
    fn a_queue_that_fills_up_slows_senders_and_then_ends_its_login() {
        let outbox = Outbox::default();
        assert_eq!(outbox.push(frame(1000)), Push::Queued);
        assert_eq!(outbox.push(frame(OUTBOX_BYTES_FULL)), Push::Full);
        assert!(!outbox.has_room(Waker::noop()));
        assert_eq!(outbox.push(frame(OUTBOX_BYTES_MAX)), Push::Gone);
        assert_eq!(
            outbox.take(Waker::noop()).err(),
            Some(CloseReason::SlowConsumer)
        );
        assert_eq!(outbox.push(frame(1)), Push::Gone);
    }

    #[test]
    fn what_is_taken_makes_room() {
        let outbox = Outbox::default();
        outbox.push(frame(OUTBOX_BYTES_FULL));
        assert!(!outbox.has_room(Waker::noop()));
        let waiting = outbox.take(Waker::noop()).unwrap().unwrap();
        assert_eq!(waiting.events.len(), 1);
        assert!(outbox.has_room(Waker::noop()));
        assert!(outbox.take(Waker::noop()).unwrap().is_none());
    }

    #[test]
    fn a_newer_value_replaces_the_older_and_costs_no_room() {
        let outbox = Outbox::default();
        let key = LatestKey {
            user: 1,
            form: 0,
            attribute: 0,
        };
        for value in 0..100_000_u32 {
            let data = value.to_be_bytes().as_slice().into();
            outbox.push_latest(key, Latest { kind: 1, data });
        }
        let waiting = outbox.take(Waker::noop()).unwrap().unwrap();
        assert_eq!(waiting.latest.len(), 1);
        assert_eq!(&*waiting.latest[&key].data, &99_999_u32.to_be_bytes());
    }

    #[test]
    fn the_first_reason_to_end_counts() {
        let outbox = Outbox::default();
        outbox.close(CloseReason::Superseded);
        outbox.close(CloseReason::ServerStopping);
        assert_eq!(
            outbox.take(Waker::noop()).err(),
            Some(CloseReason::Superseded)
        );
    }
}
