//! `docker trust sign`

use crate::actions::docker::{Known, known};
use crate::actions::image::gun_of;
use crate::actions::initialize::Plan;
use crate::actions::inspect::inspect;
use crate::actions::publish::{PublishError, publish};
use crate::actions::sign::{Content, SignError, new_signer, sign_contents_under};
use crate::actions::update::{RefreshError, Source};
use crate::actions::verify::VerifyImageError;
use crate::cli::docker_steps::{
    FAILED, failed, not_signed, push_and_sign, say_signed, say_warnings,
};
use crate::cli::docker_words::{of_image, with_causes};
use crate::cli::error::{CliError, ErrorKind};
use crate::cli::plugin::Plugin;
use crate::oci::Reference;

/// Signs what is released again, or pushes the image of this machine and signs that.
pub fn sign(plugin: &Plugin, image: &str, local: bool) -> Result<(), CliError> {
    let session = &plugin.session;
    let reference = Reference::parse(image).map_err(|error| plugin.fail(&error.to_string()))?;
    if reference.digest().is_some() {
        return Err(plugin.fail("cannot use a digest reference for IMAGE:TAG"));
    }
    if reference.tag().is_none() {
        return Err(plugin.fail(&format!("no tag specified for {image}")));
    }
    let context = &plugin.context;
    let asked = session.block_on(async { Ok::<_, CliError>(known(context, &reference).await) })?;
    let released = match asked {
        Ok(released) => Some(released),
        Err(VerifyImageError::NotSigned { .. }) => None,
        Err(VerifyImageError::Refresh(RefreshError::NoTrustData { .. })) => {
            require_image(plugin, &reference)?;
            initialize(plugin, image, &reference)?;
            None
        }
        Err(error) => {
            let words = of_image_or_expired(error, &reference);
            match words {
                // Whoever has the keys makes it valid again with the signature.
                None => None,
                Some(words) => return Err(plugin.fail(&words)),
            }
        }
    };
    match released {
        Some(released) if !local => sign_again(plugin, image, &reference, &released),
        _ => {
            require_image(plugin, &reference)?;
            session.ui.pass_on(&format!(
                "Signing and pushing trust data for local image {image}, may overwrite remote \
                 trust data"
            ));
            let words = ["push".into(), reference.familiar().into()];
            push_and_sign(session, context, &plugin.docker, &reference, &words)
        }
    }
}

/// Docker's words for trust data that cannot be read; nothing if it has only expired.
fn of_image_or_expired(error: VerifyImageError, reference: &Reference) -> Option<String> {
    let is_expired = match &error {
        VerifyImageError::Refresh(RefreshError::Refused { cause, .. }) => {
            matches!(cause, crate::tuf::trusted::UpdateError::Expired { .. })
        }
        _ => false,
    };
    (!is_expired).then(|| of_image(error, reference))
}

/// The image has to be on this machine; if it is not, docker says so.
fn require_image(plugin: &Plugin, reference: &Reference) -> Result<(), CliError> {
    let words = ["image", "inspect", "--format", "{{.Id}}", &reference.familiar()];
    let answer = plugin.docker.ask(&words)?;
    if answer.code == 0 {
        return Ok(());
    }
    plugin.session.ui.talk(&answer.talk)?;
    Err(failed(FAILED))
}

/// Sets the repository up, with the user who is logged in as its first signer.
fn initialize(plugin: &Plugin, image: &str, reference: &Reference) -> Result<(), CliError> {
    let (session, context) = (&plugin.session, &plugin.context);
    let signer = new_signer(context, reference, None)
        .map_err(|error| plugin.fail(&format!("could not add signer to repo: {error}")))?;
    let plan = Plan { signer: signer.clone(), ..Plan::default() };
    let gun = gun_of(reference)?;
    let published =
        session.block_on(publish(context, &gun, Some(&plan), |_, _| Ok::<_, PublishError>(())));
    let published = published.map_err(|error| match error.kind {
        ErrorKind::Interrupted => error,
        _ => plugin.fail(&with_causes(&error)),
    })?;
    if let Some(signer) = signer {
        session.ui.line(format!("Created signer: {signer}"))?;
    }
    session.ui.line(format!("Finished initializing signed repository for {image}"))?;
    say_warnings(session, &published);
    Ok(())
}

/// Signs what others released.
fn sign_again(
    plugin: &Plugin,
    image: &str,
    reference: &Reference,
    released: &Known,
) -> Result<(), CliError> {
    let (session, context) = (&plugin.session, &plugin.context);
    let tag = reference.tag().unwrap_or_default();
    let digest = &released.verdict.digest;
    session.ui.line(format!("Signing and pushing trust metadata for {image}"))?;
    let asked = session
        .block_on(async { Ok::<_, CliError>(inspect(context, reference, Source::Server).await) })?;
    let mut signers = asked
        .map_err(|error| plugin.fail(&with_causes(&error.into())))?
        .tags
        .into_iter()
        .find(|found| found.tag == tag && found.digest == digest.hex())
        .map(|found| found.signers)
        .unwrap_or_default();
    signers.sort();
    plugin.console.hold(format!(
        "Existing signatures for tag {tag} digest {} from:\n{}\n",
        digest.hex(),
        signers.join(", ")
    ));
    let content =
        Content { tag: tag.to_owned(), digest: digest.clone(), size: released.verdict.size };
    let contents = async { Ok::<_, SignError>(vec![content]) };
    let plan = Plan::default();
    let work = sign_contents_under(context, reference, &plan, contents, None);
    let name = reference.name();
    let signed = session.block_on(work).map_err(|error| not_signed(session, &name, tag, &error))?;
    plugin.console.release()?;
    say_warnings(session, &signed.published);
    for tag in &signed.tags {
        say_signed(session, &name, tag, &signed)?;
    }
    Ok(())
}
