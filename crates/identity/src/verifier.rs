//! Remembers, for a while, what a right password looks like, so that somebody who reconnects does not cost an
//! Argon2id hash each time.
//!
//! What is kept is HMAC-SHA-256 under a key that this process made at its start and never writes anywhere, over
//! the user id, the stored hash and the password. It lives in memory only. Because the stored hash is part of
//! it, a changed password makes it worthless at once.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_lc_rs::{constant_time, hmac, rand};

use crate::{HashedPassword, IdentityError};

/// How long a right password is remembered after its last full check.
pub const VERIFIER_LIFETIME: Duration = Duration::from_secs(60 * 60);

/// People remembered. More than one process can have connections; about 5 MB when full.
const VERIFIERS_MAX: usize = 32 * 1024;

/// Wrong guesses from blocked addresses after which a memory is dropped. A blocked address is still let in with
/// a remembered password, and without this bound that way would take guesses as fast as HMAC can be computed.
const BLOCKED_MISSES_MAX: u8 = 20;

pub(crate) struct Verifiers {
    key: hmac::Key,
    warm: Mutex<HashMap<Box<str>, Warm>>,
}

struct Warm {
    tag: hmac::Tag,
    until: Instant,
    blocked_misses: u8,
}

impl Verifiers {
    pub(crate) fn new() -> Result<Verifiers, IdentityError> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &rand::SystemRandom::new())
            .map_err(|_| IdentityError::Machine("the system gives no random numbers"))?;
        Ok(Verifiers {
            key,
            warm: Mutex::default(),
        })
    }

    /// Whether `password` was right for this person and hash within [`VERIFIER_LIFETIME`]. `false` says nothing:
    /// the full check decides. `blocked` means that the address may not have a full check now.
    pub(crate) fn knows(
        &self,
        id: &str,
        hash: &HashedPassword,
        password: &[u8],
        blocked: bool,
        now: Instant,
    ) -> bool {
        let tag = self.tag(id, hash, password);
        let mut warm = self.warm.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(entry) = warm.get_mut(id) else {
            return false;
        };
        if now >= entry.until {
            warm.remove(id);
            return false;
        }
        if constant_time::verify_slices_are_equal(tag.as_ref(), entry.tag.as_ref()).is_ok() {
            entry.blocked_misses = 0;
            return true;
        }
        if blocked {
            entry.blocked_misses += 1;
            if entry.blocked_misses >= BLOCKED_MISSES_MAX {
                warm.remove(id);
            }
        }
        false
    }

    /// Remembers a password that the full check found right.
    pub(crate) fn remember(&self, id: &str, hash: &HashedPassword, password: &[u8], now: Instant) {
        let fresh = Warm {
            tag: self.tag(id, hash, password),
            until: now + VERIFIER_LIFETIME,
            blocked_misses: 0,
        };
        let mut warm = self.warm.lock().unwrap_or_else(PoisonError::into_inner);
        if warm.len() >= VERIFIERS_MAX && !warm.contains_key(id) {
            warm.retain(|_, entry| now < entry.until);
            if warm.len() >= VERIFIERS_MAX {
                return;
            }
        }
        warm.insert(id.into(), fresh);
    }

    fn tag(&self, id: &str, hash: &HashedPassword, password: &[u8]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.key);
        // Lengths first, so that no two different triples give the same bytes.
        for part in [id.as_bytes(), hash.as_str().as_bytes(), password] {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        context.sign()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash() -> HashedPassword {
        HashedPassword::unmatchable().unwrap()
    }

    #[test]
    fn knows_the_right_password_for_its_lifetime_and_nothing_else() {
        let (verifiers, hash, start) = (Verifiers::new().unwrap(), hash(), Instant::now());
        assert!(!verifiers.knows("bob", &hash, b"pw", false, start));
        verifiers.remember("bob", &hash, b"pw", start);
        assert!(verifiers.knows("bob", &hash, b"pw", false, start));
        assert!(!verifiers.knows("bob", &hash, b"pW", false, start));
        assert!(!verifiers.knows("alice", &hash, b"pw", false, start));
        let last = start + VERIFIER_LIFETIME - Duration::from_millis(1);
        assert!(
            verifiers.knows("bob", &hash, b"pw", false, last),
            "a hit does not prolong it"
        );
        assert!(!verifiers.knows("bob", &hash, b"pw", false, start + VERIFIER_LIFETIME));
    }

    #[test]
    fn a_new_stored_hash_makes_the_old_memory_worthless() {
        let (verifiers, now) = (Verifiers::new().unwrap(), Instant::now());
        verifiers.remember("bob", &hash(), b"pw", now);
        assert!(!verifiers.knows("bob", &hash(), b"pw", false, now));
    }

    #[test]
    fn guesses_from_blocked_addresses_are_bounded() {
        let (verifiers, hash, now) = (Verifiers::new().unwrap(), hash(), Instant::now());
        verifiers.remember("bob", &hash, b"pw", now);
        for _ in 0..BLOCKED_MISSES_MAX - 1 {
            assert!(!verifiers.knows("bob", &hash, b"guess", true, now));
        }
        assert!(
            verifiers.knows("bob", &hash, b"pw", true, now),
            "the owner is let in and resets the count"
        );
        for _ in 0..BLOCKED_MISSES_MAX {
            assert!(!verifiers.knows("bob", &hash, b"guess", true, now));
        }
        assert!(!verifiers.knows("bob", &hash, b"pw", true, now));
    }

    #[test]
    fn the_number_of_memories_is_bounded() {
        let (verifiers, hash, now) = (Verifiers::new().unwrap(), hash(), Instant::now());
        for n in 0..=VERIFIERS_MAX {
            verifiers.remember(&n.to_string(), &hash, b"pw", now);
        }
        assert_eq!(verifiers.warm.lock().unwrap().len(), VERIFIERS_MAX);
        verifiers.remember("late", &hash, b"pw", now + VERIFIER_LIFETIME);
        assert_eq!(
            verifiers.warm.lock().unwrap().len(),
            1,
            "the expired ones made room"
        );
    }
}
