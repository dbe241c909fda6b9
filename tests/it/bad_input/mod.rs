//! What people and machines get wrong: a clear error, the right exit code, nothing lost.

mod at_once;
mod full_disk;
mod interrupted;
mod key_files;
mod names;
mod servers;
mod terminal;
