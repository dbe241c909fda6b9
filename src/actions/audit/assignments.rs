//! What a variable is set to by what stands around its name, in whatever language.

/// What a variable is set to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Assigned {
    /// This.
    To(String),
    /// By another variable, or something that is not told here.
    Elsewhere,
    /// Taken away.
    Unset,
}

/// What a variable is set to; none if it is only read, or told of. `before` and `after` are what
/// stands around its name in its line, `next` is the line below.
pub(super) fn assignment(before: &str, after: &str, next: &str) -> Option<Assigned> {
    let (before, after) = (end_of(before), start_of(after));
    if let Some(assigned) = logged(before, after) {
        return Some(assigned);
    }
    if is_only_said(before, after) {
        return None;
    }
    let after = after.trim_start_matches(['\\', '"', '\'', ']']);
    let spaced = after.trim_start();
    let sets = spaced.starts_with('=') && !spaced.starts_with("==");
    if let Some(rest) = before.ends_with("${").then_some(after).and_then(|after| {
        // Bourne shells set a variable that has no value yet.
        after.strip_prefix(":=").or_else(|| after.strip_prefix('='))
    }) {
        return Some(value(rest));
    }
    let label = before.trim_end_matches(['"', '\'', '\\']).trim_end();
    if let Some(assigned) = by_label(label, spaced, after, next) {
        return Some(assigned);
    }
    let is_environment = before.ends_with("$env:") || before.ends_with("${env:");
    let reads = before.ends_with(['$', '%', '!']) || before.ends_with("${");
    if (reads || (before.ends_with('.') && !sets)) && !is_environment {
        return None;
    }
    let set = SIGNS.iter().find_map(|sign| spaced.strip_prefix(sign));
    if let Some(rest) = set.filter(|_| !spaced.starts_with("==")) {
        return Some(value(rest));
    }
    let rest = after.strip_prefix(':').filter(|rest| !rest.starts_with('/'));
    if let Some(rest) = rest.filter(|_| is_key(label)) {
        return Some(of_key(before, rest, next));
    }
    by_command(before, after, spaced)
}

/// What a line tells the program that runs it to set: Azure Pipelines and GitHub Actions take such
/// lines from what a step prints.
fn logged(before: &str, after: &str) -> Option<Assigned> {
    let before = before.to_ascii_lowercase();
    if before.ends_with("task.setvariable variable=") {
        return after.split_once(']').map(|(_, rest)| value(rest));
    }
    let rest = before.ends_with("set-env name=").then(|| after.strip_prefix("::"));
    rest.flatten().map(value)
}

/// Whether it is only printed: `echo` without anything that takes its words further.
fn is_only_said(before: &str, after: &str) -> bool {
    let command = before.rsplit([';', '|', '&', '(', '{', '`']).next().unwrap_or_default();
    let mut words =
        command.split_whitespace().map(|word| word.trim_start_matches(['"', '\'', '@']));
    let first = words.find(|word| !matches!(*word, "" | "-" | "run:" | "RUN"));
    let goes_on = after.contains(['>', '|']) || after.trim_end().ends_with('\\');
    matches!(first, Some("echo" | "printf")) && !goes_on
}

/// By the key or the function that the name is given to: `name: X` with `value:` beside it,
/// `setenv("X", "1")`.
fn by_label(label: &str, spaced: &str, after: &str, next: &str) -> Option<Assigned> {
    let label = label.strip_suffix("env.").unwrap_or(label);
    let label = label.trim_end_matches(['"', '\'', '\\']).trim_end();
    if !label.ends_with([':', '=', '(']) {
        return None;
    }
    let plain: String =
        label.chars().rev().filter(|char| !"\"' \\".contains(*char)).take(32).collect();
    let plain: String = plain.chars().rev().collect::<String>().to_ascii_lowercase();
    if NAMING.iter().any(|key| plain.ends_with(key)) {
        // `name = "X"` alone names a variable for something else than to set it.
        let has_value = after.contains("value") || next.trim_start().starts_with("value");
        return (has_value || !plain.ends_with('=')).then(|| named_value(after, next));
    }
    if SETTERS.iter().any(|setter| plain.ends_with(setter)) {
        // `putenv("X=1")` has it in one word.
        return spaced.strip_prefix(',').map(value);
    }
    None
}

/// By a command of a shell, or a directive, that takes names of variables.
fn by_command(before: &str, after: &str, spaced: &str) -> Option<Assigned> {
    let words: Vec<&str> = before.split_whitespace().collect();
    let first = words.first().copied().unwrap_or_default();
    let last = words.last().copied().unwrap_or_default();
    let has = |word: &str| words.contains(&word);
    let lower = before.to_ascii_lowercase();
    if lower.ends_with("env:") && !lower.ends_with("$env:") {
        if lower.contains("remove-item") {
            return Some(Assigned::Unset);
        }
        let sets = ["set-item", "new-item", "set-content"].iter().any(|verb| lower.contains(verb));
        let rest = spaced.strip_prefix("-Value").or_else(|| spaced.strip_prefix("-value"));
        return sets.then(|| value(rest.unwrap_or(spaced)));
    }
    let flags: Vec<&str> = match words.iter().rposition(|word| *word == "set") {
        Some(at) => words.iter().skip(at.saturating_add(1)).copied().collect(),
        None => Vec::new(),
    };
    let fish = !flags.is_empty() && flags.iter().all(|flag| flag.starts_with('-'));
    let erases =
        |flag: &&str| *flag == "--erase" || (!flag.starts_with("--") && flag.contains('e'));
    let unsets = has("unset")
        || (fish && flags.iter().any(erases))
        || (has("env") && matches!(last, "-u" | "--unset"))
        || (has("export") && last == "-n")
        || first.starts_with("UnsetEnvironment=");
    if unsets {
        return Some(Assigned::Unset);
    }
    // What pam reads for everybody who logs in.
    let pam = ["DEFAULT=", "OVERRIDE="].iter().find_map(|word| spaced.strip_prefix(word));
    if let Some(rest) = pam.filter(|_| words.is_empty()) {
        return Some(value(rest));
    }
    if matches!(last, "ENV" | "setenv" | "setx") || fish {
        return Some(value(after));
    }
    if first == "SETUVAR" {
        return after.strip_prefix(':').map(value);
    }
    let ends = spaced.is_empty() || spaced.starts_with(['#', ';', '\\', '&']) || after.is_empty();
    let is_flag = ["--env=", "--build-arg="].contains(&last) || last.starts_with("--preserve-env=");
    let declares = last == "-x" && (has("declare") || has("typeset"));
    let passes = matches!(last, "export" | "-" | "-e" | "--env" | "--build-arg" | "ARG")
        || is_flag
        || declares
        || (first == "export" && words.len() < MOST_WORDS);
    let hands_on = HANDING_ON.iter().any(|word| lower.contains(word));
    (hands_on || (passes && (ends || last != "-"))).then_some(Assigned::Elsewhere)
}

/// Whether a name behind this is a key: it stands at the beginning, or behind what separates keys.
fn is_key(label: &str) -> bool {
    label.is_empty()
        || label.ends_with(['-', '{', ',', '(', '[', '?', '+', '*'])
        || label == "SETUVAR --export"
}

/// The value of a key, which may stand below it: as a mapping with `value`, or as a block of text.
fn of_key(before: &str, rest: &str, next: &str) -> Assigned {
    let text = rest.trim();
    if text.starts_with('{') && !text.starts_with("{{") {
        return named_value(text, "");
    }
    if text.starts_with(['|', '>']) {
        return value(next);
    }
    if !text.is_empty() {
        return value(rest);
    }
    // Nothing behind a key is what the environment has.
    let indent = |line: &str| line.len().saturating_sub(line.trim_start().len());
    let is_below = before.trim_start_matches([' ', '-']).is_empty() && indent(next) > before.len();
    if is_below { named_value("", next) } else { Assigned::Elsewhere }
}

/// The value of `name: X`, which stands on the same line in flow style, or on the next.
fn named_value(after: &str, next: &str) -> Assigned {
    let here = after.find("value").and_then(|at| after.get(at..));
    let text = here.unwrap_or(next).trim_start_matches([' ', '\t', '-', '"', '\'', ',']);
    let text = text.strip_prefix("value").map(|text| text.trim_start_matches(['"', '\'', ' ']));
    match text.and_then(|text| text.strip_prefix([':', '='])) {
        Some(text) => value(text),
        None => Assigned::Elsewhere,
    }
}

/// A value as it stands behind a sign.
pub(super) fn value(text: &str) -> Assigned {
    let text = text.trim();
    let text = text.strip_prefix('\\').filter(|rest| rest.starts_with('"')).unwrap_or(text);
    let quoted = ['"', '\''].iter().find_map(|quote| {
        let rest = text.strip_prefix(*quote)?;
        Some(rest.split(*quote).next().unwrap_or_default().trim_end_matches('\\'))
    });
    let ends = |char: char| char.is_whitespace() || ";&|)],}\"'`#".contains(char);
    let value = match quoted {
        Some(value) => value,
        None if text.starts_with(['$', '{', '!', '%', '<', '(', '`']) => text,
        None => text.split(ends).next().unwrap_or_default(),
    };
    let is_read = quoted.is_none()
        && (value.contains('(') || READING.iter().any(|prefix| value.starts_with(prefix)));
    let told = !value.starts_with(['$', '%', '<', '!', '(', '`', '*'])
        && !value.starts_with("{{")
        && !value.contains("${")
        && !value.starts_with("vault:")
        && !is_read;
    // Nothing behind a colon is what the environment has.
    if told && !(quoted.is_none() && value.is_empty()) {
        Assigned::To(value.to_owned())
    } else if text.is_empty() {
        Assigned::To(String::new())
    } else {
        Assigned::Elsewhere
    }
}

/// The end of a text: as much as is looked at.
fn end_of(text: &str) -> &str {
    let start = text.len().saturating_sub(LOOKED_BACK);
    (start..=text.len()).find_map(|at| text.get(at..)).unwrap_or_default()
}

/// The beginning of a text: as much as is looked at.
pub(super) fn start_of(text: &str) -> &str {
    let end = text.len().min(LOOKED_AHEAD);
    (0..=end).rev().find_map(|at| text.get(..at)).unwrap_or_default()
}

/// What stands between a name and its value.
const SIGNS: &[&str] = &[":=", "::=", "?=", "+=", "=>", "="];
/// Keys whose value is the name of a variable.
const NAMING: &[&str] = &["name:", "name=", "key:", "variable:"];
/// Functions that are given the name of a variable, and its value.
const SETTERS: &[&str] =
    &["setenv(", "putenv(", "setdefault(", "setenvironmentvariable(", "param(", "environ.set("];
/// Directives that hand variables on.
const HANDING_ON: &[&str] = &[
    "passenvironment=",
    "env_keep",
    "sendenv",
    "acceptenv",
    "import-environment",
    "passenv",
    "pass_env",
];
/// What a value begins with that a program reads from elsewhere.
const READING: &[&str] = &[
    "secrets.", "params.", "env.", "vars.", "var.", "local.", "process.", "os.", "config.", "data.",
];
/// Most words of a command `export`; more are a sentence.
const MOST_WORDS: usize = 4;
/// Bytes before a name that are looked at: all of a command. A line may be a whole file.
const LOOKED_BACK: usize = 512;
/// Bytes behind a name that are looked at: no value is longer.
const LOOKED_AHEAD: usize = 2 << 10;

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    /// What `X` is set to in a line.
    fn set(line: &str, next: &str) -> Option<Assigned> {
        let (before, after) = line.rsplit_once('X').unwrap();
        assignment(before, after, next)
    }

    #[test_case("    X:", "      value: \"0\"", "=0"; "gitlab")]
    #[test_case("    X:", "      from_secret: a", "elsewhere"; "drone")]
    #[test_case("    X:", "    Y: 1", "elsewhere"; "compose hands on what has no value")]
    #[test_case("  X: {value: '0'}", "", "=0"; "flow")]
    #[test_case("  X: |", "    secret", "=secret"; "block")]
    #[test_case("  X: *other", "", "elsewhere"; "alias")]
    #[test_case("echo \"##vso[task.setvariable variable=X;isOutput=true]0\"", "", "=0"; "azure")]
    #[test_case("[Environment]::SetEnvironmentVariable('X', '1', 'User')", "", "=1"; "dot net")]
    #[test_case("setx X 1", "", "=1")]
    #[test_case("Set-Item -Path Env:X -Value 1", "", "=1")]
    #[test_case("Remove-Item Env:X", "", "unset")]
    #[test_case("os.environ.setdefault(\"X\", \"1\")", "", "=1")]
    #[test_case("os.putenv(\"X\", \"0\")", "", "=0")]
    #[test_case("putenv('X=0')", "", "=0"; "php")]
    #[test_case("string(credentialsId: 'a', variable: 'X')", "", "elsewhere"; "jenkins")]
    #[test_case("  name = \"X\"", "  value = \"1\"", "=1"; "terraform")]
    #[test_case("param(\"env.X\", \"1\")", "", "=1"; "teamcity")]
    #[test_case("<param name=\"env.X\" value=\"0\" />", "", "=0"; "teamcity in xml")]
    #[test_case(": \"${X:=1}\"", "", "=1")]
    #[test_case("echo ${X:-1}", "", "none")]
    #[test_case("X DEFAULT=1", "", "=1"; "pam")]
    #[test_case("PassEnvironment=HOME X", "", "elsewhere")]
    #[test_case("UnsetEnvironment=X", "", "unset")]
    #[test_case("Defaults env_keep += \"X\"", "", "elsewhere")]
    #[test_case("set --export X 1", "", "=1"; "fish")]
    #[test_case("set -x -g X 0", "", "=0"; "fish with two flags")]
    #[test_case("set --erase X", "", "unset"; "fish erases")]
    #[test_case("SETUVAR --export X:1", "", "=1"; "fish keeps")]
    #[test_case("docker run --env=X a", "", "elsewhere")]
    #[test_case("sudo --preserve-env=X docker pull a", "", "elsewhere")]
    #[test_case("{\\\"X\\\": \\\"0\\\"}", "", "=0"; "json in a string")]
    #[test_case("'X' => '0',", "", "=0"; "ruby")]
    #[test_case("env.X = params.pass", "", "elsewhere")]
    #[test_case("env.X = getpass()", "", "elsewhere")]
    #[test_case("variable_name=\"X\"", "", "none"; "a name of a name")]
    #[test_case("echo \"set X=1 first\"", "", "none"; "printed")]
    #[test_case("echo X=1 >> $GITHUB_ENV", "", "=1"; "printed into a file")]
    #[test_case("description: \"the variable X: whether\"", "", "none"; "told of")]
    fn it_is(line: &str, next: &str, expected: &str) {
        let shown = match set(line, next) {
            Some(Assigned::To(value)) => format!("={value}"),
            Some(Assigned::Elsewhere) => "elsewhere".to_owned(),
            Some(Assigned::Unset) => "unset".to_owned(),
            None => "none".to_owned(),
        };
        assert_eq!(shown, expected);
    }

    #[test]
    fn windows_end_between_letters() {
        let text = "é".repeat(LOOKED_AHEAD);
        assert!(end_of(&text).len() <= LOOKED_BACK && start_of(&text).len() <= LOOKED_AHEAD);
        assert_eq!((end_of("é"), start_of("é")), ("é", "é"));
    }
}
