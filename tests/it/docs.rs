//! The documents say what is so: their consoles are run, their tables compared with the sources.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use clap::CommandFactory;

use crate::peers::process;
use crate::peers::user::{REPOSITORY_PASSPHRASE, ROOT_PASSPHRASE};
use crate::peers::{NotaryOptions, NotaryServer, Registry, RegistryOptions, User, image};

/// The registry and the trust server of the documents.
const REGISTRY: &str = "registry.example.com";
const NOTARY: &str = "https://notary.example.com";
/// The home folder of the documents.
const HOME: &str = "/home/you";
/// Whose machine the documents begin on.
const OWNER: &str = "the owner";
/// How long one command may take.
const TIMEOUT: Duration = Duration::from_secs(100);

#[test]
fn the_consoles_of_the_readme_are_true() {
    run_consoles("README.md");
}

#[test]
fn the_consoles_of_the_json_page_are_true() {
    run_consoles("spec/json-output.md");
}

#[test]
fn every_document_with_a_console_is_run() {
    let with_console: Vec<String> = (documents().into_iter())
        .filter(|name| steps(&read(name)).iter().any(|step| matches!(step, Step::Run { .. })))
        .collect();
    assert_eq!(with_console, ["README.md", "spec/json-output.md"]);
}

#[test]
fn the_page_of_the_command_line_has_the_flags_of_the_program() {
    let page = read("spec/command-line.md");
    let mut documented = BTreeMap::new();
    let mut section = None;
    for line in page.lines() {
        if let Some(title) = line.strip_prefix('#') {
            section = section_of(title);
            if let Some(name) = &section {
                let twice = documented.insert(name.clone(), BTreeSet::new());
                assert!(twice.is_none(), "`{name}` is described twice");
            }
        } else if let Some(name) = &section
            && let Some(cell) = line.strip_prefix("| `-").and_then(|row| row.split(" |").next())
        {
            let flags = flags_in(&format!("`-{cell}"));
            documented.get_mut(name).unwrap().extend(flags);
        }
    }
    let mut program = BTreeMap::new();
    collect_flags("trust", &trust::cli::args::Cli::command(), &mut program);
    assert_eq!(documented, program);
}

#[test]
fn documents_name_no_flag_that_is_not_there() {
    let mut program = BTreeMap::new();
    collect_flags("trust", &trust::cli::args::Cli::command(), &mut program);
    let mut known: BTreeSet<String> = program.into_values().flatten().collect();
    known.extend(["--help", "--version", "--local"].map(str::to_owned));
    for name in ["README.md", "spec/command-line.md", "spec/json-output.md", "spec/key-files.md"] {
        let unknown: Vec<String> =
            flags_in(&read(name)).into_iter().filter(|flag| !known.contains(flag)).collect();
        // Those of `cargo run` and `cargo install` are not ours.
        let cargos = ["--path", "--release", "--locked"];
        let ours = unknown.iter().filter(|flag| !cargos.contains(&flag.as_str())).count();
        assert_eq!(ours, 0, "{name}: {unknown:?}");
    }
}

#[test]
fn the_readme_lists_every_exit_code() {
    let listed: Vec<(u8, String)> = (read("README.md").lines())
        .filter_map(|line| {
            let mut cells = line.split('|').map(str::trim).skip(1);
            Some((cells.next()?.parse().ok()?, cells.next()?.to_owned()))
        })
        .collect();
    let known = trust::cli::exit_code::ALL.iter();
    assert_eq!(listed, known.map(|(code, name)| (*code, (*name).to_owned())).collect::<Vec<_>>());
}

#[test]
fn the_readme_lists_every_variable_that_is_read() {
    let mut read_by_us = BTreeSet::new();
    for file in ["src/cli/settings.rs", "src/cli/passphrases.rs"] {
        let text = read(file);
        let code = text.split("#[cfg(test)]").next().unwrap();
        let words = code.split('"').filter(|word| is_variable(word) && *word != "FALSE");
        // Only tests set these, and no release build reads them.
        let words = words.filter(|word| !word.starts_with("TRUST_TEST_"));
        read_by_us.extend(words.map(str::to_owned));
    }
    assert!(read_by_us.contains("DOCKER_CONFIG") && read_by_us.contains("NOTARY_AUTH"));
    // Read by the libraries for TLS and HTTP.
    let by_libraries =
        ["SSL_CERT_FILE", "SSL_CERT_DIR", "HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"];
    let expected: BTreeSet<String> =
        read_by_us.into_iter().chain(by_libraries.map(str::to_owned)).collect();
    let listed: BTreeSet<String> = (read("README.md").lines())
        .filter_map(|line| line.strip_prefix("| `")?.split(" |").next())
        .flat_map(|cell| cell.split('`').map(str::to_owned).collect::<Vec<_>>())
        .filter(|word| is_variable(word))
        .collect();
    assert_eq!(listed, expected);
}

#[test]
fn the_table_of_bounds_is_that_of_the_sources() {
    let source = read("src/limits.rs");
    let expected: BTreeMap<String, String> = (source.lines())
        .filter_map(|line| line.strip_prefix("pub const "))
        .map(|line| {
            let (name, rest) = line.split_once(": ").unwrap();
            let value = rest.split_once("= ").unwrap().1.trim_end_matches(';');
            (name.to_owned(), for_people(name, evaluate(value)))
        })
        .collect();
    assert!(expected.len() > 20);
    let listed: BTreeMap<String, String> = (read("spec/trust-metadata.md").lines())
        .filter(|line| line.starts_with("| `"))
        .filter_map(|line| {
            let mut cells = line.split('|').map(str::trim).skip(1);
            let name = cells.next()?.strip_prefix('`')?.strip_suffix('`')?;
            is_variable(name).then_some((name.to_owned(), cells.next()?.to_owned()))
        })
        .collect();
    assert_eq!(listed, expected);
}

#[test]
fn links_and_paths_lead_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut lost = Vec::new();
    for name in documents() {
        let text = read(&name);
        let folder = root.join(&name).parent().unwrap().to_owned();
        for target in links(&text) {
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let path = if file.is_empty() { root.join(&name) } else { folder.join(file) };
            let there = path.exists();
            if !there || (!anchor.is_empty() && !anchors(&path).contains(anchor)) {
                lost.push(format!("{name}: {target}"));
            }
        }
        for path in paths(&text).filter(|path| !root.join(path).exists()) {
            lost.push(format!("{name}: `{}`", path.display()));
        }
    }
    assert!(lost.is_empty(), "\n{}\n", lost.join("\n"));
}

#[test]
fn every_module_is_on_the_map() {
    let map = read("ARCHITECTURE.md");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for entry in fs::read_dir(root).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().to_str().unwrap().to_owned();
        let slash = if entry.path().is_dir() { "/" } else { "" };
        assert!(map.contains(&format!("`src/{name}{slash}`")), "ARCHITECTURE.md lacks src/{name}");
    }
    assert!(map.lines().count() <= 250, "ARCHITECTURE.md has grown past 250 lines");
    assert!(map.matches("**Invariant:**").count() >= 5);
}

#[test]
fn documents_name_no_place_of_one_machine() {
    let places = ["tmp", "root", "home"].map(|folder| format!("/{folder}/"));
    for name in documents() {
        for (number, line) in read(&name).lines().enumerate() {
            let line = line.replace(HOME, "").replace("http:/", "");
            let found = places.iter().find(|place| line.contains(place.as_str()));
            assert_eq!(found, None, "{name}:{}", number + 1);
        }
    }
}

/// The documents of the repository, by path.
fn documents() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for folder in ["", "spec", "keys-example"] {
        for entry in fs::read_dir(root.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "md") {
                found.push(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name))
        .unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// What a document asks for, in its order.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// `<!-- test: push REPOSITORY:TAG CONTENT -->`: somebody pushes an image.
    Push { repository: String, tag: String, content: String },
    /// `<!-- test: as NAME -->`: from here on commands are typed on the machine of NAME.
    As { person: String },
    /// `$ command` in a ```` ```console ```` block, and what it prints.
    Run { line: usize, command: String, expected: Vec<String> },
}

fn steps(text: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut in_console = false;
    for (index, line) in text.lines().enumerate() {
        if line.starts_with("```") {
            in_console = line == "```console";
        } else if let Some(words) = line.strip_prefix("<!-- test: push ") {
            let (image, content) = words.trim_end_matches(" -->").split_once(' ').unwrap();
            let (repository, tag) = image.split_once(':').unwrap();
            steps.push(Step::Push {
                repository: repository.to_owned(),
                tag: tag.to_owned(),
                content: content.to_owned(),
            });
        } else if let Some(words) = line.strip_prefix("<!-- test: as ") {
            steps.push(Step::As { person: words.trim_end_matches(" -->").to_owned() });
        } else if in_console && let Some(command) = line.strip_prefix("$ ") {
            let command = command.to_owned();
            steps.push(Step::Run { line: index + 1, command, expected: Vec::new() });
        } else if in_console {
            let Some(Step::Run { expected, .. }) = steps.last_mut() else {
                panic!("line {}: output without a command", index + 1);
            };
            expected.push(line.to_owned());
        }
    }
    steps
}

/// Runs a document's consoles from first to last, for one person with real servers.
fn run_consoles(name: &str) {
    let world = World::start();
    let steps = steps(&read(name));
    assert!(steps.len() > 3, "{name} has no consoles");
    let mut code = 0;
    let mut person = OWNER;
    for (index, step) in steps.iter().enumerate() {
        let (line, command, expected) = match step {
            Step::Push { repository, tag, content } => {
                image::push_image(&world.registry, repository, tag, content.as_bytes());
                continue;
            }
            Step::As { person: next } => {
                person = next;
                continue;
            }
            Step::Run { line, command, expected } => (line, command, expected),
        };
        let (printed, ended) = world.run(person, command, code);
        code = ended;
        let shown: Vec<&str> = printed.lines().collect();
        assert!(
            fits(expected, &shown),
            "{name}:{line}: `{command}` prints\n{printed}\nbut the document says\n{}\n",
            expected.join("\n")
        );
        let tells = matches!(steps.get(index + 1),
            Some(Step::Run { command, .. }) if command == "echo $?");
        assert!(code == 0 || tells, "{name}:{line}: `{command}` ends with {code}, untold");
    }
}

struct World {
    user: User,
    registry: Registry,
    notary: NotaryServer,
}

impl World {
    fn start() -> Self {
        let registry = Registry::start(&RegistryOptions::default());
        let notary = NotaryServer::start(&NotaryOptions::default());
        let mut user = User::new();
        user.use_notary(&notary);
        let folder = user.home().join(".cargo/bin");
        fs::create_dir_all(&folder).unwrap();
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_trust"), folder.join("trust")).unwrap();
        Self { user, registry, notary }
    }

    /// What a command prints on a terminal, in the words of the documents, and how it ends.
    fn run(&self, person: &str, command: &str, code_before: i32) -> (String, i32) {
        let home = self.user.home().display().to_string();
        let names = [
            (REGISTRY, self.registry.host_port()),
            (NOTARY, self.notary.url()),
            (HOME, home.clone()),
        ];
        let real =
            names.iter().fold(command.to_owned(), |text, (ours, real)| text.replace(ours, real));
        // Others have keys and trust data of their own, and send files through the same folder.
        let machine = match person {
            OWNER => String::new(),
            other => format!("trust() {{ command trust -d '{home}/.{other}' \"$@\"; }}; "),
        };
        let mut shell = Command::new("bash");
        shell.args(["-c", &format!("exec 2>&1; {machine}(exit {code_before})\n{real}")]);
        let programs = std::env::var("PATH").unwrap_or_default();
        shell.current_dir(&home).env("PATH", format!("{home}/.cargo/bin:{programs}"));
        shell.env("HOME", &home).env("DOCKER_CONFIG", self.user.docker_config());
        shell.env("DOCKER_CONTENT_TRUST_SERVER", self.notary.url());
        shell.env("DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE", ROOT_PASSPHRASE);
        shell.env("DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE", REPOSITORY_PASSPHRASE);
        let finished = process::run(&shell, b"", TIMEOUT);
        let printed = names
            .iter()
            .fold(finished.stdout.clone(), |text, (ours, real)| text.replace(real.as_str(), ours));
        (printed, finished.code)
    }
}

/// Whether lines are those of a document, where a line of three dots stands for any lines and
/// three dots in a line for any characters.
fn fits(expected: &[String], shown: &[&str]) -> bool {
    match expected.split_first() {
        None => shown.is_empty(),
        Some((first, rest)) if first == "..." => {
            (0..=shown.len()).any(|skipped| fits(rest, &shown[skipped..]))
        }
        Some((first, rest)) => shown
            .split_first()
            .is_some_and(|(line, others)| fits_line(first, line) && fits(rest, others)),
    }
}

fn fits_line(expected: &str, shown: &str) -> bool {
    let mut parts = expected.split("...");
    let Some(mut rest) = parts.next().and_then(|start| shown.strip_prefix(start)) else {
        return false;
    };
    let mut parts: Vec<&str> = parts.collect();
    let Some(end) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(end)
}

#[test]
fn three_dots_stand_for_anything() {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    assert!(fits(&lines("a ... c\n...\nz"), &["a b c", "x", "y", "z"]));
    assert!(fits(&lines("a\n..."), &["a"]));
    assert!(fits_line("x...y...z", "x1y2z") && fits_line("...", ""));
    assert!(!fits_line("x...y", "x1y2") && !fits_line("ab", "abc"));
    assert!(!fits(&lines("a"), &["a", "b"]) && !fits(&lines("a\nb"), &["a"]));
}

/// The command a heading of the command-line page is about: `trust key ls`, or `trust` for the
/// flags of every command.
fn section_of(title: &str) -> Option<String> {
    let title = title.trim_start_matches('#').trim();
    if title == "Flags of every command" {
        return Some("trust".to_owned());
    }
    let words = title.strip_prefix('`')?.strip_suffix('`')?.split(' ');
    let is_word = |word: &&str| {
        !word.starts_with('-') && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
    };
    Some(words.take_while(is_word).collect::<Vec<_>>().join(" "))
}

/// The long flags in a text.
fn flags_in(text: &str) -> BTreeSet<String> {
    let is_part =
        |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    text.split(|letter: char| !is_part(letter))
        .filter(|word| word.starts_with("--") && word.len() > 3 && !word.starts_with("---"))
        .map(str::to_owned)
        .collect()
}

/// The visible long flags of every command that does something, and the global ones under `trust`.
fn collect_flags(
    name: &str,
    command: &clap::Command,
    found: &mut BTreeMap<String, BTreeSet<String>>,
) {
    let is_root = name == "trust";
    let subcommands: Vec<&clap::Command> = command.get_subcommands().collect();
    // `trust build` does something itself, and has a verb besides.
    let does = command.get_arguments().any(|arg| !arg.is_global_set() && arg.get_long().is_some());
    if is_root || subcommands.is_empty() || does {
        let flags = (command.get_arguments())
            .filter(|arg| is_root || !arg.is_global_set())
            .filter(|arg| !arg.is_hide_set())
            .flat_map(|arg| {
                let aliases = arg.get_visible_aliases().unwrap_or_default();
                arg.get_long().into_iter().chain(aliases).map(|long| format!("--{long}"))
            })
            .filter(|flag| !matches!(flag.as_str(), "--help" | "--version"));
        found.insert(name.to_owned(), flags.collect());
    }
    for subcommand in subcommands {
        collect_flags(&format!("{name} {}", subcommand.get_name()), subcommand, found);
    }
}

fn is_variable(word: &str) -> bool {
    word.len() >= 4
        && word
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

/// The value of the few forms that bounds are written in: `1 << 20`, `(1 << 53) - 1`, `10_000`.
fn evaluate(expression: &str) -> u64 {
    let text = expression.replace('_', "");
    if let Some((sum, less)) = text.rsplit_once(" - ") {
        return evaluate(sum.trim_matches(['(', ')'])) - evaluate(less);
    }
    match text.split_once(" << ") {
        Some((number, bits)) => evaluate(number) << evaluate(bits),
        None => text.parse().unwrap(),
    }
}

/// A bound as the table has it: bytes in MiB or KiB where they are whole, thousands apart.
fn for_people(name: &str, value: u64) -> String {
    if name.ends_with("_BYTES") && value.is_multiple_of(1 << 20) {
        return format!("{} MiB", value >> 20);
    }
    if name.ends_with("_BYTES") && value.is_multiple_of(1 << 10) {
        return format!("{} KiB", value >> 10);
    }
    let digits = value.to_string();
    let groups: Vec<&str> = (digits.as_bytes().rchunks(3).rev())
        .map(|group| std::str::from_utf8(group).unwrap())
        .collect();
    groups.join(",")
}

/// The targets of a document's links to files.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets.filter(|target| !target.contains("://"))
}

/// The anchors that headings of a document get.
fn anchors(path: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(path).unwrap();
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| {
            let title = line.trim_start_matches('#').trim().to_lowercase();
            let kept =
                title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
            kept.collect::<String>().replace(' ', "-")
        })
        .collect()
}

/// Paths of this repository in backquotes, whole ones only.
fn paths(text: &str) -> impl Iterator<Item = PathBuf> + '_ {
    let folders = ["src/", "spec/", "tests/", "keys-example/", ".ci/"];
    let whole = |word: &&str| !word.contains(['…', '*', '{', '<', ' ', '(']);
    let quoted = text.split('`').skip(1).step_by(2);
    quoted
        .filter(move |word| folders.iter().any(|folder| word.starts_with(folder)))
        .filter(whole)
        .map(|word| PathBuf::from(word.split("::").next().unwrap()))
}
