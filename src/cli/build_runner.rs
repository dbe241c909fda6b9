//! `--runtime`: what runs the commands of a build.

use std::path::Path;
use std::sync::Arc;

use crate::build::run::{Isolation, Options, Sandbox};
use crate::build::runner::Runner;
use crate::cli::error::CliError;

/// The runner that a person named, for layers of the image layout in `layout`; it works in `work`.
pub fn runner(
    name: &str,
    layout: &Path,
    work: &Path,
) -> Result<Arc<dyn Runner + Send + Sync>, CliError> {
    let isolation = match name {
        "own" => Isolation::Auto,
        "namespaces" => Isolation::Namespaces,
        "chroot" => Isolation::Chroot,
        other => {
            let words = format!("`{}` is no runtime", other.escape_debug());
            return Err(CliError::usage(words).hint("there are `own`, `namespaces` and `chroot`"));
        }
    };
    let program = std::env::current_exe().map_err(|cause| {
        CliError::usage(format!("it cannot be told where this program is: {cause}"))
    })?;
    let (work, layout) = (work.to_owned(), layout.to_owned());
    Ok(Arc::new(Sandbox::new(Options { program, work, layout, isolation, terminal: false })))
}
