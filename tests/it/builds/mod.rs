//! Building images, as a person does it.

mod command;
mod sources;
mod trusted;
mod world;
