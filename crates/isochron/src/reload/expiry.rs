//! How long certificates are still good: a gauge for each scope, and a warning in time.

use crate::secure::Certificate;
use keys::facts::days_left;
use metrics::{describe_gauge, gauge};
use std::collections::{BTreeMap, HashMap};
use std::time::SystemTime;

/// Days before the end at which somebody is told, the last one first; -1 is the first day after it.
const WARN_AT_DAYS: [i64; 4] = [-1, 1, 7, 30];

/// What has been told of which certificate.
#[derive(Debug, Default)]
pub(super) struct Expiry {
    /// The mark that was warned about last, by fingerprint.
    warned: HashMap<String, i64>,
    /// The gauges that were set, to be blanked when their store is named no more.
    shown: Vec<(&'static str, &'static str)>,
}

impl Expiry {
    pub(super) fn new() -> Self {
        describe_gauge!(
            "isochron_tls_certificate_expiry_days",
            "Whole days until the first certificate of the scope's store expires; negative once it has."
        );
        Self::default()
    }

    /// Sets the gauges, and warns of each certificate once at each mark.
    pub(super) fn look(&mut self, certificates: &[Certificate], now: SystemTime) {
        let first = first_to_expire(certificates, now);
        let gauge = |(scope, store)| gauge!("isochron_tls_certificate_expiry_days", "scope" => scope, "store" => store);
        for gone in self.shown.iter().filter(|shown| !first.contains_key(shown)) {
            gauge(*gone).set(f64::NAN);
        }
        for (labels, days) in &first {
            // A number of days has few digits.
            gauge(*labels).set(*days as f64);
        }
        self.shown = first.into_keys().collect();
        for (certificate, days) in self.due(certificates, now) {
            let same = certificates
                .iter()
                .filter(|other| other.fingerprint == certificate.fingerprint);
            let mut scopes: Vec<&str> = same.map(|other| other.scope.word()).collect();
            scopes.dedup();
            let scopes = scopes.join(",");
            let Certificate {
                store,
                subject,
                fingerprint,
                ..
            } = certificate;
            let when = match days {
                ..0 => "has expired".to_owned(),
                0 => "expires within a day".to_owned(),
                1 => "expires in 1 day".to_owned(),
                days => format!("expires in {days} days"),
            };
            tracing::warn!(
                scopes,
                %store,
                subject,
                sha256 = fingerprint,
                days,
                "a certificate {when}"
            );
        }
    }

    /// The certificates that have passed a mark since they were warned of last.
    fn due<'c>(
        &mut self,
        certificates: &'c [Certificate],
        now: SystemTime,
    ) -> Vec<(&'c Certificate, i64)> {
        let mut due = Vec::new();
        for certificate in certificates {
            let days = days_left(certificate.not_after, now);
            let Some(mark) = WARN_AT_DAYS.into_iter().find(|mark| days <= *mark) else {
                continue;
            };
            let warned = self.warned.get(&certificate.fingerprint);
            if warned.is_none_or(|warned| mark < *warned) {
                self.warned.insert(certificate.fingerprint.clone(), mark);
                due.push((certificate, days));
            }
        }
        self.warned.retain(|fingerprint, _| {
            certificates
                .iter()
                .any(|known| known.fingerprint == *fingerprint)
        });
        due
    }
}

fn first_to_expire(
    certificates: &[Certificate],
    now: SystemTime,
) -> BTreeMap<(&'static str, &'static str), i64> {
    let mut first = BTreeMap::new();
    for certificate in certificates {
        let days = days_left(certificate.not_after, now);
        let least = first
            .entry((certificate.scope.word(), certificate.store.label()))
            .or_insert(days);
        *least = days.min(*least);
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secure::StoreKind;
    use config::Scope;
    use std::time::Duration;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    fn certificate(
        scope: Scope,
        store: StoreKind,
        fingerprint: &str,
        end: SystemTime,
    ) -> Certificate {
        Certificate {
            scope,
            store,
            subject: "CN=chat.example.com".to_owned(),
            fingerprint: fingerprint.to_owned(),
            not_after: end,
            is_made_here: false,
        }
    }

    #[test]
    fn a_warning_comes_once_at_30_7_and_1_days_and_after_the_end() {
        let end = SystemTime::UNIX_EPOCH + 1000 * DAY;
        let all = [certificate(Scope::Mux, StoreKind::Key, "A", end)];
        let mut expiry = Expiry::default();
        let mut told = Vec::new();
        for days in (0..=40).rev() {
            let now = end - days * DAY;
            told.extend(expiry.due(&all, now).iter().map(|(_, days)| *days));
            assert!(expiry.due(&all, now).is_empty());
        }
        assert_eq!(told, [30, 7, 1]);
        assert_eq!(expiry.due(&all, end + DAY).len(), 1);
        assert!(expiry.due(&all, end + 2 * DAY).is_empty());
    }

    #[test]
    fn a_certificate_in_its_last_days_is_told_at_the_first_look() {
        let end = SystemTime::UNIX_EPOCH + 1000 * DAY;
        let all = [certificate(Scope::Mux, StoreKind::Key, "A", end)];
        let mut expiry = Expiry::default();
        assert_eq!(expiry.due(&all, end - 3 * DAY).len(), 1);
        // Another one in its place is told of anew, and the old one is forgotten.
        let new = [certificate(Scope::Mux, StoreKind::Key, "B", end)];
        assert_eq!(expiry.due(&new, end - 3 * DAY).len(), 1);
        assert_eq!(expiry.due(&all, end - 3 * DAY).len(), 1);
    }

    #[test]
    fn the_gauge_shows_the_first_one_of_a_store_and_goes_below_zero() {
        let now = SystemTime::UNIX_EPOCH + 1000 * DAY;
        let all = [
            certificate(Scope::Ldap, StoreKind::Trust, "A", now + 90 * DAY),
            certificate(Scope::Ldap, StoreKind::Trust, "B", now + 9 * DAY + DAY / 2),
            certificate(Scope::Mux, StoreKind::Key, "C", now - DAY / 2),
        ];
        let first = first_to_expire(&all, now);
        assert_eq!(first[&("ldap", "trust")], 9);
        assert_eq!(first[&("mux", "key")], -1);
        assert_eq!(first.len(), 2);
    }
}
