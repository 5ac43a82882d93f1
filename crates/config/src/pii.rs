//! Personal data in logs.

use std::fmt;

/// Whether user names and addresses may stand in logs (`LOG_PERSONAL_DATA`).
///
/// A log line asks it to [`Pii::show`] a value, so that no line decides for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pii {
    shown: bool,
}

impl Pii {
    /// Personal data is shown, or hidden.
    #[must_use]
    pub fn new(shown: bool) -> Self {
        Self { shown }
    }

    /// The value as it may stand in a log line.
    pub fn show<T: fmt::Display>(self, value: T) -> impl fmt::Display {
        Shown {
            value,
            shown: self.shown,
        }
    }
}

struct Shown<T> {
    value: T,
    shown: bool,
}

impl<T: fmt::Display> fmt::Display for Shown<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.shown {
            self.value.fmt(f)
        } else {
            f.write_str("•••")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Pii;

    #[test]
    fn personal_data_is_hidden_unless_the_setting_shows_it() {
        assert_eq!(Pii::default().show("alice").to_string(), "•••");
        assert_eq!(Pii::new(true).show("alice").to_string(), "alice");
    }
}
