//! `trust image history IMAGE`, and `trust history`

use serde::Serialize;

use crate::actions::image::history::{History, Step, history};
use crate::cli::commands::image::ls::{NOT_AVAILABLE, lines, shown_id};
use crate::cli::error::CliError;
use crate::cli::human;
use crate::cli::layout::LayoutArgs;
use crate::cli::output::OutputArgs;
use crate::cli::run::Session;
use crate::cli::template::{Headings, Template};
use crate::cli::ui::Verbosity;
use crate::clock::{Clock, SystemClock, Timestamp};
use crate::oci::Platform;

/// Show how an image was made
///
/// The last step comes first. With --quiet only ids are printed.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Image: a name, an id or a digest
    pub image: String,

    /// Sizes and dates for people
    #[arg(long, short = 'H', value_name = "BOOL", num_args = 0..=1, require_equals = true,
        default_value_t = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    pub human: bool,

    /// Show ids and commands as a whole
    #[arg(long)]
    pub no_trunc: bool,

    /// Of an image for several platforms, the one for this
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    pub platform: Option<String>,

    /// How to print the steps.
    #[command(flatten)]
    pub output: OutputArgs,

    /// Where the images are.
    #[command(flatten)]
    pub layout: LayoutArgs,
}

/// A step as `--format` prints it, in docker's words.
#[derive(Debug, Default, Serialize)]
struct Row {
    id: String,
    created_since: String,
    created_at: String,
    created_by: String,
    size: String,
    comment: String,
}

/// A step as `--json` prints it.
#[derive(Debug, Serialize)]
struct Document<'a> {
    id: Option<&'a str>,
    created: Option<String>,
    created_by: &'a str,
    author: &'a str,
    comment: &'a str,
    size: u64,
    layer: Option<&'a str>,
}

impl Args {
    /// Prints the steps.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let output = self.output.listing_headed::<Row>(HEADINGS)?;
        let platform = self.platform.as_deref().map(Platform::parse).transpose()?;
        let layout = self.layout.open(session)?;
        let History { id, steps } = history(&layout, &self.image, platform.as_ref())?;
        let now = SystemClock.now();
        let shown = |number: usize| (number == 0).then_some(&id);
        let row = |(number, step): (usize, &Step)| {
            let id = shown(number).map(|id| shown_id(id, self.no_trunc));
            Row { id: id.unwrap_or_else(|| MISSING.to_owned()), ..self.row(step, now) }
        };
        let rows: Vec<Row> = steps.iter().enumerate().map(row).collect();
        let mut documents: Vec<Document<'_>> = steps.iter().map(Document::of).collect();
        if let Some(last) = documents.first_mut() {
            last.id = Some(id.as_str());
        }
        if output.print_as(session, &documents, &rows)? {
            return Ok(());
        }
        if session.ui.verbosity() == Verbosity::Quiet {
            let ids: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
            return Ok(session.ui.data(lines(&ids))?);
        }
        let table = if self.human { TABLE } else { TABLE_FOR_PROGRAMS };
        let table = Template::listing_headed(table, &Row::default(), HEADINGS)?;
        Ok(session.ui.data(table.render(&rows)?)?)
    }

    fn row(&self, step: &Step, now: Timestamp) -> Row {
        let entry = &step.entry;
        let created = human::told(entry.created);
        let or_none = |text: Option<String>| text.unwrap_or_else(|| NOT_AVAILABLE.to_owned());
        let size = size(step);
        Row {
            id: String::new(),
            created_since: or_none(created.map(|created| human::ago(created, now))),
            created_at: or_none(
                created.map(|created| created.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
            ),
            created_by: command(&entry.created_by, self.no_trunc),
            size: if self.human { human::short_size(size) } else { size.to_string() },
            comment: entry.comment.clone(),
        }
    }
}

impl<'a> Document<'a> {
    fn of(step: &'a Step) -> Self {
        let entry = &step.entry;
        Self {
            id: None,
            created: entry.created.map(|created| created.to_string()),
            created_by: &entry.created_by,
            author: &entry.author,
            comment: &entry.comment,
            size: size(step),
            layer: step.layer.as_ref().map(|layer| layer.digest.as_str()),
        }
    }
}

/// The size of a step's layer as it is stored, in bytes.
fn size(step: &Step) -> u64 {
    step.layer.as_ref().map_or(0, |layer| layer.size)
}

/// A command as docker's table shows it: in one line, cut after 45 characters.
pub(super) fn command(text: &str, whole: bool) -> String {
    let line = text.replace('\t', " ");
    if whole || line.chars().count() <= MAX_COMMAND_CHARS {
        return line;
    }
    let kept: String = line.chars().take(MAX_COMMAND_CHARS - 1).collect();
    format!("{kept}…")
}

/// Widest command in the table, in characters, as docker has it.
const MAX_COMMAND_CHARS: usize = 45;
const HEADINGS: Headings = &[("id", "IMAGE"), ("created_since", "CREATED")];
const TABLE: &str = "table {{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}";
const TABLE_FOR_PROGRAMS: &str =
    "table {{.ID}}\t{{.CreatedAt}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}";
/// Docker's word for a step whose image is not here.
const MISSING: &str = "<missing>";
