//! `trust key rotate GUN ROLE`

use std::path::PathBuf;

use crate::actions::keys::rotate::{Legacy, Request, Rotated, abandon, rotate};
use crate::cli::error::CliError;
use crate::cli::outcome::{say_published, say_rotation};
use crate::cli::prompt;
use crate::cli::run::Session;
use crate::tuf::{Gun, RoleName};

/// Replace the keys of a role, and publish that at once
///
/// Staged changes stay as they are. A rotation that is cut off is finished or resumed by the same
/// command given again.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Repository or collection, by its full name
    pub gun: String,

    /// root, targets, snapshot or timestamp
    pub role: String,

    /// Let the trust server have the key: needed for timestamp, possible for snapshot
    #[arg(long, short = 'r')]
    pub server_managed: bool,

    /// Take the new key from this file (PEM) instead of making one; may be given again
    #[arg(long, short = 'k', value_name = "FILE", conflicts_with = "server_managed")]
    pub key: Vec<PathBuf>,

    /// Sign with the root keys of N earlier roots, too, for clients that cannot follow; -1: all
    #[arg(
        long,
        short = 'l',
        value_name = "N",
        default_value_t = 0,
        hide_default_value = true,
        allow_negative_numbers = true,
        value_parser = clap::value_parser!(i64).range(-1..=1024)
    )]
    pub legacy: i64,

    /// Undo a rotation that was begun and is not published
    #[arg(long, conflicts_with_all = ["server_managed", "key", "legacy"])]
    pub abandon: bool,

    /// Do not ask before the root key is rotated
    #[arg(long, short = 'y')]
    pub yes: bool,
}

impl Args {
    /// Rotates, after asking if it is about the root key.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let gun = Gun::parse(&self.gun)?;
        if self.abandon {
            let context = session.context()?;
            let earlier = session.block_on(abandon(&context, &gun, &self.role))?;
            say_rotation(session, &earlier);
            return Ok(());
        }
        if self.role == "root" && !self.yes {
            session.ui.warn("you are about to rotate your root key");
            session.ui.status("The present root key has to sign this, too. Keep it afterwards.");
            if !prompt::confirm(session.console().as_ref(), "Do you want to proceed?")? {
                session.ui.status("Nothing was rotated.");
                return Ok(());
            }
        }
        let request = Request {
            gun,
            role: self.role,
            server_managed: self.server_managed,
            key_files: self.key,
            legacy: match u64::try_from(self.legacy) {
                Ok(0) => Legacy::None,
                Ok(count) => Legacy::Last(count),
                Err(_) => Legacy::All,
            },
        };
        let context = session.context()?;
        let rotated = session.block_on(rotate(&context, &request))?;
        say(session, &self.gun, &rotated);
        let role = &rotated.role;
        let words = format!("Successfully rotated {role} key for repository {}", self.gun);
        Ok(session.ui.line(words)?)
    }
}

fn say(session: &Session, gun: &str, rotated: &Rotated) {
    for earlier in &rotated.earlier {
        say_rotation(session, earlier);
    }
    if let Some(published) = &rotated.published {
        say_published(session, gun, published);
    }
    let role = &rotated.role;
    for id in &rotated.new {
        session.ui.status(format!("The {role} key is {id}"));
    }
    if *role == RoleName::Root && !rotated.new.is_empty() {
        session.ui.warn("keep a copy of the new root key off this machine (`trust key backup`)");
    }
    for id in &rotated.removed {
        session.ui.status(format!("The private key {id} is not needed any more; it was removed"));
    }
    if let Some(error) = &rotated.not_confirmed {
        session.ui.warn(format!(
            "the server accepted it, but it could not be read back ({error}); \
             the same command again looks once more"
        ));
    }
}
