//! What a delegation may sign, and in which order roles are searched (notary.md §1.5, §4.4).

use std::collections::{BTreeMap, VecDeque};

use crate::tuf::names::{RoleName, TargetName};

/// Returns the paths a child really has: those of its own that start with one of its parent's.
///
/// Paths are plain prefixes. The top-level role has `[""]`.
pub fn effective_paths(parent: &[String], own: &[String]) -> Vec<String> {
    let widest = widest(parent);
    own.iter().filter(|path| starts_with_one(&widest, path)).cloned().collect()
}

/// The prefixes that begin with no other of them, sorted. Both lists can have a million entries:
/// comparing each with each would take hours.
fn widest(prefixes: &[String]) -> Vec<&str> {
    let mut sorted: Vec<&str> = prefixes.iter().map(String::as_str).collect();
    sorted.sort_unstable();
    let mut widest: Vec<&str> = Vec::new();
    for prefix in sorted {
        if !widest.last().is_some_and(|wider| prefix.starts_with(wider)) {
            widest.push(prefix);
        }
    }
    widest
}

/// Of sorted prefixes none of which begins with another, only the last that is not beyond the
/// path can be its beginning.
fn starts_with_one(widest: &[&str], path: &str) -> bool {
    let beyond = widest.partition_point(|prefix| *prefix <= path);
    widest.get(..beyond).and_then(<[_]>::last).is_some_and(|prefix| path.starts_with(prefix))
}

/// Tells whether one of these prefixes admits the target.
pub fn permits(paths: &[String], target: &TargetName) -> bool {
    paths.iter().any(|prefix| target.as_str().starts_with(prefix.as_str()))
}

/// Returns the roles to look at for one entry of a caller's priority list, breadth first from that
/// entry, leaving out the subtrees of the list's other entries.
///
/// `children` gives each usable role's usable direct children in the document's order.
pub fn search_order<'a>(
    entry: &'a RoleName,
    priority: &[RoleName],
    children: &'a BTreeMap<RoleName, Vec<RoleName>>,
) -> Vec<&'a RoleName> {
    let mut order = Vec::new();
    let mut queue = VecDeque::from([entry]);
    while let Some(role) = queue.pop_front() {
        if !children.contains_key(role) {
            continue;
        }
        order.push(role);
        queue.extend(
            children
                .get(role)
                .into_iter()
                .flatten()
                .filter(|child| !priority.iter().any(|other| other == *child && other != entry)),
        );
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(paths: &[&str]) -> Vec<String> {
        paths.iter().map(|path| (*path).to_owned()).collect()
    }

    #[test]
    fn a_childs_paths_lie_within_its_parents() {
        let parent = owned(&["dir/", "rel"]);
        assert_eq!(
            effective_paths(&parent, &owned(&["dir/sub/", "release", "other", ""])),
            owned(&["dir/sub/", "release"])
        );
        assert!(effective_paths(&owned(&[]), &owned(&[""])).is_empty());
    }

    #[test]
    fn paths_are_plain_prefixes_without_globs() {
        let name = TargetName::parse("dir/x").unwrap();
        assert!(permits(&owned(&[""]), &name));
        assert!(permits(&owned(&["dir/"]), &name));
        assert!(!permits(&owned(&["dir/*"]), &name));
        assert!(!permits(&owned(&[]), &name));
    }

    #[test]
    fn search_goes_breadth_first_and_leaves_other_entries_out() {
        let role = |name: &str| RoleName::parse(name).unwrap();
        let children = BTreeMap::from([
            (role("targets"), vec![role("targets/a"), role("targets/releases")]),
            (role("targets/a"), vec![role("targets/a/b")]),
            (role("targets/a/b"), vec![]),
            (role("targets/releases"), vec![]),
        ]);
        let priority = [role("targets/releases"), role("targets")];
        let order = search_order(&priority[1], &priority, &children);
        assert_eq!(order, [&role("targets"), &role("targets/a"), &role("targets/a/b")]);
    }
}
