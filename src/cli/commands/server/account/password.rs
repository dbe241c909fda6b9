//! Where the password of an account comes from.

use std::io::{Read, stdin};

use aws_lc_rs::rand::fill;
use zeroize::Zeroizing;

use crate::cli::error::{CliError, ErrorKind};
use crate::cli::prompt::new_passphrase;
use crate::cli::run::Session;
use crate::codec::text::to_hex;
use crate::crypto::Passphrase;
use crate::limits::MAX_PASSWORD_BYTES;

/// The password that a person chooses: from stdin, or typed twice.
pub(super) fn chosen(
    session: &Session,
    name: &str,
    from_stdin: bool,
) -> Result<Passphrase, CliError> {
    if !from_stdin {
        return Ok(new_passphrase(&*session.console(), &format!("account {name}"))?);
    }
    let mut text = Zeroizing::new(String::new());
    let read = stdin().lock().take(MAX_PASSWORD_BYTES).read_to_string(&mut text);
    read.map_err(|error| {
        CliError::usage(error.to_string()).context("cannot read the password from stdin")
    })?;
    let password = Passphrase::new(text.trim_end_matches(['\r', '\n']).to_owned());
    if password.is_empty() {
        return Err(CliError::usage("a password is needed"));
    }
    Ok(password)
}

/// The password of a robot: 256 random bits, marked so that it is known for what it is where it
/// should not be.
pub(super) fn made() -> Result<Passphrase, CliError> {
    let mut secret = Zeroizing::new([0; 32]);
    fill(&mut *secret)
        .map_err(|_| CliError::new(ErrorKind::Internal, "the system gives no random numbers"))?;
    Ok(Passphrase::new(format!("trust_{}", Zeroizing::new(to_hex(&*secret)).as_str())))
}

/// Shows a robot's password, which nobody can read again.
pub(super) fn show_once(
    session: &Session,
    name: &str,
    password: &Passphrase,
) -> Result<(), CliError> {
    session.ui.status(format!("The password of {name}, which is not shown again:"));
    Ok(session.ui.line(password.expose())?)
}
