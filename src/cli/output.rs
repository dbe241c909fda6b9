//! `--json` and `--format`: how listings and inspections are printed for programs.

use serde::Serialize;

use crate::cli::error::{CliError, ErrorKind};
use crate::cli::run::Session;
use crate::cli::template::{Headings, Template};

/// The flags of a listing, or of an inspection with JSON of our own.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct OutputArgs {
    /// Print JSON
    #[arg(long, conflicts_with = "format")]
    pub json: bool,

    /// How to print an entry.
    #[command(flatten)]
    pub format: FormatArgs,
}

/// The flag of a command whose JSON needs no flag.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct FormatArgs {
    /// Print each entry with this Go template, as docker's --format
    #[arg(long, value_name = "TEMPLATE")]
    pub format: Option<String>,
}

/// What is to be printed of the entries.
#[derive(Debug)]
pub enum Output {
    /// What the command prints for people.
    Text,
    /// An array of all, indented.
    Json,
    /// An array of all in one line.
    JsonLine,
    /// Each by itself.
    Template(Box<Template>),
}

impl OutputArgs {
    /// Takes the flags of a listing. The default row tells a template which fields there are; a
    /// mistake in the template is found now.
    pub fn listing<R: Serialize + Default>(&self) -> Result<Output, CliError> {
        if self.json { Ok(Output::Json) } else { self.format.listing::<R>() }
    }

    /// As [`OutputArgs::listing`]; some columns have a heading of their own.
    pub fn listing_headed<R: Serialize + Default>(
        &self,
        headings: Headings,
    ) -> Result<Output, CliError> {
        if self.json { Ok(Output::Json) } else { self.format.listing_headed::<R>(headings) }
    }

    /// Takes the flags of an inspection, with a sample of what it shows of one thing.
    pub fn inspection(&self, sample: &impl Serialize) -> Result<Output, CliError> {
        if self.json { Ok(Output::Json) } else { self.format.inspection(sample) }
    }
}

impl FormatArgs {
    /// Takes the flag of a listing, as [`OutputArgs::listing`] does.
    pub fn listing<R: Serialize + Default>(&self) -> Result<Output, CliError> {
        self.listing_headed::<R>(&[])
    }

    /// As [`FormatArgs::listing`]; some columns have a heading of their own.
    pub fn listing_headed<R: Serialize + Default>(
        &self,
        headings: Headings,
    ) -> Result<Output, CliError> {
        let text = match self.format.as_deref() {
            None | Some("" | "table") => return Ok(Output::Text),
            Some("json") => "{{json .}}",
            Some(text) => text,
        };
        Template::listing_headed(text, &R::default(), headings).map(Output::template)
    }

    /// As [`FormatArgs::inspection`], of documents whose members have an order.
    pub fn documents(&self, sample: &impl Serialize) -> Result<Output, CliError> {
        match self.format.as_deref() {
            None | Some("") => Ok(Output::Text),
            Some("json") => Ok(Output::JsonLine),
            Some(text) => Template::document(text, sample).map(Output::template),
        }
    }

    /// Takes the flag of an inspection, with a sample of what it shows of one thing.
    pub fn inspection(&self, sample: &impl Serialize) -> Result<Output, CliError> {
        match self.format.as_deref() {
            None | Some("") => Ok(Output::Text),
            Some("json") => Ok(Output::JsonLine),
            Some(text) => Template::inspection(text, sample).map(Output::template),
        }
    }
}

impl Output {
    fn template(template: Template) -> Self {
        Self::Template(Box::new(template))
    }

    /// Whether the command is to print what it prints for people.
    pub fn is_text(&self) -> bool {
        matches!(self, Self::Text)
    }

    /// Prints the entries and returns true, unless they are to be printed for people.
    pub fn print(&self, session: &Session, rows: &[impl Serialize]) -> Result<bool, CliError> {
        self.print_as(session, &rows, rows)
    }

    /// Prints one thing, whose JSON is an object, as [`Self::print`] does.
    pub fn print_one(&self, session: &Session, row: &impl Serialize) -> Result<bool, CliError> {
        self.print_as(session, row, std::slice::from_ref(row))
    }

    /// Prints as [`Self::print`] does entries that are a part of what JSON has.
    pub fn print_as(
        &self,
        session: &Session,
        document: &impl Serialize,
        rows: &[impl Serialize],
    ) -> Result<bool, CliError> {
        let internal = |error| CliError::new(ErrorKind::Internal, error);
        match self {
            Self::Text => return Ok(false),
            Self::Json => {
                session.ui.line(serde_json::to_string_pretty(document).map_err(internal)?)?;
            }
            Self::JsonLine => {
                session.ui.line(serde_json::to_string(document).map_err(internal)?)?;
            }
            Self::Template(template) => session.ui.data(template.render(rows)?)?,
        }
        Ok(true)
    }
}

/// What a command ends with that has a verdict and printed something: a template that fits no entry
/// must not hide the verdict.
pub fn verdict_first(
    session: &Session,
    verdict: Result<(), CliError>,
    printed: Result<bool, CliError>,
) -> Result<(), CliError> {
    match (verdict, printed) {
        (Err(verdict), Err(unprinted)) if !unprinted.ends_everything() => {
            session.ui.error(&unprinted);
            Err(verdict)
        }
        (_, Err(unprinted)) => Err(unprinted),
        (verdict, Ok(_)) => verdict,
    }
}
