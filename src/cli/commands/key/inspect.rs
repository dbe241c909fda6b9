//! `trust key inspect ID|FILE`

use serde::Serialize;

use crate::actions::keys::inspect::{KeyFacts, inspect};
use crate::cli::error::CliError;
use crate::cli::output::OutputArgs;
use crate::cli::run::Session;
use crate::cli::ui::printable;
use crate::crypto::{KeyId, KeyType};

/// Show what a key is: kind, ids, role, public key
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Key id (its first 7 digits will do), or a file with keys or certificates
    #[arg(value_name = "ID|FILE")]
    pub key: String,

    /// Open an encrypted stored key to show its public key too; asks for the passphrase
    #[arg(long)]
    pub unlock: bool,

    /// How to print what is known.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// A key as `--json` and `--format` print it.
#[derive(Debug, Default, Serialize)]
struct Row {
    id: Option<String>,
    metadata_id: Option<String>,
    #[serde(rename = "type")]
    key_type: Option<String>,
    role: Option<String>,
    gun: Option<String>,
    private: bool,
    encrypted: bool,
    public_key: Option<String>,
}

impl Args {
    /// Prints what is known about each key.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        let output = self.output.inspection(&Row::default())?;
        let keys = inspect(&session.context()?, &self.key, self.unlock)?;
        if !output.is_text() {
            let rows: Vec<Row> = keys.into_iter().map(Row::of).collect();
            output.print(session, &rows)?;
            return Ok(());
        }
        let text: Vec<String> = keys.iter().map(describe).collect();
        Ok(session.ui.data(text.join("\n"))?)
    }
}

impl Row {
    fn of(key: KeyFacts) -> Self {
        let text = |id: KeyId| id.to_string();
        Self {
            id: key.id.map(text),
            metadata_id: key.metadata_id.map(text),
            key_type: key.key_type.as_ref().map(|kind| type_name(kind).to_owned()),
            role: key.role,
            gun: key.gun,
            private: key.private,
            encrypted: key.encrypted,
            public_key: key.public_pem,
        }
    }
}

fn describe(key: &KeyFacts) -> String {
    let unknown = "unknown while encrypted";
    let mut lines = Vec::new();
    let mut line = |name: &str, value: &str| {
        lines.push(format!("{:<14}{}", format!("{name}:"), printable(value)));
    };
    line("ID", key.id.as_ref().map_or(unknown, KeyId::as_str));
    if let Some(id) = &key.metadata_id {
        line("Metadata ID", id.as_str());
    }
    line("Type", key.key_type.as_ref().map_or(unknown, type_name));
    line("Role", key.role.as_deref().unwrap_or("none"));
    if let Some(gun) = &key.gun {
        line("GUN", gun);
    }
    let kind = match (key.private, key.encrypted) {
        (true, true) => "private, encrypted",
        (true, false) => "private, NOT encrypted",
        (false, _) => "public",
    };
    line("Key", kind);
    let mut text = lines.join("\n") + "\n";
    if let Some(pem) = &key.public_pem {
        text.push('\n');
        text.push_str(pem);
    }
    text
}

/// The kind of a key as metadata names it.
fn type_name(kind: &KeyType) -> &str {
    match kind {
        KeyType::Ecdsa => "ecdsa",
        KeyType::Ed25519 => "ed25519",
        KeyType::Rsa => "rsa",
        KeyType::EcdsaX509 => "ecdsa-x509",
        KeyType::RsaX509 => "rsa-x509",
        KeyType::Unknown(name) => name,
    }
}
