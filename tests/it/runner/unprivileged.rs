//! Users who are not root, and machines where nothing may be mounted.

use std::os::unix::fs::chown;
use std::path::Path;

use trust::build::run::{Isolation, Sandbox};
use trust::build::runner::{Job, RunError};

use super::world::{World, file, folder, job, owned};

/// Does something as somebody who is not root: threads have users of their own.
fn as_user<T: Send>(uid: u32, world: &World, work: impl FnOnce() -> T + Send) -> T {
    give_all(world.dir.path(), uid);
    std::thread::scope(|scope| {
        let thread = scope.spawn(move || {
            let (user, group) = (rustix::fs::Uid::from_raw(uid), rustix::fs::Gid::from_raw(uid));
            rustix::thread::set_thread_groups(&[]).unwrap();
            rustix::thread::set_thread_res_gid(group, group, group).unwrap();
            rustix::thread::set_thread_res_uid(user, user, user).unwrap();
            work()
        });
        thread.join().unwrap()
    })
}

fn give_all(path: &Path, uid: u32) {
    chown(path, Some(uid), Some(uid)).unwrap();
    if path.is_dir() {
        for entry in std::fs::read_dir(path).unwrap() {
            give_all(&entry.unwrap().path(), uid);
        }
    }
}

#[test]
fn who_is_not_root_runs_commands_too() {
    let world = World::with(&[vec![folder("d"), file("d/x", "x"), file("a", "a")]]);
    as_user(20_000, &world, || {
        assert_eq!(world.says("id -u; id -g; hostname; umask"), "0\n0\nbuildsandbox\n0022\n");
        let status = world.says("grep -e ^CapEff -e ^Seccomp: /proc/self/status");
        assert_eq!(status, "CapEff:\t00000000a80425fb\nSeccomp:\t2\n");
        assert_eq!(world.says("ls /sys/class/net; ls /proc | grep -c '^[0-9]'"), "lo\n4\n");
        let ran = world.sh("rm /a; rm -r /d; mkdir /d; echo n > /d/n; ln /d/n /m; chmod 600 /m");
        assert_eq!(ran.changes(), ["-a", "600 0:0 d/n n", "-d/x", "600 0:0 m = d/n"]);
        assert_ne!(world.sh("echo x > /etc/hosts").outcome.status, 0);
        assert_ne!(world.sh("cat /proc/1/environ").outcome.status, 0);
    });
    assert_eq!(world.leftovers(), Vec::<std::path::PathBuf>::new());
}

#[test]
fn owners_that_cannot_be_are_refused() {
    let world = World::with(&[vec![owned(file("x", "x"), 33, 33, 0o644)]]);
    as_user(20_000, &world, || {
        let error = world.run(&job("true")).err().unwrap();
        assert!(
            matches!(&error, RunError::Unable { what, .. } if what.contains("33:33") && what.contains("/etc/subuid")),
            "{error}"
        );
    });
    let world = World::new();
    as_user(20_000, &world, || {
        let error = world.run(&Job { user: "user".to_owned(), ..job("true") }).err().unwrap();
        assert!(
            matches!(&error, RunError::System { doing, .. } if doing.contains("user")),
            "{error}"
        );
    });
}

#[test]
fn without_mounts_there_is_another_root_folder() {
    let mut world = World::with(&[
        vec![folder("d"), file("d/x", "x"), file("a", "a"), file("w", "1")],
        vec![file(".wh.w", ""), file("d/y", "2")],
    ]);
    world.options.isolation = Isolation::Chroot;
    let ran = world.sh("id -u; ls /d; test ! -e /w; umask; cat < /dev/null");
    assert_eq!((ran.outcome.status, ran.output.as_str()), (0, "0\nx\ny\n0022\n"), "{}", ran.error);
    assert!(ran.outcome.warnings.iter().any(|warning| warning.contains("root folder alone")));
    assert_eq!(ran.changes(), [""; 0]);
    drop(ran);
    let ran = world.sh("rm /a; rm -r /d; mkdir /d; echo n > /d/n; ln /d/n /m; chmod 600 /m");
    assert_eq!(ran.changes(), ["-a", "600 0:0 d/n n", "-d/x", "-d/y", "600 0:0 m = d/n"]);
    drop(ran);
    // What is left to root would lead out of a root folder otherwise.
    for line in ["mknod /disk b 254 0", "chroot / true", "mount -t proc p /tmp"] {
        assert_ne!(world.sh(line).outcome.status, 0, "{line}");
    }
    let ran = world.sh("trap '' TERM; (setsid sh -c 'while :; do sleep 7778; done') & sleep 0.2");
    assert_eq!(ran.outcome.status, 0);
    let left = std::process::Command::new("pgrep").args(["-f", "sleep 777[8]"]).output().unwrap();
    assert!(left.stdout.is_empty());
    drop(ran);
    assert_eq!(world.leftovers(), Vec::<std::path::PathBuf>::new());
}

#[test]
fn the_same_changes_however_the_files_are_laid_out() {
    let layers = || vec![vec![folder("d"), file("d/x", "x"), file("a", "a"), file("b", "b")]];
    let line = "chmod 4755 /a; rm -r /d; mkdir -p /d/e; printf x > /d/x; touch /b; echo 1 > /d/e/1; \
        ln -s x /d/l; mkfifo /tmp/f; rm -r /home; echo t > /home";
    let overlay = World::with(&layers()).sh(line).changes();
    let mut copied = World::with(&layers());
    copied.options.isolation = Isolation::Chroot;
    assert_eq!(copied.sh(line).changes(), overlay);
    // docker's runtime comes with it.
    let runtime = World::with(&layers());
    let runc = Sandbox::with_runtime(runtime.options.clone(), Path::new("/usr/sbin/runc"));
    assert_eq!(runtime.run_in(&runc, &job(line)).unwrap().changes(), overlay);
    let user = World::with(&layers());
    assert_eq!(as_user(20_000, &user, || user.sh(line).changes()), overlay);
}
