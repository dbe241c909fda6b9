//! `trust key ls`

use serde::Serialize;

use crate::cli::error::CliError;
use crate::cli::output::OutputArgs;
use crate::cli::run::Session;
use crate::cli::table::columns;
use crate::store::KeyInfo;

/// List private keys
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How to print the keys.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// A key as `--json` and `--format` print it.
#[derive(Debug, Default, Serialize)]
struct Row<'a> {
    role: &'a str,
    gun: Option<&'a str>,
    id: &'a str,
    encrypted: bool,
    path: String,
}

impl Args {
    /// Prints the keys: roots first, then by repository, role and id.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let output = self.output.listing::<Row<'_>>()?;
        let list = session.context()?.trust_dir.keys()?.list()?;
        for (path, problem) in &list.unusable {
            session.ui.warn(format!("{} is no key: {problem}", path.display()));
        }
        let rows: Vec<Row<'_>> = list.keys.iter().map(Row::of).collect();
        if output.print(session, &rows)? {
            return Ok(());
        }
        if list.keys.is_empty() {
            session.ui.status("No signing keys found.");
            return Ok(());
        }
        Ok(session.ui.data(table(&list.keys))?)
    }
}

impl<'a> Row<'a> {
    fn of(key: &'a KeyInfo) -> Self {
        Self {
            role: &key.role,
            gun: key.gun.as_deref(),
            id: key.id.as_str(),
            encrypted: key.encrypted,
            path: key.path.display().to_string(),
        }
    }
}

/// Notary's table: a blank line, four columns four spaces apart, a blank line.
fn table(keys: &[KeyInfo]) -> String {
    let cells = |cells: [&str; 4]| cells.map(str::to_owned).to_vec();
    let mut rows = vec![
        cells(["ROLE", "GUN", "KEY ID", "LOCATION"]),
        cells(["----", "---", "------", "--------"]),
    ];
    for key in keys {
        let folder = key.path.parent().map(|path| path.display().to_string()).unwrap_or_default();
        rows.push(vec![
            key.role.clone(),
            tail(key.gun.as_deref().unwrap_or_default(), MAX_GUN_CHARS),
            key.id.to_string(),
            tail(&folder, MAX_LOCATION_CHARS),
        ]);
    }
    format!("\n{}\n", columns(&rows, 4, false))
}

/// The end of a text that is too long, after `...`.
fn tail(text: &str, max: usize) -> String {
    let length = text.chars().count();
    if length <= max {
        return text.to_owned();
    }
    let kept: String = text.chars().skip(length - (max - 3)).collect();
    format!("...{kept}")
}

/// Widest repository name in the table, in characters, as notary has it.
const MAX_GUN_CHARS: usize = 25;
/// Widest location in the table, in characters, as notary has it.
const MAX_LOCATION_CHARS: usize = 40;
