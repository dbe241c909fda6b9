//! What moving images has in common, whatever the direction.
//!
//! * who wants to know how far it is: [`progress`]
//! * an image in its registry: [`remote`]
//! * an image as a whole, its manifests and its blobs: [`tree`]
//! * content on its way to the layout: [`sink`], and from it: [`source`]
//! * sending a tree to a registry: [`sending`]

pub mod progress;
pub mod remote;
pub mod sending;
pub mod sink;
pub mod source;
pub mod tree;

pub use progress::{Ended, Progress, Silent};
pub use remote::{Platforms, RemoteError};
pub use tree::{ImageTree, TreeError};

/// How many blobs of one image are on their way at once.
pub const PARALLEL_BLOBS: usize = 6;
