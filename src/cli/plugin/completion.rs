//! What docker's completion of a shell asks of the plugin.

use crate::cli::error::CliError;
use crate::cli::plugin::usage::TRUST;
use crate::cli::ui::Ui;

/// Prints the commands that the last word may become, as docker's shell scripts read them.
pub fn complete(ui: Ui, words: &[String]) -> Result<(), CliError> {
    let mut text = String::new();
    if let Some((last, before)) = words.split_last() {
        let named = before.iter().skip(1).try_fold(&TRUST, |command, name| command.find(name));
        for command in named.into_iter().flat_map(|command| command.commands) {
            if command.name.starts_with(last.as_str()) {
                text.extend([command.name, "\t", command.about, "\n"]);
            }
        }
    }
    Ok(ui.data(format!("{text}{NO_FILES}\n"))?)
}

/// Tells the shell not to offer files.
const NO_FILES: &str = ":4";
