//! What is copied, and where it goes.

use std::fmt;
use std::path::Path;

use crate::build::changes::Changes;
use crate::build::content::{Content, Files};
use crate::build::context::Exclusion;
use crate::build::copy::copier::Copier;
use crate::build::copy::error::CopyError;
use crate::build::draft::{Draft, NewFolder};
use crate::oci::archive::EntryPath;

/// One `COPY` or `ADD`, its words expanded.
#[derive(Debug, Clone)]
pub struct Job<'a> {
    /// What is copied, in order.
    pub sources: Vec<Source<'a>>,
    /// Where it goes, as written: a slash at its end counts.
    pub destination: &'a str,
    /// What a relative destination is below; absolute.
    pub workdir: &'a str,
    /// `--chown`
    pub owner: Option<&'a str>,
    /// `--chmod`
    pub mode: Option<&'a str>,
    /// `--link`
    pub link: bool,
    /// `--parents`
    pub parents: bool,
    /// `--exclude`, each one.
    pub exclude: &'a [String],
    /// The time that everything gets, in seconds since 1970.
    pub epoch: i64,
    /// A folder where contents of archives may wait, as long as they are used.
    pub scratch: &'a Path,
}

/// Something that is copied.
#[derive(Clone)]
pub enum Source<'a> {
    /// A path or pattern in files.
    Path {
        /// The files: of a context, a stage, or an image.
        files: &'a Files,
        /// The path or pattern, as written.
        path: &'a str,
        /// What was left out of them, to say so if that is what is asked for.
        ignored: Option<&'a dyn Exclusion>,
        /// Whether archives are unpacked: `ADD`'s, unless it says otherwise.
        unpack: bool,
    },
    /// One file that has no place yet: a here-document or a download.
    File {
        /// Its name.
        name: &'a str,
        /// Its content.
        content: Content,
        /// Its length, in bytes.
        size: u64,
        /// Its permission bits.
        mode: u32,
        /// Whether it is unpacked if it is an archive.
        unpack: bool,
    },
    /// All of these files: what was checked out of a repository.
    All(&'a Files),
}

/// What a copy changes in the files of a stage. No content is read but that of archives that are to
/// be unpacked, and the stage's accounts if the owner is a name.
pub fn copy(job: &Job<'_>, stage: &Files) -> Result<Changes, CopyError> {
    // A mode for all of it cannot be linked, as BuildKit has it.
    let is_apart = job.link && job.mode.is_none();
    let nothing = Files::default();
    let mut copier = Copier::new(job, stage, if is_apart { &nothing } else { stage })?;
    for source in &job.sources {
        copier.take(source)?;
    }
    copier.finish()
}

/// What making a folder, and those above it that are missing, changes: all get this owner and
/// group, mode 0755 and this time, in seconds since 1970. Nothing if the folder is there.
pub fn make_folder(
    stage: &Files,
    path: &str,
    owner: (u32, u32),
    epoch: i64,
) -> Result<Changes, CopyError> {
    let mut draft = Draft::new(stage, epoch);
    let place = draft.resolve(path.as_bytes())?;
    draft.make_folders(&place, NewFolder { mode: 0o755, owner })?;
    let changes = draft.finish();
    without_whiteouts(&changes)?;
    Ok(changes)
}

/// Refuses names that would say in a layer that a file is gone.
pub(super) fn without_whiteouts(changes: &Changes) -> Result<(), CopyError> {
    let reserved = |path: &EntryPath| path.names().any(|name| name.starts_with(b".wh."));
    match changes.paths.keys().find(|path| reserved(path)) {
        Some(path) => Err(CopyError::Whiteout { path: path.to_string() }),
        None => Ok(()),
    }
}

impl fmt::Debug for Source<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path { path, .. } => f.debug_tuple("Path").field(path).finish(),
            Self::File { name, .. } => f.debug_tuple("File").field(name).finish(),
            Self::All(_) => f.write_str("All"),
        }
    }
}
