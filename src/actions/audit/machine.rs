//! Where content trust is used on this machine: variables, shells, services, docker's daemon, trust
//! directories.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::actions::audit::kind::{FileKind, PROFILES};
use crate::actions::audit::lines::variable;
use crate::actions::audit::rules::{NotRead, Place, What};
use crate::actions::audit::search::Found;
use crate::actions::audit::tree::walk;
use crate::limits::MAX_IMAGE_FILE_BYTES;
use crate::store::files::{names_in, read_found_file};
use crate::store::streams::is_folder;
use crate::store::{KeyInfo, TrustDir};

/// What there is of a machine to be looked at.
#[derive(Clone)]
pub struct Machine {
    /// The variables of this process that could be of content trust.
    pub variables: BTreeMap<String, String>,
    /// The person's home folder.
    pub home: Option<PathBuf>,
    /// `/etc`.
    pub etc: PathBuf,
    /// Keys and trust data.
    pub trust_dir: TrustDir,
}

impl fmt::Debug for Machine {
    /// Names only: values may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Machine")
            .field("variables", &self.variables.keys())
            .field("home", &self.home)
            .field("trust_dir", &self.trust_dir)
            .finish_non_exhaustive()
    }
}

/// Looks at the machine.
pub(super) fn machine(machine: &Machine, excluded: &[String], found: &mut Found) {
    for (name, value) in &machine.variables {
        let is_secret = name.ends_with("_PASSPHRASE") || name == "NOTARY_AUTH";
        let value = (!is_secret).then_some(value.as_str());
        if let Some(what) = variable(name, value) {
            found.add(Place::Variable(name.clone()), FileKind::Environment, what);
        }
    }
    let etc = ETC_FILES.iter().map(|name| machine.etc.join(name));
    let home = machine
        .home
        .iter()
        .flat_map(|home| PROFILES.iter().chain(HOME_FILES).map(|name| home.join(name)));
    for path in home.chain(etc) {
        file(&path, found);
    }
    let home = machine.home.iter().flat_map(|home| HOME_FOLDERS.iter().map(|name| home.join(name)));
    let etc = ETC_FOLDERS.iter().map(|name| machine.etc.join(name));
    for path in home.chain(etc).filter(|path| is_folder(path)) {
        walk(&path, excluded, found);
    }
    let keys = machine.trust_dir.keys().and_then(|store| store.list());
    let keys = keys.map(|list| list.keys).unwrap_or_default();
    trust_dir(&machine.trust_dir, roles(&keys), found);
    if let Some(home) = &machine.home {
        let notary = home.join(".notary");
        if notary != machine.trust_dir.path() {
            let keys = names_in(&notary.join("private")).unwrap_or_default();
            let count = keys.iter().filter(|name| is_key(name)).count();
            let roles = (count > 0).then(|| (String::new(), count)).into_iter().collect();
            trust_dir(&TrustDir::new(notary), roles, found);
        }
    }
}

/// Looks through a file, if there is one.
fn file(path: &Path, found: &mut Found) {
    match read_found_file(path, MAX_IMAGE_FILE_BYTES) {
        Ok(Some(bytes)) => {
            let name = path.file_name().unwrap_or(path.as_os_str());
            let kind = match FileKind::of(path.as_os_str().as_encoded_bytes()) {
                // What is looked for by its name is no text for people.
                FileKind::Other => FileKind::ShellProfile,
                kind => kind,
            };
            found.take(path, name.as_encoded_bytes(), kind, &bytes);
        }
        Ok(None) => {}
        Err(error) => found.not_read(path.to_owned(), NotRead::Store(error)),
    }
}

fn trust_dir(dir: &TrustDir, roles: Vec<(String, usize)>, found: &mut Found) {
    let place =
        |inner: &str| Place::File { path: dir.path().join(inner), line: None, column: None };
    match dir.guns() {
        Ok(guns) if guns.is_empty() => {}
        Ok(guns) => {
            let what = What::CachedCollections { count: guns.len() };
            found.add(place("tuf"), FileKind::Configuration, what);
            for gun in guns {
                found.collect(gun, None, place("tuf"));
            }
        }
        Err(error) => found.not_read(dir.path().join("tuf"), error.into()),
    }
    if !roles.is_empty() {
        found.add(place("private"), FileKind::Configuration, What::Keys { roles });
    }
}

fn is_key(name: &str) -> bool {
    matches!(name.rsplit_once('.'), Some((_, "key")))
}

/// How many keys there are of each role; those of signers are of one.
fn roles(keys: &[KeyInfo]) -> Vec<(String, usize)> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for key in keys {
        let role = match key.role.as_str() {
            role @ ("root" | "targets" | "snapshot" | "timestamp") => role,
            _ => "signer",
        };
        *counts.entry(role.to_owned()).or_default() += 1;
    }
    counts.into_iter().collect()
}

/// Files of a home folder besides what shells read.
const HOME_FILES: &[&str] = &[
    ".config/fish/config.fish",
    ".config/fish/fish_variables",
    ".config/nushell/env.nu",
    ".config/nushell/config.nu",
    ".config/powershell/profile.ps1",
    ".config/powershell/Microsoft.PowerShell_profile.ps1",
    ".gitlab-runner/config.toml",
    ".docker/config.json",
    ".config/docker/daemon.json",
    ".notary/config.json",
    ".docker/trust/config.json",
    ".docker/daemon.json",
];
const HOME_FOLDERS: &[&str] = &[
    ".config/environment.d",
    ".config/fish/conf.d",
    ".config/systemd/user",
    ".config/containers/systemd",
    ".bashrc.d",
    ".zshrc.d",
];
const ETC_FILES: &[&str] = &[
    "environment",
    "profile",
    "bash.bashrc",
    "bashrc",
    "zshrc",
    "zshenv",
    "zprofile",
    "zsh/zshrc",
    "zsh/zshenv",
    "zsh/zprofile",
    "csh.cshrc",
    "csh.login",
    "fish/config.fish",
    "zsh/zlogin",
    "security/pam_env.conf",
    "systemd/system.conf",
    "systemd/user.conf",
    "crontab",
    "default/docker",
    "sysconfig/docker",
    "docker/daemon.json",
    "notary/server-config.json",
    "notary/signer-config.json",
];
const ETC_FOLDERS: &[&str] = &[
    "profile.d",
    "environment.d",
    "fish/conf.d",
    "cron.d",
    "systemd/system.conf.d",
    "systemd/system",
    "systemd/user",
    "containers/systemd",
];

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "makes a machine to be looked at")]
mod tests {
    use std::fs;

    use super::*;
    use crate::actions::audit::rules::{Finding, Rule};

    #[test]
    fn a_machine_is_looked_at_everywhere() {
        let dir = tempfile::tempdir().unwrap();
        let (home, etc) = (dir.path().join("home"), dir.path().join("etc"));
        for folder in [
            "home/.docker/trust/tuf/a/b/metadata",
            "home/.notary/private",
            "etc/docker",
            "etc/profile.d",
            "etc/systemd/system/docker.service.d",
        ] {
            fs::create_dir_all(dir.path().join(folder)).unwrap();
        }
        for (file, text) in [
            ("home/.bashrc", "export DOCKER_CONTENT_TRUST=1\n"),
            ("home/.docker/trust/tuf/a/b/metadata/root.json", "{}"),
            ("home/.notary/private/x.key", "x"),
            (
                "home/.notary/config.json",
                "{\"remote_server\": {\"url\": \"https://notary.docker.io\"}}",
            ),
            ("etc/environment", "DOCKER_CONTENT_TRUST=1\n"),
            ("etc/profile.d/x.sh", "export DOCKER_CONTENT_TRUST=0\n"),
            ("etc/docker/daemon.json", "{\"content-trust\": {\"mode\": \"enforced\"}}"),
            (
                "etc/systemd/system/docker.service.d/x.conf",
                "[Service]\nEnvironment=DOCKER_CONTENT_TRUST=1\n",
            ),
        ] {
            fs::write(dir.path().join(file), text).unwrap();
        }
        let variables = [
            ("DOCKER_CONTENT_TRUST", "1"),
            ("DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE", "secret"),
            ("NOTARY_PROFILE", "x"),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let looked_at = Machine {
            variables: variables.into(),
            trust_dir: TrustDir::new(home.join(".docker/trust")),
            home: Some(home),
            etc,
        };
        assert!(!format!("{looked_at:?}").contains("secret"));
        let mut found = Found::default();
        machine(&looked_at, &[], &mut found);
        let rules: Vec<Rule> = found.findings.iter().map(Finding::rule).collect();
        assert_eq!(
            rules,
            [
                Rule::ContentTrustOn,
                Rule::SignsHere,
                Rule::ContentTrustOn,
                Rule::NotaryConfiguration,
                Rule::ContentTrustOn,
                Rule::DaemonContentTrust,
                Rule::ContentTrustOff,
                Rule::ContentTrustOn,
                Rule::CachedCollections,
                Rule::Keys,
            ]
        );
        assert_eq!(found.images.len(), 1);
    }

    #[test]
    fn nothing_is_found_on_a_machine_without_anything() {
        let dir = tempfile::tempdir().unwrap();
        let looked_at = Machine {
            variables: BTreeMap::new(),
            home: None,
            etc: dir.path().join("etc"),
            trust_dir: TrustDir::new(dir.path().join("trust")),
        };
        let mut found = Found::default();
        machine(&looked_at, &[], &mut found);
        assert!(found.findings.is_empty() && found.images.is_empty(), "{found:?}");
    }
}
