//! Errors of this crate, one enum for logins and one for changes to the directory.

use store::StoreError;

/// Why a login was refused. What the client is told must not tell more than this; the log says the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// The peer's fault: unknown name, wrong password or unreadable proof. Nobody outside learns which.
    #[error("wrong name or password")]
    WrongLogin,
    /// The password is right and an administrator has disabled the person.
    #[error("the account is disabled")]
    Disabled,
    /// Too many wrong logins came from the same address within a minute; the proof was not examined.
    #[error("too many failed logins from this address")]
    TooManyFailures,
    /// Our fault: more proofs wait to be examined than we can keep, or we are stopping.
    #[error("logins cannot be checked now")]
    Unavailable,
}

/// Why the directory could not be read or changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// The store failed; the cause is its error.
    #[error("the directory could not be read or changed")]
    Store(#[from] StoreError),
    /// The caller gave an id, name, mail address or password that cannot be used.
    #[error("{what} {value:?}: {fault}")]
    Invalid {
        /// What kind of value it is, for example "user id".
        what: &'static str,
        /// The value; empty for passwords.
        value: String,
        /// Why it cannot be used.
        fault: &'static str,
    },
    /// There is such a user already, perhaps in another spelling.
    #[error("there is a user {id:?} already")]
    UserExists {
        /// The id as the directory has it.
        id: String,
    },
    /// There is such a group already, perhaps in another spelling.
    #[error("there is a group {id:?} already")]
    GroupExists {
        /// The id as the directory has it.
        id: String,
    },
    /// No such user.
    #[error("there is no user {id:?}")]
    NoSuchUser {
        /// The id that was asked for.
        id: String,
    },
    /// No such group.
    #[error("there is no group {id:?}")]
    NoSuchGroup {
        /// The id that was asked for.
        id: String,
    },
    /// The text is not an Argon2id hash in PHC form, or asks for absurd work.
    #[error("this is not a usable Argon2id password hash")]
    BadHash,
    /// A part of the machine failed us: no thread, no memory, no random numbers.
    #[error("{0}")]
    Machine(&'static str),
}
