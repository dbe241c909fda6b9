//! `trust manifest inspect IMAGE`

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::actions::manifest::inspect::{Beside, Inspected, Request, Shown, inspect};
use crate::cli::content_trust::ContentTrustArgs;
use crate::cli::error::{CliError, ErrorKind};
use crate::cli::json_text::indent;
use crate::cli::outcome::say_verdict;
use crate::cli::output::{FormatArgs, Output};
use crate::cli::run::Session;
use crate::cli::ui::Verbosity;
use crate::codec::text::to_base64;
use crate::oci::Descriptor;
use crate::oci::Reference;
use crate::oci::manifest::{DOCKER_MANIFEST, Manifest, OCI_MANIFEST};
use crate::oci::platform::Platform;

/// Show a manifest in its registry
///
/// Prints the manifest as docker does, laid out in lines; with `--verbose` docker's long form. Its
/// bytes have the digest that the registry announces, and the one asked for.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Image, by tag or by digest
    pub image: String,

    /// Print the bytes as they are served
    #[arg(long, conflicts_with = "format")]
    pub raw: bool,

    /// Of an index, show the manifest for this platform
    #[arg(long, value_name = "OS/ARCH")]
    pub platform: Option<String>,

    /// Show the image's configuration
    #[arg(long, conflicts_with = "format")]
    pub image_config: bool,

    /// Whether what is signed for the tag is shown, or what the registry serves.
    #[command(flatten)]
    pub content_trust: ContentTrustArgs,

    /// How to print the manifest
    #[command(flatten)]
    pub output: FormatArgs,
}

impl Args {
    /// Prints the manifest.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let output = self.output.inspection(&Document::sample())?;
        let reference = Reference::parse(&self.image)?;
        let platform = self.platform.as_deref().map(Platform::parse).transpose();
        let platform = platform.map_err(|error| CliError::usage(error.to_string()))?;
        let trusted = self.content_trust.is_on(session);
        let long = session.ui.verbosity() == Verbosity::Verbose && output.is_text() && !self.raw;
        let request = Request {
            reference,
            platform,
            trusted,
            beside: match (self.image_config, long) {
                (true, _) => Beside::Config,
                (false, true) => Beside::Everything,
                (false, false) => Beside::Nothing,
            },
        };
        let context = session.context()?;
        let inspected = session.block_on(inspect(&context, &request))?;
        if let Some(verdict) = &inspected.verdict {
            say_verdict(session, &request.reference, verdict);
        }
        if !matches!(output, Output::Text) {
            return output.print_one(session, &Document::of(&inspected.shown)).map(drop);
        }
        if long && !self.image_config {
            return Ok(session.ui.line(long_form(&inspected)?)?);
        }
        let bytes = inspected.config.as_ref().unwrap_or(&inspected.shown.served.bytes);
        match serde_json::from_slice::<&RawValue>(bytes) {
            Ok(json) if !self.raw => {
                Ok(session.ui.line(indent(json.get(), unit(&inspected.shown)))?)
            }
            _ => Ok(session.ui.data(bytes)?),
        }
    }
}

/// Docker lays indexes out with three spaces, all else with tabs.
fn unit(shown: &Shown) -> &'static str {
    match shown.manifest {
        Manifest::Index(_) => "   ",
        Manifest::Image(_) => "\t",
    }
}

/// The form of `docker manifest inspect --verbose`: one object, or an array for an index.
fn long_form(inspected: &Inspected) -> Result<String, CliError> {
    let tag = inspected.shown.reference.tag();
    let json = match &inspected.shown.manifest {
        Manifest::Image(_) => serde_json::to_string(&LongForm::of(&inspected.shown, tag)),
        Manifest::Index(_) => {
            let children = inspected.children.iter().map(|child| LongForm::of(child, tag));
            serde_json::to_string(&children.collect::<Vec<_>>())
        }
    };
    let json = json.map_err(|error| CliError::new(ErrorKind::Internal, error))?;
    Ok(indent(&json, "\t"))
}

/// One manifest in docker's long form.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct LongForm<'a> {
    #[serde(rename = "Ref")]
    reference: String,
    descriptor: LongDescriptor<'a>,
    raw: String,
    #[serde(rename = "SchemaV2Manifest", skip_serializing_if = "Option::is_none")]
    docker: Option<&'a RawValue>,
    #[serde(rename = "OCIManifest", skip_serializing_if = "Option::is_none")]
    oci: Option<&'a RawValue>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LongDescriptor<'a> {
    media_type: &'a str,
    digest: &'a str,
    size: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    platform: Option<LongPlatform<'a>>,
}

#[derive(Serialize)]
struct LongPlatform<'a> {
    architecture: &'a str,
    os: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    variant: Option<&'a str>,
}

impl<'a> LongForm<'a> {
    /// `tag` is the one that led here.
    fn of(shown: &'a Shown, tag: Option<&str>) -> Self {
        let (served, media_type) = (&shown.served, shown.media_type());
        let json = serde_json::from_slice::<&RawValue>(&served.bytes).ok();
        let of_type = |wanted: &str| json.filter(|_| media_type == wanted);
        Self {
            reference: full_reference(&shown.reference, tag),
            descriptor: LongDescriptor {
                media_type,
                digest: served.digest.as_str(),
                size: served.bytes.len(),
                platform: shown.platform.as_ref().map(|platform| LongPlatform {
                    architecture: &platform.architecture,
                    os: &platform.os,
                    variant: platform.variant.as_deref(),
                }),
            },
            raw: to_base64(&served.bytes),
            docker: of_type(DOCKER_MANIFEST),
            oci: of_type(OCI_MANIFEST),
        }
    }
}

/// Name, tag and digest, as far as there are any; without both the tag is `latest`.
fn full_reference(reference: &Reference, tag: Option<&str>) -> String {
    let name = reference.name();
    match (tag, reference.digest()) {
        (tag, None) => format!("{name}:{}", tag.unwrap_or("latest")),
        (Some(tag), Some(digest)) => format!("{name}:{tag}@{digest}"),
        (None, Some(digest)) => format!("{name}@{digest}"),
    }
}

/// A manifest as `--format` prints it (`spec/json-output.md`).
#[derive(Debug, Default, Serialize)]
struct Document {
    name: String,
    digest: String,
    media_type: String,
    size: usize,
    artifact_type: Option<String>,
    subject: Option<String>,
    platform: Option<String>,
    config: Option<Part>,
    layers: Vec<Part>,
    manifests: Vec<Part>,
    annotations: BTreeMap<String, String>,
}

/// Something that a manifest refers to.
#[derive(Debug, Default, Serialize)]
struct Part {
    media_type: String,
    digest: String,
    size: u64,
    platform: Option<String>,
}

impl Document {
    /// One of everything that a manifest can have.
    fn sample() -> Self {
        Self {
            config: Some(Part::default()),
            layers: vec![Part::default()],
            manifests: vec![Part::default()],
            ..Self::default()
        }
    }

    fn of(shown: &Shown) -> Self {
        let parts = |parts: &[Descriptor]| parts.iter().map(Part::of).collect();
        let (config, layers, manifests) = match &shown.manifest {
            Manifest::Image(image) => {
                (Some(Part::of(&image.config)), parts(&image.layers), Vec::new())
            }
            Manifest::Index(index) => (None, Vec::new(), parts(&index.manifests)),
        };
        let remarks = shown.remarks.clone();
        Self {
            name: shown.reference.familiar_name(),
            digest: shown.served.digest.to_string(),
            media_type: shown.media_type().to_owned(),
            size: shown.served.bytes.len(),
            artifact_type: remarks.artifact_type,
            subject: remarks.subject.map(|subject| subject.digest),
            platform: shown.platform.as_ref().map(Platform::to_string),
            config,
            layers,
            manifests,
            annotations: remarks.annotations.unwrap_or_default(),
        }
    }
}

impl Part {
    fn of(descriptor: &Descriptor) -> Self {
        Self {
            media_type: descriptor.media_type.clone(),
            digest: descriptor.digest.to_string(),
            size: descriptor.size,
            platform: descriptor.platform.as_ref().map(Platform::to_string),
        }
    }
}
