//! What is captured of a command.

use super::world::{World, file, folder, link, owned};

#[test]
fn what_a_command_changes_is_what_is_captured() {
    let world = World::with(&[vec![
        file("a", "a"),
        file("b", "b"),
        folder("d"),
        file("d/x", "x"),
        file("d/y", "y"),
        link("l", "a"),
    ]]);
    let changes = |line: &str| world.sh(line).changes();
    assert_eq!(changes("true"), [""; 0]);
    assert_eq!(changes("echo new > /n; chmod 640 /n; chown 5:6 /n"), ["640 5:6 n new"]);
    assert_eq!(changes("rm /a /d/x"), ["-a", "-d/x"]);
    assert_eq!(changes("rm -r /d"), ["-d"]);
    assert_eq!(
        changes("mkdir -p /p/q; ln -s /x /p/l; mkfifo /p/f"),
        ["755 0:0 p/", "644 0:0 p/f fifo", "777 0:0 p/l > /x", "755 0:0 p/q/",]
    );
    assert_eq!(changes("chmod 700 /d"), ["700 0:0 d/"]);
    assert_eq!(changes("rm /l; mkdir /l; echo 1 > /l/x"), ["755 0:0 l/", "644 0:0 l/x 1"]);
    assert_eq!(changes("rm -r /d; echo 1 > /d"), ["644 0:0 d 1"]);
}

#[test]
fn what_comes_to_the_same_is_no_change() {
    let world =
        World::with(&[vec![file("a", "a"), folder("d"), file("d/x", "x"), file("d/y", "y")]]);
    let changes = |line: &str| world.sh(line).changes();
    assert_eq!(changes("touch /a; chmod 600 /a; chmod 644 /a; touch /d"), [""; 0]);
    assert_eq!(changes("printf a > /a2; mv /a2 /a"), [""; 0]);
    assert_eq!(changes("echo x > /n; rm /n"), [""; 0]);
    assert_eq!(
        changes("rm -r /d; mkdir /d; printf x > /d/x; printf n > /d/n"),
        ["644 0:0 d/n n", "-d/y"]
    );
    assert_eq!(
        changes("cat /etc/hosts /etc/resolv.conf > /dev/null; echo x > /dev/shm/x"),
        [""; 0]
    );
}

#[test]
fn hard_links_are_kept() {
    let world = World::with(&[vec![file("a", "a")]]);
    let changes = |line: &str| world.sh(line).changes();
    assert_eq!(
        changes("echo 1 > /z; ln /z /y; ln /z /tmp/x"),
        ["644 0:0 tmp/x 1", "644 0:0 y = tmp/x", "644 0:0 z = tmp/x"]
    );
    assert_eq!(changes("ln /a /b"), ["644 0:0 a a", "644 0:0 b = a"]);
}

#[test]
fn layers_on_top_of_each_other() {
    let world = World::with(&[
        vec![
            owned(folder("d"), 7, 8, 0o750),
            file("d/x", "1"),
            file("d/y", "1"),
            link("s", "d"),
            folder("o"),
            file("o/1", "1"),
            file("w", "1"),
        ],
        // Folders that the layer says nothing of, a parent that is a link, and all that hides.
        vec![
            file("d/z", "2"),
            file("s/linked", "2"),
            file("d/.wh.x", ""),
            file("o/.wh..wh..opq", ""),
            file("o/2", "2"),
            file(".wh.w", ""),
        ],
        vec![folder("w"), file("w/3", "3")],
    ]);
    assert_eq!(world.says("ls /d /o /w"), "/d:\nlinked\ny\nz\n\n/o:\n2\n\n/w:\n3\n");
    assert_eq!(world.says("stat -c '%a %u %g' /d; readlink /s"), "750 7 8\nd\n");
    // A second time from what was laid out the first time.
    assert_eq!(world.says("cat /d/z /s/linked /o/2 /w/3"), "2223");
}

#[test]
fn rights_of_programs_and_sockets() {
    let world = World::new();
    let ran = world.sh("nc -l -U /s & sleep 0.3; test -S /s");
    if ran.outcome.status == 0 {
        assert_eq!(ran.changes(), [""; 0]);
        assert!(ran.outcome.warnings.iter().any(|warning| warning.contains("socket")));
    }
}

#[test]
fn names_that_no_layer_can_hold() {
    let world = World::new();
    let error = world.run(&super::world::job("echo x > /.wh.x")).err().unwrap();
    assert!(error.to_string().contains(".wh.x"), "{error}");
}

#[test]
fn what_a_command_wrote_is_the_folder_of_the_next_layer() {
    let image = [vec![folder("d"), file("d/x", "x"), file("d/y", "y"), file("a", "a")]];
    // Plain changes, links, something that comes to nothing, and a folder made anew.
    let lines = [
        "echo n > /d/n; mkdir -p /e/f; echo 1 > /e/f/1; ln /e/f/1 /e/2; rm /a; ln -s x /l; touch /etc/passwd",
        "rm /d/x; echo y > /d/y; chmod 700 /e; echo t > /tmp/t; rm /tmp/t",
        "rm -r /d; mkdir /d; printf y > /d/y",
    ];
    let list = "find / -xdev -not -path / -exec stat -c '%n %F %a %u %g %h %s %Y' {} ';' | sort | grep -v -e '^/dev ' -e '^/sys ' -e '^/proc '";
    let mut world = World::with(&image);
    for (number, line) in lines.iter().enumerate() {
        let sandbox = world.sandbox();
        let ran = world.run_in(&sandbox, &super::world::job(line)).unwrap();
        let before = world.laid_out().len();
        world.commit(&sandbox, ran);
        let adopted = world.laid_out().len() - before;
        assert_eq!(adopted, usize::from(number < 2), "{line}");
        let now = world.says(list);
        // The same layers, laid out from what was stored.
        let fresh = tempfile::tempdir().unwrap();
        world.options.work = fresh.path().to_owned();
        assert_eq!(world.says(list), now, "{line}");
        world.options.work = world.dir.path().join("work");
    }
}
