//! The proof inside a LOGIN: sealed by the client half, opened by the server half.
//!
//! Source: `docs/protocol/encryption.md`, "Login authentication blocks"; `docs/protocol/connection.md`,
//! "LOGIN".

use crate::cipher::dh::PrivateKey;
use crate::cipher::rc2::Rc2Cbc;
use crate::codec::{Reader, Text, put_opaque, put_text, put_u16, put_u32};
use std::fmt;
use zeroize::Zeroizing;

/// How a client proves who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AuthType {
    /// 0x0000: the password in clear.
    Plain,
    /// 0x0001: the bytes of a single sign-on token.
    Token,
    /// 0x0002: the password under a key that stands beside it; as good as clear.
    Rc2_40,
    /// 0x0004: the password under a key of a Diffie-Hellman agreement.
    Rc2_128,
}

impl AuthType {
    /// The type of this number, `None` for numbers nobody knows.
    #[must_use]
    pub fn from_code(code: u16) -> Option<Self> {
        Some(match code {
            0x0000 => Self::Plain,
            0x0001 => Self::Token,
            0x0002 => Self::Rc2_40,
            0x0004 => Self::Rc2_128,
            _ => return None,
        })
    }

    /// The number as it stands in LOGIN.
    #[must_use]
    pub fn code(self) -> u16 {
        match self {
            Self::Plain => 0x0000,
            Self::Token => 0x0001,
            Self::Rc2_40 => 0x0002,
            Self::Rc2_128 => 0x0004,
        }
    }
}

/// What a client proves itself with. Erased on drop, and never shown.
#[derive(Clone, PartialEq, Eq)]
pub enum Proof {
    /// A password, as typed.
    Password(Zeroizing<Vec<u8>>),
    /// A single sign-on token.
    Token(Zeroizing<Vec<u8>>),
    /// A damaged block or a wrong magic. To be answered exactly like a wrong password.
    Unreadable,
}

impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Password(_) => "Password",
            Self::Token(_) => "Token",
            Self::Unreadable => "Unreadable",
        })
    }
}

/// Bytes of the random key of an RC2/40 block.
pub(crate) const RC2_40_KEY_BYTES: usize = 5;

/// The first field of an RC2/128 block.
const RC2_128_VERSION: u16 = 0x0001;

/// Reads the proof of a LOGIN with the key and the magic of this connection's HANDSHAKE_ACK.
#[must_use]
pub fn open(auth_type: AuthType, auth_data: &[u8], private: &PrivateKey, magic: u32) -> Proof {
    match auth_type {
        AuthType::Plain => Proof::Password(Zeroizing::new(auth_data.to_vec())),
        AuthType::Token => Proof::Token(Zeroizing::new(auth_data.to_vec())),
        AuthType::Rc2_40 => open_rc2_40(auth_data).map_or(Proof::Unreadable, Proof::Password),
        AuthType::Rc2_128 => {
            open_rc2_128(auth_data, private, magic).map_or(Proof::Unreadable, Proof::Password)
        }
    }
}

fn open_rc2_40(auth_data: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let r = &mut Reader::new(auth_data);
    let key = r.opaque("key").ok()?;
    let cipher = r.opaque("cipher").ok()?;
    Rc2Cbc::new(key)
        .ok()?
        .decrypt(cipher)
        .ok()
        .map(Zeroizing::new)
}

fn open_rc2_128(auth_data: &[u8], private: &PrivateKey, magic: u32) -> Option<Zeroizing<Vec<u8>>> {
    let r = &mut Reader::new(auth_data);
    if r.u16("version").ok()? != RC2_128_VERSION {
        return None;
    }
    let key = private.agree(r.opaque("public").ok()?).ok()?;
    let cipher = r.opaque("cipher").ok()?;
    let plain = Zeroizing::new(Rc2Cbc::new(&key[..]).ok()?.decrypt(cipher).ok()?);
    let r = &mut Reader::new(&plain);
    let magic_is_ours = r.u32("magic").ok()? == magic;
    let password = r.text("password").ok()?;
    magic_is_ours.then(|| Zeroizing::new(password.as_bytes().to_vec()))
}

/// The RC2/40 block for a password, under a key of 5 random bytes.
pub(crate) fn seal_rc2_40(password: &[u8], key: &[u8; RC2_40_KEY_BYTES]) -> Option<Vec<u8>> {
    let mut block = Vec::new();
    put_opaque(&mut block, key);
    put_opaque(&mut block, &Rc2Cbc::new(key).ok()?.encrypt(password));
    Some(block)
}

/// The RC2/128 block for a password; `None` if the server's public value is none.
pub(crate) fn seal_rc2_128(
    password: &[u8],
    private: &PrivateKey,
    server_public: &[u8],
    magic: u32,
) -> Option<Vec<u8>> {
    let key = private.agree(server_public).ok()?;
    let mut plain = Zeroizing::new(Vec::with_capacity(6 + password.len()));
    put_u32(&mut plain, magic);
    put_text(&mut plain, Text(password));
    let mut block = Vec::new();
    put_u16(&mut block, RC2_128_VERSION);
    put_opaque(&mut block, &private.public());
    put_opaque(&mut block, &Rc2Cbc::new(&key[..]).ok()?.encrypt(&plain));
    Some(block)
}
