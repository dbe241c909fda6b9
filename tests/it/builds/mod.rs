//! Building images, as a person does it.

mod command;
mod semantics;
mod sources;
mod trusted;
mod world;
