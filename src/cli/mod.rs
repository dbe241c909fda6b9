//! The command line: arguments, settings, screen, errors and exit codes, one file per command.

pub mod archive_error;
pub mod archives;
pub mod args;
pub mod collection;
pub mod commands;
pub mod content_trust;
pub mod docker_format;
pub mod error;
pub mod exit_code;
pub mod findings;
pub mod guns;
pub mod human;
pub mod image_error;
pub mod image_files;
pub mod json_text;
pub mod layout;
pub mod natural_order;
pub mod outcome;
pub mod output;
pub mod passphrases;
pub mod progress;
pub mod prompt;
pub mod run;
pub mod server_data;
pub mod server_error;
pub mod settings;
pub mod staging;
pub mod table;
pub mod template;
pub mod trust_error;
pub mod ui;

pub use error::{CliError, ErrorKind};
pub use run::{Session, main};
pub use ui::Ui;
