//! Archives of images: what the real programs make of ours and we of theirs, and what hostile ones
//! come to.

mod canonical;
mod diff;
mod hostile;
mod peers;
mod world;
