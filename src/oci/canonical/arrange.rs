//! Which entries a layer has for what changes, and in which order (spec/canonical-image.md §3).
//!
//! Programs that unpack layers put them into folders that are laid over each other, and then only
//! what a layer says counts. So a layer names the folders on the way to what it has, as they are;
//! and it never hides a name that it has itself, for what was below would come back.

use std::collections::{BTreeMap, BTreeSet};

use crate::oci::archive::{Entry, EntryPath, Inode, Kind, Tree};
use crate::oci::canonical::CanonicalError;
use crate::oci::canonical::entry::{check, normalized, whiteout};
use crate::oci::canonical::order::{Key, is_reserved};

/// What becomes of a path; with a file's content a `P`.
#[derive(Debug, Clone)]
pub struct Change<P> {
    /// Whether what the layers below have there goes, with all that is in it.
    pub removes: bool,
    /// What is there then.
    pub puts: Option<(Entry, Option<P>)>,
}

/// The entries of the layer that makes these changes to the files that the layers below come to:
/// all that [`LayerWriter`](crate::oci::canonical::LayerWriter) wants, in its order. `epoch` is in
/// seconds since 1970.
///
/// An entry for a folder leaves what is in it, unless that is removed. What is said of the top is
/// left out: no program that unpacks follows it.
pub fn arrange<C, P>(
    before: &Tree<C>,
    changes: BTreeMap<EntryPath, Change<P>>,
    epoch: i64,
) -> Result<Vec<(Entry, Option<P>)>, CanonicalError> {
    let mut layer = Layer { before, epoch, puts: BTreeMap::new(), hidden: BTreeSet::new() };
    let mut removed = Vec::new();
    for (path, change) in changes {
        if path.is_top() {
            continue;
        }
        if is_reserved(&path) {
            return Err(CanonicalError::Reserved { path: path.to_string() });
        }
        if change.removes {
            removed.push(path.clone());
        }
        if let Some((entry, content)) = change.puts {
            check(&entry)?;
            layer.puts.insert(path.clone(), (Entry { path, ..normalized(entry, epoch) }, content));
        }
    }
    layer.link()?;
    for path in removed {
        layer.remove(&path);
    }
    layer.name_folders()?;
    layer.into_entries()
}

struct Layer<'a, C, P> {
    before: &'a Tree<C>,
    epoch: i64,
    puts: BTreeMap<EntryPath, (Entry, Option<P>)>,
    hidden: BTreeSet<EntryPath>,
}

impl<C, P> Layer<'_, C, P> {
    /// Makes the first name of each file the file, and the others links to it. Other names of what
    /// is no file become entries of their own.
    fn link(&mut self) -> Result<(), CanonicalError> {
        let mut names: BTreeMap<EntryPath, BTreeSet<Key>> = BTreeMap::new();
        let mut paths: BTreeMap<Key, EntryPath> = BTreeMap::new();
        for (path, (entry, _)) in &self.puts {
            if matches!(entry.kind, Kind::Hardlink(_)) {
                let target = self.file_of(path)?;
                for name in [path, &target] {
                    let key = Key::new(name, false);
                    paths.insert(key.clone(), name.clone());
                    names.entry(target.clone()).or_default().insert(key);
                }
            }
        }
        for (target, keys) in names {
            let Some((file, content)) = self.puts.get_mut(&target) else { continue };
            let (file, mut content) = (file.clone(), content.take());
            let all: Vec<EntryPath> =
                keys.iter().filter_map(|key| paths.get(key)).cloned().collect();
            let Some(first) = all.first().cloned() else { continue };
            for path in all {
                let entry = if file.kind != Kind::File || path == first {
                    Entry { path: path.clone(), ..file.clone() }
                } else {
                    let kind = Kind::Hardlink(first.clone());
                    Entry { path: path.clone(), kind, size: 0, ..file.clone() }
                };
                let content = if path == first { content.take() } else { None };
                self.puts.insert(path, (entry, content));
            }
        }
        Ok(())
    }

    /// What a hard link is a name of, at the end of all links.
    fn file_of(&self, link: &EntryPath) -> Result<EntryPath, CanonicalError> {
        let mut path = link;
        // Each step is another path, unless they lead in a circle.
        for _ in 0..=self.puts.len() {
            match self.puts.get(path).map(|(entry, _)| &entry.kind) {
                Some(Kind::Hardlink(target)) => path = target,
                Some(Kind::Folder) | None => break,
                Some(_) => return Ok(path.clone()),
            }
        }
        let (path, target) = (link.to_string(), path.to_string());
        Err(CanonicalError::LinkTarget { path, target })
    }

    /// Hides what is at a path, as far as nothing else is put there.
    fn remove(&mut self, path: &EntryPath) {
        let Some(old) = self.before.at(path) else { return };
        let was_folder = self.before.get(old).is_some_and(|inode| inode.kind == Kind::Folder);
        match self.puts.get(path).map(|(entry, _)| &entry.kind) {
            None => drop(self.hidden.insert(path.clone())),
            Some(Kind::Folder) if was_folder => {
                for (name, _) in self.before.children(old) {
                    self.remove(&path.child(name));
                }
            }
            // It takes the place of all that was there.
            Some(_) => {}
        }
    }

    /// Adds the folders on the way to what there is, as the layers below have them.
    fn name_folders(&mut self) -> Result<(), CanonicalError> {
        // What is in a folder that goes, goes with it.
        let hidden = std::mem::take(&mut self.hidden);
        let is_gone = |path: &EntryPath| above(path).iter().any(|path| hidden.contains(path));
        self.hidden = hidden.iter().filter(|path| !is_gone(path)).cloned().collect();
        let mut missing = BTreeSet::new();
        for path in self.puts.keys().chain(&self.hidden) {
            for folder in above(path) {
                match self.puts.get(&folder).map(|(entry, _)| &entry.kind) {
                    Some(Kind::Folder) => {}
                    None if self.is_old_folder(&folder) && !hidden.contains(&folder) => {
                        missing.insert(folder);
                    }
                    _ => return Err(CanonicalError::NoFolder { path: path.to_string() }),
                }
            }
        }
        for folder in missing {
            let Some(inode) = self.old(&folder) else { continue };
            let entry = normalized(inode.entry(folder.clone()), self.epoch);
            self.puts.insert(folder, (entry, None));
        }
        Ok(())
    }

    fn is_old_folder(&self, path: &EntryPath) -> bool {
        self.old(path).is_some_and(|inode| inode.kind == Kind::Folder)
    }

    fn old(&self, path: &EntryPath) -> Option<&Inode<C>> {
        self.before.get(self.before.at(path)?)
    }

    fn into_entries(self) -> Result<Vec<(Entry, Option<P>)>, CanonicalError> {
        let epoch = self.epoch;
        let mut entries: Vec<(Key, Entry, Option<P>)> = Vec::new();
        for path in self.hidden {
            let entry = whiteout(&path, epoch)
                .ok_or_else(|| CanonicalError::Unhideable { path: path.to_string() })?;
            entries.push((Key::of(&entry), entry, None));
        }
        for (entry, content) in self.puts.into_values() {
            entries.push((Key::of(&entry), entry, content));
        }
        entries.sort_by(|(one, ..), (other, ..)| one.cmp(other));
        Ok(entries.into_iter().map(|(_, entry, content)| (entry, content)).collect())
    }
}

/// The folders that a path is in, but for the top, innermost first.
fn above(path: &EntryPath) -> Vec<EntryPath> {
    std::iter::successors(path.parent(), EntryPath::parent)
        .take_while(|folder| !folder.is_top())
        .collect()
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;
    use crate::oci::canonical::LayerWriter;

    fn path(text: &str) -> EntryPath {
        EntryPath::parse(text.as_bytes()).unwrap()
    }

    /// `d/` is a folder, `l>t` a symbolic link, `h=t` a hard link, all else a file.
    fn entry(text: &str) -> Entry {
        match (text.split_once('>'), text.split_once('=')) {
            (Some((name, target)), _) => {
                Entry::new(path(name), Kind::Symlink(target.as_bytes().into()))
            }
            (_, Some((name, target))) => Entry::new(path(name), Kind::Hardlink(path(target))),
            _ if text.ends_with('/') => Entry::new(path(text), Kind::Folder),
            _ => Entry::file(path(text), 1),
        }
    }

    fn tree(entries: &[&str]) -> Tree<()> {
        let mut tree = Tree::default();
        tree.begin_layer();
        for text in entries {
            tree.apply(&entry(text)).unwrap();
        }
        tree
    }

    /// `-x` removes `x`, `!x` removes it and puts it.
    fn changes(texts: &[&str]) -> BTreeMap<EntryPath, Change<String>> {
        let change = |text: &&str| {
            let (removes, puts) = match text.split_at(1) {
                ("-", _) => (true, false),
                ("!", _) => (true, true),
                _ => (false, true),
            };
            let entry = entry(text.trim_start_matches(['-', '!']));
            let content = (entry.kind == Kind::File).then(|| entry.path.to_string());
            let path = entry.path.clone();
            (path, Change { removes, puts: puts.then_some((entry, content)) })
        };
        texts.iter().map(change).collect()
    }

    fn arranged(before: &[&str], texts: &[&str]) -> Result<Vec<String>, CanonicalError> {
        let before = tree(before);
        let entries = arrange(&before, changes(texts), 7)?;
        let mut writer = LayerWriter::new(std::io::sink(), 7);
        let mut lines = Vec::new();
        let mut after = before;
        after.begin_layer();
        for (entry, content) in entries {
            writer.append(&entry, &mut std::io::repeat(0)).unwrap();
            after.apply(&entry).unwrap();
            lines.push(match &entry.kind {
                Kind::Folder => format!("{}/", entry.path),
                Kind::Hardlink(target) => format!("{}={target}", entry.path),
                Kind::Symlink(_) => format!("{}>", entry.path),
                _ if content.as_ref().is_some_and(|name| *name != entry.path.to_string()) => {
                    format!("{}:{}", entry.path, content.unwrap())
                }
                _ => entry.path.to_string(),
            });
        }
        Ok(lines)
    }

    #[test_case(&["tmp/", "tmp/a"], &["tmp/x"], &["tmp/", "tmp/x"] ; "folders on the way are named")]
    #[test_case(&["a/", "a/b/", "a/b/c"], &["-a/b/c"], &["a/", "a/b/", "a/b/.wh.c"])]
    #[test_case(&["a"], &["-a"], &[".wh.a"])]
    #[test_case(&["a"], &["-b"], &[] ; "nothing is hidden that is not there")]
    #[test_case(&["a/", "a/b"], &["-a/", "-a/b"], &[".wh.a"])]
    #[test_case(&["a"], &["!a"], &["a"] ; "a file for a file")]
    #[test_case(&["a/", "a/b"], &["!a"], &["a"] ; "a file for a folder")]
    #[test_case(&["a"], &["!a/"], &["a/"] ; "a folder for a file")]
    #[test_case(&["a/", "a/b", "a/c/", "a/c/d", "a/c/e", "a/f/", "a/f/g"],
        &["!a/", "a/c/", "a/c/d"], &["a/", "a/.wh.b", "a/.wh.f", "a/c/", "a/c/.wh.e", "a/c/d"]
        ; "a folder for a folder")]
    #[test_case(&["a/", "a/b/", "a/b/c"], &["!a/", "a/b"], &["a/", "a/b"])]
    #[test_case(&[], &["x", "a=x"], &["a:x", "x=a"] ; "the first name is the file")]
    #[test_case(&[], &["d/", "d/x", "b=a", "a=d/x", "z=b"], &["a:d/x", "b=a", "d/", "d/x=a", "z=a"])]
    #[test_case(&[], &["l>t", "k=l"], &["k>", "l>"] ; "only files have several names")]
    #[test_case(&[], &["a-b", "a/", "a/x", "a0"], &["a-b", "a/", "a/x", "a0"])]
    fn layers(before: &[&str], changes: &[&str], expected: &[&str]) {
        assert_eq!(arranged(before, changes).unwrap(), expected);
    }

    #[test_case(&["h=x"])]
    #[test_case(&["h=h"])]
    #[test_case(&["a=b", "b=a"])]
    #[test_case(&["d/", "h=d"])]
    fn links_to_nothing(changes: &[&str]) {
        let error = arranged(&["x"], changes).unwrap_err();
        assert!(matches!(error, CanonicalError::LinkTarget { .. }), "{error}");
    }

    #[test]
    fn what_cannot_be() {
        let no_folder = |before: &[&str], changes: &[&str]| {
            let error = arranged(before, changes).unwrap_err();
            assert!(matches!(error, CanonicalError::NoFolder { .. }), "{error}");
        };
        no_folder(&[], &["d/x"]);
        no_folder(&["d"], &["d/x"]);
        no_folder(&["d/"], &["-d/", "d/x"]);
        no_folder(&["d/"], &["d", "d/x"]);
        let error = arranged(&[], &["d/", "d/.wh.x"]).unwrap_err();
        assert!(matches!(error, CanonicalError::Reserved { .. }), "{error}");
        let long = "x".repeat(253);
        let error = arranged(&[&long], &[&format!("-{long}")]).unwrap_err();
        assert!(matches!(error, CanonicalError::Unhideable { .. }), "{error}");
    }

    #[test]
    fn folders_and_links_say_what_they_are() {
        let mut before = Tree::<()>::default();
        let folder = Entry { mode: 0o1777, uid: 3, ..entry("tmp/") };
        before.apply(&folder).unwrap();
        let mut changes = changes(&["tmp/x", "tmp/y=tmp/x"]);
        let file = changes.get_mut(&path("tmp/x")).unwrap().puts.as_mut().unwrap();
        (file.0.mode, file.0.gid) = (0o4711, 9);
        let capability = [&[1, 0, 0, 2][..], &[0; 16]].concat();
        file.0.xattrs.insert(b"security.capability".to_vec(), capability);
        let entries = arrange(&before, changes, 7).unwrap();
        let (tmp, link) = (&entries[0].0, &entries[2].0);
        assert_eq!((tmp.mode, tmp.uid, tmp.mtime.seconds), (0o1777, 3, 7));
        assert_eq!((link.mode, link.gid, link.size), (0o4711, 9, 0));
        assert_eq!(link.xattrs.len(), 1);
    }

    #[test]
    fn what_unpacks_is_what_was_meant() {
        let before = tree(&["a/", "a/b", "a/c/", "a/c/d", "x"]);
        let entries = arrange(&before, changes(&["!a/", "a/c/", "a/c/n", "-x"]), 0).unwrap();
        let mut after = before;
        after.begin_layer();
        for (entry, _) in &entries {
            after.apply(entry).unwrap();
        }
        let names: Vec<String> = after.walk().map(|(path, _)| path.to_string()).collect();
        assert_eq!(names, ["a", "a/c", "a/c/n"]);
    }
}
