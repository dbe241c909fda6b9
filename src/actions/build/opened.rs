//! Opening a context: its files, its Dockerfile, and what of it is left out.

use std::collections::BTreeMap;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::actions::build::lock::LOCK_FILE;
use crate::actions::build::outside::{For, SourceError, Sources};
use crate::actions::build::place::{NamedPlace, Place};
use crate::build::content::Files;
use crate::build::context::{
    ContextError, Exclusion, KnownFiles, Reading, from_archive, from_folder, read_file, without,
};
use crate::build::request::{LeftOut as LeftOutOf, NamedContext};
use crate::dockerfile::{Ignore, IgnoreError};
use crate::limits::MAX_IMAGE_FILE_BYTES;
use crate::oci::archive::reader::looks_like_archive;
use crate::oci::{Digest, Reference, ReferenceError};
use crate::store::files::{TemporaryFolder, exists, read_found_file, read_user_file};
use crate::store::streams::open_user_file;
use crate::store::{ImageLayout, ImageLayoutError, StoreError};

/// Which Dockerfile is meant.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum DockerfileAt {
    /// The one of the context.
    #[default]
    OfTheContext,
    /// This file: of the context, if that is no folder here.
    File(PathBuf),
    /// What comes in.
    Stdin,
}

/// A context that was opened.
#[derive(Debug)]
pub struct Opened {
    /// The text of the Dockerfile.
    pub dockerfile: String,
    /// What it is called in messages.
    pub dockerfile_name: String,
    /// The files.
    pub files: Files,
    /// Where they are from.
    pub origin: Origin,
    /// What is known of their contents, to be kept for later builds.
    pub known: Arc<KnownFiles>,
    /// What is left out of them, for messages.
    pub left_out: Option<LeftOutOf>,
    /// The same, as it was read.
    pub ignored: Option<Ignore>,
}

/// Where a context is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// There is none: a Dockerfile alone.
    Nothing,
    /// Files that were here, came in, or were downloaded.
    Files,
    /// A commit of a repository: `URL#COMMIT[:FOLDER]`.
    Commit(String),
}

/// How contexts are taken.
#[derive(Debug, Clone)]
pub struct Opening<'a> {
    /// Which Dockerfile is meant.
    pub dockerfile: &'a DockerfileAt,
    /// The lock file, which never is a part of a context.
    pub lock: Option<&'a Path>,
    /// Whether modes are kept as they are.
    pub keeps_modes: bool,
    /// Whether `.git` of a repository stays.
    pub keeps_git_dir: bool,
    /// The folder that builds keep things in.
    pub work: &'a Path,
    /// What time it is, in seconds since 1970.
    pub now: i64,
}

/// Why a context cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The files.
    #[error(transparent)]
    Context(#[from] ContextError),
    /// What is elsewhere.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The disk.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no Dockerfile.
    #[error("there is no {name} in {context}")]
    NoDockerfile {
        /// What was looked for.
        name: String,
        /// Where.
        context: String,
    },
    /// A Dockerfile that is no text.
    #[error("{name} is not UTF-8: byte {at} is no letter")]
    NotText {
        /// The file.
        name: String,
        /// Where it stops to be text, counted from 0.
        at: usize,
    },
    /// Both the context and the Dockerfile come in.
    #[error("the context and the Dockerfile cannot both come from the standard input")]
    StdinTwice,
    /// The standard input was a Dockerfile, and another file is named.
    #[error("the standard input is a Dockerfile, not an archive that could have `{name}`")]
    NotAnArchive {
        /// The file that is named.
        name: String,
    },
    /// What says what is left out.
    #[error("{name} cannot be used")]
    Ignore {
        /// The file.
        name: String,
        /// What is wrong with it.
        #[source]
        cause: IgnoreError,
    },
    /// The standard input, or a download, breaks off.
    #[error("the context cannot be read")]
    Read(#[source] io::Error),
    /// The layout.
    #[error(transparent)]
    Layout(#[from] ImageLayoutError),
    /// An image in a layout cannot be found.
    #[error("{} has no image `{}`", folder.display(), name.escape_debug())]
    NoImage {
        /// The layout.
        folder: PathBuf,
        /// The image.
        name: String,
    },
    /// A layout with several images, of which none is named.
    #[error("{} has several images: it must be said which", folder.display())]
    SeveralImages {
        /// The layout.
        folder: PathBuf,
    },
    /// A name that no image can have.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
}

/// Opens the context that a build is of.
pub fn open(sources: &Sources<'_>, place: &Place, how: &Opening<'_>) -> Result<Opened, OpenError> {
    match place {
        Place::Folder(folder) => open_folder(folder, sources, how),
        Place::Stdin if *how.dockerfile == DockerfileAt::Stdin => Err(OpenError::StdinTwice),
        Place::Stdin => {
            let stream = open_user_file(Path::new("-"))?;
            open_stream(stream, "the standard input", sources, how)
        }
        Place::Url(url) => {
            let download = sources.fetch(url, None, For::Context)?;
            let stream = download.content.open().map_err(OpenError::Read)?;
            open_stream(stream, url, sources, how)
        }
        Place::Git(address) => {
            let url = address.at_commit(address.reference.as_deref().unwrap_or_default());
            let out = sources.check_out(&url, address, None, how.keeps_git_dir, For::Context)?;
            let shown = address.at_commit(&out.commit);
            of_files(&out.files, Origin::Commit(shown.clone()), &shown, how)
        }
    }
}

/// Opens a context besides the first one. Images of layouts are noted in `given`.
pub fn open_named(
    sources: &Sources<'_>,
    name: &str,
    place: &NamedPlace,
    how: &Opening<'_>,
    given: &mut BTreeMap<String, PathBuf>,
) -> Result<NamedContext, OpenError> {
    let place = match place {
        NamedPlace::Image(reference) => return Ok(NamedContext::Image(reference.clone())),
        NamedPlace::Layout(folder, wanted) => {
            let reference = of_layout(folder, name, wanted.as_deref())?;
            given.insert(reference.to_string(), folder.clone());
            return Ok(NamedContext::Image(reference));
        }
        NamedPlace::Files(place) => place,
    };
    let files = match place {
        Place::Folder(folder) => {
            let ignored = ignore_of_folder(folder)?;
            let (files, known) = folder_files(folder, ignored.as_ref(), sources, how)?;
            known.save();
            files
        }
        Place::Stdin => {
            let stream = open_user_file(Path::new("-"))?;
            let how = reading(how.keeps_modes, sources, Arc::default());
            let spool = spool_folder(sources)?;
            from_archive(&mut { stream }, &spool, &how)?
        }
        Place::Url(url) => {
            let download = sources.fetch(url, None, For::Context)?;
            let mut stream = download.content.open().map_err(OpenError::Read)?;
            let how = reading(how.keeps_modes, sources, Arc::default());
            let spool = spool_folder(sources)?;
            from_archive(&mut stream, &spool, &how)?
        }
        Place::Git(address) => {
            let url = address.at_commit(address.reference.as_deref().unwrap_or_default());
            sources.check_out(&url, address, None, how.keeps_git_dir, For::Context)?.files
        }
    };
    Ok(NamedContext::Files(files))
}

fn open_folder(
    folder: &Path,
    sources: &Sources<'_>,
    how: &Opening<'_>,
) -> Result<Opened, OpenError> {
    let (dockerfile, name, ignore_beside) = match how.dockerfile {
        DockerfileAt::Stdin => {
            let mut text = Vec::new();
            open_user_file(Path::new("-"))?
                .take(MAX_IMAGE_FILE_BYTES + 1)
                .read_to_end(&mut text)
                .map_err(OpenError::Read)?;
            too_large(&text)?;
            (text, "Dockerfile".to_owned(), None)
        }
        DockerfileAt::File(path) => {
            let text = read_user_file(path, MAX_IMAGE_FILE_BYTES)?;
            (text, path.display().to_string(), Some(path.clone()))
        }
        DockerfileAt::OfTheContext => {
            let candidates = DOCKERFILES.map(|name| folder.join(name));
            let path = candidates.into_iter().find(|path| exists(path));
            let text = match &path {
                Some(path) => read_found_file(path, MAX_IMAGE_FILE_BYTES)?,
                None => None,
            };
            let (Some(path), Some(text)) = (path, text) else {
                let (name, context) = ("Dockerfile".to_owned(), folder.display().to_string());
                return Err(OpenError::NoDockerfile { name, context });
            };
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            (text, name, Some(path))
        }
    };
    let beside = match &ignore_beside {
        Some(path) => {
            let mut name = path.clone().into_os_string();
            name.push(".dockerignore");
            let path = PathBuf::from(name);
            let shown = path.display().to_string();
            read_found_file(&path, MAX_IMAGE_FILE_BYTES)?
                .map(|bytes| parse_ignore(&bytes, &shown))
                .transpose()?
        }
        None => None,
    };
    let ignored = match beside {
        Some(ignored) => Some(ignored),
        None => ignore_of_folder(folder)?,
    };
    let (files, known) = folder_files(folder, ignored.as_ref(), sources, how)?;
    Ok(Opened {
        dockerfile: text_of(dockerfile, &name)?,
        dockerfile_name: name,
        files,
        origin: Origin::Files,
        known,
        left_out: left_out_of(ignored.clone()),
        ignored,
    })
}

fn folder_files(
    folder: &Path,
    ignored: Option<&Ignore>,
    sources: &Sources<'_>,
    how: &Opening<'_>,
) -> Result<(Files, Arc<KnownFiles>), OpenError> {
    let known = Arc::new(KnownFiles::load(how.work, folder, how.now));
    let reading = reading(how.keeps_modes, sources, Arc::clone(&known));
    let lock = how.lock.and_then(|lock| below(folder, lock));
    let files = from_folder(folder, &LeftOut { ignored, lock }, &reading)?;
    Ok((files, known))
}

/// A context that comes piece by piece: an archive, or a Dockerfile alone.
fn open_stream(
    mut stream: Box<dyn Read + Send + '_>,
    shown: &str,
    sources: &Sources<'_>,
    how: &Opening<'_>,
) -> Result<Opened, OpenError> {
    let mut start = Vec::new();
    (&mut stream).take(FIRST_BYTES).read_to_end(&mut start).map_err(OpenError::Read)?;
    if is_archive(&start) {
        let mut whole = Cursor::new(start).chain(stream);
        let reading = reading(how.keeps_modes, sources, Arc::default());
        let spool = spool_folder(sources)?;
        let files = from_archive(&mut whole, &spool, &reading)?;
        return of_files(&files, Origin::Files, shown, how);
    }
    if let DockerfileAt::File(path) = how.dockerfile {
        return Err(OpenError::NotAnArchive { name: path.display().to_string() });
    }
    stream.take(MAX_IMAGE_FILE_BYTES).read_to_end(&mut start).map_err(OpenError::Read)?;
    too_large(&start)?;
    let name = "Dockerfile".to_owned();
    Ok(Opened {
        dockerfile: text_of(start, &name)?,
        dockerfile_name: name,
        files: Files::default(),
        origin: Origin::Nothing,
        known: Arc::default(),
        left_out: None,
        ignored: None,
    })
}

/// A context whose files are all here: its Dockerfile is one of them.
fn of_files(
    files: &Files,
    origin: Origin,
    shown: &str,
    how: &Opening<'_>,
) -> Result<Opened, OpenError> {
    let candidates: Vec<String> = match how.dockerfile {
        DockerfileAt::File(path) => vec![path.display().to_string()],
        _ => DOCKERFILES.map(str::to_owned).to_vec(),
    };
    let mut found = None;
    if *how.dockerfile == DockerfileAt::Stdin {
        let mut text = Vec::new();
        let stream = open_user_file(Path::new("-"))?;
        stream.take(MAX_IMAGE_FILE_BYTES + 1).read_to_end(&mut text).map_err(OpenError::Read)?;
        too_large(&text)?;
        found = Some(("Dockerfile".to_owned(), text));
    }
    for name in &candidates {
        if found.is_none()
            && let Some(text) = read_file(files, name, MAX_IMAGE_FILE_BYTES)?
        {
            found = Some((name.clone(), text));
        }
    }
    let Some((name, text)) = found else {
        let name = candidates.into_iter().next().unwrap_or_default();
        return Err(OpenError::NoDockerfile { name, context: shown.to_owned() });
    };
    let mut ignored = None;
    for ignore in [format!("{name}.dockerignore"), ".dockerignore".to_owned()] {
        if ignored.is_none()
            && let Some(bytes) = read_file(files, &ignore, MAX_IMAGE_FILE_BYTES)?
        {
            ignored = Some(parse_ignore(&bytes, &ignore)?);
        }
    }
    let lock = match name.rsplit_once('/') {
        Some((above, _)) => format!("{above}/{LOCK_FILE}"),
        None => LOCK_FILE.to_owned(),
    };
    let left_out = LeftOut { ignored: ignored.as_ref(), lock: Some(lock.into_bytes()) };
    let files = without(files, &left_out)?;
    Ok(Opened {
        dockerfile: text_of(text, &name)?,
        dockerfile_name: name,
        files,
        origin,
        known: Arc::default(),
        left_out: left_out_of(ignored.clone()),
        ignored,
    })
}

/// What an image of a layout is called in the build.
fn of_layout(folder: &Path, name: &str, wanted: Option<&str>) -> Result<Reference, OpenError> {
    let layout = ImageLayout::new(folder.to_owned());
    let index = layout.index()?;
    let mut digests: Vec<Digest> = index
        .entries()
        .filter(|entry| match wanted {
            None => true,
            Some(wanted) => {
                let called = entry.name().map(|name| name.to_string()).unwrap_or_default();
                let is_tag = called.rsplit_once(':').is_some_and(|(_, tag)| tag == wanted);
                entry.descriptor.digest.as_str() == wanted || called == wanted || is_tag
            }
        })
        .map(|entry| entry.descriptor.digest.clone())
        .collect();
    digests.sort();
    digests.dedup();
    match (digests.as_slice(), wanted) {
        ([digest], _) => {
            let plain: String = name
                .to_lowercase()
                .chars()
                .map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' })
                .collect();
            let plain = plain.trim_matches('-');
            let plain = if plain.is_empty() { "image" } else { plain };
            Ok(Reference::parse(&format!("{LAYOUTS}/{plain}@{digest}"))?)
        }
        ([], wanted) => {
            let name = wanted.unwrap_or("latest").to_owned();
            Err(OpenError::NoImage { folder: folder.to_owned(), name })
        }
        _ => Err(OpenError::SeveralImages { folder: folder.to_owned() }),
    }
}

/// What a context is without.
struct LeftOut<'a> {
    ignored: Option<&'a Ignore>,
    /// The lock file, if it is in the context: whether there is one must not change the image.
    lock: Option<Vec<u8>>,
}

/// What `.dockerignore` says, without borrowing it.
struct Ignored(Ignore);

impl Exclusion for Ignored {
    fn excludes(&self, path: &[u8]) -> bool {
        self.0.excludes(path)
    }

    fn may_skip(&self, folder: &[u8]) -> bool {
        self.0.may_skip(folder)
    }
}

fn left_out_of(ignored: Option<Ignore>) -> Option<LeftOutOf> {
    ignored.map(|ignored| LeftOutOf(Arc::new(Ignored(ignored))))
}

impl Exclusion for LeftOut<'_> {
    fn excludes(&self, path: &[u8]) -> bool {
        self.lock.as_deref() == Some(path)
            || self.ignored.is_some_and(|ignored| ignored.excludes(path))
    }

    fn may_skip(&self, folder: &[u8]) -> bool {
        self.ignored.is_some_and(|ignored| ignored.may_skip(folder))
    }
}

fn ignore_of_folder(folder: &Path) -> Result<Option<Ignore>, OpenError> {
    let path = folder.join(".dockerignore");
    let bytes = read_found_file(&path, MAX_IMAGE_FILE_BYTES)?;
    bytes.map(|bytes| parse_ignore(&bytes, &path.display().to_string())).transpose()
}

fn parse_ignore(bytes: &[u8], name: &str) -> Result<Ignore, OpenError> {
    Ignore::parse(bytes).map_err(|cause| OpenError::Ignore { name: name.to_owned(), cause })
}

fn reading(keeps_modes: bool, sources: &Sources<'_>, known: Arc<KnownFiles>) -> Reading {
    Reading { keeps_modes, epoch: sources.epoch, known }
}

/// A folder for the contents of an archive, as long as the command runs.
fn spool_folder(sources: &Sources<'_>) -> Result<PathBuf, StoreError> {
    let folder = TemporaryFolder::create(&sources.temporary_dir)?;
    let path = folder.path().to_owned();
    sources.memory.keep(folder);
    Ok(path)
}

/// Where a file is in a folder, if it is in it.
fn below(folder: &Path, file: &Path) -> Option<Vec<u8>> {
    use std::os::unix::ffi::OsStrExt;
    let folder = std::path::absolute(folder).ok()?;
    let file = std::path::absolute(file).ok()?;
    let relative = file.strip_prefix(&folder).ok()?;
    Some(relative.as_os_str().as_bytes().to_vec())
}

fn text_of(bytes: Vec<u8>, name: &str) -> Result<String, OpenError> {
    String::from_utf8(bytes).map_err(|error| OpenError::NotText {
        name: name.to_owned(),
        at: error.utf8_error().valid_up_to(),
    })
}

fn too_large(text: &[u8]) -> Result<(), ContextError> {
    if text.len() as u64 > MAX_IMAGE_FILE_BYTES {
        let path = "Dockerfile".to_owned();
        return Err(ContextError::TooLarge { path, limit: MAX_IMAGE_FILE_BYTES });
    }
    Ok(())
}

/// Whether bytes begin as an archive does, plain or packed (images.md §1.5).
fn is_archive(start: &[u8]) -> bool {
    const PACKED: [&[u8]; 4] = [
        &[0x1f, 0x8b, 0x08],
        b"BZh",
        &[0xfd, b'7', b'z', b'X', b'Z', 0],
        &[0x28, 0xb5, 0x2f, 0xfd],
    ];
    PACKED.iter().any(|magic| start.starts_with(magic)) || looks_like_archive(start)
}

/// What a Dockerfile is called, the likeliest first.
const DOCKERFILES: [&str; 3] = ["Dockerfile", "dockerfile", "Containerfile"];
/// The host of images that are in a folder: none can be fetched from it (RFC 2606).
const LAYOUTS: &str = "oci-layout.invalid";
/// How much tells an archive from a text.
const FIRST_BYTES: u64 = 512;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_is_told_by_its_content() {
        let mut archive = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(1);
        archive.append_data(&mut header, "Dockerfile", &b"x"[..]).unwrap();
        let archive = archive.into_inner().unwrap();
        assert!(is_archive(&archive[..512]));
        assert!(is_archive(&[0x1f, 0x8b, 8, 0]) && is_archive(b"BZh91AY"));
        for text in ["FROM scratch\n", "", "#syntax=docker/dockerfile:1\nFROM scratch\n"] {
            assert!(!is_archive(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn the_lock_file_of_a_context_is_found_in_it() {
        assert_eq!(below(Path::new("/a/b"), Path::new("/a/b/c/x")), Some(b"c/x".to_vec()));
        assert_eq!(below(Path::new("/a/b"), Path::new("/a/x")), None);
    }
}
