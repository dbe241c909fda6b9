//! `docker-trust` beside `docker trust`.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::interop::world::{World, import, signers, signers_of};
use crate::peers::process::Finished;
use crate::peers::{Dockerd, User};

/// What is said before anybody is asked: byte by byte.
pub(super) fn usage(world: &World) {
    let user = world.user();
    for line in [
        "trust",
        "trust --help",
        "trust nope",
        "trust nope --help",
        "trust -D sign x",
        "trust --version",
        "help trust",
        "help trust sign",
        "trust inspect",
        "trust inspect --help",
        "trust inspect UPPER",
        "trust inspect --pretty UPPER",
        "trust sign",
        "trust sign --help",
        "trust sign -h",
        "trust sign a b",
        "trust sign --bogus a",
        "trust sign -z a",
        "trust sign UPPER",
        "trust sign app",
        "trust sign --local=maybe x:y",
        "trust revoke",
        "trust revoke --help",
        "trust revoke -y=maybe x",
        "trust revoke UPPER",
        "trust key",
        "trust key nope",
        "trust key nope --help",
        "trust key generate --help",
        "trust key generate",
        "trust key generate UP",
        "trust key load --help",
        "trust key load nowhere",
        "trust key load --name UP nowhere",
        "trust signer",
        "trust signer add --help",
        "trust signer add a",
        "trust signer add --key",
        "trust signer add releases x",
        "trust signer add UP x",
        "trust signer add bob x",
        "trust signer add --key nowhere bob x",
        "trust signer remove --help",
        "trust signer remove a",
        "trust signer remove releases x",
        "-D trust sign",
        "--log-level warn trust sign",
    ] {
        let words: Vec<&str> = line.split(' ').collect();
        let (theirs, ours) = (user.docker(&words), user.plugin(&words, b""));
        assert_eq!(told(&ours), told(&theirs), "{line}");
    }
    let metadata = user.plugin(&["docker-cli-plugin-metadata"], b"").success().stdout;
    let metadata: serde_json::Value = serde_json::from_str(&metadata).unwrap();
    assert_eq!(metadata["SchemaVersion"], "0.1.0");
    assert_eq!(metadata["Vendor"], "trust");
    user.plugin(&["docker-cli-plugin-hooks", "{}"], b"").success();
    let offered = user.plugin(&["__complete", "trust", "s"], b"").success().stdout;
    assert!(offered.contains("sign\tSign an image\n") && offered.ends_with(":4\n"), "{offered}");
}

/// Whole sessions, each tool on a repository of its own.
pub(super) fn sessions(world: &World, daemon: &Dockerd) {
    let pair = Pair::new(world, daemon);
    let host = world.registry.host_port();
    let app = format!("{host}/X/app");
    for user in [&pair.theirs, &pair.ours] {
        fs::write(user.home().join("open.pem"), "no key").unwrap();
        fs::write(user.home().join("empty.pem"), "no key").unwrap();
        let private = fs::Permissions::from_mode(0o600);
        fs::set_permissions(user.home().join("empty.pem"), private).unwrap();
    }
    let digest = format!("sign %@sha256:{}", "0".repeat(64));
    let session = [
        "inspect %",
        "inspect --pretty % %",
        "sign %:none",
        "key generate alice",
        "key generate alice",
        "key load open.pem",
        "key load empty.pem",
        "key load alice.pub",
        "signer remove alice %",
        "revoke -y %",
        "revoke -y %:1",
        "signer add --key alice.pub alice % UPPER",
        "signer add --key alice.pub alice %",
        "signer add --key empty.pem alice %",
        "inspect %",
        "inspect --pretty %",
        "sign %:none",
        "sign %:1",
        "sign %:1",
        "sign --local %:2",
        &digest,
        "inspect % %:1 %:none",
        "inspect % nobody/nothing",
        "inspect --pretty % %:1 %",
        "inspect --pretty % UPPER %",
        "revoke -y %:none",
        "revoke %",
        "revoke -y %:2",
        "inspect %:2",
        "signer remove nobody %",
        "signer remove UPPER %",
        "revoke -y %",
        "revoke -y %",
        "inspect --pretty %",
    ];
    for line in session {
        pair.same(&format!("trust {}", line.replace('%', &app)));
    }
    // The other way round: each reads the other's, to the byte.
    for name in ["theirs", "ours"] {
        let words = ["trust", "inspect", &format!("{host}/{name}/app")];
        assert_eq!(pair.ours.plugin(&words, b"").stdout, pair.ours.docker(&words).stdout);
        assert_eq!(pair.theirs.plugin(&words, b"").stdout, pair.theirs.docker(&words).stdout);
    }
    // With somebody logged in, the first signature makes them a signer.
    let mut pair = pair;
    for user in [&mut pair.theirs, &mut pair.ours] {
        user.log_in(&host, "carol", "password");
    }
    for name in ["theirs", "ours"] {
        let (from, to) = (format!("{host}/{name}/app:1"), format!("{host}/{name}/first:1"));
        pair.ours.docker(&["tag", &from, &to]).success();
    }
    pair.same(&format!("trust sign {host}/X/first:1"));
    pair.same(&format!("trust inspect {host}/X/first"));
    // Nobody answers.
    for user in [&mut pair.theirs, &mut pair.ours] {
        user.set("DOCKER_CONTENT_TRUST_SERVER", "https://localhost:1");
    }
    pair.same(&format!("trust inspect {host}/X/elsewhere"));
    for line in ["sign @:1", "revoke -y @:1"] {
        let line = line.replace('@', &format!("{host}/X/elsewhere"));
        let (theirs, ours) = pair.both(&format!("trust {line}"));
        assert_eq!((ours.code, &ours.stdout), (theirs.code, &theirs.stdout), "{ours:?}");
        // Why nobody answers is said by another library.
        let first = |told: &Finished, who: &str| {
            let text = told.stderr.replace(&format!("/{who}/"), "/X/");
            let parts: Vec<&str> = text.splitn(3, ": ").collect();
            parts[..if line.contains("sign") { 2 } else { 1 }].join(": ")
        };
        assert_eq!(first(&ours, "ours"), first(&theirs, "theirs"));
    }
    for user in [&mut pair.theirs, &mut pair.ours] {
        user.use_notary(&world.notary);
        user.set("DOCKER_HOST", "unix:///nowhere");
    }
    pair.same(&format!("trust sign {app}:5"));
}

/// What is asked, where, and what an answer does.
pub(super) fn questions(world: &World) {
    let mut user = world.user();
    for variable in ["ROOT", "REPOSITORY"] {
        user.unset(&format!("DOCKER_CONTENT_TRUST_{variable}_PASSPHRASE"));
    }
    for variable in ["ROOT", "TARGETS", "SNAPSHOT", "DELEGATION"] {
        user.unset(&format!("NOTARY_{variable}_PASSPHRASE"));
    }
    let generate = |name: &str, typed: &str| {
        let words = ["trust", "key", "generate", name];
        (user.docker_with_input(&words, typed.as_bytes()), typed.to_owned())
    };
    let (theirs, typed) = generate("ann", "long enough\nlong enough\n");
    let ours = user.plugin(&["trust", "key", "generate", "bob"], typed.as_bytes());
    let plain = |told: &Finished, name: &str| masked(&told.stdout).replace(name, "N");
    assert_eq!(plain(&ours.success(), "bob"), plain(&theirs.success(), "ann"));
    // More than docker's tool can: further lines of the input are there for further questions.
    let typed = b"short\nlong enough\nlong enoufh\nlong enough\nlong enough\n";
    let ours = user.plugin(&["trust", "key", "generate", "eve"], typed).success().stdout;
    assert!(ours.contains("is too short. Please use a password manager"), "{ours}");
    assert!(ours.contains("Passphrases do not match. Please retry.\n"), "{ours}");
    let ours = user.plugin(&["trust", "key", "generate", "fay"], b"").expect_code(1);
    assert!(ours.stderr.starts_with("failed to generate key for fay: "), "{ours:?}");
    assert!(!user.home().join("fay.pub").exists());

    let repository = format!("{}/nobody", world.registry.host_port());
    for answer in ["n\n", "\n", "", "y\n"] {
        let words = ["trust", "revoke", &repository];
        let theirs = user.docker_with_input(&words, answer.as_bytes());
        let ours = user.plugin(&words, answer.as_bytes());
        assert_eq!(told(&ours), told(&theirs), "{answer:?}");
    }
}

/// Where docker is known to be wrong (`spec/docker.md`).
pub(super) fn better_than_docker(world: &World, daemon: &Dockerd) {
    let owner = world.docker_user(daemon);
    let repository = format!("{}/better", world.registry.host_port());
    let name = format!("{repository}:1");
    import(&owner, &name, "better");
    // Nobody is logged in.
    let signed = owner.plugin(&["trust", "sign", &name], b"").success();
    let finished = format!("Finished initializing signed repository for {name}\n");
    assert!(signed.stdout.starts_with(&finished), "{signed:?}");
    // An encrypted key is opened.
    let folder = owner.home();
    let openssl = |words: &[&str]| owner.program("openssl", words).success();
    openssl(&["ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", "plain.pem"]);
    let pass = ["-passout", "pass:repository passphrase", "-out", "locked.pem"];
    openssl(&[&["pkcs8", "-topk8", "-v2", "aes-256-cbc", "-in", "plain.pem"][..], &pass].concat());
    openssl(&["ec", "-in", "plain.pem", "-pubout", "-out", "bob.pub"]);
    let private = fs::Permissions::from_mode(0o600);
    fs::set_permissions(folder.join("locked.pem"), private).unwrap();
    let words = ["trust", "key", "load", "--name", "bob", "locked.pem"];
    owner.plugin(&words, b"repository passphrase\n").success();
    owner
        .plugin(&["trust", "signer", "add", "--key", "bob.pub", "bob", &repository], b"")
        .success();
    owner.plugin(&["trust", "sign", &name], b"").success();
    let inspect = || {
        let told = owner.docker(&["trust", "inspect", &repository]).success().stdout;
        serde_json::from_str::<serde_json::Value>(&told).unwrap()
    };
    assert_eq!(signers_of(&inspect(), "1"), ["bob"]);
    // A signer is removed, and what is revoked is gone.
    owner.plugin(&["trust", "revoke", "-y", &name], b"").success();
    assert_eq!(inspect()[0]["SignedTags"], serde_json::json!([]));
    let removed = owner.plugin(&["trust", "signer", "remove", "bob", &repository], b"").success();
    assert!(removed.stdout.ends_with(&format!("Successfully removed bob from {repository}\n\n")));
    assert_eq!(signers(&inspect()), [""; 0]);
}

/// Called by a real docker: its own `trust` goes before ours, so the plugin has another name here.
pub(super) fn through_docker(world: &World) {
    let user = world.user();
    let folder = user.docker_config().join("cli-plugins");
    let config = user.docker_config().display().to_string();
    let installed = user.trust_docker(&["install"]).success();
    let plugin = folder.join("docker-trust");
    assert_eq!(installed.stdout, format!("{}\n", plugin.display()));
    assert!(installed.stderr.contains("has a `docker trust` of its own"), "{installed:?}");
    let script = format!(
        "#!/bin/sh\nfor word; do shift; [ \"$word\" = signing ] && word=trust; set -- \"$@\" \
         \"$word\"; done\nexec {} \"$@\"\n",
        plugin.display()
    );
    fs::write(folder.join("docker-signing"), script).unwrap();
    let executable = fs::Permissions::from_mode(0o755);
    fs::set_permissions(folder.join("docker-signing"), executable).unwrap();
    let listed = user.docker(&["--help"]).success().stdout;
    assert!(listed.contains("signing*"), "{listed}");
    let repository = format!("{}/theirs/app", world.registry.host_port());
    for words in [
        &["--config", &config, "trust", "inspect", &repository][..],
        &["trust", "inspect", "--pretty", &repository],
        &["trust", "sign", "app"],
        &["trust", "sign", "--help"],
        &["help", "trust", "revoke"],
    ] {
        let theirs = user.docker(words);
        let renamed: Vec<&str> =
            words.iter().map(|word| if *word == "trust" { "signing" } else { word }).collect();
        assert_eq!(told(&user.docker(&renamed)), told(&theirs), "{words:?}");
    }
    // What is not ours is left alone.
    user.trust_docker(&["uninstall"]).success();
    assert!(!plugin.exists());
    fs::copy(folder.join("docker-signing"), &plugin).unwrap();
    fs::write(&plugin, "#!/bin/sh\necho '{\"Vendor\":\"Docker Inc.\"}'\n").unwrap();
    let refused = user.trust_docker(&["install", "--copy"]).expect_code(12);
    assert!(refused.stderr.contains("but one of Docker Inc."), "{refused:?}");
    user.trust_docker(&["install", "--force"]).success();
    user.plugin(&["docker-cli-plugin-metadata"], b"").success();
}

/// Two people who do the same, one with docker, one with us.
struct Pair {
    theirs: User,
    ours: User,
}

impl Pair {
    fn new(world: &World, daemon: &Dockerd) -> Self {
        let pair = Self { theirs: world.docker_user(daemon), ours: world.docker_user(daemon) };
        let name = |who: &str, tag: &str| format!("{}/{who}/app:{tag}", world.registry.host_port());
        import(&pair.theirs, &name("theirs", "1"), "one image");
        for (who, tag) in [("theirs", "2"), ("ours", "1"), ("ours", "2")] {
            pair.theirs.docker(&["tag", &name("theirs", "1"), &name(who, tag)]).success();
        }
        pair
    }

    /// Runs a line with both; `X` is the name of whose repository it is.
    fn both(&self, line: &str) -> (Finished, Finished) {
        let of = |who: &str| -> Vec<String> {
            line.split(' ').map(|word| word.replace("/X/", &format!("/{who}/"))).collect()
        };
        let (theirs, ours) = (of("theirs"), of("ours"));
        let theirs: Vec<&str> = theirs.iter().map(String::as_str).collect();
        let ours: Vec<&str> = ours.iter().map(String::as_str).collect();
        (self.theirs.docker(&theirs), self.ours.plugin(&ours, b""))
    }

    /// Asserts that both say the same.
    fn same(&self, line: &str) {
        let (theirs, ours) = self.both(line);
        let plain = |told: &Finished, user: &User, who: &str| {
            let text = format!("{}\n-----\n{}", told.stdout, told.stderr);
            let text = text.replace(&format!("/{who}/"), "/X/");
            let text = text.replace(&user.home().display().to_string(), "HOME");
            (told.code, masked(&text))
        };
        let theirs = plain(&theirs, &self.theirs, "theirs");
        assert_eq!(plain(&ours, &self.ours, "ours"), theirs, "{line}");
    }
}

/// What a program told, and where.
fn told(told: &Finished) -> (i32, String, String) {
    (told.code, told.stdout.clone(), told.stderr.clone())
}

/// The text with ids of keys numbered in the order in which they come, and without what a registry
/// happens to have of a layer.
fn masked(text: &str) -> String {
    let mut numbers = HashMap::new();
    let mut masked = String::new();
    for line in text.lines() {
        let pushed = ["Pushed", "Layer already exists", "Mounted from "]
            .iter()
            .find_map(|end| line.split_once(&format!(": {end}")));
        let line = pushed.map_or(line, |(layer, _)| layer);
        for word in line.split_inclusive(|c: char| !c.is_ascii_alphanumeric()) {
            let hex = word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
            let is_hex = hex.len() >= 7 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
            if is_hex {
                let next = numbers.len();
                let number = *numbers.entry(hex[..7].to_owned()).or_insert(next);
                masked.extend([format!("ID{number}-{}{}", hex.len(), &word[hex.len()..])]);
            } else {
                masked.push_str(word);
            }
        }
        masked.push('\n');
    }
    masked
}
