//! What can be typed: the global flags, and the list of commands.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, ValueEnum};

use crate::cli::commands::Command;
use crate::store::client_config::parse_duration;
use crate::tuf::rules::RootWalk;

/// Sign container images and verify their signatures
///
/// Works with every registry and with the trust data, keys and servers of Docker Content Trust
/// and Notary v1.
#[derive(Debug, Parser)]
#[command(
    name = "trust",
    version,
    long_version = concat!(
        env!("CARGO_PKG_VERSION"),
        "\nThe content-trust tool for container images (not the certificate tool of p11-kit)"
    ),
    arg_required_else_help = true,
    propagate_version = false,
    subcommand_required = true,
    disable_help_subcommand = true,
    max_term_width = 100
)]
pub struct Cli {
    /// Flags of every command.
    #[command(flatten)]
    pub global: GlobalArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Flags that every command takes.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Global options")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct GlobalArgs {
    /// Directory of keys and trust data [default: the folder trust in docker's folder]
    #[arg(long, short = 'd', global = true, value_name = "DIR", alias = "trustDir")]
    pub trust_dir: Option<PathBuf>,

    /// Configuration file [default: config.json in the directory of keys and trust data]
    #[arg(long, short = 'c', global = true, value_name = "FILE", alias = "configFile")]
    pub config_file: Option<PathBuf>,

    /// Docker's folder, with config.json and tls/ [default: `$DOCKER_CONFIG`, or ~/.docker]
    #[arg(long, global = true, value_name = "DIR")]
    pub config: Option<PathBuf>,

    /// Trust server [default: `$DOCKER_CONTENT_TRUST_SERVER`, or the registry's host]
    #[arg(long, short = 's', global = true, value_name = "URL")]
    pub server: Option<String>,

    /// Trust server certificates signed by this CA too (PEM)
    #[arg(long, global = true, hide_short_help = true, value_name = "FILE")]
    pub tlscacert: Option<PathBuf>,

    /// Show this certificate to servers (PEM)
    #[arg(long, global = true, hide_short_help = true, value_name = "FILE")]
    pub tlscert: Option<PathBuf>,

    /// Private key of the certificate shown to servers (PEM)
    #[arg(long, global = true, hide_short_help = true, value_name = "FILE")]
    pub tlskey: Option<PathBuf>,

    /// Accept any TLS certificate, and plain HTTP, from registry and trust server
    ///
    /// What is signed is still verified; but others may listen, and see your login.
    #[arg(long, global = true)]
    pub insecure: bool,

    /// Which root may follow the trusted one: the next, or, as notary has it, any later one
    #[arg(long, global = true, hide_short_help = true, value_name = "MODE")]
    pub root_walk: Option<RootWalkArg>,

    /// Follow another timestamp of a version seen before, as notary does
    #[arg(long, global = true, hide_short_help = true)]
    pub accept_equal_timestamp: bool,

    /// Let the next role answer for a delegation that cannot be used, as notary does
    #[arg(long, global = true, hide_short_help = true)]
    pub allow_missing_delegation: bool,

    /// Answer from the cache only if a server confirmed it within this time, such as 72h
    #[arg(long, global = true, hide_short_help = true, value_name = "DURATION", value_parser = duration)]
    pub max_staleness: Option<Duration>,

    /// Wait this long for a connection [default: 10s]
    #[arg(long, global = true, hide_short_help = true, value_name = "DURATION", value_parser = duration)]
    pub connect_timeout: Option<Duration>,

    /// Wait this long for an answer, or for the next piece of one [default: 30s]
    #[arg(long, global = true, hide_short_help = true, value_name = "DURATION", value_parser = duration)]
    pub idle_timeout: Option<Duration>,

    /// Give up if the work with servers takes longer than this altogether [default: 1h]
    #[arg(long, global = true, hide_short_help = true, value_name = "DURATION", value_parser = duration)]
    pub deadline: Option<Duration>,

    /// Sign with the published example keys for servers that are not on this machine
    #[arg(long, global = true)]
    pub allow_example_keys: bool,

    /// Never ask anything on the terminal
    #[arg(long, global = true)]
    pub no_prompt: bool,

    /// Say only warnings and errors
    #[arg(long, short = 'q', global = true, conflicts_with_all = ["verbose", "debug"])]
    pub quiet: bool,

    /// Say more; given twice it is --debug
    #[arg(long, short = 'v', global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,

    /// Say what happens inside
    #[arg(long, short = 'D', global = true)]
    pub debug: bool,

    /// No colours [also: `$NO_COLOR`]
    #[arg(long, global = true)]
    pub no_color: bool,

    /// Where passphrases are read from.
    #[command(flatten)]
    pub passphrases: PassphraseArgs,
}

/// Which root may follow the trusted one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RootWalkArg {
    /// The next version, signed by both
    Strict,
    /// Also a later version, or another root of the same, that the trusted root's keys signed
    Notary,
}

impl From<RootWalkArg> for RootWalk {
    fn from(walk: RootWalkArg) -> Self {
        match walk {
            RootWalkArg::Strict => Self::Strict,
            RootWalkArg::Notary => Self::Notary,
        }
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).map_err(|problem| format!("a duration {problem}"))
}

/// Where passphrases are read from, before the environment, the keyring and the terminal.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Passphrases")]
pub struct PassphraseArgs {
    /// Read the passphrase of every key from this file
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        value_name = "FILE",
        conflicts_with = "passphrase_fd"
    )]
    pub passphrase_file: Option<PathBuf>,

    /// Read the passphrase of every key from this open file descriptor
    #[arg(long, global = true, hide_short_help = true, value_name = "N")]
    pub passphrase_fd: Option<u32>,

    /// Read the passphrase of the root key from this file
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        value_name = "FILE",
        conflicts_with = "root_passphrase_fd"
    )]
    pub root_passphrase_file: Option<PathBuf>,

    /// Read the passphrase of the root key from this open file descriptor
    #[arg(long, global = true, hide_short_help = true, value_name = "N")]
    pub root_passphrase_fd: Option<u32>,

    /// Read the passphrase of all keys but the root key from this file
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        value_name = "FILE",
        conflicts_with = "repository_passphrase_fd"
    )]
    pub repository_passphrase_file: Option<PathBuf>,

    /// Read the passphrase of all keys but the root key from this open file descriptor
    #[arg(long, global = true, hide_short_help = true, value_name = "N")]
    pub repository_passphrase_fd: Option<u32>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn first_lines_of_help_are_short_and_without_full_stop() {
        fn check(command: &clap::Command) {
            let about = command.get_about().map(ToString::to_string).unwrap_or_default();
            assert!(!about.is_empty(), "`{}` has no help", command.get_name());
            assert!(about.len() <= 80 && !about.ends_with('.'), "{about}");
            for arg in command.get_arguments() {
                let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
                assert!(
                    !help.is_empty(),
                    "`{}` of `{}` has no help",
                    arg.get_id(),
                    command.get_name()
                );
                assert!(!help.ends_with('.'), "{help}");
            }
            command.get_subcommands().for_each(check);
        }
        check(&Cli::command());
    }
}
