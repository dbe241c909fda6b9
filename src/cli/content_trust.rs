//! `--trust` and docker's `--disable-content-trust`: whether content trust is on for a command.

use crate::cli::run::Session;

/// The flags of every command that content trust may guard.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ContentTrustArgs {
    /// Only what is signed [default: as `$DOCKER_CONTENT_TRUST` says]
    #[arg(long, conflicts_with = "disable_content_trust")]
    pub trust: bool,

    /// Also what is not signed
    #[arg(
        long,
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    pub disable_content_trust: Option<bool>,
}

impl ContentTrustArgs {
    /// Whether content trust is on. Says so if it was on and is switched off.
    pub fn is_on(&self, session: &Session) -> bool {
        let set = session.settings.content_trust;
        match (self.trust, self.disable_content_trust) {
            (true, _) | (_, Some(false)) => true,
            (_, Some(true)) => {
                if set {
                    session.ui.warn(
                        "content trust is switched off for this command: nothing says that the \
                         content is what its owner signed",
                    );
                }
                false
            }
            (false, None) => set,
        }
    }
}
