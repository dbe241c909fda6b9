//! Slows down whoever guesses passwords.
//!
//! Failures are counted by address and user together, by address, and by user. The first two make
//! the address wait (429), longer each time. Many addresses guessing at one user are slowed, not
//! stopped: the right password from an address of its own always gets in.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::limits::{
    FORGET_FAILURES_SECONDS, FREE_ATTEMPTS, FREE_ATTEMPTS_OF_ADDRESS, FREE_ATTEMPTS_OF_USER,
    MAX_COUNTED_GUESSERS, MAX_PENALTY_SECONDS, MAX_USER_DELAY_SECONDS,
};

/// Counts failures.
#[derive(Debug, Default)]
pub(super) struct Brake {
    counts: Mutex<HashMap<Who, Count>>,
    hasher: RandomState,
}

/// Whose failures are counted. Users are remembered by a hash that differs from run to run: their
/// names are the guesser's, and as long as they like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Who {
    Pair(IpAddr, u64),
    Address(IpAddr),
    User(u64),
}

#[derive(Debug, Clone, Copy)]
struct Count {
    failures: u32,
    last: Instant,
}

/// Whether a password is looked at now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// After this time.
    Go(Duration),
    /// Not before this time is over; ask again.
    Wait(Duration),
}

impl Brake {
    /// Before a password is looked at: it counts as a failure until [`Self::succeeded`], so that
    /// guesses made at the same time count as well.
    pub(super) fn attempt(&self, now: Instant, address: IpAddr, user: &str) -> Pace {
        let [pair, address, user] = self.all(address, user);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let waits = [(pair, FREE_ATTEMPTS), (address, FREE_ATTEMPTS_OF_ADDRESS)];
        let waits = waits.into_iter().filter_map(|(who, free)| {
            let count = counts.get(&who)?;
            let until = count.last + penalty(count.failures, free);
            until.checked_duration_since(now).filter(|wait| !wait.is_zero())
        });
        if let Some(wait) = waits.max() {
            return Pace::Wait(wait);
        }
        let known = counts.get(&user).filter(|count| !count.is_forgotten(now));
        let guesses = known.map_or(0, |count| count.failures);
        let delay = penalty(guesses, FREE_ATTEMPTS_OF_USER).min(MAX_USER_DELAY);
        for who in [pair, address, user] {
            make_room(&mut counts, now);
            let count = counts.entry(who).or_insert(Count { failures: 0, last: now });
            if count.is_forgotten(now) {
                count.failures = 0;
            }
            count.failures = count.failures.saturating_add(1);
            count.last = now;
        }
        Pace::Go(delay)
    }

    /// The password was right: this attempt counts no more, and the pair is forgiven.
    pub(super) fn succeeded(&self, address: IpAddr, user: &str) {
        let [pair, address, user] = self.all(address, user);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.remove(&pair);
        for who in [address, user] {
            if let Some(count) = counts.get_mut(&who) {
                count.failures = count.failures.saturating_sub(1);
                if count.failures == 0 {
                    counts.remove(&who);
                }
            }
        }
    }

    fn all(&self, address: IpAddr, user: &str) -> [Who; 3] {
        let address = network(address);
        let user = self.hasher.hash_one(user);
        [Who::Pair(address, user), Who::Address(address), Who::User(user)]
    }
}

impl Count {
    fn is_forgotten(self, now: Instant) -> bool {
        now.saturating_duration_since(self.last) > FORGET
    }
}

/// How long the next attempt waits: nothing for the first ones, then 1 s, 2 s, 4 s, … up to a bound.
fn penalty(failures: u32, free: u32) -> Duration {
    let Some(beyond) = failures.checked_sub(free) else { return Duration::ZERO };
    let seconds = 1_u64.checked_shl(beyond).unwrap_or(u64::MAX);
    Duration::from_secs(seconds.min(MAX_PENALTY_SECONDS))
}

/// Keeps the table small: what is forgotten goes first, then whoever failed least.
fn make_room(counts: &mut HashMap<Who, Count>, now: Instant) {
    if counts.len() < MAX_COUNTED_GUESSERS {
        return;
    }
    counts.retain(|_, count| !count.is_forgotten(now));
    if counts.len() < MAX_COUNTED_GUESSERS {
        return;
    }
    let least = counts.iter().min_by_key(|(_, count)| (count.failures, count.last));
    if let Some(who) = least.map(|(who, _)| *who) {
        counts.remove(&who);
    }
}

/// One host is what holds an IPv4 address, or a /64 of IPv6: that is the least anybody is given.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        address @ IpAddr::V4(_) => address,
    }
}

/// How long failures are remembered.
const FORGET: Duration = Duration::from_secs(FORGET_FAILURES_SECONDS);
/// Longest delay of an attempt at a user whom many guess at.
const MAX_USER_DELAY: Duration = Duration::from_secs(MAX_USER_DELAY_SECONDS);

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    const GO: Pace = Pace::Go(Duration::ZERO);

    #[test]
    fn a_guesser_waits_longer_each_time() {
        let (brake, mut now) = (Brake::default(), Instant::now());
        for _ in 0..FREE_ATTEMPTS {
            assert_eq!(brake.attempt(now, address(1), "ann"), GO);
        }
        for seconds in [1, 2, 4, 8, 16, 32, 64, 64] {
            let wait = Duration::from_secs(seconds);
            assert_eq!(brake.attempt(now, address(1), "ann"), Pace::Wait(wait));
            now += wait;
            assert!(matches!(brake.attempt(now, address(1), "ann"), Pace::Go(_)));
        }
    }

    #[test]
    fn another_address_and_another_user_get_in() {
        let (brake, now) = (Brake::default(), Instant::now());
        for _ in 0..FREE_ATTEMPTS {
            brake.attempt(now, address(1), "ann");
        }
        assert!(matches!(brake.attempt(now, address(1), "ann"), Pace::Wait(_)));
        assert_eq!(brake.attempt(now, address(2), "ann"), GO);
        assert_eq!(brake.attempt(now, address(1), "bob"), GO);
    }

    #[test]
    fn one_address_trying_many_users_waits() {
        let (brake, now) = (Brake::default(), Instant::now());
        for user in 0..FREE_ATTEMPTS_OF_ADDRESS {
            assert_eq!(brake.attempt(now, address(1), &user.to_string()), GO);
        }
        assert!(matches!(brake.attempt(now, address(1), "ann"), Pace::Wait(_)));
    }

    #[test]
    fn many_addresses_at_one_user_delay_but_do_not_lock() {
        let (brake, now) = (Brake::default(), Instant::now());
        for host in 0..200 {
            assert!(matches!(brake.attempt(now, address(host), "ann"), Pace::Go(_)));
        }
        assert_eq!(brake.attempt(now, address(201), "ann"), Pace::Go(MAX_USER_DELAY));
    }

    #[test]
    fn success_forgives_and_time_forgets() {
        let (brake, now) = (Brake::default(), Instant::now());
        for _ in 0..100 {
            assert_eq!(brake.attempt(now, address(1), "ann"), GO);
            brake.succeeded(address(1), "ann");
        }
        assert!(brake.counts.lock().unwrap().is_empty());
        for _ in 0..FREE_ATTEMPTS {
            brake.attempt(now, address(1), "ann");
        }
        let now = now + FORGET + Duration::from_secs(1);
        for _ in 0..FREE_ATTEMPTS {
            assert_eq!(brake.attempt(now, address(1), "ann"), GO);
        }
    }

    #[test]
    fn a_success_does_not_forgive_what_the_address_did_to_others() {
        let (brake, now) = (Brake::default(), Instant::now());
        for user in 0..FREE_ATTEMPTS_OF_ADDRESS {
            brake.attempt(now, address(1), &user.to_string());
        }
        brake.succeeded(address(1), "0");
        assert_eq!(brake.attempt(now, address(1), "mine"), GO);
        assert!(matches!(brake.attempt(now, address(1), "ann"), Pace::Wait(_)));
    }

    #[test]
    fn memory_is_bounded() {
        let (brake, now) = (Brake::default(), Instant::now());
        let guilty: IpAddr = "2001:db8::1".parse().unwrap();
        for _ in 0..FREE_ATTEMPTS {
            brake.attempt(now, guilty, "ann");
        }
        for host in 0..u32::try_from(MAX_COUNTED_GUESSERS).unwrap() {
            brake.attempt(now, IpAddr::from(host.to_be_bytes()), "bob");
        }
        assert!(brake.counts.lock().unwrap().len() <= MAX_COUNTED_GUESSERS);
        assert!(matches!(brake.attempt(now, guilty, "ann"), Pace::Wait(_)));
    }

    #[test]
    fn one_host_of_ipv6_is_one() {
        let (brake, now) = (Brake::default(), Instant::now());
        for host in 0..FREE_ATTEMPTS {
            let address = Ipv6Addr::new(0x2001, 0xdb8, 0, 7, 0, 0, 0, u16::try_from(host).unwrap());
            assert_eq!(brake.attempt(now, IpAddr::V6(address), "ann"), GO);
        }
        let next: IpAddr = "2001:db8:0:7::ffff".parse().unwrap();
        assert!(matches!(brake.attempt(now, next, "ann"), Pace::Wait(_)));
    }
}
