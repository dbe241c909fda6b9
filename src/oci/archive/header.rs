//! The blocks of a tar archive (POSIX.1-2017, pax, "ustar Interchange Format"), and GNU's way to
//! write what does not fit, which is read and never written.

use crate::oci::archive::entry::{Entry, Kind};
use crate::oci::archive::path::shown;
use crate::oci::archive::{ArchiveError, pax};

/// Length of a block, in bytes.
pub const BLOCK: usize = 512;

/// One block.
pub(super) type Block = [u8; BLOCK];

pub(super) const ZERO: Block = [0; BLOCK];

/// A field: where it is in the block, and its length.
type Field = (usize, usize);

const NAME: Field = (0, 100);
const MODE: Field = (100, 8);
const UID: Field = (108, 8);
const GID: Field = (116, 8);
const SIZE: Field = (124, 12);
const MTIME: Field = (136, 12);
const CHECKSUM: Field = (148, 8);
const TYPE: Field = (156, 1);
const LINK: Field = (157, 100);
const MAGIC: Field = (257, 8);
const MAJOR: Field = (329, 8);
const MINOR: Field = (337, 8);
const PREFIX: Field = (345, 155);
const STAR_PREFIX: Field = (345, 131);
const STAR_TRAILER: Field = (508, 4);

const USTAR: &[u8; 8] = b"ustar\x0000";

pub(super) const FILE: u8 = b'0';
pub(super) const HARDLINK: u8 = b'1';
pub(super) const SYMLINK: u8 = b'2';
pub(super) const CHAR_DEVICE: u8 = b'3';
pub(super) const BLOCK_DEVICE: u8 = b'4';
pub(super) const FOLDER: u8 = b'5';
pub(super) const FIFO: u8 = b'6';
const EXTENDED: u8 = b'x';

/// A block that is a header: its checksum is right.
#[derive(Debug)]
pub(super) struct Header<'a>(&'a Block);

impl<'a> Header<'a> {
    /// Takes a block if its checksum is right.
    pub(super) fn of(block: &'a Block) -> Option<Self> {
        let written = octal(field(block, CHECKSUM))?;
        // The sum is made with blanks in its own place. Some old programs add up signed bytes.
        let plain = |bytes: &[u8]| bytes.iter().map(|byte| i64::from(*byte)).sum::<i64>();
        let signed =
            |bytes: &[u8]| bytes.iter().map(|byte| i64::from(byte.cast_signed())).sum::<i64>();
        let blanks = i64::from(b' ') * 8;
        let sums = [plain, signed]
            .map(|sum: fn(&[u8]) -> i64| sum(block) - sum(field(block, CHECKSUM)) + blanks);
        let written = i64::try_from(written).ok()?;
        sums.contains(&written).then_some(Self(block))
    }

    pub(super) fn kind(&self) -> u8 {
        field(self.0, TYPE).first().copied().unwrap_or_default()
    }

    /// The name, with the part that POSIX puts before it.
    pub(super) fn name(&self) -> Vec<u8> {
        let name = text(field(self.0, NAME));
        let prefix = match (field(self.0, MAGIC), field(self.0, STAR_TRAILER)) {
            (magic, b"tar\0") if magic.starts_with(b"ustar\0") => text(field(self.0, STAR_PREFIX)),
            (magic, _) if magic.starts_with(b"ustar\0") => text(field(self.0, PREFIX)),
            // GNU has times there.
            _ => &[],
        };
        if prefix.is_empty() { name.to_vec() } else { [prefix, name].join(&b'/') }
    }

    pub(super) fn link(&self) -> Vec<u8> {
        text(field(self.0, LINK)).to_vec()
    }

    pub(super) fn mode(&self) -> Result<u32, ArchiveError> {
        let bits = self.number("mode", MODE)? & 0o7777;
        Ok(u32::try_from(bits).unwrap_or_default())
    }

    pub(super) fn uid(&self) -> Result<u64, ArchiveError> {
        self.number("uid", UID)
    }

    pub(super) fn gid(&self) -> Result<u64, ArchiveError> {
        self.number("gid", GID)
    }

    pub(super) fn size(&self) -> Result<u64, ArchiveError> {
        self.number("size", SIZE)
    }

    /// In seconds; the only number that may be below zero.
    pub(super) fn mtime(&self) -> Result<i64, ArchiveError> {
        numeric(field(self.0, MTIME)).ok_or_else(|| self.wrong("mtime"))
    }

    /// Major and minor number of a device.
    pub(super) fn device(&self) -> Result<(u32, u32), ArchiveError> {
        let number = |name, at| {
            u32::try_from(self.number(name, at)?).map_err(|_| self.wrong("device number"))
        };
        Ok((number("major", MAJOR)?, number("minor", MINOR)?))
    }

    fn number(&self, name: &'static str, at: Field) -> Result<u64, ArchiveError> {
        let number = numeric(field(self.0, at)).and_then(|number| u64::try_from(number).ok());
        number.ok_or_else(|| self.wrong(name))
    }

    fn wrong(&self, field: &'static str) -> ArchiveError {
        ArchiveError::Number { path: shown(&self.name()), field }
    }
}

/// The blocks before an entry's content: one if all fits, else an extended header before it that
/// says what does not.
///
/// It is the same as what Go's `archive/tar` writes, which makes the layers of the usual builders.
/// `None` if an attribute has a name that cannot be written.
pub(super) fn encode(entry: &Entry) -> Option<Vec<u8>> {
    let mut name = entry.path.as_bytes().to_vec();
    match (entry.path.is_top(), &entry.kind) {
        (true, _) => name.extend_from_slice(b"./"),
        (false, Kind::Folder) => name.push(b'/'),
        _ => {}
    }
    let (kind, link, device) = match &entry.kind {
        Kind::File => (FILE, &[][..], (0, 0)),
        Kind::Folder => (FOLDER, &[][..], (0, 0)),
        Kind::Symlink(target) => (SYMLINK, &target[..], (0, 0)),
        Kind::Hardlink(target) => (HARDLINK, target.as_bytes(), (0, 0)),
        Kind::CharDevice { major, minor } => (CHAR_DEVICE, &[][..], (*major, *minor)),
        Kind::BlockDevice { major, minor } => (BLOCK_DEVICE, &[][..], (*major, *minor)),
        Kind::Fifo => (FIFO, &[][..], (0, 0)),
    };
    let mut records = pax::Records::default();
    let split = split_name(&name);
    if split.is_none() {
        records.insert("path", name.clone());
    }
    if link.len() > LINK.1 || !link.is_ascii() {
        records.insert("linkpath", link.to_vec());
    }
    for (key, number, at) in [("uid", entry.uid, UID), ("gid", entry.gid, GID)] {
        if !fits(number, at) {
            records.insert(key, number.to_string().into_bytes());
        }
    }
    if !fits(entry.size, SIZE) {
        records.insert("size", entry.size.to_string().into_bytes());
    }
    let seconds = u64::try_from(entry.mtime.seconds).ok().filter(|seconds| fits(*seconds, MTIME));
    if seconds.is_none() || entry.mtime.nanoseconds != 0 {
        records.insert("mtime", pax::write_time(entry.mtime).into_bytes());
    }
    for (key, value) in &entry.xattrs {
        records.insert_xattr(key, value.clone())?;
    }
    // With an extended header there is no prefix.
    if !records.is_empty() && name.len() > NAME.1 {
        records.insert("path", name.clone());
    }
    let mut blocks = Vec::with_capacity(BLOCK);
    let (prefix, rest) = if records.is_empty() { split? } else { (&[][..], &name[..]) };
    if !records.is_empty() {
        let body = records.to_bytes();
        let mut block = ZERO;
        put_text(&mut block, NAME, &extended_name(&name));
        for at in [MODE, UID, GID, MTIME] {
            put_number(&mut block, at, 0);
        }
        put_number(&mut block, SIZE, body.len() as u64);
        seal(&mut block, EXTENDED);
        blocks.extend_from_slice(&block);
        blocks.extend_from_slice(&body);
        blocks.resize(blocks.len().next_multiple_of(BLOCK), 0);
    }
    let mut block = ZERO;
    put_text(&mut block, NAME, &ascii(rest));
    put_text(&mut block, PREFIX, prefix);
    put_text(&mut block, LINK, &ascii(link));
    put_number(&mut block, MODE, u64::from(entry.mode & 0o7777));
    let numbers = [(UID, entry.uid), (GID, entry.gid), (SIZE, entry.size)];
    for (at, number) in numbers.into_iter().chain([(MTIME, seconds.unwrap_or_default())]) {
        put_number(&mut block, at, if fits(number, at) { number } else { 0 });
    }
    put_number(&mut block, MAJOR, u64::from(device.0));
    put_number(&mut block, MINOR, u64::from(device.1));
    seal(&mut block, kind);
    blocks.extend_from_slice(&block);
    Some(blocks)
}

/// The two parts of a name that fits the two fields for it.
fn split_name(name: &[u8]) -> Option<(&[u8], &[u8])> {
    if !name.is_ascii() {
        return None;
    }
    if name.len() <= NAME.1 {
        return Some((&[], name));
    }
    // The last slash that leaves a prefix which fits, but not the one at the end of a folder.
    let longest = match name.len() {
        length if length > PREFIX.1 + 1 => PREFIX.1 + 1,
        length if name.ends_with(b"/") => length - 1,
        length => length,
    };
    let cut = name.get(..longest)?.iter().rposition(|byte| *byte == b'/')?;
    let (prefix, rest) = (name.get(..cut)?, name.get(cut + 1..)?);
    let fit = cut > 0 && prefix.len() <= PREFIX.1 && (1..=NAME.1).contains(&rest.len());
    fit.then_some((prefix, rest))
}

/// What Go calls the extended header of this entry.
fn extended_name(name: &[u8]) -> Vec<u8> {
    let cut = name.iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1);
    let (folder, file) = name.split_at_checked(cut).unwrap_or((&[], name));
    let mut whole = folder.to_vec();
    whole.extend_from_slice(b"PaxHeaders.0");
    if !file.is_empty() {
        whole.push(b'/');
        whole.extend_from_slice(file);
    }
    let mut whole = ascii(&whole);
    whole.truncate(NAME.1);
    trim_slashes(&whole).to_vec()
}

/// For programs that do not know extended headers.
fn ascii(name: &[u8]) -> Vec<u8> {
    name.iter().copied().filter(u8::is_ascii).collect()
}

fn field(block: &Block, (at, length): Field) -> &[u8] {
    block.get(at..at + length).unwrap_or_default()
}

/// The bytes before the first zero.
pub(super) fn text(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// An octal number, or GNU's form for large and negative ones.
fn numeric(bytes: &[u8]) -> Option<i64> {
    let first = bytes.first().copied().unwrap_or_default();
    if first & 0x80 == 0 {
        return octal(bytes).and_then(|number| i64::try_from(number).ok());
    }
    // Two's complement of all bits but the first.
    let negative = first & 0x40 != 0;
    let mut number: i128 = if negative { -1 } else { 0 };
    for (at, byte) in bytes.iter().enumerate() {
        let byte = if at == 0 && !negative { byte & 0x7f } else { *byte };
        number = number.checked_shl(8)? | i128::from(byte);
        if number > i128::from(i64::MAX) || number < i128::from(i64::MIN) {
            return None;
        }
    }
    i64::try_from(number).ok()
}

fn octal(bytes: &[u8]) -> Option<u64> {
    let blank = |byte: &u8| matches!(byte, b' ' | 0);
    let Some(from) = bytes.iter().position(|byte| !blank(byte)) else { return Some(0) };
    let digits = text(bytes.get(from..)?).trim_ascii_end();
    digits.iter().try_fold(0_u64, |number, digit| match digit {
        b'0'..=b'7' => number.checked_mul(8)?.checked_add(u64::from(digit - b'0')),
        _ => None,
    })
}

fn fits(number: u64, (_, length): Field) -> bool {
    number < 1 << (3 * (length - 1))
}

fn put_text(block: &mut Block, (at, length): Field, bytes: &[u8]) {
    let kept = bytes.get(..length).unwrap_or(bytes);
    // A file whose cut name ends in a slash would be a folder to old programs.
    let kept = if kept.len() < bytes.len() { trim_slashes(kept) } else { kept };
    if let Some(place) = block.get_mut(at..at + kept.len()) {
        place.copy_from_slice(kept);
    }
}

fn trim_slashes(mut name: &[u8]) -> &[u8] {
    while let Some(shorter) = name.strip_suffix(b"/") {
        name = shorter;
    }
    name
}

fn put_number(block: &mut Block, (at, length): Field, number: u64) {
    let digits = format!("{number:0width$o}", width = length - 1);
    put_text(block, (at, length), digits.as_bytes());
}

/// The type, the magic number, and the sum of all.
fn seal(block: &mut Block, kind: u8) {
    put_text(block, TYPE, &[kind]);
    put_text(block, MAGIC, USTAR);
    put_text(block, CHECKSUM, b"        ");
    let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
    put_text(block, CHECKSUM, format!("{sum:06o}\0 ").as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        assert_eq!(numeric(b"0000644\0"), Some(0o644));
        assert_eq!(numeric(b"   644 \0"), Some(0o644));
        assert_eq!(numeric(b"\0\0\0\0"), Some(0));
        assert_eq!(numeric(b"\x80\0\0\0\0\0\0\x02\0\0\0\0"), Some(8 << 30));
        assert_eq!(numeric(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe"), Some(-2));
        assert_eq!(numeric(b"\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), None);
        assert_eq!(numeric(b"00008\0"), None);
        assert_eq!(numeric(b"-1\0"), None);
    }

    #[test]
    fn long_names_are_split_as_go_does() {
        let long = [b"a".repeat(60), b"b".repeat(60)].join(&b'/');
        assert_eq!(split_name(&long), Some((&b"a".repeat(60)[..], &b"b".repeat(60)[..])));
        assert_eq!(split_name(&b"a".repeat(101)), None);
        assert_eq!(split_name("ä".as_bytes()), None);
        let folder = [&b"a".repeat(100)[..], b"/"].concat();
        assert_eq!(split_name(&folder), None, "nothing would be left of the name");
    }
}
