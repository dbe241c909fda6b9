//! `trust image import FILE|URL|- [REPOSITORY[:TAG]]`, and `trust import`

use std::path::PathBuf;

use crate::actions::image::import::{Options, import};
use crate::cli::archives::{CompressionChoice, ExpansionArgs, new_name, platform};
use crate::cli::error::CliError;
use crate::cli::layout::LayoutArgs;
use crate::cli::run::Session;
use crate::oci::Platform;
use crate::oci::media_type::Compression;
use crate::store::streams::open_user_file;

/// Make an image of an archive of files
///
/// The image has one layer, which is the archive. Prints the image's id.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Archive: a file, a `file:` URL, or `-` for the standard input
    #[arg(value_name = "FILE|URL|-")]
    pub source: String,

    /// Name of the image
    #[arg(value_name = "REPOSITORY[:TAG]")]
    pub name: Option<String>,

    /// Instruction of a Dockerfile for the image's configuration, such as `CMD ["/bin/sh"]`
    #[arg(long, value_name = "INSTRUCTION")]
    pub change: Vec<String>,

    /// Note for the image's history
    #[arg(short, long, value_name = "TEXT")]
    pub message: Option<String>,

    /// Platform that the image is for [default: this one]
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    pub platform: Option<String>,

    /// Compression of the layer
    #[arg(long, value_enum, default_value = "gzip")]
    pub compression: CompressionChoice,

    /// How large the archive may be.
    #[command(flatten)]
    pub expansion: ExpansionArgs,

    /// Where the image goes.
    #[command(flatten)]
    pub layout: LayoutArgs,
}

impl Args {
    /// Makes the image.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let source = source(&self.source)?;
        let name = self.name.as_deref().map(new_name).transpose()?;
        let created = session.settings.creation_time()?;
        let message = self.message.unwrap_or_else(|| format!("Imported from {}", self.source));
        let options = Options {
            message,
            changes: self.change,
            platform: platform(self.platform.as_deref())?.unwrap_or_else(Platform::host),
            compression: Compression::from(self.compression),
            created,
            expansion: self.expansion.expansion(),
        };
        if source.as_os_str() == "-" && session.ui.input_is_a_person() {
            return Err(CliError::usage("there is no archive on the standard input")
                .hint("redirect the input, or name a file"));
        }
        let layout = self.layout.open(session)?;
        let made = import(&layout, &mut open_user_file(&source)?, name.as_ref(), &options)?;
        Ok(session.ui.line(made.id.as_str())?)
    }
}

/// The file that is meant. What the network has is not imported: nobody vouches for it.
fn source(text: &str) -> Result<PathBuf, CliError> {
    match text.split_once("://") {
        Some(("file", path)) => {
            let path = path.strip_prefix("localhost").unwrap_or(path);
            Ok(PathBuf::from(path))
        }
        Some((scheme, _)) if scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
            Err(CliError::usage(format!("`{scheme}:` is not read: nobody vouches for what comes"))
                .hint("download the archive, check what it is, and import the file"))
        }
        _ => Ok(PathBuf::from(text)),
    }
}
