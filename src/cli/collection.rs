//! What the commands on collections do alike: roles, tables in notary's form, and remarks.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::actions::repo::ls::{Entry, Remarks};
use crate::cli::error::CliError;
use crate::cli::outcome::say_first_contact;
use crate::cli::run::Session;
use crate::cli::table::columns;
use crate::codec::text::to_hex;
use crate::tuf::{Gun, RoleName};

/// Roles of targets.
#[derive(Debug, Clone, clap::Args)]
pub struct RoleArgs {
    /// Roles, instead of `targets`; several with commas, or the flag again
    #[arg(long = "roles", short = 'r', value_name = "ROLE", value_delimiter = ',')]
    pub roles: Vec<String>,
}

impl RoleArgs {
    /// The roles, in the order given.
    pub fn parse(&self) -> Result<Vec<RoleName>, CliError> {
        target_roles(&self.roles)
    }
}

/// Reads names of roles that can hold targets.
pub fn target_roles(names: &[String]) -> Result<Vec<RoleName>, CliError> {
    let read = |name: &String| {
        let role = RoleName::parse(name)?;
        if role.is_targets() {
            return Ok(role);
        }
        Err(CliError::usage(format!("the role {role} holds no targets"))
            .hint("roles of targets are `targets` and delegations such as `targets/releases`"))
    };
    names.iter().map(read).collect()
}

/// A target as `--json` prints it.
#[derive(Debug, Serialize)]
pub struct TargetRow<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its size in bytes.
    pub size: u64,
    /// Its hashes by algorithm, in hexadecimal digits.
    pub hashes: BTreeMap<&'a str, String>,
    /// The role that vouches for it.
    pub role: &'a str,
    /// The data that goes with it.
    pub custom: Option<serde_json::Value>,
}

impl<'a> TargetRow<'a> {
    /// A target that was found.
    pub fn of(entry: &'a Entry) -> Self {
        let target = &entry.target;
        let custom = target.custom.as_ref().map(crate::codec::canonical_json::Value::to_wire);
        Self {
            name: entry.name.as_str(),
            size: target.length,
            hashes: target.hashes.iter().map(|(name, digest)| (name, to_hex(digest))).collect(),
            role: entry.role.as_str(),
            custom: custom.and_then(|wire| serde_json::from_slice(&wire).ok()),
        }
    }

    /// The SHA-256 as notary prints it; the SHA-512, under its name, where there is no other.
    pub fn digest(&self) -> String {
        match (self.hashes.get("sha256"), self.hashes.get("sha512")) {
            (Some(sha256), _) => sha256.clone(),
            (None, Some(sha512)) => format!("sha512:{sha512}"),
            (None, None) => String::new(),
        }
    }
}

/// A table as notary draws it: a line under each word of the header.
pub fn ruled_table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let words: Vec<String> = header.iter().map(|&word| word.to_owned()).collect();
    let rules = words.iter().map(|word| "-".repeat(word.chars().count())).collect();
    let rows: Vec<Vec<String>> = [words, rules].into_iter().chain(rows).collect();
    columns(&rows, 4, false)
}

/// Says what a person should know of a collection that was read.
pub fn say_remarks(session: &Session, gun: &Gun, remarks: &Remarks) {
    if let Some(root_keys) = &remarks.first_contact {
        say_first_contact(session, gun.as_str(), root_keys);
    }
    for (role, problem) in &remarks.unusable {
        session.ui.warn(format!("{role} is left out: {problem}"));
    }
    for role in &remarks.unknown {
        session.ui.warn(format!("there is no role {role}"));
    }
}
