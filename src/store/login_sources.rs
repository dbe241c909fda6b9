//! Registry logins that are kept elsewhere than docker keeps them: in a variable of the environment
//! (docker's `DOCKER_AUTH_CONFIG`), in the operating system's keyring, in podman's `auth.json`.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::crypto::Passphrase;
use crate::store::StoreError;
use crate::store::credentials::{Credential, DockerConfig};
use crate::store::keyring::{self, KeyringEnv};

/// Where logins are looked up besides docker's configuration.
#[derive(Debug, Clone, Default)]
pub struct LoginSources {
    /// Docker's `auths` as JSON, of which only `auth` counts; goes before all else.
    pub variable: Option<Variable>,
    /// The keyring, asked where docker's file has an entry without a secret; `None` to leave it
    /// alone.
    pub keyring: Option<KeyringEnv>,
    /// Files in podman's form, asked last, in this order; they need not exist.
    pub auth_files: Vec<PathBuf>,
}

/// A variable of the environment.
#[derive(Debug, Clone)]
pub struct Variable {
    /// Its name, for messages.
    pub name: &'static str,
    /// What it holds.
    pub text: Passphrase,
}

impl LoginSources {
    /// Returns the login for a registry host: of the variable, docker's folder, the keyring, the
    /// files, whichever has one first.
    pub fn find(&self, config_dir: &Path, host: &str) -> Result<Option<Credential>, StoreError> {
        if let Some(login) = self.of_variable(host)? {
            return Ok(Some(login));
        }
        let config = DockerConfig::load(config_dir)?;
        if let Some(login) = config.get(host)? {
            return Ok(Some(login));
        }
        // Asking it can take long, so it is asked only for what docker's file says is elsewhere.
        if let Some(env) = self.keyring.as_ref().filter(|_| config.is_set_aside(host))
            && let Some(login) = keyring::recall_login(env, host)?
        {
            return Ok(Some(login));
        }
        for path in &self.auth_files {
            if let Some(login) = DockerConfig::load_auth_file(path)?.get(host)? {
                return Ok(Some(login));
            }
        }
        Ok(None)
    }

    /// Returns the login that the variable holds for a registry host.
    pub fn of_variable(&self, host: &str) -> Result<Option<Credential>, StoreError> {
        let Some(variable) = &self.variable else { return Ok(None) };
        let path = PathBuf::from(variable.name);
        // What is wrong with the text is not quoted: it holds passwords.
        let malformed = |member: &str, problem| {
            let (path, member) = (path.clone(), member.to_owned());
            StoreError::ConfigMember { path, member, problem }
        };
        let Ok(Value::Object(members)) = serde_json::from_str(variable.text.expose()) else {
            return Err(malformed("the text", "is not a JSON object"));
        };
        let Some(Value::Object(auths)) = members.get("auths") else {
            return Err(malformed("auths", "is not an object"));
        };
        let only_auth = |(name, entry): (&String, &Value)| {
            let auth = entry.get("auth").cloned().unwrap_or_default();
            (name.clone(), Value::from_iter([("auth", auth)]))
        };
        let auths: Map<String, Value> = auths.iter().map(only_auth).collect();
        let members = Map::from_iter([("auths".to_owned(), Value::Object(auths))]);
        DockerConfig::of_members(path, members).get(host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::files::{PRIVATE_MODE, replace_file};

    fn sources(text: Option<&str>, files: &[PathBuf]) -> LoginSources {
        let variable = text.map(|text| Variable {
            name: "DOCKER_AUTH_CONFIG",
            text: Passphrase::new(text.to_owned()),
        });
        LoginSources { variable, keyring: None, auth_files: files.to_vec() }
    }

    fn user(found: Option<Credential>) -> Option<String> {
        found.map(|login| match login {
            Credential::Basic { username, .. } => username,
            Credential::IdentityToken { .. } => panic!("a token"),
        })
    }

    #[test]
    fn the_variable_then_docker_then_podman() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = dir.path().join(name);
            replace_file(&path, text.as_bytes(), PRIVATE_MODE).unwrap();
            path
        };
        write(
            "config.json",
            r#"{"auths":{"a.example":{"auth":"ZG9ja2VyOng="},"b.example":{"auth":"ZG9ja2VyOng="}}}"#,
        );
        let podman = write(
            "auth.json",
            r#"{"auths":{"b.example":{"auth":"cG9kbWFuOng="},"c.example":{"auth":"cG9kbWFuOng="},
                "d.example/team":{"auth":"cG9kbWFuOng="},"https://e.example/v1/":{"auth":"cG9kbWFuOng="}}}"#,
        );
        let variable = r#"{"auths":{"a.example":{"auth":"dmFyaWFibGU6eA==","identitytoken":"no"},"f.example":{"identitytoken":"no"}}}"#;
        let sources = sources(Some(variable), &[dir.path().join("none.json"), podman]);
        for (host, expected) in [
            ("a.example", Some("variable")),
            ("b.example", Some("docker")),
            ("c.example", Some("podman")),
            // A login for a part of a registry is not one for all of it.
            ("d.example", None),
            ("e.example", Some("podman")),
            ("f.example", None),
        ] {
            let found = user(sources.find(dir.path(), host).unwrap());
            assert_eq!(found.as_deref(), expected, "{host}");
        }
    }

    #[test]
    fn a_variable_that_cannot_be_read_is_told_without_its_text() {
        for text in ["{", "\"hunter2\"", "[]", r#"{"auths":"hunter2"}"#, r#"{"hunter2":1}"#] {
            let error = sources(Some(text), &[]).of_variable("a.example").unwrap_err();
            let StoreError::ConfigMember { .. } = &error else { panic!("{error:?}") };
            let shown = format!("{error} {error:?}");
            assert!(shown.contains("DOCKER_AUTH_CONFIG") && !shown.contains("hunter2"), "{shown}");
        }
        let shown = format!("{:?}", sources(Some("hunter2"), &[]));
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
