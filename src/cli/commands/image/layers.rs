//! `trust image layers IMAGE`

use serde::Serialize;

use crate::actions::image::layers::{Layer, Presence, layers};
use crate::cli::commands::image::history::command;
use crate::cli::error::CliError;
use crate::cli::human;
use crate::cli::layout::LayoutArgs;
use crate::cli::output::{OutputArgs, verdict_first};
use crate::cli::run::Session;
use crate::cli::template::{Headings, Template};
use crate::oci::{Digest, Platform};
use crate::store::ImageLayoutError;

/// List the layers of an image, and whether they are here
///
/// The base comes first. Fails if a layer is missing or not what it should be.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Image: a name, an id or a digest
    pub image: String,

    /// Read every layer, to know that it is what its digest says
    #[arg(long)]
    pub verify: bool,

    /// Show digests and commands as a whole
    #[arg(long)]
    pub no_trunc: bool,

    /// Of an image for several platforms, the one for this
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    pub platform: Option<String>,

    /// How to print the layers.
    #[command(flatten)]
    pub output: OutputArgs,

    /// Where the images are.
    #[command(flatten)]
    pub layout: LayoutArgs,
}

/// A layer as `--format` and `--json` print it.
#[derive(Debug, Default, Serialize)]
struct Row<'a> {
    digest: &'a str,
    diff_id: Option<&'a str>,
    chain_id: Option<&'a str>,
    media_type: &'a str,
    size: u64,
    state: &'static str,
    created_by: &'a str,
}

/// A layer as the table shows it.
#[derive(Debug, Default, Serialize)]
struct Cells {
    digest: String,
    diff_id: String,
    size: String,
    state: &'static str,
    media_type: String,
    created_by: String,
}

impl Args {
    /// Prints the layers.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let output = self.output.listing_headed::<Row<'_>>(HEADINGS)?;
        let platform = self.platform.as_deref().map(Platform::parse).transpose()?;
        let layout = self.layout.open(session)?;
        let layers = layers(&layout, &self.image, platform.as_ref(), self.verify)?;
        let rows: Vec<Row<'_>> = layers.iter().map(Row::of).collect();
        let printed = match output.print(session, &rows) {
            Ok(false) => self.print_table(session, &rows),
            printed => printed,
        };
        let broken = layers.into_iter().find_map(|layer| match layer.presence {
            Presence::Broken(error) => Some(CliError::from(error)),
            _ => None,
        });
        verdict_first(session, broken.map_or(Ok(()), Err), printed)
    }

    fn print_table(&self, session: &Session, rows: &[Row<'_>]) -> Result<bool, CliError> {
        let table = Template::listing_headed(TABLE, &Cells::default(), HEADINGS)?;
        let cells: Vec<Cells> = rows.iter().map(|row| Cells::of(row, self.no_trunc)).collect();
        session.ui.data(table.render(&cells)?)?;
        Ok(true)
    }
}

impl<'a> Row<'a> {
    fn of(layer: &'a Layer) -> Self {
        Self {
            digest: layer.descriptor.digest.as_str(),
            diff_id: layer.diff_id.as_ref().map(Digest::as_str),
            chain_id: layer.chain_id.as_ref().map(Digest::as_str),
            media_type: &layer.descriptor.media_type,
            size: layer.descriptor.size,
            state: match &layer.presence {
                Presence::Here => "here",
                Presence::Foreign => "foreign",
                Presence::Broken(ImageLayoutError::Missing { .. }) => "missing",
                Presence::Broken(_) => "damaged",
            },
            created_by: &layer.created_by,
        }
    }
}

impl Cells {
    fn of(row: &Row<'_>, whole: bool) -> Self {
        let short = |digest: &str| match digest.split_once(':') {
            Some((_, hex)) if !whole => hex.chars().take(12).collect(),
            _ => digest.to_owned(),
        };
        Self {
            digest: short(row.digest),
            diff_id: short(row.diff_id.unwrap_or_default()),
            size: human::short_size(row.size),
            state: row.state,
            media_type: row.media_type.to_owned(),
            created_by: command(row.created_by, whole),
        }
    }
}

const HEADINGS: Headings = &[];
const TABLE: &str =
    "table {{.Digest}}\t{{.DiffID}}\t{{.Size}}\t{{.State}}\t{{.MediaType}}\t{{.CreatedBy}}";
