//! Layers and archives of images: tar, its compression, and what a stack of layers comes to.
//!
//! * one entry: [`entry`], its name: [`path`]
//! * a tar archive: [`reader`], [`writer`], both over the blocks of [`header`]; how exactly it was
//!   written: [`written`]
//! * how a stream is packed: [`expand`], [`pack`]
//! * layers on top of each other: [`tree`]
//!
//! Nothing here touches the disk: streams are handed in.

pub mod entry;
pub mod error;
pub mod expand;
pub mod header;
pub mod pack;
pub mod path;
mod pax;
pub mod reader;
pub mod tree;
pub mod writer;
pub mod written;

pub use entry::{Entry, Kind, Time};
pub use error::ArchiveError;
pub use expand::{Expander, Expansion};
pub use pack::{LayerPacker, Packer};
pub use path::EntryPath;
pub use reader::ArchiveReader;
pub use tree::{Inode, InodeId, Tree};
pub use writer::ArchiveWriter;
pub use written::Written;
