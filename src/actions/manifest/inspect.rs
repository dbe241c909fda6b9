//! Fetching a manifest to look at it.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::actions::context::Context;
use crate::actions::image::{ImageError, narrow};
use crate::actions::update::Source;
use crate::actions::verify;
use crate::actions::verify::{Verdict, VerifyImageError};
use crate::client::registry::ServedManifest;
use crate::client::{RegistryClient, RegistryError, TransportError};
use crate::limits::MAX_SHOWN_BYTES;
use crate::oci::Descriptor;
use crate::oci::Reference;
use crate::oci::manifest::Manifest;
use crate::oci::platform::Platform;

/// What to fetch.
#[derive(Debug, Clone)]
pub struct Request {
    /// The image, by tag or by digest.
    pub reference: Reference,
    /// Of an index, only the manifest for this platform.
    pub platform: Option<Platform>,
    /// Fetch what is signed for the tag, whatever the tag names in the registry.
    pub trusted: bool,
    /// What to fetch beside the manifest.
    pub beside: Beside,
}

/// What to fetch beside a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beside {
    /// Nothing.
    Nothing,
    /// The image's configuration; of an index, that of this machine's platform if none is named.
    Config,
    /// What docker's long form has: the platform, and of an index each of its manifests.
    Everything,
}

/// What was fetched; everything has the digest that names it.
#[derive(Debug)]
pub struct Inspected {
    /// The manifest.
    pub shown: Shown,
    /// The manifests of an index, if they were asked for.
    pub children: Vec<Shown>,
    /// The image's configuration, if it was asked for.
    pub config: Option<Vec<u8>>,
    /// What trust says, if that was asked.
    pub verdict: Option<Verdict>,
}

/// A manifest.
#[derive(Debug)]
pub struct Shown {
    /// What it was asked for as.
    pub reference: Reference,
    /// Its bytes, as served.
    pub served: ServedManifest,
    /// What they say.
    pub manifest: Manifest,
    /// What else they say.
    pub remarks: Remarks,
    /// The platform it is for, as far as that was looked up.
    pub platform: Option<Platform>,
}

/// What a manifest says of itself that does not decide what is followed; empty if it cannot be read.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Remarks {
    /// Its media type.
    pub media_type: Option<String>,
    /// What kind of artifact it is.
    pub artifact_type: Option<String>,
    /// The manifest it refers to.
    pub subject: Option<Subject>,
    /// Its annotations.
    pub annotations: Option<BTreeMap<String, String>>,
}

/// A manifest that another refers to.
#[derive(Debug, Clone, Deserialize)]
pub struct Subject {
    /// Its digest, as written.
    pub digest: String,
}

impl Shown {
    /// The media type it is served as; else the one it says it has.
    pub fn media_type(&self) -> &str {
        match (self.served.media_type.as_str(), &self.remarks.media_type) {
            ("", Some(own)) => own,
            (header, _) => header,
        }
    }
}

/// Fetches a manifest.
pub async fn inspect(context: &Context, request: &Request) -> Result<Inspected, VerifyImageError> {
    let reference = &request.reference;
    let verdict = if request.trusted { Some(ask_trust(context, reference).await?) } else { None };
    let registry = context.connections.registry(reference).map_err(ImageError::from)?;
    let wanted = match (&verdict, reference.digest()) {
        (Some(verdict), _) => verdict.digest.as_str(),
        (None, Some(digest)) => digest.as_str(),
        (None, None) => reference.tag().unwrap_or("latest"),
    };
    let mut shown = fetch(&registry, reference.clone(), wanted).await?;
    if let Some(verdict) = &verdict {
        check_size(reference, verdict, &shown)?;
    }
    let is_index = matches!(shown.manifest, Manifest::Index(_));
    let platform = match &request.platform {
        None if is_index && request.beside == Beside::Config => Some(Platform::host()),
        platform => platform.clone(),
    };
    if let Some(platform) = platform
        && (is_index || request.platform.is_some())
    {
        let child = narrow(reference, &shown.manifest, &platform)?.clone();
        shown = fetch_child(&registry, reference, &child).await?;
    }
    let mut inspected = Inspected { shown, children: Vec::new(), config: None, verdict };
    match request.beside {
        Beside::Nothing => {}
        Beside::Config => {
            inspected.config = Some(config_of(&registry, &inspected.shown).await?);
        }
        Beside::Everything => look_closer(&registry, reference, &mut inspected).await?,
    }
    Ok(inspected)
}

async fn ask_trust(context: &Context, reference: &Reference) -> Result<Verdict, VerifyImageError> {
    let request = verify::Request {
        reference: reference.clone(),
        no_registry: true,
        source: Source::Server,
        signers: Vec::new(),
        platform: None,
        children: false,
    };
    verify::verify(context, &request, &mut Vec::new()).await
}

fn check_size(
    reference: &Reference,
    verdict: &Verdict,
    shown: &Shown,
) -> Result<(), VerifyImageError> {
    let served = shown.served.bytes.len() as u64;
    if served == verdict.size {
        return Ok(());
    }
    let (reference, signed) = (reference.familiar(), verdict.size);
    Err(VerifyImageError::WrongSize { reference, signed, served })
}

async fn fetch(
    registry: &RegistryClient,
    reference: Reference,
    tag_or_digest: &str,
) -> Result<Shown, ImageError> {
    let served = registry.manifest(reference.path(), tag_or_digest).await?;
    let manifest = Manifest::parse(&served.media_type, &served.bytes)
        .map_err(|cause| ImageError::Manifest { reference: reference.familiar(), cause })?;
    let remarks = serde_json::from_slice(&served.bytes).unwrap_or_default();
    Ok(Shown { reference, served, manifest, remarks, platform: None })
}

async fn fetch_child(
    registry: &RegistryClient,
    reference: &Reference,
    child: &Descriptor,
) -> Result<Shown, ImageError> {
    let reference = reference.with_digest(child.digest.clone());
    let mut shown = fetch(registry, reference, child.digest.as_str()).await?;
    shown.platform.clone_from(&child.platform);
    Ok(shown)
}

/// Fetches what docker's long form has. Of an index it is its children, one after the other: they
/// are few, and each is checked by its digest.
async fn look_closer(
    registry: &RegistryClient,
    reference: &Reference,
    inspected: &mut Inspected,
) -> Result<(), ImageError> {
    match &inspected.shown.manifest {
        Manifest::Index(index) => {
            let mut bytes = 0;
            for child in &index.manifests {
                let child = fetch_child(registry, reference, child).await?;
                bytes += child.served.bytes.len() as u64;
                if bytes > MAX_SHOWN_BYTES {
                    let (url, limit) = (reference.familiar(), MAX_SHOWN_BYTES);
                    return Err(RegistryError::from(TransportError::TooLarge { url, limit }).into());
                }
                inspected.children.push(child);
            }
        }
        Manifest::Image(_) => {
            let config = config_of(registry, &inspected.shown).await?;
            inspected.shown.platform = platform_of(&config);
            inspected.config = Some(config);
        }
    }
    Ok(())
}

/// The configuration of an image; empty for an index, which has none.
async fn config_of(registry: &RegistryClient, shown: &Shown) -> Result<Vec<u8>, ImageError> {
    match &shown.manifest {
        Manifest::Image(image) => {
            Ok(registry.image_config(shown.reference.path(), &image.config).await?)
        }
        Manifest::Index(_) => Ok(Vec::new()),
    }
}

/// The platform that an image's configuration names; artifacts have none.
fn platform_of(config: &[u8]) -> Option<Platform> {
    #[derive(Deserialize)]
    struct Config {
        os: String,
        architecture: String,
        variant: Option<String>,
    }
    let config: Config = serde_json::from_slice(config).ok()?;
    Some(Platform::new(&config.os, &config.architecture, config.variant.as_deref()))
}
