//! `trust verify IMAGE…`

use std::path::PathBuf;

use serde::Serialize;

use crate::actions::image_files::{Place, Unresolved};
use crate::actions::update::Source;
use crate::actions::verify::{Request, Step, Verdict, Voucher, verify};
use crate::cli::error::{CliError, ErrorKind};
use crate::cli::image_files::{KindArg, input_of, read};
use crate::cli::outcome::{InTurn, say_verdict, unverified};
use crate::cli::output::{OutputArgs, verdict_first};
use crate::cli::rescue_source::ArchiveArgs;
use crate::cli::run::Session;
use crate::cli::ui::printable;
use crate::clock::Timestamp;
use crate::oci::Reference;
use crate::oci::platform::Platform;
use crate::tuf::RoleName;

/// Verify that images are what their signers signed
///
/// Compares what trust says of a tag with what the registry serves for it now. Exit codes: 0
/// trusted, 3 not signed, 4 not by whom was asked for, 5 moved, 6 expired, 7 rolled back or
/// tampered, 8 not in the registry, 10 a server cannot be reached.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct Args {
    /// Images, by tag or by digest
    #[arg(required_unless_present = "files", value_name = "IMAGE")]
    pub images: Vec<String>,

    /// Verify every image that this Dockerfile, compose file or Kubernetes file names ; may be given
    /// again ; `-` is stdin
    #[arg(long = "file", short = 'f', value_name = "FILE")]
    pub files: Vec<PathBuf>,

    /// What kind of files these are [default: told by name and content]
    #[arg(long = "type", value_name = "TYPE", requires = "files")]
    pub kind: Option<KindArg>,

    /// Ask trust alone, not the registry
    #[arg(long)]
    pub no_registry: bool,

    /// This signer must have signed it ; may be given again, and then each of them must
    #[arg(long = "signer", value_name = "NAME")]
    pub signers: Vec<String>,

    /// Print only NAME@DIGEST
    #[arg(long, conflicts_with_all = ["json", "format", "explain"])]
    pub digest: bool,

    /// Ask nobody: answer from the cache, as long as that is fresh
    #[arg(long)]
    pub offline: bool,

    /// Answer from what was rescued.
    #[command(flatten)]
    pub archive: ArchiveArgs,

    /// Verify the manifest for this platform
    #[arg(long, value_name = "OS/ARCH")]
    pub platform: Option<String>,

    /// Check that every manifest of an index is in the registry
    #[arg(long, conflicts_with_all = ["offline", "no_registry", "from"])]
    pub children: bool,

    /// How to print the answers.
    #[command(flatten)]
    pub output: OutputArgs,

    /// Say how the decision is made, step by step
    #[arg(long)]
    pub explain: bool,
}

impl Args {
    /// Verifies each image; goes on after one that fails.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let output = self.output.inspection(&Document::sample())?;
        let platform = self.platform.as_deref().map(Platform::parse).transpose();
        let platform = platform.map_err(|error| CliError::usage(error.to_string()))?;
        let mut context = session.context()?;
        let source = self.archive.source(&mut context, self.offline)?;
        let mut documents = Vec::new();
        // What a file names is always named with its place.
        let files = if self.files.is_empty() { 0 } else { 2 };
        let mut turns = InTurn::new(session, self.images.len() + files);
        for subject in self.subjects(session, &mut turns) {
            let label = subject.label();
            turns.take(&label, || {
                let image = match &subject.image {
                    Ok(image) => image,
                    Err(problem) => {
                        let error = cannot_be_told(problem);
                        documents.push(Document::without_verdict(&subject, &error));
                        return Err(error);
                    }
                };
                let request = Request {
                    reference: Reference::parse(image)?,
                    no_registry: self.no_registry,
                    source,
                    signers: self.signers.clone(),
                    platform: platform.clone(),
                    children: self.children,
                };
                let mut steps = Vec::new();
                let verdict = session.block_on(async {
                    let verdict = verify(&context, &request, &mut steps).await;
                    verdict.map_err(|error| unverified(&context, &request.reference, error))
                });
                if !output.is_text() {
                    let places = subject.places.clone();
                    documents.push(Document::of(
                        image,
                        places,
                        &request.reference,
                        &verdict,
                        steps,
                    ));
                } else if self.explain {
                    explain(session, &label, &steps)?;
                }
                let verdict = verdict?;
                say_verdict(session, &request.reference, &verdict);
                match (!output.is_text(), self.digest) {
                    (true, _) => Ok(()),
                    (_, true) => Ok(session.ui.line(pinned(&request.reference, &verdict))?),
                    _ => report(session, &subject.before(), &request, &verdict),
                }
            });
        }
        let printed = output.print(session, &documents);
        verdict_first(session, turns.finish(), printed)
    }
}

/// An image to verify, and where files name it.
struct Subject {
    image: Result<String, Unresolved>,
    written: String,
    places: Vec<JsonPlace>,
}

impl Args {
    /// The images that were typed, then those of the files, each once; says what is wrong with files.
    fn subjects(&self, session: &Session, turns: &mut InTurn<'_>) -> Vec<Subject> {
        let typed = |image: &String| Subject {
            image: Ok(image.clone()),
            written: image.clone(),
            places: Vec::new(),
        };
        let mut subjects: Vec<Subject> = self.images.iter().map(typed).collect();
        for typed in &self.files {
            let input = input_of(typed);
            let name = input.to_string();
            let mut file = None;
            turns.take(&name, || {
                file = Some(read(session, &input, self.kind)?);
                Ok(())
            });
            for Place { line, column, written, image, .. } in
                file.into_iter().flat_map(|file| file.images)
            {
                let place = JsonPlace { file: name.clone(), line, column };
                let same = subjects.iter_mut().find(|subject| {
                    !subject.places.is_empty() && image.is_ok() && subject.image == image
                });
                match same {
                    Some(subject) => subject.places.push(place),
                    None => subjects.push(Subject { image, written, places: vec![place] }),
                }
            }
        }
        subjects
    }
}

impl Subject {
    /// `FILE:LINE: IMAGE`, or only the image if it was typed.
    fn label(&self) -> String {
        let image = self.image.as_ref().unwrap_or(&self.written);
        format!("{}{}", self.before(), image.trim_end())
    }

    /// `FILE:LINE: `, with commas if there are several places.
    fn before(&self) -> String {
        let place = |place: &JsonPlace| format!("{}:{}", place.file, place.line);
        let mut places: Vec<String> = self.places.iter().map(place).collect();
        places.dedup();
        if places.is_empty() { String::new() } else { format!("{}: ", places.join(", ")) }
    }
}

fn cannot_be_told(problem: &Unresolved) -> CliError {
    let words = format!("which image this is cannot be told: {problem}");
    CliError::new(ErrorKind::Policy, words)
}

fn pinned(reference: &Reference, verdict: &Verdict) -> String {
    format!("{}@{}", reference.familiar_name(), verdict.digest)
}

fn explain(session: &Session, image: &str, steps: &[Step]) -> Result<(), CliError> {
    let line = |(index, step): (usize, &Step)| {
        let mark = if step.passed { "ok" } else { "NO" };
        format!("  {:>2}. [{mark}] {}", index + 1, printable(&step.text))
    };
    let lines: Vec<String> = steps.iter().enumerate().map(line).collect();
    Ok(session.ui.line(format!("{}\n{}", printable(image), lines.join("\n")))?)
}

fn report(
    session: &Session,
    before: &str,
    request: &Request,
    verdict: &Verdict,
) -> Result<(), CliError> {
    let reference = &request.reference;
    let mut lines = vec![
        format!("{before}{} is trusted", reference.familiar()),
        format!("  digest   {}", verdict.digest),
        format!("  size     {} bytes", verdict.size),
    ];
    if reference.tag().is_none() && reference.digest().is_some() {
        lines.push(format!("  tags     {}", verdict.tags.join(", ")));
    }
    for (index, voucher) in verdict.vouchers.iter().enumerate() {
        let title = if index == 0 { "signed" } else { "" };
        lines.push(format!("  {title:<8} {}", describe(voucher)));
    }
    let (role, expires) = &verdict.expires_first;
    lines.push(format!("  expires  {expires} ({role} is first)"));
    for (role, since) in &verdict.expired {
        lines.push(format!("  EXPIRED  {role}, on {since}: accepted because that was asked for"));
    }
    let version = verdict.timestamp_version;
    lines.push(format!("  fresh    until {}, timestamp version {version}", verdict.fresh_until));
    lines.push(format!("  registry {}", registry_words(request, verdict)));
    let text: String = lines.iter().map(|line| printable(line) + "\n").collect();
    Ok(session.ui.data(text)?)
}

fn describe(voucher: &Voucher) -> String {
    let keys: Vec<&str> = voucher.keys.iter().map(|id| id.short(12)).collect();
    format!("{} with {}, until {}", voucher.role, keys.join(", "), voucher.expires)
}

fn registry_words(request: &Request, verdict: &Verdict) -> String {
    match (request.source, verdict.registry_checked, verdict.children_checked) {
        (Source::Cache, ..) => {
            "not asked, nor the trust server: answered from the cache".to_owned()
        }
        (Source::Folder, ..) => {
            "not asked, nor a trust server: answered from what was rescued".to_owned()
        }
        (_, false, _) => "not asked".to_owned(),
        (_, true, 0) => "serves just this".to_owned(),
        (_, true, count) => format!("serves just this, and {count} of its manifests"),
    }
}

/// The answer about one image as `--json` and `--format` print it (`spec/json-output.md`).
#[derive(Debug, Default, Serialize)]
struct Document {
    image: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    places: Vec<JsonPlace>,
    name: String,
    trusted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    causes: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<JsonVerdict>,
    steps: Vec<JsonStep>,
}

#[derive(Debug, Clone, Default, Serialize)]
struct JsonPlace {
    file: String,
    line: usize,
    column: usize,
}

#[derive(Debug, Default, Serialize)]
struct JsonVerdict {
    tags: Vec<String>,
    digest: String,
    size: u64,
    signed_by: Vec<JsonVoucher>,
    root_keys: Vec<String>,
    first_use: bool,
    fresh_until: String,
    timestamp_version: u64,
    expires: String,
    expires_role: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    expired: Vec<JsonExpired>,
    registry_checked: bool,
    children_checked: usize,
    warnings: Vec<String>,
}

#[derive(Debug, Default, Serialize)]
struct JsonVoucher {
    role: String,
    keys: Vec<String>,
    expires: String,
}

#[derive(Debug, Default, Serialize)]
struct JsonExpired {
    role: String,
    since: String,
}

#[derive(Debug, Default, Serialize)]
struct JsonStep {
    passed: bool,
    text: String,
}

impl Document {
    /// One of everything that an answer can hold.
    fn sample() -> Self {
        let verdict = JsonVerdict {
            signed_by: vec![JsonVoucher::default()],
            expired: vec![JsonExpired::default()],
            ..JsonVerdict::default()
        };
        Self {
            places: vec![JsonPlace::default()],
            exit_code: Some(0),
            error: Some(String::new()),
            causes: vec![String::new()],
            verdict: Some(verdict),
            steps: vec![JsonStep::default()],
            ..Self::default()
        }
    }

    /// An image that cannot be told.
    fn without_verdict(subject: &Subject, error: &CliError) -> Self {
        Self {
            image: subject.written.clone(),
            places: subject.places.clone(),
            exit_code: Some(error.kind.exit_code()),
            error: Some(error.source.to_string()),
            ..Self::default()
        }
    }

    fn of(
        image: &str,
        places: Vec<JsonPlace>,
        reference: &Reference,
        verdict: &Result<Verdict, CliError>,
        steps: Vec<Step>,
    ) -> Self {
        let steps = steps.into_iter().map(|step| JsonStep { passed: step.passed, text: step.text });
        Self {
            image: image.to_owned(),
            places,
            name: reference.name(),
            trusted: verdict.is_ok(),
            exit_code: verdict.as_ref().err().map(|error| error.kind.exit_code()),
            error: verdict.as_ref().err().map(|error| error.source.to_string()),
            causes: verdict.as_ref().err().map(CliError::causes).unwrap_or_default(),
            verdict: verdict.as_ref().ok().map(JsonVerdict::of),
            steps: steps.collect(),
        }
    }
}

impl JsonExpired {
    fn of((role, since): &(RoleName, Timestamp)) -> Self {
        Self { role: role.to_string(), since: since.to_string() }
    }
}

impl JsonVerdict {
    fn of(verdict: &Verdict) -> Self {
        let voucher = |voucher: &Voucher| JsonVoucher {
            role: voucher.role.to_string(),
            keys: voucher.keys.iter().map(ToString::to_string).collect(),
            expires: voucher.expires.to_string(),
        };
        Self {
            tags: verdict.tags.clone(),
            digest: verdict.digest.to_string(),
            size: verdict.size,
            signed_by: verdict.vouchers.iter().map(voucher).collect(),
            root_keys: verdict.root_keys.iter().map(ToString::to_string).collect(),
            first_use: verdict.first_use,
            fresh_until: verdict.fresh_until.to_string(),
            timestamp_version: verdict.timestamp_version,
            expires: verdict.expires_first.1.to_string(),
            expires_role: verdict.expires_first.0.to_string(),
            expired: verdict.expired.iter().map(JsonExpired::of).collect(),
            registry_checked: verdict.registry_checked,
            children_checked: verdict.children_checked,
            warnings: verdict.warnings.clone(),
        }
    }
}
