//! What a layer changes, told by the files before and after it.

use std::collections::{BTreeMap, HashMap};

use crate::oci::archive::{Entry, EntryPath, InodeId, Kind, Tree};
use crate::oci::canonical::arrange::Change;
use crate::oci::canonical::entry::normalized;

/// What makes the files `after` of the files `before`, as
/// [`arrange`](crate::oci::canonical::arrange()) takes it. Times, and attributes that the profile
/// drops, make no difference; `same` says whether two contents do.
pub fn between<C: Clone>(
    before: &Tree<C>,
    after: &Tree<C>,
    same: impl Fn(&C, &C) -> bool,
) -> BTreeMap<EntryPath, Change<C>> {
    let mut comparison = Comparison { before, after, same, changes: BTreeMap::new() };
    comparison.folders();
    comparison.several_names();
    comparison.changes
}

struct Comparison<'a, C, S> {
    before: &'a Tree<C>,
    after: &'a Tree<C>,
    same: S,
    changes: BTreeMap<EntryPath, Change<C>>,
}

impl<C: Clone, S: Fn(&C, &C) -> bool> Comparison<'_, C, S> {
    /// Goes through both trees at once.
    fn folders(&mut self) {
        let mut pending = vec![(EntryPath::default(), Some(self.before.top()), self.after.top())];
        while let Some((path, old, new)) = pending.pop() {
            for (name, id) in self.after.children(new) {
                let (path, old) =
                    (path.child(name), old.and_then(|old| self.before.child_of(old, name)));
                let old_folder = old.filter(|old| is_folder(self.before, *old));
                if old.is_none_or(|old| self.differ(old, id)) {
                    self.put(&path, id);
                }
                if is_folder(self.after, id) {
                    pending.push((path, old_folder, id));
                }
            }
            let old = old.into_iter().flat_map(|old| self.before.children(old));
            for (name, _) in old.filter(|(name, _)| self.after.child_of(new, name).is_none()) {
                self.changes.insert(path.child(name), Change { removes: true, puts: None });
            }
        }
    }

    /// A file with several names is written whole if it got one of them.
    fn several_names(&mut self) {
        // What was a name of the same file as another, and is a file by itself now.
        for (_, names) in several_names(self.before) {
            let mut rest = names.iter().filter_map(|path| Some((path, self.after.at(path)?)));
            let Some((_, first)) = rest.next() else { continue };
            let others: Vec<_> = rest.filter(|(_, id)| *id != first).collect();
            for (path, id) in others {
                self.put(path, id);
            }
        }
        for (id, names) in several_names(self.after) {
            let Some(first) = names.first().cloned() else { continue };
            let old = self.before.at(&first);
            let is_new =
                |path: &EntryPath| self.changes.contains_key(path) || self.before.at(path) != old;
            if !names.iter().any(is_new) {
                continue;
            }
            for path in names {
                self.put(&path, id);
                if path != first
                    && let Some(Change { puts: Some((entry, content)), .. }) =
                        self.changes.get_mut(&path)
                {
                    (entry.kind, entry.size, *content) = (Kind::Hardlink(first.clone()), 0, None);
                }
            }
        }
    }

    fn put(&mut self, path: &EntryPath, id: InodeId) {
        let Some(inode) = self.after.get(id) else { return };
        let puts = Some((inode.entry(path.clone()), inode.content.clone()));
        self.changes.insert(path.clone(), Change { removes: false, puts });
    }

    fn differ(&self, old: InodeId, new: InodeId) -> bool {
        let (Some(old), Some(new)) = (self.before.get(old), self.after.get(new)) else {
            return true;
        };
        let entry = |entry: Entry| normalized(entry, 0);
        let path = EntryPath::default();
        entry(old.entry(path.clone())) != entry(new.entry(path))
            || match (&old.content, &new.content) {
                (Some(old), Some(new)) => !(self.same)(old, new),
                (None, None) => false,
                _ => true,
            }
    }
}

/// The files with more than one name, and their names in order.
fn several_names<C>(tree: &Tree<C>) -> impl Iterator<Item = (InodeId, Vec<EntryPath>)> {
    let mut names: HashMap<InodeId, Vec<EntryPath>> = HashMap::new();
    for (path, id) in tree.walk() {
        if tree.get(id).is_some_and(|inode| inode.kind == Kind::File) {
            names.entry(id).or_default().push(path);
        }
    }
    names.into_iter().filter(|(_, names)| names.len() > 1)
}

fn is_folder<C>(tree: &Tree<C>, id: InodeId) -> bool {
    tree.get(id).is_some_and(|inode| inode.kind == Kind::Folder)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use test_case::test_case;

    use super::*;
    use crate::oci::archive::Time;
    use crate::oci::canonical::arrange;

    fn path(text: &str) -> EntryPath {
        EntryPath::parse(text.as_bytes()).unwrap()
    }

    /// `d/` is a folder, `h=t` a hard link, `f:x` a file with `x` in it, all else an empty file.
    fn apply(tree: &mut Tree<String>, texts: &[&str]) {
        tree.begin_layer();
        for text in texts {
            let (name, content) = text.split_once(':').unwrap_or((text, ""));
            let entry = match name.split_once('=') {
                Some((name, target)) => Entry::new(path(name), Kind::Hardlink(path(target))),
                None if text.ends_with('/') => Entry::new(path(name), Kind::Folder),
                None => Entry::file(path(name), content.len() as u64),
            };
            let entry = Entry { mtime: Time { seconds: 3, nanoseconds: 3 }, ..entry };
            if let Some(file) = tree.apply(&entry).unwrap() {
                tree.set_content(file, content.to_owned());
            }
        }
    }

    fn listing(tree: &Tree<String>) -> Vec<(Entry, Option<String>)> {
        let content = |id| tree.get(id).and_then(|inode| inode.content.clone());
        let normal = |entry: Entry| normalized(entry, 0);
        tree.entries()
            .filter(|(entry, _)| !entry.path.is_top())
            .map(|(entry, id)| (normal(entry), content(id)))
            .collect()
    }

    /// The names of the entries that come of it, after it was seen that they make the same files.
    fn check(before: &[&str], layer: &[&str]) -> Vec<String> {
        let mut old = Tree::default();
        apply(&mut old, before);
        let mut new = old.clone();
        apply(&mut new, layer);
        let entries = arrange(&old, between(&old, &new, |a, b| a == b), 0).unwrap();
        let mut again = old.clone();
        again.begin_layer();
        for (entry, content) in &entries {
            if let (Some(file), Some(content)) = (again.apply(entry).unwrap(), content) {
                again.set_content(file, content.clone());
            }
        }
        assert_eq!(listing(&again), listing(&new));
        let name = |entry: Entry| match entry.kind {
            Kind::Folder => format!("{}/", entry.path),
            Kind::Hardlink(target) => format!("{}={target}", entry.path),
            _ => entry.path.to_string(),
        };
        entries.into_iter().map(|(entry, _)| name(entry)).collect()
    }

    #[test_case(&["a:1"], &["a:1"], &[] ; "nothing")]
    #[test_case(&["a:1"], &["a:2"], &["a"])]
    #[test_case(&["d/", "d/a", "d/b"], &["d/", "d/.wh.a"], &["d/", "d/.wh.a"])]
    #[test_case(&["d/", "d/a", "d/b"], &["d/", "d/.wh..wh..opq", "d/b"], &["d/", "d/.wh.a"] ; "opaque")]
    #[test_case(&["d/", "d/a"], &[".wh.d"], &[".wh.d"])]
    #[test_case(&["d/", "d/a"], &["d"], &["d"])]
    #[test_case(&["d"], &["d/", "d/x"], &["d/", "d/x"])]
    #[test_case(&["d/", "d/a:1", "d/b"], &[".wh.d", "d/", "d/a:1"], &["d/", "d/.wh.b"] ; "hidden and there")]
    #[test_case(&["a:1"], &["b=a"], &["a", "b=a"] ; "a new name of an old file")]
    #[test_case(&["a:1", "b=a"], &[".wh.a"], &[".wh.a"])]
    #[test_case(&["a:1", "b=a"], &["c:1"], &["c"])]
    #[test_case(&["a:1", "b=a"], &["b:1"], &["b"] ; "two files where there was one with two names")]
    fn layers(before: &[&str], layer: &[&str], expected: &[&str]) {
        assert_eq!(check(before, layer), expected);
    }

    proptest! {
        #[test]
        fn the_same_files_come_of_it(
            layers in prop::collection::vec(
                prop::collection::vec(
                    "[ab]/[ab]/[xy]:[12]|[ab]:1|[ab]/|[ab]/[ab]/|[ab]/\\.wh\\.[ab]|\\.wh\\.[ab]|[ab]/\\.wh\\.\\.wh\\.\\.opq",
                    0..6,
                ),
                2..3,
            )
        ) {
            let texts: Vec<Vec<&str>> =
                layers.iter().map(|layer| layer.iter().map(String::as_str).collect()).collect();
            let fits = |layers: &[Vec<&str>]| {
                let mut tree: Tree<String> = Tree::default();
                layers.iter().all(|layer| {
                    tree.begin_layer();
                    layer.iter().all(|text| {
                        let (name, _) = text.split_once(':').unwrap_or((text, ""));
                        let kind = if text.ends_with('/') { Kind::Folder } else { Kind::File };
                        tree.apply(&Entry::new(path(name), kind)).is_ok()
                    })
                })
            };
            prop_assume!(fits(&texts));
            check(&texts[0], &texts[1]);
        }
    }
}
