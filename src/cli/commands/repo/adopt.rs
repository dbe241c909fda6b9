//! `trust repo adopt GUN…`

use std::path::PathBuf;

use serde::Serialize;

use crate::actions::repo::adopt::{Adoption, Handed, Needed, adopt};
use crate::cli::carry_error::needed_words;
use crate::cli::error::{CliError, ErrorKind};
use crate::cli::findings::day;
use crate::cli::outcome::{InTurn, say_published};
use crate::cli::output::{Output, OutputArgs, verdict_first};
use crate::cli::rescued::gun_of_name;
use crate::cli::run::Session;
use crate::clock::Timestamp;
use crate::codec::timestamp::Rfc3339;
use crate::store::rescue::RescueFolder;
use crate::tuf::{Gun, RoleName};

/// Hand a collection that was brought to a server over to that server
///
/// By a root rotation, which takes the root key: the next root lists the server's timestamp key, and
/// its snapshot key unless that of the owner is here. Readers follow by themselves. Until then the
/// collection is an archive: it is served as it was brought, and takes no changes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Repositories or collections, by their full names
    #[arg(value_name = "GUN", required = true)]
    pub guns: Vec<String>,

    /// Bring it out of this rescue folder first, if the server does not have it
    #[arg(long, value_name = "DIR")]
    pub from: Option<PathBuf>,

    /// Only say which keys are needed, what would be done, and what readers will see
    #[arg(long)]
    pub dry_run: bool,

    /// How to print it
    #[command(flatten)]
    pub output: OutputArgs,
}

/// An adoption as `--json` and `--format` print it.
#[derive(Debug, Default, Serialize)]
struct Row {
    gun: String,
    done: bool,
    root: u64,
    next_root: u64,
    timestamp: u64,
    ends: Vec<EndRow>,
    roles: Vec<HandedRow>,
    needs: Vec<NeededRow>,
    expired: Vec<ExpiredRow>,
}

#[derive(Debug, Default, Serialize)]
struct EndRow {
    role: String,
    at: String,
}

#[derive(Debug, Default, Serialize)]
struct HandedRow {
    role: String,
    signer: &'static str,
    key: Option<String>,
}

#[derive(Debug, Default, Serialize)]
struct NeededRow {
    role: String,
    threshold: u32,
    keys: Vec<KeyRow>,
}

#[derive(Debug, Default, Serialize)]
struct KeyRow {
    id: String,
    file: String,
    here: bool,
}

#[derive(Debug, Default, Serialize)]
struct ExpiredRow {
    since: String,
    #[serde(flatten)]
    needed: NeededRow,
}

impl Args {
    /// Adopts each; goes on after one that fails.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let output = self.output.listing::<Row>()?;
        let context = session.context()?;
        let folder = self.from.as_deref().map(RescueFolder::open).transpose()?;
        let mut turns = InTurn::new(session, self.guns.len());
        let mut rows = Vec::new();
        for name in &self.guns {
            turns.take(name, || {
                let gun = Gun::parse(name)?;
                let work = adopt(&context, &gun, folder.as_ref(), self.dry_run);
                let adoption =
                    session.block_on(work).map_err(|error| in_full(error, name, &gun))?;
                if output.is_text() {
                    self.say(session, &adoption, context.clock.now())?;
                }
                rows.push(Row::of(&adoption));
                Ok(())
            });
        }
        verdict_first(session, turns.finish(), print(session, &output, &rows))
    }

    fn say(&self, session: &Session, adoption: &Adoption, now: Timestamp) -> Result<(), CliError> {
        let ui = session.ui;
        let Adoption { gun, roots: (root, next), timestamp, .. } = adoption;
        if adoption.is_done() {
            ui.line(format!("{gun}: the server has its keys already; nothing is to be done"))?;
        } else if self.dry_run {
            for needed in &adoption.needs {
                ui.line(format!("{gun}: {}", needed_words(needed)))?;
            }
        } else {
            ui.line(format!("{gun}: adopted with root {next}"))?;
        }
        if self.dry_run && !adoption.is_done() {
            for line in ends(adoption, now) {
                ui.status(line);
            }
        }
        let verb = if self.dry_run { "would list" } else { "lists" };
        for (role, handed) in &adoption.handed {
            match handed {
                Handed::Already(id) => {
                    ui.status(format!("{role}: the server signs it with the key {id}, as before"));
                }
                Handed::Server(id) => {
                    ui.status(format!("{role}: root {next} {verb} the server's key {id}"));
                }
                Handed::Owner => ui.status(format!("{role}: you sign it, as before")),
            }
        }
        if !adoption.is_done() {
            ui.status(format!(
                "Readers follow from root {root} to {next} with their next look, by themselves; \
                 timestamps go on above version {timestamp}. Nobody has to do anything."
            ));
        }
        if let Some(published) = &adoption.published {
            say_published(session, gun.as_str(), published);
        }
        for (old, new) in &adoption.certificates {
            ui.warn(format!(
                "the root key {old} has a new certificate and with it a new id, {new}: whoever \
                 pinned the old id has to add the new one"
            ));
        }
        let renewed = |role: &RoleName| {
            adoption.published.as_ref().is_some_and(|published| published.renewed.contains(role))
        };
        for (needed, since) in adoption.expired.iter().filter(|(needed, _)| !renewed(&needed.role))
        {
            let (role, words) = (&needed.role, needed_words(needed));
            let state = if *since <= now {
                format!("{role} expired on {}, and readers refuse it", day(*since))
            } else {
                format!("{role} expires on {}", day(*since))
            };
            ui.warn(format!(
                "{gun}: {state}, until it is signed again (`trust repo renew`): {words}"
            ));
        }
        if let Some(error) = &adoption.not_confirmed {
            ui.warn(format!(
                "the server accepted it, but it could not be read back ({error}); the same \
                 command again looks once more"
            ));
        }
        Ok(())
    }
}

/// Collections have their full names here, and images seldom.
fn in_full(error: CliError, name: &str, gun: &Gun) -> CliError {
    match gun_of_name(name) {
        Ok(full) if full != *gun && error.kind == ErrorKind::NotFound => {
            error.hint(format!("names are full ones here: is it `{full}`?"))
        }
        _ => error,
    }
}

/// Until when readers believe the archive, the first end first.
fn ends(adoption: &Adoption, now: Timestamp) -> Vec<String> {
    let mut ends = adoption.ends.clone();
    ends.sort_by_key(|(_, at)| *at);
    let mut lines: Vec<String> = ends
        .iter()
        .map(|(role, at)| {
            let verb = if *at < now { "expired on" } else { "holds until" };
            format!("{role}: {verb} {}", day(*at))
        })
        .collect();
    if let Some((role, at)) = ends.first() {
        lines.push(if *at < now {
            format!("Readers refuse the archive for its {role}, until it is adopted.")
        } else {
            format!("Readers believe the archive until {}: adopt it by then.", day(*at))
        });
    }
    lines
}

fn print(session: &Session, output: &Output, rows: &[Row]) -> Result<bool, CliError> {
    output.print(session, rows)
}

impl Row {
    fn of(adoption: &Adoption) -> Self {
        let handed = |(role, handed): &(RoleName, Handed)| {
            let (signer, key) = match handed {
                Handed::Already(id) => ("server", Some(id.to_string())),
                Handed::Server(id) => ("next", Some(id.to_string())),
                Handed::Owner => ("owner", None),
            };
            HandedRow { role: role.to_string(), signer, key }
        };
        Self {
            gun: adoption.gun.to_string(),
            done: adoption.is_done() || adoption.published.is_some(),
            root: adoption.roots.0,
            next_root: adoption.roots.1,
            timestamp: adoption.timestamp,
            ends: adoption
                .ends
                .iter()
                .map(|(role, at)| EndRow {
                    role: role.to_string(),
                    at: Rfc3339::utc(*at).to_string(),
                })
                .collect(),
            roles: adoption.handed.iter().map(handed).collect(),
            needs: adoption.needs.iter().map(NeededRow::of).collect(),
            expired: adoption
                .expired
                .iter()
                .map(|(needed, since)| ExpiredRow {
                    since: Rfc3339::utc(*since).to_string(),
                    needed: NeededRow::of(needed),
                })
                .collect(),
        }
    }
}

impl NeededRow {
    fn of(needed: &Needed) -> Self {
        let keys = needed.keys.iter().map(|(id, here)| KeyRow {
            id: id.to_string(),
            file: format!("private/{id}.key"),
            here: *here,
        });
        Self { role: needed.role.to_string(), threshold: needed.threshold, keys: keys.collect() }
    }
}
