//! A registry, a trust server and the people who use them, and what both tools must agree on.

use std::fs;
use std::path::{Path, PathBuf};

use crate::peers::image::{self, Pushed, fetch_manifest};
use crate::peers::process::Finished;
use crate::peers::{Dockerd, NotaryOptions, NotaryServer, Registry, RegistryOptions, User};

/// The repository of most tests, without its host.
pub(crate) const APP: &str = "app";

/// A registry and a trust server that are open to all.
#[derive(Debug)]
pub(crate) struct World {
    /// Where images are.
    pub(crate) registry: Registry,
    /// Where signatures are.
    pub(crate) notary: NotaryServer,
}

impl World {
    /// Starts both servers; manifests can be deleted.
    pub(crate) fn open() -> Self {
        let registry =
            Registry::start(&RegistryOptions { delete: true, ..RegistryOptions::default() });
        Self::with(registry, NotaryServer::start(&NotaryOptions::default()))
    }

    /// Takes servers that run already.
    pub(crate) fn with(registry: Registry, notary: NotaryServer) -> Self {
        Self { registry, notary }
    }

    /// Returns `localhost:PORT/app`.
    pub(crate) fn repository(&self) -> String {
        format!("{}/{APP}", self.registry.host_port())
    }

    /// Returns `localhost:PORT/app:TAG`.
    pub(crate) fn name(&self, tag: &str) -> String {
        format!("{}:{tag}", self.repository())
    }

    /// Returns a new person who knows the trust server.
    pub(crate) fn user(&self) -> User {
        let mut user = User::new();
        user.use_notary(&self.notary);
        user
    }

    /// Returns a new person who also has a daemon.
    pub(crate) fn docker_user(&self, daemon: &Dockerd) -> User {
        let mut user = self.user();
        user.use_docker(daemon);
        user
    }

    /// Pushes a small image under a tag, past both tools.
    pub(crate) fn push(&self, tag: &str, content: &str) -> Pushed {
        image::push_image(&self.registry, APP, tag, content.as_bytes())
    }

    /// Returns the digest the registry serves for a tag.
    pub(crate) fn served(&self, tag: &str) -> String {
        let held = fetch_manifest(&self.registry, APP, tag);
        assert_eq!(held.status, 200, "{tag}: {}", held.text());
        image::digest(&held.body)
    }

    /// Returns the names of the tags in a role's file; none if there is no such file.
    pub(crate) fn tags_in(&self, role: &str) -> Vec<String> {
        let held = self.notary.metadata(&self.repository(), role);
        if held.status == 404 {
            return Vec::new();
        }
        let file: serde_json::Value = serde_json::from_slice(&held.body).unwrap();
        file["signed"]["targets"].as_object().unwrap().keys().cloned().collect()
    }
}

/// Makes an image of one file with docker, under a local name.
pub(crate) fn import(user: &User, name: &str, content: &str) {
    let archive = image::tar("content", content.as_bytes());
    user.docker_with_input(&["import", "-", name], &archive).success();
}

/// Pushes with content trust on; returns what docker printed.
pub(crate) fn trusted_push(user: &User, name: &str) -> Finished {
    user.docker(&["push", "--disable-content-trust=false", name]).success()
}

/// Pulls with content trust on.
pub(crate) fn trusted_pull(user: &User, name: &str) -> Finished {
    user.docker(&["pull", "--disable-content-trust=false", name])
}

/// Asserts that `trust inspect` and `docker trust inspect` print the same bytes about a name, for
/// programs and for people; returns the JSON.
pub(crate) fn assert_same_inspection(user: &User, name: &str) -> serde_json::Value {
    let mut json = serde_json::Value::Null;
    for flags in [&[][..], &["--pretty"]] {
        let ours = user.trust(&[&["inspect"], flags, &[name]].concat());
        let theirs = docker_inspection(user, &[flags, &[name]].concat(), &ours.stdout);
        assert_eq!(ours.stdout, theirs.stdout, "{ours:?}\n{theirs:?}");
        assert_eq!(ours.code == 0, theirs.code == 0, "{ours:?}\n{theirs:?}");
        if flags.is_empty() {
            json = serde_json::from_str(&ours.stdout).unwrap();
        }
    }
    json
}

/// Runs `docker trust inspect`. When one tag has two digests docker prints the two in either order,
/// as Go walks its maps; so it is asked again while only the order is another. A walk begins at one
/// of eight places, so one of two neighbours comes first but once in eight times: forty tries were
/// all the other way once in two hundred runs, two hundred are never.
fn docker_inspection(user: &User, args: &[&str], expected: &str) -> Finished {
    let sorted = |text: &str| {
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let mut theirs = user.docker(&[&["trust", "inspect"], args].concat());
    for _ in 0..200 {
        if theirs.stdout == expected || sorted(&theirs.stdout) != sorted(expected) {
            break;
        }
        theirs = user.docker(&[&["trust", "inspect"], args].concat());
    }
    theirs
}

/// Asserts that docker pulls just what `trust verify` says is signed.
pub(crate) fn assert_trusted(user: &User, name: &str, digest: &str) {
    let (repository, _) = name.rsplit_once(':').unwrap();
    let ours = user.trust(&["verify", "--digest", name]).success();
    assert_eq!(ours.stdout, format!("{repository}@{digest}\n"));
    let theirs = trusted_pull(user, name).success();
    assert!(theirs.stdout.contains(&format!("@{digest}")), "{theirs:?}");
}

/// Asserts that both tools refuse a name; returns what `trust verify` said.
pub(crate) fn assert_refused(user: &User, name: &str, code: i32) -> Finished {
    let ours = user.trust(&["verify", name]).expect_code(code);
    assert_eq!(ours.stdout, "");
    let theirs = trusted_pull(user, name).expect_code(1);
    assert!(!theirs.stderr.contains("Tagging"), "{theirs:?}");
    ours
}

/// Signers of a tag as `docker trust inspect` lists them, sorted.
pub(crate) fn signers_of(inspection: &serde_json::Value, tag: &str) -> Vec<String> {
    let tags = inspection[0]["SignedTags"].as_array().unwrap();
    let row = tags.iter().find(|row| row["SignedTag"] == tag);
    let row = row.unwrap_or_else(|| panic!("no {tag} in {inspection:#}"));
    let signers = row["Signers"].as_array().unwrap().iter();
    let mut names: Vec<_> = signers.map(|name| name.as_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

/// Names of all signers as `docker trust inspect` lists them, sorted.
pub(crate) fn signers(inspection: &serde_json::Value) -> Vec<String> {
    let signers = inspection[0]["Signers"].as_array().unwrap().iter();
    let mut names: Vec<_> =
        signers.map(|signer| signer["Name"].as_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

/// Hands somebody's public key file to somebody else; returns the name it then has.
pub(crate) fn hand_over(from: &User, file: &str, to: &User) -> String {
    fs::copy(from.home().join(file), to.home().join(file)).unwrap();
    file.to_owned()
}

/// The files of private keys, by key id.
pub(crate) fn key_files(user: &User) -> Vec<PathBuf> {
    let folder = user.trust_folder().join("private");
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "key"));
    files.sort();
    files
}

/// The file of the one private key with this role.
pub(crate) fn key_file(user: &User, role: &str) -> PathBuf {
    let wanted = format!("role: {role}\n");
    let mut found = key_files(user);
    found.retain(|path| fs::read_to_string(path).unwrap().contains(&wanted));
    assert_eq!(found.len(), 1, "{role}: {found:?}");
    found.remove(0)
}

/// Writes a file that only its owner may read.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::write(path, bytes).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// Copies a folder with all that is in it; files are the owner's alone.
pub(crate) fn copy_folder(from: &Path, to: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).unwrap();
            fs::set_permissions(&target, fs::Permissions::from_mode(0o600)).unwrap();
        }
    }
}

/// A certificate over somebody's key: notary takes keys for delegations as such.
pub(crate) fn certificate_of(user: &User, role: &str) -> Vec<u8> {
    use trust::clock::{Clock as _, SystemClock};
    use trust::codec::pem::Pem;
    use trust::crypto::certificate::Certificate;
    use trust::crypto::{KeyBlock, Passphrase};

    use crate::peers::user::REPOSITORY_PASSPHRASE;
    let block = KeyBlock::parse_all(&fs::read(key_file(user, role)).unwrap()).unwrap().remove(0);
    let key = block.decrypt(Some(&Passphrase::new(REPOSITORY_PASSPHRASE.to_owned()))).unwrap();
    let made = Certificate::self_signed("qa", &key, SystemClock.now()).unwrap();
    assert!(!Pem::parse_all(&made).unwrap().is_empty());
    made
}
