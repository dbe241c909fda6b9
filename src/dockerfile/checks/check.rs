//! All checks of one file.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;

use crate::dockerfile::checks::{stages, text};
use crate::dockerfile::directives::{ALL, check_of_comment};
use crate::dockerfile::error::SyntaxError;
use crate::dockerfile::ignore::Ignore;
use crate::dockerfile::instruction::{Check, Dockerfile, Skipped};
use crate::dockerfile::parse::{Note, parse_noting};

/// Something worth a warning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The name of the check, as `# check=skip=` has it.
    pub rule: &'static str,
    /// What was found.
    pub message: String,
    /// Where: bytes of the file.
    pub at: Range<usize>,
}

/// What is known besides the file.
#[derive(Clone, Copy)]
pub struct Known<'a> {
    /// Arguments that have a value without being declared, such as `TARGETPLATFORM`.
    pub predefined: &'a [(String, String)],
    /// Values given for arguments.
    pub arguments: &'a BTreeMap<String, String>,
    /// What is no part of the context.
    pub ignore: Option<&'a Ignore>,
    /// The environment that an image gives its containers. None if that is not known: then nobody
    /// can tell which variables are not defined.
    pub environment: &'a Environments<'a>,
}

/// The environment of an image by its name.
pub type Environments<'a> = dyn Fn(&str) -> Option<Vec<(String, String)>> + 'a;

/// Checks a file; findings come in the order of the file. Those that the file says not to look for
/// are not among them.
pub fn check(text: &str, known: Known<'_>) -> Result<Vec<Finding>, SyntaxError> {
    let mut notes = BTreeMap::new();
    let dockerfile = parse_noting(text, |note| {
        let own = note.comments.iter().find_map(|comment| check_of_comment(comment));
        notes.insert(note.parts.keyword.at.start, Noted { note, own });
    })?;
    let mut checker =
        Checker { text, dockerfile: &dockerfile, known, notes: &notes, findings: Vec::new() };
    text::check(&mut checker);
    stages::check(&mut checker);
    let mut findings = checker.findings;
    findings.sort_by_key(|finding| (finding.at.start, finding.at.end));
    Ok(findings)
}

/// A file while it is checked.
pub(super) struct Checker<'a> {
    pub(super) text: &'a str,
    pub(super) dockerfile: &'a Dockerfile,
    pub(super) known: Known<'a>,
    /// How instructions are written, by where they begin.
    notes: &'a BTreeMap<usize, Noted<'a>>,
    findings: Vec<Finding>,
}

/// How an instruction is written.
#[derive(Debug)]
struct Noted<'a> {
    note: Note<'a>,
    /// What a comment above says of the checks of it alone.
    own: Option<Check>,
}

impl<'a> Checker<'a> {
    /// How the instruction is written that begins here.
    pub(super) fn note(&self, at: &Range<usize>) -> Option<&'a Note<'a>> {
        self.notes.get(&at.start).map(|noted| &noted.note)
    }

    /// How all instructions are written.
    pub(super) fn notes(&self) -> impl Iterator<Item = &'a Note<'a>> + use<'a> {
        self.notes.values().map(|noted| &noted.note)
    }

    /// Adds a finding that the whole file is about, or that is about a word of it.
    pub(super) fn find(&mut self, rule: &'static str, at: &Range<usize>, message: String) {
        self.add(rule, None, at, message);
    }

    /// Adds a finding about an instruction; a comment above it may say not to look for it.
    pub(super) fn find_in(
        &mut self,
        rule: &'static str,
        instruction: &Range<usize>,
        at: &Range<usize>,
        message: String,
    ) {
        let noted = self.notes.get(&instruction.start);
        self.add(rule, noted.and_then(|noted| noted.own.as_ref()), at, message);
    }

    fn add(&mut self, rule: &'static str, own: Option<&Check>, at: &Range<usize>, message: String) {
        let checks = [Some(&self.dockerfile.directives.check), own];
        let mut checks = checks.into_iter().flatten();
        let wanted = if EXPERIMENTAL.contains(&rule) {
            checks.any(|check| names(&check.experimental, rule))
        } else {
            !checks.any(|check| skips(check, rule))
        };
        if wanted {
            self.findings.push(Finding { rule, message, at: at.clone() });
        }
    }
}

fn skips(check: &Check, rule: &str) -> bool {
    match &check.skip {
        Skipped::All => true,
        Skipped::These(rules) => rules.contains(rule),
    }
}

fn names(rules: &BTreeSet<String>, rule: &str) -> bool {
    rules.contains(ALL) || rules.contains(rule)
}

impl fmt::Debug for Known<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Known")
            .field("predefined", &self.predefined)
            .field("arguments", &self.arguments)
            .field("ignore", &self.ignore)
            .finish_non_exhaustive()
    }
}

/// Checks that are made only where somebody asks for them.
const EXPERIMENTAL: [&str; 1] = ["InvalidDefinitionDescription"];

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use test_case::test_case;

    use super::*;
    use crate::dockerfile::error::place;

    /// The findings as `LINE:COLUMN RULE`.
    fn found_with(text: &str, ignore: &str) -> Vec<String> {
        let predefined = [
            ("TARGETPLATFORM".to_owned(), "linux/amd64".to_owned()),
            ("BUILDPLATFORM".to_owned(), "linux/amd64".to_owned()),
            ("TARGETARCH".to_owned(), "amd64".to_owned()),
        ];
        let ignore = Ignore::parse(ignore.as_bytes()).unwrap();
        let known = Known {
            predefined: &predefined,
            arguments: &BTreeMap::from([("GIVEN".to_owned(), "x".to_owned())]),
            ignore: Some(&ignore),
            environment: &|image| {
                let own = ("OWN".to_owned(), "1".to_owned());
                (image == "known").then(|| vec![own])
            },
        };
        let mut findings = Vec::new();
        for finding in check(text, known).unwrap() {
            let (line, column) = place(text, finding.at.start);
            assert!(text.get(finding.at.clone()).is_some());
            findings.push(format!("{line}:{column} {}", finding.rule));
        }
        findings
    }

    fn found(text: &str) -> Vec<String> {
        found_with(text, "")
    }

    #[test_case("FROM a AS Build", &["1:11 StageNameCasing"]; "name of a stage")]
    #[test_case("FROM a as b", &["1:8 FromAsCasing"]; "small as")]
    #[test_case("from a AS b", &["1:8 FromAsCasing"]; "large as")]
    #[test_case("FROM a\nRUN x \\\n\n y", &["3:1 NoEmptyContinuation"]; "empty line")]
    #[test_case("FROM a\nrun x\nRUN x", &["2:1 ConsistentInstructionCasing"]; "the smaller part is wrong")]
    #[test_case("from a\nRUN x\nrun x", &["2:1 ConsistentInstructionCasing"]; "whichever that is")]
    #[test_case("FROM a\nRun x", &["2:1 ConsistentInstructionCasing"]; "mixed")]
    #[test_case("arg A\nFROM a", &[]; "arguments before stages do not count")]
    #[test_case("FROM a AS x\nFROM b AS x", &["2:11 DuplicateStageName"]; "two of a name")]
    #[test_case("FROM a AS scratch\nFROM b AS context", &["1:11 ReservedStageName", "2:11 ReservedStageName"]; "reserved names")]
    #[test_case("FROM a\nCMD x\n", &["2:5 JSONArgsRecommended"]; "a line as command")]
    #[test_case("FROM a\nSHELL [\"x\"]\nCMD x\nENTRYPOINT y", &[]; "with a shell of its own")]
    #[test_case("FROM a AS b\nSHELL [\"x\"]\nFROM b\nCMD x", &[]; "with a shell of its base")]
    #[test_case("FROM a\nMAINTAINER x", &["2:1 MaintainerDeprecated"]; "somebody")]
    #[test_case("FROM a\nCMD [\"a\"]\nCMD [\"b\"]\nHEALTHCHECK NONE\nHEALTHCHECK CMD x", &["2:1 MultipleInstructionsDisallowed", "4:1 MultipleInstructionsDisallowed"]; "the earlier one is for nothing")]
    #[test_case("FROM a\nCMD [\"a\"]\nFROM b\nCMD [\"b\"]", &[]; "in several stages")]
    #[test_case("FROM a\nENV A b\nLABEL c d\nENV e=f g=", &["2:5 LegacyKeyValueFormat", "3:7 LegacyKeyValueFormat"]; "the old form")]
    fn how_it_is_written(text: &str, expected: &[&str]) {
        assert_eq!(found(text), expected);
    }

    #[test_case("FROM $X", &["1:6 UndefinedArgInFrom", "1:6 InvalidDefaultArgInFrom"]; "nobody declares it")]
    #[test_case("ARG X\nFROM a$X", &[]; "declared")]
    #[test_case("FROM --platform=$Y a", &["1:17 UndefinedArgInFrom"]; "in a platform")]
    #[test_case("FROM --platform=$TARGETPLATFORM a", &["1:17 RedundantTargetPlatform"]; "the target is where it goes anyway")]
    #[test_case("FROM --platform=$BUILDPLATFORM a", &[]; "the platform that builds")]
    #[test_case("FROM --platform=linux/amd64 a", &["1:17 FromPlatformFlagConstDisallowed"]; "one platform")]
    #[test_case("FROM --platform=linux/amd64 a AS build-amd64", &[]; "one platform that the name says")]
    #[test_case("ARG X\nFROM $X", &["2:6 InvalidDefaultArgInFrom"]; "no image without an argument")]
    #[test_case("ARG X\nFROM a:$X", &["2:6 InvalidDefaultArgInFrom"]; "half an image")]
    #[test_case("ARG X=a\nARG Y=${X}:1\nFROM $Y", &[]; "an image by default")]
    #[test_case("FROM scratch\nWORKDIR a\nWORKDIR b", &["2:9 WorkdirRelativePath"]; "a folder that hangs on the base")]
    #[test_case("FROM scratch\nWORKDIR /a\nWORKDIR b", &[]; "a folder below another")]
    #[test_case("FROM scratch AS a\nWORKDIR /a\nFROM a\nWORKDIR b", &[]; "a folder below that of a stage")]
    #[test_case("FROM scratch\nCOPY $A $PATH", &["2:6 UndefinedVar"]; "a variable of nobody")]
    #[test_case("FROM scratch\nARG A\nENV B=$A C=$B", &["3:12 UndefinedVar"]; "one instruction sees what was before it")]
    #[test_case("FROM scratch\nENV B=1\nLABEL C=$B D=${E:-$F}", &["3:14 UndefinedVar", "3:14 UndefinedVar"]; "in defaults too")]
    #[test_case("FROM scratch\nRUN echo $X\nCMD [\"$X\"]", &[]; "what a shell expands is its own affair")]
    #[test_case("FROM scratch\nRUN --mount=target=$X true", &["2:20 UndefinedVar"]; "in a mount")]
    #[test_case("FROM unknown\nUSER $OWN", &[]; "an image that nobody knows")]
    #[test_case("FROM known\nUSER $OWN$OTHER", &["2:6 UndefinedVar"]; "an image that is known")]
    #[test_case("FROM known AS a\nENV X=1\nFROM a\nUSER $OWN$X$Z", &["4:6 UndefinedVar"]; "a stage as base")]
    #[test_case("ARG G=1\nFROM scratch\nUSER $G\nARG G\nUSER $G", &["3:6 UndefinedVar"]; "an argument before it is declared again")]
    #[test_case("FROM scratch\nARG A=$B\nARG GIVEN=$B", &["2:7 UndefinedVar"]; "the default of an argument that is not given")]
    #[test_case("FROM scratch\nCOPY <<E /x\n$A\nE\nCOPY <<'E' /x\n$A\nE\n", &["3:1 UndefinedVar"]; "in a here-document")]
    #[test_case("FROM scratch\nEXPOSE 80/TCP 1:2", &["2:8 ExposeProtoCasing", "2:15 ExposeInvalidFormat"]; "ports")]
    #[test_case("FROM scratch\nENV API_KEY=1 password=2 SECRETARY=3 PUBLIC_KEY=4 KEY_FILE=5\nARG token=6", &["2:5 SecretsUsedInArgOrEnv", "2:15 SecretsUsedInArgOrEnv", "3:5 SecretsUsedInArgOrEnv"]; "secrets")]
    #[test_case("ARG token\nFROM scratch", &[]; "an argument that no image keeps")]
    fn what_stages_do(text: &str, expected: &[&str]) {
        assert_eq!(found(text), expected);
    }

    #[test_case("x", "COPY x /", &["2:6 CopyIgnoredFile"]; "a file")]
    #[test_case("x", "ADD ./x/y z /", &["2:5 CopyIgnoredFile"]; "a file in a folder")]
    #[test_case("x\n!x/y", "COPY x /", &[]; "exceptions make it hard to tell")]
    #[test_case("x", "COPY --from=a x /", &[]; "another stage")]
    #[test_case("x", "COPY . /", &[]; "everything")]
    #[test_case(".*", "COPY . /", &[]; "everything though names with a point are left out")]
    #[test_case("**", "COPY . /", &["2:6 CopyIgnoredFile"]; "everything of nothing")]
    #[test_case("http*", "ADD http://a/x /", &[]; "a download")]
    fn files_that_are_left_out(ignore: &str, text: &str, expected: &[&str]) {
        assert_eq!(found_with(&format!("FROM scratch\n{text}"), ignore), expected);
    }

    #[test]
    fn the_file_says_what_is_not_looked_for() {
        let text = "FROM a as B\nMAINTAINER x\n";
        let all = ["1:8 FromAsCasing", "1:11 StageNameCasing", "2:1 MaintainerDeprecated"];
        assert_eq!(found(text), all);
        assert!(found(&format!("# check=skip=all\n{text}")).is_empty());
        let one = found(&format!("# check=skip=FromAsCasing,StageNameCasing\n{text}"));
        assert_eq!(one, ["3:1 MaintainerDeprecated"]);
        let text = "# check=skip=StageNameCasing because\nFROM a AS B\nFROM a AS C\n";
        assert!(found(text).is_empty(), "at the top it is for all");
        let text = format!("FROM x\n{text}");
        assert_eq!(found(&text), ["4:11 StageNameCasing"]);
    }

    #[test]
    fn descriptions_are_looked_at_when_asked_for() {
        let text = "# B is a\nARG A\n# A is a\nARG A\n# no\nFROM a AS b\n#\n# b is b\nFROM a AS b2\n# x\nRUN x";
        assert_eq!(found(text), [""; 0]);
        let asked = format!("# check=experimental=InvalidDefinitionDescription\n{text}");
        let rule = "InvalidDefinitionDescription";
        assert_eq!(
            found(&asked),
            [format!("3:5 {rule}"), format!("7:11 {rule}"), format!("10:11 {rule}")]
        );
    }

    #[test]
    fn findings_say_what_may_have_been_meant() {
        let messages = |text: &str| {
            let known = Known {
                predefined: &[],
                arguments: &BTreeMap::new(),
                ignore: None,
                environment: &|_| None,
            };
            let findings = check(text, known).unwrap();
            findings.into_iter().map(|finding| finding.message).collect::<Vec<_>>()
        };
        assert_eq!(
            messages("FROM scratch\nENV NAME=1\nUSER $NMAE"),
            ["the variable NMAE is not defined: perhaps NAME is meant"]
        );
        assert_eq!(
            messages("ARG BASE=x\nFROM $BSAE"),
            [
                "the argument BSAE is not declared before the first FROM: perhaps BASE is meant",
                "without arguments given, $BSAE is no name of an image"
            ]
        );
    }

    #[test]
    fn many_instructions_are_checked_in_time() {
        let mut text = "FROM scratch\n".to_owned();
        for number in 0..2000 {
            writeln!(text, "ENV A{number}=$B{number}").unwrap();
        }
        assert_eq!(found(&text).len(), 2000);
    }
}
