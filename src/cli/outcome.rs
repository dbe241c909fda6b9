//! What several commands say alike: results image by image, and what was published.

use crate::actions::context::Context;
use crate::actions::image::gun_of;
use crate::actions::keys::rotate::Earlier;
use crate::actions::proposals::Progress;
use crate::actions::publish::Published;
use crate::actions::update::last_confirmed;
use crate::actions::verify::{Verdict, VerifyImageError};
use crate::cli::error::{CliError, ErrorKind};
use crate::cli::findings;
use crate::cli::run::Session;
use crate::crypto::KeyId;
use crate::oci::Reference;
use crate::tuf::Gun;

/// Takes several images in turn, goes on after one that fails, and remembers which error decides
/// the exit code (`spec/exit-codes.md`): the first verdict, else the first.
#[derive(Debug)]
pub struct InTurn<'a> {
    session: &'a Session,
    several: bool,
    decisive: Option<CliError>,
}

impl<'a> InTurn<'a> {
    /// Begins; `count` images are to come. Errors name their image if there are several.
    pub fn new(session: &'a Session, count: usize) -> Self {
        Self { session, several: count > 1, decisive: None }
    }

    /// Takes one image; an interruption or a closed output ends the whole.
    pub fn take(&mut self, image: &str, work: impl FnOnce() -> Result<(), CliError>) {
        if self.decisive.as_ref().is_some_and(CliError::ends_everything) {
            return;
        }
        let Err(error) = work() else { return };
        let named = self.several && !error.ends_everything();
        let error = if named { error.context(image) } else { error };
        let outranks = |before: &CliError| {
            error.ends_everything() || (error.kind.is_verdict() && !before.kind.is_verdict())
        };
        if self.decisive.as_ref().is_none_or(outranks) {
            if let Some(before) = self.decisive.replace(error) {
                self.session.ui.error(&before);
            }
        } else {
            self.session.ui.error(&error);
        }
    }

    /// Reads what was typed as images; with `tags_of`, as repositories whose tags are meant.
    /// Returns each with what it is called in messages.
    pub fn references(
        &mut self,
        typed: &[String],
        mut tags_of: Option<impl FnMut(&Reference) -> Result<Vec<Reference>, CliError>>,
    ) -> Vec<(String, Reference)> {
        let mut found = Vec::new();
        for image in typed {
            self.take(image, || {
                let reference = Reference::parse(image)?;
                let Some(tags_of) = &mut tags_of else {
                    found.push((image.clone(), reference));
                    return Ok(());
                };
                if reference.tag().is_some() || reference.digest().is_some() {
                    return Err(CliError::usage("tag can\'t be used with --all-tags/-a"));
                }
                let tags = tags_of(&reference)?;
                found.extend(tags.into_iter().map(|tag| (tag.familiar(), tag)));
                Ok(())
            });
        }
        found
    }

    /// The error that decides the exit code, if there was one; the others were said.
    pub fn finish(self) -> Result<(), CliError> {
        self.decisive.map_or(Ok(()), Err)
    }
}

/// Adds what the cache could say instead to an error of asking the trust server.
pub fn with_cache_age(context: &Context, gun: &Gun, error: CliError) -> CliError {
    if !matches!(error.kind, ErrorKind::Network | ErrorKind::Authentication) {
        return error;
    }
    let now = context.clock.now();
    match last_confirmed(context, gun) {
        Some(confirmed) => {
            let hours = now.duration_since(confirmed).as_hours().max(0);
            let age = match (hours / 24, hours) {
                (0, 0 | 1) => "about an hour".to_owned(),
                (0 | 1, hours) => format!("{hours} hours"),
                (days, _) => format!("{days} days"),
            };
            error.hint(format!(
                "what is cached was confirmed {age} ago; `--offline` answers from it while it is fresh"
            ))
        }
        None => error,
    }
}

/// Warns of names in a registry's answer that no `what` can have.
pub fn say_left_out(session: &Session, count: usize, what: &str) {
    if count > 0 {
        session.ui.warn(format!(
            "the registry also names {count} that no {what} can have as a name; left out"
        ));
    }
}

/// An image that is not verified: if it was the trust server that did not answer, says what the
/// cache could.
pub fn unverified(context: &Context, reference: &Reference, error: VerifyImageError) -> CliError {
    let asked = matches!(error, VerifyImageError::Refresh(_));
    match gun_of(reference) {
        Ok(gun) if asked => with_cache_age(context, &gun, error.into()),
        _ => error.into(),
    }
}

/// Says what a person should know of a positive answer besides.
pub fn say_verdict(session: &Session, reference: &Reference, verdict: &Verdict) {
    for warning in &verdict.warnings {
        session.ui.warn(warning);
    }
    if verdict.first_use {
        say_first_contact(session, &reference.familiar_name(), &verdict.root_keys);
    }
}

/// Says which root keys were believed on first contact: a person can compare them.
pub fn say_first_contact(session: &Session, repository: &str, root_keys: &[KeyId]) {
    let keys: Vec<&str> = root_keys.iter().map(KeyId::as_str).collect();
    session.ui.warn(format!(
        "first contact with {repository}: its root key {} was believed unseen; compare the id with its owner's",
        keys.join(", ")
    ));
}

/// Says what was set up, signed and published, by which keys, for how long.
pub fn say_published(session: &Session, repository: &str, published: &Published) {
    let ui = session.ui;
    if let Some(root_keys) = &published.first_contact {
        say_first_contact(session, repository, root_keys);
    }
    if let Some(initialized) = &published.initialized {
        let word = if initialized.root_is_new { "a new root key" } else { "the root key" };
        ui.status(format!("Set up trust data for {repository} under {word}"));
        ui.status(format!("  root key        {}", initialized.root_key));
        ui.status(format!("  in its root     {}", initialized.root_certificate));
        ui.status(format!("  repository key  {}", initialized.targets_key));
        if let Some(key) = &initialized.snapshot_key {
            ui.status(format!("  snapshot key    {key}"));
        }
        if let Some((name, key)) = &initialized.signer {
            ui.status(format!("Created signer: {name}"));
            ui.status(format!("  signer key      {key}"));
        }
        if initialized.root_is_new {
            ui.warn(
                "keep a copy of the root key off this machine (`trust key backup`): without it \
                 nobody can replace a lost or stolen key",
            );
        }
        ui.status(format!("Finished initializing signed repository for {repository}"));
    }
    for (role, signed) in published.publication.iter().flat_map(|published| &published.roles) {
        let keys: Vec<&str> = signed.signed_by.iter().map(|id| id.short(12)).collect();
        ui.status(format!(
            "Signed {role} version {} with {}, valid until {}",
            signed.version,
            keys.join(", "),
            signed.expires
        ));
    }
    for role in &published.completed {
        ui.status(format!("{role} has all the signatures it needs"));
    }
    for progress in &published.proposed {
        let word = if progress.added { "Signed" } else { "You have signed" };
        let (role, version) = (&progress.role, progress.version);
        ui.status(format!("{word} the proposed {role} version {version}: {}", so_far(progress)));
    }
    for role in &published.postponed {
        ui.warn(format!("{role} was not changed: what gives it its keys waits for signatures"));
    }
    for warning in &published.warnings {
        ui.warn(warning);
    }
    for role in &published.renewed {
        ui.warn(format!("{role} had expired or was about to, and was made valid for long again"));
    }
    for role in &published.still_expired {
        ui.warn(format!("{role} has expired; only its signer can make it valid again"));
    }
    for finding in &published.foreseen {
        ui.warn(findings::words(repository, finding).text);
    }
    for member in &published.dropped_members {
        ui.warn(format!("a member unknown to this program was not kept: {member}"));
    }
    if let Some(error) = &published.not_cached {
        ui.warn(format!("the trust data could not be cached: {error}"));
    }
    if let Some(rotation) = &published.rotation {
        say_rotation(session, rotation);
    }
}

/// Says what became of a key rotation that was found under way.
pub fn say_rotation(session: &Session, earlier: &Earlier) {
    let ui = session.ui;
    let mut gone = &Vec::new();
    match earlier {
        Earlier::Undone { role, removed } => {
            ui.status(format!("A rotation of the {role} key that was not published was undone"));
            gone = removed;
        }
        Earlier::Finished { role, removed } => {
            ui.status(format!(
                "A rotation of the {role} key was published before, and is finished"
            ));
            gone = removed;
        }
        Earlier::Resumed { role } => {
            ui.status(format!("Resuming a rotation of the {role} key that was begun before"));
        }
        Earlier::Pending { role } => ui.warn(format!(
            "a rotation of the {role} key was begun and is not published: \
             `trust key rotate` resumes it, `--abandon` undoes it"
        )),
    }
    for id in gone {
        ui.status(format!("The private key {id} is not needed any more; it was removed"));
    }
}

/// How far a proposal is, in words.
pub fn so_far(progress: &Progress) -> String {
    let Progress { have, need, waiting_for, .. } = progress;
    let who = match waiting_for.as_slice() {
        [] => "nobody is left to sign".to_owned(),
        [one] => format!("waiting for {one}"),
        several => format!("waiting for one of {}", several.join(", ")),
    };
    format!("{have} of {need} signatures, {who}")
}
