//! What a command changed: the least that makes of the files before those after.
//!
//! However the files were laid out, and whatever the command did on the way, the same files come to
//! the same changes.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use crate::build::changes::{Change, Changes};
use crate::build::content::{Bytes, Content, Files};
use crate::build::run::messages::{Answer, Form, Listed, Order, Raw, surprise};
use crate::build::run::sandbox::{Attempt, Keeper};
use crate::build::runner::RunError;
use crate::crypto::hash::Sha256Hash;
use crate::oci::archive::tree::InodeId;
use crate::oci::archive::{Entry, EntryPath, Kind, Time};
use crate::oci::digest::Hasher;
use crate::store::roots::{Found, FoundKind};

/// What a command left.
pub(super) struct Left {
    /// What was made for mounts.
    pub(super) stubs: Vec<Raw>,
    /// Everything there is.
    pub(super) found: Vec<Listed>,
    /// Whether that is what was written, or all files.
    pub(super) form: Form,
    /// The time that everything gets.
    pub(super) epoch: i64,
}

/// What has to be done for what a command wrote to be the folder of the layer that it becomes.
#[derive(Debug)]
pub(super) struct Adoption {
    /// What is not part of the layer.
    pub(super) gone: Vec<Raw>,
    /// What gets the time of the layer.
    pub(super) dated: Vec<Raw>,
    /// That time.
    pub(super) epoch: i64,
}

/// What it changed in these files. Contents are read through the keeper. With that, what makes a
/// layer's folder of what it wrote, if that can be.
pub(super) fn changes(
    left: Left,
    before: &Files,
    keeper: &Arc<Keeper>,
    warnings: &mut Vec<String>,
) -> Result<(Changes, Option<Adoption>), Attempt> {
    let mut after: BTreeMap<EntryPath, (Found, bool)> = BTreeMap::new();
    for listed in left.found {
        let untouched = listed.untouched;
        let found = listed.into_found().ok_or_else(surprise)?;
        after.insert(found.path.clone(), (found, untouched));
    }
    let stubs: BTreeSet<EntryPath> =
        left.stubs.iter().filter_map(|stub| EntryPath::parse(&stub.0).ok()).collect();
    let capture = Capture { before, after: &after, keeper, epoch: left.epoch };
    let mut changes = Changes::default();
    for gone in capture.gone(left.form) {
        changes.paths.insert(gone, Change { removes: true, puts: None });
    }
    capture.put_all(&mut changes, warnings)?;
    drop_stubs(&mut changes, &stubs);
    let adoption = if left.form == Form::Overlay { capture.adoption(&changes) } else { None };
    Ok((changes, adoption))
}

struct Capture<'a> {
    before: &'a Files,
    after: &'a BTreeMap<EntryPath, (Found, bool)>,
    keeper: &'a Arc<Keeper>,
    epoch: i64,
}

impl Capture<'_> {
    /// What makes the folder of the layer of what was written: the layer has the changes, and the
    /// folders above them, with its time. `None` if there is more to it.
    fn adoption(&self, changes: &Changes) -> Option<Adoption> {
        let mut dated: BTreeSet<EntryPath> = BTreeSet::new();
        for path in changes.paths.keys() {
            let mut at = path.clone();
            while dated.insert(at.clone()) {
                let (above, _) = at.split()?;
                at = if above.is_empty() { break } else { EntryPath::parse(above).ok()? };
            }
        }
        let mut gone = Vec::new();
        for (path, (found, _)) in self.after {
            if dated.contains(path) {
                let was = self.before.at(path).and_then(|id| self.before.get(id));
                let was_folder = was.is_some_and(|inode| inode.kind == Kind::Folder);
                if found.further || (found.kind == FoundKind::OpaqueFolder && was_folder) {
                    return None;
                }
            } else if found.kind == FoundKind::OpaqueFolder && self.before.at(path).is_some() {
                return None;
            } else if !path.is_top() {
                gone.push(path);
            }
        }
        let has = |path: &&EntryPath| self.after.contains_key(*path);
        let raw = |path: &EntryPath| Raw(path.as_bytes().to_vec());
        let dated = dated.iter().filter(has).map(raw).collect();
        Some(Adoption { gone: gone.into_iter().map(raw).collect(), dated, epoch: self.epoch })
    }

    /// What was there and is not any more; nothing below something else that is gone, or below what
    /// is no folder any more.
    fn gone(&self, form: Form) -> Vec<EntryPath> {
        let mut gone = Vec::new();
        if form == Form::Copy {
            self.gone_below(&EntryPath::default(), self.before.top(), true, &mut gone);
            return gone;
        }
        for (path, (found, _)) in self.after {
            match found.kind {
                FoundKind::Whiteout if self.before.at(path).is_some() => gone.push(path.clone()),
                FoundKind::OpaqueFolder => {
                    if let Some(id) = self.before.at(path) {
                        self.gone_below(path, id, false, &mut gone);
                    }
                }
                _ => {}
            }
        }
        gone.sort();
        gone.dedup();
        gone
    }

    fn gone_below(&self, path: &EntryPath, id: InodeId, whole: bool, gone: &mut Vec<EntryPath>) {
        let mut pending = vec![(path.clone(), id)];
        while let Some((path, id)) = pending.pop() {
            for (name, child) in self.before.children(id) {
                let path = path.child(name);
                let was = self.before.get(child).map(|inode| &inode.kind);
                let is_device =
                    matches!(was, Some(Kind::CharDevice { .. } | Kind::BlockDevice { .. }));
                match self.after.get(&path).map(|(found, _)| &found.kind) {
                    // Not everybody can make devices, so it may never have been there.
                    None if whole && is_device => {}
                    None | Some(FoundKind::Whiteout | FoundKind::Socket) => gone.push(path),
                    Some(FoundKind::Image(Kind::Folder) | FoundKind::OpaqueFolder)
                        if was == Some(&Kind::Folder) =>
                    {
                        pending.push((path, child));
                    }
                    Some(_) => {}
                }
            }
        }
    }

    fn put_all(&self, changes: &mut Changes, warnings: &mut Vec<String>) -> Result<(), Attempt> {
        let groups = self.groups();
        for (path, (found, untouched)) in self.after {
            if *untouched {
                continue;
            }
            let kind = match &found.kind {
                FoundKind::Whiteout => continue,
                FoundKind::Socket => {
                    warnings.push(format!("the socket `{path}` is left out: no layer can hold it"));
                    continue;
                }
                FoundKind::OpaqueFolder => Kind::Folder,
                FoundKind::Image(kind) => kind.clone(),
            };
            if path.names().any(|name| name.starts_with(b".wh.")) {
                let what = format!("the command made `{path}`, a name that no layer can hold");
                return Err(RunError::Unsupported { what }.into());
            }
            let group = found.inode.and_then(|inode| groups.get(&inode));
            let group = group.filter(|names| names.len() > 1);
            if self.is_as_before(path, found, group)? {
                continue;
            }
            let first = group.and_then(|names| names.first()).filter(|first| *first != path);
            let (entry, content) = self.entry(path, found, kind, first);
            // Something may have been removed here that is below another one.
            changes.put(entry, content);
        }
        Ok(())
    }

    /// The names of each file that has several, in order.
    fn groups(&self) -> HashMap<u64, Vec<EntryPath>> {
        let mut groups: HashMap<u64, Vec<EntryPath>> = HashMap::new();
        for (path, (found, _)) in self.after {
            if let Some(inode) = found.inode {
                groups.entry(inode).or_default().push(path.clone());
            }
        }
        groups
    }

    fn is_as_before(
        &self,
        path: &EntryPath,
        found: &Found,
        group: Option<&Vec<EntryPath>>,
    ) -> Result<bool, Attempt> {
        let Some(id) = self.before.at(path) else { return Ok(path.is_top()) };
        let Some(was) = self.before.get(id) else { return Ok(false) };
        // Names of one file must have been names of one file.
        let same_file =
            |names: &Vec<EntryPath>| names.iter().all(|name| self.before.at(name) == Some(id));
        if !group.is_none_or(same_file) {
            return Ok(false);
        }
        let kind = match &found.kind {
            FoundKind::OpaqueFolder => &Kind::Folder,
            FoundKind::Image(kind) => kind,
            FoundKind::Whiteout | FoundKind::Socket => return Ok(false),
        };
        let is_link = matches!(kind, Kind::Symlink(_));
        let same = *kind == was.kind
            && (is_link || found.mode == was.mode & 0o7777)
            && u64::from(found.uid) == was.uid
            && u64::from(found.gid) == was.gid
            && capability(found) == was.xattrs.get(CAPABILITY).map(|value| canonical(value));
        if !same || *kind != Kind::File {
            return Ok(same);
        }
        if found.size != was.size {
            return Ok(false);
        }
        let Some(content) = was.content.as_ref().filter(|_| was.size > 0) else { return Ok(true) };
        let of = |cause| RunError::System { doing: format!("to read `{path}`"), cause };
        let now = self.content(path).sha256().map_err(of)?;
        Ok(content.sha256().map_err(of)? == now)
    }

    fn entry(
        &self,
        path: &EntryPath,
        found: &Found,
        kind: Kind,
        first: Option<&EntryPath>,
    ) -> (Entry, Option<Content>) {
        let is_link = matches!(kind, Kind::Symlink(_));
        let mut entry = Entry {
            path: path.clone(),
            kind,
            mode: if is_link { 0o777 } else { found.mode },
            uid: found.uid.into(),
            gid: found.gid.into(),
            mtime: Time { seconds: self.epoch, nanoseconds: 0 },
            size: found.size,
            xattrs: BTreeMap::new(),
        };
        if let Some(value) = capability(found) {
            entry.xattrs.insert(CAPABILITY.to_vec(), value);
        }
        if let Some(first) = first {
            entry.kind = Kind::Hardlink(first.clone());
            entry.size = 0;
            return (entry, None);
        }
        let content = (found.size > 0).then(|| self.content(path));
        (entry, content)
    }

    fn content(&self, path: &EntryPath) -> Content {
        Arc::new(Written { keeper: Arc::clone(self.keeper), path: path.clone() })
    }
}

/// Takes out what was only made for something to be mounted on, unless the command used it.
fn drop_stubs(changes: &mut Changes, stubs: &BTreeSet<EntryPath>) {
    // The innermost first: a folder may be needed for what is in it.
    for stub in stubs.iter().rev() {
        let Some(change) = changes.paths.get(stub) else { continue };
        let is_stub = change.puts.as_ref().is_some_and(|(entry, _)| match entry.kind {
            Kind::File => entry.size == 0,
            Kind::CharDevice { .. } => true,
            Kind::Folder => {
                let prefix = [stub.as_bytes(), b"/"].concat();
                !changes.paths.keys().any(|path| path.as_bytes().starts_with(&prefix))
            }
            _ => false,
        });
        if is_stub {
            changes.paths.remove(stub);
        }
    }
}

/// The attribute that gives a program rights, in the form that means root of any user namespace.
fn capability(found: &Found) -> Option<Vec<u8>> {
    found.capability.as_deref().map(canonical)
}

/// `struct vfs_ns_cap_data` as `struct vfs_cap_data`: revision 2, which names no user namespace
/// (capabilities(7)).
fn canonical(value: &[u8]) -> Vec<u8> {
    const REVISION_3: u8 = 3;
    match value {
        [flags, one, two, REVISION_3, rest @ ..] if rest.len() == 20 => {
            let sets = rest.get(..16).unwrap_or_default();
            [&[*flags, *one, *two, 2], sets].concat()
        }
        other => other.to_vec(),
    }
}

/// A file as the command left it.
#[derive(Debug)]
struct Written {
    keeper: Arc<Keeper>,
    path: EntryPath,
}

impl Written {
    fn file(&self) -> io::Result<std::fs::File> {
        let path = Raw(self.path.as_bytes().to_vec());
        let opened = self.keeper.ask(&Order::Open { path }, &[]);
        let (answer, with) = opened.map_err(|failure| io::Error::other(failure.into_error()))?;
        let file: Option<OwnedFd> = with.into_iter().next();
        match (answer, file) {
            (Answer::Opened, Some(file)) => Ok(file.into()),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

impl Bytes for Written {
    fn open(&self) -> io::Result<Box<dyn Read + Send + '_>> {
        Ok(Box::new(self.file()?))
    }

    fn sha256(&self) -> io::Result<Sha256Hash> {
        let mut file = self.file()?;
        let mut hasher = Hasher::sha256();
        let mut buffer = vec![0; 128 << 10];
        loop {
            match file.read(&mut buffer)? {
                0 => {
                    let digest = hasher.finish().sha256();
                    return digest.ok_or_else(|| io::ErrorKind::InvalidData.into());
                }
                count => hasher.update(buffer.get(..count).unwrap_or_default()),
            }
        }
    }

    fn known_sha256(&self) -> Option<Sha256Hash> {
        None
    }
}

const CAPABILITY: &[u8] = b"security.capability";
