//! Passwords as Argon2id hashes.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use argon2::password_hash::phc::{Ident, Output, PasswordHash, Salt};
use argon2::{ARGON2ID_IDENT, Algorithm, Argon2, Block, Params, Version};
use aws_lc_rs::{constant_time, rand};
use zeroize::Zeroizing;

use crate::IdentityError;

/// Longest password, in bytes. Longer ones cannot be set, and at a login count as unreadable, so that waiting
/// logins hold a bounded amount of memory.
pub const PASSWORD_BYTES_MAX: usize = 1024;

/// Memory of one hash, in KiB, and the passes over it: the first choice of OWASP's password storage cheat sheet
/// for Argon2id (19 MiB, two passes, one lane). About 20 to 40 ms on one core.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// Most work that a stored hash may ask for. Hashes made elsewhere may be dearer than ours, but a damaged row
/// must not take the machine's memory.
const MEMORY_KIB_MAX: u32 = 256 * 1024;
const PASSES_MAX: u32 = 16;
const LANES_MAX: u32 = 16;

const SALT_BYTES: usize = 16;
const OUTPUT_BYTES: usize = 32;

/// Blocks (KiB) for which address space is reserved, although fewer are touched. glibc gives memory back to the
/// system when it is freed only above a limit, which it raises to what was freed before, up to 32 MiB. Without
/// this an idle server would keep the memory of its last storm of logins.
const ARENA_BLOCKS_MIN: usize = 33 * 1024;

/// How much hashing yields to everything else (a `nice` value): a queue of ten thousand logins must not delay
/// those who are in.
const NICE: i32 = 10;

/// The hash of a password: a PHC string for Argon2id whose parameters are known to be bearable.
#[derive(Clone, PartialEq, Eq)]
pub struct HashedPassword(Arc<str>);

/// The working memory of Argon2id, kept between hashes: asking the system for 19 MiB and touching each page
/// anew costs a tenth of the hash itself.
#[derive(Default)]
pub(crate) struct Arena(Vec<Block>);

impl HashedPassword {
    /// Hashes a password with a new salt. Takes tens of milliseconds of CPU: never call it on a reactor thread.
    ///
    /// # Errors
    /// [`IdentityError::Invalid`] for an empty password or one over [`PASSWORD_BYTES_MAX`];
    /// [`IdentityError::Machine`] without random numbers or memory.
    pub fn of(password: &[u8]) -> Result<HashedPassword, IdentityError> {
        HashedPassword::with_arena(password, &mut Arena::default())
    }

    fn with_arena(password: &[u8], arena: &mut Arena) -> Result<HashedPassword, IdentityError> {
        check_password(password)?;
        let params = our_params()?;
        let salt = random::<SALT_BYTES>()?;
        let output = arena.hash(&params, password, &salt, OUTPUT_BYTES)?;
        HashedPassword::from_parts(&params, &salt, &output)
    }

    /// Takes a hash that was made before.
    ///
    /// # Errors
    /// [`IdentityError::BadHash`] if it is not Argon2id version 0x13 in PHC form, or asks for absurd work.
    pub fn parse(text: &str) -> Result<HashedPassword, IdentityError> {
        Parts::of(text)
            .map(|_| HashedPassword(text.into()))
            .ok_or(IdentityError::BadHash)
    }

    /// A hash that no password has and that costs the same work to check: what an unknown name is checked
    /// against.
    pub(crate) fn unmatchable() -> Result<HashedPassword, IdentityError> {
        let (salt, output) = (random::<SALT_BYTES>()?, random::<OUTPUT_BYTES>()?);
        HashedPassword::from_parts(&our_params()?, &salt, &output)
    }

    fn from_parts(
        params: &Params,
        salt: &[u8],
        output: &[u8],
    ) -> Result<HashedPassword, IdentityError> {
        let phc = || -> Option<PasswordHash> {
            Some(PasswordHash {
                algorithm: ARGON2ID_IDENT,
                version: Some(Version::V0x13.into()),
                params: params.try_into().ok()?,
                salt: Some(Salt::new(salt).ok()?),
                hash: Some(Output::new(output).ok()?),
            })
        };
        let phc = phc().ok_or(IdentityError::BadHash)?;
        Ok(HashedPassword(phc.to_string().into()))
    }

    /// Whether `password` is the one that was hashed. As dear as hashing it.
    pub(crate) fn matches(&self, password: &[u8], arena: &mut Arena) -> bool {
        let Some(parts) = Parts::of(&self.0) else {
            return false;
        };
        match arena.hash(&parts.params, password, &parts.salt, parts.output.len()) {
            Ok(output) => constant_time::verify_slices_are_equal(&output, &parts.output).is_ok(),
            Err(_) => false,
        }
    }

    /// The PHC string.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Never shows the hash.
impl fmt::Debug for HashedPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashedPassword(...)")
    }
}

/// Hashes many passwords on all cores, in their order. `progress` is called after each with the number done so
/// far, from any thread.
///
/// # Errors
/// The first fault in the order of the passwords, as [`HashedPassword::of`].
pub fn hash_passwords(
    passwords: &[Zeroizing<String>],
    progress: &(dyn Fn(usize) + Sync),
) -> Result<Vec<HashedPassword>, IdentityError> {
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let work = || {
        yield_to_others();
        let mut arena = Arena::default();
        let mut made = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(password) = passwords.get(index) else {
                return made;
            };
            made.push((
                index,
                HashedPassword::with_arena(password.as_bytes(), &mut arena),
            ));
            progress(done.fetch_add(1, Ordering::Relaxed) + 1);
        }
    };
    let threads = std::thread::available_parallelism()
        .map_or(1, |n| n.get())
        .min(passwords.len());
    let mut made = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let mut made = Vec::with_capacity(passwords.len());
        for worker in workers {
            made.extend(
                worker
                    .join()
                    .map_err(|_| IdentityError::Machine("a hashing thread failed"))?,
            );
        }
        Ok::<_, IdentityError>(made)
    })?;
    made.sort_by_key(|(index, _)| *index);
    made.into_iter().map(|(_, hash)| hash).collect()
}

/// Lowers the priority of the calling thread, and of it alone (Linux), for good.
pub(crate) fn yield_to_others() {
    // Where the system does not permit it we are less polite, not less right.
    let _ = rustix::process::setpriority_process(None, NICE);
}

pub(crate) fn check_password(password: &[u8]) -> Result<(), IdentityError> {
    let fault = match password.len() {
        0 => "it must not be empty",
        1..=PASSWORD_BYTES_MAX => return Ok(()),
        _ => "it is longer than 1024 bytes",
    };
    Err(IdentityError::Invalid {
        what: "password",
        value: String::new(),
        fault,
    })
}

/// A stored hash taken apart.
struct Parts {
    params: Params,
    salt: Vec<u8>,
    output: Vec<u8>,
}

impl Parts {
    fn of(text: &str) -> Option<Parts> {
        let phc = PasswordHash::new(text).ok()?;
        let version = phc
            .version
            .and_then(|version| Version::try_from(version).ok())?;
        let params = Params::try_from(&phc).ok()?;
        let is_ours = phc.algorithm == Ident::new("argon2id").ok()? && version == Version::V0x13;
        let is_bearable = params.m_cost() <= MEMORY_KIB_MAX
            && params.t_cost() <= PASSES_MAX
            && params.p_cost() <= LANES_MAX;
        let (salt, output) = (phc.salt?, phc.hash?);
        // Shorter outputs could be met by chance.
        let is_strong =
            output.as_ref().len() >= 16 && params.keyid().is_empty() && params.data().is_empty();
        (is_ours && is_bearable && is_strong).then(|| Parts {
            params,
            salt: salt.as_ref().to_vec(),
            output: output.as_ref().to_vec(),
        })
    }
}

impl Arena {
    fn hash(
        &mut self,
        params: &Params,
        password: &[u8],
        salt: &[u8],
        output_bytes: usize,
    ) -> Result<Zeroizing<Vec<u8>>, IdentityError> {
        let failed = IdentityError::Machine("a password could not be hashed");
        let blocks = params.block_count();
        if self.0.len() < blocks {
            let wanted = blocks.max(ARENA_BLOCKS_MIN) - self.0.len();
            self.0
                .try_reserve_exact(wanted)
                .map_err(|_| failed.clone())?;
            self.0.resize(blocks, Block::new());
        }
        let mut output = Zeroizing::new(vec![0; output_bytes]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone())
            .hash_password_into_with_memory(password, salt, &mut output, &mut self.0[..blocks])
            .map_err(|_| failed)?;
        Ok(output)
    }

    /// Gives the memory back.
    pub(crate) fn release(&mut self) {
        self.0 = Vec::new();
    }
}

fn our_params() -> Result<Params, IdentityError> {
    Params::new(MEMORY_KIB, PASSES, LANES, Some(OUTPUT_BYTES)).map_err(|_| IdentityError::BadHash)
}

fn random<const N: usize>() -> Result<[u8; N], IdentityError> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes)
        .map_err(|_| IdentityError::Machine("the system gives no random numbers"))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_matches_its_hash_only() {
        let hash = HashedPassword::of("Grüße".as_bytes()).unwrap();
        assert!(
            hash.as_str().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{}",
            hash.as_str()
        );
        let mut arena = Arena::default();
        assert!(hash.matches("Grüße".as_bytes(), &mut arena));
        assert!(!hash.matches("grüße".as_bytes(), &mut arena));
        assert!(
            hash.matches("Grüße".as_bytes(), &mut arena),
            "a used arena gives the same answer"
        );
        assert_eq!(HashedPassword::parse(hash.as_str()).unwrap(), hash);
        assert_ne!(
            HashedPassword::of("Grüße".as_bytes()).unwrap(),
            hash,
            "the salt is new each time"
        );
    }

    #[test]
    fn the_unmatchable_hash_asks_for_the_same_work() {
        let dummy = HashedPassword::unmatchable().unwrap();
        let real = HashedPassword::of(b"x").unwrap();
        let parameters =
            |hash: &HashedPassword| hash.as_str().split('$').nth(3).unwrap().to_owned();
        assert_eq!(parameters(&dummy), parameters(&real));
        assert_eq!(dummy.as_str().len(), real.as_str().len());
        assert!(!dummy.matches(b"x", &mut Arena::default()));
    }

    /// Not our parameters: such hashes come with people from another system.
    #[test]
    fn a_hash_with_other_parameters_is_accepted() {
        let params = Params::new(64, 3, 2, None).unwrap();
        let mut output = [0; 24];
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
        argon2
            .hash_password_into(b"secret", b"somesalt", &mut output)
            .unwrap();
        let made = HashedPassword::from_parts(&params, b"somesalt", &output).unwrap();
        let hash = HashedPassword::parse(made.as_str()).unwrap();
        assert!(hash.matches(b"secret", &mut Arena::default()));
        assert!(!hash.matches(b"Secret", &mut Arena::default()));
    }

    #[test]
    fn hashes_that_are_not_ours_or_ask_for_absurd_work_are_refused() {
        let tail = "c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        assert!(HashedPassword::parse(&format!("$argon2id$v=19$m=19456,t=2,p=1${tail}")).is_ok());
        for bad in [
            String::new(),
            "password".to_owned(),
            format!("$argon2i$v=19$m=19456,t=2,p=1${tail}"),
            format!("$argon2id$v=16$m=19456,t=2,p=1${tail}"),
            format!("$argon2id$v=19$m=4194304,t=2,p=1${tail}"),
            format!("$argon2id$v=19$m=19456,t=4000000,p=1${tail}"),
            format!("$argon2id$v=19$m=19456,t=2,p=255${tail}"),
            "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA".to_owned(),
            "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$AAAAAA".to_owned(),
            "$2b$12$abcdefghijklmnopqrstuv".to_owned(),
        ] {
            assert_eq!(
                HashedPassword::parse(&bad),
                Err(IdentityError::BadHash),
                "{bad}"
            );
        }
    }

    #[test]
    fn many_passwords_are_hashed_in_their_order() {
        let passwords: Vec<_> = ["one", "two", "three"]
            .map(|p| Zeroizing::new(p.to_owned()))
            .into();
        let done = AtomicUsize::new(0);
        let progress = |n: usize| {
            done.fetch_max(n, Ordering::Relaxed);
        };
        let hashes = hash_passwords(&passwords, &progress).unwrap();
        assert_eq!(done.into_inner(), 3);
        for (password, hash) in passwords.iter().zip(&hashes) {
            assert!(hash.matches(password.as_bytes(), &mut Arena::default()));
        }
    }

    #[test]
    fn an_empty_or_endless_password_cannot_be_set() {
        assert!(matches!(
            HashedPassword::of(b""),
            Err(IdentityError::Invalid { .. })
        ));
        assert!(matches!(
            HashedPassword::of(&[b'x'; PASSWORD_BYTES_MAX + 1]),
            Err(IdentityError::Invalid { .. })
        ));
    }
}
