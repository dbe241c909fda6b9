//! The accounts file (spec/server-accounts.md): who there is, and what they may do.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::limits::MAX_NAME_BYTES;
use crate::server::auth::caller::{Grant, GrantError};
use crate::server::auth::password_hash::{PasswordHash, PasswordHashError};

/// Everybody, and what those may do who do not log in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Accounts {
    /// What anybody may do.
    pub anonymous: Vec<Grant>,
    /// Accounts by their names.
    pub accounts: BTreeMap<String, Account>,
}

/// One account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Whose it is.
    pub kind: AccountKind,
    /// Its password.
    pub password: PasswordHash,
    /// Goes up when what was given out for the account so far must be good no more.
    pub generation: i64,
    /// When it ends.
    pub expires: Option<Timestamp>,
    /// What it may do.
    pub grants: Vec<Grant>,
}

/// Whose account it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AccountKind {
    /// A person's, who chooses the password.
    #[default]
    User,
    /// A program's, whose password is made.
    Robot,
}

/// Why a file holds no accounts.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccountsError {
    /// Not UTF-8.
    #[error("the accounts file is not UTF-8")]
    Utf8,
    /// Not YAML of the right form. The message has no contents of the file in it.
    #[error("the accounts file cannot be read: {0}")]
    Yaml(String),
    /// A version that this program does not know.
    #[error("the accounts file has version {version}, and this program knows version {VERSION}")]
    Version {
        /// What it says.
        version: u32,
    },
    /// A name that no account can have.
    #[error("`{name}` is no name for an account; letters, digits, `.`, `_`, `-` and `@` are")]
    Name {
        /// What was written.
        name: String,
    },
    /// A hash that cannot be used.
    #[error("the password of account `{name}` cannot be used")]
    Password {
        /// Whose.
        name: String,
        /// What is wrong with it.
        #[source]
        cause: PasswordHashError,
    },
    /// A time that is none.
    #[error(
        "`{text}` is no time at which account `{name}` could end, such as 2030-01-31T00:00:00Z"
    )]
    Expires {
        /// Whose.
        name: String,
        /// What was written.
        text: String,
    },
    /// A grant that is none.
    #[error("a grant of {whom} cannot be used")]
    Grant {
        /// Whose.
        whom: String,
        /// What is wrong with it.
        #[source]
        cause: GrantError,
    },
    /// The file cannot be written.
    #[error("the accounts cannot be written: {0}")]
    Write(String),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    #[serde(default)]
    anonymous: Vec<String>,
    #[serde(default)]
    accounts: BTreeMap<String, Entry>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    #[serde(default)]
    kind: AccountKind,
    password: String,
    #[serde(default)]
    generation: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
    #[serde(default)]
    grants: Vec<String>,
}

impl Accounts {
    /// Reads a file.
    pub fn parse(file: &[u8]) -> Result<Self, AccountsError> {
        let text = std::str::from_utf8(file).map_err(|_| AccountsError::Utf8)?;
        let options = serde_saphyr::options! { with_snippet: false };
        let file: File = serde_saphyr::from_str_with_options(text, options)
            .map_err(|error| AccountsError::Yaml(error.to_string()))?;
        if file.version != VERSION {
            return Err(AccountsError::Version { version: file.version });
        }
        let anonymous = grants(&file.anonymous, "`anonymous`")?;
        let mut accounts = BTreeMap::new();
        for (name, entry) in file.accounts {
            check_name(&name)?;
            let account = Account::read(&name, entry)?;
            accounts.insert(name, account);
        }
        Ok(Self { anonymous, accounts })
    }

    /// Writes the file. Comments that it had are lost.
    pub fn to_yaml(&self) -> Result<String, AccountsError> {
        let texts = |grants: &[Grant]| grants.iter().map(Grant::to_string).collect();
        let entry = |account: &Account| Entry {
            kind: account.kind,
            password: account.password.expose().to_owned(),
            generation: account.generation,
            expires: account.expires.map(|time| time.to_string()),
            grants: texts(&account.grants),
        };
        let accounts = self.accounts.iter().map(|(name, account)| (name.clone(), entry(account)));
        let file = File {
            version: VERSION,
            anonymous: texts(&self.anonymous),
            accounts: accounts.collect(),
        };
        let yaml = serde_saphyr::to_string(&file)
            .map_err(|error| AccountsError::Write(error.to_string()))?;
        Ok(format!("{HEADING}{yaml}"))
    }
}

impl Account {
    /// Whether it has ended.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|end| end <= now)
    }

    fn read(name: &str, entry: Entry) -> Result<Self, AccountsError> {
        let password = PasswordHash::parse(&entry.password)
            .map_err(|cause| AccountsError::Password { name: name.to_owned(), cause })?;
        let expires = entry.expires.map(|text| {
            text.parse().map_err(|_| AccountsError::Expires { name: name.to_owned(), text })
        });
        Ok(Self {
            kind: entry.kind,
            password,
            generation: entry.generation,
            expires: expires.transpose()?,
            grants: grants(&entry.grants, &format!("account `{name}`"))?,
        })
    }
}

/// Checks that an account can have this name: it has to fit before a colon in a header.
pub fn check_name(name: &str) -> Result<(), AccountsError> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-@".contains(&byte);
    let begins = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    if begins && name.bytes().all(fits) && name.len() <= MAX_NAME_BYTES {
        return Ok(());
    }
    Err(AccountsError::Name { name: name.to_owned() })
}

fn grants(texts: &[String], whom: &str) -> Result<Vec<Grant>, AccountsError> {
    let read = |text: &String| {
        Grant::parse(text).map_err(|cause| AccountsError::Grant { whom: whom.to_owned(), cause })
    };
    texts.iter().map(read).collect()
}

/// The version of the format.
const VERSION: u32 = 1;
/// What a file that was written here begins with.
const HEADING: &str = "# Accounts of trust serve; `trust server account` writes this file.\n";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Passphrase;
    use crate::server::auth::caller::Action;

    const HASH: &str = "$2y$05$L6Bc/AlTQHyd9liGgGEZyOFLPHNgyxeEPfgYfBCVxJ7JIlwxyVU3u";

    #[test]
    fn a_file_by_hand() {
        let text = format!(
            "version: 1\n\
             anonymous: ['public/**:pull']\n\
             accounts:\n\
             \x20 ann: {{password: {HASH}, grants: ['team/*:pull,push,sign']}}\n\
             \x20 ci:\n    kind: robot\n    password: '{HASH}'\n    generation: 3\n    \
             expires: 2030-01-31T00:00:00Z\n"
        );
        let accounts = Accounts::parse(text.as_bytes()).unwrap();
        assert_eq!(accounts.anonymous, [Grant::parse("public/**:pull").unwrap()]);
        let ann = &accounts.accounts["ann"];
        assert_eq!((ann.kind, ann.generation, ann.expires), (AccountKind::User, 0, None));
        assert!(ann.grants[0].actions.contains(&Action::Sign));
        let robot = &accounts.accounts["ci"];
        assert_eq!((robot.kind, robot.generation), (AccountKind::Robot, 3));
        assert!(robot.is_over("2030-01-31T00:00:00Z".parse().unwrap()));
        assert!(!robot.is_over("2030-01-30T23:59:59Z".parse().unwrap()));
    }

    #[test]
    fn what_is_written_is_read() {
        let account = Account {
            kind: AccountKind::Robot,
            password: PasswordHash::of(&Passphrase::new("x".to_owned())).unwrap(),
            generation: 7,
            expires: Some("2030-01-31T00:00:00Z".parse().unwrap()),
            grants: vec![Grant::parse("**:admin").unwrap(), Grant::parse("*:pull").unwrap()],
        };
        let accounts = Accounts {
            anonymous: vec![Grant::parse("**/public:pull").unwrap()],
            accounts: BTreeMap::from([
                ("0e1".to_owned(), account.clone()),
                ("no".to_owned(), account),
            ]),
        };
        let text = accounts.to_yaml().unwrap();
        assert_eq!(Accounts::parse(text.as_bytes()).unwrap(), accounts, "{text}");
        let none = Accounts::default();
        assert_eq!(Accounts::parse(none.to_yaml().unwrap().as_bytes()).unwrap(), none);
    }

    fn error(text: &str) -> AccountsError {
        Accounts::parse(text.as_bytes()).unwrap_err()
    }

    #[test]
    fn what_is_wrong_is_named() {
        let with = |entry: &str| error(&format!("version: 1\naccounts:\n  ann: {entry}\n"));
        assert!(matches!(error("version: 2"), AccountsError::Version { version: 2 }));
        assert!(matches!(error("accounts: {}"), AccountsError::Yaml(_)));
        assert!(
            matches!(with("{password: secret}"), AccountsError::Password { name, .. } if name == "ann")
        );
        let late = with(&format!("{{password: {HASH}, expires: soon}}"));
        assert!(matches!(late, AccountsError::Expires { text, .. } if text == "soon"));
        let grant = with(&format!("{{password: {HASH}, grants: ['a:fly']}}"));
        assert!(matches!(grant, AccountsError::Grant { cause: GrantError::Action { .. }, .. }));
        let name = error(&format!("version: 1\naccounts: {{'a:b': {{password: {HASH}}}}}"));
        assert!(matches!(name, AccountsError::Name { name } if name == "a:b"));
        assert!(matches!(with("{passwort: x}"), AccountsError::Yaml(_)));
    }

    #[test]
    fn an_error_shows_no_hash() {
        let text = format!("version: 1\naccounts:\n  ann: {{password: {HASH}, pasword: {HASH}}}\n");
        assert!(!error(&text).to_string().contains("L6Bc"), "{}", error(&text));
        let text = format!("version: 1\naccounts:\n  ann: {HASH}\n");
        assert!(!error(&text).to_string().contains("L6Bc"), "{}", error(&text));
    }
}
