//! Proof with the real programs: what they write we go on with, what we write they go on with.

mod ceremony;
mod docker;
mod images;
mod messages;
mod notary;
mod servers;
mod thresholds;
mod vectors;
mod world;
