//! What a source means: a path, or a pattern of Go's `filepath.Match`.

use crate::build::content::Files;
use crate::build::context::Exclusion;
use crate::build::copy::copier::cleaned;
use crate::build::copy::error::CopyError;
use crate::dockerfile::Pattern;
use crate::oci::archive::{EntryPath, InodeId, Kind};

/// Something that a source leads to.
pub(super) struct Named {
    /// The last name as it was asked for, which may be a link's; empty for the top.
    pub(super) name: Vec<u8>,
    /// Where it is, links followed.
    pub(super) path: EntryPath,
    pub(super) id: InodeId,
}

/// What a path or pattern leads to, in the order of the names; links are followed. Nothing if it is
/// a pattern that nothing matches.
pub(super) fn found(
    files: &Files,
    written: &str,
    ignored: Option<&dyn Exclusion>,
) -> Result<Vec<Named>, CopyError> {
    let path = cleaned(written.as_bytes());
    let names: Vec<&[u8]> = path.split(|byte| *byte == b'/').collect();
    let plain = names.iter().take_while(|name| !has_wildcards(name)).count();
    let (plain, wild) = names.split_at_checked(plain).unwrap_or_default();
    let missing = || missing(files, written, &path, ignored);
    let Some((above, folder)) = files.find(&plain.join(&b'/'))? else { return Err(missing()) };
    if wild.is_empty() {
        return Ok(vec![Named { name: base_name(&path).to_vec(), path: above, id: folder }]);
    }
    let wild = wild.join(&b'/');
    let pattern =
        Pattern::parse(&wild).map_err(|_| CopyError::Pattern { pattern: written.to_owned() })?;
    // A class of characters may have the slash in it.
    let depth = wild.split(|byte| *byte == b'/').count() - 1;
    let is_bounded = !wild.contains(&b'[');
    let mut matches = Vec::new();
    let mut pending = vec![(EntryPath::default(), folder)];
    while let Some((path, id)) = pending.pop() {
        for (name, child) in files.children(id) {
            let path = path.child(name);
            if pattern.matches(path.as_bytes()) {
                matches.push(path);
            } else if files.get(child).is_some_and(|inode| inode.kind == Kind::Folder)
                && !(is_bounded && path.names().count() > depth)
            {
                pending.push((path, child));
            }
        }
    }
    matches.sort_by(|one, other| one.names().cmp(other.names()));
    let named = |path: EntryPath| {
        let whole = above.join(&path);
        let Some((found, id)) = files.find(whole.as_bytes())? else {
            let name = whole.to_string();
            return Err(self::missing(files, &name, whole.as_bytes(), ignored));
        };
        Ok(Named { name: base_name(path.as_bytes()).to_vec(), path: found, id })
    };
    matches.into_iter().map(named).collect()
}

/// Refuses a path below a folder that is not there.
pub(super) fn required(
    files: &Files,
    folder: &str,
    below: &[u8],
    ignored: Option<&dyn Exclusion>,
) -> Result<(), CopyError> {
    let path = cleaned(&[folder.as_bytes(), below].join(&b'/'));
    match files.find_link(&path)? {
        Some(_) => Ok(()),
        None => Err(missing(files, &String::from_utf8_lossy(&path), &path, ignored)),
    }
}

/// Whether a name has wildcards that are not escaped.
pub(super) fn has_wildcards(name: &[u8]) -> bool {
    let mut bytes = name.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => drop(bytes.next()),
            b'*' | b'?' | b'[' => return true,
            _ => {}
        }
    }
    false
}

/// The last name of a path; empty for the top.
pub(super) fn base_name(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').find(|name| !name.is_empty()).unwrap_or_default()
}

fn missing(
    files: &Files,
    written: &str,
    path: &[u8],
    ignored: Option<&dyn Exclusion>,
) -> CopyError {
    CopyError::NoSource {
        path: written.to_owned(),
        nearest: nearest(files, path),
        ignored: ignored.is_some_and(|ignored| ignored.excludes(path)),
    }
}

/// The path that the first name which is not there was perhaps meant to be.
fn nearest(files: &Files, path: &[u8]) -> Option<String> {
    let mut here = (EntryPath::default(), files.top());
    for name in path.split(|byte| *byte == b'/') {
        let next = here.0.child(name);
        if let Ok(Some(found)) = files.find(next.as_bytes()) {
            here = found;
            continue;
        }
        let wanted = String::from_utf8_lossy(name);
        let names = files.children(here.1).filter_map(|(name, _)| std::str::from_utf8(name).ok());
        let (likeness, name) = names
            .take(MAX_COMPARED)
            .map(|name| (strsim::jaro_winkler(&wanted.to_lowercase(), &name.to_lowercase()), name))
            .max_by(|(one, _), (other, _)| one.total_cmp(other))?;
        return (likeness > LIKE).then(|| here.0.child(name.as_bytes()).to_string());
    }
    None
}

/// How alike two names must be for one to be meant by the other.
const LIKE: f64 = 0.8;
/// Most names that are compared: it is only a suggestion.
const MAX_COMPARED: usize = 10_000;
