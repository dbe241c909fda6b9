//! What becomes of a build that somebody stops, and of what it was lent.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::command::with_shell;
use super::world::World;
use crate::peers::process::search_path;

/// How long anything may take before the test gives up.
const PATIENCE: Duration = Duration::from_mins(1);

fn wait_for(what: &str, mut is_there: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_there() {
        assert!(Instant::now() < deadline, "{what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Processes of the machine with this word among their arguments.
fn processes_with(word: &str) -> Vec<String> {
    let folders = fs::read_dir("/proc").unwrap().flatten();
    let commands = folders.filter_map(|folder| fs::read(folder.path().join("cmdline")).ok());
    let commands = commands.map(|command| String::from_utf8_lossy(&command).replace('\0', " "));
    commands.filter(|command| command.contains(word)).collect()
}

#[test]
fn a_build_that_is_stopped_leaves_no_process_no_mount_and_no_image() {
    for (signal, codes) in [(Signal::INT, [130, 2]), (Signal::TERM, [143, 15])] {
        // A command that does not listen, with a child that left its session.
        let word = format!("31{}{}", std::process::id(), signal.as_raw());
        let world = with_shell(&format!(
            "RUN trap '' INT TERM; /bin/busybox setsid /bin/busybox sleep {word} & \
             /bin/busybox sleep {word}; true\n"
        ));
        let words = ["build", "-t", "app:1", "app"].map(str::to_owned);
        let mut command = world.user.trust_command(&words);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        wait_for("the command does not begin", || processes_with(&word).len() >= 2);
        let id = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
        kill_process(id, signal).unwrap();
        let mut status = None;
        wait_for("the build does not end", || {
            status = child.try_wait().unwrap();
            status.is_some()
        });
        let status = status.unwrap();
        let code = status.code().or(status.signal()).unwrap();
        assert!(codes.contains(&code), "{signal:?}: {status}");
        wait_for("processes are left", || processes_with(&word).is_empty());
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        assert!(!mounts.contains(world.user.home().to_str().unwrap()), "{mounts}");
        let listed = world.user.trust(&["images", "-a", "--format", "{{.ID}}"]).success();
        assert_eq!(listed.stdout, "", "{signal:?}");
        // And the next build is not in its way.
        let rest = fs::read_to_string(world.path("app/Dockerfile")).unwrap().replace(&word, "0");
        fs::write(world.path("app/Dockerfile"), rest).unwrap();
        world.digest(&["app"]);
    }
}

/// An agent of a person, with one key; gone with its test.
struct Agent {
    id: Pid,
}

impl Drop for Agent {
    fn drop(&mut self) {
        kill_process(self.id, Signal::TERM).ok();
    }
}

fn output(program: &str, words: &[&str], variables: &[(&str, &str)]) -> String {
    let mut command = Command::new(program);
    command.args(words).env_clear().env("PATH", search_path()).envs(variables.iter().copied());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{program} {words:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Copies a program of this machine, and the libraries that it wants, to where it has them.
fn copy_program(program: &str, root: &Path) {
    let libraries = output("ldd", &[program], &[]);
    let libraries = libraries.split_whitespace().filter(|word| word.starts_with('/'));
    for file in libraries.chain([program]) {
        let to = root.join(file.trim_start_matches('/'));
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(file, to).unwrap();
    }
}

#[test]
fn an_agent_is_lent_to_a_command_and_its_keys_stay_where_they_are() {
    let mut world = World::with(&[(
        "Dockerfile",
        "FROM scratch\nCOPY tree /\n\
         RUN --mount=type=ssh [\"/usr/bin/ssh-add\", \"-L\"]\n",
    )]);
    copy_program("/usr/bin/ssh-add", &world.path("app/tree"));
    fs::create_dir_all(world.path("app/tree/etc")).unwrap();
    fs::write(world.path("app/tree/etc/passwd"), "root:x:0:0::/:/bin/sh\n").unwrap();
    let (key, socket) = (world.text("key"), world.text("agent"));
    output("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-C", "of-the-test", "-f", &key], &[]);
    let said = output("ssh-agent", &["-s", "-a", &socket], &[]);
    let id = said.split("SSH_AGENT_PID=").nth(1).unwrap().split(';').next().unwrap();
    let _agent = Agent { id: Pid::from_raw(id.parse().unwrap()).unwrap() };
    output("ssh-add", &["-q", &key], &[("SSH_AUTH_SOCK", &socket)]);
    let public = fs::read_to_string(world.path("key.pub")).unwrap();

    world.user.set("SSH_AUTH_SOCK", &socket);
    for flag in ["default".to_owned(), format!("default={socket}")] {
        let words = ["--ssh", &flag, "--no-cache", "--progress", "plain", "app"];
        let built = world.build(&words).success();
        assert!(built.stderr.contains(public.trim()), "{built:?}");
        assert!(built.stderr.contains("Not fixed by the inputs: ssh: RUN"), "{built:?}");
        let config = world.config(built.stdout.trim()).to_string();
        assert!(!config.contains(&socket), "{config}");
    }
    // Who was not lent one does not get at it.
    let refused = world.build(&["--no-cache", "app"]).expect_code(15);
    assert!(!refused.stderr.contains(public.trim()), "{refused:?}");
    world.user.unset("SSH_AUTH_SOCK");
    let refused = world.build(&["--ssh", "default", "app"]).expect_code(2);
    assert!(refused.stderr.contains("SSH_AUTH_SOCK"), "{refused:?}");
}
