//! A trust server, people with either tool, and the tables both tools print.

use std::fs;
use std::path::PathBuf;

use super::world::copy_folder;
use crate::peers::process::Finished;
use crate::peers::{NotaryOptions, NotaryServer, User};

/// The collection of most tests.
pub(super) const GUN: &str = "example.com/collection";

/// One of the two programs, under notary's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tool {
    /// The reference.
    Notary,
    /// Ours.
    Trust,
}

impl Tool {
    /// Both, in turn: who goes first changes from round to round.
    pub(super) fn pair(round: usize) -> [Self; 2] {
        if round.is_multiple_of(2) {
            [Self::Notary, Self::Trust]
        } else {
            [Self::Trust, Self::Notary]
        }
    }

    /// Runs one of notary's verbs with notary's arguments.
    pub(super) fn run(self, user: &User, verb: &str, args: &[&str]) -> Finished {
        self.run_with_input(user, verb, args, b"")
    }

    /// Runs one of notary's verbs with `input` on its standard input.
    pub(super) fn run_with_input(
        self,
        user: &User,
        verb: &str,
        args: &[&str],
        input: &[u8],
    ) -> Finished {
        match self {
            Self::Notary => user.notary_with_input(&[&[verb], args].concat(), input),
            Self::Trust => {
                let group = match verb {
                    "add" | "addhash" | "remove" | "lookup" | "verify" => "target",
                    _ => "repo",
                };
                user.trust_with_input(&[&[group, verb], args].concat(), input)
            }
        }
    }

    /// Publishes what is staged.
    pub(super) fn publish(self, user: &User) {
        self.run(user, "publish", &[GUN]).success();
    }

    /// The rows of the listing, asking these roles.
    pub(super) fn list(self, user: &User, roles: &[&str]) -> Vec<Vec<String>> {
        let flags: Vec<&str> = roles.iter().flat_map(|role| ["-r", role]).collect();
        cells(&self.run(user, "list", &[&flags[..], &[GUN]].concat()).success().stdout)
    }

    /// The rows of the staged changes.
    pub(super) fn status(self, user: &User) -> Vec<Vec<String>> {
        cells(&self.run(user, "status", &[GUN]).success().stdout)
    }
}

/// Starts a trust server that is open to all.
pub(super) fn server() -> NotaryServer {
    NotaryServer::start(&NotaryOptions::default())
}

/// A new person who knows the server.
pub(super) fn person(server: &NotaryServer) -> User {
    let mut user = User::new();
    user.use_notary(server);
    user
}

/// A new person with the keys of another, and nothing else.
pub(super) fn colleague(server: &NotaryServer, of: &User) -> User {
    let user = person(server);
    let keys = "private";
    copy_folder(&of.trust_folder().join(keys), &user.trust_folder().join(keys));
    user
}

/// Writes a file into a home folder; returns its path.
pub(super) fn file(user: &User, name: &str, content: &str) -> String {
    let path = user.home().join(name);
    fs::write(&path, content).unwrap();
    path.display().to_string()
}

/// The cells of a table below its rule, by the columns that the rule has.
pub(super) fn cells(text: &str) -> Vec<Vec<String>> {
    let lines: Vec<&str> = text.lines().collect();
    let is_rule = |line: &&str| !line.is_empty() && line.chars().all(|c| c == '-' || c == ' ');
    let Some(rule) = lines.iter().position(is_rule) else { return Vec::new() };
    let mut starts = Vec::new();
    let mut before = ' ';
    for (place, letter) in lines[rule].char_indices() {
        if letter == '-' && before == ' ' {
            starts.push(place);
        }
        before = letter;
    }
    let rows = lines[rule - 1..].iter().filter(|line| !is_rule(line));
    rows.filter(|line| !line.trim().is_empty())
        .map(|line| {
            let letters: Vec<char> = line.chars().collect();
            let cell = |(index, &start): (usize, &usize)| {
                let end = starts.get(index + 1).copied().unwrap_or(letters.len());
                let cell = letters.get(start.min(letters.len())..end.min(letters.len()));
                cell.unwrap_or_default().iter().collect::<String>().trim().to_owned()
            };
            starts.iter().enumerate().map(cell).collect()
        })
        .collect()
}

/// What a person sees of the collection, which must be the same with both tools.
pub(super) fn seen_by(user: &User, roles: &[&str]) -> Vec<Vec<String>> {
    let ours = Tool::Trust.list(user, roles);
    assert_eq!(ours, Tool::Notary.list(user, roles), "-r {roles:?}");
    ours
}

/// What is staged, which must be the same with both tools.
pub(super) fn staged_by(user: &User) -> Vec<Vec<String>> {
    let ours = Tool::Trust.status(user);
    assert_eq!(ours, Tool::Notary.status(user));
    ours
}

/// The names in the first column of a listing.
pub(super) fn names(rows: &[Vec<String>]) -> Vec<&str> {
    rows.iter().skip(1).map(|row| row[0].as_str()).collect()
}

/// A role's document as the server has it.
pub(super) fn signed(server: &NotaryServer, role: &str) -> serde_json::Value {
    let held = server.metadata(GUN, role);
    assert_eq!(held.status, 200, "{role}: {}", held.text());
    let file: serde_json::Value = serde_json::from_slice(&held.body).unwrap();
    file["signed"].clone()
}

/// The folder of staged changes.
pub(super) fn changelist(user: &User) -> PathBuf {
    user.trust_folder().join("tuf").join(GUN).join("changelist")
}

/// Gives a role to a new key of this name, with notary; the key stays with `user`.
pub(super) fn delegate(user: &User, role: &str, name: &str, paths: &[&str]) {
    if !user.home().join(format!("{name}.pub")).exists() {
        user.trust(&["key", "generate", name]).success();
    }
    let public = user.home().join(format!("{name}.pub")).display().to_string();
    let flags: Vec<&str> = paths.iter().flat_map(|path| ["--paths", path]).collect();
    let flags = if paths.is_empty() { vec!["--all-paths"] } else { flags };
    let args = [&["delegation", "add", GUN, role, &public], &flags[..]].concat();
    user.notary(&args).success();
}
