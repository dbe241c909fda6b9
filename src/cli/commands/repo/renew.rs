//! `trust repo renew GUN…`

use jiff::Span;

use crate::actions::repo::renew::{Renewal, Request, renew};
use crate::cli::error::CliError;
use crate::cli::findings;
use crate::cli::guns::{duration, named_or_all};
use crate::cli::outcome::{InTurn, say_published};
use crate::cli::run::Session;
use crate::tuf::{Gun, RoleName};

/// Sign again what has expired or is about to
///
/// With the keys that are here: root, targets, delegations, and the snapshot if its key is here. A
/// root certificate that ends is replaced by a new one of the same key. Says what it could not
/// renew, and which keys can.
#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("which").required(true).args(["guns", "all"])))]
pub struct Args {
    /// Repositories or collections, by their full names
    #[arg(value_name = "GUN")]
    pub guns: Vec<String>,

    /// Every repository in the trust directory
    #[arg(long)]
    pub all: bool,

    /// How far ahead to look [default: 6mo]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub within: Option<Span>,

    /// Only this role; may be given again
    #[arg(long = "role", short = 'r', value_name = "ROLE")]
    pub roles: Vec<String>,

    /// Only say what would be done
    #[arg(long)]
    pub dry_run: bool,
}

impl Args {
    /// Renews each repository; goes on after one that fails.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let context = session.context()?;
        let guns = named_or_all(&context, &self.guns, self.all)?;
        let roles =
            self.roles.iter().map(|role| RoleName::parse(role)).collect::<Result<_, _>>()?;
        let request = Request { within: self.within, roles, dry_run: self.dry_run };
        let mut turns = InTurn::new(session, guns.len());
        for gun in &guns {
            turns.take(gun.as_str(), || {
                let renewal = session.block_on(renew(&context, gun, &request))?;
                say(session, gun, &request, &renewal)
            });
        }
        turns.finish()
    }
}

fn say(session: &Session, gun: &Gun, request: &Request, renewal: &Renewal) -> Result<(), CliError> {
    let ui = session.ui;
    for due in &renewal.renewed {
        let verb = if request.dry_run { "would be signed again" } else { "was signed again" };
        let until = findings::day(due.expires);
        if due.file {
            ui.line(format!("{gun}: {} {verb}; it was valid until {until}", due.role))?;
        } else {
            ui.line(format!(
                "{gun}: {} {verb}; its certificate was valid until {until}",
                due.role
            ))?;
        }
    }
    if let Some(published) = &renewal.published {
        say_published(session, gun.as_str(), published);
    }
    for (old, new) in &renewal.certificates {
        ui.warn(format!(
            "the root key {old} has a new certificate and with it a new id, {new}: whoever pinned \
             the old id has to add the new one"
        ));
    }
    for left in &renewal.left {
        ui.warn(format!("{gun}: {}", findings::left(left)));
    }
    let nothing =
        renewal.published.as_ref().is_none_or(|published| published.publication.is_none());
    if renewal.renewed.is_empty() && nothing {
        ui.status(format!("Nothing of {gun} was to be signed again."));
    }
    Ok(())
}
