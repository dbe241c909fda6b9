//! What one line of a file does with content trust.
//!
//! Lines are read as text, whatever the language: shells, Makefiles, Dockerfiles, YAML, JSON and
//! Groovy set variables and call commands in ways that look much alike, and a file that no parser
//! understands is just the one that is not to be overlooked.

use crate::actions::audit::assignments::{Assigned, assignment, value};
use crate::actions::audit::closing::{CLOSINGS, Closing};
use crate::actions::audit::kind::FileKind;
use crate::actions::audit::rules::What;

/// Which way content trust is switched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Switch {
    /// On.
    On,
    /// Off.
    Off,
    /// To what a variable of somewhere else says.
    Elsewhere,
}

/// Something that a line does.
#[derive(Debug)]
pub(super) struct Use {
    /// The byte of the line where it begins.
    pub(super) at: usize,
    /// What it is.
    pub(super) what: What,
    /// Images and collections that it names.
    pub(super) about: Vec<String>,
}

/// What a line does; `below` is what follows it, as far as it is looked at.
pub(super) fn scan(line: &str, below: &str, kind: FileKind) -> Vec<Use> {
    // Most lines that speak of trust speak of another.
    if !MARKS.iter().any(|mark| line.contains(mark)) {
        return Vec::new();
    }
    let trimmed = line.trim_start();
    if kind.comments().iter().any(|mark| trimmed.starts_with(mark)) {
        return Vec::new();
    }
    let line = without_comment(line, kind.comments());
    let next = below.lines().next().unwrap_or_default();
    let mut uses = Vec::new();
    variables(line, next, &mut uses);
    flags(line, &mut uses);
    match continued(line, below) {
        Some(whole) => commands(&whole, line.len(), &mut uses),
        None => commands(line, line.len(), &mut uses),
    }
    servers(line, &mut uses);
    uses.sort_by_key(|found| found.at);
    uses
}

/// The line up to a comment behind it, which begins behind a space and outside of quotes.
fn without_comment<'a>(line: &'a str, comments: &[&str]) -> &'a str {
    let marks: Vec<&str> =
        comments.iter().copied().filter(|mark| matches!(*mark, "#" | "//")).collect();
    if !marks.iter().any(|mark| line.contains(mark)) {
        return line;
    }
    let mut quote = None;
    let (mut spaced, mut escaped) = (true, false);
    for (at, char) in line.char_indices() {
        if escaped {
            escaped = false;
            spaced = false;
            continue;
        }
        escaped = char == '\\' && quote != Some('\'');
        match quote {
            Some(open) if open == char => quote = None,
            Some(_) => {}
            None if matches!(char, '"' | '\'') => quote = Some(char),
            None => {
                let rest = line.get(at..).unwrap_or_default();
                if spaced && marks.iter().any(|mark| rest.starts_with(mark)) {
                    return line.get(..at).unwrap_or_default();
                }
            }
        }
        spaced = char.is_whitespace();
    }
    line
}

/// The line with those that it goes on in; none if it ends where it ends.
fn continued(line: &str, below: &str) -> Option<String> {
    let mut whole = line.trim_end().strip_suffix('\\')?.to_owned();
    for next in below.lines() {
        let next = next.trim_end();
        whole.push(' ');
        if let Some(part) = next.strip_suffix('\\') {
            whole.push_str(part);
        } else {
            whole.push_str(next);
            break;
        }
    }
    Some(whole)
}

/// What a variable of this name and value is, if it is one of ours.
pub(super) fn variable(name: &str, value: Option<&str>) -> Option<What> {
    let assigned = value.map_or(Assigned::Elsewhere, |value| Assigned::To(value.to_owned()));
    meaning(name, assigned)
}

fn meaning(name: &str, assigned: Assigned) -> Option<What> {
    let secret = |plain| What::Secret { variable: name.to_owned(), plain };
    match (name, assigned) {
        (CONTENT_TRUST, Assigned::Unset) => {
            Some(What::ContentTrust { by: CONTENT_TRUST, to: Switch::Off })
        }
        (CONTENT_TRUST, Assigned::Elsewhere) => {
            Some(What::ContentTrust { by: CONTENT_TRUST, to: Switch::Elsewhere })
        }
        (CONTENT_TRUST, Assigned::To(value)) => {
            let off = value.is_empty() || is_false(&value);
            let to = if off { Switch::Off } else { Switch::On };
            Some(What::ContentTrust { by: CONTENT_TRUST, to })
        }
        (_, Assigned::Unset) => None,
        ("DOCKER_CONTENT_TRUST_SERVER", Assigned::To(url)) if !url.is_empty() => {
            Some(What::TrustServer { url: Some(without_login(&url)) })
        }
        ("DOCKER_CONTENT_TRUST_SERVER", Assigned::Elsewhere) => {
            Some(What::TrustServer { url: None })
        }
        (name, assigned) if SECRETS.contains(&name) => match assigned {
            Assigned::To(value) if value.is_empty() => None,
            Assigned::To(_) => Some(secret(true)),
            _ => Some(secret(false)),
        },
        (name, _) if name.starts_with("NOTARY_SERVER_") || name.starts_with("NOTARY_SIGNER_") => {
            Some(What::NotaryService { by: name.to_owned() })
        }
        _ => None,
    }
}

/// Go's words for false (notary.md §5.2): any other that is not empty is true.
fn is_false(value: &str) -> bool {
    matches!(value, "0" | "f" | "F" | "false" | "FALSE" | "False")
}

fn without_login(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://{rest}"),
        _ => url.to_owned(),
    }
}

fn variables(line: &str, next: &str, uses: &mut Vec<Use>) {
    let is_word = |char: char| char.is_ascii_alphanumeric() || char == '_';
    let mut at = 0;
    while let Some(rest) = line.get(at..) {
        let Some(start) = rest.find(is_word) else { break };
        let rest = rest.get(start..).unwrap_or_default();
        let length = rest.find(|char| !is_word(char)).unwrap_or(rest.len());
        let (name, after) = rest.split_at_checked(length).unwrap_or((rest, ""));
        let begins = at.saturating_add(start);
        at = begins.saturating_add(length);
        let before = line.get(..begins).unwrap_or_default();
        // `-eX=1` and `-DX=1` have a flag and its value in one word.
        let joined = name.strip_prefix(['e', 'D']).filter(|_| before.ends_with('-'));
        let name = joined.filter(|name| is_ours(name)).unwrap_or(name);
        if !is_ours(name) {
            continue;
        }
        let what = assignment(before, after, next).and_then(|assigned| meaning(name, assigned));
        uses.extend(what.map(|what| Use { at: begins, what, about: Vec::new() }));
    }
}

fn is_ours(name: &str) -> bool {
    name.starts_with(CONTENT_TRUST)
        || SECRETS.contains(&name)
        || name.starts_with("NOTARY_SERVER_")
        || name.starts_with("NOTARY_SIGNER_")
}

fn flags(line: &str, uses: &mut Vec<Use>) {
    for (at, flag) in line.match_indices(DISABLE) {
        let after = line.get(at.saturating_add(flag.len())..).unwrap_or_default();
        let to = match after.strip_prefix('=').map(value) {
            Some(Assigned::To(value)) if is_false(&value) => Switch::On,
            Some(Assigned::Elsewhere) => Switch::Elsewhere,
            _ => Switch::Off,
        };
        uses.push(Use { at, what: What::ContentTrust { by: DISABLE, to }, about: Vec::new() });
    }
}

fn servers(line: &str, uses: &mut Vec<Use>) {
    for closing in CLOSINGS {
        if closing.host.starts_with('.') {
            // A registry of that kind is told by its own switches: its hosts are images mostly.
            let switch = AZURE.iter().find_map(|switch| line.find(switch));
            let switch = switch.filter(|_| !line.contains("false"));
            let what = switch.map(|at| Use { at, what: What::Server(closing), about: Vec::new() });
            uses.extend(what);
            continue;
        }
        // What a variable or a flag says of the server has a rule of its own.
        let is_told = uses.iter().any(|found| match &found.what {
            What::TrustServer { url: Some(url) } => Closing::of(url) == Some(closing),
            _ => false,
        });
        if is_told {
            continue;
        }
        for (at, host) in line.match_indices(closing.host) {
            let end = at.saturating_add(host.len());
            let before = line.get(..at).unwrap_or_default().chars().next_back();
            let after = line.get(end..).unwrap_or_default().chars().next();
            let goes_on = |char: Option<char>| {
                char.is_some_and(|char| char.is_ascii_alphanumeric() || "-.".contains(char))
            };
            if !goes_on(before) && !goes_on(after) {
                uses.push(Use { at, what: What::Server(closing), about: Vec::new() });
            }
        }
    }
}

/// A word of a command, and what stands before it.
#[derive(Debug, Clone, Copy)]
struct Word<'a> {
    text: &'a str,
    at: usize,
    /// A command may begin here.
    begins: bool,
    /// The command before it is over.
    is_another: bool,
}

/// The words of a line: quotes and brackets are between them, so that the lists of JSON and the
/// strings of Groovy are words, too.
fn words(line: &str) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    let (mut begins, mut is_another) = (true, false);
    let mut start = None;
    for (at, char) in line.char_indices().chain([(line.len(), ' ')]) {
        let between = char.is_whitespace() || "\"'`()[],;|&".contains(char);
        match (start, between) {
            (None, false) => start = Some(at),
            (Some(from), true) => {
                let text = line.get(from..at).unwrap_or_default();
                words.push(Word { text, at: from, begins, is_another });
                (begins, is_another) = (false, false);
                start = None;
            }
            _ => {}
        }
        begins |= "\"'`([;|&".contains(char);
        is_another |= ";|&".contains(char);
    }
    words
}

/// Commands that begin in the first `length` bytes.
fn commands(line: &str, length: usize, uses: &mut Vec<Use>) {
    let words = words(line);
    for (index, word) in words.iter().enumerate() {
        if word.at >= length {
            break;
        }
        let name = word.text.rsplit(['/', '\\']).next().unwrap_or_default();
        // A Makefile has signs before a command that are none of it.
        let name = if word.begins { name.trim_start_matches(['@', '-', '+']) } else { name };
        let rest = words.get(index.saturating_add(1)..).unwrap_or_default();
        let what = match name {
            "docker" | "docker.exe" => docker_trust(rest),
            "docker-trust" => docker_verb(rest),
            "notary" | "notary.exe" if is_command(&words, index) => notary(rest),
            "--with-notary" => {
                Some((What::NotaryService { by: "--with-notary".to_owned() }, Vec::new()))
            }
            // `$(DOCKER) trust sign`, in Makefiles mostly.
            name if name.trim_matches(['$', '{', '}', '%']) == "DOCKER" => docker_trust(rest),
            _ => None,
        };
        uses.extend(what.map(|(what, about)| Use { at: word.at, what, about }));
    }
}

/// Whether a command can stand here.
fn is_command(words: &[Word<'_>], index: usize) -> bool {
    let Some(word) = words.get(index) else { return false };
    let before = index.checked_sub(1).and_then(|before| words.get(before));
    word.begins
        || before.is_some_and(|before| {
            BEFORE_A_COMMAND.contains(&before.text) || before.text.contains('=')
        })
}

fn docker_trust(rest: &[Word<'_>]) -> Option<(What, Vec<String>)> {
    let rest = after_flags(rest, DOCKER_VALUES);
    let (trust, rest) = rest.split_first()?;
    if trust.text == "trust" { docker_verb(rest) } else { None }
}

fn docker_verb(rest: &[Word<'_>]) -> Option<(What, Vec<String>)> {
    let (verb, rest) = rest.split_first().filter(|(verb, _)| TRUST_VERBS.contains(&verb.text))?;
    let rest = arguments(rest, &["--key", "--name", "--dir"]);
    let about = match verb.text {
        "key" => Vec::new(),
        // The verb below it, and the name of the signer.
        "signer" => rest.into_iter().skip(2).collect(),
        _ => rest,
    };
    Some((What::DockerTrust { verb: verb.text.to_owned() }, about))
}

fn notary(rest: &[Word<'_>]) -> Option<(What, Vec<String>)> {
    let rest = after_flags(rest, NOTARY_VALUES);
    let (verb, rest) = rest.split_first().filter(|(verb, _)| NOTARY_VERBS.contains(&verb.text))?;
    let about = arguments(rest, NOTARY_VALUES);
    let about = match verb.text {
        "key" => Vec::new(),
        "delegation" => about.into_iter().skip(1).take(1).collect(),
        _ => about.into_iter().take(1).collect(),
    };
    Some((What::NotaryClient { verb: verb.text.to_owned() }, about))
}

/// The words behind flags, of which some take a value.
fn after_flags<'a, 'b>(words: &'a [Word<'b>], values: &[&str]) -> &'a [Word<'b>] {
    let mut rest = words;
    for _ in 0..MOST_FLAGS {
        let Some((first, more)) = rest.split_first() else { break };
        if !first.text.starts_with('-') {
            break;
        }
        let skipped = usize::from(values.contains(&first.text));
        rest = more.get(skipped..).unwrap_or_default();
    }
    rest
}

/// The words of a command that are no flags, up to the next command.
fn arguments(words: &[Word<'_>], values: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = words;
    for _ in 0..MOST_ARGUMENTS {
        let Some((first, more)) = rest.split_first() else { break };
        let ends = matches!(
            first.text,
            "&&" | "||" | ">" | "2>&1" | "\\" | "do" | "then" | "docker" | "notary"
        ) || first.text.starts_with(['>', '<', '#']);
        if ends {
            break;
        }
        rest = if first.text.starts_with('-') {
            more.get(usize::from(values.contains(&first.text))..).unwrap_or_default()
        } else {
            found.push(first.text.to_owned());
            more
        };
        if rest.first().is_some_and(|word| word.is_another) {
            break;
        }
    }
    found
}

/// Without one of these nothing is found in a line.
const MARKS: &[&str] = &[
    CONTENT_TRUST,
    DISABLE,
    "docker",
    "DOCKER",
    "notary",
    "NOTARY_",
    "content-trust",
    "trust_policy",
];
const CONTENT_TRUST: &str = "DOCKER_CONTENT_TRUST";
const DISABLE: &str = "--disable-content-trust";
/// Variables whose values are secret.
const SECRETS: &[&str] = &[
    "DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE",
    "DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE",
    "DOCKER_CONTENT_TRUST_OFFLINE_PASSPHRASE",
    "DOCKER_CONTENT_TRUST_TAGGING_PASSPHRASE",
    "NOTARY_ROOT_PASSPHRASE",
    "NOTARY_TARGETS_PASSPHRASE",
    "NOTARY_SNAPSHOT_PASSPHRASE",
    "NOTARY_DELEGATION_PASSPHRASE",
    "NOTARY_AUTH",
];
const TRUST_VERBS: &[&str] = &["inspect", "sign", "revoke", "key", "signer", "view"];
/// Commands of `notary`.
pub const NOTARY_VERBS: &[&str] = &[
    "init",
    "add",
    "addhash",
    "remove",
    "publish",
    "status",
    "reset",
    "list",
    "lookup",
    "verify",
    "witness",
    "delete",
    "key",
    "delegation",
];
const BEFORE_A_COMMAND: &[&str] = &[
    "-",
    "sudo",
    "run:",
    "script:",
    "command:",
    "then",
    "do",
    "else",
    "exec",
    "env",
    "time",
    "RUN",
    "CMD",
    "ENTRYPOINT",
    "sh",
    "!",
    "$",
    "&&",
    "||",
    "|",
    "@",
];
/// Flags of docker that take a value.
const DOCKER_VALUES: &[&str] = &["--config", "-c", "--context", "-H", "--host", "-l"];
/// Flags of notary that take a value.
const NOTARY_VALUES: &[&str] = &[
    "-s",
    "--server",
    "-d",
    "--trustDir",
    "-c",
    "--configFile",
    "--tlscacert",
    "--tlscert",
    "--tlskey",
    "-r",
    "--roles",
    "--rootkey",
    "--rootcert",
    "--custom",
    "--sha256",
    "--sha512",
    "-o",
    "--output",
];
/// What switches content trust of a registry of Azure on: its command line, and Terraform.
const AZURE: &[&str] = &["acr config content-trust", "trust_policy_enabled"];
/// Most flags of a command before its verb: a line may be a whole file.
const MOST_FLAGS: usize = 32;
/// Most words behind a verb that are looked at.
const MOST_ARGUMENTS: usize = 64;

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    fn found(line: &str) -> Vec<String> {
        found_above(line, "")
    }

    fn found_above(line: &str, next: &str) -> Vec<String> {
        let show = |found: Use| {
            let what = match found.what {
                What::ContentTrust { to, .. } => format!("{to:?}"),
                What::TrustServer { url } => format!("server {}", url.unwrap_or_default()),
                What::Secret { plain, .. } => format!("secret {plain}"),
                What::DockerTrust { verb } => format!("docker {verb}"),
                What::NotaryClient { verb } => format!("notary {verb}"),
                What::NotaryService { .. } => "service".to_owned(),
                What::Server(closing) => format!("closing {}", closing.host),
                other => format!("{other:?}"),
            };
            format!("{}:{what} {}", found.at, found.about.join(" ")).trim_end().to_owned()
        };
        scan(line, next, FileKind::Script).into_iter().map(show).collect()
    }

    #[test_case("export DOCKER_CONTENT_TRUST=1", "7:On")]
    #[test_case("DOCKER_CONTENT_TRUST=1 docker pull x", "0:On")]
    #[test_case("DOCKER_CONTENT_TRUST=yes", "0:On"; "whatever is no boolean is true")]
    #[test_case("DOCKER_CONTENT_TRUST=0", "0:Off")]
    #[test_case("DOCKER_CONTENT_TRUST=", "0:Off")]
    #[test_case("unset DOCKER_CONTENT_TRUST", "6:Off")]
    #[test_case("env -u DOCKER_CONTENT_TRUST docker pull x", "7:Off")]
    #[test_case("set -gx DOCKER_CONTENT_TRUST 1", "8:On"; "fish")]
    #[test_case("set -e DOCKER_CONTENT_TRUST", "7:Off"; "fish unsets")]
    #[test_case("setenv DOCKER_CONTENT_TRUST 1", "7:On"; "csh")]
    #[test_case("$env:DOCKER_CONTENT_TRUST = \"1\"", "5:On"; "power shell")]
    #[test_case("set DOCKER_CONTENT_TRUST=1", "4:On"; "batch")]
    #[test_case("ENV DOCKER_CONTENT_TRUST 1", "4:On"; "dockerfile, old form")]
    #[test_case("ENV A=b DOCKER_CONTENT_TRUST=1", "8:On"; "dockerfile")]
    #[test_case("ARG DOCKER_CONTENT_TRUST", "4:Elsewhere")]
    #[test_case("export DOCKER_CONTENT_TRUST", "7:Elsewhere")]
    #[test_case("DOCKER_CONTENT_TRUST ?= 1", "0:On"; "makefile")]
    #[test_case("  DOCKER_CONTENT_TRUST: \"1\"", "2:On"; "yaml")]
    #[test_case("  DOCKER_CONTENT_TRUST: ${{ vars.TRUST }}", "2:Elsewhere"; "actions")]
    #[test_case("  - DOCKER_CONTENT_TRUST=1", "4:On"; "compose")]
    #[test_case("  - DOCKER_CONTENT_TRUST", "4:Elsewhere"; "compose passes on")]
    #[test_case("  \"DOCKER_CONTENT_TRUST\": \"1\",", "3:On"; "json")]
    #[test_case("environment { DOCKER_CONTENT_TRUST = '1' }", "14:On"; "jenkins")]
    #[test_case("env.DOCKER_CONTENT_TRUST = '1'", "4:On"; "groovy")]
    #[test_case("os.Setenv(\"DOCKER_CONTENT_TRUST\", \"1\")", "11:On"; "go")]
    #[test_case("os.environ[\"DOCKER_CONTENT_TRUST\"] = \"1\"", "12:On"; "python")]
    #[test_case("Environment=\"DOCKER_CONTENT_TRUST=1\"", "13:On"; "systemd")]
    #[test_case("docker run -e DOCKER_CONTENT_TRUST=1 x", "14:On"; "for a container")]
    #[test_case("{name: DOCKER_CONTENT_TRUST, value: \"1\"}", "7:On"; "flow")]
    #[test_case("docker pull --disable-content-trust x", "12:Off")]
    #[test_case("docker pull --disable-content-trust=false x", "12:On")]
    #[test_case("docker build --disable-content-trust=true .", "13:Off")]
    #[test_case("docker pull --disable-content-trust=$OFF x", "12:Elsewhere")]
    #[test_case(
        "export DOCKER_CONTENT_TRUST_SERVER=https://n.example.com:4443",
        "7:server https://n.example.com:4443"
    )]
    #[test_case("DOCKER_CONTENT_TRUST_SERVER: \"https://u:p@n.example.com\"", "0:server https://n.example.com"; "no login is repeated")]
    #[test_case("DOCKER_CONTENT_TRUST_SERVER=https://notary.docker.io", "0:server https://notary.docker.io"; "told once")]
    #[test_case("curl https://notary.docker.io/v2/", "13:closing notary.docker.io")]
    #[test_case("DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE=hunter2", "0:secret true")]
    #[test_case("DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE: ${{ secrets.ROOT }}", "0:secret false")]
    #[test_case("DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE=\"$PASS\"", "0:secret false")]
    #[test_case("NOTARY_TARGETS_PASSPHRASE = credentials('x')", "0:secret false")]
    #[test_case("NOTARY_AUTH=dTpw", "0:secret true")]
    #[test_case("NOTARY_SERVER_STORAGE_BACKEND=mysql", "0:service")]
    #[test_case("./install.sh --with-notary --with-trivy", "13:service")]
    #[test_case(
        "docker trust sign registry.example.com/app:1.0",
        "0:docker sign registry.example.com/app:1.0"
    )]
    #[test_case("sh 'docker trust inspect --pretty app && true'", "4:docker inspect app")]
    #[test_case("[\"docker\", \"trust\", \"revoke\", \"-y\", \"app:1\"]", "2:docker revoke app:1"; "json words")]
    #[test_case(
        "/usr/bin/docker --config x trust signer add --key k.pub ann a/b c/d",
        "0:docker signer a/b c/d"
    )]
    #[test_case("docker trust key load k.pem --name ann", "0:docker key")]
    #[test_case(
        "  - notary -s https://n init registry.example.com/app -p",
        "4:notary init registry.example.com/app"
    )]
    #[test_case(
        "X=1 notary delegation add example.com/c targets/a a.pem",
        "4:notary delegation example.com/c"
    )]
    #[test_case("RUN notary key list", "4:notary key")]
    #[test_case("echo \"a \\\" # b\"; export DOCKER_CONTENT_TRUST=1", "24:On"; "no comment in quotes")]
    #[test_case("\t@docker trust sign a/b:1", "1:docker sign a/b:1"; "makefile")]
    #[test_case("\t$(DOCKER) trust sign a/b:1", "3:docker sign a/b:1"; "a variable of a makefile")]
    #[test_case("docker run -eDOCKER_CONTENT_TRUST=1 x", "12:On"; "flag and value in one word")]
    #[test_case("az acr config content-trust update --status enabled", "3:closing .azurecr.io")]
    fn is_found(line: &str, expected: &str) {
        assert_eq!(found(line), [expected]);
    }

    #[test_case("echo $DOCKER_CONTENT_TRUST"; "read")]
    #[test_case("if [ \"${DOCKER_CONTENT_TRUST:-0}\" = 1 ]; then"; "tested")]
    #[test_case("echo ${{ env.DOCKER_CONTENT_TRUST }}"; "read in an expression")]
    #[test_case("# export DOCKER_CONTENT_TRUST=1"; "comment")]
    #[test_case("the variable DOCKER_CONTENT_TRUST is gone"; "told of")]
    #[test_case("docker pull x # docker trust sign y"; "comment behind a command")]
    #[test_case("a: 1 # DOCKER_CONTENT_TRUST: 1"; "comment behind a value")]
    #[test_case("trust_policy_enabled = false"; "off")]
    #[test_case("MY_DOCKER_CONTENT_TRUST=1"; "another variable")]
    #[test_case("DOCKER_CONTENT_TRUSTED=1"; "a longer name")]
    #[test_case("docker trusts nobody"; "other words")]
    #[test_case("docker trust is gone"; "no verb")]
    #[test_case("the notary list is long"; "prose")]
    #[test_case("xcrun notarytool submit x"; "another program")]
    #[test_case("NOTARY_PROFILE=x"; "another program's variable")]
    #[test_case("https://notary.docker.io.example.com"; "another host")]
    #[test_case("unset DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE"; "a secret is taken away")]
    #[test_case(""; "nothing")]
    #[test_case("é = «DOCKER» ß"; "letters")]
    fn is_not_found(line: &str) {
        assert_eq!(found(line), [""; 0]);
    }

    #[test_case("    value: \"1\"", "8:On")]
    #[test_case("    value: \"0\"", "8:Off")]
    #[test_case("    valueFrom:", "8:Elsewhere")]
    #[test_case("", "8:Elsewhere")]
    fn kubernetes_has_the_value_on_the_next_line(next: &str, expected: &str) {
        assert_eq!(found_above("- name: DOCKER_CONTENT_TRUST", next), [expected]);
    }

    #[test]
    fn a_command_goes_on_in_the_next_lines() {
        let below = "  --local \\\n  a/b:1 \\\n  c/d:2\ndocker trust sign e/f:3\n";
        assert_eq!(found_above("docker trust sign \\", below), ["0:docker sign a/b:1 c/d:2"]);
    }

    #[test]
    fn a_line_that_is_a_whole_file_takes_no_time() {
        let line = "DOCKER_CONTENT_TRUST=1 docker --config docker trust sign a ".repeat(2000);
        let uses = scan(&line, "", FileKind::Script);
        assert_eq!(uses.len(), 6000);
        assert!(uses.iter().all(|found| found.about.len() <= MOST_ARGUMENTS));
    }

    #[test]
    fn one_line_can_do_much() {
        let line =
            "DOCKER_CONTENT_TRUST=1 docker pull a; docker trust sign b:1; docker trust sign c:1";
        assert_eq!(found(line), ["0:On", "38:docker sign b:1", "61:docker sign c:1"]);
    }
}
