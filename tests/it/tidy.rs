//! Holds the sources to the rules of the house that no lint knows.

use std::fs;
use std::path::{Path, PathBuf};

/// The layers, ground first: a module, and the modules it may use. One may always use itself.
const LAYERS: &[(&str, &[&str])] = &[
    ("clock", &[]),
    ("limits", &[]),
    ("codec", &["clock", "limits"]),
    ("crypto", &["clock", "limits", "codec"]),
    ("tuf", &["clock", "limits", "codec", "crypto"]),
    ("oci", &["clock", "limits", "codec", "crypto"]),
    ("dockerfile", &["clock", "limits", "codec", "crypto", "oci"]),
    ("wire", &["clock", "limits", "codec", "crypto", "tuf", "oci"]),
    ("store", &["clock", "limits", "codec", "crypto", "tuf", "oci", "wire"]),
    ("client", &["clock", "limits", "codec", "crypto", "tuf", "oci", "wire"]),
    (
        "build",
        &["clock", "limits", "codec", "crypto", "oci", "dockerfile", "wire", "store", "client"],
    ),
    (
        "actions",
        &[
            "clock",
            "limits",
            "codec",
            "crypto",
            "tuf",
            "oci",
            "dockerfile",
            "wire",
            "store",
            "client",
            "build",
        ],
    ),
    ("server", &["clock", "limits", "codec", "crypto", "tuf", "oci", "wire"]),
    (
        "cli",
        &[
            "clock",
            "limits",
            "codec",
            "crypto",
            "tuf",
            "oci",
            "dockerfile",
            "wire",
            "store",
            "client",
            "build",
            "actions",
            "server",
        ],
    ),
];

/// Words that promise work instead of doing it; written apart so that this file has none.
const PROMISES: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X ")];
/// A test that is not run is not a test.
const SKIPPED_TEST: &str = concat!("#[ign", "ore");

#[test]
fn modules_use_only_those_above_them() {
    check("src", layer_complaints);
}

#[test]
fn a_command_calls_the_action_of_its_own_name() {
    check("src/cli", command_complaints);
}

#[test]
fn nothing_is_left_for_later() {
    for folder in ["src", "tests", ".ci"] {
        check(folder, promise_complaints);
    }
}

#[test]
fn a_wrong_arrow_is_found() {
    let wrong = [
        ("src/tuf/root.rs", "use crate::oci::Digest;"),
        ("src/oci/digest.rs", "    let name: crate::tuf::RoleName = name;"),
        ("src/client/http.rs", "use crate::store::files;"),
        ("src/store/keys.rs", "use crate::client::Login;"),
        ("src/codec/mod.rs", "pub(crate) use crate::crypto::Key; // why"),
        ("src/clock.rs", "use crate::limits::MAX;"),
        ("src/wire/mod.rs", "use crate::actions::sign;"),
        ("src/tuf/root.rs", "use crate::{limits, codec};"),
        ("src/tuf/root.rs", "use crate :: oci;"),
        ("src/tuf/root.rs", "    use super::super::oci::Digest;"),
        ("src/tuf/mod.rs", "use super::oci::Digest;"),
        ("src/tuf/root.rs", "use trust::oci::Digest;"),
        ("src/surprise/mod.rs", "//! A module nobody put into the table."),
    ];
    for (path, text) in wrong {
        assert_eq!(layer_complaints(path, text).len(), 1, "{path}: {text}");
    }
}

#[test]
fn a_right_arrow_is_left_alone() {
    let right = [
        ("src/tuf/root.rs", "use crate::crypto::Key;\nuse crate::tuf::names::RoleName;"),
        ("src/tuf/root.rs", "/// Unlike [`crate::oci::Digest`], this is no digest."),
        ("src/actions/sign.rs", "use crate::tuf::names;\nuse crate::oci::Digest;"),
        ("src/cli/commands/sign.rs", "use crate::actions::sign;"),
        ("src/codec/pem.rs", "mod tests {\n    use super::*;\n}"),
        ("src/lib.rs", "pub mod anything;"),
    ];
    for (path, text) in right {
        assert_eq!(layer_complaints(path, text), [""; 0], "{path}: {text}");
    }
}

#[test]
fn a_command_with_the_wrong_name_is_found() {
    let path = "src/cli/commands/key/rotate.rs";
    assert_eq!(command_complaints(path, "use crate::actions::sign::sign;").len(), 1);
    assert!(command_complaints(path, "use crate::actions::keys::rotate;").is_empty());
    assert!(command_complaints(path, "//! Calls no action.").is_empty());
    assert!(command_complaints("src/cli/ui.rs", "use crate::actions::sign;").is_empty());
}

#[test]
fn a_promise_is_found() {
    for word in PROMISES.into_iter().chain([SKIPPED_TEST]) {
        assert_eq!(promise_complaints("src/x.rs", &format!("// {word}: later")).len(), 1, "{word}");
    }
}

/// Runs `complaints` over every file of a folder and panics with all it says.
fn check(folder: &str, complaints: fn(&str, &str) -> Vec<String>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let files = files_under(&root.join(folder));
    assert!(!files.is_empty(), "{folder} holds no source");
    for file in files {
        let name = file.strip_prefix(root).unwrap().to_str().unwrap();
        found.extend(complaints(name, &fs::read_to_string(&file).unwrap()));
    }
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

/// Returns the Rust files and scripts of a folder, at any depth, but not the test data.
fn files_under(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let extension = path.extension().and_then(|text| text.to_str());
            if path.is_dir() && !path.ends_with("tests/data") {
                folders.push(path);
            } else if matches!(extension, None | Some("rs" | "sh")) && path.is_file() {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

fn layer_complaints(path: &str, text: &str) -> Vec<String> {
    if matches!(path, "src/lib.rs" | "src/main.rs") {
        return Vec::new();
    }
    let inside = path.trim_start_matches("src/").trim_end_matches(".rs");
    let module = inside.split('/').next().unwrap();
    let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == module) else {
        return vec![format!("{path}: `{module}` is not in the table of layers")];
    };
    let at_root = !inside.contains('/') || inside == format!("{module}/mod");
    let mut found = Vec::new();
    for (number, line) in code_lines(text) {
        let at = format!("{path}:{number}");
        if line.contains("super::super::") || (at_root && outermost_super(line)) {
            found.push(format!("{at}: name it from `crate`, so that its layer can be seen"));
        }
        for used in used_modules(line) {
            if used.is_empty() {
                found.push(format!("{at}: one `use crate::name` a line, no braces, no spaces"));
            } else if used != module && !allowed.contains(&used) {
                found.push(format!("{at}: `{module}` must not use `{used}`"));
            }
        }
    }
    found
}

/// Says whether a line of a top-level module's own file looks up to the crate.
fn outermost_super(line: &str) -> bool {
    !line.starts_with(' ') && line.contains("super::")
}

/// Returns the top-level modules a line names; an empty name stands for a form that hides one.
fn used_modules(line: &str) -> Vec<&str> {
    let mut used = Vec::new();
    for start in ["crate", "trust"] {
        for (at, _) in line.match_indices(start) {
            let before = line[..at].chars().next_back();
            // Within a path it is a module of that name.
            let whole = before.is_none_or(|letter| !is_name(letter) && !"\":".contains(letter));
            let rest = &line[at + start.len()..];
            if !whole || !rest.trim_start().starts_with("::") {
                continue;
            }
            let name = rest.strip_prefix("::").unwrap_or("");
            used.push(&name[..name.find(|letter| !is_name(letter)).unwrap_or(name.len())]);
        }
    }
    used
}

fn command_complaints(path: &str, text: &str) -> Vec<String> {
    let Some(inside) = path.strip_prefix("src/cli/commands/") else { return Vec::new() };
    let name = inside.rsplit('/').next().unwrap().trim_end_matches(".rs");
    let actions: Vec<&str> = code_lines(text)
        .filter_map(|(_, line)| line.split_once("crate::actions::").map(|(_, rest)| rest))
        .collect();
    let same = |rest: &&str| rest.split(|letter| !is_name(letter)).any(|word| word == name);
    if name == "mod" || actions.is_empty() || actions.iter().any(same) {
        return Vec::new();
    }
    vec![format!("{path}: calls {actions:?}, but no action named `{name}`")]
}

fn promise_complaints(path: &str, text: &str) -> Vec<String> {
    let lines = text.lines().enumerate();
    let words: Vec<&str> = PROMISES.into_iter().chain([SKIPPED_TEST]).collect();
    lines
        .filter_map(|(number, line)| {
            let word = words.iter().find(|word| line.contains(**word))?;
            Some(format!("{path}:{}: `{word}` leaves something undone", number + 1))
        })
        .collect()
}

/// Returns the lines that are not comments, numbered from 1.
fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let numbered = text.lines().enumerate().map(|(index, line)| (index + 1, line));
    numbered.filter(|(_, line)| !line.trim_start().starts_with("//"))
}

fn is_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}
