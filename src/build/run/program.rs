//! The program that sandboxes are made with: a copy in memory, sealed.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, MemfdFlags, Mode, OFlags, SealFlags, fcntl_add_seals, memfd_create, openat};

/// What is executed.
#[derive(Debug)]
pub(super) enum Program {
    /// A copy that nobody can write to.
    Sealed(OwnedFd),
    /// The file itself, where files in memory cannot be executed.
    File(PathBuf),
}

impl Program {
    /// Copies a program.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let copy = match memfd_create("trust", flags | MemfdFlags::EXEC) {
            // Linux before 6.3.
            Err(rustix::io::Errno::INVAL) => memfd_create("trust", flags),
            made => made,
        };
        // The machine forbids programs in memory (vm.memfd_noexec).
        let Ok(copy) = copy else { return Ok(Self::File(path.to_owned())) };
        let mut from =
            File::from(openat(CWD, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?);
        let mut to = File::from(copy);
        io::copy(&mut from, &mut to)?;
        let copy = OwnedFd::from(to);
        fcntl_add_seals(
            &copy,
            SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE,
        )?;
        Ok(Self::Sealed(copy))
    }

    /// What the kernel is told to execute.
    pub(super) fn path(&self) -> PathBuf {
        match self {
            Self::Sealed(copy) => PathBuf::from(format!("/proc/self/fd/{}", copy.as_raw_fd())),
            Self::File(path) => path.clone(),
        }
    }
}
