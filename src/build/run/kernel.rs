//! The calls that have no safe form: the one file of this program with unsafe code.
//!
//! All but [`before_exec`] concern this process alone, which has one thread.

#![expect(unsafe_code, reason = "namespaces, descriptors and system call filters of a sandbox")]

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::thread::UnshareFlags;
use seccompiler::sock_filter;

/// Leaves namespaces. Descriptors stay shared: `flags` must not have [`UnshareFlags::FILES`].
pub(super) fn unshare(flags: UnshareFlags) -> io::Result<()> {
    let flags = flags.difference(UnshareFlags::FILES);
    // SAFETY: the one flag that is not safe was taken out.
    Ok(unsafe { rustix::thread::unshare_unsafe(flags) }?)
}

/// Has all descriptors but the first three closed when another program takes this one's place.
pub(super) fn close_descriptors_on_exec() -> io::Result<()> {
    // SAFETY: a flag of descriptors is set; none is closed, so nobody's is taken away.
    let outcome = unsafe {
        libc::syscall(
            libc::SYS_close_range,
            FIRST_FURTHER,
            libc::c_uint::MAX,
            libc::CLOSE_RANGE_CLOEXEC,
        )
    };
    if outcome == 0 {
        return Ok(());
    }
    // Linux before 5.11.
    let folder = rustix::fs::open(
        "/proc/self/fd",
        rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::CLOEXEC,
        rustix::fs::Mode::empty(),
    )?;
    for entry in rustix::fs::Dir::read_from(&folder)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let Ok(descriptor) = name.parse::<libc::c_int>() else { continue };
        if descriptor > 2 {
            // SAFETY: as above; a descriptor that is gone by now is an error that says so.
            unsafe { libc::fcntl(descriptor, libc::F_SETFD, libc::FD_CLOEXEC) };
        }
    }
    Ok(())
}

/// The first descriptor after the standard ones.
const FIRST_FURTHER: libc::c_uint = 3;

/// Has the kernel ask a filter about every system call from now on, of this process and of all that
/// come from it. Whoever may not administrate its user namespace must have given up new rights.
pub(super) fn install_filter(filter: &[sock_filter]) -> io::Result<()> {
    #[repr(C)]
    struct Program {
        length: libc::c_ushort,
        filter: *const sock_filter,
    }
    let length = libc::c_ushort::try_from(filter.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let program = Program { length, filter: filter.as_ptr() };
    let no_flags: libc::c_ulong = 0;
    // SAFETY: the kernel copies `length` instructions from where `filter` points, which is as many
    // as the slice has, and keeps neither address. `sock_filter` is laid out as the kernel's.
    let outcome = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            no_flags,
            &raw const program,
        )
    };
    if outcome == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Has the child of a process with one thread do something before it becomes another program.
pub(super) fn before_exec(
    command: &mut Command,
    work: impl FnMut() -> io::Result<()> + Send + Sync + 'static,
) {
    // SAFETY: after a fork of a process with several threads, locks may be held by threads that are
    // not there. Whoever calls this has one thread, so everything that works before works then.
    unsafe { command.pre_exec(work) };
}
