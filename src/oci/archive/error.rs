//! What can be wrong with an archive.

use std::io;

use crate::limits::{MAX_ARCHIVE_ENTRIES, MAX_ENTRY_PATH_BYTES, MAX_EXTENSION_BYTES};

/// Why an archive cannot be read, or must not be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// The stream under the archive.
    #[error("the archive cannot be read")]
    Io(#[source] io::Error),
    /// The stream ends before the archive does.
    #[error("the archive ends in the middle")]
    Truncated,
    /// The compressed stream is broken, or goes on with something else.
    #[error("the compressed stream is damaged")]
    Damaged(#[source] io::Error),
    /// A compression that layers cannot have.
    #[error("the stream is compressed with {name}, which is not supported")]
    ForeignCompression {
        /// The program's name.
        name: &'static str,
    },
    /// A block that should be a header is none.
    #[error("what is at byte {offset} is not an entry of a tar archive")]
    NoHeader {
        /// Where, in bytes from the beginning of the archive.
        offset: u64,
    },
    /// A number in a header that is none.
    #[error("the {field} of `{path}` is not a number")]
    Number {
        /// The entry, as far as its name is known.
        path: String,
        /// Which number.
        field: &'static str,
    },
    /// An extended header that is not made as POSIX says.
    #[error("the extended header at byte {offset} is not well-formed")]
    Extension {
        /// Where, in bytes from the beginning of the archive.
        offset: u64,
    },
    /// An extended header of unusual length.
    #[error(
        "the extended header at byte {offset} has {size} bytes, more than {MAX_EXTENSION_BYTES}"
    )]
    LongExtension {
        /// Where, in bytes from the beginning of the archive.
        offset: u64,
        /// Its length, in bytes.
        size: u64,
    },
    /// A name that leads out of the image.
    #[error("the entry `{path}` climbs out of the archive")]
    Escapes {
        /// The name.
        path: String,
    },
    /// A name that no file has.
    #[error("`{path}` is not the name of a file: {problem}")]
    Name {
        /// The name.
        path: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A name longer than any file's.
    #[error("an entry has a name of {length} bytes, more than {MAX_ENTRY_PATH_BYTES}")]
    LongName {
        /// Its length, in bytes.
        length: usize,
    },
    /// An entry that is no file, folder, link, device or pipe.
    #[error("`{path}` is an entry of the unknown type `{}`", char::from(*kind).escape_default())]
    UnknownKind {
        /// The entry.
        path: String,
        /// Its type as written.
        kind: u8,
    },
    /// A file stored with holes.
    #[error("`{path}` is stored as a sparse file, which is not supported")]
    Sparse {
        /// The entry.
        path: String,
    },
    /// More entries than are followed.
    #[error("the archive has more than {MAX_ARCHIVE_ENTRIES} entries")]
    TooManyEntries,
    /// More bytes than may come out.
    #[error("the archive unpacks to more than {limit} bytes")]
    TooLarge {
        /// Most bytes.
        limit: u64,
    },
    /// Far more bytes come out than went in.
    #[error("{packed} bytes unpack to more than {unpacked}: this is no honest archive")]
    Bomb {
        /// How many went in so far.
        packed: u64,
        /// How many came out so far.
        unpacked: u64,
    },
    /// The parents of an entry lead in circles.
    #[error("the path `{path}` goes through too many symbolic links")]
    LinkLoop {
        /// The entry.
        path: String,
    },
    /// Something below what is no folder.
    #[error("`{path}` lies below something that is no folder")]
    NotAFolder {
        /// The entry.
        path: String,
    },
    /// A hard link to nothing, or to a folder.
    #[error("`{path}` is a hard link to `{target}`, which is not a file of the image")]
    LinkTarget {
        /// The entry.
        path: String,
        /// What it is to be a link to.
        target: String,
    },
}

impl From<io::Error> for ArchiveError {
    /// An error of ours may have come through somebody else's reader.
    fn from(error: io::Error) -> Self {
        match error.downcast::<Self>() {
            Ok(ours) => ours,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Self::Truncated,
            Err(error) => Self::Io(error),
        }
    }
}

impl From<ArchiveError> for io::Error {
    fn from(error: ArchiveError) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}
