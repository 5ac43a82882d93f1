//! Sessions that clients may resume, with a number, a size and an age that end them.
//!
//! Source: `docs/domain/tls-scopes.md` 12. The TLS library's own cache knows no age. Nor does the library look again at the
//! certificate of a client that comes back, so this cache does: a session whose certificate would not be accepted now is
//! not found, and the client shakes hands as if it came for the first time.

use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::StoresServerSessions;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::time_provider::TimeProvider;
use rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// As many sessions as "unlimited" means: each takes half a kilobyte, and no mux holds more connections.
pub const SESSIONS_MAX: usize = 100_000;
/// A longer session is not kept. It holds the client's whole chain; three or four certificates fit.
pub const SESSION_BYTES_MAX: usize = 8 * 1024;
/// What the sessions of one scope take together, so that clients with long chains do not take 100,000 times the most.
pub const SESSIONS_BYTES_MAX: usize = 64 * 1024 * 1024;

thread_local! {
    static VISIT: RefCell<Option<Visit>> = const { RefCell::new(None) };
}

/// What belongs to one connection while its handshake goes on.
///
/// The library asks for sessions and puts new ones without saying on whose behalf; each of its steps runs to its end on
/// one thread, so what is set there for the time of a step tells.
#[derive(Debug, Default)]
pub(crate) struct Visit {
    /// The session that was found for it.
    found: Option<Origin>,
    /// The chain that the client showed and that was accepted.
    shown: Option<Chain>,
}

type Chain = Arc<[CertificateDer<'static>]>;

/// By what a client was let in the first time. It goes over to each session that follows.
#[derive(Debug, Clone)]
struct Origin {
    first: Instant,
    shown: Option<Chain>,
}

impl Visit {
    /// Takes a step of the TLS library on this connection's behalf.
    pub(crate) fn during<R>(&mut self, step: impl FnOnce() -> R) -> R {
        VISIT.set(Some(std::mem::take(self)));
        let came_to = step();
        *self = VISIT.take().unwrap_or_default();
        came_to
    }

    /// The session that was found is not taken up after all: the handshake is a whole one.
    pub(crate) fn begins_anew(&mut self) {
        self.found = None;
    }

    fn origin(&self, now: Instant) -> Origin {
        self.found.clone().unwrap_or_else(|| Origin {
            first: now,
            shown: self.shown.clone(),
        })
    }
}

/// A verifier that tells the connection's [`Visit`] what it has accepted.
#[derive(Debug)]
pub(crate) struct Telling(pub(crate) Arc<dyn ClientCertVerifier>);

impl ClientCertVerifier for Telling {
    fn offer_client_auth(&self) -> bool {
        self.0.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.0.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.0.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.0.verify_client_cert(end_entity, intermediates, now)?;
        VISIT.with_borrow_mut(|visit| {
            if let Some(visit) = visit {
                let chain = std::iter::once(end_entity).chain(intermediates);
                visit.shown = Some(chain.map(|der| der.clone().into_owned()).collect());
            }
        });
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

/// The sessions of one scope.
pub struct Sessions {
    limit: usize,
    /// `None`: only number and size end them.
    age_max: Option<Duration>,
    /// Whom the scope lets in, asked again for each client that comes back.
    verifier: Arc<dyn ClientCertVerifier>,
    time: Arc<dyn TimeProvider>,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    sessions: HashMap<Vec<u8>, Session>,
    /// The ids in the order in which the sessions came.
    order: BTreeMap<u64, Vec<u8>>,
    next: u64,
    bytes: usize,
}

#[derive(Clone)]
struct Session {
    origin: Origin,
    place: u64,
    value: Vec<u8>,
}

impl Session {
    /// The id stands in two places.
    fn bytes(&self, id: &[u8]) -> usize {
        let shown = self.origin.shown.iter().flat_map(|chain| chain.iter());
        2 * id.len() + self.value.len() + shown.map(|der| der.len()).sum::<usize>()
    }
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
    pub fn new(
        limit: usize,
        age_max: Duration,
        verifier: Arc<dyn ClientCertVerifier>,
        time: Arc<dyn TimeProvider>,
    ) -> Self {
        Self {
            limit: match limit {
                0 => SESSIONS_MAX,
                limit => limit.min(SESSIONS_MAX),
            },
            age_max: (!age_max.is_zero()).then_some(age_max),
            verifier,
            time,
            kept: Mutex::default(),
        }
    }

    /// Nothing is left half done while the lock is held, so a panic elsewhere spoils nothing.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put_at(&self, id: Vec<u8>, mut value: Vec<u8>, origin: Origin, now: Instant) -> bool {
        if value.len() > SESSION_BYTES_MAX {
            return false;
        }
        value.shrink_to_fit();
        let kept = &mut *self.kept();
        kept.remove(&id);
        let place = kept.next;
        let session = Session {
            origin,
            place,
            value,
        };
        let bytes = session.bytes(&id);
        while let Some(oldest) = kept.oldest() {
            let full = kept.sessions.len() >= self.limit || kept.bytes + bytes > SESSIONS_BYTES_MAX;
            if !full && !self.is_over(oldest, now) {
                break;
            }
            kept.remove_oldest();
        }
        kept.next += 1;
        kept.bytes += bytes;
        kept.order.insert(place, id.clone());
        kept.sessions.insert(id, session);
        true
    }

    fn get_at(&self, id: &[u8], now: Instant) -> Option<Session> {
        let session = self.kept().sessions.get(id).cloned();
        session.filter(|session| self.is_good(session, now))
    }

    fn take_at(&self, id: &[u8], now: Instant) -> Option<Session> {
        let session = self.kept().remove(id);
        session.filter(|session| self.is_good(session, now))
    }

    fn is_over(&self, first: Instant, now: Instant) -> bool {
        self.age_max
            .is_some_and(|age| now.duration_since(first) >= age)
    }

    /// The client would be let in now as it was the first time.
    fn is_good(&self, session: &Session, now: Instant) -> bool {
        if self.is_over(session.origin.first, now) {
            return false;
        }
        let shown = session.origin.shown.as_deref().and_then(<[_]>::split_first);
        match (shown, self.time.current_time()) {
            (Some((leaf, chain)), Some(time)) => {
                self.verifier.verify_client_cert(leaf, chain, time).is_ok()
            }
            (Some(_), None) => false,
            (None, _) => !self.verifier.client_auth_mandatory(),
        }
    }
}

/// Tells the connection whose session was found.
fn found(session: Option<Session>) -> Option<Vec<u8>> {
    let Session { origin, value, .. } = session?;
    VISIT.with_borrow_mut(|visit| {
        if let Some(visit) = visit {
            visit.found = Some(origin);
        }
    });
    Some(value)
}

impl Kept {
    fn oldest(&self) -> Option<Instant> {
        let (_, id) = self.order.first_key_value()?;
        self.sessions.get(id).map(|session| session.origin.first)
    }

    fn remove_oldest(&mut self) {
        if let Some((_, id)) = self.order.pop_first()
            && let Some(session) = self.sessions.remove(&id)
        {
            self.bytes -= session.bytes(&id);
        }
    }

    fn remove(&mut self, id: &[u8]) -> Option<Session> {
        let session = self.sessions.remove(id)?;
        self.order.remove(&session.place);
        self.bytes -= session.bytes(id);
        Some(session)
    }
}

impl StoresServerSessions for Sessions {
    fn put(&self, id: Vec<u8>, value: Vec<u8>) -> bool {
        let now = Instant::now();
        let origin = VISIT.with_borrow(|visit| visit.as_ref().map(|visit| visit.origin(now)));
        // What nobody can be asked about again is not kept.
        origin.is_some_and(|origin| self.put_at(id, value, origin, now))
    }

    fn get(&self, id: &[u8]) -> Option<Vec<u8>> {
        found(self.get_at(id, Instant::now()))
    }

    fn take(&self, id: &[u8]) -> Option<Vec<u8>> {
        found(self.take_at(id, Instant::now()))
    }

    fn can_cache(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::server::NoClientAuth;
    use rustls::time_provider::DefaultTimeProvider;

    const SECOND: Duration = Duration::from_secs(1);

    fn sessions(limit: usize, age_max: Duration) -> Sessions {
        let time = Arc::new(DefaultTimeProvider);
        Sessions::new(limit, age_max, Arc::new(NoClientAuth), time)
    }

    fn put(sessions: &Sessions, id: u8, now: Instant) {
        let origin = Visit::default().origin(now);
        assert!(sessions.put_at(vec![id], vec![id, id], origin, now));
    }

    fn get(sessions: &Sessions, id: u8, now: Instant) -> Option<Vec<u8>> {
        sessions.get_at(&[id], now).map(|session| session.value)
    }

    fn take(sessions: &Sessions, id: u8, now: Instant) -> Option<Vec<u8>> {
        sessions.take_at(&[id], now).map(|session| session.value)
    }

    #[test]
    fn a_session_is_kept_until_its_age() {
        let cache = sessions(10, 5 * SECOND);
        let start = Instant::now();
        put(&cache, 1, start);
        assert_eq!(get(&cache, 1, start + 4 * SECOND), Some(vec![1, 1]));
        assert_eq!(get(&cache, 1, start + 5 * SECOND), None);
        assert_eq!(take(&cache, 1, start + 5 * SECOND), None);
        put(&cache, 2, start);
        put(&cache, 3, start + 6 * SECOND);
        assert_eq!(
            cache.kept().sessions.len(),
            1,
            "the old ones went by themselves"
        );
    }

    #[test]
    fn the_oldest_goes_when_there_is_no_more_room() {
        let cache = sessions(2, Duration::ZERO);
        let now = Instant::now();
        for id in 1..=3 {
            put(&cache, id, now);
        }
        assert_eq!(get(&cache, 1, now), None);
        assert_eq!(get(&cache, 2, now), Some(vec![2, 2]));
        // Put again, it is the newest.
        put(&cache, 2, now);
        put(&cache, 4, now);
        assert_eq!(get(&cache, 3, now), None);
        assert_eq!(get(&cache, 2, now), Some(vec![2, 2]));
    }

    #[test]
    fn a_taken_session_is_gone() {
        let cache = sessions(0, Duration::ZERO);
        let now = Instant::now();
        put(&cache, 1, now);
        assert_eq!(take(&cache, 1, now), Some(vec![1, 1]));
        assert_eq!(take(&cache, 1, now), None);
        assert!(cache.kept().order.is_empty());
    }

    #[test]
    fn no_limit_means_the_named_one() {
        assert_eq!(sessions(0, Duration::ZERO).limit, SESSIONS_MAX);
        assert_eq!(sessions(usize::MAX, Duration::ZERO).limit, SESSIONS_MAX);
    }

    #[test]
    fn what_sessions_take_together_has_an_end() {
        let cache = sessions(0, Duration::ZERO);
        let now = Instant::now();
        let shown: Chain = [CertificateDer::from(vec![0; SESSION_BYTES_MAX / 2])].into();
        let origin = Origin {
            first: now,
            shown: Some(shown),
        };
        let put = |id: usize, bytes| {
            let id = id.to_be_bytes().to_vec();
            cache.put_at(id, vec![0; bytes], origin.clone(), now)
        };
        assert!(!put(0, SESSION_BYTES_MAX + 1), "too long to be kept");
        let more_than_fit = SESSIONS_BYTES_MAX / SESSION_BYTES_MAX;
        for id in 0..more_than_fit {
            assert!(put(id, SESSION_BYTES_MAX));
        }
        let kept = cache.kept();
        assert!(kept.bytes <= SESSIONS_BYTES_MAX);
        assert!(kept.bytes > SESSIONS_BYTES_MAX - 2 * SESSION_BYTES_MAX);
        let counted = kept.sessions.iter().map(|(id, session)| session.bytes(id));
        assert_eq!(kept.bytes, counted.sum::<usize>());
        drop(kept);
        // They are counted down as they go.
        for id in 0..more_than_fit {
            cache.kept().remove(&id.to_be_bytes());
        }
        assert_eq!(cache.kept().bytes, 0);
    }

    #[test]
    fn a_session_that_follows_another_is_as_old() {
        let cache = sessions(0, 5 * SECOND);
        let start = Instant::now();
        put(&cache, 1, start);
        let mut visit = Visit {
            found: Some(cache.take_at(&[1], start + 3 * SECOND).unwrap().origin),
            shown: None,
        };
        let later = start + 3 * SECOND;
        cache.put_at(vec![2], vec![2], visit.origin(later), later);
        assert_eq!(get(&cache, 2, start + 4 * SECOND), Some(vec![2]));
        assert_eq!(get(&cache, 2, start + 5 * SECOND), None);
        // Not so after a whole handshake.
        visit.begins_anew();
        cache.put_at(vec![3], vec![3], visit.origin(later), later);
        assert_eq!(get(&cache, 3, start + 5 * SECOND), Some(vec![3]));
    }
}
