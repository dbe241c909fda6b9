//! `trust run IMAGE [COMMAND…]`

use std::path::PathBuf;

use crate::actions::run::{Finished, Request, Volume, fetch, kept_name, run};
use crate::build::run::{Isolation, Options, Sandbox};
use crate::build::runner::Stream;
use crate::cli::build_runner::options;
use crate::cli::build_work::work_folder;
use crate::cli::content_trust::ContentTrustArgs;
use crate::cli::error::{CliError, ErrorKind};
use crate::cli::layout::LayoutArgs;
use crate::cli::progress::{self, Transfer};
use crate::cli::run::Session;
use crate::dockerfile::{Network, Security};
use crate::oci::Platform;
use crate::store::files::create_user_folder;

/// Run a command of an image
///
/// In a sandbox, with the files of the image and the rights that docker gives a container. With
/// content trust the image must be signed. What the command changes is thrown away unless --name
/// keeps it. Exit codes: that of the command; 125 it was not run, 126 it cannot be run, 127 it is
/// not there.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Image, and the command with its arguments [default: what the image says]
    #[arg(required = true, trailing_var_arg = true, value_name = "IMAGE [COMMAND…]")]
    pub words: Vec<String>,

    /// Let the command read what is typed
    #[arg(long, short = 'i')]
    pub interactive: bool,

    /// Give the command a terminal
    #[arg(long, short = 't')]
    pub tty: bool,

    /// Variable of the command, NAME=VALUE; NAME alone takes the value from here; may be given again
    #[arg(long, short = 'e', value_name = "NAME[=VALUE]")]
    pub env: Vec<String>,

    /// Folder to run it in [default: as the image says]
    #[arg(long, short = 'w', value_name = "DIR")]
    pub workdir: Option<String>,

    /// User to run it as, USER or USER:GROUP, names of the image or numbers [default: as the image says]
    #[arg(long, short = 'u', value_name = "USER")]
    pub user: Option<String>,

    /// Program in the place of the image's entry point; empty for none
    #[arg(long, value_name = "PROGRAM")]
    pub entrypoint: Option<String>,

    /// File or folder of this machine in the sandbox; may be given again
    #[arg(long, short = 'v', value_name = "HOST:PATH[:ro]")]
    pub volume: Vec<String>,

    // Everywhere else `-v` is short for it; here it is docker's.
    /// Say more
    #[arg(id = "verbose", long, global = true, hide = true, action = clap::ArgAction::Count)]
    pub verbose: u8,

    /// Network of the command
    #[arg(long, value_enum, default_value = "none")]
    pub network: NetworkArg,

    /// Name of the machine that the command sees
    #[arg(long, value_name = "NAME", default_value = "sandbox")]
    pub hostname: String,

    /// Line for the command's /etc/hosts; may be given again
    #[arg(long, value_name = "NAME:ADDRESS")]
    pub add_host: Vec<String>,

    /// Keep what the command changes under this name, for `trust commit`
    #[arg(long, visible_alias = "keep", value_name = "NAME")]
    pub name: Option<String>,

    /// Throw away what the command changes; as without --name
    #[arg(long, conflicts_with = "name")]
    pub rm: bool,

    /// How the command is kept in
    #[arg(long, value_enum, default_value = "auto")]
    pub isolation: IsolationArg,

    /// Run the image for this platform [default: the one that runs here]
    #[arg(long, value_name = "OS/ARCH")]
    pub platform: Option<String>,

    /// This signer must have signed it; may be given again, and then each of them must
    #[arg(long = "signer", value_name = "NAME")]
    pub signers: Vec<String>,

    /// Whether only what is signed is run.
    #[command(flatten)]
    pub content_trust: ContentTrustArgs,

    /// Where images are.
    #[command(flatten)]
    pub layout: LayoutArgs,
}

/// The network of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum NetworkArg {
    /// Its own loopback alone
    None,
    /// That of the machine
    Host,
}

/// How a command is kept in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum IsolationArg {
    /// As well as the machine can, and said where that is not well
    Auto,
    /// By namespaces, or not at all
    Namespaces,
    /// By another root folder alone
    Chroot,
}

impl Args {
    /// Runs the command; its exit code is ours.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let finished = self.finish(session).map_err(not_run)?;
        for warning in &finished.warnings {
            session.ui.warn(warning);
        }
        match u8::try_from(finished.status) {
            Ok(0) => Ok(()),
            status => {
                let kind = ErrorKind::Command(status.unwrap_or(u8::MAX));
                Err(CliError::new(kind, "the command failed"))
            }
        }
    }

    fn finish(&self, session: &Session) -> Result<Finished, CliError> {
        let (image, command) =
            self.words.split_first().ok_or_else(|| CliError::usage("no image"))?;
        let request = self.request(session, command)?;
        if self.tty && !(session.ui.input_is_a_person() && session.ui.shows_data_to_a_person()) {
            return Err(CliError::usage("`--tty` takes a terminal, and there is none here")
                .hint("leave it out where input or output is a pipe or a file"));
        }
        let layout = self.layout.open(session)?;
        let trusted = self.content_trust.is_on(session) || !self.signers.is_empty();
        let trusted = trusted.then(|| self.signers.clone());
        let platform = self.platform.as_deref().map(Platform::parse).transpose()?;
        let context = session.context()?;
        let progress = progress::of(session, Transfer::Pull);
        let fetching = fetch(&context, &layout, image, trusted, platform.as_ref(), &progress);
        let image = session.block_on_transfer(fetching)?;
        let work = work_folder(session, &layout);
        create_user_folder(&work)?;
        let sandbox = Sandbox::new(Options {
            isolation: match self.isolation {
                IsolationArg::Auto => Isolation::Auto,
                IsolationArg::Namespaces => Isolation::Namespaces,
                IsolationArg::Chroot => Isolation::Chroot,
            },
            terminal: self.tty,
            ..options(layout.folder(), &work)?
        });
        let ui = session.ui;
        let mut closed = None;
        let finished = run(&layout, &image, &sandbox, &work, &request, &mut |stream, bytes| {
            let written = match stream {
                Stream::Output => ui.data(bytes),
                Stream::Error => ui.talk(bytes),
            };
            if let Err(error) = written {
                closed.get_or_insert(error);
            }
        })?;
        match closed {
            Some(error) => Err(error.into()),
            None => Ok(finished),
        }
    }

    fn request(&self, session: &Session, command: &[String]) -> Result<Request, CliError> {
        let variables = self.env.iter().map(|text| variable(session, text));
        let volumes: Result<Vec<Volume>, CliError> =
            self.volume.iter().map(|text| volume(text)).collect();
        let hosts: Result<Vec<(String, String)>, CliError> =
            self.add_host.iter().map(|text| host(text)).collect();
        let entrypoint = self
            .entrypoint
            .as_ref()
            .map(|program| if program.is_empty() { Vec::new() } else { vec![program.clone()] });
        let kept = self.name.as_deref().map(kept_name).transpose()?;
        Ok(Request {
            command: command.to_vec(),
            entrypoint,
            environment: variables.flatten().collect(),
            folder: self.workdir.as_deref().map(absolute).transpose()?,
            user: self.user.clone(),
            hostname: self.hostname.clone(),
            hosts: hosts?,
            network: match self.network {
                NetworkArg::None => Network::None,
                NetworkArg::Host => Network::Host,
            },
            security: Security::Sandbox,
            volumes: volumes?,
            interactive: self.interactive,
            kept,
            epoch: session.settings.epoch()?,
        })
    }
}

/// A variable; without a value here there is none there.
fn variable(session: &Session, text: &str) -> Option<(String, String)> {
    match text.split_once('=') {
        Some((name, value)) => Some((name.to_owned(), value.to_owned())),
        None => Some((text.to_owned(), session.settings.environment.text(text)?)),
    }
}

fn volume(text: &str) -> Result<Volume, CliError> {
    let wrong = || CliError::usage(format!("`{text}` is not HOST:PATH or HOST:PATH:ro"));
    let (path, rest) = text.split_once(':').ok_or_else(wrong)?;
    let (target, read_only) = match rest.rsplit_once(':') {
        Some((target, "ro")) => (target, true),
        Some((target, "rw")) => (target, false),
        Some(_) => return Err(wrong()),
        None => (rest, false),
    };
    if path.is_empty() {
        return Err(wrong());
    }
    let path = std::path::absolute(PathBuf::from(path)).map_err(|_| wrong())?;
    Ok(Volume { path, target: absolute(target)?, read_only })
}

fn host(text: &str) -> Result<(String, String), CliError> {
    let wrong = || CliError::usage(format!("`{text}` is not NAME:ADDRESS"));
    let (name, address) = text.split_once([':', '=']).ok_or_else(wrong)?;
    let address = address.trim_start_matches('[').trim_end_matches(']');
    let address: std::net::IpAddr = address.parse().map_err(|_| wrong())?;
    if name.is_empty() || name.contains(char::is_whitespace) {
        return Err(wrong());
    }
    Ok((name.to_owned(), address.to_string()))
}

fn absolute(path: &str) -> Result<String, CliError> {
    if path.starts_with('/') {
        return Ok(path.to_owned());
    }
    Err(CliError::usage(format!("`{path}` does not begin with a slash")))
}

/// What becomes of our own errors: as the command's exit code can be any, so can ours not, but for
/// the three that docker uses.
fn not_run(error: CliError) -> CliError {
    let kind = match error.kind {
        ErrorKind::Interrupted
        | ErrorKind::OutputClosed
        | ErrorKind::NotExecutable
        | ErrorKind::NoProgram => error.kind,
        _ => ErrorKind::NotRun,
    };
    CliError { kind, ..error }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volumes() {
        let read = |text: &str| {
            volume(text)
                .map(|volume| (volume.path.display().to_string(), volume.target, volume.read_only))
        };
        assert_eq!(read("/a:/b").unwrap(), ("/a".into(), "/b".into(), false));
        assert_eq!(read("/a:/b:ro").unwrap(), ("/a".into(), "/b".into(), true));
        assert!(read("a:/b").unwrap().0.ends_with("/a"));
        for wrong in ["", "/a", ":/b", "/a:b", "/a:/b:rx"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn hosts() {
        assert_eq!(host("a:127.0.0.1").unwrap(), ("a".into(), "127.0.0.1".into()));
        assert_eq!(host("a:[::1]").unwrap(), ("a".into(), "::1".into()));
        for wrong in ["a", "a:b", ":1.2.3.4", "a b:1.2.3.4"] {
            assert!(host(wrong).is_err(), "{wrong}");
        }
    }
}
