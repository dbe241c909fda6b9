//! What a command sees, and what it does not.

use super::world::{World, exec, job, owned, path};
use trust::oci::archive::Entry;

#[test]
fn a_command_runs_and_its_exit_code_is_told() {
    let world = World::new();
    assert_eq!(world.says("echo hello"), "hello\n");
    let ran = world.sh("echo to-error >&2; exit 7");
    assert_eq!((ran.outcome.status, ran.error.as_str()), (7, "to-error\n"));
    assert_eq!(world.sh("kill -9 $$").outcome.status, 137);
    assert_eq!(world.leftovers(), Vec::<std::path::PathBuf>::new());
}

#[test]
fn nothing_of_the_machine_is_seen() {
    let world = World::new();
    assert_eq!(world.says("hostname"), "buildsandbox\n");
    assert_eq!(world.says("umask; pwd; id -u; id -g; id -G"), "0022\n/\n0\n0\n0\n");
    let environment = world.says("env | sort | grep -v -e ^PWD= -e ^SHLVL=");
    assert_eq!(environment, "HOME=/root\nPATH=/bin\n");
    assert_eq!(world.says("ls /"), "bin\ndev\netc\nhome\nproc\nroot\nsys\ntmp\n");
    assert_eq!(world.says("ls /proc | grep -c '^[0-9]'").trim(), "4", "init, sh, ls and grep");
    assert_eq!(world.says("ls /sys/class/net"), "lo\n");
    assert_eq!(world.says("ip -o link | grep -c UP").trim(), "1");
    assert_eq!(world.says("cat /proc/net/route | wc -l").trim(), "1", "no way out");
    assert_eq!(world.says("ls -A /sys/firmware"), "");
    assert_eq!(
        world.says("cat /proc/kcore /proc/keys /proc/timer_list 2>/dev/null | wc -c").trim(),
        "0"
    );
    assert_eq!(
        world.says("ls /dev"),
        "fd\nfull\nmqueue\nnull\nptmx\npts\nrandom\nshm\nstderr\nstdin\nstdout\ntty\nurandom\nzero\n"
    );
    assert_eq!(world.says("cat; readlink /proc/self/fd/0"), "/dev/null\n");
    assert_eq!(
        world.says("cat /etc/hosts"),
        "127.0.0.1\tlocalhost buildsandbox\n::1\tlocalhost ip6-localhost ip6-loopback\n"
    );
    let mounts = world.says("cut -d' ' -f2 /proc/mounts");
    assert!(!mounts.contains("/tmp/") && !mounts.contains("work"), "{mounts}");
}

#[test]
fn a_command_has_dockers_rights_and_no_more() {
    let world = World::new();
    let status = world.says("grep -e ^Cap -e ^Seccomp: -e ^NoNewPrivs /proc/self/status");
    let expected = "CapInh:\t0000000000000000\nCapPrm:\t00000000a80425fb\n\
         CapEff:\t00000000a80425fb\nCapBnd:\t00000000a80425fb\nCapAmb:\t0000000000000000\n\
         NoNewPrivs:\t0\nSeccomp:\t2\n";
    assert_eq!(status, expected);
    let refused = |line: &str| assert_ne!(world.sh(line).outcome.status, 0, "{line}");
    refused("mount -t tmpfs none /tmp");
    refused("umount /proc");
    refused("unshare -m true");
    refused("hostname other");
    refused("echo 1 > /proc/sys/vm/drop_caches");
    refused("echo b > /proc/sysrq-trigger");
    refused("echo x > /etc/hosts");
    refused("rm /etc/resolv.conf");
    refused("chroot / mount -t proc proc /proc");
    refused("swapoff -a");
    refused("mkdir /sys/x");
    refused("readlink /proc/1/fd/0");
    refused("cat /proc/1/environ");
    refused("readlink /proc/1/exe");
    refused("kill -9 1; kill -0 1 && test ! -d /proc/1");
}

/// A program for Linux on i386: writes `32`, and ends with what `keyctl`, `clone3` and a socket of
/// the kernel's cryptography fail with, added up.
#[cfg(target_arch = "x86_64")]
fn program_of_32_bits() -> Vec<u8> {
    const BASE: u32 = 0x0804_8000;
    let code: &[u8] = &[
        0xb8, 4, 0, 0, 0, 0xbb, 1, 0, 0, 0, 0xb9, 0xa6, 0x80, 0x04, 0x08, 0xba, 3, 0, 0, 0, 0xcd,
        0x80, // write(1, text, 3)
        0xb8, 0x20, 1, 0, 0, 0x31, 0xdb, 0x31, 0xc9, 0x31, 0xd2, 0xcd, 0x80, 0x89,
        0xc6, // keyctl
        0xb8, 0xb3, 1, 0, 0, 0x31, 0xdb, 0x31, 0xc9, 0xcd, 0x80, 0x01, 0xc6, // clone3
        0xb8, 0x67, 1, 0, 0, 0xbb, 38, 0, 0, 0, 0xb9, 5, 0, 0, 0, 0x31, 0xd2, 0xcd, 0x80, 0x01,
        0xc6, // socket(AF_ALG, SOCK_SEQPACKET)
        0xf7, 0xde, 0x89, 0xf3, 0xb8, 1, 0, 0, 0, 0xcd, 0x80, // exit(-sum)
    ];
    let size = u32::try_from(84 + code.len() + 3).unwrap();
    let mut elf = b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x03\0".to_vec();
    for word in [1, BASE + 84, 52, 0, 0] {
        elf.extend(u32::to_le_bytes(word));
    }
    for half in [52_u16, 32, 1, 0, 0, 0] {
        elf.extend(half.to_le_bytes());
    }
    for word in [1, 0, BASE, BASE, size, size, 5, 0x1000] {
        elf.extend(u32::to_le_bytes(word));
    }
    elf.extend(code);
    assert_eq!(BASE + u32::try_from(elf.len()).unwrap(), 0x0804_80a6);
    elf.extend(b"32\n");
    elf
}

#[test]
#[cfg(target_arch = "x86_64")]
fn programs_of_32_bits_run_within_the_same_bounds() {
    let program = program_of_32_bits();
    let entry = Entry::file(path("bin/older"), program.len() as u64);
    let world = World::with(&[vec![owned((entry, program), 0, 0, 0o755)]]);
    let ran = world.run(&exec(&["/bin/older"])).unwrap();
    // Not permitted, not known, not permitted.
    assert_eq!((ran.outcome.status, ran.output.as_str()), (1 + 38 + 1, "32\n"));
}

#[test]
fn devices_can_be_made_but_not_used() {
    let world = World::new();
    let ran = world.sh("mknod /disk b 254 0 && cat /disk");
    assert_ne!(ran.outcome.status, 0);
    let ran = world.sh("mknod /dev/disk b 254 0 && cat /dev/disk");
    assert_ne!(ran.outcome.status, 0);
    let ran = world.sh("mknod /dev/shm/mem c 1 1 && cat /dev/shm/mem");
    assert_ne!(ran.outcome.status, 0);
    assert_eq!(world.says("head -c 4 /dev/zero | wc -c; echo x > /dev/null").trim(), "4");
}

#[test]
fn users_are_looked_up_in_the_image() {
    let world = World::new();
    let as_user = |user: &str, line: &str| {
        let ran = world.run(&trust::build::runner::Job { user: user.to_owned(), ..job(line) });
        ran.unwrap().output
    };
    assert_eq!(
        as_user("user", "id -u; id -g; id -G; echo $HOME"),
        "1000\n1000\n1000 2000\n/home\n"
    );
    assert_eq!(as_user("1234:99", "id -u; id -g; id -G"), "1234\n99\n99\n");
    let capabilities = as_user("user", "grep -e CapPrm -e CapEff /proc/self/status");
    assert_eq!(capabilities, "CapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n");
}

#[test]
fn set_user_id_programs_work() {
    use super::world::{file, owned};
    let busybox = std::fs::read("/usr/bin/busybox").unwrap();
    let entry = Entry::file(path("bin/su"), busybox.len() as u64);
    let world = World::with(&[vec![owned((entry, busybox), 0, 0, 0o4755), file("x", "x")]]);
    let ran = world.run(&trust::build::runner::Job {
        user: "user".to_owned(),
        ..job("/bin/su -c 'id -u' 2>&1; grep NoNewPrivs /proc/self/status")
    });
    let output = ran.unwrap().output;
    assert!(output.contains("NoNewPrivs:\t0"), "{output}");
}

#[test]
fn programs_that_cannot_be_run() {
    use trust::build::runner::RunError;
    let world = World::new();
    let error = |arguments: &[&str]| world.run(&exec(arguments)).err().unwrap();
    for missing in [&["nothing"][..], &["/bin/nothing"]] {
        let error = error(missing);
        assert!(
            matches!(&error, RunError::NotInImage { what } if what.contains("nothing")),
            "{error}"
        );
    }
    for refused in [&["/etc/passwd"][..], &["/etc"]] {
        let error = error(refused);
        assert!(matches!(&error, RunError::NotExecutable { .. }), "{error}");
    }
    assert_eq!(world.leftovers(), Vec::<std::path::PathBuf>::new());
}
