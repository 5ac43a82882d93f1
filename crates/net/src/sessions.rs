//! Sessions that clients may resume, with a number and an age that end them.
//!
//! Source: `docs/domain/tls-scopes.md` 12. The TLS library's own cache knows no age.

use rustls::server::StoresServerSessions;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// As many sessions as "unlimited" means: each takes half a kilobyte, and no mux holds more connections.
pub const SESSIONS_MAX: usize = 100_000;

/// The sessions of one scope.
pub struct Sessions {
    limit: usize,
    /// `None`: only the number ends them.
    age_max: Option<Duration>,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    sessions: HashMap<Vec<u8>, Session>,
    /// The ids in the order in which the sessions came.
    order: BTreeMap<u64, Vec<u8>>,
    next: u64,
}

struct Session {
    came: Instant,
    place: u64,
    value: Vec<u8>,
}

impl fmt::Debug for Sessions {
    /// Without the sessions: they are secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sessions(limit {}, age {:?})", self.limit, self.age_max)
    }
}

impl Sessions {
    /// A cache of at most `limit` sessions and never more than [`SESSIONS_MAX`]; 0 asks for no limit of one's own. An
    /// `age_max` of zero asks for none either.
    #[must_use]
    pub fn new(limit: usize, age_max: Duration) -> Self {
        Self {
            limit: match limit {
                0 => SESSIONS_MAX,
                limit => limit.min(SESSIONS_MAX),
            },
            age_max: (!age_max.is_zero()).then_some(age_max),
            kept: Mutex::default(),
        }
    }

    /// Nothing is left half done while the lock is held, so a panic elsewhere spoils nothing.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put_at(&self, id: Vec<u8>, value: Vec<u8>, now: Instant) {
        let kept = &mut *self.kept();
        kept.remove(&id);
        while let Some(oldest) = kept.oldest() {
            let full = kept.sessions.len() >= self.limit;
            if !full && !self.is_over(oldest, now) {
                break;
            }
            kept.remove_oldest();
        }
        let place = kept.next;
        kept.next += 1;
        kept.order.insert(place, id.clone());
        let came = now;
        kept.sessions.insert(id, Session { came, place, value });
    }

    fn get_at(&self, id: &[u8], now: Instant) -> Option<Vec<u8>> {
        let kept = self.kept();
        let session = kept.sessions.get(id)?;
        (!self.is_over(session.came, now)).then(|| session.value.clone())
    }

    fn take_at(&self, id: &[u8], now: Instant) -> Option<Vec<u8>> {
        let session = self.kept().remove(id)?;
        (!self.is_over(session.came, now)).then_some(session.value)
    }

    fn is_over(&self, came: Instant, now: Instant) -> bool {
        self.age_max
            .is_some_and(|age| now.duration_since(came) >= age)
    }
}

impl Kept {
    fn oldest(&self) -> Option<Instant> {
        let (_, id) = self.order.first_key_value()?;
        self.sessions.get(id).map(|session| session.came)
    }

    fn remove_oldest(&mut self) {
        if let Some((_, id)) = self.order.pop_first() {
            self.sessions.remove(&id);
        }
    }

    fn remove(&mut self, id: &[u8]) -> Option<Session> {
        let session = self.sessions.remove(id)?;
        self.order.remove(&session.place);
        Some(session)
    }
}

impl StoresServerSessions for Sessions {
    fn put(&self, id: Vec<u8>, value: Vec<u8>) -> bool {
        self.put_at(id, value, Instant::now());
        true
    }

    fn get(&self, id: &[u8]) -> Option<Vec<u8>> {
        self.get_at(id, Instant::now())
    }

    fn take(&self, id: &[u8]) -> Option<Vec<u8>> {
        self.take_at(id, Instant::now())
    }

    fn can_cache(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn put(sessions: &Sessions, id: u8, now: Instant) {
        sessions.put_at(vec![id], vec![id, id], now);
    }

    #[test]
    fn a_session_is_kept_until_its_age() {
        let sessions = Sessions::new(10, 5 * SECOND);
        let start = Instant::now();
        put(&sessions, 1, start);
        assert_eq!(sessions.get_at(&[1], start + 4 * SECOND), Some(vec![1, 1]));
        assert_eq!(sessions.get_at(&[1], start + 5 * SECOND), None);
        assert_eq!(sessions.take_at(&[1], start + 5 * SECOND), None);
        put(&sessions, 2, start);
        put(&sessions, 3, start + 6 * SECOND);
        assert_eq!(
            sessions.kept().sessions.len(),
            1,
            "the old ones went by themselves"
        );
    }

    #[test]
    fn the_oldest_goes_when_there_is_no_more_room() {
        let sessions = Sessions::new(2, Duration::ZERO);
        let now = Instant::now();
        for id in 1..=3 {
            put(&sessions, id, now);
        }
        assert_eq!(sessions.get_at(&[1], now), None);
        assert_eq!(sessions.get_at(&[2], now), Some(vec![2, 2]));
        // Put again, it is the newest.
        put(&sessions, 2, now);
        put(&sessions, 4, now);
        assert_eq!(sessions.get_at(&[3], now), None);
        assert_eq!(sessions.get_at(&[2], now), Some(vec![2, 2]));
    }

    #[test]
    fn a_taken_session_is_gone() {
        let sessions = Sessions::new(0, Duration::ZERO);
        let now = Instant::now();
        put(&sessions, 1, now);
        assert_eq!(sessions.take_at(&[1], now), Some(vec![1, 1]));
        assert_eq!(sessions.take_at(&[1], now), None);
        assert!(sessions.kept().order.is_empty());
    }

    #[test]
    fn no_limit_means_the_named_one() {
        assert_eq!(Sessions::new(0, Duration::ZERO).limit, SESSIONS_MAX);
        assert_eq!(
            Sessions::new(usize::MAX, Duration::ZERO).limit,
            SESSIONS_MAX
        );
    }
}
