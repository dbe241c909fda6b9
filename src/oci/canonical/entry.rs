//! One entry of a layer, in its normal form (spec/canonical-image.md §2).

use std::collections::BTreeMap;

use crate::oci::archive::{Entry, EntryPath, Kind, Time};
use crate::oci::canonical::CanonicalError;
use crate::oci::canonical::order::WHITEOUT;

/// The entry as the profile has it: its time is the epoch, in seconds since 1970, and nothing is
/// kept but what containers see.
///
/// A hard link has mode, owner and attributes of its file, as whoever made the entry put them
/// there: [`arrange`](crate::oci::canonical::arrange()) does.
#[must_use]
pub fn normalized(entry: Entry, epoch: i64) -> Entry {
    let mode = match entry.kind {
        Kind::Symlink(_) => 0o777,
        _ => entry.mode & 0o7777,
    };
    let size = if entry.kind == Kind::File { entry.size } else { 0 };
    let xattrs = match entry.kind {
        Kind::File | Kind::Hardlink(_) => capability(&entry.xattrs),
        _ => BTreeMap::new(),
    };
    let mtime = Time { seconds: epoch, nanoseconds: 0 };
    Entry { mode, mtime, size, xattrs, ..entry }
}

/// The entry that says that `path` of older layers is gone. For the top there is none.
pub fn whiteout(path: &EntryPath, epoch: i64) -> Option<Entry> {
    let (parent, name) = path.split()?;
    let hidden = [parent, b"/", WHITEOUT, name].concat();
    let path = EntryPath::parse(&hidden).ok()?;
    Some(Entry { mode: 0, ..normalized(Entry::file(path, 0), epoch) })
}

/// The mode that a file of a context has in the image: git's two, told by what its owner may do, so
/// that it depends on the commit and not on who checked it out how.
pub fn checkout_mode(kind: &Kind, mode: u32) -> u32 {
    match kind {
        Kind::Symlink(_) => 0o777,
        Kind::Folder => 0o755,
        _ if mode & 0o100 != 0 => 0o755,
        _ => 0o644,
    }
}

/// Refuses what the format has no room for.
pub(super) fn check(entry: &Entry) -> Result<(), CanonicalError> {
    match entry.kind {
        Kind::CharDevice { major, minor } | Kind::BlockDevice { major, minor }
            if major >= MAX_DEVICE || minor >= MAX_DEVICE =>
        {
            Err(CanonicalError::Device { path: entry.path.to_string() })
        }
        _ => Ok(()),
    }
}

/// The one attribute that is kept, in the form that does not name a user namespace.
fn capability(xattrs: &BTreeMap<Vec<u8>, Vec<u8>>) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let second = xattrs.get(CAPABILITY).and_then(|value| second_revision(value));
    second.into_iter().map(|value| (CAPABILITY.to_vec(), value)).collect()
}

/// A `vfs_cap_data` of any revision as one of the second; `None` if it is none: no kernel would
/// take it.
fn second_revision(value: &[u8]) -> Option<Vec<u8>> {
    let (magic, rest) = value.split_first_chunk::<4>()?;
    let magic = u32::from_le_bytes(*magic);
    let sets = match (magic & REVISION_MASK, rest.len()) {
        // Permitted and inheritable, of 32 capabilities.
        (0x0100_0000, 8) => [rest, &[0; 8]].concat(),
        // Both twice.
        (0x0200_0000, 16) => rest.to_vec(),
        // And the user that is root where it counts.
        (0x0300_0000, 20) => rest.get(..16)?.to_vec(),
        _ => return None,
    };
    let magic = 0x0200_0000 | (magic & EFFECTIVE);
    Some([&magic.to_le_bytes()[..], &sets].concat())
}

const CAPABILITY: &[u8] = b"security.capability";
const REVISION_MASK: u32 = 0xff00_0000;
const EFFECTIVE: u32 = 1;
/// Seven octal digits.
const MAX_DEVICE: u32 = 1 << 21;

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    fn path(text: &str) -> EntryPath {
        EntryPath::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn only_what_containers_see_is_kept() {
        let mut entry = Entry::file(path("f"), 7);
        (entry.mode, entry.uid, entry.gid) = (0o104_755, 3, 4);
        entry.mtime = Time { seconds: 9, nanoseconds: 9 };
        for name in
            ["user.x", "security.selinux", "trusted.overlay.opaque", "system.posix_acl_access"]
        {
            entry.xattrs.insert(name.as_bytes().to_vec(), b"1".to_vec());
        }
        let normal = normalized(entry, 5);
        assert_eq!((normal.mode, normal.uid, normal.gid, normal.size), (0o4755, 3, 4, 7));
        assert_eq!(normal.mtime, Time { seconds: 5, nanoseconds: 0 });
        assert!(normal.xattrs.is_empty());
        let link = Entry { mode: 0o644, ..Entry::new(path("l"), Kind::Symlink((*b"f").into())) };
        assert_eq!(normalized(link, 0).mode, 0o777);
    }

    #[test_case(&[1, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8],
        Some(&[1, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0]) ; "first")]
    #[test_case(&[0, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3, 4, 5, 6, 7],
        Some(&[0, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3, 4, 5, 6, 7]) ; "second")]
    #[test_case(&[1, 0, 0, 3, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3, 4, 5, 6, 7, 232, 3, 0, 0],
        Some(&[1, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3, 4, 5, 6, 7]) ; "third")]
    #[test_case(b"", None)]
    #[test_case(&[0, 0, 0, 4, 1, 2, 3, 4, 5, 6, 7, 8], None ; "unknown")]
    #[test_case(&[0, 0, 0, 2, 1, 2, 3, 4], None ; "short")]
    fn capabilities(value: &[u8], expected: Option<&[u8]>) {
        assert_eq!(second_revision(value).as_deref(), expected);
    }

    #[test]
    fn whiteouts() {
        let entry = whiteout(&path("a/b"), 3).unwrap();
        assert_eq!((entry.path, entry.mode, entry.mtime.seconds), (path("a/.wh.b"), 0, 3));
        assert_eq!(whiteout(&path("b"), 3).unwrap().path, path(".wh.b"));
        assert!(whiteout(&EntryPath::default(), 3).is_none());
    }

    #[test_case(0o664, 0o644)]
    #[test_case(0o600, 0o644)]
    #[test_case(0o4775, 0o755)]
    #[test_case(0o611, 0o644 ; "others may and the owner may not")]
    fn modes_of_a_checkout(mode: u32, expected: u32) {
        assert_eq!(checkout_mode(&Kind::File, mode), expected);
        assert_eq!(checkout_mode(&Kind::Folder, mode), 0o755);
    }
}
