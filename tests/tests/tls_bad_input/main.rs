//! Settings, stores and files that cannot be used. Each time the start is refused with one message that names the
//! setting, the file and the cause, never a password, and the process ends before it listens.
//!
//! Source: `docs/domain/keystores.md`, 6; `docs/domain/tls-scopes.md`, 5.3, 8 to 11 and 16.

#![allow(clippy::expect_used, reason = "a test may end by panicking anywhere")]

mod files;
mod rules;
mod stores;

use isochron_tests::pki::{Order, Party, StoreFile, Workshop};

const NAME: &str = "mux.example.com";

/// An ordinary certificate of an ordinary authority.
fn party(shop: &Workshop) -> Party {
    party_of(shop, &Order::server(&[NAME]))
}

fn party_of(shop: &Workshop, order: &Order) -> Party {
    let root = shop.root("Test Root", &Order::authority());
    shop.issue(&root, NAME, order)
}

/// A good store with one key.
fn store(shop: &Workshop) -> StoreFile {
    shop.pkcs12("mux", &party(shop))
}
