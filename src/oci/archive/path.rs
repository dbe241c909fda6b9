//! Names of entries: never outside the archive, by construction.

use std::fmt;

use crate::limits::MAX_ENTRY_PATH_BYTES;
use crate::oci::archive::ArchiveError;

/// The path of an entry from the top of its archive: plain names with slashes between. The top
/// itself is the empty path.
///
/// Names are bytes. A slash at the beginning says nothing: as containers have it, a layer's paths
/// begin at the root of the image anyway.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct EntryPath(Box<[u8]>);

impl EntryPath {
    /// Takes a name as it is written in an archive; `.`, `..` and double slashes are resolved.
    /// A name that climbs above the top is refused.
    pub fn parse(written: &[u8]) -> Result<Self, ArchiveError> {
        if written.len() > MAX_ENTRY_PATH_BYTES {
            return Err(ArchiveError::LongName { length: written.len() });
        }
        let wrong = |problem| ArchiveError::Name { path: shown(written), problem };
        if written.contains(&0) {
            return Err(wrong("it has a zero byte"));
        }
        if written.is_empty() {
            return Err(wrong("it is empty"));
        }
        let mut names: Vec<&[u8]> = Vec::new();
        for name in written.split(|byte| *byte == b'/') {
            match name {
                b"" | b"." => {}
                b".." => {
                    let left = names.pop();
                    left.ok_or_else(|| ArchiveError::Escapes { path: shown(written) })?;
                }
                name if name.len() > MAX_NAME => return Err(wrong("a part is too long")),
                name => names.push(name),
            }
        }
        Ok(Self(names.join(&b'/').into_boxed_slice()))
    }

    /// The path of a name in this folder. The name is a plain one, of a file system or of another
    /// path.
    #[must_use]
    pub fn child(&self, name: &[u8]) -> Self {
        let mut path = Vec::with_capacity(self.0.len() + name.len() + 1);
        path.extend_from_slice(&self.0);
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(name);
        Self(path.into_boxed_slice())
    }

    /// The path that `below` is in this folder.
    #[must_use]
    pub fn join(&self, below: &Self) -> Self {
        if below.is_top() { self.clone() } else { self.child(&below.0) }
    }

    /// The folder that this is in; `None` for the top.
    pub fn parent(&self) -> Option<Self> {
        self.split().map(|(above, _)| Self(above.into()))
    }

    /// The bytes, without a slash at either end.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether this is the top of the archive.
    pub fn is_top(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this is somewhere in a folder, and not the folder itself.
    pub fn is_below(&self, folder: &Self) -> bool {
        folder.is_top() && !self.is_top()
            || self.0.strip_prefix(&folder.0[..]).is_some_and(|rest| rest.starts_with(b"/"))
    }

    /// The names on the way, outermost first.
    pub fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split(|byte| *byte == b'/').filter(|name| !name.is_empty())
    }

    /// The names of the folders above, and the last name; `None` for the top.
    pub fn split(&self) -> Option<(&[u8], &[u8])> {
        let cut = self.0.iter().rposition(|byte| *byte == b'/');
        match cut {
            _ if self.is_top() => None,
            None => Some((&[], &self.0)),
            Some(cut) => {
                let (parent, name) = self.0.split_at_checked(cut)?;
                Some((parent, name.get(1..)?))
            }
        }
    }

    /// The text, if it is one.
    pub fn to_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }
}

/// For people: bytes that are no text are replaced.
impl fmt::Display for EntryPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown(&self.0))
    }
}

impl fmt::Debug for EntryPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", shown(&self.0))
    }
}

/// A name for people.
pub(super) fn shown(name: &[u8]) -> String {
    let mut text = String::from_utf8_lossy(name).into_owned();
    if text.chars().count() > MAX_SHOWN {
        text = text.chars().take(MAX_SHOWN).chain(['…']).collect();
    }
    text.escape_debug().collect()
}

/// The longest name of one file that file systems take, in bytes.
pub(super) const MAX_NAME: usize = 255;
/// How much of a name is told, in characters.
const MAX_SHOWN: usize = 200;

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("a/b", "a/b")]
    #[test_case("./a//b/", "a/b")]
    #[test_case("/etc/passwd", "etc/passwd" ; "from the root of the image")]
    #[test_case("a/../b", "b")]
    #[test_case("./", "")]
    #[test_case("..a/...", "..a/...")]
    fn inside(written: &str, expected: &str) {
        assert_eq!(EntryPath::parse(written.as_bytes()).unwrap().as_bytes(), expected.as_bytes());
    }

    #[test_case("..")]
    #[test_case("../x")]
    #[test_case("a/../../x")]
    #[test_case("/../x")]
    #[test_case("a/b/../../../c")]
    fn outside(written: &str) {
        let error = EntryPath::parse(written.as_bytes()).unwrap_err();
        assert!(matches!(error, ArchiveError::Escapes { .. }), "{error}");
    }

    #[test]
    fn no_names() {
        for written in [&b""[..], b"a\0b", &[b'x'; 256]] {
            let error = EntryPath::parse(written).unwrap_err();
            assert!(matches!(error, ArchiveError::Name { .. }), "{error}");
        }
        let error = EntryPath::parse(&b"x/".repeat(MAX_ENTRY_PATH_BYTES)).unwrap_err();
        assert!(matches!(error, ArchiveError::LongName { .. }), "{error}");
    }

    #[test]
    fn parts() {
        let path = EntryPath::parse(b"a/b/c").unwrap();
        assert_eq!(path.split(), Some((&b"a/b"[..], &b"c"[..])));
        assert_eq!(path.names().count(), 3);
        assert_eq!(EntryPath::default().child(b"x").split(), Some((&b""[..], &b"x"[..])));
        assert_eq!(EntryPath::default().split(), None);
    }
}
