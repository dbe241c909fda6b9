//! The commands of `docker trust`: their flags, and how docker shows and reads them.

use crate::cli::docker_flags::{Flag, Table};

/// A command.
#[derive(Debug)]
pub struct Command {
    /// The word it is called by.
    pub name: &'static str,
    /// All words it is called by.
    pub path: &'static str,
    /// How it is used, as help and errors show it.
    pub usage: &'static str,
    /// What it does, in a line.
    pub about: &'static str,
    /// The lines about its flags.
    pub options: &'static str,
    /// How many words it takes.
    pub arity: Arity,
    /// Its flags.
    pub table: Table,
    /// Its commands, if it has any; then it does nothing itself.
    pub commands: &'static [Self],
}

/// How many words a command takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arity {
    /// Any: it is for commands that have commands.
    Any,
    /// Just one.
    One,
    /// So many, or more.
    AtLeast(usize),
}

const HELP: Flag = Flag { long: "help", short: Some(b'h'), takes_value: false };

const fn table(flags: &'static [Flag]) -> Table {
    Table { flags, interspersed: true, takes_strange: false }
}

const fn leaf(
    (name, path): (&'static str, &'static str),
    usage: &'static str,
    about: &'static str,
    options: &'static str,
    arity: Arity,
    flags: &'static [Flag],
) -> Command {
    Command { name, path, usage, about, options, arity, table: table(flags), commands: &[] }
}

/// `docker trust`
pub static TRUST: Command = Command {
    name: "trust",
    path: "docker trust",
    usage: "docker trust COMMAND",
    about: "Manage trust on Docker images",
    options: "",
    arity: Arity::Any,
    table: table(&[HELP]),
    commands: &[
        Command {
            name: "key",
            path: "docker trust key",
            usage: "docker trust key COMMAND",
            about: "Manage keys for signing Docker images",
            options: "",
            arity: Arity::Any,
            table: table(&[HELP]),
            commands: &[
                leaf(
                    ("generate", "docker trust key generate"),
                    "docker trust key generate NAME",
                    "Generate and load a signing key-pair",
                    "      --dir string   Directory to generate key in, defaults to current
                     directory",
                    Arity::One,
                    &[HELP, Flag { long: "dir", short: None, takes_value: true }],
                ),
                leaf(
                    ("load", "docker trust key load"),
                    "docker trust key load [OPTIONS] KEYFILE",
                    "Load a private key file for signing",
                    "      --name string   Name for the loaded key (default \"signer\")",
                    Arity::One,
                    &[HELP, Flag { long: "name", short: None, takes_value: true }],
                ),
            ],
        },
        Command {
            name: "signer",
            path: "docker trust signer",
            usage: "docker trust signer COMMAND",
            about: "Manage entities who can sign Docker images",
            options: "",
            arity: Arity::Any,
            table: table(&[HELP]),
            commands: &[
                leaf(
                    ("add", "docker trust signer add"),
                    "docker trust signer add OPTIONS NAME REPOSITORY [REPOSITORY...] ",
                    "Add a signer",
                    "      --key list   Path to the signer's public key file",
                    Arity::AtLeast(2),
                    &[HELP, Flag { long: "key", short: None, takes_value: true }],
                ),
                leaf(
                    ("remove", "docker trust signer remove"),
                    "docker trust signer remove [OPTIONS] NAME REPOSITORY [REPOSITORY...]",
                    "Remove a signer",
                    "  -f, --force   Do not prompt for confirmation before removing the most
                recent signer",
                    Arity::AtLeast(2),
                    &[HELP, Flag { long: "force", short: Some(b'f'), takes_value: false }],
                ),
            ],
        },
        leaf(
            ("inspect", "docker trust inspect"),
            "docker trust inspect IMAGE[:TAG] [IMAGE[:TAG]...]",
            "Return low-level information about keys and signatures",
            "      --pretty   Print the information in a human friendly format",
            Arity::AtLeast(1),
            &[HELP, Flag { long: "pretty", short: None, takes_value: false }],
        ),
        leaf(
            ("revoke", "docker trust revoke"),
            "docker trust revoke [OPTIONS] IMAGE[:TAG]",
            "Remove trust for an image",
            "  -y, --yes   Do not prompt for confirmation",
            Arity::One,
            &[HELP, Flag { long: "yes", short: Some(b'y'), takes_value: false }],
        ),
        leaf(
            ("sign", "docker trust sign"),
            "docker trust sign IMAGE:TAG",
            "Sign an image",
            "      --local   Sign a locally tagged image",
            Arity::One,
            &[HELP, Flag { long: "local", short: None, takes_value: false }],
        ),
    ],
};

impl Command {
    /// Whether it has commands.
    pub fn is_group(&self) -> bool {
        !self.commands.is_empty()
    }

    /// Its command of this name.
    pub fn find(&self, name: &str) -> Option<&'static Self> {
        self.commands.iter().find(|command| command.name == name)
    }

    /// Its flags as they are typed, each with what it does.
    pub fn flags(&self) -> Vec<(String, &'static str)> {
        let mut flags = Vec::new();
        for flag in self.table.flags.iter().filter(|flag| flag.long != HELP.long) {
            let long = format!("--{}", flag.long);
            let line = self.options.lines().find(|line| line.contains(&long)).unwrap_or_default();
            let about = line.rsplit("   ").next().unwrap_or_default().trim();
            flags.push((long, about));
            flags.extend(flag.short.map(|letter| (format!("-{}", char::from(letter)), about)));
        }
        flags
    }

    /// What docker prints for `--help`.
    pub fn help(&self) -> String {
        let Self { usage, about, path, .. } = self;
        let mut text = format!("Usage:  {usage}\n\n{about}\n");
        let mut list = |title: &str, groups: bool| {
            let commands: Vec<&Self> =
                self.commands.iter().filter(|command| command.is_group() == groups).collect();
            if commands.is_empty() {
                return;
            }
            text.extend([format!("\n{title}:\n")]);
            for command in commands {
                text.extend([format!("  {:<11} {}\n", command.name, command.about)]);
            }
        };
        list("Management Commands", true);
        list("Commands", false);
        if !self.options.is_empty() {
            text.extend([format!("\nOptions:\n{}\n", self.options)]);
        }
        if self.is_group() {
            let more = format!("Run '{path} COMMAND --help' for more information on a command.");
            text.extend([format!("\n{more}\n")]);
        }
        text
    }

    /// An error about how it was called, and where to read more.
    pub fn misused(&self, words: &str) -> String {
        let usage = if self.is_group() { self.path } else { self.usage };
        let word = if matches!(self.arity, Arity::AtLeast(_)) && words.starts_with(DOCKER) {
            "See"
        } else {
            "Run"
        };
        let path = self.path;
        format!("{words}\n\nUsage:  {usage}\n\n{word} '{path} --help' for more information")
    }

    /// What is wrong with the number of words it was given, if that is wrong.
    pub fn miscounted(&self, count: usize) -> Option<String> {
        let wanted = match self.arity {
            Arity::One if count != 1 => "1 argument".to_owned(),
            Arity::AtLeast(least) if count < least => {
                format!("at least {least} argument{}", if least == 1 { "" } else { "s" })
            }
            _ => return None,
        };
        Some(self.misused(&format!("{DOCKER} '{}' requires {wanted}", self.path)))
    }
}

/// How docker begins what it says of words.
const DOCKER: &str = "docker:";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_is_laid_out_as_dockers() {
        assert_eq!(
            TRUST.find("key").unwrap().help(),
            "Usage:  docker trust key COMMAND\n\n\
             Manage keys for signing Docker images\n\n\
             Commands:\n  \
             generate    Generate and load a signing key-pair\n  \
             load        Load a private key file for signing\n\n\
             Run 'docker trust key COMMAND --help' for more information on a command.\n"
        );
    }

    #[test]
    fn flags_are_offered_with_what_they_do() {
        let flags = TRUST.find("revoke").unwrap().flags();
        let about = "Do not prompt for confirmation";
        assert_eq!(flags, [("--yes".to_owned(), about), ("-y".to_owned(), about)]);
        let flags = TRUST.find("signer").unwrap().find("add").unwrap().flags();
        assert_eq!(flags, [("--key".to_owned(), "Path to the signer's public key file")]);
    }

    #[test]
    fn words_are_counted() {
        let sign = TRUST.find("sign").unwrap();
        assert_eq!(sign.miscounted(1), None);
        let words = sign.miscounted(2).unwrap();
        assert!(words.starts_with("docker: 'docker trust sign' requires 1 argument\n\nUsage:  "));
        assert!(words.ends_with("\n\nRun 'docker trust sign --help' for more information"));
        let words = TRUST.find("inspect").unwrap().miscounted(0).unwrap();
        assert!(words.ends_with("\n\nSee 'docker trust inspect --help' for more information"));
    }
}
