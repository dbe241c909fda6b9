//! Proof with the real programs: what they write we go on with, what we write they go on with.

mod ceremony;
mod collection_thresholds;
mod config_file;
mod crossings;
mod docker;
mod images;
mod messages;
mod notary;
mod notary_delegations;
mod notary_errors;
mod notary_expired;
mod notary_old_stores;
mod notary_rounds;
mod notary_tables;
mod notary_world;
mod servers;
mod templates;
mod thresholds;
mod vectors;
pub(crate) mod world;
