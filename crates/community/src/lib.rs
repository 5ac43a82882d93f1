//! The product's heart: logins, presence and the Sametime services.
//!
//! A login is a state machine ([`login`]) driven by its connection's own task ([`task`]); the services behind its
//! channels are in [`service`]. This room sees byte streams, never a socket, TLS or HTTP.
#![forbid(unsafe_code)]

pub mod limits;
mod login;
mod metrics;
mod outbox;
mod presence;
mod service;
mod sessions;
mod task;

use crate::metrics::Metrics;
use crate::outbox::Growth;
use crate::presence::Presence;
use crate::sessions::Sessions;
use config::Pii;
use identity::Directory;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use store::Store;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;
use wire::CloseReason;
use wire::link::Opened;
use wire::server::AuthType;

pub use sessions::SessionInfo;

/// What an administrator decides about the community.
#[derive(Debug, Clone)]
pub struct Options {
    /// The community's name. Clients that send it mean this community; it is never sent to them.
    pub community_id: Option<String>,
    /// This server, as clients see it in login information.
    pub server_id: String,
    /// Weaker authentication types are refused.
    pub weakest_auth: AuthType,
    /// A new login ends the user's others.
    pub single_login: bool,
    /// How long a client may take to send its login.
    pub login_deadline: Duration,
    /// Whether user names may stand in logs.
    pub pii: Pii,
}

/// The community of one node. Cheap to clone.
#[derive(Clone)]
pub struct Community(Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) directory: Directory,
    pub(crate) store: Store,
    pub(crate) presence: Presence,
    pub(crate) sessions: Sessions,
    pub(crate) metrics: Metrics,
    next_login: AtomicU64,
    started: Instant,
}

impl Community {
    /// A community of the directory's people, with what they keep in the store.
    #[must_use]
    pub fn new(options: Options, directory: Directory, store: Store) -> Self {
        Self(Arc::new(Shared {
            options,
            directory,
            store,
            presence: Presence::new(),
            sessions: Sessions::default(),
            metrics: Metrics::register(),
            next_login: AtomicU64::new(1),
            started: Instant::now(),
        }))
    }

    /// Serves one client until its end, and says why it ended.
    pub fn serve<S>(
        &self,
        stream: S,
        opened: Opened,
    ) -> impl Future<Output = CloseReason> + Send + use<S>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        task::serve(Arc::clone(&self.0), stream, opened)
    }

    /// Everybody who is logged in now, in the order of their logins.
    #[must_use]
    pub fn sessions(&self) -> Vec<SessionInfo> {
        self.0.sessions.list()
    }

    /// Ends one login by its login id; `false` if there is none of that id.
    #[must_use]
    pub fn end_session(&self, login_id: &str) -> bool {
        self.0.sessions.end(login_id, CloseReason::EndedByAdmin)
    }

    /// Ends the logins of a user, because the person was removed; answers how many there were.
    #[must_use]
    pub fn end_user(&self, user_id: &str) -> usize {
        let Some(user) = self.0.presence.find(user_id.as_bytes()) else {
            return 0;
        };
        let logins = user.logins();
        for login in &logins {
            login.outbox.close(CloseReason::EndedByAdmin);
        }
        logins.len()
    }

    /// Tells those who watch a group of its new members.
    pub fn group_grew(&self, group: &str, members: &[String]) {
        let growth = Growth {
            group: group.as_bytes().into(),
            members: members
                .iter()
                .map(|member| member.as_bytes().into())
                .collect(),
        };
        self.0.sessions.tell_of_growth(&Arc::new(growth));
    }

    /// Ends every connection because the server stops. New ones end at once.
    pub fn stop(&self) {
        self.0.sessions.stop(CloseReason::ServerStopping);
    }
}

impl Shared {
    /// Microseconds since the start: orders what people do.
    pub(crate) fn activity(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.started).as_micros()).unwrap_or(u64::MAX)
    }

    /// The first moment on the common grain of timers that is not before `wanted`, and after `now`.
    pub(crate) fn on_the_grain(&self, wanted: Instant, now: Instant) -> Instant {
        let grain = limits::TIMER_GRAIN;
        let since_start = wanted.max(now).saturating_duration_since(self.started);
        let grains = since_start.as_secs() / grain.as_secs() + 1;
        self.started + grain * u32::try_from(grains).unwrap_or(u32::MAX)
    }

    pub(crate) fn next_login(&self) -> u64 {
        self.next_login.fetch_add(1, Ordering::Relaxed)
    }

    /// Does a client mean this community? Clients leave the name empty, or send our own.
    pub(crate) fn is_ours(&self, community: &[u8]) -> bool {
        community.is_empty()
            || self
                .options
                .community_id
                .as_ref()
                .is_some_and(|own| own.as_bytes() == community)
    }

    /// The id under which the community knows the user whom a client names: the directory's spelling, or for
    /// unknown people what the client wrote.
    pub(crate) fn canonical(&self, user: &[u8]) -> Box<[u8]> {
        match self.directory.person(user) {
            Some(person) => person.id.as_bytes().into(),
            None => user.into(),
        }
    }
}

/// Locks, and carries on after a panic elsewhere: every change under a lock is whole before anything can panic.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
