//! Whether a key can read what was encrypted for its certificate, as identity providers do it.
//!
//! Source: `docs/domain/tls-scopes.md` 5.2 and 10 (SAML encryption).

use crate::Identity;
use aws_lc_rs::rsa::{
    OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, OaepPublicEncryptingKey,
    PrivateDecryptingKey, PublicEncryptingKey,
};
use rustls::pki_types::PrivateKeyDer;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecryptionError {
    /// The certificate's key is not one of RSA that can encrypt.
    #[error("nobody can encrypt for this certificate: its key is not RSA, or too short or long")]
    Certificate,
    /// The private key is not one of RSA in a form that can decrypt.
    #[error("the key cannot decrypt: it is not RSA in PKCS #8, or too short or long")]
    Key,
    /// What came out is not what went in.
    #[error("the key does not belong to the certificate")]
    OtherKey,
}

/// What is encrypted and has to come back, of the length of an AES key.
const MESSAGE: [u8; 32] = [0x5a; 32];

/// Encrypts something for the certificate (RSA-OAEP, SHA-256) and lets the key read it.
///
/// # Errors
/// [`DecryptionError`].
pub fn check(identity: &Identity) -> Result<(), DecryptionError> {
    use DecryptionError::{Certificate, Key, OtherKey};
    let (_, certificate) =
        X509Certificate::from_der(identity.certificate()).map_err(|_| Certificate)?;
    let public =
        PublicEncryptingKey::from_der(certificate.public_key().raw).map_err(|_| Certificate)?;
    let public = OaepPublicEncryptingKey::new(public).map_err(|_| Certificate)?;
    let mut encrypted = vec![0; public.ciphertext_size()];
    let encrypted = public
        .encrypt(&OAEP_SHA256_MGF1SHA256, &MESSAGE, &mut encrypted, None)
        .map_err(|_| Certificate)?;

    let PrivateKeyDer::Pkcs8(private) = identity.key() else {
        return Err(Key);
    };
    let private = PrivateDecryptingKey::from_pkcs8(private.secret_pkcs8_der()).map_err(|_| Key)?;
    let private = OaepPrivateDecryptingKey::new(private).map_err(|_| Key)?;
    let mut decrypted = vec![0; private.min_output_size()];
    let decrypted = private
        .decrypt(&OAEP_SHA256_MGF1SHA256, encrypted, &mut decrypted, None)
        .map_err(|_| OtherKey)?;
    if *decrypted == MESSAGE {
        Ok(())
    } else {
        Err(OtherKey)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::issue::{Holder, NewKey, self_signed};
    use std::time::SystemTime;

    fn identity(kind: NewKey) -> Identity {
        let holder = Holder::new(&["saml.example.com".to_owned()], None).unwrap();
        let key = kind.generate().unwrap();
        let certificate = self_signed(&key, &holder, SystemTime::now(), 30).unwrap();
        Identity::new(vec![certificate], key).unwrap()
    }

    #[test]
    fn an_rsa_key_reads_what_is_encrypted_for_its_certificate() {
        assert_eq!(check(&identity(NewKey::Rsa2048)), Ok(()));
        assert_eq!(
            check(&identity(NewKey::EcP256)),
            Err(DecryptionError::Certificate)
        );
    }
}
