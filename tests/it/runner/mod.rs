//! Commands in sandboxes, with a real shell: what they see, what they may do, what is left of them.

mod changes;
mod command;
mod hostile;
mod isolation;
mod mounts;
mod unprivileged;
mod world;
