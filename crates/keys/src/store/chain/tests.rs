use super::*;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
    SerialNumber,
};
use rustls::pki_types::PrivatePkcs8KeyDer;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A certificate for `key`, good for `days` from now, and by itself if nobody else signs it.
fn certificate(
    name: &str,
    key: &KeyPair,
    by: Option<(&str, &KeyPair)>,
    days: u32,
) -> CertificateDer<'static> {
    let params = params(name, days);
    let signed = match by {
        Some((name, by)) => params.signed_by(key, &Issuer::new(self::params(name, 1), by)),
        None => params.self_signed(key),
    };
    signed.unwrap().der().clone()
}

fn params(name: &str, days: u32) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.serial_number = Some(SerialNumber::from(u64::from(days)));
    params.not_before = (SystemTime::now() - DAY).into();
    params.not_after = (SystemTime::now() + DAY * days).into();
    params
}

fn key() -> KeyPair {
    KeyPair::generate().unwrap()
}

fn chain(
    pool: &[&CertificateDer<'static>],
    now: Option<SystemTime>,
) -> Vec<CertificateDer<'static>> {
    Pool::new(pool.iter().copied()).chain(0, now)
}

/// Two authorities of one name: what says whose certificate it is, is the signature.
#[test]
fn the_issuer_is_the_one_whose_key_has_signed() {
    let (one, other, own) = (key(), key(), key());
    let right = certificate("CA", &one, None, 100);
    // It is good for longer and stands first, and its key is another one.
    let wrong = certificate("CA", &other, None, 1000);
    let leaf = certificate("leaf", &own, Some(("CA", &one)), 10);
    for pool in [[&leaf, &wrong, &right], [&leaf, &right, &wrong]] {
        assert_eq!(chain(&pool, None), [leaf.clone(), right.clone()]);
    }
}

#[test]
fn of_several_that_signed_the_first_one_goes_unless_it_has_expired() {
    let (authority, root, own) = (key(), key(), key());
    let short = certificate("CA", &authority, Some(("root", &root)), 20);
    let long = certificate("CA", &authority, Some(("root", &root)), 1000);
    let leaf = certificate("leaf", &own, Some(("CA", &authority)), 500);
    assert_eq!(chain(&[&leaf, &short, &long], None)[1], short);
    assert_eq!(chain(&[&leaf, &long, &short], None)[1], long);
    let now = SystemTime::now();
    assert_eq!(chain(&[&leaf, &short, &long], Some(now))[1], short);
    let later = now + DAY * 50;
    assert_eq!(chain(&[&leaf, &short, &long], Some(later))[1], long);
    // If none is good, the message is about the first one.
    let later = now + DAY * 2000;
    assert_eq!(chain(&[&leaf, &short, &long], Some(later))[1], short);
}

/// A way that looks good and ends at an expired certificate is left for the other one.
#[test]
fn a_path_is_good_to_its_end() {
    let (authority, one, other, top, own) = (key(), key(), key(), key(), key());
    let by_one = certificate("CA", &authority, Some(("one", &one)), 1000);
    let by_other = certificate("CA", &authority, Some(("other", &other)), 1001);
    let expired = certificate("one", &one, Some(("top", &top)), 20);
    let good = certificate("other", &other, Some(("top", &top)), 1000);
    let leaf = certificate("leaf", &own, Some(("CA", &authority)), 500);
    let pool = [&leaf, &by_one, &expired, &by_other, &good];
    let now = SystemTime::now();
    assert_eq!(
        chain(&pool, Some(now))[1..],
        [by_one.clone(), expired.clone()]
    );
    let later = now + DAY * 50;
    assert_eq!(chain(&pool, Some(later))[1..], [by_other, good]);
}

#[test]
fn a_circle_of_issuers_ends() {
    let (one, other) = (key(), key());
    let first = certificate("one", &one, Some(("other", &other)), 10);
    let second = certificate("other", &other, Some(("one", &one)), 10);
    assert_eq!(chain(&[&first, &second], None), [first, second]);
}

/// It took more than a minute when each one was compared with every other, again for each number that was tried.
#[test]
fn many_certificates_of_one_name_are_told_apart() {
    let key = key();
    let certificate = certificate("one", &key, None, 10);
    let mut aliases = Aliases::default();
    for number in 0..crate::store::ENTRIES_MAX {
        let alias = aliases.unique(Some("One".to_owned()));
        let expected = match number {
            0 => "One".to_owned(),
            number => format!("One#{}", number + 1),
        };
        assert_eq!(alias, expected);
    }
    assert_eq!(aliases.unique(Some("one#2".to_owned())), "one#2#2");

    // Each copy differs in its signature, so they are as many certificates.
    let copies: Vec<CertificateDer<'static>> = (0..3000u16)
        .map(|number| {
            let mut bytes = certificate.to_vec();
            let at = bytes.len() - 2;
            bytes[at..].copy_from_slice(&number.to_be_bytes());
            bytes.into()
        })
        .collect();
    let pool = Pool::new(&copies);
    let secret = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    assert_eq!(pool.own(&secret).len(), copies.len());
    for (at, copy) in copies.iter().enumerate() {
        assert_eq!(pool.chain(at, None), std::slice::from_ref(copy));
    }
}

/// Messages and logs go to terminals.
#[test]
fn aliases_are_printable() {
    let mut aliases = Aliases::default();
    assert_eq!(
        aliases.unique(Some("a\u{1b}[31mb\n".to_owned())),
        "a·[31mb·"
    );
    assert_eq!(aliases.unique(None), "1");
    assert_eq!(aliases.unique(Some("1".to_owned())), "1#2");
}

#[test]
fn what_no_real_store_holds_is_counted() {
    let mut count = Count::default();
    for _ in 0..crate::store::KEYS_MAX {
        count.key().unwrap();
    }
    let error = count.key().unwrap_err();
    assert_eq!(error, OpenError::TooMany(TooMany::Keys));
    for _ in 0..crate::store::ENTRIES_MAX {
        count.entry().unwrap();
    }
    let error = count.entry().unwrap_err();
    assert_eq!(error, OpenError::TooMany(TooMany::Entries));
    assert_eq!(
        error.to_string(),
        "it holds more than 10000 entries, so it was not made for a server"
    );
}

/// What a peer sends proves nothing by being sent.
#[test]
fn only_what_has_signed_is_above_a_certificate_that_was_sent() {
    let (root_key, middle_key, foreign_key, own) = (key(), key(), key(), key());
    let root = certificate("root", &root_key, None, 100);
    let middle = certificate("middle", &middle_key, Some(("root", &root_key)), 100);
    let leaf = certificate("leaf", &own, Some(("middle", &middle_key)), 10);
    let foreign = certificate("foreign", &foreign_key, None, 100);
    let namesake = certificate("root", &foreign_key, None, 1000);
    let unreadable = CertificateDer::from(vec![0x30, 0]);
    let itself = certificate("root", &own, None, 10);
    for (sent, expected) in [
        (vec![], vec![]),
        (vec![&leaf], vec![0]),
        (vec![&leaf, &middle, &root], vec![0, 1, 2]),
        (vec![&leaf, &foreign, &root, &middle], vec![0, 3, 2]),
        (vec![&leaf, &middle, &namesake, &root], vec![0, 1, 3]),
        (vec![&leaf, &middle, &namesake], vec![0, 1]),
        (vec![&leaf, &root, &foreign], vec![0]),
        (vec![&leaf, &unreadable, &middle], vec![0, 2]),
        (vec![&unreadable, &root], vec![0]),
        (vec![&itself, &root], vec![0]),
    ] {
        let sent: Vec<CertificateDer<'static>> = sent.into_iter().cloned().collect();
        assert_eq!(proved_path(&sent), expected);
    }
}
