//! Which root keys a repository may have: the pins in the configuration file.

use std::path::{Path, PathBuf};

use crate::actions::context::Context;
use crate::actions::update::{RefreshError, Source, refresh};
use crate::crypto::KeyId;
use crate::store::client_config::{ConfigError, PinChange, change_pins, read_authorities};
use crate::tuf::{Gun, NameError};

/// What repositories a pin is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PinName {
    /// This one.
    Exact(Gun),
    /// All whose names begin so.
    Prefix(String),
}

/// What is to be done with the pins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// These root keys and no other, by their id in metadata or of the bare key.
    Keys(PinName, Vec<KeyId>),
    /// Keys whose certificate leads to one of this file's, for all names that begin so.
    Authority(PinName, PathBuf),
    /// No pin for this name.
    Remove(PinName),
    /// Whether a root that nothing pins is believed at first sight.
    FirstUse {
        /// It is not.
        forbidden: bool,
    },
}

/// What the repository has now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Current {
    /// Its root keys, by their id in metadata.
    pub root_keys: Vec<KeyId>,
    /// They were seen for the first time just now.
    pub first_use: bool,
}

impl PinName {
    /// Reads a repository's name, or the beginning of one and `*`.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        match text.strip_suffix('*') {
            Some(prefix) => Ok(Self::Prefix(prefix.to_owned())),
            None => Gun::parse(text).map(Self::Exact),
        }
    }

    /// The name under `certs`.
    fn of_keys(&self) -> String {
        match self {
            Self::Exact(gun) => gun.to_string(),
            Self::Prefix(prefix) => format!("{prefix}*"),
        }
    }

    /// The name under `ca`, which always stands for all that begin so.
    fn of_authority(&self) -> String {
        match self {
            Self::Exact(gun) => gun.to_string(),
            Self::Prefix(prefix) => prefix.clone(),
        }
    }
}

/// The root keys that the repository has now, under the pins that are there already.
pub async fn current(context: &Context, gun: &Gun) -> Result<Current, RefreshError> {
    let trusted = refresh(context, gun, Source::Server).await?.trusted;
    Ok(Current { root_keys: trusted.root_key_ids(), first_use: trusted.is_first_use() })
}

/// Changes the pins in a configuration file. Returns whether there was something to change.
pub fn change(file: &Path, request: &Request) -> Result<bool, ConfigError> {
    let change = match request {
        Request::Keys(name, ids) => {
            PinChange { certs: vec![(name.of_keys(), Some(ids.clone()))], ..PinChange::default() }
        }
        Request::Authority(name, path) => {
            let name = name.of_authority();
            read_authorities(path, &name)?;
            PinChange { ca: vec![(name, Some(path.clone()))], ..PinChange::default() }
        }
        Request::Remove(name) => PinChange {
            certs: vec![(name.of_keys(), None)],
            ca: vec![(name.of_authority(), None)],
            ..PinChange::default()
        },
        Request::FirstUse { forbidden } => {
            PinChange { disable_tofu: Some(*forbidden), ..PinChange::default() }
        }
    };
    change_pins(file, &change)
}
