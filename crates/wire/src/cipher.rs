//! The ciphers of the legacy protocol. Weak by today's standards, and all that older clients have.
//!
//! Source: `docs/protocol/encryption.md`.

pub mod dh;
pub mod rc2;

/// Cipher id of RC2 with a 40-bit key, in channel offers and answers.
pub const RC2_40: u16 = 0x0000;
/// Cipher id of RC2 with a 128-bit key from a Diffie-Hellman agreement.
pub const RC2_128: u16 = 0x0001;

/// Encryption policies, as they stand in `mode` and `extra` of CREATE and ACCEPT.
///
/// Source: `docs/protocol/encryption.md`, "Policies".
pub mod policy {
    /// No encryption.
    pub const NONE: u16 = 0x0000;
    /// Any of the offered ciphers, wanted but not demanded.
    pub const ANY: u16 = 0x0001;
    /// Encrypt everything, with any cipher.
    pub const ALL: u16 = 0x0002;
    /// Encrypt everything with RC2/40.
    pub const RC2_40: u16 = 0x1000;
    /// Encrypt everything with RC2/128.
    pub const RC2_128: u16 = 0x2000;
}
