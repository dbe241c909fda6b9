//! Building images, as a person does it.

mod command;
mod hostile;
mod interrupted;
mod reproducible;
mod semantics;
mod sources;
mod trusted;
mod world;
