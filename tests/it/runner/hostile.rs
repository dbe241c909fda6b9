//! Images and commands that want out, and commands that do not want to end.

use std::io::Read;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use trust::build::runner::{Job, Mountable, Mounted, RunError};
use trust::crypto::secret::SecretBytes;

use super::world::{World, file, folder, job, link};

/// A secret mounted at a path of an image that was made for an attack.
fn mount_at(world: &World, target: &str) -> Result<super::world::Ran, RunError> {
    let what =
        Mountable::Held { bytes: SecretBytes::new(b"s".to_vec()), mode: 0o444, owner: (0, 0) };
    let mounts = vec![Mounted { target: target.to_owned(), what }];
    world.run(&Job { mounts, ..job("find / -xdev -name found 2>/dev/null; true") })
}

#[test]
fn links_at_the_targets_of_mounts_stay_inside() {
    let outside = tempfile::tempdir().unwrap();
    let up = format!("{}{}", "../".repeat(40), outside.path().display());
    let absolute = outside.path().to_str().unwrap().to_owned();
    let world = World::with(&[vec![
        link("up", &up),
        link("absolute", &absolute),
        link("etc/hosts", &format!("{absolute}/hosts")),
        link("etc/resolv.conf", "../../../../../../run/resolv.conf"),
        link("magic", concat!("/proc/self", "/root", "/found")),
    ]]);
    for target in ["/up/found", "/absolute/found", "/../../found", "/magic"] {
        let ran = mount_at(&world, target).unwrap();
        assert_eq!(ran.outcome.status, 0, "{target}");
        assert_eq!(ran.changes(), [""; 0], "{target}");
    }
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
}

#[test]
fn folders_of_the_kernel_must_be_folders() {
    for name in ["proc", "dev", "sys"] {
        let world = World::with(&[vec![link(name, "/etc")]]);
        let error = world.run(&job("true")).err().unwrap();
        assert!(matches!(&error, RunError::NotInImage { what } if what.contains(name)), "{error}");
    }
    let world = World::with(&[vec![link("a", "b"), link("b", "a")]]);
    let error = mount_at(&world, "/a/x").err().unwrap();
    assert!(matches!(error, RunError::System { .. }), "{error}");
    let error = mount_at(&world, "/").err().unwrap();
    assert!(matches!(error, RunError::Unsupported { .. }), "{error}");
}

#[test]
fn layers_do_not_write_outside() {
    let outside = tempfile::tempdir().unwrap();
    let absolute = outside.path().to_str().unwrap().to_owned();
    let world = World::with(&[
        vec![link("out", &absolute), link("up", "../../../../../../../..")],
        vec![file("out/escaped", "x"), file("up/tmp/escaped", "x"), file("out/.wh.x", "")],
    ]);
    assert_eq!(
        world.says("find / -xdev -name escaped | sort"),
        format!("{absolute}/escaped\n/tmp/escaped\n")
    );
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
}

#[test]
fn the_program_that_runs_commands_cannot_be_overwritten() {
    let program = World::new().options.program;
    let before = std::fs::metadata(&program).unwrap();
    // As runc once was attacked: a command that is the runtime itself.
    let script = file("self", "#!/proc/self/exe\n");
    let world = World::with(&[vec![super::world::owned(script, 0, 0, 0o755)]]);
    drop(world.run(&super::world::exec(&["/self"])));
    drop(world.run(&super::world::exec(&["/proc/self/exe"])));
    let tries = "for p in /proc/[0-9]*; do echo x > $p/exe; cat < $p/exe > /stolen-$$; done 2>/dev/null; true";
    world.sh(tries);
    let after = std::fs::metadata(&program).unwrap();
    assert_eq!(
        (before.len(), before.modified().unwrap()),
        (after.len(), after.modified().unwrap())
    );
}

#[test]
fn descriptors_do_not_leak() {
    // This test process has files open; the kernel closes them only if told to.
    let leak = std::fs::File::open("/etc/hostname")
        .or_else(|_| std::fs::File::open("/etc/passwd"))
        .unwrap();
    rustix::io::fcntl_setfd(&leak, rustix::io::FdFlags::empty()).unwrap();
    let folder = std::fs::File::open("/").unwrap();
    rustix::io::fcntl_setfd(&folder, rustix::io::FdFlags::empty()).unwrap();
    let world = World::new();
    assert_eq!(world.says("ls /proc/self/fd"), "0\n1\n2\n3\n", "3 is the folder itself");
    for descriptor in 3..20 {
        let folder = format!("/proc/self/fd/{descriptor}");
        let ran = world.run(&Job { folder, ..job("ls; pwd") });
        assert!(ran.is_err() || !ran.unwrap().output.contains("vmlinuz"), "{descriptor}");
    }
}

#[test]
fn a_command_that_forks_without_end_is_ended() {
    let world = World::new();
    // The command itself ends; what it left behind must not.
    let ran = world.sh("trap '' TERM HUP INT; (while :; do sleep 100 & done) & sleep 1; exit 3");
    assert_eq!(ran.outcome.status, 3);
    assert_eq!(world.leftovers(), Vec::<std::path::PathBuf>::new());
}

#[test]
fn processes_are_bounded_where_the_kernel_can() {
    let world = World::new();
    let host = std::fs::read_to_string("/proc/sys/kernel/pid_max").unwrap();
    let inside = world.says("cat /proc/sys/kernel/pid_max");
    assert_eq!(std::fs::read_to_string("/proc/sys/kernel/pid_max").unwrap(), host);
    assert!(inside == "16384\n" || inside == host, "{inside}");
}

#[test]
fn whoever_started_it_takes_it_along() {
    let world = World::new();
    let images = super::world::tagged(&world, "localhost/shell:1");
    let mut run = Command::new(&world.options.program);
    run.args(["run", "--layout"]).arg(images).args(["localhost/shell:1", "/bin/sh", "-c"]);
    run.arg("trap '' TERM INT HUP; echo started; (while :; do sleep 7777; done) & sleep 7777");
    run.env("XDG_CACHE_HOME", world.dir.path().join("cache")).env_remove("DOCKER_CONTENT_TRUST");
    run.env("HOME", world.dir.path());
    for how in ["-KILL", "-TERM", "-INT"] {
        let mut child = run.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut started = [0; 8];
        child.stdout.as_mut().unwrap().read_exact(&mut started).unwrap();
        let pid = child.id().to_string();
        let inside = descendants(child.id());
        assert!(inside.len() >= 3, "keeper, first process, command: {inside:?}");
        let mounts = std::fs::read_to_string("/proc/mounts").unwrap();
        assert!(!mounts.contains(world.dir.path().to_str().unwrap()), "{mounts}");
        assert!(Command::new("kill").args([how, &pid]).status().unwrap().success());
        if how != "-KILL" {
            // A terminal sends Ctrl-C to all who are in front.
            for process in &inside {
                let process = process.to_string();
                drop(Command::new("kill").args([how, &process]).stderr(Stdio::null()).status());
            }
        }
        child.wait().unwrap();
        let until = Instant::now() + Duration::from_secs(30);
        while inside.iter().any(|pid| is_alive(*pid)) {
            assert!(Instant::now() < until, "{how}: {inside:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// All that come from a process.
fn descendants(pid: u32) -> Vec<u32> {
    let children =
        std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let mut all = Vec::new();
    for child in children.split_whitespace().map(|child| child.parse().unwrap()) {
        all.push(child);
        all.extend(descendants(child));
    }
    all
}

/// Whether a process is there, and not only waits to be noticed.
fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

#[test]
fn a_disk_that_is_full_is_told() {
    let Some(disk) = super::world::small_disk() else { return };
    let world = World::with_work(disk.path());
    let ran = world.sh("cat /dev/zero > /big");
    assert_ne!(ran.outcome.status, 0);
    assert!(
        ran.outcome.warnings.iter().any(|warning| warning.contains("full")),
        "{:?}",
        ran.outcome.warnings
    );
    drop(ran);
    assert_eq!(world.leftovers(), Vec::<std::path::PathBuf>::new());
}

#[test]
fn deep_folders_can_be_removed_and_refused() {
    let world = World::new();
    let error = world.run(&job(
        "cd /tmp; i=0; while [ $i -lt 100 ]; do d=$(printf 'x%.0s' $(seq 1 200)); mkdir $d && cd $d || exit 9; i=$((i+1)); done",
    ));
    assert!(error.is_err());
    assert_eq!(world.leftovers(), Vec::<std::path::PathBuf>::new());
    let world = World::with(&[vec![folder("keep")]]);
    assert_eq!(world.sh("true").changes(), [""; 0]);
}
