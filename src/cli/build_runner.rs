//! `--runtime`: what runs the commands of a build.

use std::path::Path;
use std::sync::Arc;

use crate::build::run::{Isolation, Options, Sandbox};
use crate::build::runner::Runner;
use crate::cli::error::{CliError, ErrorKind};
use crate::store::ImageLayout;

/// The runner that a person named.
pub fn runner(
    name: &str,
    work: &Path,
    layout: &ImageLayout,
) -> Result<Arc<dyn Runner + Send + Sync>, CliError> {
    let options = options(work, layout)?;
    match name {
        "own" => Ok(Arc::new(Sandbox::new(options))),
        other => Err(CliError::usage(format!("`{other}` is no runtime"))),
    }
}

/// How sandboxes are made of this program.
pub fn options(work: &Path, layout: &ImageLayout) -> Result<Options, CliError> {
    let program = std::env::current_exe();
    Ok(Options {
        program: program.map_err(|error| CliError::new(ErrorKind::Internal, error))?,
        work: work.to_owned(),
        layout: layout.folder().to_owned(),
        isolation: Isolation::Auto,
        terminal: false,
    })
}
