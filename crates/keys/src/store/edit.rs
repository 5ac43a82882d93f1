//! Changing what a store holds, for `isochron keystore` and `isochron truststore`.
//!
//! These work on entries in memory; [`super::open`] and [`super::write_pkcs12`] with [`crate::files`] bring them from
//! and to a file.

use super::{Content, Entry, Store, chain, same_alias};
use crate::identity::{belongs_to, public_key};
use rustls::pki_types::CertificateDer;

/// Why a change cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// Two entries cannot have one name.
    #[error("there is an entry \"{0}\" already; choose another alias or remove that one first")]
    Taken(String),
    /// No entry of that name.
    #[error("there is no entry \"{alias}\"; the store has {}", list(.have))]
    NotThere {
        /// What was asked for.
        alias: String,
        /// The aliases there are.
        have: Vec<String>,
    },
    /// A signed certificate for another key.
    #[error(
        "none of the certificates is for a key of this store; is it the answer to another request?"
    )]
    ForAnotherKey,
}

/// Names in quotes, with commas.
pub(crate) fn list(names: &[String]) -> String {
    if names.is_empty() {
        return "no entries".to_owned();
    }
    let quoted: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
    quoted.join(", ")
}

/// The names of all entries.
#[must_use]
pub fn aliases(store: &Store) -> Vec<String> {
    store
        .entries
        .iter()
        .map(|entry| entry.alias.clone())
        .collect()
}

/// Adds an entry.
///
/// # Errors
/// [`EditError::Taken`].
pub fn add(store: &mut Store, entry: Entry) -> Result<(), EditError> {
    if let Some(present) = position(store, &entry.alias) {
        return Err(EditError::Taken(store.entries[present].alias.clone()));
    }
    store.entries.push(entry);
    Ok(())
}

/// Takes an entry out.
///
/// # Errors
/// [`EditError::NotThere`].
pub fn remove(store: &mut Store, alias: &str) -> Result<Entry, EditError> {
    match position(store, alias) {
        Some(at) => Ok(store.entries.remove(at)),
        None => Err(EditError::NotThere {
            alias: alias.to_owned(),
            have: aliases(store),
        }),
    }
}

fn position(store: &Store, alias: &str) -> Option<usize> {
    let is_it = |entry: &Entry| same_alias(&entry.alias, alias);
    store.entries.iter().position(is_it)
}

/// Gives a key the certificate that an authority has signed for it, with the issuers that came along, in any order,
/// and those that the store has already. Returns the aliases of the keys it was for.
///
/// # Errors
/// [`EditError::ForAnotherKey`], and then the store is as it was.
pub fn import(
    store: &mut Store,
    certificates: &[CertificateDer<'static>],
) -> Result<Vec<String>, EditError> {
    let mut pool = certificates.to_vec();
    pool.extend(store.loose.iter().cloned());
    for entry in &store.entries {
        match &entry.content {
            // The own certificate is not an issuer; an old one is replaced.
            Content::Key { chain, .. } => pool.extend(chain.iter().skip(1).cloned()),
            Content::Certificate(certificate) => pool.push(certificate.clone()),
        }
    }
    let pool = chain::Pool::new(&pool);
    let mut changed = Vec::new();
    for entry in &mut store.entries {
        let Content::Key { key, chain } = &mut entry.content else {
            continue;
        };
        let Some(public) = public_key(key) else {
            continue;
        };
        let own = certificates.iter().find(|own| belongs_to(&public, own));
        if let Some(own) = own.and_then(|own| pool.position(own)) {
            *chain = pool.chain(own, None);
            changed.push(entry.alias.clone());
        }
    }
    if changed.is_empty() {
        return Err(EditError::ForAnotherKey);
    }
    let chains = store
        .entries
        .iter()
        .filter_map(|entry| match &entry.content {
            Content::Key { chain, .. } => Some(chain),
            Content::Certificate(_) => None,
        });
    let loose = chain::outside(&store.loose, chains);
    store.loose = loose;
    Ok(changed)
}
