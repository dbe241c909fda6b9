//! `trust tags ls REPOSITORY`

use serde::Serialize;

use crate::actions::tags::ls::{Listing, Request, Tag, ls};
use crate::cli::error::CliError;
use crate::cli::natural_order::natural_order;
use crate::cli::outcome::say_left_out;
use crate::cli::output::OutputArgs;
use crate::cli::run::Session;
use crate::cli::table::columns;
use crate::cli::ui::printable;
use crate::oci::{Digest, Reference};

/// List the tags of a repository in its registry
///
/// In natural order (`v2` before `v10`); with `--limit` or `--last` in the registry's order, in
/// which the next page begins behind the last tag of this one.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Repository
    pub repository: String,

    /// At most this many
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: Option<u32>,

    /// Only those behind this tag, in the registry's order
    #[arg(long, value_name = "TAG")]
    pub last: Option<String>,

    /// Show the digest of each tag, as the registry says
    #[arg(long)]
    pub digests: bool,

    /// How to print the tags
    #[command(flatten)]
    pub output: OutputArgs,
}

impl Args {
    /// Prints one tag a line.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let output = self.output.listing::<Row>()?;
        let repository = Reference::parse(&self.repository)?;
        if repository.tag().is_some() || repository.digest().is_some() {
            return Err(CliError::usage(format!(
                "`{}` is one image; name the repository alone",
                repository.familiar()
            )));
        }
        if let Some(last) = &self.last {
            repository.with_tag(last)?;
        }
        let request = Request {
            repository,
            limit: self.limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX)),
            last: self.last,
            digests: self.digests,
        };
        let context = session.context()?;
        let Listing { mut tags, left_out, more } = session.block_on(ls(&context, &request))?;
        if request.limit.is_none() && request.last.is_none() {
            tags.sort_by(|a, b| natural_order(&a.name, &b.name));
        }
        say_left_out(session, left_out, "tag");
        let name = request.repository.familiar_name();
        let rows: Vec<Row> = tags.iter().map(|tag| Row::of(&name, tag)).collect();
        if !output.print(session, &rows)? {
            session.ui.data(text(&rows, request.digests))?;
        }
        if let (true, Some(tag)) = (more, tags.last()) {
            session.ui.status(format!("There are more: `--last {}` shows the next", tag.name));
        }
        Ok(())
    }
}

fn text(rows: &[Row], with_digests: bool) -> String {
    if with_digests {
        let cells = |row: &Row| vec![row.tag.clone(), row.digest.clone().unwrap_or_default()];
        return columns(&rows.iter().map(cells).collect::<Vec<_>>(), 3, false);
    }
    rows.iter().map(|row| printable(&row.tag) + "\n").collect()
}

/// A tag as `--json` and `--format` print it (`spec/json-output.md`).
#[derive(Debug, Default, Serialize)]
struct Row {
    repository: String,
    tag: String,
    digest: Option<String>,
}

impl Row {
    fn of(repository: &str, tag: &Tag) -> Self {
        Self {
            repository: repository.to_owned(),
            tag: tag.name.clone(),
            digest: tag.digest.as_ref().map(Digest::to_string),
        }
    }
}
