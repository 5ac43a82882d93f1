//! What a certificate says, for people and for scripts.

use anyhow::Context;
use keys::facts::{Facts, days_left};
use rustls::pki_types::CertificateDer;
use serde::Serialize;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A certificate as JSON shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct CertificateRow {
    subject: String,
    issuer: String,
    /// What clients compare with the host: DNS names and addresses, or the common name where there are none.
    names: Vec<String>,
    key: String,
    signature: String,
    serial: String,
    self_signed: bool,
    authority: bool,
    not_before: String,
    not_after: String,
    /// Negative from the moment when it has expired.
    days_left: i64,
    sha256: String,
}

impl CertificateRow {
    pub(super) fn of(facts: &Facts, now: SystemTime) -> Self {
        Self {
            subject: facts.subject.clone(),
            issuer: facts.issuer.clone(),
            names: names(facts),
            key: facts.key.to_string(),
            signature: facts.signature.name.clone(),
            serial: facts.serial.clone(),
            self_signed: facts.self_signed,
            authority: facts.is_ca(),
            not_before: timestamp(facts.not_before),
            not_after: timestamp(facts.not_after),
            days_left: days_left(facts.not_after, now),
            sha256: facts.fingerprint(),
        }
    }
}

/// Reads a certificate.
pub(super) fn facts(certificate: &CertificateDer<'_>) -> anyhow::Result<Facts> {
    Facts::of(certificate).context("a certificate that nobody can use")
}

/// The lines about a certificate that people compare and look for.
pub(super) fn lines(facts: &Facts, now: SystemTime) -> Vec<(&'static str, String)> {
    let names = match (
        facts.dns_names.is_empty() && facts.ip_addresses.is_empty(),
        names(facts),
    ) {
        (_, names) if names.is_empty() => "none".to_owned(),
        (true, names) => format!(
            "{} (common name only; modern clients refuse it)",
            names.join(", ")
        ),
        (false, names) => names.join(", "),
    };
    let issuer = match facts.self_signed {
        true => "itself".to_owned(),
        false => facts.issuer.clone(),
    };
    let mut lines = vec![("subject", facts.subject.clone())];
    // An authority's name is nobody's host.
    if !(facts.is_ca() && facts.dns_names.is_empty() && facts.ip_addresses.is_empty()) {
        lines.push(("names", names));
    }
    lines.extend([
        ("issuer", issuer),
        (
            "key",
            format!("{}, signed with {}", facts.key, facts.signature.name),
        ),
        ("valid", validity(facts, now)),
        ("sha256", facts.fingerprint()),
    ]);
    lines
}

/// A certificate in one line.
pub(super) fn short(facts: &Facts) -> String {
    format!("{}, until {}", facts.subject, date(facts.not_after))
}

/// Labelled lines, the values below each other.
pub(super) fn aligned(indent: usize, lines: &[(&str, String)]) -> String {
    let width = lines
        .iter()
        .map(|(label, _)| label.len())
        .max()
        .unwrap_or(0);
    let line = |(label, value): &(&str, String)| {
        let line = format!("{:indent$}{label:width$}  {value}", "");
        line.trim_end().to_owned() + "\n"
    };
    lines.iter().map(line).collect()
}

/// What a peer's name is compared with.
fn names(facts: &Facts) -> Vec<String> {
    let addresses = facts.ip_addresses.iter().map(ToString::to_string);
    if facts.dns_names.is_empty() && !facts.ip_addresses.is_empty() {
        return addresses.collect();
    }
    facts
        .host_names()
        .iter()
        .cloned()
        .chain(addresses)
        .collect()
}

/// From when to when, and what that means today.
fn validity(facts: &Facts, now: SystemTime) -> String {
    let (from, until) = (date(facts.not_before), date(facts.not_after));
    format!("{from} to {until} ({})", days_text(facts, now))
}

/// How long it is still good for.
pub(super) fn days_text(facts: &Facts, now: SystemTime) -> String {
    match days_left(facts.not_after, now) {
        _ if now < facts.not_before => "not yet valid".to_owned(),
        days @ 0.. => format!("{days} {} left", plural(days, "day")),
        -1 => "expired today".to_owned(),
        days => {
            let ago = -1 - days;
            format!("expired {ago} {} ago", plural(ago, "day"))
        }
    }
}

/// The version of TLS that a handshake came to, as people write it.
pub(super) fn version_text(handshake: net::tls::Handshake) -> &'static str {
    match handshake.version() {
        "tls1.3" => "TLS 1.3",
        "tls1.2" => "TLS 1.2",
        other => other,
    }
}

pub(super) fn plural(count: i64, word: &str) -> String {
    if count == 1 {
        word.to_owned()
    } else {
        format!("{word}s")
    }
}

/// The day, as in `2026-11-22`.
pub(super) fn date(time: SystemTime) -> String {
    let (year, month, day) = civil(seconds(time).div_euclid(86_400));
    format!("{year:04}-{month:02}-{day:02}")
}

/// The second, as in `2026-11-22T07:28:00Z`.
pub(super) fn timestamp(time: SystemTime) -> String {
    let second = seconds(time).rem_euclid(86_400);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{}T{hour:02}:{minute:02}:{second:02}Z", date(time))
}

fn seconds(time: SystemTime) -> i64 {
    let whole = |span: Duration| i64::try_from(span.as_secs()).unwrap_or(i64::MAX);
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => whole(after),
        Err(before) => -whole(before.duration()),
    }
}

/// Year, month and day of a day counted from 1970-01-01, in the Gregorian calendar.
///
/// Years are counted from March, so that the leap day is the last one, in cycles of 400 years.
fn civil(days: i64) -> (i64, i64, i64) {
    /// From 0000-03-01 to 1970-01-01.
    const TO_1970: i64 = 719_468;
    const CYCLE_DAYS: i64 = 146_097;
    let days = days + TO_1970;
    let (cycle, day) = (days.div_euclid(CYCLE_DAYS), days.rem_euclid(CYCLE_DAYS));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    (
        cycle * 400 + year + i64::from(month <= 2),
        month,
        day_of_month,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (1_795_332_480, "2026-11-22T07:28:00Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(
                timestamp(UNIX_EPOCH + Duration::from_secs(seconds)),
                expected
            );
        }
        assert_eq!(
            timestamp(UNIX_EPOCH - Duration::from_secs(1)),
            "1969-12-31T23:59:59Z"
        );
    }

    #[test]
    fn how_long_it_is_good_is_said_to_the_end_and_after_it() {
        let holder = keys::issue::Holder::new(&["a.example.com".to_owned()], None).unwrap();
        let key = keys::issue::NewKey::EcP256.generate().unwrap();
        let certificate = keys::issue::self_signed(&key, &holder, SystemTime::now(), 10).unwrap();
        let facts = facts(&certificate).unwrap();
        let (end, second) = (facts.not_after, Duration::from_secs(1));
        let day = 86_400 * second;
        for (now, text, days) in [
            (facts.not_before - second, "not yet valid", None),
            (end - 2 * day, "2 days left", Some(2)),
            (end - day, "1 day left", Some(1)),
            (end, "0 days left", Some(0)),
            (end + second, "expired today", Some(-1)),
            (end + day, "expired today", Some(-1)),
            (end + day + second, "expired 1 day ago", Some(-2)),
            (end + 3 * day, "expired 2 days ago", Some(-3)),
        ] {
            assert_eq!(days_text(&facts, now), text);
            let row = CertificateRow::of(&facts, now);
            assert!(days.is_none_or(|days| row.days_left == days), "{text}");
        }
    }

    #[test]
    fn values_stand_below_each_other() {
        assert_eq!(
            aligned(
                2,
                &[
                    ("subject", "CN=a".to_owned()),
                    ("key", "EC P-256".to_owned())
                ]
            ),
            "  subject  CN=a\n  key      EC P-256\n"
        );
    }
}
