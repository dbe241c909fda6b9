//! Whose files they are for a command of somebody who is not root: the numbers of users and groups
//! in a user namespace (`user_namespaces(7)`).

use std::path::Path;
use std::process::Command;

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::process::Pid;

use crate::build::run::messages::Failure;
use crate::crypto::hash::Sha256Hash;
use crate::limits::MAX_ACCOUNTS_BYTES;
use crate::store::files::read_user_file_if_present;

/// Who we are for the files of images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Identity {
    /// Root of the machine.
    Root,
    /// Root of a user namespace that somebody else made.
    RootOfNamespace,
    /// Somebody who becomes root of a new user namespace.
    User(Map),
}

/// What the numbers in a new user namespace stand for outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Map {
    uid: u32,
    gid: u32,
    /// First number and how many, of users and of groups.
    ranges: Option<((u32, u32), (u32, u32))>,
}

/// Whether numbers of further users and groups are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Further {
    Mapped,
    None,
}

impl Identity {
    /// Finds out.
    pub(super) fn here() -> Self {
        let uid = rustix::process::geteuid().as_raw();
        let gid = rustix::process::getegid().as_raw();
        let held = rustix::thread::capabilities(None);
        let may = held
            .is_ok_and(|sets| sets.effective.contains(rustix::thread::CapabilitySet::SYS_ADMIN));
        if may && uid == 0 {
            let map = read(Path::new("/proc/self/uid_map"));
            let words: Vec<&str> = map.split_whitespace().collect();
            return match words.as_slice() {
                ["0", "0", "4294967295"] | [] => Self::Root,
                _ => Self::RootOfNamespace,
            };
        }
        let ranges =
            further(uid, Path::new("/etc/subuid")).zip(further(uid, Path::new("/etc/subgid")));
        Self::User(Map { uid, gid, ranges })
    }

    /// A word that tells apart who gives files which owners on disk.
    pub(super) fn owners(&self) -> String {
        match self {
            Self::Root => "root".to_owned(),
            Self::RootOfNamespace => {
                let map =
                    read(Path::new("/proc/self/uid_map")) + &read(Path::new("/proc/self/gid_map"));
                short(&map)
            }
            Self::User(map) => short(&format!("{map:?}")),
        }
    }
}

impl Map {
    /// The map without further users and groups.
    pub(super) fn alone(&self) -> Self {
        Self { ranges: None, ..*self }
    }

    /// Gives the numbers in the user namespace of a process their meaning.
    pub(super) fn apply(&self, process: Pid) -> Result<Further, Failure> {
        let pid = process.as_raw_nonzero().get();
        if let Some((users, groups)) = self.ranges {
            let helped = with_help("newuidmap", pid, self.uid, users)
                && with_help("newgidmap", pid, self.gid, groups);
            return if helped {
                Ok(Further::Mapped)
            } else {
                Err(Failure::new(
                    crate::build::run::messages::FailureKind::Unable,
                    "newuidmap and newgidmap (package uidmap) do not give this user the numbers \
                     of /etc/subuid and /etc/subgid",
                ))
            };
        }
        let of = |error| Failure::system("to map a user into a user namespace", error);
        write(&format!("/proc/{pid}/setgroups"), "deny").map_err(of)?;
        write(&format!("/proc/{pid}/uid_map"), &format!("0 {} 1", self.uid)).map_err(of)?;
        write(&format!("/proc/{pid}/gid_map"), &format!("0 {} 1", self.gid)).map_err(of)?;
        Ok(Further::None)
    }

    /// Whether there are numbers of further users.
    pub(super) fn has_further(&self) -> bool {
        self.ranges.is_some()
    }
}

/// Has a program of the system do it, which may; `false` if it is not there or refuses.
fn with_help(program: &str, pid: i32, id: u32, (first, count): (u32, u32)) -> bool {
    let numbers = [pid.to_string(), "0".into(), id.to_string(), "1".into(), "1".into()];
    let mut command = Command::new(program);
    command.args(numbers).args([first.to_string(), count.to_string()]);
    command.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::null());
    let done = command.stderr(std::process::Stdio::null()).status();
    done.is_ok_and(|status| status.success())
}

/// The first range that a user has in one of the two files (subuid(5)).
fn further(uid: u32, file: &Path) -> Option<(u32, u32)> {
    let text = text(file);
    let name = name_of(uid);
    let number = uid.to_string();
    text.lines().find_map(|line| {
        let mut fields = line.trim().split(':');
        let who = fields.next()?;
        if who != number && name.as_deref() != Some(who) {
            return None;
        }
        let (first, count) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        (count > 0).then_some((first, count))
    })
}

fn name_of(uid: u32) -> Option<String> {
    let accounts = text(Path::new("/etc/passwd"));
    accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

fn text(file: &Path) -> String {
    let bytes = read_user_file_if_present(file, MAX_ACCOUNTS_BYTES);
    String::from_utf8_lossy(&bytes.ok().flatten().unwrap_or_default()).into_owned()
}

/// A file of `/proc` that has one page at most.
fn read(file: &Path) -> String {
    let mut bytes = [0; 4096];
    let length = openat(CWD, file, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        .and_then(|file| rustix::io::read(&file, &mut bytes[..]))
        .unwrap_or_default();
    String::from_utf8_lossy(bytes.get(..length).unwrap_or_default()).into_owned()
}

fn write(path: &str, text: &str) -> Result<(), rustix::io::Errno> {
    let file = openat(CWD, path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    rustix::io::write(&file, text.as_bytes()).map(drop)
}

fn short(text: &str) -> String {
    let mut hex = Sha256Hash::of(text.as_bytes()).to_string();
    hex.truncate(12);
    hex
}
