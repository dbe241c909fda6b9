//! `trust docker shim`

use clap::ValueEnum;

use crate::cli::error::CliError;
use crate::cli::run::Session;

/// Print a shell function that lets `docker` work under content trust
///
/// For bash and zsh: `eval "$(trust docker shim)"`; for fish: `trust docker shim --shell fish |
/// source`. It hands what brings or sends images to `trust docker`, under long names too, and all
/// else to docker.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell
    #[arg(long, value_enum, value_name = "SHELL", default_value_t)]
    pub shell: Shell,
}

/// Shells whose functions are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Shell {
    /// Bash, and other shells that read as POSIX has it
    #[default]
    Bash,
    /// Zsh
    Zsh,
    /// Fish
    Fish,
}

impl Args {
    /// Prints the function.
    pub fn run(self, session: &Session) -> Result<(), CliError> {
        Ok(session.ui.data(function(self.shell, &program_name()))?)
    }
}

/// The name by which the program is found on the search path.
fn program_name() -> String {
    let program = std::env::current_exe().ok();
    let name = program.as_deref().and_then(|path| path.file_name()?.to_str());
    match name {
        Some("content-trust") => "content-trust".to_owned(),
        _ => "trust".to_owned(),
    }
}

/// Docker's commands that bring images from somewhere, or send them there.
const COMMANDS: [&str; 14] = [
    "pull",
    "push",
    "run",
    "create",
    "build",
    "image",
    "container",
    "builder",
    "buildx",
    "service",
    "plugin",
    "compose",
    "stack",
    "bake",
];

/// The function: both programs are called as programs, so that it never calls itself. An alias of
/// that name would go before it, and zsh reads all of a text before it does any of it.
fn function(shell: Shell, program: &str) -> String {
    let (bars, blanks) = (COMMANDS.join(" | "), COMMANDS.join(" "));
    match shell {
        Shell::Bash | Shell::Zsh => format!(
            "unalias docker 2>/dev/null || :
eval 'docker() {{
    case \"${{1-}}\" in
    {bars} | -*)
        command {program} docker cli \"$@\"
        ;;
    *)
        command docker \"$@\"
        ;;
    esac
}}'
"
        ),
        Shell::Fish => format!(
            "function docker --wraps docker
    switch \"$argv[1]\"
        case {blanks} '-*'
            command {program} docker cli $argv
        case '*'
            command docker $argv
    end
end
"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_never_calls_itself() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let text = function(shell, "trust");
            assert_eq!(text.matches("command ").count(), 2, "{text}");
            assert!(text.contains("command trust docker cli"), "{text}");
        }
    }
}
