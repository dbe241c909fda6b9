//! `trust image ls [REPOSITORY[:TAG]]`, and `trust images`

use std::error::Error;

use serde::Serialize;

use crate::actions::image::filter::{Filters, Known};
use crate::actions::image::find::short_id;
use crate::actions::image::inventory::Item;
use crate::actions::image::ls::list;
use crate::cli::error::CliError;
use crate::cli::human;
use crate::cli::layout::LayoutArgs;
use crate::cli::output::OutputArgs;
use crate::cli::run::Session;
use crate::cli::template::{Headings, Template};
use crate::cli::ui::Verbosity;
use crate::clock::{Clock, SystemClock, Timestamp};
use crate::oci::{Digest, ImageName, Reference};

/// List images
///
/// With --quiet only their ids are printed.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only images called so; `*`, `?` and `[…]` stand for parts of a name
    #[arg(value_name = "REPOSITORY[:TAG]")]
    pub repository: Option<String>,

    /// List all images, as is done anyway
    #[arg(long, short = 'a')]
    pub all: bool,

    /// Show digests
    #[arg(long)]
    pub digests: bool,

    /// Show ids as a whole
    #[arg(long)]
    pub no_trunc: bool,

    /// Only images that pass: dangling=, label=, before=, since=, until=, reference=
    #[arg(long, short = 'f', value_name = "FILTER")]
    pub filter: Vec<String>,

    /// How to print the images.
    #[command(flatten)]
    pub output: OutputArgs,

    /// Where the images are.
    #[command(flatten)]
    pub layout: LayoutArgs,
}

/// An image as `--format` prints it, in docker's words.
#[derive(Debug, Default, Serialize)]
struct Row {
    id: String,
    repository: String,
    tag: String,
    digest: String,
    created_since: String,
    created_at: String,
    size: String,
    containers: &'static str,
    shared_size: &'static str,
    unique_size: &'static str,
}

/// An image as `--json` prints it.
#[derive(Debug, Serialize)]
struct Document<'a> {
    id: &'a str,
    name: Option<String>,
    repository: Option<String>,
    tag: Option<String>,
    digest: &'a str,
    media_type: &'a str,
    source: Option<String>,
    created: Option<String>,
    size: Option<u64>,
}

impl Args {
    /// Prints the images, the newest first.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let mut output = self.output.clone();
        if output.format.format.as_deref() == Some("raw") {
            output.format.format =
                Some(if self.digests { RAW_WITH_DIGEST } else { RAW }.to_owned());
        }
        let output = output.listing_headed::<Row>(HEADINGS)?;
        let now = SystemClock.now();
        let mut filters = Filters::parse(&self.filter, Known::Listing, now)?;
        if let Some(pattern) = &self.repository {
            filters.and_reference(pattern)?;
        }
        let items = list(&self.layout.open(session)?, &filters)?;
        for item in &items {
            if let Err(problem) = &item.facts {
                let cause = problem.source().map(|cause| format!(": {cause}"));
                session.ui.warn(format!("{problem}{}", cause.unwrap_or_default()));
            }
        }
        let rows: Vec<Row> = items.iter().map(|item| Row::of(item, now, self.no_trunc)).collect();
        let documents: Vec<Document<'_>> = items.iter().map(Document::of).collect();
        if output.print_as(session, &documents, &rows)? {
            return Ok(());
        }
        if session.ui.verbosity() == Verbosity::Quiet {
            let ids: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
            return Ok(session.ui.data(lines(&ids))?);
        }
        let table = if self.digests { TABLE_WITH_DIGEST } else { TABLE };
        let table = Template::listing_headed(table, &Row::default(), HEADINGS)?;
        Ok(session.ui.data(table.render(&rows)?)?)
    }
}

impl Row {
    fn of(item: &Item, now: Timestamp, whole_id: bool) -> Self {
        let (repository, tag) = names(item);
        let or_none = |text: Option<String>| text.unwrap_or_else(|| NONE.to_owned());
        let facts = item.facts.as_ref().ok();
        let created = human::told(facts.and_then(|facts| facts.created));
        let since = created.map(|created| human::ago(created, now));
        let size = facts.map(|facts| human::short_size(facts.size));
        let unknown = || NOT_AVAILABLE.to_owned();
        Self {
            id: shown_id(&item.id, whole_id),
            repository: or_none(repository),
            tag: or_none(tag),
            digest: digest(item).to_string(),
            created_since: since.unwrap_or_else(unknown),
            created_at: created.map_or_else(unknown, created_at),
            size: size.unwrap_or_else(unknown),
            containers: NOT_AVAILABLE,
            shared_size: NOT_AVAILABLE,
            unique_size: NOT_AVAILABLE,
        }
    }
}

impl<'a> Document<'a> {
    fn of(item: &'a Item) -> Self {
        let facts = item.facts.as_ref().ok();
        let (repository, tag) = names(item);
        Self {
            id: item.id.as_str(),
            name: item.name.as_ref().map(ToString::to_string),
            repository,
            tag,
            digest: item.entry.descriptor.digest.as_str(),
            media_type: &item.entry.descriptor.media_type,
            source: item.entry.source().map(|source| source.to_string()),
            created: facts.and_then(|facts| facts.created).map(|created| created.to_string()),
            size: facts.map(|facts| facts.size),
        }
    }
}

/// The digest by which the repository has the image, or else that of what the layout has.
fn digest(item: &Item) -> Digest {
    let name = item.name.as_ref().and_then(ImageName::reference).map(Reference::name);
    let known = item.repo_digest().filter(|known| name.is_none_or(|name| name == known.name()));
    let digest = known.and_then(|known| known.digest().cloned());
    digest.unwrap_or_else(|| item.entry.descriptor.digest.clone())
}

/// The columns REPOSITORY and TAG. What others wrote without a repository is a tag; an image that
/// lost its name is still of the repository it came from.
fn names(item: &Item) -> (Option<String>, Option<String>) {
    match &item.name {
        Some(ImageName::Reference(reference)) => {
            (Some(reference.familiar_name()), reference.tag().map(str::to_owned))
        }
        Some(ImageName::Bare(text)) => (None, Some(text.clone())),
        None => (item.entry.source().map(|source| source.familiar_name()), None),
    }
}

/// Ids, a line each.
pub(super) fn lines(ids: &[&str]) -> String {
    let end = if ids.is_empty() { "" } else { "\n" };
    ids.join("\n") + end
}

/// An id as docker's listings show it.
pub(super) fn shown_id(id: &Digest, whole: bool) -> String {
    if whole { id.to_string() } else { short_id(id).to_owned() }
}

/// A time as docker's listing of images shows it, in UTC.
fn created_at(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S +0000 UTC").to_string()
}

const HEADINGS: Headings = &[("id", "IMAGE ID"), ("created_since", "CREATED")];
const TABLE: &str = "table {{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}";
const TABLE_WITH_DIGEST: &str =
    "table {{.Repository}}\t{{.Tag}}\t{{.Digest}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}";
const RAW: &str = "repository: {{.Repository}}\ntag: {{.Tag}}\nimage_id: {{.ID}}\n\
    created_at: {{.CreatedAt}}\nvirtual_size: {{.Size}}\n";
const RAW_WITH_DIGEST: &str = "repository: {{.Repository}}\ntag: {{.Tag}}\ndigest: {{.Digest}}\n\
    image_id: {{.ID}}\ncreated_at: {{.CreatedAt}}\nvirtual_size: {{.Size}}\n";
const NONE: &str = "<none>";
/// What is not known here, in docker's words.
pub(super) const NOT_AVAILABLE: &str = "N/A";
