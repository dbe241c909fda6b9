//! Programs that keep registry logins.
