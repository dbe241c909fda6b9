//! The real programs beside us, started for one test and gone with it.
//!
//! * servers: [`NotaryServer`], [`NotarySigner`], [`Registry`], [`TokenServer`], [`Proxy`], [`Dockerd`],
//!   [`Postgres`]
//! * people: [`User`] has a home folder and runs `docker`, `notary` and `trust` in it
//! * what is left of them: [`old_tables`] makes databases of notary servers without running any
//! * pictures: [`image`] pushes small images without any of those programs
//!
//! Every server listens on a loopback port the kernel picks, keeps its files and its log in its own
//! temporary folder, and is ended by process id when its value is dropped, also by a panic. Each is
//! bound to the thread that started it too: when that thread dies, by whatever cause, so does the
//! server. A test that is killed leaves at most a folder behind. So start a server in the thread
//! that keeps it.

pub(crate) mod certificates;
pub(crate) mod dockerd;
pub(crate) mod http;
pub(crate) mod image;
pub(crate) mod notary_server;
pub(crate) mod old_tables;
pub(crate) mod postgres;
pub(crate) mod process;
pub(crate) mod proxy;
pub(crate) mod registry;
pub(crate) mod token_server;
pub(crate) mod user;

pub(crate) use dockerd::Dockerd;
pub(crate) use notary_server::{NotaryOptions, NotaryServer, NotarySigner, Signer};
pub(crate) use postgres::Postgres;
pub(crate) use proxy::Proxy;
pub(crate) use registry::{Registry, RegistryAuth, RegistryOptions};
pub(crate) use token_server::{Account, TokenOptions, TokenServer};
pub(crate) use user::User;
