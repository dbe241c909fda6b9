//! `--runtime`: what runs the commands of a build.

use std::path::Path;
use std::sync::Arc;

use crate::build::runner::{Job, Outcome, Root, RunError, Runner, Stream};
use crate::cli::error::CliError;

/// The runner that a person named.
pub fn runner(name: &str, _work: &Path) -> Result<Arc<dyn Runner + Send + Sync>, CliError> {
    match name {
        "own" => Ok(Arc::new(Absent)),
        other => Err(CliError::usage(format!("`{other}` is no runtime"))),
    }
}

/// Nothing that could run commands.
#[derive(Debug)]
struct Absent;

impl Runner for Absent {
    fn run(
        &self,
        _: Root<'_>,
        _: &Job<'_>,
        _: &mut dyn FnMut(Stream, &[u8]),
    ) -> Result<Outcome, RunError> {
        Err(RunError::Unable { what: "there is no sandbox".to_owned(), cause: None })
    }
}
