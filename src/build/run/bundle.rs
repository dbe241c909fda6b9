//! A bundle for an OCI runtime, and running it (OCI runtime-spec, `config.json`).
//!
//! The image is mounted by ourselves, where nobody else sees it; the rest is the runtime's, told to do
//! as docker would.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use rustix::thread::UnshareFlags;
use serde_json::{Map, Value, json};

use crate::build::run::init::{DEFAULT_CAPABILITIES, Setup, reap};
use crate::build::run::keeper::{ROOT, STAGE_FOLDER};
use crate::build::run::messages::{Answer, Failure, FailureKind, Mount, MountKind, Raw, Spec};
use crate::build::run::{kernel, regardless, root, system_calls};

/// Runs the command with a runtime, and says what came of it.
pub(super) fn run(
    runtime: &Path,
    setup: &Setup,
    held: &[OwnedFd],
    input: Option<OwnedFd>,
) -> Result<Answer, Failure> {
    kernel::unshare(UnshareFlags::NEWNS).map_err(|error| {
        let words = "a namespace of mounts cannot be made: that takes CAP_SYS_ADMIN";
        Failure::new(FailureKind::NoNamespaces, words).because(error)
    })?;
    let (stubs, _stage) = root::prepare(setup, held)?;
    let name = runtime.file_name().map(|name| name.to_string_lossy().into_owned());
    let name = name.unwrap_or_default();
    if name.contains("crun") {
        // It refuses machines that have both kinds of control groups, though it is to use none.
        if unmount("/sys/fs/cgroup/unified", UnmountFlags::DETACH) == Err(Errno::INVAL) {
            // A user namespace cannot take away what was mounted before, but cover it.
            regardless(mount("tmpfs", "/sys/fs/cgroup", "tmpfs", MountFlags::RDONLY, None));
        }
    }
    let controls_devices = !name.contains("crun") && !setup.marks_for_user;
    let folder = setup.run.path().join("bundle");
    let written = rustix::fs::mkdir(&folder, rustix::fs::Mode::RWXU)
        .map_err(std::io::Error::from)
        .and_then(|()| write(&folder.join("config.json"), &config(setup, controls_devices)));
    written.map_err(|error| Failure::system("to write a bundle", error))?;
    let mut command = Command::new(runtime);
    command.arg("--root").arg(setup.run.path().join("state"));
    if name.contains("crun") {
        command.arg("--cgroup-manager=disabled");
    }
    let id = setup.run.path().file_name().unwrap_or_default();
    command.arg("run").arg("--bundle").arg(&folder).arg(id);
    command.env_clear().env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    command.stdin(input.map_or_else(Stdio::null, Stdio::from));
    let child = command.spawn().map_err(|error| {
        let words = format!("{} cannot be run", runtime.display());
        Failure::new(FailureKind::Unable, words).because(error)
    })?;
    let status = reap(child.id())?;
    Ok(Answer::Ended { status, stubs: stubs.into_iter().map(Raw).collect() })
}

fn write(path: &Path, document: &Value) -> std::io::Result<()> {
    use std::io::Write;
    let flags =
        rustix::fs::OFlags::WRONLY | rustix::fs::OFlags::CREATE | rustix::fs::OFlags::CLOEXEC;
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    let file = rustix::fs::open(path, flags, mode)?;
    std::fs::File::from(file).write_all(document.to_string().as_bytes())
}

/// What the runtime is told. Where no control group keeps a command from devices, it may make none.
fn config(setup: &Setup, controls_devices: bool) -> Value {
    let spec = &setup.spec;
    let mut capabilities = if spec.insecure { all_capabilities() } else { default_capabilities() };
    if !controls_devices && !spec.insecure {
        // Nothing else would keep the command from the devices that it makes.
        capabilities.retain(|name| *name != "CAP_MKNOD");
    }
    let mut namespaces = vec![
        json!({"type": "pid"}),
        json!({"type": "ipc"}),
        json!({"type": "uts"}),
        json!({"type": "mount"}),
    ];
    if !spec.host_network {
        namespaces.push(json!({"type": "network"}));
    }
    let environment: Vec<String> =
        spec.environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let mut linux = Map::from_iter([("namespaces".to_owned(), json!(namespaces))]);
    if controls_devices && !spec.insecure {
        let devices = json!({"devices": [{"allow": false, "access": "rwm"}]});
        linux.insert("resources".to_owned(), devices);
    }
    if !spec.insecure {
        linux.insert("maskedPaths".to_owned(), json!(root::MASKED));
        linux.insert("readonlyPaths".to_owned(), json!(root::READ_ONLY));
        linux.insert("seccomp".to_owned(), seccomp());
    }
    json!({
        "ociVersion": "1.0.2",
        "process": {
            "terminal": false,
            "user": {
                "uid": spec.uid, "gid": spec.gid, "additionalGids": spec.groups, "umask": 0o022,
            },
            "args": spec.arguments,
            "env": environment,
            "cwd": if spec.folder.is_empty() { "/" } else { &spec.folder },
            "capabilities": {
                "bounding": capabilities, "effective": capabilities, "permitted": capabilities,
            },
            "noNewPrivileges": false,
        },
        "root": {"path": setup.run.path().join(ROOT), "readonly": false},
        "hostname": spec.hostname,
        "mounts": mounts(setup, spec),
        "linux": linux,
    })
}

fn mounts(setup: &Setup, spec: &Spec) -> Vec<Value> {
    let mount = |target: &str, kind: &str, source: &str, options: &[&str]| json!({"destination": target, "type": kind, "source": source, "options": options});
    let kernel = ["nosuid", "noexec", "nodev"];
    let mut all = vec![
        mount("/proc", "proc", "proc", &kernel),
        mount("/dev", "tmpfs", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
        mount(
            "/dev/pts",
            "devpts",
            "devpts",
            &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"],
        ),
        mount(
            "/dev/shm",
            "tmpfs",
            "shm",
            &["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"],
        ),
        mount("/dev/mqueue", "mqueue", "mqueue", &kernel),
    ];
    if !(spec.host_network && setup.marks_for_user) {
        all.push(mount("/sys", "sysfs", "sysfs", &["nosuid", "noexec", "nodev", "ro"]));
    }
    let stage = setup.run.path().join(STAGE_FOLDER);
    let staged = |name: &str| stage.join(name).display().to_string();
    for name in ["hosts", "resolv.conf"] {
        let options = ["bind", "ro", "nosuid", "nodev", "noexec"];
        all.push(mount(&format!("/etc/{name}"), "bind", &staged(name), &options));
    }
    for (number, Mount { target, what }) in spec.mounts.iter().enumerate() {
        all.push(match what {
            MountKind::Bind { source, read_only } => {
                let source = source.path().display().to_string();
                let access = if *read_only { "ro" } else { "rw" };
                mount(target, "bind", &source, &["bind", access, "nodev"])
            }
            MountKind::Tmpfs { size } => {
                let size = size.map(|size| format!("size={size}"));
                let mut options = vec!["nosuid", "nodev"];
                options.extend(size.as_deref());
                mount(target, "tmpfs", "tmpfs", &options)
            }
            MountKind::Held { .. } => {
                let source = staged(&format!("held-{number}"));
                mount(target, "bind", &source, &["bind", "ro", "nosuid", "nodev"])
            }
            MountKind::Socket { source, .. } => {
                let source = source.path().display().to_string();
                mount(target, "bind", &source, &["bind", "rw"])
            }
        });
    }
    all
}

fn seccomp() -> Value {
    let names: Vec<&str> = system_calls::names().collect();
    let allow = |names: &[&str], arguments: Value| json!({"names": names, "action": "SCMP_ACT_ALLOW", "args": arguments});
    let argument =
        |operator: &str, value: u64| json!([{"index": 0, "value": value, "op": operator}]);
    let mut calls = vec![json!({"names": names, "action": "SCMP_ACT_ALLOW"})];
    for value in system_calls::PERSONALITIES {
        calls.push(allow(&["personality"], argument("SCMP_CMP_EQ", value)));
    }
    calls.push(allow(&["socket"], argument("SCMP_CMP_LT", 38)));
    calls.push(allow(&["socket"], argument("SCMP_CMP_EQ", 39)));
    calls.push(allow(&["socket"], argument("SCMP_CMP_GT", 40)));
    let masked = json!([{
        "index": 0, "value": system_calls::NAMESPACES, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ",
    }]);
    calls.push(allow(&["clone"], masked));
    calls.push(json!({
        "names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": libc::ENOSYS,
    }));
    json!({
        "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": libc::EPERM,
        "architectures": system_calls::architectures(), "syscalls": calls,
    })
}

fn default_capabilities() -> Vec<&'static str> {
    let is_default = |number: usize| DEFAULT_CAPABILITIES.bits() & (1 << number) != 0;
    let all = CAPABILITIES.iter().enumerate();
    all.filter(|(number, _)| is_default(*number)).map(|(_, name)| *name).collect()
}

fn all_capabilities() -> Vec<&'static str> {
    let held = rustix::thread::capabilities(None).map(|sets| sets.permitted.bits());
    let has = |number: usize| held.is_ok_and(|held| held & (1 << number) != 0);
    let all = CAPABILITIES.iter().enumerate();
    all.filter(|(number, _)| has(*number)).map(|(_, name)| *name).collect()
}

/// By their numbers (capabilities(7)).
const CAPABILITIES: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_capabilities_are_dockers() {
        let names = default_capabilities();
        assert_eq!(names.len(), 14);
        assert!(names.contains(&"CAP_AUDIT_WRITE") && !names.contains(&"CAP_SYS_ADMIN"));
    }

    #[test]
    fn the_filter_allows_what_ours_does() {
        let document = seccomp().to_string();
        assert!(document.contains("\"openat\"") && !document.contains("\"mount\""));
    }
}
