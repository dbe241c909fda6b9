//! `trust serve [CONFIG]`

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::cli::error::{CliError, ErrorKind};
use crate::cli::run::Session;
use crate::cli::server_import::ImportArgs;
use crate::cli::server_takeover::TakeoverArgs;
use crate::clock::SystemClock;
use crate::crypto::Passphrase;
use crate::server::config::show::show;
use crate::server::config::{Flags, Source, load};
use crate::server::start::{Reach, Signals, check, start};
use crate::server::tls::Files;
use crate::server::{files, logging};

/// Run a registry and its notary server at one address
///
/// Without a configuration it is for this machine: on localhost:5000, with everything in one folder
/// and a certificate authority of its own. A configuration is that of the distribution registry,
/// with a section `trust`; REGISTRY_… variables go before it, as they do there.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Configuration, YAML [default: `$REGISTRY_CONFIGURATION_PATH`, or none]
    #[arg(value_name = "CONFIG")]
    pub file: Option<PathBuf>,

    /// Listen here; port 0 is any that is free [default: localhost:5000]
    #[arg(long, value_name = "HOST:PORT")]
    pub listen: Option<String>,

    /// Keep everything in this folder [default: ~/.local/share/trust/server]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,

    /// PostgreSQL in place of SQLite in the folder: `postgres://user:password@host/database`
    #[arg(long, value_name = "URL")]
    pub database: Option<String>,

    /// Another name that clients know the server by, with its port if it has one
    #[arg(long = "host", value_name = "HOST[:PORT]")]
    pub hosts: Vec<String>,

    /// Show this certificate (PEM, with those between it and its authority)
    #[arg(long, value_name = "FILE", requires = "tls_key", conflicts_with = "http")]
    pub tls_cert: Option<PathBuf>,

    /// Private key of that certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,

    /// Speak plain HTTP; on addresses of this machine only
    #[arg(long)]
    pub http: bool,

    /// Write the address to this file once the server answers
    #[arg(long, value_name = "FILE")]
    pub ready_file: Option<PathBuf>,

    /// What is taken in before anybody is answered.
    #[command(flatten)]
    pub import: ImportArgs,

    /// What is taken over before that.
    #[command(flatten)]
    pub takeover: TakeoverArgs,

    /// Only tell whether the configuration is right
    #[arg(long, conflicts_with = "print_config")]
    pub check_config: bool,

    /// Only print what the configuration means, without its secrets
    #[arg(long)]
    pub print_config: bool,
}

impl Args {
    /// Serves until told to end.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let source = self.source(session);
        let config = load(&source).map_err(|error| named(&source, error))?;
        let variables = |name: &str| session.settings.environment.secret(name);
        for note in &config.notes {
            session.ui.warn(note);
        }
        if self.print_config {
            return Ok(session.ui.data(show(&config))?);
        }
        if self.check_config {
            check(&config, &variables).map_err(|error| named(&source, error))?;
            session.ui.status("the configuration is right");
            return Ok(());
        }
        logging::start(&config.log);
        raise_descriptor_limit();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(|error| CliError::new(ErrorKind::Internal, error))?;
        let done = runtime.block_on(async {
            let mut signals = Signals::new()?;
            let running = start(config, Arc::new(SystemClock), &variables).await;
            let running = running.map_err(|error| named(&source, error))?;
            let taken_in = async {
                self.takeover.run(session, running.server()).await?;
                self.import.run(session, running.server()).await
            };
            // Each collection is taken in whole or not at all: it may end between any two.
            tokio::select! {
                taken_in = taken_in => taken_in?,
                () = signals.told_to_end() => return Ok(()),
            }
            let reach = running.reach();
            session.ui.status(lines(&reach));
            let address = format!("{}://{}", reach.scheme, reach.host);
            session.ui.line(&address)?;
            if let Some(path) = &self.ready_file {
                files::replace(path, format!("{address}\n").as_bytes(), 0o644)
                    .map_err(|error| named(&source, error))?;
            }
            running.run(signals, || load(&source)).await.map_err(CliError::from)
        });
        // What still runs on other threads has no more business with the outcome.
        runtime.shutdown_background();
        done
    }

    fn source(&self, session: &Session) -> Source {
        let settings = &session.settings;
        let tls = self.tls_cert.as_ref().zip(self.tls_key.as_ref());
        Source {
            file: self.file.clone().or_else(|| settings.server_config.clone()),
            variables: settings.server_variables.0.clone(),
            flags: Flags {
                listen: self.listen.clone(),
                data: self.data.clone(),
                database: self.database.clone().map(Passphrase::new),
                hosts: self.hosts.clone(),
                tls: tls.map(|(certificate, key)| Files {
                    certificate: certificate.clone(),
                    key: key.clone(),
                }),
                http: self.http,
            },
            default_data: settings.server_data.clone(),
        }
    }
}

/// Takes as many descriptors as the system allows: each connection is one.
fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        let error = std::io::Error::from(error);
        let error: &(dyn std::error::Error + 'static) = &error;
        tracing::warn!(error, "the limit of open files stays as it is");
    }
}

/// An error with the file that it is in, where that is known.
fn named(source: &Source, error: impl Into<CliError>) -> CliError {
    let error = error.into();
    match &source.file {
        Some(path) if error.kind == ErrorKind::Usage => {
            error.context(format!("cannot use {}", path.display()))
        }
        _ => error,
    }
}

/// What a docker user has to do once.
fn lines(reach: &Reach) -> String {
    let host = &reach.host;
    let mut lines = vec![format!("A registry and notary server at {}://{host}", reach.scheme)];
    if let Some(authority) = &reach.authority {
        let authority = shell_word(authority);
        let client = format!("~/.docker/tls/{host}");
        lines.push(String::new());
        lines.push("Its certificate is known to docker with these lines, once:".to_owned());
        lines.push(format!(
            "  sudo mkdir -p /etc/docker/certs.d/{host} && \
             sudo cp {authority} /etc/docker/certs.d/{host}/ca.crt"
        ));
        lines.push(format!("  mkdir -p {client} && cp {authority} {client}/ca.crt"));
    }
    if reach.scheme == "https" {
        lines.push(String::new());
        lines.push("Then pushes are signed, and pulls verified, after this one:".to_owned());
        lines.push("  export DOCKER_CONTENT_TRUST=1".to_owned());
    }
    lines.join("\n")
}

/// A path as a shell takes it.
fn shell_word(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+:@%".contains(&byte);
    if text.bytes().all(plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_to_paste() {
        let reach = Reach {
            scheme: "https",
            host: "localhost:5000".to_owned(),
            authority: Some(PathBuf::from("/data of mine/tls/ca.crt")),
        };
        let text = lines(&reach);
        assert!(text.contains("cp '/data of mine/tls/ca.crt' ~/.docker/tls/localhost:5000/ca.crt"));
        let plain = Reach { scheme: "http", authority: None, ..reach };
        assert_eq!(lines(&plain).lines().count(), 1);
    }
}
