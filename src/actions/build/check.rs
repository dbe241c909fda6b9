//! Looking for mistakes in a Dockerfile that its builders let pass.

use crate::actions::build::opened::Opened;
use crate::actions::build::run::Request;
use crate::build::variables::Variables;
use crate::dockerfile::{self, Finding, Known, SyntaxError};
use crate::oci::Platform;

/// What was found.
#[derive(Debug, Clone)]
pub struct Checked {
    /// In the order of the file.
    pub findings: Vec<Finding>,
    /// Whether the Dockerfile says that a finding is an error (`# check=error=true`).
    pub is_error: bool,
}

/// Checks the Dockerfile of a context.
pub fn check(request: &Request, opened: &Opened) -> Result<Checked, SyntaxError> {
    let text = &opened.dockerfile;
    let parsed = dockerfile::parse(text)?;
    let host = Platform::host();
    let target = request.platforms.first().unwrap_or(&host);
    let predefined = Variables::predefined(&host, target, request.settings.target.as_deref());
    let predefined: Vec<(String, String)> =
        predefined.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let known = Known {
        predefined: &predefined,
        arguments: &request.settings.arguments,
        ignore: opened.ignored.as_ref(),
        environment: &|_| None,
    };
    let findings = dockerfile::check(text, known)?;
    Ok(Checked { findings, is_error: parsed.directives.check.error })
}
