//! `--runtime`: what runs the commands of a build.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::build::run::{Isolation, Options, Sandbox};
use crate::build::runner::Runner;
use crate::cli::error::CliError;
use crate::store::ImageLayout;

/// The runner that a person named.
pub fn runner(
    name: &str,
    work: &Path,
    layout: &ImageLayout,
) -> Result<Arc<dyn Runner + Send + Sync>, CliError> {
    let isolation = match name {
        "own" => Isolation::Auto,
        "own-namespaces" => Isolation::Namespaces,
        "own-chroot" => Isolation::Chroot,
        other => {
            return Err(CliError::usage(format!("`{other}` is no runtime"))
                .hint("known are `own`, `own-namespaces` and `own-chroot`"));
        }
    };
    Ok(Arc::new(Sandbox::new(Options {
        program: PathBuf::from(THIS_PROGRAM),
        work: work.to_owned(),
        layout: layout.folder().to_owned(),
        isolation,
        terminal: false,
    })))
}

/// The program that runs, whatever it is called by now.
const THIS_PROGRAM: &str = "/proc/self/exe";
