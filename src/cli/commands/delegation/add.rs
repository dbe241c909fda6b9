//! `trust delegation add GUN ROLE [KEYFILE…]`

use std::path::PathBuf;

use crate::actions::Context;
use crate::actions::delegation::add::{Addition, add};
use crate::actions::delegation::delegation_name;
use crate::cli::collection::{path_list, paths_words};
use crate::cli::commands::delegation::outlook::finish;
use crate::cli::error::CliError;
use crate::cli::run::Session;
use crate::cli::staging::StageArgs;
use crate::crypto::PublicKey;
use crate::limits::MAX_KEY_FILE_BYTES;
use crate::store::files::read_user_file;
use crate::tuf::Gun;

/// Let keys sign for a role, or let a role sign more
///
/// Makes the role if it is not there. The role above it has to sign that.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Collection
    pub gun: String,

    /// Role, such as targets/releases or, below another, targets/qa/nightly
    pub role: String,

    /// Public keys or certificates (PEM)
    #[arg(value_name = "KEYFILE")]
    pub keys: Vec<PathBuf>,

    /// Beginnings of the names it may sign; several with commas, or the flag again
    #[arg(long, value_name = "PATH")]
    pub paths: Vec<String>,

    /// Let it sign any name, if the role above may
    #[arg(long)]
    pub all_paths: bool,

    /// Publish at once, or not
    #[command(flatten)]
    pub stage: StageArgs,
}

impl Args {
    /// Stages, and publishes on demand.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let gun = Gun::parse(&self.gun)?;
        let role = delegation_name(&self.role)?;
        let listed = path_list(&self.paths)?;
        let paths = if self.all_paths { vec![String::new()] } else { listed };
        if self.keys.is_empty() && paths.is_empty() {
            return Err(CliError::usage("no key and no path to add")
                .hint("name files of public keys, `--paths` or `--all-paths`"));
        }
        let context = session.context()?;
        let keys = public_keys(&context, &self.keys)?;
        let mut with = Vec::new();
        if !keys.is_empty() {
            let ids: Result<Vec<_>, _> = keys.iter().map(PublicKey::canonical_id).collect();
            let ids: Vec<String> = ids?.iter().map(ToString::to_string).collect();
            with.push(format!("with keys [{}], ", ids.join(" ")));
        }
        if !paths.is_empty() {
            with.push(format!("with paths [{}], ", paths_words(&paths)));
        }
        let with = with.concat();
        let changes = add(&context, &gun, &role, Addition { keys, paths })?;
        let staged = format!(
            "Addition of delegation role {role} {with}to repository \"{gun}\" staged for next publish."
        );
        finish(self.stage, session, &context, &gun, &staged, &changes)
    }
}

fn public_keys(context: &Context, files: &[PathBuf]) -> Result<Vec<PublicKey>, CliError> {
    let read = |path: &PathBuf| {
        let pem = read_user_file(path, MAX_KEY_FILE_BYTES).map_err(|error| {
            let words = format!("unable to read public key from file: {}", path.display());
            CliError::from(error).context(words)
        })?;
        PublicKey::from_pem(&pem, context.clock.now()).map_err(|error| {
            let words = format!("could not parse public key from file: {}", path.display());
            CliError::from(error).context(words)
        })
    };
    files.iter().map(read).collect()
}
