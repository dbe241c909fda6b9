//! `trust pull IMAGE`

use crate::actions::pull::{Pulled, Request, all_tags, pull};
use crate::actions::transfer::Platforms;
use crate::cli::content_trust::ContentTrustArgs;
use crate::cli::error::CliError;
use crate::cli::layout::LayoutArgs;
use crate::cli::outcome::{InTurn, say_verdict};
use crate::cli::progress::{self, Transfer};
use crate::cli::run::Session;
use crate::oci::platform::Platform;
use crate::oci::{ImageName, Reference};

/// Fetch images from their registries
///
/// With content trust, only what is signed: the digest comes from the trust data, and nothing but
/// what that digest reaches is kept. What is here already is not fetched again.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Images, by tag or by digest
    #[arg(required = true, value_name = "IMAGE")]
    pub images: Vec<String>,

    /// Fetch every tag of the repository; with content trust, every tag that is signed
    #[arg(long, short = 'a')]
    pub all_tags: bool,

    /// Fetch the image for this platform [default: the one that runs here]
    #[arg(long, value_name = "OS/ARCH", conflicts_with = "all_platforms")]
    pub platform: Option<String>,

    /// Fetch the image for every platform, and the index that lists them
    #[arg(long)]
    pub all_platforms: bool,

    /// This signer must have signed it; may be given again, and then each of them must
    #[arg(long = "signer", value_name = "NAME")]
    pub signers: Vec<String>,

    /// Whether only what is signed is fetched.
    #[command(flatten)]
    pub content_trust: ContentTrustArgs,

    /// Where images are.
    #[command(flatten)]
    pub layout: LayoutArgs,
}

impl Args {
    /// Fetches each image; goes on after one that fails.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let platforms = platforms(self.platform.as_deref(), self.all_platforms)?;
        let trusted = self.content_trust.is_on(session) || !self.signers.is_empty();
        let layout = self.layout.open(session)?;
        let context = session.context()?;
        let request = |reference| Request {
            reference,
            trusted: trusted.then(|| self.signers.clone()),
            platforms: platforms.clone(),
        };
        let mut turns = InTurn::new(session, self.images.len());
        let tags_of =
            |repository: &Reference| session.block_on(all_tags(&context, repository, trusted));
        let images = turns.references(&self.images, self.all_tags.then_some(tags_of));
        for (image, reference) in images {
            turns.take(&image, || {
                if reference.tag().is_none() && reference.digest().is_none() {
                    session.ui.status("Using default tag: latest");
                }
                let request = request(reference);
                let progress = progress::of(session, Transfer::Pull);
                let work = pull(&context, &layout, &request, &progress);
                let pulled = session.block_on_transfer(work)?;
                report(session, &request, &pulled)
            });
        }
        turns.finish()
    }
}

/// Which part of an image for several platforms two flags mean.
pub fn platforms(platform: Option<&str>, all: bool) -> Result<Platforms, CliError> {
    match platform {
        _ if all => Ok(Platforms::All),
        None => Ok(Platforms::Host),
        Some(text) => Platform::parse(text)
            .map(Platforms::One)
            .map_err(|error| CliError::usage(error.to_string())),
    }
}

fn report(session: &Session, request: &Request, pulled: &Pulled) -> Result<(), CliError> {
    let ui = session.ui;
    let shown = pulled.name.familiar();
    if let Some(verdict) = &pulled.verdict {
        say_verdict(session, &request.reference, verdict);
        let roles: Vec<&str> =
            verdict.vouchers.iter().map(|voucher| voucher.role.as_str()).collect();
        ui.status(format!("Signed by {}", roles.join(", ")));
    }
    ui.status(format!("Digest: {}", pulled.digest));
    ui.status(if pulled.unchanged {
        format!("Status: Image is up to date for {shown}")
    } else {
        format!("Status: Downloaded newer image for {shown}")
    });
    Ok(ui.line(ImageName::to_string(&pulled.name))?)
}
