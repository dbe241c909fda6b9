//! Which system calls a command may make: those that docker's default profile allows to a
//! container without further rights.
//!
//! Everything else fails as if it was not permitted; calls that are newer than this list, and
//! `clone3`, whose flags cannot be looked at, as if the kernel did not know them, so that programs
//! do it the older way. Where the processor runs 32-bit programs too, they may make the same calls.

use std::collections::BTreeMap;

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch, sock_filter,
};

use crate::build::run::i386;

/// The filters, to be installed in this order.
pub(super) fn filters() -> Result<Vec<BpfProgram>, BackendError> {
    let conditional = [libc::SYS_socket, libc::SYS_personality, libc::SYS_clone, libc::SYS_clone3];
    let native = filter(allowed().map(|(_, number)| *number), conditional)?;
    let newest = allowed().map(|(_, number)| *number).max().unwrap_or_default();
    let first = if cfg!(target_arch = "x86_64") { with_i386(native)? } else { native };
    Ok(vec![first, unknown(newest.max(NEWEST))])
}

/// A filter of one architecture's numbers: of the calls that are allowed whatever their arguments,
/// and of `socket`, `personality`, `clone` and `clone3`.
fn filter(
    allowed: impl Iterator<Item = i64>,
    [socket, personality, clone, clone3]: [i64; 4],
) -> Result<BpfProgram, BackendError> {
    let target = TargetArch::try_from(std::env::consts::ARCH)?;
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        allowed.map(|number| (number, Vec::new())).collect();
    rules.insert(socket, socket_families()?);
    rules.insert(personality, personalities()?);
    rules.insert(clone, vec![no_namespaces()?]);
    rules.insert(clone3, Vec::new());
    let not_permitted = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    SeccompFilter::new(rules, not_permitted, SeccompAction::Allow, target)?.try_into()
}

/// A filter for 64-bit programs, and before it one for those of 32 bits: either begins with a check
/// that it is not asked about the other.
fn with_i386(native: BpfProgram) -> Result<BpfProgram, BackendError> {
    let calls = i386::SHARED.iter().chain(i386::OWN).chain(NEWER).map(|(_, number)| *number);
    let conditional = [i386::SOCKET, i386::PERSONALITY, i386::CLONE, i386::CLONE3];
    let mut older = filter(calls, conditional)?;
    // It was made for the architecture of this program, which its first comparison names.
    let named = older.iter_mut().find(|step| step.code == IF_EQUAL);
    match named {
        Some(step) if step.k == AUDIT_ARCH_X86_64 => step.k = i386::AUDIT_ARCH,
        _ => return Err(BackendError::InvalidTargetArch("i386".to_owned())),
    }
    let over = u32::try_from(older.len()).unwrap_or(u32::MAX);
    let mut both = vec![
        sock_filter { code: LOAD, jt: 0, jf: 0, k: ARCHITECTURE },
        sock_filter { code: IF_EQUAL, jt: 1, jf: 0, k: i386::AUDIT_ARCH },
        sock_filter { code: GO, jt: 0, jf: 0, k: over },
    ];
    both.extend(older);
    both.extend(native);
    Ok(both)
}

/// The names of the calls that are allowed whatever their arguments.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    let own = if cfg!(target_arch = "x86_64") { i386::OWN } else { &[] };
    allowed().chain(own).map(|(name, _)| name.trim_start_matches("SYS_"))
}

/// The architectures whose programs run here, as an OCI runtime names them.
pub(super) fn architectures() -> &'static [&'static str] {
    match std::env::consts::ARCH {
        "x86_64" => &["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"],
        "aarch64" => &["SCMP_ARCH_AARCH64"],
        _ => &[],
    }
}

fn allowed() -> impl Iterator<Item = &'static Call> {
    ALLOWED.iter().chain(ALLOWED_HERE).chain(NEWER)
}

/// Says of `clone3`, and of all calls after the newest known one, that they do not exist.
fn unknown(newest: i64) -> BpfProgram {
    let number = |number: i64| u32::try_from(number).unwrap_or(u32::MAX);
    let no_such_call = RETURN_ERROR | libc::ENOSYS.unsigned_abs();
    vec![
        sock_filter { code: LOAD, jt: 0, jf: 0, k: 0 },
        sock_filter { code: IF_EQUAL, jt: 2, jf: 0, k: number(libc::SYS_clone3) },
        sock_filter { code: IF_GREATER, jt: 1, jf: 0, k: number(newest) },
        sock_filter { code: RETURN, jt: 0, jf: 0, k: RETURN_ALLOW },
        sock_filter { code: RETURN, jt: 0, jf: 0, k: no_such_call },
    ]
}

/// All but `AF_ALG` and `AF_VSOCK`: the kernel's cryptography, and the machine that this one may be
/// a guest of.
fn socket_families() -> Result<Vec<SeccompRule>, BackendError> {
    let family = |operator, value| -> Result<SeccompRule, BackendError> {
        SeccompRule::new(vec![SeccompCondition::new(0, SeccompCmpArgLen::Dword, operator, value)?])
    };
    Ok(vec![
        family(SeccompCmpOp::Lt, 38)?,
        family(SeccompCmpOp::Eq, 39)?,
        family(SeccompCmpOp::Gt, 40)?,
    ])
}

/// Linux, 32-bit Linux, each without random addresses or not changed; and the question.
fn personalities() -> Result<Vec<SeccompRule>, BackendError> {
    let personality = |value| -> Result<SeccompRule, BackendError> {
        let equal = SeccompCmpOp::Eq;
        SeccompRule::new(vec![SeccompCondition::new(0, SeccompCmpArgLen::Dword, equal, value)?])
    };
    PERSONALITIES.into_iter().map(personality).collect()
}

/// `clone` without any of the flags that make a namespace.
fn no_namespaces() -> Result<SeccompRule, BackendError> {
    let none = SeccompCmpOp::MaskedEq(NAMESPACES);
    SeccompRule::new(vec![SeccompCondition::new(0, SeccompCmpArgLen::Qword, none, 0)?])
}

/// The personalities that a command may choose.
pub(super) const PERSONALITIES: [u64; 5] = [0, 8, 0x2_0000, 0x2_0008, 0xffff_ffff];
/// `CLONE_NEWNS`, `NEWCGROUP`, `NEWUTS`, `NEWIPC`, `NEWUSER`, `NEWPID` and `NEWNET`.
pub(super) const NAMESPACES: u64 = 0x7e02_0000;
/// The newest call that was looked at when this list was made; the numbers are the same everywhere
/// (`file_setattr`).
const NEWEST: i64 = 469;

/// Where a call's architecture stands among what a filter is told of it.
const ARCHITECTURE: u32 = 4;
/// Linux's name for the 64-bit architecture.
const AUDIT_ARCH_X86_64: u32 = 0xc000_003e;
const LOAD: u16 = 0x20;
const GO: u16 = 0x05;
const IF_EQUAL: u16 = 0x15;
const IF_GREATER: u16 = 0x25;
const RETURN: u16 = 0x06;
const RETURN_ALLOW: u32 = 0x7fff_0000;
const RETURN_ERROR: u32 = 0x0005_0000;

/// A call's name as the C library has it, and its number.
type Call = (&'static str, i64);

macro_rules! calls {
    ($($name:ident)*) => { &[$((stringify!($name), libc::$name)),*] };
}

/// Calls that every processor has.
const ALLOWED: &[Call] = calls! {
    SYS_accept SYS_accept4 SYS_adjtimex SYS_bind SYS_brk SYS_capget SYS_capset SYS_chdir SYS_chroot
    SYS_clock_adjtime SYS_clock_getres SYS_clock_gettime SYS_clock_nanosleep SYS_close
    SYS_close_range SYS_connect SYS_copy_file_range SYS_dup SYS_dup3 SYS_epoll_create1
    SYS_epoll_ctl SYS_epoll_pwait SYS_epoll_pwait2 SYS_eventfd2 SYS_execve SYS_execveat SYS_exit
    SYS_exit_group SYS_faccessat SYS_faccessat2 SYS_fadvise64 SYS_fallocate SYS_fanotify_mark
    SYS_fchdir SYS_fchmod SYS_fchmodat SYS_fchown SYS_fchownat SYS_fcntl SYS_fdatasync
    SYS_fgetxattr SYS_flistxattr SYS_flock SYS_fremovexattr SYS_fsetxattr SYS_fstat SYS_fstatfs
    SYS_fsync SYS_ftruncate SYS_futex SYS_futex_waitv SYS_get_robust_list SYS_getcpu SYS_getcwd
    SYS_getdents64 SYS_getegid SYS_geteuid SYS_getgid SYS_getgroups SYS_getitimer SYS_getpeername
    SYS_getpgid SYS_getpid SYS_getppid SYS_getpriority SYS_getrandom SYS_getresgid SYS_getresuid
    SYS_getrlimit SYS_getrusage SYS_getsid SYS_getsockname SYS_getsockopt SYS_gettid
    SYS_gettimeofday SYS_getuid SYS_getxattr SYS_inotify_add_watch SYS_inotify_init1
    SYS_inotify_rm_watch SYS_io_cancel SYS_io_destroy SYS_io_getevents SYS_io_setup SYS_io_submit
    SYS_ioctl SYS_ioprio_get SYS_ioprio_set SYS_kill SYS_landlock_add_rule
    SYS_landlock_create_ruleset SYS_landlock_restrict_self SYS_lgetxattr SYS_linkat SYS_listen
    SYS_listxattr SYS_llistxattr SYS_lremovexattr SYS_lseek SYS_lsetxattr SYS_madvise
    SYS_membarrier SYS_memfd_create SYS_memfd_secret SYS_mincore SYS_mkdirat SYS_mknodat SYS_mlock
    SYS_mlock2 SYS_mlockall SYS_mmap SYS_mprotect SYS_mq_getsetattr SYS_mq_notify SYS_mq_open
    SYS_mq_timedreceive SYS_mq_timedsend SYS_mq_unlink SYS_mremap SYS_msgctl SYS_msgget SYS_msgrcv
    SYS_msgsnd SYS_msync SYS_munlock SYS_munlockall SYS_munmap SYS_name_to_handle_at SYS_nanosleep
    SYS_newfstatat SYS_openat SYS_openat2 SYS_pidfd_open SYS_pidfd_send_signal SYS_pipe2
    SYS_pkey_alloc SYS_pkey_free SYS_pkey_mprotect SYS_ppoll SYS_prctl SYS_pread64 SYS_preadv
    SYS_preadv2 SYS_prlimit64 SYS_process_mrelease SYS_process_vm_readv SYS_process_vm_writev
    SYS_pselect6 SYS_ptrace SYS_pwrite64 SYS_pwritev SYS_pwritev2 SYS_read SYS_readahead
    SYS_readlinkat SYS_readv SYS_recvfrom SYS_recvmmsg SYS_recvmsg SYS_remap_file_pages
    SYS_removexattr SYS_renameat2 SYS_restart_syscall SYS_rseq SYS_rt_sigaction SYS_rt_sigpending
    SYS_rt_sigprocmask SYS_rt_sigqueueinfo SYS_rt_sigreturn SYS_rt_sigsuspend SYS_rt_sigtimedwait
    SYS_rt_tgsigqueueinfo SYS_sched_get_priority_max SYS_sched_get_priority_min
    SYS_sched_getaffinity SYS_sched_getattr SYS_sched_getparam SYS_sched_getscheduler
    SYS_sched_rr_get_interval SYS_sched_setaffinity SYS_sched_setattr SYS_sched_setparam
    SYS_sched_setscheduler SYS_sched_yield SYS_seccomp SYS_semctl SYS_semget SYS_semop
    SYS_semtimedop SYS_sendfile SYS_sendmmsg SYS_sendmsg SYS_sendto SYS_set_robust_list
    SYS_set_tid_address SYS_setfsgid SYS_setfsuid SYS_setgid SYS_setgroups SYS_setitimer
    SYS_setpgid SYS_setpriority SYS_setregid SYS_setresgid SYS_setresuid SYS_setreuid SYS_setrlimit
    SYS_setsid SYS_setsockopt SYS_setuid SYS_setxattr SYS_shmat SYS_shmctl SYS_shmdt SYS_shmget
    SYS_shutdown SYS_sigaltstack SYS_signalfd4 SYS_socketpair SYS_splice SYS_statfs SYS_statx
    SYS_symlinkat SYS_sync SYS_sync_file_range SYS_syncfs SYS_sysinfo SYS_tee SYS_tgkill
    SYS_timer_create SYS_timer_delete SYS_timer_getoverrun SYS_timer_gettime SYS_timer_settime
    SYS_timerfd_create SYS_timerfd_gettime SYS_timerfd_settime SYS_times SYS_tkill SYS_truncate
    SYS_umask SYS_uname SYS_unlinkat SYS_utimensat SYS_vmsplice SYS_wait4 SYS_waitid SYS_write
    SYS_writev
};

/// Calls of this processor alone, older forms of the others for the most part.
#[cfg(target_arch = "x86_64")]
const ALLOWED_HERE: &[Call] = calls! {
    SYS_access SYS_alarm SYS_arch_prctl SYS_chmod SYS_chown SYS_creat SYS_dup2 SYS_epoll_create
    SYS_epoll_ctl_old SYS_epoll_wait SYS_epoll_wait_old SYS_eventfd SYS_fork SYS_futimesat
    SYS_get_thread_area SYS_getdents SYS_getpgrp SYS_inotify_init SYS_lchown SYS_link SYS_lstat
    SYS_mkdir SYS_mknod SYS_modify_ldt SYS_open SYS_pause SYS_pipe SYS_poll SYS_readlink SYS_rename
    SYS_renameat SYS_rmdir SYS_select SYS_set_thread_area SYS_signalfd SYS_stat SYS_symlink
    SYS_time SYS_unlink SYS_utime SYS_utimes SYS_vfork
};
#[cfg(target_arch = "aarch64")]
const ALLOWED_HERE: &[Call] = calls! { SYS_renameat SYS_sync_file_range2 };
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const ALLOWED_HERE: &[Call] = &[];

/// Calls that the C library's headers do not name yet; their numbers are the same everywhere.
const NEWER: &[Call] = &[
    ("SYS_cachestat", 451),
    ("SYS_fchmodat2", 452),
    ("SYS_map_shadow_stack", 453),
    ("SYS_futex_wake", 454),
    ("SYS_futex_wait", 455),
    ("SYS_futex_requeue", 456),
    ("SYS_statmount", 457),
    ("SYS_listmount", 458),
    ("SYS_mseal", 462),
    ("SYS_setxattrat", 463),
    ("SYS_getxattrat", 464),
    ("SYS_listxattrat", 465),
    ("SYS_removexattrat", 466),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dangerous_is_not_allowed() {
        let all: Vec<i64> = allowed().map(|(_, number)| *number).collect();
        let refused = [
            libc::SYS_mount,
            libc::SYS_umount2,
            libc::SYS_pivot_root,
            libc::SYS_unshare,
            libc::SYS_setns,
            libc::SYS_bpf,
            libc::SYS_keyctl,
            libc::SYS_add_key,
            libc::SYS_request_key,
            libc::SYS_init_module,
            libc::SYS_finit_module,
            libc::SYS_kexec_load,
            libc::SYS_open_by_handle_at,
            libc::SYS_perf_event_open,
            libc::SYS_reboot,
            libc::SYS_swapon,
            libc::SYS_userfaultfd,
            libc::SYS_io_uring_setup,
            libc::SYS_quotactl,
            libc::SYS_acct,
            libc::SYS_settimeofday,
            libc::SYS_move_mount,
            libc::SYS_open_tree,
            libc::SYS_fsopen,
            libc::SYS_mount_setattr,
            libc::SYS_syslog,
            libc::SYS_clone,
            libc::SYS_clone3,
            libc::SYS_socket,
            libc::SYS_personality,
        ];
        for call in refused {
            assert!(!all.contains(&call), "{call}");
        }
        assert!(all.iter().all(|call| *call <= NEWEST));
    }

    #[test]
    fn what_is_dangerous_is_not_allowed_to_32_bit_programs() {
        // mount, umount, umount2, init_module, syslog, pivot_root, unshare, setns, keyctl, bpf,
        // io_uring_setup; and what depends on arguments
        for call in [21, 22, 52, 128, 103, 217, 310, 346, 288, 357, 425] {
            let mut all = i386::SHARED.iter().chain(i386::OWN);
            assert!(!all.any(|(_, number)| *number == call), "{call}");
        }
        for call in [i386::SOCKET, i386::PERSONALITY, i386::CLONE, i386::CLONE3] {
            let mut all = i386::SHARED.iter().chain(i386::OWN);
            assert!(!all.any(|(_, number)| *number == call), "{call}");
        }
        let names: Vec<&str> = names().collect();
        assert!(i386::SHARED.iter().all(|(name, _)| names.contains(name)));
    }

    #[test]
    fn the_filters_fit_into_the_kernel() {
        for filter in filters().unwrap() {
            assert!(!filter.is_empty() && filter.len() <= 4096);
        }
    }
}
