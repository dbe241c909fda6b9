//! `trust audit [PATH|REGISTRY/REPO…]`

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use jiff::Span;

use crate::actions::audit::{Found, Machine, Request, Severity, search, states};
use crate::cli::audit::report::{Item, Report};
use crate::cli::audit::sarif::sarif;
use crate::cli::audit::words::count;
use crate::cli::error::{CliError, ErrorKind};
use crate::cli::guns::duration;
use crate::cli::outcome::say_first_contact;
use crate::cli::output::{OutputArgs, verdict_first};
use crate::cli::run::Session;
use crate::oci::Reference;
use crate::store::TrustDir;
use crate::store::files::exists;

/// Find where content trust is used, and how the images there stand
///
/// Looks through files and folders for what switches docker's content trust on or calls docker
/// trust and notary, and asks the trust servers of the images found: signed by whom, until when,
/// and what becomes of them when their server closes. With nothing named it looks at the present
/// folder and at this machine.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Files and folders, or images and repositories with their registry
    #[arg(value_name = "PATH|REGISTRY/REPO")]
    pub places: Vec<PathBuf>,

    /// Look at this machine, too: variables, shells, services, docker, trust directories
    #[arg(long)]
    pub machine: bool,

    /// Ask no server: leave out how images stand
    #[arg(long)]
    pub no_network: bool,

    /// How far ahead something expires soon [default: 6mo]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub within: Option<Span>,

    /// Leave files and folders of this name out; may be given again
    #[arg(long = "exclude", value_name = "NAME")]
    pub excluded: Vec<String>,

    /// From which severity on findings make the exit code
    #[arg(long, value_name = "SEVERITY", default_value = "warning")]
    pub fail_on: FailOn,

    /// Print SARIF 2.1.0
    #[arg(long, conflicts_with_all = ["json", "format"])]
    pub sarif: bool,

    /// How to print what was found.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// From which severity on findings make the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    /// From any
    Note,
    /// From what somebody has to act on
    Warning,
    /// From what is broken, refused or unsafe
    Error,
    /// Never
    Never,
}

impl From<FailOn> for Option<Severity> {
    fn from(fail_on: FailOn) -> Self {
        match fail_on {
            FailOn::Note => Some(Severity::Note),
            FailOn::Warning => Some(Severity::Warning),
            FailOn::Error => Some(Severity::Error),
            FailOn::Never => None,
        }
    }
}

impl Args {
    /// Searches, asks, and reports.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let output = self.output.listing::<Item>()?;
        let context = session.context()?;
        let mut request = self.request(session)?;
        let looks_at_machine = self.machine || self.places.is_empty();
        if looks_at_machine {
            request.machine = Some(machine(session, &context.trust_dir));
        }
        let found = search(&request)?;
        say_what_was_searched(session, &found);
        let judged = if self.no_network || found.images.is_empty() {
            None
        } else {
            let work =
                async { Ok::<_, CliError>(states(&context, &found.images, self.within).await) };
            Some(session.block_on(work)?)
        };
        for judged in judged.iter().flatten() {
            let state = judged.state.as_ref().ok();
            if let Some(keys) = state.and_then(|state| state.first_contact.as_ref()) {
                say_first_contact(session, judged.gun.as_str(), keys);
            }
        }
        let report = Report::of(&found, judged, context.clock.now());
        let verdict = report.verdict(self.fail_on.into());
        if self.sarif {
            let internal = |error| CliError::new(ErrorKind::Internal, error);
            let text = serde_json::to_string_pretty(&sarif(&report)).map_err(internal)?;
            session.ui.line(text)?;
            return verdict;
        }
        let printed = output.print_as(session, &report, &report.findings);
        if output.is_text() {
            if report.findings.is_empty() && report.images.is_empty() {
                session.ui.status("nothing of content trust was found");
            }
            session.ui.data(report.text())?;
        }
        verdict_first(session, verdict, printed)
    }

    /// What was typed: a path if there is such a file, else an image with its registry.
    fn request(&self, session: &Session) -> Result<Request, CliError> {
        let mut request = Request { excluded: self.excluded.clone(), ..Request::default() };
        if self.places.is_empty() {
            request.paths.push(PathBuf::from("."));
        }
        for place in &self.places {
            match image(place) {
                Some(typed) if !exists(place) => {
                    request.named.push(Reference::parse(typed)?);
                }
                _ => request.paths.push(place.clone()),
            }
        }
        if self.no_network && !request.named.is_empty() {
            session.ui.warn("nothing can be said of images that are named with `--no-network`");
        }
        Ok(request)
    }
}

/// What was typed, if it can be an image with its registry: its first part has a dot or a port, or
/// is `localhost`, as docker tells a registry.
fn image(typed: &Path) -> Option<&str> {
    let text = typed.to_str()?;
    let (host, _) = text.split_once('/')?;
    let is_host = host == "localhost" || (host.contains(['.', ':']) && !host.starts_with('.'));
    is_host.then_some(text)
}

fn machine(session: &Session, trust_dir: &TrustDir) -> Machine {
    let environment = &session.settings.environment;
    let mut variables = environment.beginning_with("DOCKER_CONTENT_TRUST");
    variables.append(&mut environment.beginning_with("NOTARY_"));
    Machine {
        variables,
        home: environment.path("HOME"),
        etc: PathBuf::from("/etc"),
        trust_dir: trust_dir.clone(),
    }
}

fn say_what_was_searched(session: &Session, found: &Found) {
    session.ui.detail(format!("{} looked through", count(found.files, "file")));
    for (number, what) in [(found.findings_left_out, "finding"), (found.images_left_out, "image")] {
        if number > 0 {
            session.ui.warn(format!("{} left out: there are too many", count(number, what)));
        }
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("registry.example.com/app", true)]
    #[test_case("localhost:5000/app:1", true)]
    #[test_case("localhost/app", true)]
    #[test_case("docker.io/library/alpine", true)]
    #[test_case("alpine", false)]
    #[test_case("src/main.rs", false; "a path that is not there")]
    #[test_case("./a.b/c", false)]
    #[test_case("../a.b/c", false)]
    #[test_case("/etc", false)]
    fn an_image_has_its_registry(typed: &str, expected: bool) {
        assert_eq!(image(Path::new(typed)).is_some(), expected);
    }
}
