//! RC2 in CBC mode, with the effective key length of 1024 bits that the protocol uses.
//!
//! Source: `docs/protocol/encryption.md`, "RC2 as used here".

use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt, BlockModeEncrypt, InnerIvInit};
use rc2::Rc2;

/// Bytes of a block: ciphertext is a multiple of this, and never empty.
pub const BLOCK_BYTES: usize = 8;

/// The longest key, in bytes, that the protocol has a use for.
pub const KEY_BYTES_MAX: usize = 16;

/// Whatever the key's size. Most RC2 libraries would take the key's own size, which is wrong here.
const EFFECTIVE_BITS: usize = 1024;

/// Where every key starts its chain.
const INITIAL_IV: [u8; BLOCK_BYTES] = [0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef];

/// Why a key or a ciphertext is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rc2Error {
    /// The key is empty or longer than [`KEY_BYTES_MAX`].
    #[error("a key of {bytes} bytes")]
    KeyLength {
        /// Its length.
        bytes: usize,
    },
    /// The ciphertext is empty or no whole number of blocks.
    #[error("a ciphertext of {bytes} bytes is not a whole number of blocks")]
    Length {
        /// Its length.
        bytes: usize,
    },
    /// The plaintext does not end in a padding: a wrong key, or damage.
    #[error("the padding is damaged")]
    Padding,
}

/// One direction of one channel: the chain continues from message to message.
///
/// The key schedule is made once and erased on drop.
#[derive(Clone)]
pub struct Rc2Cbc {
    cipher: Rc2,
    iv: [u8; BLOCK_BYTES],
}

impl Rc2Cbc {
    /// A new chain that starts at the protocol's initial vector.
    ///
    /// # Errors
    /// `KeyLength` unless the key has 1 to 16 bytes.
    pub fn new(key: &[u8]) -> Result<Self, Rc2Error> {
        if key.is_empty() || key.len() > KEY_BYTES_MAX {
            return Err(Rc2Error::KeyLength { bytes: key.len() });
        }
        Ok(Self {
            cipher: Rc2::new_with_eff_key_len(key, EFFECTIVE_BITS),
            iv: INITIAL_IV,
        })
    }

    /// Enciphers the next message: 1 to 8 bytes longer than `plain`.
    #[must_use]
    pub fn encrypt(&mut self, plain: &[u8]) -> Vec<u8> {
        let chain = cbc::Encryptor::inner_iv_init(&self.cipher, &self.iv.into());
        let data = chain.encrypt_padded_vec::<Pkcs7>(plain);
        self.continue_after(&data);
        data
    }

    /// Deciphers the next message.
    ///
    /// The chain moves on even if the padding is damaged, because the sender's did.
    ///
    /// # Errors
    /// `Length` or `Padding`.
    pub fn decrypt(&mut self, data: &[u8]) -> Result<Vec<u8>, Rc2Error> {
        if data.is_empty() || !data.len().is_multiple_of(BLOCK_BYTES) {
            return Err(Rc2Error::Length { bytes: data.len() });
        }
        let chain = cbc::Decryptor::inner_iv_init(&self.cipher, &self.iv.into());
        let plain = chain
            .decrypt_padded_vec::<Pkcs7>(data)
            .map_err(|_| Rc2Error::Padding);
        self.continue_after(data);
        plain
    }

    fn continue_after(&mut self, data: &[u8]) {
        if let Some(last) = data.last_chunk() {
            self.iv = *last;
        }
    }
}

impl std::fmt::Debug for Rc2Cbc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Rc2Cbc")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_is_noticed() {
        let mut alice = Rc2Cbc::new(b"12345").unwrap();
        let mut bob = alice.clone();
        let mut data = alice.encrypt(b"hello");
        assert_eq!(bob.decrypt(&data[..7]), Err(Rc2Error::Length { bytes: 7 }));
        assert_eq!(bob.decrypt(&[]), Err(Rc2Error::Length { bytes: 0 }));
        data[7] ^= 1;
        assert_eq!(bob.decrypt(&data), Err(Rc2Error::Padding));
    }

    #[test]
    fn keys_have_1_to_16_bytes() {
        assert!(Rc2Cbc::new(&[]).is_err());
        assert!(Rc2Cbc::new(&[1; 17]).is_err());
        assert!(Rc2Cbc::new(&[1]).is_ok());
        assert!(Rc2Cbc::new(&[1; 16]).is_ok());
    }
}
