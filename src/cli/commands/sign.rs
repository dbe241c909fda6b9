//! `trust sign IMAGE:TAG…`

use crate::actions::push;
use crate::actions::sign::{Request, SignError, Signed, SignedTag, sign};
use crate::cli::commands::push::push_one;
use crate::cli::error::{CliError, ErrorKind};
use crate::cli::layout::LayoutArgs;
use crate::cli::outcome::{InTurn, say_published, so_far};
use crate::cli::run::Session;
use crate::oci::platform::Platform;
use crate::oci::{Digest, Reference};

/// Sign images that are in their registry
///
/// Signs what the registry serves for the tag now, into every role whose key is here. The first
/// signature of a repository sets its trust data up: root key, repository key, and the signer's
/// delegation. Signing what is signed already changes nothing.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Images
    #[arg(required = true, value_name = "IMAGE:TAG")]
    pub images: Vec<String>,

    /// Sign every tag that the registry lists
    #[arg(long, short = 'a')]
    pub all_tags: bool,

    /// Sign the manifest for this platform instead of the index
    #[arg(long, value_name = "OS/ARCH")]
    pub platform: Option<String>,

    /// Signer to set up with the first signature [default: the user logged in to the registry]
    #[arg(long, value_name = "NAME")]
    pub signer: Option<String>,

    /// Sign only if the tag has this digest
    #[arg(long, value_name = "DIGEST", conflicts_with = "all_tags")]
    pub digest: Option<String>,

    /// Fail if it takes the signatures of others before the tag counts
    #[arg(long)]
    pub require_complete: bool,

    /// Send the images of this machine first, and sign those
    #[arg(long, conflicts_with_all = ["all_tags", "platform", "digest"])]
    pub local: bool,

    /// Where images are.
    #[command(flatten)]
    pub layout: LayoutArgs,
}

impl Args {
    /// Signs each image; goes on after one that fails.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        if self.local {
            return self.push_and_sign(session);
        }
        if self.layout.layout.is_some() {
            return Err(CliError::usage("`--layout` goes with `--local`"));
        }
        let platform = self.platform.as_deref().map(Platform::parse).transpose();
        let platform = platform.map_err(|error| CliError::usage(error.to_string()))?;
        let expected = self.digest.as_deref().map(Digest::parse).transpose();
        let expected = expected.map_err(|error| CliError::usage(error.to_string()))?;
        let context = session.context()?;
        let mut turns = InTurn::new(session, self.images.len());
        for image in &self.images {
            turns.take(image, || {
                let request = Request {
                    reference: Reference::parse(image)?,
                    all_tags: self.all_tags,
                    platform: platform.clone(),
                    signer: self.signer.clone(),
                    expected: expected.clone(),
                };
                let signed = session.block_on(sign(&context, &request))?;
                say_signed(session, &request.reference, &signed, self.require_complete)
            });
        }
        turns.finish()
    }

    /// Sends each image of this machine, signed.
    fn push_and_sign(self, session: &Session) -> Result<(), CliError> {
        let layout = self.layout.open(session)?;
        let context = session.context()?;
        let mut turns = InTurn::new(session, self.images.len());
        for image in &self.images {
            turns.take(image, || {
                let reference = Reference::parse(image)?;
                if reference.tag().is_none() {
                    return Err(SignError::NoTag { reference: reference.familiar() }.into());
                }
                let signer = self.signer.clone();
                let request = push::Request { reference, signed: true, signer };
                push_one(session, &context, &layout, &request)
            });
        }
        turns.finish()
    }
}

/// Says what was signed; what still waits for others is an error if it must not.
pub fn say_signed(
    session: &Session,
    reference: &Reference,
    signed: &Signed,
    require_complete: bool,
) -> Result<(), CliError> {
    let ui = session.ui;
    let mut incomplete = Vec::new();
    say_published(session, &reference.familiar_name(), &signed.published);
    for role in &signed.restarted {
        ui.warn(format!(
            "{role} was signed by too few who may; what it held is not trusted, and it begins anew"
        ));
    }
    for tag in &signed.tags {
        let name = format!("{}:{}", reference.familiar_name(), tag.tag);
        say_tag(session, &name, tag);
        if let Some(progress) = signed.waits(tag) {
            ui.line(format!("Proposed {name}: {}", so_far(progress)))?;
            incomplete.push(name);
            continue;
        }
        let word = if tag.unchanged { "Already signed" } else { "Successfully signed" };
        ui.line(format!("{word} {name}"))?;
    }
    if require_complete && !incomplete.is_empty() {
        let words = format!("{} needs more signatures", incomplete.join(", "));
        return Err(CliError::new(ErrorKind::WrongSigner, words)
            .hint("the others sign it with the same `trust sign`"));
    }
    Ok(())
}

fn say_tag(session: &Session, name: &str, tag: &SignedTag) {
    let ui = session.ui;
    let roles: Vec<&str> = tag.roles.iter().map(crate::tuf::names::RoleName::as_str).collect();
    ui.status(format!("{name}: {}, {} bytes, in {}", tag.digest, tag.size, roles.join(", ")));
    for (role, before) in &tag.replaced {
        let before =
            before.as_ref().map_or_else(|| "something else".to_owned(), ToString::to_string);
        ui.warn(format!("{role} vouched for {before} as {name} until now"));
    }
    if let Some(digest) = &tag.stale {
        ui.warn(format!(
            "the repository key still vouches for {digest} as {name}; only its owner can change that"
        ));
    }
}
