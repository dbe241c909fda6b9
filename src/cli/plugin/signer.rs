//! `docker trust signer`

use std::path::Path;

use crate::actions::publish::PublishError;
use crate::actions::signer::add::{Request, add as added};
use crate::actions::signer::rm::{Removed, remove as removed};
use crate::actions::signer::{SignerError, check_name};
use crate::actions::update::RefreshError;
use crate::cli::docker_steps::say_warnings;
use crate::cli::docker_words::with_causes;
use crate::cli::error::{CliError, ErrorKind};
use crate::cli::outcome::so_far;
use crate::cli::plugin::Plugin;
use crate::cli::ui::printable;
use crate::crypto::PublicKey;
use crate::limits::MAX_KEY_FILE_BYTES;
use crate::oci::Reference;
use crate::store::StoreError;
use crate::store::files::read_user_file;
use crate::tuf::RoleName;

/// Makes somebody a signer of repositories; goes on after one that fails.
pub fn add(
    plugin: &Plugin,
    name: &str,
    repositories: &[String],
    files: &[&Path],
) -> Result<(), CliError> {
    let ui = plugin.session.ui;
    check_name(name).map_err(|error| plugin.fail(&error.to_string()))?;
    if files.is_empty() {
        return Err(plugin.fail("path to a public key must be provided using the `--key` flag"));
    }
    let keys = files.iter().map(|file| public_key(plugin, file)).collect::<Result<_, _>>()?;
    let request = Request { name: name.to_owned(), keys, ..Request::default() };
    let mut failures = Vec::new();
    for repository in repositories {
        ui.line(format!("Adding signer \"{name}\" to {repository}..."))?;
        if let Err(error) = add_to(plugin, repository, &request) {
            say(plugin, error)?;
            failures.push(repository.as_str());
        }
    }
    if failures.is_empty() {
        return Ok(());
    }
    Err(plugin.fail(&format!("failed to add signer to: {}", failures.join(", "))))
}

fn public_key(plugin: &Plugin, file: &Path) -> Result<PublicKey, CliError> {
    let shown = printable(&file.to_string_lossy());
    let pem = read_user_file(file, MAX_KEY_FILE_BYTES).map_err(|error| {
        let words = match &error {
            StoreError::Io { cause, .. } if cause.kind() == std::io::ErrorKind::NotFound => {
                format!("open {shown}: no such file or directory")
            }
            _ => with_causes(&error.into()),
        };
        plugin.fail(&format!("unable to read public key from file: {words}"))
    })?;
    PublicKey::from_pem(&pem, plugin.context.clock.now()).map_err(|_| {
        let words = "no valid public key found";
        plugin.fail(&format!("could not parse public key from file: {shown}: {words}"))
    })
}

fn add_to(plugin: &Plugin, repository: &str, request: &Request) -> Result<(), CliError> {
    let (session, name) = (&plugin.session, &request.name);
    let ui = session.ui;
    let reference = Reference::parse(repository)?;
    let published = session.block_on(added(&plugin.context, &reference, request))?;
    if published.initialized.is_some() {
        ui.line(format!("Initializing signed repository for {repository}..."))?;
        ui.line(format!("Successfully initialized \"{repository}\""))?;
    }
    say_warnings(session, &published);
    let line = match published.waits(&RoleName::Targets) {
        Some(progress) => {
            format!("Proposed signer: {name} to {repository}: {}\n", so_far(progress))
        }
        None => format!("Successfully added signer: {name} to {repository}\n"),
    };
    Ok(ui.line(line)?)
}

/// Takes the right to sign away, which docker from 26 on only says; goes on after one that fails.
pub fn remove(
    plugin: &Plugin,
    name: &str,
    repositories: &[String],
    force: bool,
) -> Result<(), CliError> {
    let ui = plugin.session.ui;
    let mut failures = Vec::new();
    for repository in repositories {
        ui.line(format!("Removing signer \"{name}\" from {repository}..."))?;
        if let Err(error) = remove_from(plugin, name, repository, force) {
            say(plugin, error)?;
            failures.push(repository.as_str());
        }
    }
    if failures.is_empty() {
        return Ok(());
    }
    Err(plugin.fail(&format!("error removing signer from: {}", failures.join(", "))))
}

fn remove_from(plugin: &Plugin, name: &str, repository: &str, force: bool) -> Result<(), CliError> {
    let (session, context) = (&plugin.session, &plugin.context);
    let reference = Reference::parse(repository)?;
    let removal = |force| {
        session
            .block_on(async { Ok::<_, CliError>(removed(context, &reference, name, force).await) })
    };
    let mut outcome = removal(force)?;
    if matches!(outcome, Err(SignerError::LastSigner { .. })) {
        let question = format!(
            "The signer \"{name}\" signed the last released version of {repository}. Removing \
             this signer will make {repository} unpullable. Are you sure you want to continue?"
        );
        if !plugin.console.confirm(&question)? {
            return Ok(());
        }
        outcome = removal(true)?;
    }
    let Removed { published, .. } = outcome.map_err(|error| refused(error, name, repository))?;
    say_warnings(session, &published);
    let line = match published.waits(&RoleName::Targets) {
        Some(progress) => {
            format!("Proposed to remove {name} from {repository}: {}\n", so_far(progress))
        }
        None => format!("Successfully removed {name} from {repository}\n"),
    };
    Ok(session.ui.line(line)?)
}

fn refused(error: SignerError, name: &str, repository: &str) -> CliError {
    match error {
        SignerError::BadName { .. } | SignerError::Proposals | SignerError::NoSuchSigner { .. } => {
            let words = format!("no signer {name} for repository {repository}");
            CliError::new(ErrorKind::NotFound, words)
        }
        SignerError::Refresh(cause)
        | SignerError::Publish(PublishError::Refresh(cause @ RefreshError::NoTrustData { .. })) => {
            let words = with_causes(&cause.into());
            let words = format!("error retrieving signers for {repository}: {words}");
            CliError::new(ErrorKind::Untrusted, words)
        }
        error => error.into(),
    }
}

/// Says what went wrong with one repository; an interruption or a closed output ends the whole.
fn say(plugin: &Plugin, error: CliError) -> Result<(), CliError> {
    if error.ends_everything() {
        return Err(error);
    }
    if let ErrorKind::Command(_) = error.kind {
        return Ok(());
    }
    plugin.session.ui.pass_on(&with_causes(&error));
    plugin.session.ui.pass_on("");
    Ok(())
}
