//! Users and groups of an image: its `/etc/passwd` and `/etc/group`.

use std::io::{self, Read};

use crate::build::content::Files;
use crate::limits::MAX_IMAGE_ACCOUNTS_BYTES;
use crate::oci::archive::{ArchiveError, Kind};

/// Who runs a command, as the kernel has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Number of the user.
    pub uid: u32,
    /// Number of the group.
    pub gid: u32,
    /// Numbers of the further groups, ascending.
    pub groups: Vec<u32>,
    /// The home folder; `/` if the image names none.
    pub home: String,
}

/// Why it is not known who is meant.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccountError {
    /// No user of this name.
    #[error("the image has no user `{name}`")]
    NoUser {
        /// The name.
        name: String,
    },
    /// No group of this name.
    #[error("the image has no group `{name}`")]
    NoGroup {
        /// The name.
        name: String,
    },
    /// A number that is none of a user or group.
    #[error("`{text}` is not the number of a user or group")]
    Number {
        /// What was written.
        text: String,
    },
    /// The file cannot be found.
    #[error("`{file}` of the image cannot be followed")]
    Archive {
        /// The file.
        file: &'static str,
        /// What is wrong.
        #[source]
        cause: ArchiveError,
    },
    /// The file cannot be read.
    #[error("`{file}` of the image cannot be read")]
    Content {
        /// The file.
        file: &'static str,
        /// What went wrong.
        #[source]
        cause: io::Error,
    },
    /// The file is too large.
    #[error("`{file}` of the image has more than {limit} bytes")]
    TooLarge {
        /// The file.
        file: &'static str,
        /// Most bytes.
        limit: u64,
    },
}

/// Owner and group as `--chown` has them: `USER` or `USER:GROUP`, names or numbers. Without a group
/// it is that of the user's name, or the number of the user.
pub fn owner(files: &Files, text: &str) -> Result<(u32, u32), AccountError> {
    let (name, group) = halves(text);
    let (uid, gid) = match named(name)? {
        Account::Number(number) => (number, number),
        Account::Name("") => (0, 0),
        Account::Name(name) => {
            let users = users(files)?;
            let found = users.iter().find(|user| user.name == name);
            let user = found.ok_or_else(|| AccountError::NoUser { name: name.to_owned() })?;
            (user.uid, user.gid)
        }
    };
    let gid = match group.map(named).transpose()? {
        None => gid,
        Some(Account::Number(number)) => number,
        Some(Account::Name(name)) => {
            let groups = groups(files)?;
            let found = groups.iter().find(|group| group.name == name);
            found.ok_or_else(|| AccountError::NoGroup { name: name.to_owned() })?.gid
        }
    };
    Ok((uid, gid))
}

/// Who a command runs as, as `USER` has it: `USER` or `USER:GROUP`, names or numbers; root if it is
/// empty. A number need not be of any user; without a group that is named, somebody is in all
/// groups that list the user's name.
pub fn user(files: &Files, text: &str) -> Result<User, AccountError> {
    let (name, group) = halves(text);
    let name = if name.is_empty() { "0" } else { name };
    let users = users(files)?;
    let number = match named(name)? {
        Account::Number(number) => Some(number),
        Account::Name(_) => None,
    };
    let found = users.iter().find(|user| user.name == name || number == Some(user.uid));
    let (uid, mut gid) = match (found, number) {
        (Some(user), _) => (user.uid, user.gid),
        (None, Some(number)) => (number, 0),
        (None, None) => return Err(AccountError::NoUser { name: name.to_owned() }),
    };
    let mut further = Vec::new();
    match group {
        Some(group) => {
            let number = match named(group)? {
                Account::Number(number) => Some(number),
                Account::Name(_) => None,
            };
            let groups = groups(files)?;
            let found = groups.iter().find(|one| one.name == group || number == Some(one.gid));
            gid = match (found, number) {
                (Some(found), _) => found.gid,
                (None, Some(number)) => number,
                (None, None) => return Err(AccountError::NoGroup { name: group.to_owned() }),
            };
        }
        None => {
            if let Some(user) = found {
                let groups = groups(files)?;
                let in_it = |group: &&Group| group.members.contains(&user.name);
                further.extend(groups.iter().filter(in_it).map(|group| group.gid));
                further.sort_unstable();
                further.dedup();
            }
        }
    }
    let home = found.or_else(|| users.iter().find(|user| user.uid == uid));
    let home = home.map(|user| user.home.clone()).filter(|home| !home.is_empty());
    Ok(User { uid, gid, groups: further, home: home.unwrap_or_else(|| "/".to_owned()) })
}

/// A line of `/etc/passwd`.
struct Line {
    name: String,
    uid: u32,
    gid: u32,
    home: String,
}

/// A line of `/etc/group`.
struct Group {
    name: String,
    gid: u32,
    members: Vec<String>,
}

/// Somebody, as it is written.
enum Account<'a> {
    Number(u32),
    Name(&'a str),
}

fn halves(text: &str) -> (&str, Option<&str>) {
    match text.split_once(':') {
        Some((name, group)) => (name, Some(group).filter(|group| !group.is_empty())),
        None => (text, None),
    }
}

fn named(text: &str) -> Result<Account<'_>, AccountError> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(Account::Name(text));
    }
    // The largest number stands for none.
    let number = text.parse().ok().filter(|number| *number != u32::MAX);
    let wrong = || AccountError::Number { text: text.to_owned() };
    number.map(Account::Number).ok_or_else(wrong)
}

/// The users of an image. Lines that are not well-formed are nobody.
fn users(files: &Files) -> Result<Vec<Line>, AccountError> {
    let line = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?.to_owned();
        let (uid, gid) = (fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?);
        let home = fields.nth(1).unwrap_or_default().to_owned();
        Some(Line { name, uid, gid, home })
    };
    Ok(read(files, "/etc/passwd")?.lines().filter_map(line).collect())
}

fn groups(files: &Files) -> Result<Vec<Group>, AccountError> {
    let group = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?.to_owned();
        let gid = fields.nth(1)?.parse().ok()?;
        let members = fields.next().unwrap_or_default().split(',').map(str::to_owned).collect();
        Some(Group { name, gid, members })
    };
    Ok(read(files, "/etc/group")?.lines().filter_map(group).collect())
}

/// The text of a file; none if there is no such file.
fn read(files: &Files, file: &'static str) -> Result<String, AccountError> {
    let found = files.find(file.as_bytes());
    let found = found.map_err(|cause| AccountError::Archive { file, cause })?;
    let inode = found.and_then(|(_, id)| files.get(id));
    let Some(inode) = inode.filter(|inode| inode.kind == Kind::File) else {
        return Ok(String::new());
    };
    if inode.size > MAX_IMAGE_ACCOUNTS_BYTES {
        return Err(AccountError::TooLarge { file, limit: MAX_IMAGE_ACCOUNTS_BYTES });
    }
    let mut bytes = Vec::new();
    if let Some(content) = &inode.content {
        let reader = content.open();
        let read =
            reader.and_then(|reader| reader.take(MAX_IMAGE_ACCOUNTS_BYTES).read_to_end(&mut bytes));
        read.map_err(|cause| AccountError::Content { file, cause })?;
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use test_case::test_case;

    use super::*;
    use crate::build::held::Held;
    use crate::oci::archive::{Entry, EntryPath};

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nbroken\nweb:x:33:34::/srv/web:/bin/sh\n\
                          other:x:1000:1001:,,,:/home/other\nbad:x:y:z\n12:x:99:98::/:\n";
    const GROUP: &str = "root:x:0:\nwww:x:34:\nmail:x:8:web,other\nstaff:x:50:web\nall:x:7:,web\n";

    fn files(named: &[(&str, &str)]) -> Files {
        let mut files = Files::default();
        let path = |name: &str| EntryPath::parse(name.as_bytes()).unwrap();
        for folder in ["etc", "real"] {
            files.put(&Entry::new(path(folder), Kind::Folder), None).unwrap();
        }
        for (name, text) in named {
            let entry = Entry::file(path(name), text.len() as u64);
            let content = Arc::new(Held::new(text.as_bytes().to_vec()));
            files.put(&entry, Some(content)).unwrap();
        }
        files
    }

    fn image() -> Files {
        files(&[("etc/passwd", PASSWD), ("etc/group", GROUP)])
    }

    #[test_case("root", (0, 0))]
    #[test_case("web", (33, 34) ; "a name brings its group")]
    #[test_case("33", (33, 33) ; "a number is its group")]
    #[test_case("33:8", (33, 8))]
    #[test_case("web:mail", (33, 8))]
    #[test_case("1:www", (1, 34))]
    #[test_case("web:", (33, 34))]
    #[test_case("4294967294:1", (4_294_967_294, 1))]
    fn owners(text: &str, expected: (u32, u32)) {
        assert_eq!(owner(&image(), text).unwrap(), expected);
    }

    #[test]
    fn numbers_need_no_files() {
        assert_eq!(owner(&Files::default(), "5:6").unwrap(), (5, 6));
        let user = user(&Files::default(), "5:6").unwrap();
        assert_eq!((user.uid, user.gid, user.home.as_str()), (5, 6, "/"));
    }

    #[test]
    fn unknown_owners() {
        for text in ["nobody", "nobody:root"] {
            let error = owner(&image(), text).unwrap_err();
            assert!(matches!(&error, AccountError::NoUser { name } if name == "nobody"), "{error}");
            let error = user(&image(), text).unwrap_err();
            assert!(matches!(&error, AccountError::NoUser { name } if name == "nobody"), "{error}");
        }
        let error = owner(&image(), "web:none").unwrap_err();
        assert!(matches!(&error, AccountError::NoGroup { name } if name == "none"), "{error}");
        let error = user(&image(), "web:none").unwrap_err();
        assert!(matches!(&error, AccountError::NoGroup { name } if name == "none"), "{error}");
        for text in ["4294967295", "99999999999", "1:4294967296"] {
            let error = owner(&image(), text).unwrap_err();
            assert!(matches!(error, AccountError::Number { .. }), "{error}");
        }
        assert!(matches!(owner(&Files::default(), "web"), Err(AccountError::NoUser { .. })));
    }

    #[test_case("", 0, 0, &[], "/root" ; "nobody said")]
    #[test_case("web", 33, 34, &[7, 8, 50], "/srv/web")]
    #[test_case("33", 33, 34, &[7, 8, 50], "/srv/web" ; "a number that has a name")]
    #[test_case("web:staff", 33, 50, &[], "/srv/web" ; "with a group it is in no other")]
    #[test_case("1000:0", 1000, 0, &[], "/home/other")]
    #[test_case("77", 77, 0, &[], "/")]
    #[test_case("77:www", 77, 34, &[], "/")]
    #[test_case("77:1234", 77, 1234, &[], "/")]
    #[test_case("12", 99, 98, &[], "/" ; "a name that looks like a number")]
    fn users_of_commands(text: &str, uid: u32, gid: u32, groups: &[u32], home: &str) {
        let user = user(&image(), text).unwrap();
        assert_eq!((user.uid, user.gid), (uid, gid));
        assert_eq!((user.groups.as_slice(), user.home.as_str()), (groups, home));
    }

    #[test]
    fn links_are_followed_inside_the_image() {
        let mut files = files(&[("real/passwd", "in:x:5:5::/:\n")]);
        let link = |name: &str, target: &str| {
            let path = EntryPath::parse(name.as_bytes()).unwrap();
            Entry::new(path, Kind::Symlink(target.as_bytes().into()))
        };
        files.put(&link("etc/passwd", "/../../real/passwd"), None).unwrap();
        assert_eq!(owner(&files, "in").unwrap(), (5, 5));
        files.put(&link("etc/passwd", "passwd"), None).unwrap();
        assert!(matches!(owner(&files, "in"), Err(AccountError::Archive { .. })));
        files.put(&link("etc/passwd", "/etc"), None).unwrap();
        assert!(matches!(owner(&files, "in"), Err(AccountError::NoUser { .. })));
    }

    #[test]
    fn a_huge_file_is_not_read() {
        let mut files = files(&[]);
        let path = EntryPath::parse(b"etc/passwd").unwrap();
        files.put(&Entry::file(path, MAX_IMAGE_ACCOUNTS_BYTES + 1), None).unwrap();
        assert!(matches!(owner(&files, "in"), Err(AccountError::TooLarge { .. })));
    }
}
