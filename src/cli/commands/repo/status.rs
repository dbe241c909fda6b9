//! `trust repo status GUN`

use serde::Serialize;

use crate::actions::repo::status::{Pending, status};
use crate::cli::collection::ruled_table;
use crate::cli::error::CliError;
use crate::cli::output::OutputArgs;
use crate::cli::run::Session;
use crate::tuf::Gun;

/// List the changes that are staged and not published
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Collection
    pub gun: String,

    /// How to print the changes
    #[command(flatten)]
    pub output: OutputArgs,
}

/// A staged change as `--json` and `--format` print it.
#[derive(Debug, Default, Serialize)]
struct Row<'a> {
    number: usize,
    action: Option<&'static str>,
    scope: Option<String>,
    r#type: Option<&'static str>,
    path: Option<&'a str>,
    file: &'a str,
    problem: Option<String>,
}

impl Args {
    /// Prints the changes in the order in which they will be applied.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let output = self.output.listing::<Row<'_>>()?;
        let gun = Gun::parse(&self.gun)?;
        let context = session.context()?;
        let pending = status(&context, &gun)?;
        let rows: Vec<Row<'_>> =
            pending.iter().enumerate().map(|(number, change)| Row::of(number, change)).collect();
        for row in &rows {
            if let Some(problem) = &row.problem {
                let Row { number, file, .. } = row;
                session.ui.warn(format!("#{number} (`{file}`) cannot be read: {problem}"));
            }
        }
        if output.print(session, &rows)? {
            return Ok(());
        }
        if rows.is_empty() {
            session.ui.status(format!("No unpublished changes for {gun}"));
            return Ok(());
        }
        session.ui.status(format!("Unpublished changes for {gun}:\n"));
        Ok(session.ui.data(table(&rows))?)
    }
}

impl<'a> Row<'a> {
    fn of(number: usize, Pending { file, change }: &'a Pending) -> Self {
        let head = change.as_ref().ok().map(crate::tuf::changelist::Change::head);
        Self {
            number,
            action: head.as_ref().map(|head| head.action),
            r#type: head.as_ref().map(|head| head.kind),
            path: head.as_ref().map(|head| head.path),
            scope: head.map(|head| head.scope),
            file,
            problem: change.as_ref().err().map(ToString::to_string),
        }
    }
}

fn table(rows: &[Row<'_>]) -> String {
    let cells = rows.iter().map(|row| {
        vec![
            row.number.to_string(),
            row.action.unwrap_or("?").to_owned(),
            row.scope.clone().unwrap_or_else(|| "?".to_owned()),
            row.r#type.unwrap_or("?").to_owned(),
            row.path.unwrap_or("?").to_owned(),
        ]
    });
    ruled_table(&["#", "ACTION", "SCOPE", "TYPE", "PATH"], cells)
}
