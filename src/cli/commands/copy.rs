//! `trust copy SOURCE DESTINATION`

use crate::actions::copy::{Request, copy};
use crate::cli::commands::pull::platforms;
use crate::cli::commands::sign::say_signed;
use crate::cli::content_trust::ContentTrustArgs;
use crate::cli::error::CliError;
use crate::cli::outcome::say_verdict;
use crate::cli::progress::{self, Transfer};
use crate::cli::run::Session;
use crate::oci::{ImageName, Reference};

/// Copy an image from one registry to another
///
/// It passes straight through; what the other registry has is not sent. With content trust the image
/// must be signed where it comes from, and is signed where it goes to with the keys that are here,
/// before its tag is there.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The image, by tag or by digest
    #[arg(value_name = "SOURCE")]
    pub source: String,

    /// The name it gets [default tag: the source's]
    #[arg(value_name = "DESTINATION")]
    pub destination: String,

    /// Copy the image for every platform, and the index that lists them
    #[arg(long, visible_alias = "all-platforms")]
    pub all: bool,

    /// Copy the image for this platform [default: the one that runs here]
    #[arg(long, value_name = "OS/ARCH", conflicts_with = "all")]
    pub platform: Option<String>,

    /// This signer must have signed it; may be given again, and then each of them must
    #[arg(long = "require-signer", value_name = "NAME")]
    pub require_signers: Vec<String>,

    /// Signer to set up at the destination with its first signature
    #[arg(long, value_name = "NAME")]
    pub signer: Option<String>,

    /// Whether the image must be signed, and is signed again.
    #[command(flatten)]
    pub content_trust: ContentTrustArgs,
}

impl Args {
    /// Copies the image and prints its name with digest.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let platforms = platforms(self.platform.as_deref(), self.all)?;
        let trusted = self.content_trust.is_on(session)
            || !self.require_signers.is_empty()
            || self.signer.is_some();
        let from = Reference::parse(&self.source)?;
        let mut to = Reference::parse(&self.destination)?;
        if to.digest().is_some() {
            return Err(CliError::usage("an image cannot be given a digest, only a tag"));
        }
        if to.tag().is_none() {
            let tag = match ImageName::of_reference(from.clone()).reference() {
                Some(from) => from.tag().unwrap_or("latest").to_owned(),
                None => "latest".to_owned(),
            };
            to = to.with_tag(&tag)?;
        }
        let request = Request {
            from,
            to,
            trusted: trusted.then(|| self.require_signers.clone()),
            signed: trusted,
            signer: self.signer,
            platforms,
        };
        let context = session.context()?;
        let progress = progress::of(session, Transfer::Push);
        let copied = session.block_on_transfer(copy(&context, &request, &progress))?;
        if let Some(verdict) = &copied.verdict {
            say_verdict(session, &request.from, verdict);
        }
        session.ui.line(format!("{}@{}", request.to.familiar(), copied.digest))?;
        if let Some(signed) = &copied.signed {
            say_signed(session, &request.to, signed, true)?;
        }
        for role in &copied.not_carried {
            session.ui.warn(format!(
                "the signature of {role} was not carried over: its key is not here, or {} has no \
                 such signer",
                request.to.familiar_name()
            ));
        }
        Ok(())
    }
}
