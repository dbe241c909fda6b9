//! `docker trust inspect`

use crate::actions::inspect::InspectError;
use crate::actions::inspect::inspect as inspected;
use crate::actions::update::RefreshError;
use crate::actions::update::Source;
use crate::cli::commands::inspect::inspection;
use crate::cli::docker_format::{Inspection, json, pretty};
use crate::cli::docker_steps::{FAILED, failed};
use crate::cli::docker_words::with_causes;
use crate::cli::error::{CliError, ErrorKind};
use crate::cli::plugin::Plugin;
use crate::oci::Reference;

/// Shows what is known of images; for people it ends with the first of which nothing is known.
pub fn inspect(plugin: &Plugin, images: &[String], for_people: bool) -> Result<(), CliError> {
    let ui = plugin.session.ui;
    if for_people {
        for (number, image) in images.iter().enumerate() {
            if number > 0 {
                ui.data("\n\n")?;
            }
            let found = look(plugin, image)?.map_err(|words| plugin.fail(&words))?;
            ui.data(pretty(&[found]))?;
        }
        return Ok(());
    }
    let mut found = Vec::new();
    let mut problems = Vec::new();
    for image in images {
        match look(plugin, image)? {
            Ok(one) => found.push(one),
            Err(words) => problems.push(words),
        }
    }
    let text = json(&found).map_err(|error| CliError::new(ErrorKind::Internal, error))?;
    ui.data(text)?;
    if problems.is_empty() {
        return Ok(());
    }
    for words in &problems {
        ui.pass_on(words);
    }
    Err(failed(FAILED))
}

/// What is known of one image, or docker's words for that there is nothing.
fn look(plugin: &Plugin, image: &str) -> Result<Result<Inspection, String>, CliError> {
    let reference = match Reference::parse(image) {
        Ok(reference) => reference,
        Err(error) => return Ok(Err(error.to_string())),
    };
    let context = &plugin.context;
    let asked = plugin.session.block_on(async {
        Ok::<_, CliError>(inspected(context, &reference, Source::Server).await)
    })?;
    Ok(match asked {
        Ok(found) => {
            for warning in &found.warnings {
                plugin.session.ui.warn(warning);
            }
            Ok(inspection(image, found))
        }
        Err(error) => Err(unknown(image, error)),
    })
}

/// Docker says one thing of all that goes wrong; where it is more than that nothing is signed or
/// nobody answers, we say what it is.
fn unknown(image: &str, error: InspectError) -> String {
    let nothing = format!("no signatures or cannot access {image}");
    let is_absent = matches!(error, InspectError::Refresh(RefreshError::NoTrustData { .. }));
    let error = CliError::from(error);
    match error.kind {
        _ if is_absent => nothing,
        ErrorKind::Network => nothing,
        ErrorKind::Usage => with_causes(&error),
        _ => format!("{nothing}: {}", with_causes(&error)),
    }
}
