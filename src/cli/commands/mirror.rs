//! `trust mirror FROM TO`

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::actions::mirror::{
    MirrorError, Mirrored, Recreated, Rename, Request, Round, Step, mirror,
};
use crate::cli::commands::rescue::run::rate;
use crate::cli::error::{CliError, ErrorKind};
use crate::cli::output::OutputArgs;
use crate::cli::rescued::gun_of_name;
use crate::cli::run::Session;
use crate::server::config::duration::parse;
use crate::tuf::Gun;
use crate::wire::import::Imported;

/// Keep a trust server in step with another
///
/// What changed, by the changefeed, is fetched and brought, with its history; TO is a server of
/// `trust serve`, which verifies it all. What is brought is an archive there until its owner adopts
/// it. The same command goes on where it was.
#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("which").required(true).args(["names", "all"])))]
pub struct Args {
    /// The trust server that is followed
    #[arg(value_name = "FROM")]
    pub from: String,

    /// The trust server that is kept in step
    #[arg(value_name = "TO")]
    pub to: String,

    /// Repositories or collections
    #[arg(value_name = "REPOSITORY")]
    pub names: Vec<String>,

    /// Every repository, by the global changefeed
    #[arg(long)]
    pub all: bool,

    /// Folder of the mirror: what was fetched, and how far it is
    #[arg(long, value_name = "DIR", default_value = "trust-mirror")]
    pub folder: PathBuf,

    /// Names that begin with OLD begin with NEW there: signed anew, with the keys that are here
    #[arg(long = "rename", value_name = "OLD=NEW", value_parser = renaming)]
    pub renames: Vec<Rename>,

    /// Delete there what is deleted here
    #[arg(long)]
    pub delete: bool,

    /// Go on, and look again from time to time
    #[arg(long)]
    pub follow: bool,

    /// Time between two looks
    #[arg(long, value_name = "TIME", default_value = "1m", value_parser = time)]
    pub interval: Duration,

    /// Ask the first server at most this many times a second
    #[arg(long, value_name = "N", default_value = "50/s", value_parser = rate)]
    pub rate: u32,

    /// Fetch so many repositories, and files, at once
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub parallel: u16,

    /// How to print what was done
    #[command(flatten)]
    pub output: OutputArgs,
}

/// A collection as `--json` and `--format` print it.
#[derive(Debug, Default, Serialize)]
struct Row {
    gun: String,
    to: String,
    outcome: String,
    stored: u64,
    archive: bool,
    left: Vec<Left>,
    problem: Option<String>,
}

/// A role whose targets could not be signed.
#[derive(Debug, Default, Serialize)]
struct Left {
    role: String,
    keys: Vec<String>,
}

impl Args {
    /// Brings the second server into step, once or again and again.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let output = self.output.listing::<Row>()?;
        let (mut from, mut to) = (session.context()?, session.context()?);
        from.connections.ask(&self.from);
        to.connections.ask(&self.to);
        let names = self.names.iter().map(|name| gun_of_name(name));
        let request = Request {
            guns: names.collect::<Result<Vec<Gun>, CliError>>()?,
            servers: (self.from.clone(), self.to.clone()),
            folder: self.folder.clone(),
            renames: self.renames.clone(),
            delete: self.delete,
            rate: self.rate,
            parallel: usize::from(self.parallel),
        };
        let tell = |mirrored: &Mirrored| {
            let row = Row::of(mirrored);
            if row.outcome != "same" {
                session.ui.status(row.text());
            }
        };
        session.block_on_transfer(async {
            loop {
                let round = mirror(&from, &to, &request, &tell).await;
                match round {
                    Err(error) if !self.follow => return Err(error.into()),
                    Err(error) => session.ui.error(&error.into()),
                    Ok(Round { done, is_other_feed }) => {
                        if is_other_feed {
                            session.ui.warn(format!(
                                "{}: this is not the changefeed that was followed before; all of \
                                 it was looked at again",
                                self.from
                            ));
                        }
                        let rows: Vec<Row> = done.iter().map(Row::of).collect();
                        output.print(session, &rows)?;
                        if !self.follow {
                            return finish(session, done);
                        }
                    }
                }
                tokio::time::sleep(self.interval).await;
            }
        })
    }
}

/// The error that decides the exit code; it and the others were told in short.
fn finish(session: &Session, done: Vec<Mirrored>) -> Result<(), CliError> {
    let all = done.len();
    let mut failed: Vec<(Gun, MirrorError)> = Vec::new();
    for mirrored in done {
        if let Err(error) = mirrored.step {
            failed.push((mirrored.gun, error));
        }
    }
    let count = failed.len();
    session.ui.status(format!("{} of {all} collections are in step", all.saturating_sub(count)));
    match failed.into_iter().next() {
        None => Ok(()),
        Some((gun, error)) if count == 1 => Err(CliError::from(error).context(gun.to_string())),
        Some((gun, error)) => {
            let error = CliError::from(error);
            let kind = if error.ends_everything() { ErrorKind::Failed } else { error.kind };
            Err(CliError { kind, ..error.context(format!("{count} collections, first {gun}")) })
        }
    }
}

impl Row {
    fn of(mirrored: &Mirrored) -> Self {
        let (gun, to) = (mirrored.gun.to_string(), mirrored.to.to_string());
        let row = Self { gun, to, ..Self::default() };
        match &mirrored.step {
            Ok(Step::Same) => Self { outcome: "same".to_owned(), ..row },
            Ok(Step::Brought(Imported { outcome, stored, archive, .. })) => {
                Self { outcome: outcome.clone(), stored: *stored, archive: *archive, ..row }
            }
            Ok(Step::Signed(Recreated { published, is_new, left })) => {
                let outcome = match (is_new, published) {
                    (true, _) => "signed anew",
                    (false, true) => "signed again",
                    (false, false) => "unchanged",
                };
                let left = left.iter().map(|(role, keys)| Left {
                    role: role.to_string(),
                    keys: keys.iter().map(ToString::to_string).collect(),
                });
                Self { outcome: outcome.to_owned(), left: left.collect(), ..row }
            }
            Ok(Step::Deleted { removed: true }) => Self { outcome: "deleted".to_owned(), ..row },
            Ok(Step::Deleted { removed: false }) => {
                Self { outcome: "deleted there".to_owned(), ..row }
            }
            Ok(Step::Kept) => Self { outcome: "kept".to_owned(), ..row },
            Err(error) => {
                let mut problem = error.to_string();
                let mut cause = std::error::Error::source(error);
                while let Some(error) = cause {
                    problem = format!("{problem}: {error}");
                    cause = error.source();
                }
                Self { outcome: "failed".to_owned(), problem: Some(problem), ..row }
            }
        }
    }

    fn text(&self) -> String {
        let Self { gun, to, outcome, stored, .. } = self;
        let mut text = if gun == to {
            format!("{gun}: {outcome}")
        } else {
            format!("{gun} as {to}: {outcome}")
        };
        if *stored > 0 {
            text = format!("{text}, {stored} files");
        }
        if outcome == "kept" {
            text = format!("{text}: it is deleted there, and no archive any more here");
        }
        if self.archive {
            text = format!("{text}; an archive, until its owner adopts it");
        }
        for Left { role, keys } in &self.left {
            let keys = keys.join(", ");
            text = format!("{text}; {role} has to be signed again by one of {keys}");
        }
        if let Some(problem) = &self.problem {
            text = format!("{text}: {problem}");
        }
        text
    }
}

/// Reads `OLD=NEW`.
fn renaming(text: &str) -> Result<Rename, String> {
    let wrong = || "it is OLD=NEW, two beginnings of names".to_owned();
    let (old, new) = text.split_once('=').ok_or_else(wrong)?;
    let (old, new) = (old.trim_end_matches('/'), new.trim_end_matches('/'));
    if old.is_empty() || new.is_empty() || old == new {
        return Err(wrong());
    }
    Ok(Rename { old: old.to_owned(), new: new.to_owned() })
}

/// Reads a duration as the server's configuration has them.
fn time(text: &str) -> Result<Duration, String> {
    parse(text).ok_or_else(|| "it is a time such as 30s, 5m or 1h".to_owned())
}
