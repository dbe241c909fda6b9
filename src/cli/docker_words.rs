//! What docker said when trust data told it no, for who takes its place (notary.md §5.4).
//!
//! The first words of each line are docker's, so that whoever looked for them finds them. What
//! follows them is what happened, in our words.

use crate::actions::docker::build::BuildRefusal;
use crate::actions::docker::pull::PullRefusal;
use crate::actions::docker::run::RunRefusal;
use crate::actions::pull::PullError;
use crate::actions::update::RefreshError;
use crate::actions::verify::VerifyImageError;
use crate::cli::error::{CliError, ErrorKind};
use crate::oci::Reference;

/// What docker would say of an image that could not be verified.
pub fn of_image(error: VerifyImageError, reference: &Reference) -> String {
    match error {
        VerifyImageError::Refresh(error) => of_refresh(error, &reference.name()),
        VerifyImageError::NotSigned { what, .. } => format!("No valid trust data for {what}"),
        error => of_kind(&CliError::from(error), &reference.name()),
    }
}

/// What docker would say of a pull that fetches nothing.
pub fn of_pull(error: PullRefusal, reference: &Reference) -> String {
    match error {
        PullRefusal::Image(error) => of_image(error, reference),
        PullRefusal::Tags(PullError::NothingSigned { .. }) => {
            format!("No trusted tags for {}", reference.name())
        }
        PullRefusal::Tags(PullError::Refresh(error)) => of_refresh(error, &reference.name()),
        PullRefusal::Tags(error) => with_causes(&CliError::from(error)),
    }
}

/// What docker would say of a container that is not made.
pub fn of_run(error: RunRefusal, image: &str) -> String {
    match error {
        RunRefusal::Reference(error) => error.to_string(),
        RunRefusal::Image(error) => match Reference::parse(image) {
            Ok(reference) => of_image(error, &reference),
            Err(_) => with_causes(&CliError::from(error)),
        },
    }
}

/// What docker would say of a build that does not begin.
pub fn of_build(error: BuildRefusal, file: &str) -> String {
    match error {
        BuildRefusal::Image { line, image, cause } => {
            format!("{file}:{line}: {}: {}", image.familiar(), of_image(*cause, &image))
        }
        BuildRefusal::Frontend { line, image, cause } => {
            let words = of_image(*cause, &image);
            format!("{file}:{line}: {}, which reads this file: {words}", image.familiar())
        }
        error => format!("{file}: {error}"),
    }
}

/// What docker would say of trust data that could not be brought up to date.
pub fn of_refresh(error: RefreshError, repository: &str) -> String {
    match error {
        RefreshError::NoTrustData { .. } => {
            format!("Error: remote trust data does not exist for {repository}: {error}")
        }
        RefreshError::Gone { .. } | RefreshError::Withheld { .. } => {
            let words = with_causes(&error.into());
            format!(
                "Error: trust data missing for remote repository {repository} or remote \
                 repository not found: {words}"
            )
        }
        error => of_kind(&error.into(), repository),
    }
}

/// What docker would say of an error, as far as its kind tells.
pub fn of_kind(error: &CliError, repository: &str) -> String {
    let words = with_causes(error);
    match error.kind {
        ErrorKind::Expired => format!("Error: remote repository {repository} out-of-date: {words}"),
        ErrorKind::Network | ErrorKind::Authentication => {
            format!("Error: error contacting notary server: {words}")
        }
        ErrorKind::Tampered => format!(
            "Warning: potential malicious behavior - trust data mismatch for remote repository \
             {repository}: {words}"
        ),
        ErrorKind::WrongSigner => format!(
            "Warning: potential malicious behavior - trust data has insufficient signatures for \
             remote repository {repository}: {words}"
        ),
        _ => words,
    }
}

/// An error with what lies behind it, in one line; what was said already is not said again.
pub fn with_causes(error: &CliError) -> String {
    let mut words = error.source.to_string();
    for cause in error.causes() {
        if !words.contains(&cause) {
            words = format!("{words}: {cause}");
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tuf::Gun;

    fn reference() -> Reference {
        Reference::parse("alpine:3").unwrap()
    }

    #[test]
    fn an_unknown_repository() {
        let error = RefreshError::NoTrustData {
            server: "notary.example.com".to_owned(),
            gun: Gun::parse("docker.io/library/alpine").unwrap(),
            set_up_here: false,
        };
        assert_eq!(
            of_image(error.into(), &reference()),
            "Error: remote trust data does not exist for docker.io/library/alpine: \
             notary.example.com does not have trust data for docker.io/library/alpine"
        );
    }

    #[test]
    fn an_unsigned_tag() {
        let (only_in, waits) = (Vec::new(), Vec::new());
        let error = VerifyImageError::NotSigned { what: "3".to_owned(), only_in, waits };
        assert_eq!(of_image(error, &reference()), "No valid trust data for 3");
    }

    #[test]
    fn kinds_have_dockers_first_words() {
        let words = |kind| of_kind(&CliError::new(kind, "because").context("of it"), "r");
        assert_eq!(
            words(ErrorKind::Network),
            "Error: error contacting notary server: of it: because"
        );
        let out_of_date = "Error: remote repository r out-of-date: of it: because";
        assert_eq!(words(ErrorKind::Expired), out_of_date);
        assert!(words(ErrorKind::Tampered).starts_with("Warning: potential malicious behavior"));
        assert_eq!(words(ErrorKind::Key), "of it: because");
    }
}
