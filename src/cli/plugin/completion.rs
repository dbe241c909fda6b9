//! What docker's completion of a shell asks of the plugin.

use crate::cli::error::CliError;
use crate::cli::plugin::usage::TRUST;
use crate::cli::ui::Ui;

/// Prints the commands or flags that the last word may become, as docker's shell scripts read them.
pub fn complete(ui: Ui, words: &[String]) -> Result<(), CliError> {
    let mut text = String::new();
    let mut directive = NO_FILES;
    if let Some((last, before)) = words.split_last() {
        let mut named = &TRUST;
        let mut after = before.iter().skip(1);
        while named.is_group() {
            let Some(next) = after.find_map(|name| named.find(name)) else { break };
            named = next;
        }
        if last.starts_with('-') {
            for (flag, about) in named.flags() {
                if flag.starts_with(last.as_str()) {
                    text.extend([flag.as_str(), "\t", about, "\n"]);
                }
            }
        } else if named.is_group() {
            for command in named.commands {
                if command.name.starts_with(last.as_str()) {
                    text.extend([command.name, "\t", command.about, "\n"]);
                }
            }
        } else {
            directive = FILES;
        }
    }
    Ok(ui.data(format!("{text}{directive}\n"))?)
}

/// Tells the shell not to offer files.
const NO_FILES: &str = ":4";
/// Tells the shell to offer files, as docker did wherever it knew nothing better.
const FILES: &str = ":0";
