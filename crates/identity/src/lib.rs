//! Who someone is: a name and a proof become a [`Person`], a name becomes people and groups.
//!
//! [`Directory`] is the embedded directory, for sites without LDAP. It knows nothing of the protocol that asks.
//!
//! How names compare, everywhere in this crate: first byte for byte, then *folded*: without white space at both
//! ends and each character in lower case by Unicode's rules that need no language and no context. Accents count,
//! and text is not normalised: a composed and a decomposed `é` are two names.
#![forbid(unsafe_code)]

mod directory;
mod error;
mod failures;
mod hasher;
mod import;
mod names;
mod password;
mod resolve;
mod snapshot;
mod verifier;

pub use directory::{Attempt, Directory, NewPerson, Proof};
pub use error::{AuthError, IdentityError};
pub use failures::FAILURES_PER_MINUTE_MAX;
pub use hasher::HASH_QUEUE_MAX;
pub use import::{CsvFault, CsvPerson, HashedPerson, ImportSummary, check_csv_people, read_csv};
pub use password::{HashedPassword, PASSWORD_BYTES_MAX, hash_passwords};
pub use resolve::{MATCHES_MAX, Match, ResolveWhat, Resolved};
pub use snapshot::{Group, Person};
pub use verifier::VERIFIER_LIFETIME;
