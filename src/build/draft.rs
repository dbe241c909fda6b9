//! What a step changes, as it comes about: files of a stage with something on top, nothing of
//! either copied.

use std::collections::{BTreeMap, HashMap};

use crate::build::changes::{Change, Changes};
use crate::build::content::{Content, Files};
use crate::limits::{MAX_ENTRY_PATH_BYTES, MAX_LINKS_FOLLOWED};
use crate::oci::archive::{ArchiveError, Entry, EntryPath, InodeId, Kind, Time};

/// Files of a stage, and what is changed in them.
#[derive(Debug)]
pub struct Draft<'a> {
    base: &'a Files,
    /// The time of all that is put, in seconds since 1970.
    epoch: i64,
    paths: BTreeMap<EntryPath, Drafted>,
    /// How many files there are, each perhaps with several names.
    files: usize,
    /// Files of the stage that got further names.
    linked: HashMap<InodeId, usize>,
}

/// A place in the files: there may be something, or not.
#[derive(Debug, Clone)]
pub struct Place {
    /// Where.
    pub path: EntryPath,
    /// What the stage has there, unless it is hidden.
    base: Option<InodeId>,
    is_there: bool,
}

/// What folders become that are made because something is put into them.
#[derive(Debug, Clone, Copy)]
pub struct NewFolder {
    /// Permission bits.
    pub mode: u32,
    /// Owner and group.
    pub owner: (u32, u32),
}

#[derive(Debug, Default)]
struct Drafted {
    removes: bool,
    put: Option<Put>,
}

#[derive(Debug)]
struct Put {
    entry: Entry,
    content: Option<Content>,
    /// Which file; two names of one file have the same.
    file: usize,
}

impl<'a> Draft<'a> {
    /// Begins with what a stage has. All that is put gets this time, in seconds since 1970.
    pub fn new(base: &'a Files, epoch: i64) -> Self {
        Self { base, epoch, paths: BTreeMap::new(), files: 0, linked: HashMap::new() }
    }

    /// The top.
    pub fn top(&self) -> Place {
        Place { path: EntryPath::default(), base: Some(self.base.top()), is_there: true }
    }

    /// The place of a name in a folder.
    pub fn child(&self, folder: &Place, name: &[u8]) -> Place {
        let path = folder.path.child(name);
        let base = folder.base.and_then(|id| self.base.child_of(id, name));
        let Some(drafted) = self.paths.get(&path) else {
            return Place { path, base, is_there: base.is_some() };
        };
        let Some(put) = &drafted.put else {
            return Place { path, base: None, is_there: false };
        };
        let merged = !drafted.removes && put.entry.kind == Kind::Folder;
        let base = base.filter(|id| merged && self.is_base_folder(*id));
        Place { path, base, is_there: true }
    }

    /// What is there, without its content.
    pub fn entry(&self, place: &Place) -> Option<Entry> {
        match self.paths.get(&place.path) {
            Some(drafted) => drafted.put.as_ref().map(|put| put.entry.clone()),
            None => Some(self.base.get(place.base?)?.entry(place.path.clone())),
        }
    }

    /// What is there, if there is something; never a hard link.
    pub fn kind(&self, place: &Place) -> Option<&Kind> {
        match self.paths.get(&place.path) {
            Some(drafted) => drafted.put.as_ref().map(|put| &put.entry.kind),
            None => Some(&self.base.get(place.base?)?.kind),
        }
    }

    /// Whether there is a folder.
    pub fn is_folder(&self, place: &Place) -> bool {
        self.kind(place) == Some(&Kind::Folder)
    }

    /// Where a path leads, all symbolic links on its way followed inside the tree. Names that are
    /// not there lead on.
    pub fn resolve(&self, path: &[u8]) -> Result<Place, ArchiveError> {
        let shown = || String::from_utf8_lossy(path).into_owned();
        let mut way = vec![self.top()];
        let mut pending = names(path);
        let mut followed = 0;
        while let Some(name) = pending.pop() {
            if name == b".." {
                if way.len() > 1 {
                    way.pop();
                }
                continue;
            }
            let here = way.last().cloned().unwrap_or_else(|| self.top());
            if here.is_there && !self.is_folder(&here) {
                return Err(ArchiveError::NotAFolder { path: shown() });
            }
            let next = self.child(&here, &name);
            if let Some(Kind::Symlink(target)) = self.kind(&next) {
                followed += 1;
                if followed > MAX_LINKS_FOLLOWED {
                    return Err(ArchiveError::LinkLoop { path: shown() });
                }
                if target.starts_with(b"/") {
                    way.truncate(1);
                }
                pending.extend(names(target));
                continue;
            }
            let length = next.path.as_bytes().len();
            if length > MAX_ENTRY_PATH_BYTES {
                return Err(ArchiveError::LongName { length });
            }
            way.push(next);
        }
        Ok(way.pop().unwrap_or_else(|| self.top()))
    }

    /// Makes the folder of this place, which is resolved, and those above it that are missing.
    pub fn make_folders(&mut self, place: &Place, new: NewFolder) -> Result<(), ArchiveError> {
        let mut here = self.top();
        let path = place.path.clone();
        for name in path.names() {
            let next = self.child(&here, name);
            match self.kind(&next) {
                Some(Kind::Folder) => {}
                Some(_) => return Err(ArchiveError::NotAFolder { path: place.path.to_string() }),
                None => {
                    let mut entry = Entry::new(next.path.clone(), Kind::Folder);
                    entry.mode = new.mode;
                    (entry.uid, entry.gid) = (new.owner.0.into(), new.owner.1.into());
                    self.put(entry, None)?;
                }
            }
            here = self.child(&here, name);
        }
        Ok(())
    }

    /// Puts something at exactly its path, in the place of what is there; a folder in the place of
    /// a folder keeps what is in it. The folders above must be there.
    pub fn put(&mut self, entry: Entry, content: Option<Content>) -> Result<(), ArchiveError> {
        EntryPath::parse(if entry.path.is_top() { b"." } else { entry.path.as_bytes() })?;
        self.files += 1;
        self.put_file(entry, content, self.files);
        Ok(())
    }

    /// Gives the file at a place another name. `None` if there is none.
    pub fn link(&mut self, path: &EntryPath, target: &Place) -> Option<()> {
        let (entry, content, file) = if let Some(drafted) = self.paths.get(&target.path) {
            let put = drafted.put.as_ref()?;
            (put.entry.clone(), put.content.clone(), put.file)
        } else {
            // Of an older layer: this one gets it anew, all its further names as one file.
            let id = target.base?;
            let inode = self.base.get(id)?;
            let files = &mut self.files;
            let file = *self.linked.entry(id).or_insert_with(|| {
                *files += 1;
                *files
            });
            (inode.entry(path.clone()), inode.content.clone(), file)
        };
        if entry.kind == Kind::Folder {
            return None;
        }
        self.put_file(Entry { path: path.clone(), ..entry }, content, file);
        Some(())
    }

    fn put_file(&mut self, mut entry: Entry, content: Option<Content>, file: usize) {
        entry.mtime = Time { seconds: self.epoch, nanoseconds: 0 };
        let path = entry.path.clone();
        let place = self.exactly(&path);
        if !(entry.kind == Kind::Folder && self.is_folder(&place)) {
            let below = self.paths.range(path.child(b"")..);
            let below: Vec<EntryPath> =
                below.map(|(one, _)| one).take_while(|one| one.is_below(&path)).cloned().collect();
            for gone in below {
                self.paths.remove(&gone);
            }
        }
        let hides =
            entry.kind != Kind::Folder && place.base.is_some_and(|id| self.is_base_folder(id));
        let drafted = self.paths.entry(path).or_default();
        drafted.removes |= hides;
        drafted.put = Some(Put { entry, content, file });
    }

    /// The place of a path, no link followed.
    pub fn exactly(&self, path: &EntryPath) -> Place {
        path.names().fold(self.top(), |here, name| self.child(&here, name))
    }

    fn is_base_folder(&self, id: InodeId) -> bool {
        self.base.get(id).is_some_and(|inode| inode.kind == Kind::Folder)
    }

    /// What came about. A folder that is there already, with the same mode, owner and attributes, is
    /// no change.
    pub fn finish(mut self) -> Changes {
        let same: Vec<EntryPath> = self
            .paths
            .iter()
            .filter(|(path, drafted)| self.changes_nothing(path, drafted))
            .map(|(path, _)| path.clone())
            .collect();
        for path in same {
            self.paths.remove(&path);
        }
        let mut first_names: HashMap<usize, EntryPath> = HashMap::new();
        let change = |(path, drafted): (EntryPath, Drafted)| {
            let puts = drafted.put.map(|Put { mut entry, mut content, file }| {
                if let Some(first) = first_names.get(&file) {
                    entry.kind = Kind::Hardlink(first.clone());
                    (entry.size, content) = (0, None);
                    entry.xattrs.clear();
                } else {
                    first_names.insert(file, path.clone());
                }
                (entry, content)
            });
            (path, Change { removes: drafted.removes, puts })
        };
        Changes { paths: std::mem::take(&mut self.paths).into_iter().map(change).collect() }
    }

    fn changes_nothing(&self, path: &EntryPath, drafted: &Drafted) -> bool {
        let Some(Put { entry, .. }) = &drafted.put else { return false };
        let base = self.exactly(path).base.and_then(|id| self.base.get(id));
        base.is_some_and(|base| {
            entry.kind == Kind::Folder
                && (base.mode, base.uid, base.gid) == (entry.mode, entry.uid, entry.gid)
                && base.xattrs == entry.xattrs
        })
    }
}

/// The names of a path, last one first.
fn names(path: &[u8]) -> Vec<Vec<u8>> {
    let names = path.split(|byte| *byte == b'/').filter(|name| !matches!(*name, b"" | b"."));
    names.rev().map(<[u8]>::to_vec).collect()
}
