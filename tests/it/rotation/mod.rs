//! Keys of roles are replaced, by us and by notary in turn, without and with interruptions.

mod alternation;
mod command;
mod interrupted;
mod world;
