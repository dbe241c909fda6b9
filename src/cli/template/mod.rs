//! Go templates over what a listing shows, as docker's `--format` takes them.
//!
//! A row is whatever serde makes JSON of; its members have Go-like names in templates: `key_ids` is
//! `.KeyIDs`. A sample of the row tells which members there are, so that a misspelt one is found
//! before anything is asked or printed, and members that JSON leaves out are there.

mod functions;
mod value;

use gtmpl_ng::error::{ExecError, ParseError};
use gtmpl_ng::{Context, Limits};
use serde::Serialize;
use serde_json::Value as Json;

use crate::cli::error::{CliError, ErrorKind};
use crate::cli::table::tab_stops;
use crate::cli::ui::printable;

/// A template, ready to be filled in.
pub struct Template {
    text: String,
    parsed: gtmpl_ng::Template,
    sample: Json,
    /// Whether a line of headings comes first, and columns are aligned.
    table: bool,
    /// Headings that are not the words of their field, by its name in JSON.
    headings: Headings,
    /// Whether the rows are documents, which `json` prints as they are.
    documents: bool,
}

/// Names of members in JSON, and the heading of each.
pub type Headings = &'static [(&'static str, &'static str)];

impl std::fmt::Debug for Template {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Template").field("text", &self.text).finish_non_exhaustive()
    }
}

impl Template {
    /// Reads the template of a listing: one line an entry; after `table`, in columns with headings.
    /// `\t` and `\n` stand for a tab and a new line; spaces around the template do not count.
    pub fn listing(text: &str, sample: &impl Serialize) -> Result<Self, CliError> {
        Self::listing_headed(text, sample, &[])
    }

    /// As [`Template::listing`]; some columns have a heading of their own.
    pub fn listing_headed(
        text: &str,
        sample: &impl Serialize,
        headings: Headings,
    ) -> Result<Self, CliError> {
        let (table, text) = match text.strip_prefix("table") {
            Some(columns) => (true, columns),
            None => (false, text),
        };
        let text = text.trim_matches(' ');
        let text = text.replace("\\t", "\t").replace("\\n", "\n");
        let template = Self::parse(text, table, sample, false)?;
        Ok(Self { headings, ..template })
    }

    /// Reads the template of an inspection: taken as it is, without columns.
    pub fn inspection(text: &str, sample: &impl Serialize) -> Result<Self, CliError> {
        Self::parse(text.to_owned(), false, sample, false)
    }

    /// As [`Template::inspection`], of documents that `json` prints with their members in the order
    /// that they have, and without those that they do not have.
    pub fn document(text: &str, sample: &impl Serialize) -> Result<Self, CliError> {
        Self::parse(text.to_owned(), false, sample, true)
    }

    fn parse(
        text: String,
        table: bool,
        sample: &impl Serialize,
        documents: bool,
    ) -> Result<Self, CliError> {
        let sample = json(sample)?;
        // It is the caller's own; what it asks for is theirs to wait for.
        let mut parsed = gtmpl_ng::Template::with_limits(Limits::unlimited());
        parsed.add_funcs(functions::ROWS);
        parsed.parse(text.as_str()).map_err(|error| unreadable(&text, &error))?;
        let template = Self { text, parsed, sample, table, headings: &[], documents };
        let trial = Context::from(template.value(&template.sample));
        match template.parsed.render(&trial) {
            Err(error) if says_no_field(&error) => Err(template.misfit(&error)),
            _ => Ok(template),
        }
    }

    /// Fills the template in for each row; each ends with a new line.
    pub fn render(&self, rows: &[impl Serialize]) -> Result<String, CliError> {
        let mut text = String::new();
        if self.table {
            text.push_str(&self.heading());
            text.push('\n');
        }
        for row in rows {
            let row = self.value(&json(row)?);
            let line = self.parsed.render(&Context::from(row));
            text.push_str(&line.map_err(|error| self.misfit(&error))?);
            text.push('\n');
        }
        Ok(if self.table { tab_stops(&text) } else { text })
    }

    fn value(&self, row: &Json) -> gtmpl_ng::Value {
        if self.documents {
            value::document(row, &self.sample)
        } else {
            value::row(row, &self.sample)
        }
    }

    /// The template filled in with the names of its fields; empty where that makes no sense.
    fn heading(&self) -> String {
        let mut template = gtmpl_ng::Template::with_limits(Limits::unlimited());
        template.add_funcs(functions::HEADINGS);
        let context = Context::from(value::headings(&self.sample, self.headings));
        let parsed = template.parse(self.text.as_str());
        parsed.ok().and_then(|()| template.render(&context).ok()).unwrap_or_default()
    }

    /// An error of filling in, with the place in the template.
    fn misfit(&self, error: &ExecError) -> CliError {
        let structured = match error {
            ExecError::Structured(structured) => structured,
            other => return wrong(&self.text, None, &other.to_string()),
        };
        let context = &structured.context;
        let place = Place { line: context.line, column: context.col, length: context.len };
        if !structured.message.starts_with(NO_FIELD) {
            return wrong(&self.text, Some(place), &structured.message);
        }
        // What follows the name is the whole row.
        let name = structured.message.split('`').nth(1).unwrap_or_default();
        let names: Vec<String> =
            value::names(&self.sample).map(|name| format!(".{name}")).collect();
        wrong(&self.text, Some(place), &format!("there is no field {name}"))
            .hint(format!("the fields of an entry are {}", names.join(", ")))
    }
}

fn json(row: &impl Serialize) -> Result<Json, CliError> {
    serde_json::to_value(row).map_err(|error| CliError::new(ErrorKind::Internal, error))
}

/// How the engine's message about a missing member begins.
const NO_FIELD: &str = "no field `";

fn says_no_field(error: &ExecError) -> bool {
    matches!(error, ExecError::Structured(structured)
        if structured.message.starts_with(NO_FIELD))
}

fn unreadable(text: &str, error: &ParseError) -> CliError {
    match error {
        ParseError::WithContext(context, message) => {
            let place = Place { line: context.line, column: context.col, length: context.len };
            wrong(text, Some(place), message)
        }
        other => wrong(text, None, &other.to_string()),
    }
}

/// Where in a template: line and column from 1, column and length in bytes.
#[derive(Debug, Clone, Copy)]
struct Place {
    line: usize,
    column: usize,
    length: usize,
}

/// A usage error that shows the line of the template and points at the place.
fn wrong(text: &str, place: Option<Place>, message: &str) -> CliError {
    let mut words = format!("in the template of --format: {message}");
    let line = place.and_then(|place| text.split('\n').nth(place.line.saturating_sub(1)));
    if let (Some(place), Some(line)) = (place, line) {
        let start = place.column.saturating_sub(1).min(line.len());
        let end = start.saturating_add(place.length).min(line.len());
        let width = |part: Option<&str>| shown(part.unwrap_or_default()).chars().count();
        let (before, within) = (width(line.get(..start)), width(line.get(start..end)).max(1));
        let (gap, marks) = (" ".repeat(before), "^".repeat(within));
        words = format!("{words}\n  {}\n  {gap}{marks}", shown(line));
    }
    CliError::usage(words)
}

/// A line as it is shown on the screen, so that marks below it stand where they should.
fn shown(line: &str) -> String {
    printable(&line.replace('\t', " "))
}

#[cfg(test)]
mod tests;
