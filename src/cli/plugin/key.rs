//! `docker trust key`

use std::path::Path;

use crate::actions::keys::KeyActionError;
use crate::actions::keys::generate::{Algorithm, generate as generated};
use crate::actions::keys::load::load as loaded;
use crate::actions::keys::names::check_key_name;
use crate::cli::docker_words::with_causes;
use crate::cli::error::{CliError, ErrorKind};
use crate::cli::plugin::Plugin;
use crate::cli::ui::printable;
use crate::crypto::KeyFileError;
use crate::store::files::{exists, is_open_to_others, mode};

/// Makes a key pair.
pub fn generate(plugin: &Plugin, name: &str, dir: Option<&Path>) -> Result<(), CliError> {
    let ui = plugin.session.ui;
    check_key_name(name).map_err(|error| plugin.fail(&error.to_string()))?;
    let dir = match dir {
        Some(dir) if !dir.as_os_str().is_empty() => dir.to_owned(),
        _ => std::env::current_dir()?,
    };
    let public_file = dir.join(format!("{name}.pub"));
    if exists(&public_file) {
        let error = KeyActionError::PublicFileExists { path: public_file };
        return Err(plugin.fail(&error.to_string()));
    }
    ui.line(format!("Generating key for {name}..."))?;
    let made = generated(&plugin.context, name, &dir, Algorithm::Ecdsa)
        .map_err(|error| said(plugin, &format!("failed to generate key for {name}"), error))?;
    let file = printable(&made.public_file.to_string_lossy());
    Ok(ui.line(format!(
        "Successfully generated and loaded private key. \
         Corresponding public key available: {file}"
    ))?)
}

/// Takes private keys from a file; one that is encrypted is opened, which docker does not.
pub fn load(plugin: &Plugin, file: &str, name: &str) -> Result<(), CliError> {
    let ui = plugin.session.ui;
    let path = Path::new(file);
    let shown = printable(file);
    check_key_name(name).map_err(|error| plugin.fail(&error.to_string()))?;
    ui.line(format!("Loading key from \"{shown}\"..."))?;
    match mode(path) {
        Err(_) if !exists(path) => {
            let words = format!(
                "refusing to load key from {shown}: stat {shown}: no such file or directory"
            );
            return Err(plugin.fail(&words));
        }
        Ok(mode) if is_open_to_others(mode) => {
            let error = KeyActionError::TooOpen { path: path.to_owned() };
            return Err(plugin.fail(&error.to_string()));
        }
        _ => {}
    }
    loaded(&plugin.context, path, name).map_err(|error| match error {
        KeyActionError::NoKey { .. }
        | KeyActionError::PublicKey { .. }
        | KeyActionError::KeyFile(KeyFileError::Pem(_) | KeyFileError::NotAPrivateKey { .. }) => {
            plugin.fail(&format!(
                "error importing key from {shown}: provided file {shown} is not a supported \
                 private key - to add a signer's public key use docker trust signer add"
            ))
        }
        error => said(plugin, &format!("error importing key from {shown}"), error),
    })?;
    Ok(ui.line(format!("Successfully imported key from {shown}"))?)
}

fn said(plugin: &Plugin, what: &str, error: KeyActionError) -> CliError {
    let error = CliError::from(error);
    match error.kind {
        ErrorKind::Interrupted => error,
        _ => plugin.fail(&format!("{what}: {}", with_causes(&error))),
    }
}
