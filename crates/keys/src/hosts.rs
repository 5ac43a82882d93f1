//! Does a certificate belong to a host that is trusted?
//!
//! Source: `docs/domain/tls-scopes.md` 6, after RFC 2818 section 3.1.

use crate::facts::Facts;
use std::net::IpAddr;

/// Whether at least one name of the certificate matches at least one entry of the list.
///
/// An entry is a host name, in which `*` stands for a label or a part of one, or an IP address. A blank entry matches
/// nothing.
#[must_use]
pub fn matches(list: &[String], certificate: &Facts) -> bool {
    list.iter().any(|entry| matches_one(entry, certificate))
}

/// Whether a peer's certificate carries at least one of the names in one's own.
#[must_use]
pub fn mirrors(own: &Facts, peer: &Facts) -> bool {
    let addresses = own
        .ip_addresses
        .iter()
        .any(|ip| peer.ip_addresses.contains(ip));
    addresses || matches(own.host_names(), peer)
}

fn matches_one(entry: &str, certificate: &Facts) -> bool {
    let entry = entry.trim();
    if let Some(address) = address(entry) {
        return certificate.ip_addresses.contains(&address);
    }
    let Some(entry) = labels(entry) else {
        return false;
    };
    let names = certificate.host_names().iter();
    names.filter_map(|name| labels(name)).any(|name| {
        let pairs = || entry.iter().zip(&name);
        entry.len() == name.len() && pairs().all(|(listed, own)| label_matches(listed, own))
    })
}

fn address(text: &str) -> Option<IpAddr> {
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    bare.unwrap_or(text).parse().ok()
}

/// The labels of a name in the form that is compared: lower case, A-labels, without the trailing dot. `None` for what
/// can be no host name, an IP address above all: it counts only as an `iPAddress` entry.
fn labels(name: &str) -> Option<Vec<String>> {
    let name = name.trim();
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.is_empty() || address(name).is_some() {
        return None;
    }
    let ascii = idna::domain_to_ascii_cow(name.as_bytes(), idna::AsciiDenyList::EMPTY).ok()?;
    let labels: Vec<String> = ascii
        .to_ascii_lowercase()
        .split('.')
        .map(str::to_owned)
        .collect();
    labels
        .iter()
        .all(|label| !label.is_empty())
        .then_some(labels)
}

fn label_matches(listed: &str, own: &str) -> bool {
    match (listed.contains('*'), own.contains('*')) {
        (false, false) => listed == own,
        (true, false) => covers(listed, own),
        (false, true) => covers(own, listed),
        // A certificate wider than the list is not what the list asks for.
        (true, true) => listed == "*" || listed == own,
    }
}

/// Whether a pattern covers a label; each `*` stands for at least one character.
fn covers(pattern: &str, label: &str) -> bool {
    // A part of an A-label says nothing about the part of the name that people see (RFC 6125, 6.4.3).
    if pattern != "*" && (pattern.starts_with("xn--") || label.starts_with("xn--")) {
        return false;
    }
    glob(pattern.as_bytes(), label.as_bytes())
}

/// In time that grows with the product of both lengths, however many `*` there are.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    // reached[i]: the pattern so far covers the first i bytes.
    let mut reached = vec![false; text.len() + 1];
    if let Some(start) = reached.first_mut() {
        *start = true;
    }
    for symbol in pattern {
        let mut next = vec![false; text.len() + 1];
        let mut any_before = false;
        for (index, byte) in text.iter().enumerate() {
            let here = reached.get(index).copied().unwrap_or(false);
            any_before |= here;
            let now = if *symbol == b'*' {
                any_before
            } else {
                here && symbol == byte
            };
            if let Some(slot) = next.get_mut(index + 1) {
                *slot = now;
            }
        }
        reached = next;
    }
    reached.last().copied().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::Facts;
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    /// A certificate with a common name (may be blank) and alternative names; `ip:` marks an address.
    fn certificate(common_name: &str, names: &[&str]) -> Facts {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        if !common_name.is_empty() {
            params
                .distinguished_name
                .push(DnType::CommonName, common_name);
        }
        params.subject_alt_names = names
            .iter()
            .map(|name| match name.strip_prefix("ip:") {
                Some(ip) => SanType::IpAddress(ip.parse().unwrap()),
                None => SanType::DnsName((*name).try_into().unwrap()),
            })
            .collect();
        let key = KeyPair::generate().unwrap();
        Facts::of(params.self_signed(&key).unwrap().der()).unwrap()
    }

    fn check(list: &str, common_name: &str, names: &[&str], expected: bool) {
        let list: Vec<String> = list.split(',').map(str::to_owned).collect();
        let facts = certificate(common_name, names);
        assert_eq!(
            matches(&list, &facts),
            expected,
            "{list:?} {common_name:?} {names:?}"
        );
    }

    /// `docs/domain/tls-scopes.md` 6.2, row by row.
    #[test]
    fn the_documented_examples_come_out_as_documented() {
        check("ldap.example.com", "", &["ldap.example.com"], true);
        check("LDAP.Example.Com.", "", &["ldap.example.com"], true);
        check("*.example.com", "", &["ldap1.example.com"], true);
        check("*.example.com", "", &["a.b.example.com"], false);
        check("*.example.com", "", &["example.com"], false);
        check("*.com", "", &["sametime.example.com"], false);
        check("mux.example.com", "", &["*.example.com"], true);
        check("*.example.com", "", &["*.example.com"], true);
        check("mux*.example.com", "", &["mux07.example.com"], true);
        check("mux*.example.com", "", &["*.example.com"], false);
        check(
            "ldap.example.com",
            "ldap.example.com",
            &["dir.example.com"],
            false,
        );
        check("ldap.example.com", "ldap.example.com", &[], true);
        check("10.0.0.5", "", &["10.0.0.5"], false);
        check(
            "a.example.com, b.example.com",
            "",
            &["b.example.com", "c.example.com"],
            true,
        );
        check("", "ldap.example.com", &["ldap.example.com"], false);
    }

    /// `docs/domain/tls-scopes.md` 6.1.
    #[test]
    fn a_wildcard_never_leaves_its_label() {
        check("*.a.com", "", &["foo.a.com"], true);
        check("*.a.com", "", &["bar.foo.a.com"], false);
        check("f*.com", "", &["foo.com"], true);
        check("f*.com", "", &["bar.com"], false);
        check("f*.com", "", &["f.com"], false);
        check("a*b*c.com", "", &["axbyc.com"], true);
        check("a*b*c.com", "", &["axyc.com"], false);
        check("foo.a.com", "", &["f*.a.com"], true);
        check("*.example.com", "", &["mux*.example.com"], true);
    }

    #[test]
    fn an_address_matches_only_the_same_address() {
        check("10.0.0.5", "", &["ip:10.0.0.5"], true);
        check("10.0.0.6", "", &["ip:10.0.0.5"], false);
        check("10.0.0.5", "10.0.0.5", &[], false);
        check("10.0.0.*", "", &["ip:10.0.0.5"], false);
        check("2001:DB8::1", "", &["ip:2001:db8:0::1"], true);
        check("[2001:db8::1]", "", &["ip:2001:db8::1"], true);
    }

    #[test]
    fn names_in_other_scripts_are_compared_as_they_stand_in_certificates() {
        check(
            "M\u{dc}nchen.example.com",
            "",
            &["xn--mnchen-3ya.example.com"],
            true,
        );
        check("*.m\u{fc}nchen.de", "", &["mux.xn--mnchen-3ya.de"], true);
        check(
            "xn--*.example.com",
            "",
            &["xn--mnchen-3ya.example.com"],
            false,
        );
        check("*.example.com", "", &["xn--mnchen-3ya.example.com"], true);
    }

    #[test]
    fn a_peer_mirrors_us_if_it_carries_one_of_our_names() {
        let own = certificate("", &["mux.example.com", "ip:10.0.0.5"]);
        assert!(mirrors(&own, &certificate("", &["*.example.com"])));
        assert!(mirrors(&own, &certificate("mux.example.com", &[])));
        assert!(mirrors(&own, &certificate("", &["ip:10.0.0.5"])));
        assert!(!mirrors(&own, &certificate("", &["other.example.com"])));
        assert!(!mirrors(&own, &certificate("10.0.0.5", &[])));
    }
}
