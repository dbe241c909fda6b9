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

/// A target as `--json` and `--format` print it.
#[derive(Debug, Default, Serialize)]
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

/// A path as notary shows it: the empty one stands for all.
pub fn path_words(path: &str) -> String {
    if path.is_empty() { "\"\" <all paths>".to_owned() } else { path.to_owned() }
}

/// Paths as notary shows several: sorted, one a line.
pub fn paths_words(paths: &[String]) -> String {
    let mut words: Vec<&String> = paths.iter().collect();
    words.sort();
    words.into_iter().map(|path| path_words(path)).collect::<Vec<_>>().join("\n")
}

/// Reads paths that were given with commas between them; a path with a comma stands between double
/// quotes, as notary reads it. An empty one would stand for all, and is more likely a variable that
/// is not set.
pub fn path_list(given: &[String]) -> Result<Vec<String>, CliError> {
    let mut paths = Vec::new();
    for list in given {
        paths.extend(fields(list).ok_or_else(|| {
            CliError::usage(format!("`{}` has an odd double quote", list.escape_debug()))
        })?);
    }
    if paths.iter().any(String::is_empty) {
        return Err(CliError::usage("a path is empty")
            .hint("`--all-paths` means all; a name begins with each of its paths"));
    }
    Ok(paths)
}

/// The fields of a line of comma-separated values; nothing if a quoted one is not closed.
fn fields(line: &str) -> Option<Vec<String>> {
    let (mut fields, mut field, mut quoted) = (Vec::new(), String::new(), false);
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.next_if_eq(&'"').is_some() => field.push('"'),
            '"' if quoted => quoted = false,
            '"' if field.is_empty() => quoted = true,
            ',' if !quoted => fields.push(std::mem::take(&mut field)),
            letter => field.push(letter),
        }
    }
    fields.push(field);
    (!quoted).then_some(fields)
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case(&["a,b", "c"], &["a", "b", "c"]; "with commas and again")]
    #[test_case(&["\"a,b\",c"], &["a,b", "c"]; "a comma within quotes")]
    #[test_case(&["\"a\"\"b\""], &["a\"b"]; "a quote within quotes")]
    #[test_case(&["a\"b"], &["a\"b"]; "a quote within a path")]
    fn paths_are_read_as_notary_reads_them(given: &[&str], paths: &[&str]) {
        let given: Vec<String> = given.iter().map(|&text| text.to_owned()).collect();
        assert_eq!(path_list(&given).unwrap(), paths);
    }

    #[test_case(""; "nothing")]
    #[test_case("a,,b"; "between commas")]
    #[test_case("\"a"; "an odd quote")]
    fn a_path_that_might_mean_everything_is_refused(given: &str) {
        let error = path_list(&[given.to_owned()]).unwrap_err();
        assert_eq!(error.kind, crate::cli::ErrorKind::Usage);
    }
}
