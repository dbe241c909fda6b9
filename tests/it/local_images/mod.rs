//! Images on this machine: listed, inspected, tagged and removed, in layouts that others wrote and
//! read.

mod at_once;
#[cfg(debug_assertions)]
mod crashes;
mod disks;
mod docker;
mod listing;
mod others;
mod removing;
mod world;
