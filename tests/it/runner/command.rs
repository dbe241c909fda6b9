//! `trust run` and `trust commit`, the program as a whole.

use std::path::PathBuf;
use std::process::{Command, Output};

use super::world::{World, tagged};

struct Person {
    world: World,
    layout: PathBuf,
}

impl Person {
    fn new() -> Self {
        let world = World::new();
        let layout = tagged(&world, "localhost/shell:1");
        Self { world, layout }
    }

    fn trust(&self, arguments: &[&str]) -> Output {
        let (command, rest) = arguments.split_first().unwrap();
        let mut program = Command::new(&self.world.options.program);
        program.env_clear().env("HOME", self.world.dir.path()).env("PATH", "/usr/bin:/bin");
        program.env("GIVEN", "here");
        program.arg(command).arg("--layout").arg(&self.layout).args(rest).output().unwrap()
    }

    /// What it prints; it must succeed.
    fn says(&self, arguments: &[&str]) -> String {
        let output = self.trust(arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn code(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.trust(arguments);
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    }
}

const IMAGE: &str = "localhost/shell:1";

#[test]
fn a_command_of_an_image() {
    let person = Person::new();
    assert_eq!(person.says(&["run", IMAGE, "echo", "-n", "a", "--rm"]), "a --rm");
    assert_eq!(person.says(&["run", IMAGE, "pwd"]), "/\n");
    let line = "echo $A $B $GIVEN; pwd; id -u; hostname";
    let flags =
        ["-e", "A=1", "-e", "GIVEN", "-e", "NONE", "-w", "/tmp", "-u", "user", "--hostname", "h"];
    let said = person.says(&[&["run"][..], &flags, &[IMAGE, "sh", "-c", line]].concat());
    assert_eq!(said, "1 here\n/tmp\n1000\nh\n");
    let said = person.says(&["run", "--entrypoint", "echo", IMAGE, "x"]);
    assert_eq!(said, "x\n");
    let said =
        person.says(&["run", "--add-host", "other:10.0.0.1", IMAGE, "tail", "-1", "/etc/hosts"]);
    assert_eq!(said, "10.0.0.1\tother\n");
}

#[test]
fn exit_codes_are_the_commands_or_dockers() {
    let person = Person::new();
    let code = |arguments: &[&str]| person.code(arguments);
    assert_eq!(code(&["run", IMAGE, "sh", "-c", "echo no >&2; exit 3"]), (3, "no\n".to_owned()));
    assert_eq!(code(&["run", IMAGE, "sh", "-c", "kill -TERM $$"]).0, 143);
    assert_eq!(code(&["run", IMAGE, "nothing"]).0, 127);
    assert_eq!(code(&["run", IMAGE, "/etc/passwd"]).0, 126);
    assert_eq!(code(&["run", "-t", IMAGE, "sh"]).0, 125);
    assert_eq!(code(&["run", "-u", "nobody-here", IMAGE, "sh"]).0, 127);
    assert_eq!(code(&["run", "--platform", "linux/s390x", "Not A Name", "sh"]).0, 125);
    let (code, error) =
        code(&["run", "--trust", "--server", "http://127.0.0.1:9", IMAGE, "echo", "ran"]);
    assert_eq!(code, 125, "{error}");
}

#[test]
fn what_is_typed_and_folders_of_the_machine() {
    use std::io::Write;
    use std::process::Stdio;
    let person = Person::new();
    let mut program = Command::new(&person.world.options.program);
    program.env_clear().env("HOME", person.world.dir.path());
    program.arg("run").arg("--layout").arg(&person.layout);
    let mut child = program
        .args(["-i", IMAGE, "cat"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let typed = "line\n".repeat(50_000);
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn({
        let typed = typed.clone();
        move || stdin.write_all(typed.as_bytes()).unwrap()
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.stdout == typed.as_bytes(), "{} bytes", output.stdout.len());
    let folder = tempfile::tempdir().unwrap();
    let volume = format!("{}:/v", folder.path().display());
    person.says(&["run", "-v", &volume, IMAGE, "touch", "/v/made"]);
    assert!(folder.path().join("made").exists());
    let read_only = format!("{volume}:ro");
    assert_ne!(person.code(&["run", "-v", &read_only, IMAGE, "touch", "/v/other"]).0, 0);
}

#[test]
fn what_a_command_changed_becomes_an_image() {
    let person = Person::new();
    let make = |name: &str| {
        person.says(&["run", "--name", name, IMAGE, "sh", "-c", "echo x > /made; rm /etc/group"]);
        let image = format!("localhost/{name}:1");
        let id = person.says(&[
            "commit",
            "-m",
            "why",
            "--change",
            "CMD [\"cat\", \"/made\"]",
            name,
            &image,
        ]);
        (image, id)
    };
    let (one, id) = make("one");
    let (_, again) = make("two");
    assert_eq!(id, again, "the same changes, the same image");
    assert_eq!(person.says(&["run", &one]), "x\n");
    assert_ne!(person.code(&["run", &one, "ls", "/etc/group"]).0, 0);
    let history = person.says(&["history", "--json", &one]);
    assert!(history.contains("why"), "{history}");
    assert_eq!(person.code(&["commit", "nothing", "localhost/x:1"]).0, 8);
    // Nothing is kept that nobody asked for.
    person.says(&["run", IMAGE, "touch", "/x"]);
    assert_eq!(person.says(&["images", "-q"]).lines().count(), 5);
}
