//! Rescue folders: all that could be had of collections, in a form that outlives the server
//! (`spec/rescue.md` §1–3).
//!
//! [`RescueFolder`] opens one and lists its collections; [`RescuedCollection`] holds the files of
//! one and its [`Record`]. Files are named by role and hash as the server names them, so that one
//! is never replaced by another, and whatever was cut off shows.

mod collection;
mod error;
mod folder;
mod record;
mod text;

pub use collection::{Kept, RescuedCollection};
pub use error::{FolderFinding, RescueFolderError};
pub use folder::RescueFolder;
pub use record::{FeedRecord, FileRecord, MissingRecord, Record, SourceKind, SourceRecord};
