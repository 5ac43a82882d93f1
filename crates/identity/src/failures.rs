//! Counts failed logins by address, so that guessing passwords is slow for one machine.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Failed logins from one address within a minute after which further attempts are not examined. A whole company may
/// come back at once through one address translator, and some of its people have an old password stored, so
/// successes raise the number: see [`SUCCESSES_PER_FAILURE`].
pub const FAILURES_PER_MINUTE_MAX: u32 = 100;

/// So many right passwords make up for one wrong one. A crowd of people is mostly right; whoever guesses is not, and
/// an account of one's own does not help, because a password that was right a moment ago is not examined again.
const SUCCESSES_PER_FAILURE: u32 = 4;

const WINDOW: Duration = Duration::from_secs(60);

/// Addresses remembered, a few megabytes. Whoever has more addresses than this is limited by the time that each
/// check takes.
const ADDRESSES_MAX: usize = 64 * 1024;

/// Failures of the current window of each address.
#[derive(Default)]
pub(crate) struct Failures {
    windows: Mutex<HashMap<IpAddr, Window>>,
}

struct Window {
    start: Instant,
    failures: u32,
    successes: u32,
}

impl Failures {
    /// Whether the address had its share of failures for this minute.
    pub(crate) fn blocked(&self, address: IpAddr, now: Instant) -> bool {
        let windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let current = windows
            .get(&block_of(address))
            .filter(|window| now < window.start + WINDOW);
        current.is_some_and(|window| {
            let made_up_for = window.successes / SUCCESSES_PER_FAILURE;
            window.failures >= FAILURES_PER_MINUTE_MAX.saturating_add(made_up_for)
        })
    }

    /// Counts an examined attempt.
    pub(crate) fn count(&self, address: IpAddr, right: bool, now: Instant) {
        let block = block_of(address);
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        if windows.len() >= ADDRESSES_MAX && !windows.contains_key(&block) {
            make_room(&mut windows, now);
        }
        let fresh = Window {
            start: now,
            failures: 0,
            successes: 0,
        };
        let window = windows.entry(block).or_insert(Window { ..fresh });
        if now >= window.start + WINDOW {
            *window = fresh;
        }
        let count = match right {
            true => &mut window.successes,
            false => &mut window.failures,
        };
        *count = count.saturating_add(1);
    }
}

/// Forgets what is over; if nothing is, the oldest. Looking at all of them is cheap beside the hash that each
/// failure has cost before.
fn make_room(windows: &mut HashMap<IpAddr, Window>, now: Instant) {
    windows.retain(|_, window| now < window.start + WINDOW);
    if windows.len() >= ADDRESSES_MAX
        && let Some(oldest) = windows
            .iter()
            .min_by_key(|(_, window)| window.start)
            .map(|(block, _)| *block)
    {
        windows.remove(&oldest);
    }
}

/// What counts as one address: an IPv4 address, or the /64 network of an IPv6 address, which one machine owns as
/// a whole.
fn block_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_is_blocked_until_its_minute_is_over() {
        let (failures, start) = (Failures::default(), Instant::now());
        let (guesser, other) = (address("192.0.2.1"), address("192.0.2.2"));
        for _ in 0..FAILURES_PER_MINUTE_MAX {
            assert!(!failures.blocked(guesser, start));
            failures.count(guesser, false, start);
        }
        assert!(failures.blocked(guesser, start));
        assert!(
            failures.blocked(address("::ffff:192.0.2.1"), start),
            "the same address, as IPv6 writes it"
        );
        assert!(!failures.blocked(other, start));
        assert!(failures.blocked(guesser, start + WINDOW - Duration::from_millis(1)));
        assert!(!failures.blocked(guesser, start + WINDOW));
        failures.count(guesser, false, start + WINDOW);
        assert!(!failures.blocked(guesser, start + WINDOW));
    }

    #[test]
    fn a_crowd_behind_one_address_is_not_blocked_by_its_forgetful_few() {
        let (failures, start) = (Failures::default(), Instant::now());
        let office = address("192.0.2.1");
        for person in 0..10_000 {
            assert!(!failures.blocked(office, start), "person {person}");
            failures.count(office, person % 33 != 0, start);
        }
    }

    #[test]
    fn ipv6_counts_by_network() {
        assert_eq!(
            block_of(address("2001:db8:1:2:aaaa::1")),
            block_of(address("2001:db8:1:2:bbbb::2"))
        );
        assert_ne!(
            block_of(address("2001:db8:1:2::1")),
            block_of(address("2001:db8:1:3::1"))
        );
    }

    #[test]
    fn the_table_is_bounded_and_forgets_the_oldest() {
        let (failures, start) = (Failures::default(), Instant::now());
        let v4 = |n: usize| IpAddr::V4(std::net::Ipv4Addr::from_bits(u32::try_from(n).unwrap()));
        for n in 0..=ADDRESSES_MAX {
            failures.count(v4(n), false, start + Duration::from_nanos(n as u64));
        }
        let windows = failures.windows.lock().unwrap();
        assert_eq!(windows.len(), ADDRESSES_MAX);
        assert!(!windows.contains_key(&v4(0)));
        assert!(windows.contains_key(&v4(ADDRESSES_MAX)));
    }
}
