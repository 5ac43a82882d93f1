//! Whom a login watches, and what it is told.
//!
//! Source: `docs/protocol/service-aware.md`.

use crate::Shared;
use crate::limits::{
    ANSWER_BYTES_MAX, ATTRIBUTE_KEYS_MAX, SPELLINGS_MAX, USER_ID_BYTES_MAX, WATCHED_GROUPS_MAX,
    WATCHED_MAX, WRITE_BYTES_ENOUGH,
};
use crate::login::{Context, LoginRecord};
use crate::outbox::{Growth, Latest, LatestKey};
use crate::presence::{Form, User};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use wire::codec::DecodeError;
use wire::message::ChannelSend;
use wire::service::awareness::{
    AwareId, AwareKind, ClientMessage, Entry, SNAPSHOT_KIND, ServerMessage, SnapshotWriter,
    UPDATE_KIND,
};
use wire::{ChannelId, Text, frame};

/// The awareness channel of one login. Its subscriptions live as long as the channel.
#[derive(Default)]
pub(crate) struct Awareness {
    channel: Option<ChannelId>,
    /// Sorted by the user's address and the form's text.
    watched: Vec<Watched>,
    groups: Vec<WatchedGroup>,
}

struct WatchedGroup {
    /// As the directory spells it.
    id: Box<[u8]>,
    /// As the client wrote it: every answer repeats that.
    written: Box<[u8]>,
}

struct Watched {
    user: Arc<User>,
    form: Option<Arc<Form>>,
}

impl Awareness {
    pub(crate) fn is_open(&self) -> bool {
        self.channel.is_some()
    }

    pub(crate) fn open(&mut self, channel: ChannelId) {
        self.channel = Some(channel);
    }

    /// Ends the channel, and all subscriptions with it.
    pub(crate) fn close(&mut self, login: &LoginRecord, community: &Shared) {
        self.channel = None;
        for Watched { user, form } in std::mem::take(&mut self.watched) {
            user.unwatch(login, form.as_ref());
            community.presence.release(&user);
        }
        self.groups = Vec::new();
        login.outbox.set_attribute_keys(&[]);
    }

    /// Tells the client the latest values that waited for it.
    pub(crate) fn send_latest(&self, latest: BTreeMap<LatestKey, Latest>, cx: &mut Context<'_>) {
        let Some(channel) = self.channel else { return };
        cx.community
            .metrics
            .presence_updates
            .increment(latest.len() as u64);
        for Latest { kind, data } in latest.into_values() {
            frame::put_send(cx.out, channel, kind, false, &data);
        }
    }

    /// Handles what the client sent on the channel.
    pub(crate) fn on_send(
        &mut self,
        login: &Arc<LoginRecord>,
        send: &ChannelSend<'_>,
        cx: &mut Context<'_>,
    ) -> Result<(), DecodeError> {
        match ClientMessage::decode(send.kind, send.data)? {
            ClientMessage::Add(ids) => self.add(login, &ids, cx),
            ClientMessage::Remove(ids) => self.remove(login, &ids, cx),
            ClientMessage::AttrSet { key, value } => {
                if login.user.set_attribute(login, key, value) {
                    self.send(&ServerMessage::AttrDidSet { key }, cx);
                }
            }
            ClientMessage::AttrUnset { key } => {
                login.user.unset_attribute(login, key);
                self.send(&ServerMessage::AttrDidUnset { key }, cx);
            }
            ClientMessage::AttrWatch(mut keys) => {
                keys.truncate(ATTRIBUTE_KEYS_MAX);
                login.outbox.set_attribute_keys(&keys);
                for Watched { user, form } in &self.watched {
                    user.tell_attributes(login, form.as_ref(), &keys);
                }
            }
            ClientMessage::Unknown { .. } => {}
        }
        Ok(())
    }

    fn send(&self, message: &ServerMessage<'_>, cx: &mut Context<'_>) {
        if let Some(channel) = self.channel {
            let mut data = Vec::new();
            let kind = message.encode(&mut data);
            frame::put_send(cx.out, channel, kind, false, &data);
        }
    }

    fn send_snapshot(&self, snapshot: SnapshotWriter, cx: &mut Context<'_>) {
        if let Some(channel) = self.channel {
            frame::put_send(cx.out, channel, SNAPSHOT_KIND, false, &snapshot.finish());
        }
    }

    /// Subscribes to users, with one snapshot for all of them, and to groups, with one snapshot for each.
    fn add(&mut self, login: &Arc<LoginRecord>, ids: &[AwareId<'_>], cx: &mut Context<'_>) {
        let mut snapshot = SnapshotWriter::new();
        let mut asked = false;
        let mut seen = BTreeSet::new();
        let keys = login.outbox.attribute_keys();
        for id in ids.iter().take(WATCHED_MAX) {
            // Naming an id twice asks nothing twice, and the answer has its limit.
            let answered = cx.out.len() + snapshot.data_bytes();
            if !seen.insert((id.kind.0, id.user, id.community)) || answered > ANSWER_BYTES_MAX {
                continue;
            }
            match id.kind {
                // An entry without a user crashes clients, so it gets none.
                AwareKind::USER if !id.user.is_empty() => {
                    asked = true;
                    self.add_user(login, id, &keys, &mut snapshot, cx);
                }
                AwareKind::GROUP if !id.user.is_empty() => self.add_group(login, id, cx),
                _ => {}
            }
        }
        if asked {
            self.send_snapshot(snapshot, cx);
        }
    }

    fn add_user(
        &mut self,
        login: &Arc<LoginRecord>,
        id: &AwareId<'_>,
        keys: &[u32],
        snapshot: &mut SnapshotWriter,
        cx: &mut Context<'_>,
    ) {
        let presence = &cx.community.presence;
        // People of other communities are nobody here, and stay so.
        let ours = cx.community.is_ours(id.community.as_bytes());
        if !ours || id.user.len() > USER_ID_BYTES_MAX {
            return snapshot.push(&away(id));
        }
        let user = presence.hold(&cx.community.canonical(id.user.as_bytes()));
        let index = match self.find(&user, id) {
            Ok(index) => {
                presence.release(&user);
                index
            }
            Err(index) if self.watched.len() >= WATCHED_MAX || self.has_spellings(&user, index) => {
                presence.release(&user);
                return snapshot.push(&away(id));
            }
            Err(index) => {
                let form = form_of(&user, id);
                self.watched.insert(index, Watched { user, form });
                index
            }
        };
        let Watched { user, form } = &self.watched[index];
        user.watch(login, form.as_ref(), &mut |entry| snapshot.push(entry));
        if !keys.is_empty() {
            user.tell_attributes(login, form.as_ref(), keys);
        }
    }

    /// Clients add each member as a user of their own once they have the snapshot.
    fn add_group(&mut self, login: &Arc<LoginRecord>, id: &AwareId<'_>, cx: &mut Context<'_>) {
        self.send(&ServerMessage::Group(*id), cx);
        let mut snapshot = SnapshotWriter::new();
        let group = cx.community.directory.group(id.user.as_bytes());
        if let Some(group) = group.filter(|_| cx.community.is_ours(id.community.as_bytes())) {
            for member in &group.members {
                if cx.out.len() + snapshot.data_bytes() > ANSWER_BYTES_MAX {
                    break;
                }
                put_member(login, member.as_bytes(), id.user, cx, &mut |entry| {
                    snapshot.push(entry)
                });
            }
            let written = id.user.as_bytes();
            if self.groups.len() < WATCHED_GROUPS_MAX
                && !self
                    .groups
                    .iter()
                    .any(|known| *known.id == *group.id.as_bytes())
            {
                self.groups.push(WatchedGroup {
                    id: group.id.as_bytes().into(),
                    written: written.into(),
                });
            }
        }
        self.send_snapshot(snapshot, cx);
    }

    /// A group has new members: a client that watches it is told of them as of the group's.
    pub(crate) fn on_group_grew(&self, login: &LoginRecord, growth: &Growth, cx: &mut Context<'_>) {
        let Some(channel) = self.channel else { return };
        for group in self.groups.iter().filter(|group| group.id == growth.group) {
            for member in &growth.members {
                // The others are seen when the group is watched anew; one import must not flood everybody.
                if cx.out.len() > WRITE_BYTES_ENOUGH {
                    return;
                }
                let mut data = Vec::new();
                put_member(login, member, Text(&group.written), cx, &mut |entry| {
                    ServerMessage::Update(*entry).encode(&mut data);
                });
                frame::put_send(cx.out, channel, UPDATE_KIND, false, &data);
            }
        }
    }

    fn remove(&mut self, login: &Arc<LoginRecord>, ids: &[AwareId<'_>], cx: &mut Context<'_>) {
        for id in ids {
            if id.kind == AwareKind::GROUP {
                self.groups
                    .retain(|known| *known.written != *id.user.as_bytes());
                continue;
            }
            let canonical = cx.community.canonical(id.user.as_bytes());
            let Some(user) = cx.community.presence.find(&canonical) else {
                continue;
            };
            if let Ok(index) = self.find(&user, id) {
                let Watched { user, form } = self.watched.remove(index);
                user.unwatch(login, form.as_ref());
                cx.community.presence.release(&user);
            }
        }
    }

    /// Is the user watched under as many spellings as may be, where a further one would stand at `index`?
    fn has_spellings(&self, user: &Arc<User>, index: usize) -> bool {
        let is_same = |watched: &&Watched| Arc::ptr_eq(&watched.user, user);
        let before = self.watched[..index]
            .iter()
            .rev()
            .take_while(is_same)
            .count();
        let after = self.watched[index..].iter().take_while(is_same).count();
        before + after >= SPELLINGS_MAX
    }

    fn find(&self, user: &Arc<User>, id: &AwareId<'_>) -> Result<usize, usize> {
        let wanted = written(user, id);
        self.watched.binary_search_by(|watched| {
            let known = watched
                .form
                .as_ref()
                .map(|form| (&*form.user, &*form.community));
            (Arc::as_ptr(&watched.user), known).cmp(&(Arc::as_ptr(user), wanted))
        })
    }
}

/// Puts a group's member as `login` may see it now.
fn put_member(
    login: &LoginRecord,
    member: &[u8],
    group: Text<'_>,
    cx: &Context<'_>,
    put: &mut dyn FnMut(&Entry<'_>),
) {
    match cx.community.presence.find(member) {
        Some(user) => user.look(&login.user, group, put),
        None => put(&Entry {
            id: AwareId::user(Text(member)),
            group,
            online: None,
        }),
    }
}

/// How the id is written, where that is not the plain user id.
fn written<'a>(user: &User, id: &AwareId<'a>) -> Option<(&'a [u8], &'a [u8])> {
    let plain = id.user.as_bytes() == &*user.id && id.community.is_empty();
    (!plain).then_some((id.user.as_bytes(), id.community.as_bytes()))
}

fn form_of(user: &User, id: &AwareId<'_>) -> Option<Arc<Form>> {
    let (user, community) = written(user, id)?;
    Some(Arc::new(Form {
        user: user.into(),
        community: community.into(),
    }))
}

fn away<'a>(id: &AwareId<'a>) -> Entry<'a> {
    Entry {
        id: *id,
        group: Text::default(),
        online: None,
    }
}
