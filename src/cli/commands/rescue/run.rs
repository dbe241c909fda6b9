//! `trust rescue REPOSITORY…`

use std::path::PathBuf;

use crate::actions::Context;
use crate::actions::rescue::Rescued;
use crate::actions::rescue::run::{Request, all_collections, rescue, rescue_cache};
use crate::cli::error::CliError;
use crate::cli::output::OutputArgs;
use crate::cli::rescued::{Document, gun_of_name, say_progress};
use crate::cli::run::Session;
use crate::limits::MAX_GUN_FILE_BYTES;
use crate::store::TrustDir;
use crate::store::files::{read_descriptor, read_user_file};
use crate::tuf::Gun;

/// The command line of `trust rescue`.
#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("which").required(true).multiple(true)
    .args(["names", "all", "gun_file"])))]
pub struct Args {
    /// Repositories or collections
    #[arg(value_name = "REPOSITORY")]
    pub names: Vec<String>,

    /// Trust server to rescue from [default: that of each repository's registry]
    #[arg(long, value_name = "URL")]
    pub from: Option<String>,

    /// Rescue from the cache of a client: a trust directory of docker or notary [default: the one
    /// of --trust-dir]
    #[arg(
        long,
        value_name = "DIR",
        num_args = 0..=1,
        require_equals = true,
        conflicts_with_all = ["from", "no_history", "rate", "parallel"]
    )]
    pub from_cache: Option<Option<PathBuf>>,

    /// Folder to rescue into
    #[arg(long, value_name = "DIR", default_value = "trust-rescue")]
    pub to: PathBuf,

    /// Every repository of the trust server, or of the cache
    #[arg(long, conflicts_with_all = ["names", "gun_file"])]
    pub all: bool,

    /// Also those that this file names, one a line ; `-` is stdin
    #[arg(long, value_name = "FILE")]
    pub gun_file: Option<PathBuf>,

    /// Only what is current, and all roots
    #[arg(long)]
    pub no_history: bool,

    /// Ask a server at most this many times a second
    #[arg(long, value_name = "N", default_value = "50/s", value_parser = rate)]
    pub rate: u32,

    /// Rescue so many repositories, and files, at once
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub parallel: u16,

    /// How to print what came of it.
    #[command(flatten)]
    pub output: OutputArgs,
}

impl Args {
    /// Rescues each; goes on after one that fails.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let output = self.output.inspection(&Document::sample())?;
        let mut context = session.context()?;
        if let Some(url) = &self.from {
            context.connections.ask(url);
        }
        let tell = |rescued: &Rescued| say_progress(session, rescued);
        let reports = if let Some(dir) = &self.from_cache {
            let cache = dir.clone().unwrap_or_else(|| context.trust_dir.path().to_owned());
            let guns = if self.all { TrustDir::new(cache.clone()).guns()? } else { self.named()? };
            rescue_cache(&context, &cache, &guns, &self.to, &tell)?
        } else {
            let guns = if self.all { listed(session, &context, self.rate)? } else { self.named()? };
            let request = Request {
                guns,
                to: self.to.clone(),
                history: !self.no_history,
                rate: self.rate,
                parallel: usize::from(self.parallel),
            };
            session.block_on_transfer(rescue(&context, &request, &tell))?
        };
        Document::of(&context, reports)?.finish(session, &output)
    }

    /// The repositories that were typed and those of the file, each once.
    fn named(&self) -> Result<Vec<Gun>, CliError> {
        let mut guns = Vec::new();
        for name in &self.names {
            guns.push(gun_of_name(name)?);
        }
        if let Some(file) = &self.gun_file {
            let bytes = if file.as_os_str() == "-" {
                read_descriptor(0, MAX_GUN_FILE_BYTES)?
            } else {
                read_user_file(file, MAX_GUN_FILE_BYTES)?
            };
            let text = String::from_utf8(bytes)
                .map_err(|_| CliError::usage(format!("{} is no text", file.display())))?;
            // Editors of some systems put a mark before the first line.
            let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
            for (number, line) in text.lines().enumerate() {
                // No name has a `#`.
                let line = line.split('#').next().unwrap_or_default().trim();
                if line.is_empty() {
                    continue;
                }
                let place = format!("{}:{}", file.display(), number + 1);
                guns.push(gun_of_name(line).map_err(|error| error.context(place))?);
            }
        }
        guns.sort();
        guns.dedup();
        Ok(guns)
    }
}

/// The repositories of the server, if it lists them.
fn listed(session: &Session, context: &Context, rate: u32) -> Result<Vec<Gun>, CliError> {
    let Some(registry) = context.connections.host_of_server() else {
        return Err(CliError::usage("`--all` needs a server to list")
            .hint("`--from URL` names it; `--from-cache --all` takes what is cached here"));
    };
    let listing = all_collections(context, rate, &registry);
    session.block_on_transfer(listing).map_err(|error| {
        error.hint(
            "few servers let everybody list their repositories: `--gun-file FILE` names them one \
             by one",
        )
    })
}

/// A rate such as `50` or `50/s`, for clap.
pub fn rate(text: &str) -> Result<u32, String> {
    let number = text.strip_suffix("/s").unwrap_or(text).parse();
    number.ok().filter(|rate| *rate > 0).ok_or_else(|| "not a rate such as `50/s`".to_owned())
}
