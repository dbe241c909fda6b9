//! A hostile world in one process: repositories whose every byte can be chosen, and servers that
//! hand them out by a script.
//!
//! * [`Repository`] builds and signs metadata with any version, expiry, signer and threshold
//! * [`Corruption`] names what can be wrong with a role's file, published or in the answer
//! * [`tamper`] names the ways in which what is served differs from what was built
//! * [`ScriptedRegistry`] is an honest registry until its script says otherwise
//! * [`image`] makes images byte by byte
//! * [`Server`] answers HTTPS by a script; [`Replies`] is the script of a trust server
//! * [`layout`] writes image layouts file by file
//! * [`Victim`] is a person whose trust server is ours: the real program and the library, both
//!   held to leave nothing behind of what they refuse

pub(crate) mod corruption;
#[cfg(debug_assertions)]
pub(crate) mod crash;
pub(crate) mod disk;
pub(crate) mod image;
pub(crate) mod layout;
pub(crate) mod proxy;
pub(crate) mod registry;
pub(crate) mod repository;
pub(crate) mod server;
pub(crate) mod signer;
pub(crate) mod tamper;
pub(crate) mod terminal;
pub(crate) mod victim;

pub(crate) use corruption::Corruption;
pub(crate) use registry::ScriptedRegistry;
pub(crate) use repository::{Key, Repository};
pub(crate) use server::{Reply, Server};
pub(crate) use signer::Signer;
pub(crate) use victim::Victim;
