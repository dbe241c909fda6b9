//! `--runtime`: what runs the commands of a build.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::build::run::{Isolation, Options, Sandbox};
use crate::build::runner::Runner;
use crate::cli::error::{CliError, ErrorKind};
use crate::cli::run::Session;
use crate::store::files::exists;

/// The runner that a person named, for layers of the image layout in `layout`; it works in `work`.
pub fn runner(
    session: &Session,
    name: &str,
    layout: &Path,
    work: &Path,
) -> Result<Arc<dyn Runner + Send + Sync>, CliError> {
    let options = options(layout, work)?;
    let isolation = match name {
        "own" => Isolation::Auto,
        "namespaces" => Isolation::Namespaces,
        "chroot" => Isolation::Chroot,
        other => {
            let program = runtime(session, other)?;
            return Ok(Arc::new(Sandbox::with_runtime(options, &program)));
        }
    };
    Ok(Arc::new(Sandbox::new(Options { isolation, ..options })))
}

/// How sandboxes are made of this program.
pub fn options(layout: &Path, work: &Path) -> Result<Options, CliError> {
    let program = std::env::current_exe().map_err(|cause| {
        CliError::new(ErrorKind::Internal, cause).context("it cannot be told where this program is")
    })?;
    let (work, layout) = (work.to_owned(), layout.to_owned());
    Ok(Options { program, work, layout, isolation: Isolation::Auto, terminal: false })
}

/// Where an OCI runtime is: what was named, if it is a path, else what `PATH` has.
fn runtime(session: &Session, name: &str) -> Result<PathBuf, CliError> {
    let unknown = || {
        CliError::usage(format!("`{}` is no runtime", name.escape_debug())).hint(
            "there are `own`, `namespaces` and `chroot`, and OCI runtimes such as `runc` and `crun`",
        )
    };
    if name.contains('/') {
        let path = std::path::absolute(name).map_err(|_| unknown())?;
        return if exists(&path) { Ok(path) } else { Err(unknown()) };
    }
    if !matches!(name, "runc" | "crun") {
        return Err(unknown());
    }
    let path = session.settings.environment.text("PATH").unwrap_or_default();
    let found =
        std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| exists(file));
    found.ok_or_else(|| {
        CliError::usage(format!("`{name}` is not in PATH"))
            .hint("without `--runtime` no other program is needed")
    })
}
