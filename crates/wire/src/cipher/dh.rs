//! The Diffie-Hellman group of the protocol: 512 bits, far too small for anything but this.
//!
//! Source: `docs/protocol/encryption.md`, "Diffie-Hellman group".

use crypto_bigint::modular::{ConstMontyForm, ConstMontyParams};
use crypto_bigint::{CtAssign, CtEq, U512, const_monty_params};
use rand::CryptoRng;
use std::sync::LazyLock;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Bytes of a public value as the server sends it; shorter numbers are padded on the left.
pub const PUBLIC_BYTES: usize = 64;

/// Bytes of the RC2/128 key that two sides agree on.
pub const KEY_BYTES: usize = 16;

/// 256 random bits suffice for this group, and halve the cost of 512.
const EXPONENT_BYTES: usize = 32;

const_monty_params!(
    Prime,
    U512,
    "CF84AFCE86DDFA527F136D10357528EEFBA0AFEF808F29174E3B6A9E970001717C8F106C41C161A6CE91057B34DA62CBB87BFDC1B35C1B910FEA72249D566B9F",
    "The prime of the group."
);

type Element = ConstMontyForm<Prime, { U512::LIMBS }>;

/// The base of the group.
const BASE: Element = Element::new(&U512::from_u8(3));

/// Powers of the base, which make a public value four times as cheap as raising the base anew; the
/// server needs one for every connection.
static BASE_POWERS: LazyLock<BasePowers> = LazyLock::new(BasePowers::new);

/// `windows[i][j]` is the base raised to `j * 16^i`: one row for each half byte of an exponent.
struct BasePowers {
    windows: Vec<[Element; 16]>,
}

impl BasePowers {
    fn new() -> Self {
        let mut base = BASE;
        let mut windows = Vec::with_capacity(2 * PUBLIC_BYTES);
        for _ in 0..2 * PUBLIC_BYTES {
            let mut row = [Element::ONE; 16];
            let mut power = Element::ONE;
            for entry in &mut row {
                *entry = power;
                power = power.mul(&base);
            }
            windows.push(row);
            base = power;
        }
        Self { windows }
    }

    /// The base raised to an exponent whose bytes come least significant first.
    ///
    /// Takes the same time for every exponent of that length: each row is read as a whole.
    fn product<'a>(&self, exponent: impl Iterator<Item = &'a u8>) -> Element {
        let half_bytes = exponent.flat_map(|byte| [byte & 0x0f, byte >> 4]);
        let mut product = Element::ONE;
        for (row, digit) in self.windows.iter().zip(half_bytes) {
            let mut power = Element::ONE;
            for (entry, j) in row.iter().zip(0_u8..) {
                power.ct_assign(entry, j.ct_eq(&digit));
            }
            product = product.mul(&power);
        }
        product
    }
}

/// A public value that no honest peer sends: no number between 2 and the prime minus 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a public value of the group")]
pub struct BadPublic;

/// A private exponent, erased on drop.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct PrivateKey {
    exponent: U512,
    /// How many of the exponent's low bits count; no secret.
    exponent_bits: u32,
}

impl PrivateKey {
    /// A fresh private key of 256 random bits.
    #[must_use]
    pub fn generate<R: CryptoRng + ?Sized>(rng: &mut R) -> Self {
        let mut bytes = Zeroizing::new([0; EXPONENT_BYTES]);
        rng.fill_bytes(bytes.as_mut());
        Self::from_padded(&bytes[..])
    }

    /// A private key that is known already: from a recording, or from a test.
    ///
    /// Big-endian; bytes beyond the last 64 are ignored.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let excess = bytes.len().saturating_sub(PUBLIC_BYTES);
        Self::from_padded(bytes.get(excess..).unwrap_or_default())
    }

    /// From at most 64 bytes.
    fn from_padded(bytes: &[u8]) -> Self {
        let bits = u32::try_from(bytes.len() * 8)
            .unwrap_or(U512::BITS)
            .min(U512::BITS);
        Self {
            exponent: number(bytes).unwrap_or(U512::ZERO),
            exponent_bits: bits,
        }
    }

    /// The public value that belongs to this key, padded to 64 bytes.
    #[must_use]
    pub fn public(&self) -> [u8; PUBLIC_BYTES] {
        let bytes = Zeroizing::new(to_bytes(&self.exponent));
        let significant = usize::try_from(self.exponent_bits / 8).unwrap_or(PUBLIC_BYTES);
        to_bytes(
            &BASE_POWERS
                .product(bytes.iter().rev().take(significant))
                .retrieve(),
        )
    }

    /// The RC2/128 key that this side and the owner of `peer_public` share: the last 16 bytes of
    /// the shared secret.
    ///
    /// # Errors
    /// If `peer_public` is none, see [`validate_public`].
    pub fn agree(&self, peer_public: &[u8]) -> Result<Zeroizing<[u8; KEY_BYTES]>, BadPublic> {
        let peer = Element::new(&parse_public(peer_public)?);
        let mut shared = peer
            .pow_bounded_exp(&self.exponent, self.exponent_bits)
            .retrieve();
        let bytes = Zeroizing::new(to_bytes(&shared));
        shared.zeroize();
        bytes
            .last_chunk()
            .map(|key| Zeroizing::new(*key))
            .ok_or(BadPublic)
    }
}

impl std::fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PrivateKey")
    }
}

/// Whether these bytes are a number between 2 and the prime minus 2.
///
/// Clients send 1 to 64 bytes, since they strip leading zeros; more are fine if they are zeros too.
/// The open client library trusts what it gets and crashes on an empty value, so nothing else may
/// be passed on to it.
#[must_use]
pub fn validate_public(bytes: &[u8]) -> bool {
    parse_public(bytes).is_ok()
}

fn parse_public(bytes: &[u8]) -> Result<U512, BadPublic> {
    let value = number(bytes).ok_or(BadPublic)?;
    let last = Prime::PARAMS.modulus().wrapping_sub(&U512::ONE);
    if value > U512::ONE && value < last {
        Ok(value)
    } else {
        Err(BadPublic)
    }
}

/// A big-endian number of any length that fits 512 bits.
fn number(bytes: &[u8]) -> Option<U512> {
    let excess = bytes.len().saturating_sub(PUBLIC_BYTES);
    let (zeros, digits) = bytes.split_at_checked(excess)?;
    if zeros.iter().any(|&byte| byte != 0) {
        return None;
    }
    let mut padded = Zeroizing::new([0; PUBLIC_BYTES]);
    padded
        .get_mut(PUBLIC_BYTES - digits.len()..)?
        .copy_from_slice(digits);
    Some(U512::from_be_slice(&padded[..]))
}

fn to_bytes(value: &U512) -> [u8; PUBLIC_BYTES] {
    let mut bytes = [0; PUBLIC_BYTES];
    bytes.copy_from_slice(value.to_be_bytes().as_ref());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::Rng;

    #[test]
    fn two_sides_agree() {
        let mut rng = rand::rng();
        for _ in 0..8 {
            let (a, b) = (
                PrivateKey::generate(&mut rng),
                PrivateKey::generate(&mut rng),
            );
            assert_eq!(a.agree(&b.public()).unwrap(), b.agree(&a.public()).unwrap());
        }
    }

    #[test]
    fn values_outside_the_group_are_refused() {
        let prime = to_bytes(Prime::PARAMS.modulus().as_ref());
        let minus = |n: u8| to_bytes(&Prime::PARAMS.modulus().wrapping_sub(&U512::from_u8(n)));
        assert!(!validate_public(&[]));
        assert!(!validate_public(&[0; 64]));
        assert!(!validate_public(&[1]));
        assert!(validate_public(&[2]));
        assert!(validate_public(&minus(2)));
        assert!(!validate_public(&minus(1)));
        assert!(!validate_public(&prime));
        assert!(!validate_public(&[0xff; 64]));
    }

    #[test]
    fn the_powers_of_the_base_give_what_raising_it_gives() {
        let mut rng = rand::rng();
        for bytes in [1, 7, 32, 64] {
            let mut exponent = vec![0; bytes];
            rng.fill_bytes(&mut exponent);
            let key = PrivateKey::from_bytes(&exponent);
            let raised = BASE.pow_bounded_exp(&key.exponent, key.exponent_bits);
            assert_eq!(key.public(), to_bytes(&raised.retrieve()));
        }
    }

    #[test]
    fn leading_zeros_do_not_matter() {
        let key = PrivateKey::from_bytes(&[7, 7]);
        let short = key.agree(&[9]).unwrap();
        let mut long = [0; 80];
        long[79] = 9;
        assert_eq!(key.agree(&long).unwrap(), short);
        long[0] = 1;
        assert_eq!(key.agree(&long), Err(BadPublic));
    }
}
