//! Building images, as a person does it.

mod command;
mod hostile;
mod reproducible;
mod sources;
mod trusted;
mod world;
