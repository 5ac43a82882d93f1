//! A value of a TLS scope with the name it was found under, and values that must not be shown.

use std::fmt;

use zeroize::Zeroize;

use crate::fault::Excerpt;
use crate::{Fault, Note, Origin};

/// A value with the name it was found under and where that stands.
///
/// A setting of a scope has several names; messages give the one that is to be changed. For a default that is the
/// scope's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scoped<T> {
    /// The value.
    pub value: T,
    /// The name it was found under: `STMUX_TLS_KEY_STORE_FILE`.
    pub name: String,
    /// Where it came from.
    pub origin: Origin,
    pub(crate) excerpt: Option<Excerpt>,
}

impl<T> Scoped<T> {
    /// A value that stands in no source file: of an option, or made up in a test.
    pub fn new(value: T, name: impl Into<String>, origin: Origin) -> Self {
        Self {
            value,
            name: name.into(),
            origin,
            excerpt: None,
        }
    }

    /// What is wrong with this value, shown with its source line.
    pub fn fault(&self, problem: impl Into<String>, expected: impl Into<String>) -> Fault {
        Fault {
            excerpt: self.excerpt.clone(),
            ..Fault::new(&self.name, self.origin.clone(), problem, expected)
        }
    }

    /// What is worth knowing about this value: a sentence without a full stop.
    pub fn note(&self, text: impl Into<String>) -> Note {
        Note {
            text: text.into(),
            origin: self.origin.clone(),
        }
    }

    /// The same name and origin with another form of the value.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Scoped<U> {
        Scoped {
            value: f(self.value),
            name: self.name,
            origin: self.origin,
            excerpt: self.excerpt,
        }
    }

    /// Whether the value stands under the name that counts for every scope (`ST_…`).
    #[must_use]
    pub fn is_global(&self) -> bool {
        self.name.starts_with("ST_")
    }

    /// Whether nobody set it.
    #[must_use]
    pub fn is_default(&self) -> bool {
        self.origin == Origin::Default
    }
}

impl<T: fmt::Display> fmt::Display for Scoped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}, {})", self.value, self.name, self.origin)
    }
}

/// A password. It is never printed, and its memory is wiped when it goes.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// What is shown in place of a secret.
pub(crate) const MASK: &str = "•••";

impl Secret {
    /// Takes a password in.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The password itself, for whoever opens something with it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_shows_nothing_of_itself() {
        let secret = Scoped::new(
            Secret::new("geheim".into()),
            "ST_TLS_KEY_STORE_PASSWORD",
            Origin::Default,
        );
        let shown = format!(
            "{secret} {secret:?} {}",
            secret.fault("does not open the store", "the store's")
        );
        assert!(!shown.contains("geheim"), "{shown}");
        assert_eq!(secret.value.expose(), "geheim");
    }
}
