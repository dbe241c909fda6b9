//! What is replaced while requests are answered: each goes on with what it began with.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

/// A value that is read often and replaced seldom, as a whole.
pub struct Swap<T>(RwLock<Arc<T>>);

impl<T> Swap<T> {
    /// Begins with this value.
    pub fn new(value: T) -> Self {
        Self(RwLock::new(Arc::new(value)))
    }

    /// The value of now. Whoever has it keeps it; the next one who asks may get another.
    pub fn load(&self) -> Arc<T> {
        // A reader that panicked has changed nothing.
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the value.
    pub fn store(&self, value: T) {
        let value = Arc::new(value);
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = value;
    }
}

impl<T> From<T> for Swap<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T: Default> Default for Swap<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T: fmt::Debug> fmt::Debug for Swap<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.load().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_the_old_value_keeps_it() {
        let swap = Swap::new(1);
        let old = swap.load();
        swap.store(2);
        assert_eq!((*old, *swap.load()), (1, 2));
    }
}
