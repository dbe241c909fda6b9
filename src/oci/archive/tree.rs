//! What a stack of layers comes to (OCI image-spec, "Image Layer Filesystem Changeset").
//!
//! Every rule is decided inside the image: symbolic links lead to places in it, `..` at its top
//! stays there. Contents are not held, only what the caller wants to remember of each.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use crate::limits::{MAX_ARCHIVE_ENTRIES, MAX_ENTRY_PATH_BYTES, MAX_LINKS_FOLLOWED};
use crate::oci::archive::entry::{Entry, Kind, Time};
use crate::oci::archive::path::{MAX_NAME, shown};
use crate::oci::archive::{ArchiveError, EntryPath};

/// The files of an image after the layers that were applied; with each file's content a `C`.
#[derive(Clone)]
pub struct Tree<C> {
    /// Shared with trees that this one was copied from, until they are changed.
    inodes: Vec<Arc<Inode<C>>>,
    layer: u32,
    /// Whether a layer says something of the top itself.
    top_stated: bool,
    /// Files that AUFS wrote beside the others, to be linked to; of the layer at hand.
    plink: HashMap<EntryPath, InodeId>,
}

/// Which file of a tree; two names of one file have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct InodeId(usize);

/// A file, folder, link or device, whatever its names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inode<C> {
    /// Never a hard link.
    pub kind: Kind,
    /// Permission bits, with those for set-user-id, set-group-id and sticky.
    pub mode: u32,
    /// Number of the user.
    pub uid: u64,
    /// Number of the group.
    pub gid: u64,
    /// When it was last changed.
    pub mtime: Time,
    /// Length of the content, in bytes.
    pub size: u64,
    /// Extended attributes by name.
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    /// What the caller knows of the content, if this is a file.
    pub content: Option<C>,
    children: BTreeMap<Box<[u8]>, Name>,
    /// The layer since which nothing older is below this folder.
    fresh_since: u32,
}

/// A name in a folder, and the layer that gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Name {
    inode: InodeId,
    layer: u32,
}

/// Goes through a tree: each folder before what is in it, else by the bytes of the paths.
#[derive(Debug)]
pub struct Walk<'a, C> {
    tree: &'a Tree<C>,
    pending: Vec<(EntryPath, InodeId)>,
}

const TOP: InodeId = InodeId(0);
const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";
/// What AUFS keeps for itself begins so.
const AUFS: &[u8] = b".wh..wh.";
const AUFS_LINKS: &[u8] = b".wh..wh.plnk";

impl<C> Default for Tree<C> {
    fn default() -> Self {
        let top = Inode::of(&Entry::new(EntryPath::default(), Kind::Folder), 0);
        Self { inodes: vec![Arc::new(top)], layer: 0, top_stated: false, plink: HashMap::new() }
    }
}

impl<C> fmt::Debug for Tree<C> {
    /// How many there are, and not what they are.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inodes = self.inodes.len();
        f.debug_struct("Tree").field("inodes", &inodes).finish_non_exhaustive()
    }
}

impl<C> Inode<C> {
    fn of(entry: &Entry, layer: u32) -> Self {
        Self {
            kind: entry.kind.clone(),
            mode: entry.mode,
            uid: entry.uid,
            gid: entry.gid,
            mtime: entry.mtime,
            size: entry.size,
            xattrs: entry.xattrs.clone(),
            content: None,
            children: BTreeMap::new(),
            fresh_since: layer,
        }
    }

    /// A folder that no entry says anything of.
    fn unstated(layer: u32) -> Self {
        Self::of(&Entry::new(EntryPath::default(), Kind::Folder), layer)
    }

    fn restate(&mut self, entry: &Entry) {
        self.mode = entry.mode;
        (self.uid, self.gid) = (entry.uid, entry.gid);
        self.mtime = entry.mtime;
        self.xattrs.clone_from(&entry.xattrs);
    }

    /// The same without what is in it, if it is a folder.
    #[must_use]
    pub fn alone(&self) -> Self
    where
        C: Clone,
    {
        Self {
            content: self.content.clone(),
            fresh_since: 0,
            ..Self::of(&self.entry(EntryPath::default()), 0)
        }
    }

    /// The entry that this is at a path.
    pub fn entry(&self, path: EntryPath) -> Entry {
        Entry {
            path,
            kind: self.kind.clone(),
            mode: self.mode,
            uid: self.uid,
            gid: self.gid,
            mtime: self.mtime,
            size: self.size,
            xattrs: self.xattrs.clone(),
        }
    }
}

impl<C: Clone> Tree<C> {
    /// Begins the next layer.
    pub fn begin_layer(&mut self) {
        self.layer += 1;
        self.plink.clear();
    }

    /// Takes the next entry of the layer. Returns which file it is if its content is to come.
    pub fn apply(&mut self, entry: &Entry) -> Result<Option<InodeId>, ArchiveError> {
        let Some((_, last)) = entry.path.split() else {
            if entry.kind != Kind::Folder {
                return Err(ArchiveError::NotAFolder { path: "/".to_owned() });
            }
            self.top_stated = true;
            self.inode_mut(TOP)?.restate(entry);
            return Ok(None);
        };
        if entry.path.names().any(|name| name.starts_with(AUFS)) {
            if last == OPAQUE {
                self.hide_all(&entry.path)?;
                return Ok(None);
            }
            if entry.path.names().next() == Some(AUFS_LINKS) && entry.kind == Kind::File {
                let id = self.add(Inode::of(entry, self.layer))?;
                self.plink.insert(entry.path.clone(), id);
                return Ok(Some(id));
            }
            return Ok(None);
        }
        let wrong = |problem| ArchiveError::Name { path: entry.path.to_string(), problem };
        match last.strip_prefix(WHITEOUT) {
            Some(b"" | b"." | b"..") => return Err(wrong("it hides nothing that can be there")),
            Some(hidden) => {
                let hidden = hidden.to_vec();
                return self.hide(&entry.path, &hidden).map(|()| None);
            }
            None if entry.path.names().any(|name| name.starts_with(WHITEOUT)) => {
                return Err(wrong("it is below something that is hidden"));
            }
            None => {}
        }
        self.place(entry)
    }

    /// What the caller knows of a file's content now.
    pub fn set_content(&mut self, id: InodeId, content: C) {
        if let Some(inode) = self.inode_of(id) {
            inode.content = Some(content);
        }
    }

    /// Puts something at exactly this path, whatever its name; the folders above it must be there.
    /// A folder in the place of a folder keeps what is in it; anything else takes the place of what
    /// was there. For the top only a folder will do.
    pub fn put(&mut self, entry: &Entry, content: Option<C>) -> Result<(), ArchiveError> {
        let Some((above, last)) = entry.path.split() else {
            self.apply(entry)?;
            return Ok(());
        };
        let above = self
            .names_to(above)
            .ok_or_else(|| ArchiveError::NotAFolder { path: entry.path.to_string() })?;
        let existing = self.child_of(above, last);
        if entry.kind == Kind::Folder
            && let Some(inode) = existing.and_then(|id| self.inode_of(id))
            && inode.kind == Kind::Folder
        {
            inode.restate(entry);
            return Ok(());
        }
        let id = match &entry.kind {
            Kind::Hardlink(target) => self
                .at(target)
                .filter(|id| self.get(*id).is_some_and(|inode| inode.kind != Kind::Folder))
                .ok_or_else(|| ArchiveError::LinkTarget {
                    path: entry.path.to_string(),
                    target: target.to_string(),
                })?,
            _ => self.add(Inode { content, ..Inode::of(entry, self.layer) })?,
        };
        self.name(above, last, id, self.layer)
    }

    /// Takes away what is at exactly this path, with all that is in it.
    pub fn remove(&mut self, path: &EntryPath) {
        let Some((above, last)) = path.split() else { return };
        if let Some(folder) = self.names_to(above).and_then(|id| self.inode_of(id)) {
            folder.children.remove(last);
        }
    }

    fn place(&mut self, entry: &Entry) -> Result<Option<InodeId>, ArchiveError> {
        let Some((_, last)) = entry.path.split() else { return Ok(None) };
        let target = match &entry.kind {
            Kind::Hardlink(target) => Some(self.link_target(entry, target)?),
            _ => None,
        };
        let Some(parent) = self.folder_above(&entry.path, Missing::Made)? else { return Ok(None) };
        let layer = self.layer;
        let existing = self.child(parent, last);
        if let Some(existing) = existing
            && entry.kind == Kind::Folder
            && let Some(inode) = self.inode_of(existing.inode)
            && inode.kind == Kind::Folder
        {
            inode.restate(entry);
            self.name(parent, last, existing.inode, layer)?;
            return Ok(None);
        }
        let id = match target {
            Some(id) => id,
            None => self.add(Inode::of(entry, layer))?,
        };
        self.name(parent, last, id, layer)?;
        Ok((entry.kind == Kind::File).then_some(id))
    }

    /// The file that a hard link is another name of.
    fn link_target(&mut self, entry: &Entry, target: &EntryPath) -> Result<InodeId, ArchiveError> {
        if let Some(id) = self.plink.get(target) {
            return Ok(*id);
        }
        let found = match (self.folder_above(target, Missing::Nothing)?, target.split()) {
            (Some(folder), Some((_, last))) => self.child(folder, last).map(|name| name.inode),
            _ => None,
        };
        let is_file = |id: &InodeId| self.get(*id).is_some_and(|inode| inode.kind != Kind::Folder);
        found.filter(is_file).ok_or_else(|| ArchiveError::LinkTarget {
            path: entry.path.to_string(),
            target: target.to_string(),
        })
    }

    /// The folder that the last name of a path is in.
    fn folder_above(
        &mut self,
        path: &EntryPath,
        missing: Missing,
    ) -> Result<Option<InodeId>, ArchiveError> {
        // The folders from the top to where we are, and the length of the way to each.
        let mut way = vec![(TOP, 0)];
        let above = path.split().map_or(&[][..], |(above, _)| above);
        let mut pending: Vec<Vec<u8>> = parts(above);
        let mut followed = 0;
        while let Some(name) = pending.pop() {
            let (here, length) = way.last().copied().unwrap_or((TOP, 0));
            if name == b".." {
                if way.len() > 1 {
                    way.pop();
                }
                continue;
            }
            let next = match (self.child(here, &name), missing) {
                (Some(next), _) => next.inode,
                (None, Missing::Nothing) => return Ok(None),
                // A link may lead to a name that no layer could write.
                (None, Missing::Made) if name.starts_with(WHITEOUT) || name.len() > MAX_NAME => {
                    let problem = "a link on its way leads to a name that cannot be";
                    return Err(ArchiveError::Name { path: path.to_string(), problem });
                }
                (None, Missing::Made) => {
                    let id = self.add(Inode::unstated(self.layer))?;
                    self.name(here, &name, id, self.layer)?;
                    id
                }
            };
            match self.get(next).map(|inode| &inode.kind) {
                Some(Kind::Folder) => {
                    let length = length + name.len() + 1;
                    if length > MAX_ENTRY_PATH_BYTES {
                        return Err(ArchiveError::LongName { length });
                    }
                    way.push((next, length));
                }
                Some(Kind::Symlink(target)) => {
                    followed += 1;
                    if followed > MAX_LINKS_FOLLOWED {
                        return Err(ArchiveError::LinkLoop { path: path.to_string() });
                    }
                    if target.starts_with(b"/") {
                        way.truncate(1);
                    }
                    pending.extend(parts(target));
                }
                _ if missing == Missing::Nothing => return Ok(None),
                _ => return Err(ArchiveError::NotAFolder { path: path.to_string() }),
            }
        }
        let (here, length) = way.last().copied().unwrap_or((TOP, 0));
        let length = length + path.split().map_or(0, |(_, last)| last.len());
        if length > MAX_ENTRY_PATH_BYTES {
            return Err(ArchiveError::LongName { length });
        }
        Ok(Some(here))
    }

    /// Takes away what older layers have of this name in the folder of a whiteout.
    fn hide(&mut self, whiteout: &EntryPath, name: &[u8]) -> Result<(), ArchiveError> {
        let Some(folder) = self.folder_above(whiteout, Missing::Nothing)? else { return Ok(()) };
        let Some(found) = self.child(folder, name) else { return Ok(()) };
        self.hide_older(found.inode);
        if found.layer == self.layer {
            return Ok(());
        }
        let layer = self.layer;
        let left = self.get(found.inode).is_some_and(|inode| !inode.children.is_empty());
        if !left {
            self.inode_mut(folder)?.children.remove(name);
            return Ok(());
        }
        // Something of this layer is in it, so there is a folder, of which nothing is said.
        let inode = self.inode_mut(found.inode)?;
        let children = std::mem::take(&mut inode.children);
        *inode = Inode { children, ..Inode::unstated(layer) };
        self.name(folder, name, found.inode, layer)
    }

    /// Takes away all that older layers have in the folder of an opaque whiteout.
    fn hide_all(&mut self, whiteout: &EntryPath) -> Result<(), ArchiveError> {
        if let Some(folder) = self.folder_above(whiteout, Missing::Nothing)? {
            self.hide_older(folder);
        }
        Ok(())
    }

    /// Takes away what is below a folder and not of this layer. The depth is bounded, for paths
    /// are.
    fn hide_older(&mut self, folder: InodeId) {
        let layer = self.layer;
        let Some(inode) = self.inode_of(folder) else { return };
        if inode.kind != Kind::Folder || inode.fresh_since == layer {
            return;
        }
        inode.fresh_since = layer;
        let mut children = std::mem::take(&mut inode.children);
        children.retain(|_, name| {
            self.hide_older(name.inode);
            name.layer == layer
                || self.get(name.inode).is_some_and(|inode| !inode.children.is_empty())
        });
        for name in children.values_mut().filter(|name| name.layer != layer) {
            name.layer = layer;
            if let Some(inode) = self.inode_of(name.inode) {
                let children = std::mem::take(&mut inode.children);
                *inode = Inode { children, ..Inode::unstated(layer) };
            }
        }
        if let Some(inode) = self.inode_of(folder) {
            inode.children = children;
        }
    }

    fn name(
        &mut self,
        folder: InodeId,
        name: &[u8],
        inode: InodeId,
        layer: u32,
    ) -> Result<(), ArchiveError> {
        let children = &mut self.inode_mut(folder)?.children;
        children.insert(name.into(), Name { inode, layer });
        Ok(())
    }

    fn add(&mut self, inode: Inode<C>) -> Result<InodeId, ArchiveError> {
        if self.inodes.len() > MAX_ARCHIVE_ENTRIES {
            return Err(ArchiveError::TooManyEntries);
        }
        self.inodes.push(Arc::new(inode));
        Ok(InodeId(self.inodes.len() - 1))
    }

    fn inode_mut(&mut self, id: InodeId) -> Result<&mut Inode<C>, ArchiveError> {
        let nobodys = || ArchiveError::NotAFolder { path: shown(b"?") };
        self.inode_of(id).ok_or_else(nobodys)
    }

    fn inode_of(&mut self, id: InodeId) -> Option<&mut Inode<C>> {
        self.inodes.get_mut(id.0).map(Arc::make_mut)
    }
}

impl<C> Tree<C> {
    /// The file of this id, which a tree gave.
    pub fn get(&self, id: InodeId) -> Option<&Inode<C>> {
        self.inodes.get(id.0).map(Arc::as_ref)
    }

    /// Everything there is, but for the top.
    pub fn walk(&self) -> Walk<'_, C> {
        let mut walk = Walk { tree: self, pending: Vec::new() };
        walk.enter(&EntryPath::default(), TOP);
        walk
    }

    /// The top: the folder that everything is in.
    pub fn top(&self) -> InodeId {
        TOP
    }

    /// What is in a folder, by name.
    pub fn children(&self, folder: InodeId) -> impl Iterator<Item = (&[u8], InodeId)> {
        let children = self.get(folder).map(|inode| inode.children.iter());
        children.into_iter().flatten().map(|(name, child)| (&name[..], child.inode))
    }

    /// What has this name in a folder.
    pub fn child_of(&self, folder: InodeId, name: &[u8]) -> Option<InodeId> {
        self.child(folder, name).map(|name| name.inode)
    }

    /// What is at exactly this path, no link on its way followed.
    pub fn at(&self, path: &EntryPath) -> Option<InodeId> {
        path.names().try_fold(TOP, |folder, name| self.child_of(folder, name))
    }

    /// The folders above a path, outermost first, as far as they are there; no link is followed.
    pub fn above(&self, path: &EntryPath) -> Vec<(EntryPath, InodeId)> {
        let names = path.split().map_or(&[][..], |(above, _)| above).split(|byte| *byte == b'/');
        let (mut here, mut folder) = (EntryPath::default(), TOP);
        let mut above = Vec::new();
        for name in names.filter(|name| !name.is_empty()) {
            let Some(next) = self.child_of(folder, name) else { break };
            (here, folder) = (here.child(name), next);
            above.push((here.clone(), folder));
        }
        above
    }

    /// What a path leads to, all symbolic links on its way followed inside the tree, and where that
    /// is; `None` if there is nothing. The path may begin with a slash and have `..` in it.
    pub fn find(&self, path: &[u8]) -> Result<Option<(EntryPath, InodeId)>, ArchiveError> {
        self.look_up(path, LastLink::Followed)
    }

    /// As [`Tree::find`], but if the last name is a symbolic link, it is that link.
    pub fn find_link(&self, path: &[u8]) -> Result<Option<(EntryPath, InodeId)>, ArchiveError> {
        self.look_up(path, LastLink::Itself)
    }

    /// Everything below a folder that is at this path.
    pub fn walk_below(&self, path: &EntryPath, folder: InodeId) -> Walk<'_, C> {
        let mut walk = Walk { tree: self, pending: Vec::new() };
        walk.enter(path, folder);
        walk
    }

    /// The folder of these names, no link followed.
    fn names_to(&self, above: &[u8]) -> Option<InodeId> {
        let names = above.split(|byte| *byte == b'/').filter(|name| !name.is_empty());
        let folder = names.into_iter().try_fold(TOP, |folder, name| self.child_of(folder, name))?;
        self.get(folder).is_some_and(|inode| inode.kind == Kind::Folder).then_some(folder)
    }

    fn look_up(
        &self,
        path: &[u8],
        last: LastLink,
    ) -> Result<Option<(EntryPath, InodeId)>, ArchiveError> {
        let mut way: Vec<(EntryPath, InodeId)> = vec![(EntryPath::default(), TOP)];
        let mut pending = parts(path);
        let mut followed = 0;
        while let Some(name) = pending.pop() {
            let (here, folder) = way.last().cloned().unwrap_or((EntryPath::default(), TOP));
            if self.get(folder).is_none_or(|inode| inode.kind != Kind::Folder) {
                return Ok(None);
            }
            if name == b".." {
                if way.len() > 1 {
                    way.pop();
                }
                continue;
            }
            let Some(next) = self.child_of(folder, &name) else { return Ok(None) };
            match self.get(next).map(|inode| &inode.kind) {
                Some(Kind::Symlink(target))
                    if !pending.is_empty() || last == LastLink::Followed =>
                {
                    followed += 1;
                    if followed > MAX_LINKS_FOLLOWED {
                        return Err(ArchiveError::LinkLoop { path: shown(path) });
                    }
                    if target.starts_with(b"/") {
                        way.truncate(1);
                    }
                    pending.extend(parts(target));
                }
                _ => way.push((here.child(&name), next)),
            }
        }
        Ok(way.pop())
    }

    /// Everything there is, as one layer has it: the second name of a file is a hard link to the
    /// first. The top is there only if some layer says something of it.
    pub fn entries(&self) -> impl Iterator<Item = (Entry, InodeId)> {
        let top = self.top_stated.then_some((EntryPath::default(), TOP));
        let mut first_names: HashMap<InodeId, EntryPath> = HashMap::new();
        let shared = self.with_several_names();
        top.into_iter().chain(self.walk()).filter_map(move |(path, id)| {
            let mut entry = self.get(id)?.entry(path);
            if shared.contains(&id) {
                if let Some(first) = first_names.get(&id) {
                    entry.kind = Kind::Hardlink(first.clone());
                    entry.size = 0;
                } else {
                    first_names.insert(id, entry.path.clone());
                }
            }
            Some((entry, id))
        })
    }

    fn with_several_names(&self) -> HashSet<InodeId> {
        let mut seen = HashSet::new();
        let is_folder = |id: InodeId| self.get(id).is_some_and(|inode| inode.kind == Kind::Folder);
        self.walk()
            .filter(|(_, id)| !is_folder(*id) && !seen.insert(*id))
            .map(|(_, id)| id)
            .collect()
    }

    fn child(&self, folder: InodeId, name: &[u8]) -> Option<Name> {
        self.get(folder)?.children.get(name).copied()
    }
}

impl<C> Walk<'_, C> {
    fn enter(&mut self, path: &EntryPath, folder: InodeId) {
        let Some(inode) = self.tree.get(folder) else { return };
        let is_folder = |id| self.tree.get(id).is_some_and(|inode| inode.kind == Kind::Folder);
        let mut children: Vec<(Vec<u8>, EntryPath, InodeId)> = inode
            .children
            .iter()
            .map(|(name, child)| {
                // A folder's path ends in a slash, as it is written.
                let end: &[u8] = if is_folder(child.inode) { b"/" } else { b"" };
                ([name, end].concat(), path.child(name), child.inode)
            })
            .collect();
        children.sort_by(|(one, ..), (other, ..)| other.cmp(one));
        self.pending.extend(children.into_iter().map(|(_, path, id)| (path, id)));
    }
}

impl<C> Iterator for Walk<'_, C> {
    type Item = (EntryPath, InodeId);

    fn next(&mut self) -> Option<Self::Item> {
        let (path, id) = self.pending.pop()?;
        self.enter(&path, id);
        Some((path, id))
    }
}

/// What becomes of folders on the way that are not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Missing {
    Made,
    Nothing,
}

/// What becomes of a symbolic link that is the last name of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LastLink {
    Followed,
    Itself,
}

/// The names of a path or of a link's target, last one first.
fn parts(path: &[u8]) -> Vec<Vec<u8>> {
    let names = path.split(|byte| *byte == b'/').filter(|name| !matches!(*name, b"" | b"."));
    names.rev().map(<[u8]>::to_vec).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap as Map;

    use proptest::prelude::*;

    use super::*;

    fn path(text: &str) -> EntryPath {
        EntryPath::parse(text.as_bytes()).unwrap()
    }

    /// `d/` is a folder, `l>t` a symbolic link, `h=t` a hard link, all else a file.
    fn entry(text: &str) -> Entry {
        if let Some(folder) = text.strip_suffix('/') {
            return Entry::new(path(folder), Kind::Folder);
        }
        if let Some((link, target)) = text.split_once('>') {
            return Entry::new(path(link), Kind::Symlink(target.as_bytes().into()));
        }
        if let Some((link, target)) = text.split_once('=') {
            return Entry::new(path(link), Kind::Hardlink(path(target)));
        }
        Entry::file(path(text), 1)
    }

    /// The tree of these layers; each file's content is the number of its layer.
    fn tree(layers: &[&[&str]]) -> Result<Tree<usize>, ArchiveError> {
        let mut tree = Tree::default();
        for (number, layer) in layers.iter().enumerate() {
            tree.begin_layer();
            for text in *layer {
                if let Some(id) = tree.apply(&entry(text))? {
                    tree.set_content(id, number);
                }
            }
        }
        Ok(tree)
    }

    /// Its paths, each with its layer if it is a file.
    fn listing(layers: &[&[&str]]) -> Vec<String> {
        let tree = tree(layers).unwrap();
        let line = |(entry, id): (Entry, InodeId)| match &entry.kind {
            Kind::Folder => format!("{}/", entry.path),
            Kind::Symlink(target) => format!("{}>{}", entry.path, String::from_utf8_lossy(target)),
            Kind::Hardlink(target) => format!("{}={target}", entry.path),
            _ => format!("{}:{}", entry.path, tree.get(id).unwrap().content.unwrap()),
        };
        tree.entries().map(line).collect()
    }

    #[test]
    fn whiteouts_hide_what_is_older() {
        let base: &[&str] = &["a/", "a/x", "a/y", "b", "c/", "c/d/", "c/d/z"];
        assert_eq!(listing(&[base, &["a/.wh.x"]])[..2], ["a/", "a/y:0"]);
        assert_eq!(listing(&[base, &[".wh.a", ".wh.c"]]), ["b:0"]);
        assert_eq!(listing(&[base, &["a/.wh..wh..opq", "a/n", ".wh.c"]]), ["a/", "a/n:1", "b:0"]);
        assert_eq!(listing(&[base, &["a/n", "a/.wh..wh..opq", ".wh.c", ".wh.b"]]), ["a/", "a/n:1"]);
        assert_eq!(listing(&[base, &["b", ".wh.b", ".wh.a", ".wh.c"]]), ["b:1"], "of one layer");
        assert_eq!(
            listing(&[base, &["c/d/n", ".wh.c", ".wh.a", ".wh.b"]]),
            ["c/", "c/d/", "c/d/n:1"]
        );
        assert_eq!(listing(&[&["x"], &["none/.wh.x", ".wh.none"]]), ["x:0"]);
        assert_eq!(
            listing(&[base, &[".wh.a"], &["a/", "a/n"], &[".wh.c", ".wh.b"]]),
            ["a/", "a/n:2"]
        );
    }

    #[test]
    fn what_is_newer_takes_the_place() {
        assert_eq!(listing(&[&["a/", "a/x"], &["a"]]), ["a:1"]);
        assert_eq!(listing(&[&["a"], &["a/", "a/x"]]), ["a/", "a/x:1"]);
        assert_eq!(listing(&[&["a/", "a/x"], &["a/"]]), ["a/", "a/x:0"], "folders are one");
        assert_eq!(listing(&[&["a", "b=a"], &["a"]]), ["a:1", "b:0"], "other names stay");
        assert_eq!(listing(&[&["a"], &["b=a"]]), ["a:0", "b=a"], "links to older files");
        assert_eq!(listing(&[&["x", "x"]]), ["x:0"]);
    }

    #[test]
    fn parents_may_be_links_inside_the_image() {
        assert_eq!(
            listing(&[&["usr/", "usr/bin/", "bin>usr/bin"], &["bin/sh"]]),
            ["bin>usr/bin", "usr/", "usr/bin/", "usr/bin/sh:1"]
        );
        assert_eq!(
            listing(&[&["etc/", "s>/etc"], &["s/passwd"]]),
            ["etc/", "etc/passwd:1", "s>/etc"]
        );
        let up = listing(&[&["s>../../../../etc"], &["s/passwd"]]);
        assert_eq!(up, ["etc/", "etc/passwd:1", "s>../../../../etc"], "the top is its own parent");
        assert_eq!(listing(&[&["d/", "d/x", "s>d"], &["s/.wh.x"]]), ["d/", "s>d"]);
        assert_eq!(
            listing(&[&["d/", "d/x", "s>d"], &["s/", "s/y"]]),
            ["d/", "d/x:0", "s/", "s/y:1"]
        );
        assert_eq!(listing(&[&["d/", "d/x", "s>d"], &["h=s/x"]]), ["d/", "d/x:0", "h=d/x", "s>d"]);
    }

    #[test]
    fn order_is_that_of_the_written_paths() {
        let expected = ["a-b:0", "a/", "a/x:0", "a0:0"];
        assert_eq!(listing(&[&["a0", "a/", "a/x", "a-b"]]), expected);
        assert_eq!(listing(&[&["a-b", "a/x"], &["a0"], &["a/"]])[1..3], ["a/", "a/x:0"]);
    }

    #[test]
    fn aufs_keeps_its_files_beside() {
        let layer: &[&str] =
            &[".wh..wh.plnk/", ".wh..wh.plnk/1.2", "a=.wh..wh.plnk/1.2", "b=.wh..wh.plnk/1.2"];
        assert_eq!(listing(&[layer, &[".wh..wh.aufs", ".wh..wh.orph/"]]), ["a:0", "b=a"]);
    }

    #[test]
    fn layers_that_cannot_be() {
        let refused = |layer: &[&str]| tree(&[layer]).unwrap_err();
        assert!(matches!(refused(&["a>b", "b>a", "a/x"]), ArchiveError::LinkLoop { .. }));
        assert!(matches!(refused(&["a", "a/x"]), ArchiveError::NotAFolder { .. }));
        assert!(matches!(refused(&["s>.wh.x", "s/y"]), ArchiveError::Name { .. }));
        assert!(matches!(refused(&["a=b"]), ArchiveError::LinkTarget { .. }));
        assert!(matches!(refused(&["b/", "a=b"]), ArchiveError::LinkTarget { .. }));
        for name in [".wh.", ".wh..", ".wh...", ".wh.a/b"] {
            assert!(matches!(refused(&[name]), ArchiveError::Name { .. }), "{name}");
        }
        let deep = "x/".repeat(1500) + "x";
        let (one, two) = (format!("l>{deep}"), format!("l/l>{deep}"));
        assert!(matches!(refused(&[&one, &two, "l/l/f"]), ArchiveError::LongName { .. }));
    }

    #[test]
    fn the_top_is_there_if_something_is_said_of_it() {
        let tree = tree(&[&["./", "x"]]).unwrap();
        assert_eq!(tree.entries().count(), 2);
        assert!(tree.entries().next().unwrap().0.path.is_top());
    }

    #[test]
    fn many_whiteouts_of_one_large_folder_cost_little() {
        let files: Vec<String> = (0..20_000).map(|number| format!("d/{number}")).collect();
        let mut tree = Tree::<()>::default();
        for _ in 0..2 {
            tree.begin_layer();
            for file in &files {
                tree.apply(&entry(file)).unwrap();
                tree.apply(&entry("d/.wh..wh..opq")).unwrap();
            }
        }
        assert_eq!(tree.walk().count(), 20_001);
    }

    #[test]
    fn paths_are_looked_up_inside_the_tree() {
        let layer: &[&str] =
            &["etc/", "etc/x", "usr/", "up>../../../etc", "in>up", "l>/in/x", "o>o"];
        let tree = tree(&[layer]).unwrap();
        let shown = |found: Option<(EntryPath, InodeId)>| found.map(|(path, _)| path.to_string());
        let find = |path: &str| shown(tree.find(path.as_bytes()).unwrap());
        for (path, expected) in [
            ("etc/x", "etc/x"),
            ("/etc//./x", "etc/x"),
            ("up/x", "etc/x"),
            ("l", "etc/x"),
            ("../usr/../in", "etc"),
            ("", ""),
            ("/", ""),
        ] {
            assert_eq!(find(path).as_deref(), Some(expected), "{path}");
        }
        for path in ["none", "none/x", "etc/x/y", "etc/none/.."] {
            assert_eq!(find(path), None, "{path}");
        }
        let link = |path: &str| shown(tree.find_link(path.as_bytes()).unwrap());
        assert_eq!(link("in").as_deref(), Some("in"));
        assert_eq!(link("in/x").as_deref(), Some("etc/x"));
        for around in ["o", "o/x"] {
            assert!(matches!(tree.find(around.as_bytes()), Err(ArchiveError::LinkLoop { .. })));
        }
        assert!(tree.at(&path("etc/x")).is_some());
        assert!(tree.at(&path("in/x")).is_none());
        let above: Vec<String> =
            tree.above(&path("etc/n/m")).iter().map(|(path, _)| path.to_string()).collect();
        assert_eq!(above, ["etc"]);
    }

    #[test]
    fn what_is_put_or_removed_is_at_its_path() {
        let mut tree = tree(&[&["a/", "a/x", "a/l>x", "b"]]).unwrap();
        let before = tree.clone();
        tree.put(&entry("a/.wh.n"), Some(5)).unwrap();
        tree.put(&entry("a/l"), Some(6)).unwrap();
        tree.put(&Entry { mode: 0o700, ..entry("a/") }, None).unwrap();
        tree.put(&entry("c=a/l"), None).unwrap();
        tree.remove(&path("b"));
        tree.remove(&path("none/x"));
        let listing = |tree: &Tree<usize>| -> Vec<String> {
            tree.walk().map(|(path, _)| path.to_string()).collect()
        };
        assert_eq!(listing(&tree), ["a", "a/.wh.n", "a/l", "a/x", "c"]);
        assert_eq!(tree.at(&path("c")), tree.at(&path("a/l")));
        assert_eq!(tree.get(tree.at(&path("a")).unwrap()).unwrap().mode, 0o700);
        tree.put(&entry("a"), Some(7)).unwrap();
        assert_eq!(listing(&tree), ["a", "c"]);
        assert_eq!(listing(&before), ["a", "a/l", "a/x", "b"], "copies are their own");
        assert_eq!(before.get(before.at(&path("a")).unwrap()).unwrap().mode, 0o755);
        let error = tree.put(&entry("a/y"), None).unwrap_err();
        assert!(matches!(error, ArchiveError::NotAFolder { .. }), "{error}");
        let error = tree.put(&entry("z=none"), None).unwrap_err();
        assert!(matches!(error, ArchiveError::LinkTarget { .. }), "{error}");
    }

    /// Files and folders by path, the whole story told the slow way: whiteouts first.
    fn naive(layers: &[Vec<String>]) -> Vec<String> {
        let mut files: Map<String, usize> = Map::new();
        for (number, layer) in layers.iter().enumerate() {
            let mut hidden: Vec<String> = Vec::new();
            for name in layer {
                let (folder, last) = name.rsplit_once('/').unwrap_or(("", name));
                let below = |rest: &str| {
                    if folder.is_empty() { rest.to_owned() } else { format!("{folder}/{rest}") }
                };
                if last == ".wh..wh..opq" {
                    hidden.push(below(""));
                } else if let Some(one) = last.strip_prefix(".wh.") {
                    hidden.push(below(one));
                }
            }
            files.retain(|file, _| {
                !hidden.iter().any(|gone| {
                    file == gone
                        || gone.is_empty()
                        || file.starts_with(&format!("{}/", gone.trim_end_matches('/')))
                })
            });
            for name in layer.iter().filter(|name| !name.contains(".wh.")) {
                files.retain(|file, _| !file.starts_with(&format!("{name}/")));
                files.insert(name.clone(), number);
            }
        }
        files.into_iter().map(|(file, number)| format!("{file}:{number}")).collect()
    }

    proptest! {
        #[test]
        fn whiteouts_are_applied_as_the_specification_says(
            layers in prop::collection::vec(
                prop::collection::vec(
                    "[ab]/[ab]/[xy]|[ab]/\\.wh\\.[ab]|[ab]/[ab]/\\.wh\\.[xy]|\\.wh\\.[ab]|([ab]/){0,2}\\.wh\\.\\.wh\\.\\.opq",
                    0..6,
                ),
                0..5,
            )
        ) {
            let texts: Vec<Vec<&str>> =
                layers.iter().map(|layer| layer.iter().map(String::as_str).collect()).collect();
            let slices: Vec<&[&str]> = texts.iter().map(Vec::as_slice).collect();
            let files: Vec<String> =
                listing(&slices).into_iter().filter(|line| !line.ends_with('/')).collect();
            prop_assert_eq!(files, naive(&layers));
        }
    }
}
