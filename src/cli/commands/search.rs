//! `trust search TERM`

use serde::Serialize;

use crate::actions::search::{Request, search, split_term};
use crate::cli::error::CliError;
use crate::cli::outcome::say_left_out;
use crate::cli::output::OutputArgs;
use crate::cli::run::Session;
use crate::cli::table::tab_stops;
use crate::cli::ui::printable;
use crate::client::registry::SearchInterface;
use crate::client::registry::search::Found;
use crate::oci::Reference;

/// Search a registry for repositories
///
/// Without a host it is Docker Hub: `trust search alpine`, `trust search localhost:5000/app`. A
/// registry that cannot be searched is asked for all its repositories.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to look for, after the registry's host and a slash if it is not Docker Hub
    #[arg(value_name = "[HOST/]TERM")]
    pub term: String,

    /// Show only what fits: is-official=true|false, stars=N
    #[arg(long = "filter", short = 'f', value_name = "NAME=VALUE")]
    pub filters: Vec<String>,

    /// At most this many, from 1 to 100
    #[arg(long, value_name = "N", default_value_t = DEFAULT_LIMIT)]
    pub limit: i64,

    /// Show whole descriptions
    #[arg(long)]
    pub no_trunc: bool,

    /// How to print what is found
    #[command(flatten)]
    pub output: OutputArgs,
}

impl Args {
    /// Prints what is found, in docker's table.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let output = self.output.listing::<Row>()?;
        let filters = Filters::parse(session, &self.filters)?;
        let limit =
            usize::try_from(self.limit).ok().filter(|_| (1..=MAX_LIMIT).contains(&self.limit));
        let Some(limit) = limit else {
            let limit = self.limit;
            return Err(CliError::usage(format!(
                "limit {limit} is outside the range of [1, {MAX_LIMIT}]"
            )));
        };
        if self.term.contains("://") {
            return Err(CliError::usage(format!(
                "invalid repository name: repository name ({}) should not have a scheme",
                printable(&self.term)
            )));
        }
        let (host, term) = split_term(&self.term);
        let request = Request {
            registry: Reference::parse(&format!("{host}/{ANY_REPOSITORY}"))?,
            term: term.to_owned(),
            limit,
            min_stars: filters.stars,
            official: filters.official,
        };
        let context = session.context()?;
        let results = if filters.nothing {
            None
        } else {
            Some(session.block_on(search(&context, &request))?)
        };
        let found = results.as_ref().map(|results| results.found.as_slice()).unwrap_or_default();
        if let Some(results) = &results {
            say_left_out(session, results.left_out, "repository");
            if results.interface == SearchInterface::Catalog {
                session.ui.detail(format!(
                    "{host} cannot be searched; the names of all its repositories were gone through"
                ));
            }
        }
        let style = Style {
            truncate: !self.no_trunc,
            // Docker writes yes and no in its JSON.
            words: self.output.format.format.as_deref() == Some("json"),
        };
        let rows: Vec<Row> = found.iter().map(|found| Row::of(found, &style)).collect();
        let document: Vec<JsonRow<'_>> = found.iter().map(JsonRow::of).collect();
        if output.print_as(session, &document, &rows)? {
            return Ok(());
        }
        Ok(session.ui.data(table(&rows))?)
    }
}

/// What `--filter` says.
#[derive(Debug, Default, PartialEq, Eq)]
struct Filters {
    stars: u64,
    official: Option<bool>,
    /// Nothing is what was asked for.
    nothing: bool,
}

impl Filters {
    fn parse(session: &Session, given: &[String]) -> Result<Self, CliError> {
        let mut filters = Self::default();
        for filter in given {
            let Some((name, value)) = filter.split_once('=') else {
                return Err(CliError::usage(format!(
                    "invalid filter '{}': expected name=value",
                    printable(filter)
                )));
            };
            let (name, value) = (name.trim().to_lowercase(), value.trim());
            let invalid =
                || CliError::usage(format!("invalid filter '{name}={}'", printable(value)));
            match name.as_str() {
                "stars" => {
                    let stars = value.parse().map_err(|_| invalid())?;
                    filters.stars = filters.stars.max(stars);
                }
                "is-official" => filters.official = Some(yes_or_no(value).ok_or_else(invalid)?),
                "is-automated" => {
                    session.ui.warn("`is-automated` is deprecated: nothing is automated any more");
                    filters.nothing |= yes_or_no(value).ok_or_else(invalid)?;
                }
                _ => {
                    return Err(CliError::usage(format!("invalid filter '{}'", printable(&name)))
                        .hint("the filters are `is-official=true|false` and `stars=N`"));
                }
            }
        }
        Ok(filters)
    }
}

/// Docker takes these words for a filter's value.
fn yes_or_no(value: &str) -> Option<bool> {
    match value {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

/// How rows are written.
struct Style {
    /// Cut descriptions.
    truncate: bool,
    /// Write `true` and `false` rather than a mark.
    words: bool,
}

/// What was found as docker's table and templates have it.
#[derive(Debug, Default, Serialize)]
struct Row {
    name: String,
    description: String,
    star_count: String,
    is_official: String,
    is_automated: String,
}

impl Row {
    fn of(found: &Found, style: &Style) -> Self {
        let flag = |is: bool| match (style.words, is) {
            (true, is) => is.to_string(),
            (false, true) => "[OK]".to_owned(),
            (false, false) => String::new(),
        };
        let description = found.description.replace(['\n', '\r'], " ");
        Self {
            name: found.repository.familiar_name(),
            description: if style.truncate { cut(&description) } else { description },
            star_count: found.stars.to_string(),
            is_official: flag(found.official),
            is_automated: flag(false),
        }
    }
}

/// What was found as `--json` prints it (`spec/json-output.md`).
#[derive(Debug, Serialize)]
struct JsonRow<'a> {
    name: String,
    description: &'a str,
    star_count: u64,
    is_official: bool,
}

impl<'a> JsonRow<'a> {
    fn of(found: &'a Found) -> Self {
        Self {
            name: found.repository.familiar_name(),
            description: &found.description,
            star_count: found.stars,
            is_official: found.official,
        }
    }
}

fn table(rows: &[Row]) -> String {
    let mut text = "NAME\tDESCRIPTION\tSTARS\tOFFICIAL\n".to_owned();
    for row in rows {
        let cells = [&row.name, &row.description, &row.star_count, &row.is_official];
        text.push_str(&cells.map(|cell| printable(cell)).join("\t"));
        text.push('\n');
    }
    tab_stops(&text)
}

/// The text if it is short, else its beginning and an ellipsis, as docker cuts it.
fn cut(text: &str) -> String {
    if text.chars().count() <= MAX_DESCRIPTION_CHARS {
        return text.to_owned();
    }
    text.chars().take(MAX_DESCRIPTION_CHARS - 1).chain(['…']).collect()
}

/// Longest description in the table, in characters: docker's.
const MAX_DESCRIPTION_CHARS: usize = 45;
/// How many repositories docker shows, and the most it shows.
const DEFAULT_LIMIT: i64 = 25;
const MAX_LIMIT: i64 = 100;
/// Connections are made for a repository; which one does not matter for a search.
const ANY_REPOSITORY: &str = "library/any";
