//! All connections of this node, for those who need all of them: shutdown and the administrator.

use crate::lock;
use crate::login::LoginRecord;
use crate::outbox::{Event, Growth, LoginKey, Outbox};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;
use wire::CloseReason;

/// One login, as an administrator sees it.
#[derive(Debug, Clone)]
pub struct SessionInfo {
    /// The login's id.
    pub id: String,
    /// The user's id.
    pub user: String,
    /// Where the client connects from.
    pub address: IpAddr,
    /// `tls1.2`, `tls1.3`, or how a client without TLS protects its password: `legacy-rc2-128`, `legacy-rc2-40`,
    /// `legacy-plain`.
    pub transport: &'static str,
    /// The client program's number.
    pub login_type: u16,
    /// When the login began.
    pub since: SystemTime,
}

#[derive(Default)]
pub(crate) struct Sessions(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    by_key: HashMap<LoginKey, Session>,
    stopping: Option<CloseReason>,
}

struct Session {
    outbox: Arc<Outbox>,
    login: Option<Arc<LoginRecord>>,
}

impl Sessions {
    /// A connection begins; while the server stops it is asked to end at once.
    pub(crate) fn begin(&self, key: LoginKey, outbox: &Arc<Outbox>) {
        let mut inner = lock(&self.0);
        if let Some(reason) = inner.stopping {
            outbox.close(reason);
        }
        inner.by_key.insert(
            key,
            Session {
                outbox: Arc::clone(outbox),
                login: None,
            },
        );
    }

    /// The connection has logged in.
    pub(crate) fn logged_in(&self, login: &Arc<LoginRecord>) {
        if let Some(session) = lock(&self.0).by_key.get_mut(&login.key) {
            session.login = Some(Arc::clone(login));
        }
    }

    /// The connection has ended.
    pub(crate) fn end_of(&self, key: LoginKey) {
        let ended = lock(&self.0).by_key.remove(&key);
        drop(ended);
    }

    /// Asks every connection to end, now and from now on.
    pub(crate) fn stop(&self, reason: CloseReason) {
        let mut inner = lock(&self.0);
        inner.stopping = Some(reason);
        for session in inner.by_key.values() {
            session.outbox.close(reason);
        }
    }

    /// Asks the login of that id to end.
    pub(crate) fn end(&self, login_id: &str, reason: CloseReason) -> bool {
        let inner = lock(&self.0);
        let login = inner
            .by_key
            .values()
            .filter_map(|session| session.login.as_ref())
            .find(|login| login.login_id.as_slice() == login_id.as_bytes());
        if let Some(login) = login {
            login.outbox.close(reason);
        }
        login.is_some()
    }

    /// Tells every login; those who do not watch the group ignore it.
    pub(crate) fn tell_of_growth(&self, growth: &Arc<Growth>) {
        for session in lock(&self.0)
            .by_key
            .values()
            .filter(|session| session.login.is_some())
        {
            session.outbox.push(Event::GroupGrew(Arc::clone(growth)));
        }
    }

    /// Everybody who is logged in.
    pub(crate) fn list(&self) -> Vec<SessionInfo> {
        let mut logins: Vec<Arc<LoginRecord>> = lock(&self.0)
            .by_key
            .values()
            .filter_map(|session| session.login.clone())
            .collect();
        logins.sort_unstable_by_key(|login| login.key);
        logins.iter().map(|login| login.session_info()).collect()
    }
}
