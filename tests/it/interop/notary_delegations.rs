//! Delegations of any name and depth: what either tool stages, publishes or mends, the other reads
//! and goes on with.

use std::fs;
use std::path::Path;

use crate::peers::process::Finished;
use crate::peers::{NotaryOptions, NotaryServer, User};

/// The collection of these tests: no image, and no registry.
const GUN: &str = "example.com/team/collection";

#[test]
fn what_is_staged_is_what_notary_stages() {
    let (ours, theirs) = (User::new(), User::new());
    ours.trust(&["key", "generate", "alice"]).success();
    let certificate = super::world::certificate_of(&ours, "alice");
    for user in [&ours, &theirs] {
        fs::write(user.home().join("alice.crt"), &certificate).unwrap();
    }
    fs::copy(ours.home().join("alice.pub"), theirs.home().join("alice.pub")).unwrap();
    let (one, two) = ("1".repeat(64), "2".repeat(64));
    let both = format!("{one},{two}");
    let rows: &[&[&str]] = &[
        &["add", GUN, "targets/a", "alice.crt"],
        &["add", GUN, "targets/a", "alice.pub", "--paths", "b/,a", "--paths", "\"c,d\""],
        &["add", GUN, "targets/a", "alice.pub", "alice.crt", "--all-paths"],
        &["add", GUN, "targets/a", "--paths", "naïve <&>"],
        &["add", GUN, "targets/a", "--all-paths", "--paths", "x"],
        &["add", GUN, "targets/a_1/b-2/c", "alice.crt", "--paths", "x"],
        &["remove", GUN, "targets/a", &one],
        &["remove", GUN, "targets/a", &one, &two, "--paths", "x,y"],
        &["remove", GUN, "targets/a", "--all-paths"],
        &["remove", GUN, "targets/a", &one, "--all-paths", "--paths", "x"],
        &["remove", GUN, "targets/a", "--paths", "x"],
        &["remove", GUN, "targets/a/b", "-y"],
        &["purge", GUN, "--key", &both, "--key", &one],
    ];
    for row in rows {
        let said = ours.trust(&[&["delegation"], *row].concat()).success();
        let wanted = theirs.notary(&[&["delegation"], *row].concat()).success();
        assert_eq!(said.stdout, "");
        let wanted = wanted.stdout.trim();
        let wanted = wanted.rsplit("\n\n").next().unwrap();
        assert_eq!(said.stderr.trim_end(), wanted.replace('\t', "  "), "{row:?}");
        let (said, wanted) = (changes(&ours), changes(&theirs));
        assert!(!said.is_empty());
        assert_eq!(said, wanted, "{row:?}");
        for user in [&ours, &theirs] {
            fs::remove_dir_all(changelist(user)).unwrap();
        }
    }
}

#[test]
fn what_notary_refuses_is_refused_and_stages_nothing() {
    let user = User::new();
    user.trust(&["key", "generate", "alice"]).success();
    fs::copy(super::world::key_file(&user, "alice"), user.home().join("alice.key")).unwrap();
    let rows: &[(&[&str], i32)] = &[
        (&["add", GUN, "targets/a"], 2),
        (&["add", GUN, "targets/A", "alice.pub"], 2),
        (&["add", GUN, "root", "alice.pub"], 2),
        (&["add", GUN, "targets", "alice.pub"], 2),
        (&["add", GUN, "targets/*", "alice.pub"], 2),
        (&["add", GUN, "targets/a", "nobody.pub"], 8),
        (&["add", GUN, "targets/a", "alice.key"], 11),
        (&["add", GUN, "targets/a", "alice.pub", "--paths", ""], 2),
        (&["remove", GUN, "targets/*", "-y"], 2),
        (&["remove", GUN, "targets", "-y"], 2),
        (&["remove", GUN, "targets/a", "abc"], 2),
        (&["remove", GUN, "targets/a"], 2),
        (&["purge", GUN], 2),
        (&["purge", GUN, "--key", "abc"], 2),
    ];
    for (row, code) in rows {
        let said = user.trust(&[&["delegation"], *row].concat()).expect_code(*code);
        assert!(said.stderr.starts_with("error: "), "{said:?}");
    }
    assert!(!changelist(&user).exists());
}

/// A collection with nested roles and paths, made by one tool; both must read the same of it.
#[test]
fn nested_roles_with_paths_are_listed_alike() {
    for maker in [Trust, Notary] {
        let (_server, owner) = collection(maker);
        let add = |role: &str, rest: &[&str]| {
            let key = role.replace('/', "-");
            owner.trust(&["key", "generate", &key]).success();
            let file = format!("{key}.pub");
            maker.run(&owner, &[&["delegation", "add", GUN, role, &file], rest].concat()).success();
        };
        add("targets/level1", &["--paths", "a/,b/,c"]);
        // Notary does not publish a path beyond those of the role above; we warn, and nobody
        // heeds it.
        let beyond = if maker == Trust { "a/x,b/,d" } else { "a/x,b/" };
        add("targets/level1/level2", &["--paths", beyond]);
        add("targets/level1/level2/level3", &["--paths", "a/x/"]);
        add("targets/other", &["--all-paths"]);
        publish(&owner, maker);
        assert_same_delegations(&owner);
        let target = |role: &str, name: &str, content: &str| {
            fs::write(owner.home().join("content"), content).unwrap();
            maker.run_on(&owner, "target", &["add", GUN, name, "content", "-r", role]).success();
        };
        target("targets", "a/top", "top");
        target("targets", "shared", "by the top");
        for (role, name) in [
            ("targets/level1", "a/top"),
            ("targets/level1", "a/one"),
            ("targets/level1", "a/x"),
            ("targets/level1", "b/one"),
            ("targets/level1/level2", "a/x"),
            ("targets/level1/level2", "a/x/two"),
            ("targets/level1/level2", "b/two"),
            ("targets/level1/level2/level3", "a/x/three"),
            ("targets/level1/level2/level3", "a/x/two"),
            ("targets/other", "shared"),
            ("targets/other", "a/x"),
            ("targets/other", "b/two"),
            ("targets/other", "d"),
        ] {
            target(role, name, &format!("{role} on {name}"));
        }
        publish(&owner, maker);
        assert_same_targets(&owner, 9);
        // A path that is taken away hides what was signed under it, below, too.
        let narrow = ["delegation", "remove", GUN, "targets/level1", "--paths", "b/"];
        maker.run(&owner, &narrow).success();
        publish(&owner, maker);
        assert_same_delegations(&owner);
        assert_same_targets(&owner, 8);
        // What nobody will heed is said when it is staged, by what is known here.
        let wide = ["delegation", "add", GUN, "targets/level1/level2", "--paths", "elsewhere"];
        let added = owner.trust(&wide).success();
        let warning = "the path elsewhere of targets/level1/level2 counts for nothing";
        assert!(added.stderr.contains(warning), "{added:?}");
        owner.trust(&["repo", "reset", GUN, "--all"]).success();
        let found = owner.trust(&["target", "lookup", GUN, "b/two"]).success();
        let by_other = sha256("targets/other on b/two");
        assert_eq!(found.stdout, format!("b/two sha256:{by_other} 22\n"));
        // Nobody signs outside the paths.
        fs::write(owner.home().join("content"), "x").unwrap();
        let outside = ["target", "add", GUN, "d", "content", "-r", "targets/level1/level2"];
        owner.trust(&outside).success();
        let refused = owner.trust(&["repo", "publish", GUN]).expect_code(12);
        assert!(refused.stderr.contains("may not sign `d`"), "{refused:?}");
        assert_eq!(changes(&owner).len(), 1);
    }
}

#[test]
fn what_one_stages_the_other_publishes() {
    let (_server, owner) = collection(Notary);
    for name in ["a", "b", "c"] {
        owner.trust(&["key", "generate", name]).success();
    }
    owner
        .trust(&["delegation", "add", GUN, "targets/a", "a.pub", "b.pub", "--paths", "x,y"])
        .success();
    owner.notary(&["delegation", "add", GUN, "targets/b", "b.pub", "--all-paths"]).success();
    owner.trust(&["delegation", "add", GUN, "targets/a/c", "c.pub", "--paths", "x/"]).success();
    // The second and fourth of these are the other's: publishing takes the order of staging.
    assert_eq!(changes(&owner).len(), 6);
    let status = owner.notary(&["status", GUN]).success().stdout;
    let ours = owner.trust(&["repo", "status", GUN]).success().stdout;
    assert_eq!(rows(&status), rows(&ours));
    owner.notary(&["publish", GUN]).success();
    assert_eq!(changes(&owner).len(), 0);
    let listed = assert_same_delegations(&owner);
    assert!(listed.contains("targets/a/c"), "{listed}");

    owner.notary(&["delegation", "remove", GUN, "targets/a", "--paths", "x"]).success();
    owner.trust(&["delegation", "rm", GUN, "targets/a/c", "-y"]).success();
    owner
        .notary(&["delegation", "purge", GUN, "--key", &key_ids(&owner, "targets/b")[0]])
        .success();
    owner.trust(&["delegation", "add", GUN, "targets/b", "c.pub"]).success();
    owner.trust(&["repo", "publish", GUN]).success();
    assert_eq!(changes(&owner).len(), 0);
    let listed = assert_same_delegations(&owner);
    assert!(!listed.contains("targets/a/c"), "{listed}");
    let row = |role: &str| {
        owner.trust(&["delegation", "ls", GUN, "--format",
        &format!("{{{{if eq .Role \"{role}\"}}}}{{{{len .KeyIDs}}}} {{{{join .Paths \",\"}}}}{{{{end}}}}")])
        .success().stdout.trim().to_owned()
    };
    assert_eq!(row("targets/a"), "1 y");
    assert_eq!(row("targets/b"), "1");
}

#[test]
fn a_role_that_lost_its_signer_is_mended_by_either() {
    let (_server, owner) = collection(Trust);
    for (name, mender) in [("ours", "trust"), ("theirs", "notary")] {
        let role = format!("targets/{name}");
        let (old, new) = (format!("{name}-old"), format!("{name}-new"));
        for key in [&old, &new] {
            owner.trust(&["key", "generate", key]).success();
        }
        let (old_file, new_file) = (format!("{old}.pub"), format!("{new}.pub"));
        let add = ["delegation", "add", GUN, &role, &old_file, "--all-paths", "-p"];
        owner.trust(&add).success();
        fs::write(owner.home().join("content"), name).unwrap();
        owner.trust(&["target", "add", GUN, name, "content", "-r", &role, "-p"]).success();
        owner.trust(&["delegation", "add", GUN, &role, &new_file, "-p"]).success();
        let (old, new) = {
            let ids = key_ids(&owner, &role);
            let old = owner.trust(&["key", "inspect", &old_file, "--format", "{{.ID}}"]).success();
            let old = old.stdout.trim().to_owned();
            let new = ids.iter().find(|id| **id != old).unwrap().clone();
            assert!(ids.contains(&old));
            (old, new)
        };
        let removed = owner.trust(&["delegation", "rm", GUN, &role, &old]).success();
        let warning =
            format!("the key {new} is here, and mends that with `trust repo witness {GUN} {role}`");
        assert!(removed.stderr.contains(&warning), "{removed:?}");
        let published = owner.trust(&["repo", "publish", GUN]).success();
        assert_eq!(published.stdout, "");
        // Both leave out what nobody may have signed.
        let ours = owner.trust(&["delegation", "ls", GUN]).success();
        assert!(ours.stderr.contains(&format!("{role} cannot be used")), "{ours:?}");
        owner.notary(&["lookup", GUN, name]).expect_code(1);
        owner.trust(&["target", "lookup", GUN, name]).expect_code(3);
        match mender {
            "trust" => owner.trust(&["repo", "witness", GUN, &role, "-p"]),
            _ => owner.notary(&["witness", GUN, &role, "-p"]),
        }
        .success();
        let ours = owner.trust(&["delegation", "ls", GUN]).success();
        assert!(!ours.stderr.contains(&format!("{role} cannot be used")), "{ours:?}");
        let found = owner.trust(&["target", "lookup", GUN, name]).success();
        assert_eq!(found.stdout, owner.notary(&["lookup", GUN, name]).success().stdout);
        // Staged together with its remedy it is no cause for a warning.
        let stranger = owner.trust(&["delegation", "rm", GUN, &role, &old]).success();
        assert!(stranger.stderr.contains(&format!("{role} has no key {old}")), "{stranger:?}");
        owner.trust(&["repo", "reset", GUN, "--all"]).success();
    }
    let last = key_ids(&owner, "targets/ours").remove(0);
    let removed = owner.trust(&["delegation", "rm", GUN, "targets/ours", &last, "-p"]).success();
    assert!(removed.stderr.contains("targets/ours has 0 of the 1 keys it needs"), "{removed:?}");
    assert_same_delegations(&owner);
}

#[test]
fn a_role_that_comes_back_begins_above_its_last_version() {
    for (remover, server_signs) in
        [("trust", false), ("trust", true), ("notary", false), ("notary", true)]
    {
        let (server, owner) = collection(Notary);
        if server_signs {
            owner.notary(&["key", "rotate", GUN, "snapshot", "-r"]).success();
        }
        owner.trust(&["key", "generate", "first"]).success();
        owner.trust(&["key", "generate", "second"]).success();
        let add = ["delegation", "add", GUN, "targets/back", "first.pub", "--all-paths", "-p"];
        owner.trust(&add).success();
        for name in ["one", "two", "three"] {
            fs::write(owner.home().join("content"), name).unwrap();
            let target = ["target", "add", GUN, name, "content", "-r", "targets/back", "-p"];
            owner.trust(&target).success();
        }
        assert_eq!(version(&server, "targets/back"), 3);
        match remover {
            "trust" => owner.trust(&["delegation", "rm", GUN, "targets/back", "-y", "-p"]),
            _ => owner.notary(&["delegation", "remove", GUN, "targets/back", "-y", "-p"]),
        }
        .success();
        owner.trust(&["target", "lookup", GUN, "one"]).expect_code(3);
        // Staged together: the role, and what it signs first.
        let add = ["delegation", "add", GUN, "targets/back", "second.pub", "--all-paths"];
        let added = owner.trust(&add).success();
        // A snapshot that notary signed for its owner does not list the role any more.
        let is_listed = remover == "trust" || server_signs;
        assert_eq!(added.stderr.contains("targets/back was there before"), is_listed, "{added:?}");
        fs::write(owner.home().join("content"), "four").unwrap();
        owner.trust(&["target", "add", GUN, "four", "content", "-r", "targets/back"]).success();
        owner.trust(&["repo", "publish", GUN]).success();
        assert_eq!(version(&server, "targets/back"), 4);
        owner.trust(&["target", "lookup", GUN, "one"]).expect_code(3);
        let found = owner.trust(&["target", "lookup", GUN, "four"]).success();
        assert_eq!(found.stdout, owner.notary(&["lookup", GUN, "four"]).success().stdout);
        // Removed and made again in one go.
        owner.trust(&["delegation", "rm", GUN, "targets/back", "-y"]).success();
        let add = ["delegation", "add", GUN, "targets/back", "first.pub", "--all-paths"];
        owner.trust(&add).success();
        fs::write(owner.home().join("content"), "five").unwrap();
        owner.trust(&["target", "add", GUN, "five", "content", "-r", "targets/back"]).success();
        owner.trust(&["repo", "publish", GUN]).success();
        assert_eq!(version(&server, "targets/back"), 5);
        owner.notary(&["lookup", GUN, "four"]).expect_code(1);
        owner.trust(&["target", "lookup", GUN, "four"]).expect_code(3);
        let found = owner.trust(&["target", "lookup", GUN, "five"]).success();
        assert_eq!(found.stdout, owner.notary(&["lookup", GUN, "five"]).success().stdout);
    }
}

/// People who hold no targets key publish below what was delegated to them, with either tool.
#[test]
fn holders_of_delegations_publish_and_delegate_on() {
    let (server, owner) = collection(Notary);
    owner.notary(&["key", "rotate", GUN, "snapshot", "-r"]).success();
    let (qa, nightly) = (person(&server), person(&server));
    qa.trust(&["key", "generate", "qa"]).success();
    nightly.trust(&["key", "generate", "nightly"]).success();
    hand_over(&qa, "qa.pub", &owner);
    hand_over(&nightly, "nightly.pub", &qa);
    owner
        .trust(&["delegation", "add", GUN, "targets/qa", "qa.pub", "--paths", "qa/", "-p"])
        .success();
    for (round, maker) in [("a", Trust), ("b", Notary)] {
        let nested = format!("targets/qa/nightly-{round}");
        let add = ["delegation", "add", GUN, &nested, "nightly.pub", "--paths", "qa/n", "-p"];
        maker.run(&qa, &add).success();
        let name = format!("qa/n-{round}");
        fs::write(nightly.home().join("content"), &name).unwrap();
        maker
            .run_on(&nightly, "target", &["add", GUN, &name, "content", "-r", &nested, "-p"])
            .success();
        fs::write(qa.home().join("content"), &name).unwrap();
        let own = format!("qa/{round}");
        maker
            .run_on(&qa, "target", &["add", GUN, &own, "content", "-r", "targets/qa", "-p"])
            .success();
        for name in [&name, &own] {
            for reader in [&owner, &qa, &nightly, &person(&server)] {
                let ours = reader.trust(&["target", "lookup", GUN, name]).success();
                assert_eq!(ours.stdout, reader.notary(&["lookup", GUN, name]).success().stdout);
            }
        }
    }
    assert_same_delegations(&nightly);
    // What is not theirs to sign is refused, and stays staged.
    let theft = ["delegation", "add", GUN, "targets/mine", "qa.pub", "--all-paths", "-p"];
    let refused = qa.trust(&theft).expect_code(11);
    assert!(refused.stderr.contains("keys needed to sign targets"), "{refused:?}");
    assert_eq!(changes(&qa).len(), 2);
    qa.trust(&["repo", "reset", GUN, "--all"]).success();

    // A purge by the owner passes the nested roles by, and says so; then their holder purges.
    hand_over(&nightly, "nightly.pub", &owner);
    owner
        .trust(&["delegation", "add", GUN, "targets/top", "nightly.pub", "--all-paths", "-p"])
        .success();
    let key = key_ids(&owner, "targets/top").remove(0);
    let purged = owner.trust(&["delegation", "purge", GUN, "--key", &key, "-p"]).success();
    assert!(purged.stderr.contains("the delegations of targets/qa keep the keys"), "{purged:?}");
    assert_eq!(key_ids(&owner, "targets/top"), [""; 0]);
    assert_eq!(key_ids(&owner, "targets/qa/nightly-a"), [key.as_str()]);
    let purged = qa.trust(&["delegation", "purge", GUN, "--key", &key, "-p"]).success();
    assert!(!purged.stderr.contains("keep the keys"), "{purged:?}");
    assert_eq!(key_ids(&owner, "targets/qa/nightly-a"), [""; 0]);
    assert_eq!(key_ids(&owner, "targets/qa/nightly-b"), [""; 0]);
    assert_same_delegations(&owner);
}

#[test]
fn a_key_that_moves_from_one_tool_to_the_other_signs_there() {
    let (server, owner) = collection(Notary);
    owner.notary(&["key", "rotate", GUN, "snapshot", "-r"]).success();
    let (here, there) = (person(&server), person(&server));
    here.trust(&["key", "generate", "alice"]).success();
    there.trust(&["key", "generate", "bob"]).success();
    for (user, file, role) in
        [(&here, "alice.pub", "targets/alice"), (&there, "bob.pub", "targets/bob")]
    {
        hand_over(user, file, &owner);
        owner.trust(&["delegation", "add", GUN, role, file, "--all-paths", "-p"]).success();
    }
    here.trust(&["key", "export", "-o", "ours.pem"]).success();
    there.notary(&["key", "export", "-o", "theirs.pem"]).success();
    hand_over(&here, "ours.pem", &there);
    hand_over(&there, "theirs.pem", &here);
    there.notary(&["key", "import", "ours.pem"]).success();
    here.trust(&["key", "import", "theirs.pem"]).success();
    fs::write(there.home().join("content"), "by notary with alice's key").unwrap();
    there.notary(&["add", GUN, "a", "content", "-r", "targets/alice", "-p"]).success();
    fs::write(here.home().join("content"), "by trust with bob's key").unwrap();
    here.trust(&["target", "add", GUN, "b", "content", "-r", "targets/bob", "-p"]).success();
    for name in ["a", "b"] {
        let ours = owner.trust(&["target", "lookup", GUN, name]).success();
        assert_eq!(ours.stdout, owner.notary(&["lookup", GUN, name]).success().stdout);
    }
}

/// Which of the two programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tool {
    Trust,
    Notary,
}

use Tool::{Notary, Trust};

impl Tool {
    /// Runs a command that both have under the same name.
    #[must_use = "ask for its `success` or an exit code"]
    fn run(self, user: &User, args: &[&str]) -> Finished {
        match self {
            Trust => user.trust(args),
            Notary => user.notary(args),
        }
    }

    /// Runs a command on a collection that we have as `trust WORD …`.
    #[must_use = "ask for its `success` or an exit code"]
    fn run_on(self, user: &User, word: &str, args: &[&str]) -> Finished {
        match self {
            Trust => user.trust(&[&[word], args].concat()),
            Notary => user.notary(args),
        }
    }
}

/// A trust server, and the owner of a collection on it that `maker` set up.
fn collection(maker: Tool) -> (NotaryServer, User) {
    let server = NotaryServer::start(&NotaryOptions::default());
    let owner = person(&server);
    maker.run_on(&owner, "repo", &["init", GUN, "-p"]).success();
    (server, owner)
}

fn person(server: &NotaryServer) -> User {
    let mut user = User::new();
    user.use_notary(server);
    user
}

fn publish(user: &User, maker: Tool) {
    maker.run_on(user, "repo", &["publish", GUN]).success();
}

fn hand_over(from: &User, file: &str, to: &User) {
    fs::copy(from.home().join(file), to.home().join(file)).unwrap();
}

fn changelist(user: &User) -> std::path::PathBuf {
    user.trust_folder().join("tuf").join(Path::new(GUN)).join("changelist")
}

/// What is staged, file by file.
fn changes(user: &User) -> Vec<String> {
    let Ok(entries) = fs::read_dir(changelist(user)) else { return Vec::new() };
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| fs::read_to_string(file).unwrap()).collect()
}

/// Asserts that both list the same delegations, byte for byte; returns the listing.
fn assert_same_delegations(user: &User) -> String {
    let ours = user.trust(&["delegation", "ls", GUN]).success().stdout;
    let theirs = user.notary(&["delegation", "list", GUN]).success().stdout;
    assert_eq!(ours, theirs);
    ours
}

/// Asserts that both list the same targets, whatever roles are asked in whatever order; without
/// roles there are `count`.
fn assert_same_targets(user: &User, count: usize) {
    let roles = [
        "targets",
        "targets/level1",
        "targets/level1/level2",
        "targets/level1/level2/level3",
        "targets/other",
    ];
    let mut orders: Vec<Vec<&str>> = vec![vec![]];
    for first in roles {
        orders.push(vec![first]);
        orders
            .extend(roles.iter().filter(|role| **role != first).map(|second| vec![first, *second]));
    }
    orders.push(vec!["targets/other", "targets/level1/level2", "targets/level1", "targets"]);
    for order in orders {
        let flags: Vec<&str> = order.iter().flat_map(|role| ["-r", *role]).collect();
        let ours = user.trust(&[&["repo", "ls", GUN], flags.as_slice()].concat()).success();
        let theirs = user.notary(&[&["list", GUN], flags.as_slice()].concat()).success();
        assert_eq!(rows(&ours.stdout), rows(&theirs.stdout), "{order:?}");
        if order.is_empty() {
            assert_eq!(rows(&ours.stdout).len(), count, "{ours:?}");
        }
    }
}

/// The rows of a table in words; none where there is no table.
fn rows(table: &str) -> Vec<String> {
    let lines = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    lines.skip_while(|line| !line.contains("---")).skip(1).filter(|line| !line.is_empty()).collect()
}

/// The canonical ids of a role's keys, as `trust` lists them.
fn key_ids(user: &User, role: &str) -> Vec<String> {
    let listed = user.trust(&["delegation", "ls", GUN, "--json"]).success().stdout;
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    let row = listed.as_array().unwrap().iter().find(|row| row["role"] == role).unwrap();
    let ids = row["key_ids"].as_array().unwrap().iter();
    ids.map(|id| id.as_str().unwrap().to_owned()).collect()
}

/// The version of a role's file on the server.
fn version(server: &NotaryServer, role: &str) -> u64 {
    let file: serde_json::Value = serde_json::from_slice(&server.metadata(GUN, role).body).unwrap();
    file["signed"]["version"].as_u64().unwrap()
}

fn sha256(content: &str) -> String {
    crate::peers::image::digest(content.as_bytes()).trim_start_matches("sha256:").to_owned()
}
