//! Who is here, who watches whom, and what each watcher has been told.
//!
//! Every user who is here or watched has one record behind a short lock of its own. Locks are taken in one order
//! only: a shard of the map, then a user, then an outbox; none is held across an await.
//!
//! Source: `docs/protocol/service-aware.md`; `docs/protocol/connection.md`, SET_PRIVACY_LIST.

use crate::limits::{ATTRIBUTE_BYTES_MAX, ATTRIBUTES_MAX};
use crate::login::LoginRecord;
use crate::outbox::{Latest, LatestKey, LoginKey, PRESENCE};
use crate::{Shared, lock};
use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex};
use store::PrivacyRecord;
use wire::message::UserStatus;
use wire::service::awareness::{AwareId, AwareKind, Entry, Online, ServerMessage, UPDATE_KIND};
use wire::{Status, Text};

/// Locks of the map: enough that two threads rarely meet.
const SHARDS: usize = 64;

/// All users who are here or watched.
pub(crate) struct Presence {
    shards: Vec<Mutex<Shard>>,
    hasher: RandomState,
}

/// Users by id, each with the number of logins and subscriptions that hold it here.
type Shard = HashMap<Arc<[u8]>, (Arc<User>, usize)>;

/// One user.
pub(crate) struct User {
    /// The canonical user id.
    pub(crate) id: Arc<[u8]>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    here: Vec<Here>,
    /// Sorted by login and form.
    watchers: Vec<Watcher>,
    /// `None`: everybody may see the user.
    privacy: Option<Arc<Privacy>>,
    shown: Option<Shown>,
    /// Number of the state shown; 0 while the user is away.
    version: u32,
    last_version: u32,
    /// The login whose attributes watchers have been told: the one that rang when they were last told anything.
    attributes_of: Option<LoginKey>,
}

/// One login of the user.
struct Here {
    login: Arc<LoginRecord>,
    status: Status,
    time: u32,
    text: Box<[u8]>,
    attributes: Vec<(u32, Box<[u8]>)>,
}

/// What watchers see of the user's logins together.
#[derive(PartialEq, Eq)]
struct Shown {
    status: Status,
    time: u32,
    text: Box<[u8]>,
    name: Box<[u8]>,
}

struct Watcher {
    login: Arc<LoginRecord>,
    form: Option<Arc<Form>>,
    /// Version that the watcher has been told; 0 is "away".
    told: u32,
}

/// How a watcher wrote the id, where that is not the plain user id: every answer repeats it byte for byte.
#[derive(Debug)]
pub(crate) struct Form {
    pub(crate) user: Box<[u8]>,
    pub(crate) community: Box<[u8]>,
}

/// Who may see a user: the list as its owner wrote it, and the ids it means.
#[derive(Debug)]
pub(crate) struct Privacy {
    pub(crate) record: PrivacyRecord,
    /// Canonical user ids, sorted.
    ids: Vec<Box<[u8]>>,
}

impl Privacy {
    /// People of other communities are nobody here: an entry for one of them says nothing of ours.
    pub(crate) fn new(record: PrivacyRecord, community: &Shared) -> Self {
        let mut ids: Vec<_> = record
            .users
            .iter()
            .filter(|user| community.is_ours(&user.community))
            .map(|user| community.canonical(&user.id))
            .collect();
        ids.sort_unstable();
        Self { record, ids }
    }

    fn admits(&self, viewer: &[u8]) -> bool {
        let listed = self.ids.binary_search_by(|id| (**id).cmp(viewer)).is_ok();
        listed != self.record.deny
    }
}

/// The address of a form, as an identity; 0 for the plain one.
pub(crate) fn form_address(form: Option<&Arc<Form>>) -> usize {
    form.map_or(0, |form| Arc::as_ptr(form) as usize)
}

impl Presence {
    pub(crate) fn new() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
        }
    }

    fn shard(&self, id: &[u8]) -> &Mutex<Shard> {
        let index = self.hasher.hash_one(id) as usize % SHARDS;
        // The index is below the length of the vector, which never changes.
        &self.shards[index]
    }

    /// The user's record, made if it is not there; it stays until [`Presence::release`].
    pub(crate) fn hold(&self, id: &[u8]) -> Arc<User> {
        let mut shard = lock(self.shard(id));
        if let Some((user, holders)) = shard.get_mut(id) {
            *holders += 1;
            return Arc::clone(user);
        }
        let id: Arc<[u8]> = id.into();
        let user = Arc::new(User {
            id: Arc::clone(&id),
            state: Mutex::default(),
        });
        shard.insert(id, (Arc::clone(&user), 1));
        user
    }

    /// The user's record, if somebody of that id is here or watched.
    pub(crate) fn find(&self, id: &[u8]) -> Option<Arc<User>> {
        lock(self.shard(id))
            .get(id)
            .map(|(user, _)| Arc::clone(user))
    }

    /// Gives up what [`Presence::hold`] gave; the last one takes the record away.
    pub(crate) fn release(&self, user: &User) {
        let mut shard = lock(self.shard(&user.id));
        if let Some((_, holders)) = shard.get_mut(&user.id) {
            *holders -= 1;
            if *holders == 0 {
                shard.remove(&user.id);
            }
        }
    }
}

impl User {
    /// The user's privacy list, if one of the logins has brought it along.
    pub(crate) fn privacy(&self) -> Option<Arc<Privacy>> {
        lock(&self.state).privacy.clone()
    }

    /// A login begins. `privacy` is the stored list. Answers with the logins that were here before.
    pub(crate) fn arrive(
        self: &Arc<Self>,
        login: &Arc<LoginRecord>,
        privacy: Option<Privacy>,
    ) -> Vec<Arc<LoginRecord>> {
        let mut state = lock(&self.state);
        let others: Vec<_> = state
            .here
            .iter()
            .map(|here| Arc::clone(&here.login))
            .collect();
        // What another login has put in force is at least as new as what was read from the store.
        if state.privacy.is_none() {
            state.privacy = privacy.map(Arc::new);
        }
        state.here.push(Here {
            login: Arc::clone(login),
            status: Status::ACTIVE,
            time: 0,
            text: Box::default(),
            attributes: Vec::new(),
        });
        state.publish(self, None);
        others
    }

    /// A login ends, and its attributes with it.
    pub(crate) fn leave(self: &Arc<Self>, login: &LoginRecord) {
        let mut state = lock(&self.state);
        let Some(index) = state
            .here
            .iter()
            .position(|here| here.login.key == login.key)
        else {
            return;
        };
        let gone = state.here.swap_remove(index);
        state.publish(self, Some(&gone));
        if state.here.is_empty() {
            state.privacy = None;
        }
    }

    /// A login says how it is.
    pub(crate) fn set_status(self: &Arc<Self>, login: &LoginRecord, status: &UserStatus<'_>) {
        let mut state = lock(&self.state);
        if let Some(here) = state.here_mut(login) {
            here.status = status.status;
            here.time = status.time;
            here.text = status.desc.as_bytes().into();
            state.publish(self, None);
        }
    }

    /// Replaces the privacy list and tells every watcher whose view changes. Answers with the user's logins.
    pub(crate) fn set_privacy(self: &Arc<Self>, privacy: Privacy) -> Vec<Arc<LoginRecord>> {
        let mut state = lock(&self.state);
        state.privacy = Some(Arc::new(privacy));
        state.publish(self, None);
        state
            .here
            .iter()
            .map(|here| Arc::clone(&here.login))
            .collect()
    }

    /// The user's logins.
    pub(crate) fn logins(&self) -> Vec<Arc<LoginRecord>> {
        lock(&self.state)
            .here
            .iter()
            .map(|here| Arc::clone(&here.login))
            .collect()
    }

    /// The logins of the user, if `viewer` may see them.
    pub(crate) fn logins_seen_by(&self, viewer: &User) -> Vec<Arc<LoginRecord>> {
        let state = lock(&self.state);
        if !state.may_see(self, viewer) {
            return Vec::new();
        }
        state
            .here
            .iter()
            .map(|here| Arc::clone(&here.login))
            .collect()
    }

    /// The login that a message of `viewer` reaches: the one active last; nobody if the user is away or hides.
    ///
    /// Source: `docs/protocol/service-im.md`, "Which login rings".
    pub(crate) fn ringing_for(&self, viewer: &User) -> Option<Arc<LoginRecord>> {
        let state = lock(&self.state);
        if state.version == 0 || !state.may_see(self, viewer) {
            return None;
        }
        state.ringing().map(|here| Arc::clone(&here.login))
    }

    /// Publishes an attribute of a login. `false`: over a limit, nothing changed.
    pub(crate) fn set_attribute(
        self: &Arc<Self>,
        login: &LoginRecord,
        key: u32,
        value: &[u8],
    ) -> bool {
        let mut state = lock(&self.state);
        let Some(here) = state.here_mut(login) else {
            return false;
        };
        if value.len() > ATTRIBUTE_BYTES_MAX {
            return false;
        }
        match here.attributes.iter().position(|(known, _)| *known == key) {
            Some(index) => here.attributes[index].1 = value.into(),
            None if here.attributes.len() < ATTRIBUTES_MAX => {
                here.attributes.push((key, value.into()));
            }
            None => return false,
        }
        state.publish_attribute(self, key);
        true
    }

    /// Withdraws an attribute of a login.
    pub(crate) fn unset_attribute(self: &Arc<Self>, login: &LoginRecord, key: u32) {
        let mut state = lock(&self.state);
        let Some(here) = state.here_mut(login) else {
            return;
        };
        let before = here.attributes.len();
        here.attributes.retain(|(known, _)| *known != key);
        if here.attributes.len() != before {
            state.publish_attribute(self, key);
        }
    }

    /// Subscribes `login` under `form`, and writes what it may see now as an entry.
    ///
    /// An older update that still waits in the login's outbox is dropped: the entry is newer.
    pub(crate) fn watch(
        self: &Arc<Self>,
        login: &Arc<LoginRecord>,
        form: Option<&Arc<Form>>,
        put: &mut dyn FnMut(&Entry<'_>),
    ) {
        let mut state = lock(&self.state);
        let told = if state.may_see(self, &login.user) {
            state.version
        } else {
            0
        };
        match state.find_watcher(login, form) {
            Ok(index) => {
                state.watchers[index].told = told;
                let (user, form) = (self.address(), form_address(form));
                match told {
                    0 => login.outbox.forget_latest(user, form),
                    _ => login.outbox.forget_presence(user, form),
                }
            }
            Err(index) => {
                let watcher = Watcher {
                    login: Arc::clone(login),
                    form: form.cloned(),
                    told,
                };
                state.watchers.insert(index, watcher);
            }
        }
        put(&state.entry(self, form, Text::default(), told != 0));
    }

    /// Ends a subscription.
    pub(crate) fn unwatch(self: &Arc<Self>, login: &LoginRecord, form: Option<&Arc<Form>>) {
        let mut state = lock(&self.state);
        if let Ok(index) = state.find_watcher(login, form) {
            state.watchers.remove(index);
            if state.watchers.len() * 4 < state.watchers.capacity() {
                state.watchers.shrink_to_fit();
            }
        }
        login
            .outbox
            .forget_latest(self.address(), form_address(form));
    }

    /// Writes what `viewer` may see now as an entry of a group, without a subscription.
    pub(crate) fn look(&self, viewer: &User, group: Text<'_>, put: &mut dyn FnMut(&Entry<'_>)) {
        let state = lock(&self.state);
        let visible = state.version != 0 && state.may_see(self, viewer);
        put(&state.entry(self, None, group, visible));
    }

    /// Sends `login` the attributes among `keys` that it may see.
    pub(crate) fn tell_attributes(
        self: &Arc<Self>,
        login: &LoginRecord,
        form: Option<&Arc<Form>>,
        keys: &[u32],
    ) {
        let state = lock(&self.state);
        if !state.may_see(self, &login.user) {
            return;
        }
        for key in keys {
            if let Some(value) = state.attribute(*key) {
                let latest = attribute_latest(&self.aware_id(form), *key, Some(value));
                login
                    .outbox
                    .push_attribute(self.key(form, Some(*key)), *key, &latest);
            }
        }
    }

    fn address(self: &Arc<Self>) -> usize {
        Arc::as_ptr(self) as usize
    }

    fn key(self: &Arc<Self>, form: Option<&Arc<Form>>, attribute: Option<u32>) -> LatestKey {
        LatestKey {
            user: self.address(),
            form: form_address(form),
            attribute: attribute.map_or(PRESENCE, |key| u64::from(key) + 1),
        }
    }

    fn aware_id<'a>(&'a self, form: Option<&'a Arc<Form>>) -> AwareId<'a> {
        let (user, community) = match form {
            Some(form) => (&*form.user, &*form.community),
            None => (&*self.id, &[][..]),
        };
        AwareId {
            kind: AwareKind::USER,
            user: Text(user),
            community: Text(community),
        }
    }
}

impl State {
    fn here_mut(&mut self, login: &LoginRecord) -> Option<&mut Here> {
        self.here
            .iter_mut()
            .find(|here| here.login.key == login.key)
    }

    /// May `viewer` see the user? Everybody may see themselves.
    fn may_see(&self, user: &User, viewer: &User) -> bool {
        viewer.id == user.id
            || self
                .privacy
                .as_ref()
                .is_none_or(|privacy| privacy.admits(&viewer.id))
    }

    /// The login that shows: the most present one, the newest of equals.
    fn most_present(&self) -> Option<&Here> {
        self.here
            .iter()
            .filter(|here| here.status != Status::OFFLINE)
            .max_by_key(|here| (here.status.presence_rank(), here.login.key))
    }

    /// The login that rings: the one active last, the more present of equals.
    fn ringing(&self) -> Option<&Here> {
        self.here
            .iter()
            .filter(|here| here.status != Status::OFFLINE)
            .max_by_key(|here| {
                (
                    here.login.last_active(),
                    here.status.presence_rank(),
                    here.login.key,
                )
            })
    }

    fn attribute(&self, key: u32) -> Option<&[u8]> {
        let attributes = &self.told_login()?.attributes;
        let (_, value) = attributes.iter().find(|(known, _)| *known == key)?;
        Some(value)
    }

    /// The login whose attributes watchers have been told.
    fn told_login(&self) -> Option<&Here> {
        let told = self.attributes_of?;
        self.here.iter().find(|here| here.login.key == told)
    }

    fn find_watcher(&self, login: &LoginRecord, form: Option<&Arc<Form>>) -> Result<usize, usize> {
        let wanted = (login.key, form_address(form));
        self.watchers
            .binary_search_by(|w| (w.login.key, form_address(w.form.as_ref())).cmp(&wanted))
    }

    fn entry<'a>(
        &'a self,
        user: &'a User,
        form: Option<&'a Arc<Form>>,
        group: Text<'a>,
        visible: bool,
    ) -> Entry<'a> {
        let online = self.shown.as_ref().filter(|_| visible).map(|shown| Online {
            alt_id: Text(&user.id),
            status: UserStatus {
                status: shown.status,
                time: shown.time,
                desc: Text(&shown.text),
            },
            name: Text(&shown.name),
        });
        Entry {
            id: user.aware_id(form),
            group,
            online,
        }
    }

    /// Finds out what shows now, and tells everybody whose view changed. `gone` is a login that has just ended.
    fn publish(&mut self, user: &Arc<User>, gone: Option<&Here>) {
        let told = self.told_login().or(gone);
        let old_keys: Vec<u32> = told.map_or(Vec::new(), |here| {
            here.attributes.iter().map(|(key, _)| *key).collect()
        });
        let ringing = self.ringing().map(|here| here.login.key);
        let exchanged = std::mem::replace(&mut self.attributes_of, ringing) != ringing;
        let shown = self.most_present().map(|here| Shown {
            status: here.status,
            time: here.time,
            text: here.text.clone(),
            name: here.login.person.name.as_bytes().into(),
        });
        if shown != self.shown {
            self.version = 0;
            if shown.is_some() {
                // 0 means "away", so the count skips it after its four billionth turn.
                self.last_version = self.last_version.checked_add(1).unwrap_or(1);
                self.version = self.last_version;
            }
            self.shown = shown;
        }
        // Encoded once for all who wrote the plain id, which is all ordinary clients.
        let mut plain: [Option<Arc<[u8]>>; 2] = [None, None];
        let mut watchers = std::mem::take(&mut self.watchers);
        for watcher in &mut watchers {
            let visible = self.version != 0 && self.may_see(user, &watcher.login.user);
            let version = if visible { self.version } else { 0 };
            let before = std::mem::replace(&mut watcher.told, version);
            if before == version {
                continue;
            }
            let form = watcher.form.as_ref();
            let data = match form {
                None => plain[usize::from(visible)]
                    .get_or_insert_with(|| self.encode_update(user, None, visible))
                    .clone(),
                Some(_) => self.encode_update(user, form, visible),
            };
            let latest = Latest {
                kind: UPDATE_KIND,
                data,
            };
            watcher
                .login
                .outbox
                .push_latest(user.key(form, None), latest);
            if before == 0 {
                self.tell_all_attributes(user, watcher);
            } else if version == 0 {
                withdraw_attributes(user, watcher, &old_keys);
            }
        }
        self.watchers = watchers;
        if exchanged {
            let new_keys = self
                .told_login()
                .into_iter()
                .flat_map(|here| &here.attributes);
            let keys: BTreeSet<u32> = old_keys
                .into_iter()
                .chain(new_keys.map(|(key, _)| *key))
                .collect();
            for key in keys {
                self.publish_attribute(user, key);
            }
        }
    }

    fn encode_update(&self, user: &User, form: Option<&Arc<Form>>, visible: bool) -> Arc<[u8]> {
        let mut data = Vec::with_capacity(128);
        ServerMessage::Update(self.entry(user, form, Text::default(), visible)).encode(&mut data);
        data.into()
    }

    /// A watcher sees the user from now on: it gets the attributes as well.
    fn tell_all_attributes(&self, user: &Arc<User>, watcher: &Watcher) {
        let Some(here) = self.told_login() else {
            return;
        };
        let form = watcher.form.as_ref();
        for (key, value) in &here.attributes {
            let latest = attribute_latest(&user.aware_id(form), *key, Some(value));
            watcher
                .login
                .outbox
                .push_attribute(user.key(form, Some(*key)), *key, &latest);
        }
    }

    /// Tells all who see the user and watch the attribute what it is now.
    fn publish_attribute(&self, user: &Arc<User>, key: u32) {
        let value = self.attribute(key);
        let plain = attribute_latest(&user.aware_id(None), key, value);
        for watcher in self.watchers.iter().filter(|watcher| watcher.told != 0) {
            let form = watcher.form.as_ref();
            let key_of_latest = user.key(form, Some(key));
            match form {
                None => watcher
                    .login
                    .outbox
                    .push_attribute(key_of_latest, key, &plain),
                Some(_) => {
                    let latest = attribute_latest(&user.aware_id(form), key, value);
                    watcher
                        .login
                        .outbox
                        .push_attribute(key_of_latest, key, &latest);
                }
            }
        }
    }
}

/// A watcher sees the user no longer: what waits is dropped, and what it knows is taken back.
fn withdraw_attributes(user: &Arc<User>, watcher: &Watcher, keys: &[u32]) {
    let form = watcher.form.as_ref();
    let outbox = &watcher.login.outbox;
    outbox.forget_attributes(user.address(), form_address(form));
    for key in keys {
        let latest = attribute_latest(&user.aware_id(form), *key, None);
        outbox.push_attribute(user.key(form, Some(*key)), *key, &latest);
    }
}

fn attribute_latest(id: &AwareId<'_>, key: u32, value: Option<&[u8]>) -> Latest {
    let message = match value {
        Some(value) => ServerMessage::AttrGotSet {
            id: *id,
            key,
            value,
        },
        None => ServerMessage::AttrGotUnset { id: *id, key },
    };
    let mut data = Vec::new();
    let kind = message.encode(&mut data);
    Latest {
        kind,
        data: data.into(),
    }
}
