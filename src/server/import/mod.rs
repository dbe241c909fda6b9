//! Collections and images that come from elsewhere, taken into a server's database and content as
//! they are (`spec/carry-on.md` §1).
//!
//! Whatever brings them (rescue folders by way of the command, a notary server's database or
//! its dump, a registry's folder) hands over [`Incoming`] collections, one after the other, so that
//! memory stays flat; [`take_in()`] judges each and writes it in one transaction.

pub mod keys;
pub mod notary;
pub mod registry;
pub mod request;
pub mod rows;
pub mod source;
pub mod sql_dump;
pub mod take_in;

pub use take_in::{ImportError, Outcome, TakenIn, take_in};

use crate::clock::Timestamp;
use crate::crypto::PrivateKey;
use crate::server::meta::feed::PastChange;
use crate::tuf::history::KeptFile;
use crate::tuf::{Gun, RoleName};

/// A collection on its way in.
#[derive(Debug)]
pub struct Incoming {
    /// Its name here.
    pub gun: Gun,
    /// All that is known of it, and when each file was stored where it comes from, if that is
    /// known. In any order. None for what is no collection: one that was deleted there, of which
    /// the feed tells, or one that nobody has published yet, for which keys were handed out.
    pub files: Vec<(KeptFile, Option<Timestamp>)>,
    /// The version of the newest timestamp that was served there, where that is known: nothing
    /// older is taken in its place. 0 otherwise.
    pub at_least: u64,
    /// What its changefeed said there, the oldest first.
    pub feed: Vec<PastChange>,
    /// Private keys of the server that it comes from, where there are any.
    pub keys: Vec<PastKey>,
}

/// A key of the server that a collection comes from.
#[derive(Debug)]
pub struct PastKey {
    /// What it signs: timestamps or snapshots.
    pub role: RoleName,
    /// The key.
    pub key: PrivateKey,
    /// Whether it has signed anything: one that has not is only pending.
    pub was_used: bool,
}
