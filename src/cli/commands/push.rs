//! `trust push IMAGE`

use crate::actions::Context;
use crate::actions::push::{Pushed, Request, all_tags, push};
use crate::cli::commands::sign::say_signed;
use crate::cli::content_trust::ContentTrustArgs;
use crate::cli::error::CliError;
use crate::cli::layout::LayoutArgs;
use crate::cli::outcome::InTurn;
use crate::cli::progress::{self, Transfer};
use crate::cli::run::Session;
use crate::cli::ui::Verbosity;
use crate::oci::Reference;
use crate::store::ImageLayout;

/// Send images to their registries
///
/// With content trust each is signed, and its tag is moved last: at no moment is there a tag
/// without its signature. What the registry has is not sent again.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Images, by the names they have here
    #[arg(required = true, value_name = "IMAGE:TAG")]
    pub images: Vec<String>,

    /// Send every tag of the repository that is here
    #[arg(long, short = 'a')]
    pub all_tags: bool,

    /// Signer to set up with the first signature [default: the user logged in to the registry]
    #[arg(long, value_name = "NAME")]
    pub signer: Option<String>,

    /// Whether what is sent is signed.
    #[command(flatten)]
    pub content_trust: ContentTrustArgs,

    /// Where images are.
    #[command(flatten)]
    pub layout: LayoutArgs,
}

impl Args {
    /// Sends each image; goes on after one that fails.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let signed = self.content_trust.is_on(session) || self.signer.is_some();
        let layout = self.layout.open(session)?;
        let context = session.context()?;
        let mut turns = InTurn::new(session, self.images.len());
        let tags_of = |repository: &Reference| Ok(all_tags(&layout, repository)?);
        let images = turns.references(&self.images, self.all_tags.then_some(tags_of));
        for (image, reference) in images {
            turns.take(&image, || {
                let signer = self.signer.clone();
                let request = Request { reference, signed, signer };
                push_one(session, &context, &layout, &request)
            });
        }
        turns.finish()
    }
}

/// Sends one image, and says how.
pub fn push_one(
    session: &Session,
    context: &Context,
    layout: &ImageLayout,
    request: &Request,
) -> Result<(), CliError> {
    let ui = session.ui;
    let reference = &request.reference;
    let tag = reference.tag().unwrap_or("latest");
    if reference.tag().is_none() {
        ui.status("Using default tag: latest");
    }
    ui.status(format!("The push refers to repository [{}]", reference.name()));
    let progress = progress::of(session, Transfer::Push);
    let work = push(context, layout, request, &progress);
    let Pushed { digest, size, signed } = session.block_on_transfer(work)?;
    if ui.verbosity() == Verbosity::Quiet {
        ui.line(format!("{}:{tag}", reference.name()))?;
    } else {
        ui.line(format!("{tag}: digest: {digest} size: {size}"))?;
    }
    if let Some(signed) = signed {
        say_signed(session, reference, &signed, true)?;
    }
    Ok(())
}
