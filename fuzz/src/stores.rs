//! Key stores and certificates.

use crate::seeds::{Seeds, add};
use keys::facts::Facts;
use keys::store;
use serde_json::Value;
use std::path::Path;

/// The password of the seeds.
const PASSWORD: &str = "geheim";

/// A store of any kind, as its owner opens it and as an authority's answer.
///
/// The seeds ask for one round of password hashing, and some have neither check value nor encryption: behind a check
/// value hardly any mutation would get.
pub fn store(data: &[u8]) {
    let opened = store::open(data, PASSWORD, Some("of the key"));
    if let Err(error) = opened {
        assert!(!error.to_string().contains(PASSWORD));
    }
    let _ = store::certificates(data);
}

/// A certificate, as a peer shows it.
pub fn certificate(data: &[u8]) {
    if let Ok(facts) = Facts::of(&data.into()) {
        let shown = format!("{} {} {}", facts.subject, facts.issuer, facts.key);
        assert!(!shown.chars().any(char::is_control));
    }
}

/// Stores that real tools have made, in hex, by their names.
pub(crate) fn add_seeds(seeds: &mut Seeds) -> std::io::Result<()> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds/stores.json");
    let stores: Value = serde_json::from_slice(&std::fs::read(file)?)?;
    for (_, hex) in stores.as_object().into_iter().flatten() {
        let bytes = crate::seeds::unhex(hex.as_str().unwrap_or_default());
        for certificate in store::certificates(&bytes).unwrap_or_default() {
            add(seeds, "certificate", certificate.to_vec());
        }
        add(seeds, "store", bytes);
    }
    Ok(())
}
