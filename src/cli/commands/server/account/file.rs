//! The accounts file that the commands read and change.

use std::path::PathBuf;

use crate::cli::error::{CliError, ErrorKind};
use crate::limits::MAX_ACCOUNTS_BYTES;
use crate::server::auth::accounts::{Account, Accounts};
use crate::store::files::{create_file, read_user_file_if_present, rewrite_file};

/// Which file.
#[derive(Debug, clap::Args)]
pub struct FileArgs {
    /// Accounts file
    #[arg(long, value_name = "FILE", default_value = "accounts.yml")]
    pub file: PathBuf,
}

impl FileArgs {
    /// Reads the accounts; a file that is not there is an error.
    pub(super) fn read(&self) -> Result<Accounts, CliError> {
        match self.contents()? {
            Some(contents) => self.parse(&contents),
            None => Err(self.missing()),
        }
    }

    /// Changes the accounts in one step. If somebody else changed them in between, nothing happens.
    pub(super) fn change<T>(
        &self,
        change: impl FnOnce(&mut Accounts) -> Result<T, CliError>,
    ) -> Result<T, CliError> {
        let before = self.contents()?.ok_or_else(|| self.missing())?;
        let mut accounts = self.parse(&before)?;
        let outcome = change(&mut accounts)?;
        rewrite_file(&self.file, &before, accounts.to_yaml()?.as_bytes())?;
        Ok(outcome)
    }

    /// As [`Self::change`]; a file that is not there is made, for its owner alone.
    pub(super) fn change_or_make<T>(
        &self,
        change: impl FnOnce(&mut Accounts) -> Result<T, CliError>,
    ) -> Result<T, CliError> {
        if self.contents()?.is_some() {
            return self.change(change);
        }
        let mut accounts = Accounts::default();
        let outcome = change(&mut accounts)?;
        create_file(&self.file, accounts.to_yaml()?.as_bytes(), PRIVATE_MODE)?;
        Ok(outcome)
    }

    /// Looks at the accounts, if there are any.
    pub(super) fn look(
        &self,
        look: impl FnOnce(&Accounts) -> Result<(), CliError>,
    ) -> Result<(), CliError> {
        self.contents()?.map_or(Ok(()), |contents| look(&self.parse(&contents)?))
    }

    fn contents(&self) -> Result<Option<Vec<u8>>, CliError> {
        Ok(read_user_file_if_present(&self.file, MAX_ACCOUNTS_BYTES)?)
    }

    fn parse(&self, contents: &[u8]) -> Result<Accounts, CliError> {
        let path = self.file.display();
        let accounts = Accounts::parse(contents).map_err(CliError::from);
        accounts.map_err(|error| error.context(format!("cannot use the accounts file {path}")))
    }

    fn missing(&self) -> CliError {
        let message = format!("there is no accounts file {}", self.file.display());
        CliError::new(ErrorKind::NotFound, message)
            .hint("`trust server account add` makes one; `--file` names another")
    }
}

/// The account of a name.
pub(super) fn account<'a>(
    accounts: &'a mut Accounts,
    name: &str,
) -> Result<&'a mut Account, CliError> {
    let missing = || {
        CliError::new(ErrorKind::NotFound, format!("there is no account `{name}`"))
            .hint("`trust server account ls` lists them")
    };
    accounts.accounts.get_mut(name).ok_or_else(missing)
}

/// Only the server and whoever looks after it read hashes of passwords.
const PRIVATE_MODE: u32 = 0o600;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Passphrase;
    use crate::server::auth::accounts::AccountKind;
    use crate::server::auth::password_hash::PasswordHash;

    fn account_of(password: &str) -> Account {
        Account {
            kind: AccountKind::User,
            password: PasswordHash::of(&Passphrase::new(password.to_owned())).unwrap(),
            generation: 1,
            expires: None,
            grants: Vec::new(),
        }
    }

    #[test]
    fn a_file_is_made_and_changed_in_one_step() {
        let folder = tempfile::tempdir().unwrap();
        let args = FileArgs { file: folder.path().join("accounts.yml") };
        assert_eq!(args.read().unwrap_err().kind, ErrorKind::NotFound);
        assert_eq!(args.change(|_| Ok(())).unwrap_err().kind, ErrorKind::NotFound);
        let add = |accounts: &mut Accounts| {
            accounts.accounts.insert("ann".to_owned(), account_of("one"));
            Ok(())
        };
        args.change_or_make(add).unwrap();
        assert_eq!(crate::store::files::mode(&args.file).unwrap() & 0o777, 0o600);
        // Somebody else writes while we think.
        let path = args.file.clone();
        let outcome = args.change(|accounts| {
            let other = FileArgs { file: path };
            let seven = |accounts: &mut Accounts| {
                account(accounts, "ann")?.generation = 7;
                Ok(())
            };
            other.change(seven).unwrap();
            account(accounts, "ann")?.generation = 9;
            Ok(())
        });
        assert!(outcome.is_err());
        assert_eq!(args.read().unwrap().accounts["ann"].generation, 7);
        // What fails changes nothing.
        let error = args.change(|accounts| {
            accounts.anonymous.clear();
            account(accounts, "bob").map(|_| ())
        });
        assert_eq!(error.unwrap_err().kind, ErrorKind::NotFound);
    }
}
