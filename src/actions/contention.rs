//! How to go on when others publish at the same time: after a pause of random length, so that those
//! who collide do not collide again, and for a bounded time, so that nobody tries forever.

use std::time::Duration;

use uuid::Uuid;

/// The pauses of one publisher. Everybody who is refused was refused because somebody else got
/// through, so all get through in the end.
#[derive(Debug)]
pub(super) struct Contention {
    state: u64,
    refused: u32,
}

impl Contention {
    /// Pauses as nobody else makes them.
    pub(super) fn new() -> Self {
        Self::seeded(Uuid::new_v4().as_u64_pair().1)
    }

    /// Pauses that are the same for the same seed.
    pub(super) fn seeded(seed: u64) -> Self {
        Self { state: seed, refused: 0 }
    }

    /// How often somebody else was faster.
    pub(super) fn refused(&self) -> u32 {
        self.refused
    }

    /// Counts a refusal; returns how long to pause before the next attempt, or `None` to give up.
    /// `elapsed` is the time since the first refusal.
    pub(super) fn pause(&mut self, elapsed: Duration) -> Option<Duration> {
        let doublings = self.refused.min(MAX_DOUBLINGS);
        self.refused = self.refused.saturating_add(1);
        let longest = FIRST_PAUSE.saturating_mul(1 << doublings);
        let micros = u64::try_from(longest.as_micros()).unwrap_or(u64::MAX).max(1);
        let pause = Duration::from_micros(self.random() % micros);
        (elapsed.saturating_add(pause) < PATIENCE).then_some(pause)
    }

    /// `SplitMix64`: even enough for pauses, and not for anything else.
    fn random(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// Longest pause after the first refusal: about what one publication takes.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The pause grows to 3.2 seconds: room for some thirty publishers.
const MAX_DOUBLINGS: u32 = 5;
/// How long to go on after the first refusal.
const PATIENCE: Duration = Duration::from_mins(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_a_bound_and_differ() {
        let mut one = Contention::seeded(1);
        let mut other = Contention::seeded(2);
        let mut longest = Duration::ZERO;
        let mut differ = 0;
        for n in 0..200 {
            let pause = one.pause(Duration::ZERO).unwrap();
            assert!(pause < FIRST_PAUSE * (1 << n.min(MAX_DOUBLINGS)), "{n}: {pause:?}");
            longest = longest.max(pause);
            differ += u32::from(pause != other.pause(Duration::ZERO).unwrap());
        }
        assert!(longest > FIRST_PAUSE * 16, "{longest:?}");
        assert!(differ > 190, "{differ}");
        assert_eq!(one.refused(), 200);
    }

    #[test]
    fn the_same_seed_gives_the_same_pauses() {
        let pauses = |seed| -> Vec<_> {
            let mut contention = Contention::seeded(seed);
            (0..20).map(|_| contention.pause(Duration::ZERO)).collect()
        };
        assert_eq!(pauses(7), pauses(7));
        assert_ne!(pauses(7), pauses(8));
        assert_ne!(Contention::new().state, Contention::new().state);
    }

    #[test]
    fn patience_ends() {
        let mut contention = Contention::seeded(3);
        assert!(contention.pause(PATIENCE / 2).is_some());
        assert_eq!(contention.pause(PATIENCE), None);
        assert_eq!(contention.pause(Duration::MAX), None);
        assert_eq!(contention.refused(), 3);
    }
}
