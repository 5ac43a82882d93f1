//! The ciphers give what the client library's own functions gave.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

#[allow(dead_code, reason = "these tests need only the table of values")]
mod recording;

use recording::{hex, json, unhex};
use serde_json::Value;
use wire::cipher::dh::{PrivateKey, validate_public};
use wire::cipher::rc2::Rc2Cbc;

fn bytes(value: &Value) -> Vec<u8> {
    unhex(value.as_str().unwrap())
}

/// The key schedule has no outside; every ciphertext depends on all 64 words of it.
#[test]
fn rc2_chains_over_messages_as_recorded() {
    let vectors = json("00-crypto.json");
    let cases = vectors["rc2"].as_array().unwrap();
    assert_eq!(cases.len(), 3);
    for case in cases {
        let (key, plain) = (bytes(&case["key"]), bytes(&case["plaintext"]));
        let mut sender = Rc2Cbc::new(&key).unwrap();
        let first = sender.encrypt(&plain);
        assert_eq!(hex(&first), case["ciphertext"]);
        assert_eq!(hex(&first[first.len() - 8..]), case["iv_after"]);
        let second = sender.encrypt(&plain);
        assert_eq!(hex(&second), case["same_plaintext_again"]);

        let mut receiver = Rc2Cbc::new(&key).unwrap();
        assert_eq!(receiver.decrypt(&first).unwrap(), plain);
        assert_eq!(receiver.decrypt(&second).unwrap(), plain);
    }
}

#[test]
fn two_keys_agree_as_recorded() {
    let dh = &json("00-crypto.json")["dh"];
    let a = PrivateKey::from_bytes(&bytes(&dh["private_a"]));
    let b = PrivateKey::from_bytes(&bytes(&dh["private_b"]));
    assert_eq!(hex(&a.public()), dh["public_a"]);
    assert_eq!(hex(&b.public()), dh["public_b"]);
    assert_eq!(hex(&a.agree(&b.public()).unwrap()[..]), dh["rc2_128_key"]);
    assert_eq!(hex(&b.agree(&a.public()).unwrap()[..]), dh["rc2_128_key"]);
    assert!(!validate_public(&bytes(&dh["prime"])));
}

/// Clients send fewer than 64 bytes for such a key; they take fewer as "no key" from a server.
#[test]
fn a_short_public_value_is_padded_when_written_and_taken_when_read() {
    let short = &json("00-crypto.json")["dh_short"];
    let key = PrivateKey::from_bytes(&bytes(&short["private"]));
    assert_eq!(hex(&key.public()), short["public_64"]);
    let as_sent = bytes(&short["public_as_library_sends"]);
    assert_eq!(as_sent.len(), 63);
    assert!(validate_public(&as_sent));
    let other = PrivateKey::from_bytes(&[3; 32]);
    assert_eq!(
        other.agree(&as_sent).unwrap(),
        other.agree(&key.public()).unwrap()
    );
    assert_eq!(
        other.agree(&as_sent).unwrap(),
        key.agree(&other.public()).unwrap()
    );
}
