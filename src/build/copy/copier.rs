//! Carrying out a copy, source by source.

use std::collections::{HashMap, HashSet};

use crate::build::accounts;
use crate::build::changes::Changes;
use crate::build::content::{Content, Files};
use crate::build::copy::error::CopyError;
use crate::build::copy::job::{Job, Source, without_whiteouts};
use crate::build::copy::mode::ModeChange;
use crate::build::copy::sources::{Named, base_name, found, has_wildcards, required};
use crate::build::draft::{Draft, NewFolder, Place};
use crate::build::unpack::{UnpackError, Unpacking, is_archive, unpack};
use crate::dockerfile::Patterns;
use crate::oci::archive::{ArchiveError, Entry, EntryPath, InodeId, Kind};

/// A copy that is being carried out.
pub(super) struct Copier<'a> {
    job: &'a Job<'a>,
    draft: Draft<'a>,
    destination: Vec<u8>,
    owner: Option<(u32, u32)>,
    mode: Option<ModeChange>,
    exclude: Patterns,
}

/// Which part of files is copied.
struct Selection<'a> {
    files: &'a Files,
    include: Option<Patterns>,
    exclude: &'a Patterns,
}

/// What becomes of the attributes of a folder that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Existing {
    /// It is the folder whose content is copied: they stay.
    Stays,
    /// It is one in there: they become those of the source.
    Changes,
}

/// Whether a folder stands for itself or for what is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FolderMeans {
    Itself,
    Content,
}

impl<'a> Copier<'a> {
    /// Begins one. `accounts` is where names of owners are looked up, `base` what is copied onto.
    pub(super) fn new(
        job: &'a Job<'a>,
        accounts: &Files,
        base: &'a Files,
    ) -> Result<Self, CopyError> {
        let owner = job.owner.map(|owner| accounts::owner(accounts, owner)).transpose()?;
        Ok(Self {
            job,
            draft: Draft::new(base, job.epoch),
            destination: destination(job.workdir, job.destination),
            owner,
            mode: job.mode.map(ModeChange::parse).transpose()?,
            exclude: patterns(job.exclude.iter().map(String::as_bytes))?,
        })
    }

    pub(super) fn finish(self) -> Result<Changes, CopyError> {
        let changes = self.draft.finish();
        without_whiteouts(&changes)?;
        Ok(changes)
    }

    /// Copies one source.
    pub(super) fn take(&mut self, source: &Source<'_>) -> Result<(), CopyError> {
        match source {
            Source::Path { files, path, ignored, unpack } => {
                let mut include = None;
                let mut path = (*path).to_owned();
                if self.job.parents {
                    let (folder, pattern) = match path.split_once("/./") {
                        Some((folder, pattern)) => (folder.to_owned(), pattern.to_owned()),
                        None => ("/".to_owned(), path.clone()),
                    };
                    let pattern = cleaned(pattern.as_bytes());
                    if !has_wildcards(folder.as_bytes()) && !has_wildcards(&pattern) {
                        required(files, &folder, &pattern, *ignored)?;
                    }
                    include = Some(patterns([pattern.as_slice()])?);
                    path = folder;
                }
                for named in found(files, &path, *ignored)? {
                    if *unpack && self.unpacked_from(files, &named)? {
                        continue;
                    }
                    let exclude = self.exclude.clone();
                    let selection =
                        Selection { files, include: include.clone(), exclude: &exclude };
                    self.copy(&selection, &named, FolderMeans::Content)?;
                }
                Ok(())
            }
            Source::File { name, content, size, mode, unpack } => {
                let name = base_name(name.as_bytes());
                if *unpack && self.unpacked(&String::from_utf8_lossy(name), content)? {
                    return Ok(());
                }
                let mut files = Files::default();
                let path = EntryPath::default().child(name);
                let entry = Entry { mode: *mode, ..Entry::file(path.clone(), *size) };
                let content = (*size > 0).then(|| Content::clone(content));
                files.put(&entry, content)?;
                let id = files.at(&path).unwrap_or_else(|| files.top());
                let exclude = Patterns::default();
                let selection = Selection { files: &files, include: None, exclude: &exclude };
                let named = Named { name: name.to_vec(), path, id };
                self.copy(&selection, &named, FolderMeans::Itself)
            }
            Source::All(files) => {
                let exclude = self.exclude.clone();
                let selection = Selection { files, include: None, exclude: &exclude };
                let named = Named { name: Vec::new(), path: EntryPath::default(), id: files.top() };
                self.copy(&selection, &named, FolderMeans::Itself)
            }
        }
    }

    fn unpacked_from(&mut self, files: &Files, named: &Named) -> Result<bool, CopyError> {
        let Some(inode) = files.get(named.id) else { return Ok(false) };
        match &inode.content {
            Some(content) if inode.kind == Kind::File => {
                self.unpacked(&named.path.to_string(), content)
            }
            _ => Ok(false),
        }
    }

    /// Unpacks a content if it is an archive.
    fn unpacked(&mut self, path: &str, content: &Content) -> Result<bool, CopyError> {
        let unread = |cause| CopyError::Content { path: path.to_owned(), cause };
        let wrong = |cause: ArchiveError| match cause {
            ArchiveError::Io(cause) => unread(cause),
            cause => CopyError::Archive { path: path.to_owned(), cause },
        };
        if !is_archive(&mut content.open().map_err(unread)?).map_err(wrong)? {
            return Ok(false);
        }
        let folder = self.draft.resolve(&self.destination)?;
        let owner = self.owner.unwrap_or_default();
        self.make_folders(&folder, NewFolder { mode: 0o755, owner })?;
        let folder = self.draft.resolve(&self.destination)?;
        let how = Unpacking { owner: self.owner, scratch: self.job.scratch };
        let mut stream = content.open().map_err(unread)?;
        match unpack(&mut stream, &mut self.draft, &folder, how) {
            Ok(()) => Ok(true),
            Err(UnpackError::Archive(cause)) => Err(wrong(cause)),
            Err(UnpackError::Store(error)) => Err(error.into()),
        }
    }

    /// Copies what a path of a source leads to.
    fn copy(
        &mut self,
        selection: &Selection<'_>,
        named: &Named,
        means: FolderMeans,
    ) -> Result<(), CopyError> {
        let Some(source) = selection.files.get(named.id) else { return Ok(()) };
        let is_folder = source.kind == Kind::Folder;
        // The folder that the destination names, or is in.
        let above = match self.destination.iter().rposition(|byte| *byte == b'/') {
            Some(cut) if !ends_as_folder(&self.destination) => self.destination.get(..=cut),
            _ => Some(self.destination.as_slice()),
        };
        let above = self.draft.resolve(above.unwrap_or(b"/"))?;
        self.make_folders(&above, self.new_folder())?;
        let mut target = self.draft.resolve(&self.destination)?;
        let is_there = self.draft.kind(&target).is_some();
        let goes_into = if is_folder {
            means == FolderMeans::Itself && is_there && !named.name.is_empty()
        } else {
            self.draft.is_folder(&target)
        };
        if goes_into {
            target = self.draft.child(&target, &named.name);
        }
        let made = if is_folder && means == FolderMeans::Content && !is_there {
            Some(target.path.clone())
        } else {
            target.path.parent()
        };
        if let Some(made) = made {
            let made = self.draft.exactly(&made);
            self.make_folders(&made, self.new_folder())?;
            target = self.draft.exactly(&target.path);
        }
        self.copy_tree(selection, named.id, &target)
    }

    /// Copies something with all that is in it to exactly this place.
    fn copy_tree(
        &mut self,
        selection: &Selection<'_>,
        top: InodeId,
        target: &Place,
    ) -> Result<(), CopyError> {
        let files = selection.files;
        // Files of the source by where they went, for those with several names.
        let mut copied: HashMap<InodeId, EntryPath> = HashMap::new();
        self.copy_one(files, top, &target.path, Existing::Stays, &mut copied)?;
        if files.get(top).is_none_or(|inode| inode.kind != Kind::Folder) {
            return Ok(());
        }
        // Folders that are as they should be, from the top of what is copied.
        let mut settled: HashSet<EntryPath> = HashSet::from([EntryPath::default()]);
        let mut pending = vec![(EntryPath::default(), top)];
        while let Some((folder, id)) = pending.pop() {
            for (name, child) in files.children(id) {
                let path = folder.child(name);
                let is_folder = files.get(child).is_some_and(|inode| inode.kind == Kind::Folder);
                let is_excluded = selection.exclude.matches(path.as_bytes());
                let is_included = !is_excluded
                    && selection.include.as_ref().is_none_or(|all| all.matches(path.as_bytes()));
                if is_included {
                    self.copy_folders_above(files, top, &path, &target.path, &mut settled)?;
                    let goes_to = target.path.join(&path);
                    self.copy_one(files, child, &goes_to, Existing::Changes, &mut copied)?;
                    if is_folder {
                        settled.insert(path.clone());
                    }
                }
                let is_over = is_excluded && selection.exclude.match_all_below(path.as_bytes());
                if is_folder && !is_over {
                    pending.push((path, child));
                }
            }
        }
        Ok(())
    }

    /// Makes the folders on the way to something that is copied, like those of the source: they may
    /// not have been wanted for themselves. One that is there gets the mode of the source's.
    fn copy_folders_above(
        &mut self,
        files: &Files,
        top: InodeId,
        path: &EntryPath,
        target: &EntryPath,
        settled: &mut HashSet<EntryPath>,
    ) -> Result<(), CopyError> {
        let Some((above, _)) = path.split() else { return Ok(()) };
        if path.parent().is_none_or(|parent| settled.contains(&parent)) {
            return Ok(());
        }
        let (mut id, mut below) = (top, EntryPath::default());
        for name in above.split(|byte| *byte == b'/') {
            let Some(next) = files.child_of(id, name) else { return Ok(()) };
            (id, below) = (next, below.child(name));
            if !settled.insert(below.clone()) {
                continue;
            }
            let Some(source) = files.get(id) else { return Ok(()) };
            let goes_to = target.join(&below);
            let place = self.draft.exactly(&goes_to);
            let entry = match self.draft.entry(&place) {
                None => self.settled(source.entry(goes_to)),
                Some(before) if before.kind == Kind::Folder => {
                    Entry { mode: source.mode, ..before }
                }
                Some(_) => return Err(CopyError::NotAFolder { path: goes_to.to_string() }),
            };
            self.draft.put(entry, None)?;
        }
        Ok(())
    }

    /// Copies one thing to exactly this place, whose folder is there.
    fn copy_one(
        &mut self,
        files: &Files,
        id: InodeId,
        target: &EntryPath,
        existing: Existing,
        copied: &mut HashMap<InodeId, EntryPath>,
    ) -> Result<(), CopyError> {
        let Some(source) = files.get(id) else { return Ok(()) };
        let place = self.draft.exactly(target);
        let path = || target.to_string();
        let there = self.draft.kind(&place);
        if source.kind == Kind::Folder {
            return match there {
                Some(Kind::Folder) if existing == Existing::Stays => Ok(()),
                Some(Kind::Folder) | None => {
                    let mut entry = self.settled(source.entry(target.clone()));
                    // Attributes are added to those that are there.
                    if let Some(before) = self.draft.entry(&place) {
                        let own = std::mem::replace(&mut entry.xattrs, before.xattrs);
                        entry.xattrs.extend(own);
                    }
                    Ok(self.draft.put(entry, None)?)
                }
                Some(_) => Err(CopyError::NotAFolder { path: path() }),
            };
        }
        if there == Some(&Kind::Folder) {
            return Err(CopyError::IsAFolder { path: path() });
        }
        if let Some(first) = copied.get(&id) {
            let first = self.draft.exactly(first);
            if self.draft.link(target, &first).is_some() {
                return Ok(());
            }
        }
        copied.insert(id, target.clone());
        let entry = self.settled(source.entry(target.clone()));
        Ok(self.draft.put(entry, source.content.clone())?)
    }

    /// An entry as it is where it goes to.
    fn settled(&self, mut entry: Entry) -> Entry {
        if let Some((uid, gid)) = self.owner {
            (entry.uid, entry.gid) = (uid.into(), gid.into());
        }
        if let Some(mode) = &self.mode
            && !matches!(entry.kind, Kind::Symlink(_))
        {
            entry.mode = mode.applied(entry.mode, entry.kind == Kind::Folder);
        }
        entry
    }

    fn new_folder(&self) -> NewFolder {
        NewFolder {
            mode: self.mode.as_ref().map_or(0o755, ModeChange::of_new_folder),
            owner: self.owner.unwrap_or_default(),
        }
    }

    fn make_folders(&mut self, place: &Place, new: NewFolder) -> Result<(), CopyError> {
        match self.draft.make_folders(place, new) {
            Err(ArchiveError::NotAFolder { path }) => Err(CopyError::NotAFolder { path }),
            made => Ok(made?),
        }
    }
}

/// Where it goes: absolute, with a slash or `/.` at its end if a folder is meant for sure.
fn destination(workdir: &str, written: &str) -> Vec<u8> {
    let written = if matches!(written, "" | ".") { "./" } else { written };
    let whole =
        if written.starts_with('/') { written.to_owned() } else { format!("{workdir}/{written}") };
    let mut path = vec![b'/'];
    path.extend(cleaned(whole.as_bytes()));
    if ends_as_folder(written.as_bytes()) && path.len() > 1 {
        path.push(b'/');
    }
    path
}

/// Whether a path can only be a folder's by its last part.
fn ends_as_folder(path: &[u8]) -> bool {
    path.ends_with(b"/") || path.ends_with(b"/.") || path == b"."
}

/// A path without `.`, `..` and double slashes, seen from the top, which is its own parent.
pub(super) fn cleaned(path: &[u8]) -> Vec<u8> {
    let mut names: Vec<&[u8]> = Vec::new();
    for name in path.split(|byte| *byte == b'/') {
        match name {
            b"" | b"." => {}
            b".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    names.join(&b'/')
}

fn patterns<'t>(texts: impl IntoIterator<Item = &'t [u8]>) -> Result<Patterns, CopyError> {
    let texts: Vec<&[u8]> = texts.into_iter().collect();
    Patterns::parse(texts.iter().copied()).map_err(|_| CopyError::Pattern {
        pattern: String::from_utf8_lossy(&texts.join(&b' ')).into_owned(),
    })
}
