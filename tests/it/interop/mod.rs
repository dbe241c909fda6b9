//! Proof with the real programs: what they write we go on with, what we write they go on with.

mod config_file;
mod docker;
mod images;
mod messages;
mod notary;
mod servers;
mod vectors;
mod world;
